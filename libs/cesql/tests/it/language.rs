//! What the kit has no case for: precedence, casts, errors and their places.

use tripline_cesql::{
    Attributes, ConditionError, EvaluationError, EventError, Expression, Outcome, Type, Value,
};

fn value(text: &str) -> Value<'static> {
    let outcome = outcome(text);
    assert_eq!(outcome.error, None, "{text}");
    outcome.value
}

fn outcome(text: &str) -> Outcome<'static> {
    let expression = Expression::parse(text).expect("valid");
    let mut attributes = Attributes::new();
    attributes.set("text", Value::String("Äpfel".into()));
    attributes.set("five", Value::Integer(5));
    let Outcome { value, error } = expression.evaluate(&attributes);
    let value = match value {
        Value::Integer(number) => Value::Integer(number),
        Value::Boolean(truth) => Value::Boolean(truth),
        Value::String(text) => Value::String(text.into_owned().into()),
    };
    Outcome { value, error }
}

fn holds(text: &str) {
    assert_eq!(value(text), Value::Boolean(true), "{text}");
}

#[test]
fn operators_bind_as_the_specification_says() {
    holds("1 + 2 * 3 = 7");
    holds("10 - 4 - 3 = 3");
    holds("2 * 7 / 4 = 3 AND 2 * (7 / 4) = 2");
    holds("NOT FALSE = TRUE");
    holds("NOT 'false' = 'true'");
    holds("1 + 2 IN (3) = 1");
    holds("-five LIKE '-_'");
    // Of equal precedence: from the left.
    holds("TRUE OR TRUE AND TRUE");
    assert_eq!(value("TRUE OR TRUE AND FALSE"), Value::Boolean(false));
    assert_eq!(value("FALSE AND FALSE OR TRUE"), Value::Boolean(true));
    assert_eq!(value("TRUE XOR TRUE XOR TRUE"), Value::Boolean(true));
    holds("'a' LIKE 'b' NOT IN (TRUE) LIKE 't%'");
}

#[test]
fn a_sign_belongs_to_a_number_where_an_operand_is_awaited() {
    assert_eq!(value("4-1"), Value::Integer(3));
    assert_eq!(value("4 -1"), Value::Integer(3));
    assert_eq!(value("4+-1"), Value::Integer(3));
    assert_eq!(value("+5 + +5"), Value::Integer(10));
    assert_eq!(value("-2147483648"), Value::Integer(i32::MIN));
    assert_eq!(value("2147483647"), Value::Integer(i32::MAX));
}

#[test]
fn names_and_keywords_are_read_whatever_their_case() {
    holds("eXiStS Text aNd nOt exists other AND TEXT lIkE 'Äpf__'");
    holds("Text Not In ('x')");
    holds("concat_ws('-', five, TRUE) = '5-true'");
}

#[test]
fn characters_are_counted_not_bytes() {
    assert_eq!(value("LENGTH(text)"), Value::Integer(5));
    holds("LEFT(text, 1) = 'Ä' AND RIGHT(text, 4) = 'pfel' AND SUBSTRING(text, 1, 2) = 'Äp'");
    holds("SUBSTRING(text, -5) = text AND SUBSTRING(text, 5, 2147483647) = 'l'");
    holds("UPPER(text) = 'ÄPFEL' AND LOWER(text) = 'äpfel'");
    holds("TRIM(' \t\u{2003}x\u{a0}') = 'x'");
}

#[test]
fn casts_can_be_asked_for() {
    holds("IS_INT('12') AND IS_INT(TRUE) AND NOT IS_INT('x') AND NOT IS_INT('2147483648')");
    holds("IS_BOOL('TRUE') AND IS_BOOL(5) AND NOT IS_BOOL('5')");
}

