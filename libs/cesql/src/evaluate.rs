//! Walking an expression over the attributes of an event.

use std::cmp::Ordering;

use crate::function::Failed;
use crate::limits::{BYTES_PER_STEP, STEPS_MAX};
use crate::node::{Arithmetic, Comparison, Logic, Node, Operator, Test, TestKind};
use crate::{Attributes, EvaluationError, Value};

/// Attributes that every event has, whatever is known of this one.
const REQUIRED: [&str; 4] = ["id", "source", "specversion", "type"];

/// One evaluation, which ends at the first error.
pub(crate) struct Evaluation<'a> {
    attributes: &'a Attributes<'a>,
    steps: usize,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(attributes: &'a Attributes<'a>) -> Self {
        Self { attributes, steps: 0 }
    }

    /// The value of a node. Beside an error, none stands for zero of the node's type.
    pub(crate) fn node(&mut self, node: &'a Node) -> Result<Value<'a>, Failed<'a>> {
        match node {
            Node::Literal(value) => Ok(value.borrowed()),
            Node::Attribute(name) => match self.attributes.get(name) {
                Some(value) => Ok(value.borrowed()),
                None => Err(EvaluationError::MissingAttribute(name.clone()).into()),
            },
            Node::Exists(name) => {
                let exists = REQUIRED.contains(&&**name) || self.attributes.get(name).is_some();
                Ok(Value::Boolean(exists))
            }
            Node::Not(operand) => Ok(Value::Boolean(!self.operand(operand)?.boolean()?)),
            Node::Minus(operand) => {
                let negated = self.operand(operand)?.integer()?.checked_neg();
                Ok(Value::Integer(negated.ok_or_else(beyond)?))
            }
            Node::Tested { operand, tests } => {
                let mut value = self.operand(operand)?;
                for test in tests {
                    value = Value::Boolean(self.test(value, test)?);
                }
                Ok(value)
            }
            Node::Chain { first, rest } => {
                let mut value = self.operand(first)?;
                for (operator, operand) in rest {
                    value = self.apply(*operator, value, operand)?;
                }
                Ok(value)
            }
            Node::Call { function, arguments } => {
                let arguments: Result<Vec<_>, _> =
                    arguments.iter().map(|argument| self.operand(argument)).collect();
                function.call(arguments?)
            }
            Node::Unknown { name, arity } => {
                Err(EvaluationError::MissingFunction { name: name.clone(), arity: *arity }.into())
            }
        }
    }

    /// The value of a node that another one works with, whose length that one may look at a few times.
    fn operand(&mut self, node: &'a Node) -> Result<Value<'a>, EvaluationError> {
        let value = self.node(node).map_err(|failed| failed.error)?;
        self.steps += 1;
        if let Value::String(text) = &value {
            self.steps += text.len() / BYTES_PER_STEP;
        }
        if self.steps > STEPS_MAX {
            let what = "an evaluation takes";
            return Err(EvaluationError::Limit { what, max: STEPS_MAX, unit: "steps" });
        }
        Ok(value)
    }

    fn test(&mut self, value: Value<'a>, test: &'a Test) -> Result<bool, EvaluationError> {
        let holds = match &test.kind {
            TestKind::Like(pattern) => pattern.matches(&value.string()),
            TestKind::In(set) => self.is_in(&value, set)?,
        };
        Ok(holds != test.negated)
    }

    fn is_in(&mut self, value: &Value<'a>, set: &'a [Node]) -> Result<bool, EvaluationError> {
        for element in set {
            if self.operand(element)?.cast(value.kind())? == *value {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn apply(
        &mut self,
        operator: Operator,
        left: Value<'a>,
        right: &'a Node,
    ) -> Result<Value<'a>, EvaluationError> {
        match operator {
            Operator::Logic(logic) => self.logic(logic, &left, right).map(Value::Boolean),
            Operator::Comparison(comparison) => {
                compare(comparison, left, &self.operand(right)?).map(Value::Boolean)
            }
            Operator::Arithmetic(arithmetic) => {
                calculate(arithmetic, &left, &self.operand(right)?).map(Value::Integer)
            }
        }
    }

    /// The right operand is not looked at where the left one decides.
    fn logic(
        &mut self,
        logic: Logic,
        left: &Value<'a>,
        right: &'a Node,
    ) -> Result<bool, EvaluationError> {
        match (logic, left.boolean()?) {
            (Logic::And, false) => Ok(false),
            (Logic::Or, true) => Ok(true),
            (Logic::And, true) | (Logic::Or, false) => self.operand(right)?.boolean(),
            (Logic::Xor, left) => Ok(left != self.operand(right)?.boolean()?),
        }
    }
}

/// Equality is of the type of the right operand, order is of integers.
fn compare(
    comparison: Comparison,
    left: Value<'_>,
    right: &Value<'_>,
) -> Result<bool, EvaluationError> {
    let order = |left: &Value<'_>, right: &Value<'_>| -> Result<Ordering, EvaluationError> {
        Ok(left.integer()?.cmp(&right.integer()?))
    };
    Ok(match comparison {
        Comparison::Equal => left.cast(right.kind())? == *right,
        Comparison::NotEqual => left.cast(right.kind())? != *right,
        Comparison::Less => order(&left, right)?.is_lt(),
        Comparison::LessOrEqual => order(&left, right)?.is_le(),
        Comparison::Greater => order(&left, right)?.is_gt(),
        Comparison::GreaterOrEqual => order(&left, right)?.is_ge(),
    })
}

fn calculate(
    arithmetic: Arithmetic,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<i32, EvaluationError> {
    let (left, right) = (left.integer()?, right.integer()?);
    let result = match arithmetic {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide | Arithmetic::Remainder if right == 0 => {
            return Err(EvaluationError::Math("a number is divided by zero"));
        }
        Arithmetic::Divide => left.checked_div(right),
        // Only the least number by -1 wraps, and it leaves 0.
        Arithmetic::Remainder => Some(left.wrapping_rem(right)),
    };
    result.ok_or_else(beyond)
}

fn beyond() -> EvaluationError {
    EvaluationError::Math("the result is beyond 32 bits")
}
