//! An expression as it is kept: a tree of which the depth is bounded by the nesting of its text.
//!
//! What follows one another without nesting (`a + b - c`, `x LIKE 'p' IN (TRUE)`) is a list and no deeper tree, so that
//! walking and dropping it needs no more of the stack than [`DEPTH_MAX`](crate::limits::DEPTH_MAX) allows.

use crate::function::Function;
use crate::like::Pattern;
use crate::{Type, Value};

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Literal(Value<'static>),
    /// The name of an attribute, in lower case.
    Attribute(Box<str>),
    Exists(Box<str>),
    Not(Box<Self>),
    Minus(Box<Self>),
    /// `LIKE` and `IN`, each asked of what is before it.
    Tested {
        operand: Box<Self>,
        tests: Vec<Test>,
    },
    /// Operators of equal precedence, from left to right.
    Chain {
        first: Box<Self>,
        rest: Vec<(Operator, Self)>,
    },
    Call {
        function: Function,
        arguments: Vec<Self>,
    },
    /// A call of a function that does not exist.
    Unknown {
        name: Box<str>,
        arity: usize,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub(crate) negated: bool,
    pub(crate) kind: TestKind,
}

#[derive(Debug, Clone)]
pub(crate) enum TestKind {
    Like(Box<Pattern>),
    In(Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Logic(Logic),
    Comparison(Comparison),
    Arithmetic(Arithmetic),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Node {
    /// The type of what this gives where it fails. Boolean where this cannot be known without evaluating it.
    pub(crate) fn type_of_failure(&self) -> Type {
        match self {
            Self::Literal(value) => value.kind(),
            Self::Minus(_) => Type::Integer,
            Self::Chain { rest, .. } => match rest.last() {
                Some((Operator::Arithmetic(_), _)) => Type::Integer,
                Some((Operator::Logic(_) | Operator::Comparison(_), _)) | None => Type::Boolean,
            },
            Self::Call { function, .. } => function.returns(),
            Self::Attribute(_)
            | Self::Exists(_)
            | Self::Not(_)
            | Self::Tested { .. }
            | Self::Unknown { .. } => Type::Boolean,
        }
    }

    /// Calls `see` with the name of each attribute whose value is asked for.
    pub(crate) fn names<'a>(&'a self, see: &mut impl FnMut(&'a str)) {
        match self {
            Self::Literal(_) | Self::Unknown { .. } => {}
            Self::Attribute(name) | Self::Exists(name) => see(name),
            Self::Not(operand) | Self::Minus(operand) => operand.names(see),
            Self::Tested { operand, tests } => {
                operand.names(see);
                for test in tests {
                    if let TestKind::In(set) = &test.kind {
                        set.iter().for_each(|element| element.names(see));
                    }
                }
            }
            Self::Chain { first, rest } => {
                first.names(see);
                rest.iter().for_each(|(_, operand)| operand.names(see));
            }
            Self::Call { arguments, .. } => {
                arguments.iter().for_each(|argument| argument.names(see));
            }
        }
    }
}