#[test]
fn errors_have_the_value_of_what_they_end_in() {
    let math = |text: &str| {
        let outcome = outcome(text);
        assert!(matches!(outcome.error, Some(EvaluationError::Math(_))), "{text}: {outcome:?}");
        outcome.value
    };
    assert_eq!(math("2147483647 + 1"), Value::Integer(0));
    assert_eq!(math("-2147483648 - 1"), Value::Integer(0));
    assert_eq!(math("65536 * 65536"), Value::Integer(0));
    assert_eq!(math("-2147483648 / -1"), Value::Integer(0));
    assert_eq!(math("-(-2147483648)"), Value::Integer(0));
    assert_eq!(math("CONCAT('a', 1 / 0)"), Value::String("".into()));
    assert_eq!(math("1 / 0 = 0"), Value::Boolean(false));
    assert_eq!(value("-2147483648 % -1"), Value::Integer(0));
    // What a function gives beside its error does not reach what is around it.
    let around = outcome("LENGTH(LEFT('abc', -1))");
    assert_eq!(around.value, Value::Integer(0));
    assert!(matches!(around.error, Some(EvaluationError::Function(_))));
    let negative = outcome("SUBSTRING('abc', 0, -1)");
    assert!(matches!(negative.error, Some(EvaluationError::Function(_))));
    assert_eq!(outcome("'x' = 1").error, Some(EvaluationError::Cast(Type::Integer)));
    assert_eq!(outcome("NOPE(1, other)").value, Value::Boolean(false));
    let missing = EvaluationError::MissingFunction { name: "NOPE".into(), arity: 2 };
    assert_eq!(outcome("nope(1, other)").error, Some(missing));
}

#[test]
fn what_is_no_expression_is_refused_where_it_is_wrong() {
    let place = |text: &str| {
        let error = Expression::parse(text).expect_err(text);
        (error.line, error.column)
    };
    assert_eq!(place(""), (1, 1));
    assert_eq!(place("1 +\n ü"), (2, 2));
    assert_eq!(place("(1"), (1, 3));
    assert_eq!(place("1 2"), (1, 3));
    assert_eq!(place("'ä' 'b'"), (1, 5));
    assert_eq!(place("x NOT 1"), (1, 7));
    assert_eq!(place("x LIKE y"), (1, 8));
    assert_eq!(place("x IN ()"), (1, 7));
    assert_eq!(place("EXISTS 'x'"), (1, 8));
    assert_eq!(place("EXISTS and"), (1, 8));
    assert_eq!(place("2147483648"), (1, 1));
    assert_eq!(place("1 + -2147483649"), (1, 5));
    assert_eq!(place("a_b = 1"), (1, 1));
    assert_eq!(place("F1()"), (1, 1));
    assert_eq!(place("f(1,)"), (1, 5));
    assert_eq!(place("+ 5"), (1, 1));
    assert_eq!(place("1 = = 1"), (1, 5));
}

#[test]
fn a_condition_is_met_or_not_or_cannot_be() {
    let met = |text: &str, event: &str| Expression::parse(text).unwrap().is_met(event.as_bytes());
    let event = r#"{"id": "7", "hop": 3, "gone": null, "data": {"hop": 9}}"#;
    assert_eq!(met("hop < id", event), Ok(true));
    assert_eq!(met("hop > id", event), Ok(false));
    assert_eq!(met("EXISTS gone OR EXISTS data", event), Ok(false));
    assert_eq!(met("EXISTS type", event), Ok(true));
    assert_eq!(met("hop", event), Err(ConditionError::NotBoolean(Type::Integer)));
    let missing = EvaluationError::MissingAttribute("gone".into());
    assert_eq!(met("gone = 1", event), Err(ConditionError::Evaluation(missing)));
    assert_eq!(met("TRUE", "[]"), Err(ConditionError::Event(EventError::NotAnObject)));
    assert_eq!(
        met("TRUE", "{"),
        Err(ConditionError::Event(EventError::Malformed { line: 1, column: 1 }))
    );
}
