//! Expressions made to take long, to take memory, or to break something.

use proptest::prelude::*;
use tripline_cesql::limits::{
    BYTES_PER_STEP, DEPTH_MAX, EXPRESSION_BYTES_MAX, LIKE_CHARS_MAX, STEPS_MAX, STRING_BYTES_MAX,
};
use tripline_cesql::{Attributes, EvaluationError, Expression, Value};

fn refused(text: &str, why: &str) {
    let error = Expression::parse(text).expect_err("beyond a limit");
    assert!(error.detail.contains(why), "{error}");
}

fn error_over(text: &str, x: String) -> Option<EvaluationError> {
    let expression = Expression::parse(text).expect("valid");
    let mut attributes = Attributes::new();
    attributes.set("x", Value::String(x.into()));
    expression.evaluate(&attributes).error
}

fn is_limit(error: Option<&EvaluationError>, limit: usize) -> bool {
    matches!(error, Some(EvaluationError::Limit { max, .. }) if *max == limit)
}

#[test]
fn expressions_are_of_limited_length() {
    let longest = format!("1{}", " ".repeat(EXPRESSION_BYTES_MAX - 1));
    assert!(Expression::parse(&longest).is_ok());
    refused(&format!("{longest} "), "bytes");
}

#[test]
fn nesting_is_of_limited_depth() {
    let nestings =
        [("(", ")"), ("NOT ", ""), ("- ", ""), ("INT(", ")"), ("1 IN (", ")"), ("1 + (", ")")];
    for (open, close) in nestings {
        let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let deepest = Expression::parse(&nested(DEPTH_MAX)).unwrap();
        assert_eq!(deepest.evaluate(&Attributes::new()).error, None, "{open}");
        refused(&nested(DEPTH_MAX + 1), "deep");
        refused(&open.repeat(EXPRESSION_BYTES_MAX / open.len()), "deep");
    }
}

#[test]
fn long_rows_are_not_deep() {
    for (first, more) in [("1", "+1"), ("TRUE", " OR TRUE"), ("1", "=1"), ("x", " LIKE''")] {
        let count = (EXPRESSION_BYTES_MAX - first.len()) / more.len();
        let text = format!("{first}{}", more.repeat(count));
        assert_eq!(error_over(&text, "x".to_owned()), None, "{more}");
    }
}

#[test]
fn strings_are_of_limited_length() {
    let longest = "x".repeat(STRING_BYTES_MAX);
    assert_eq!(error_over("LENGTH(CONCAT(x, ''))", longest.clone()), None);
    let makers = [
        "CONCAT(x, 'y')",
        "CONCAT_WS('y', x, '')",
        "CONCAT(CONCAT(x), CONCAT(x))",
        "UPPER(CONCAT(x, x))",
        // These are longer in capitals.
        "UPPER(CONCAT(LEFT(x, 65534), 'ŉ'))",
    ];
    for maker in makers {
        assert!(is_limit(error_over(maker, longest.clone()).as_ref(), STRING_BYTES_MAX), "{maker}");
    }
    assert!(is_limit(error_over("LOWER(x)", format!("{longest}x")).as_ref(), STRING_BYTES_MAX));
    let mut doubled = "x".to_owned();
    for _ in 0..6 {
        doubled = format!("CONCAT({doubled},{doubled})");
    }
    let error = error_over(&doubled, "x".repeat(2000));
    assert!(is_limit(error.as_ref(), STRING_BYTES_MAX), "{error:?}");
}

#[test]
fn evaluations_are_of_limited_length() {
    // The operand is a step itself.
    let longest = "x".repeat((STEPS_MAX - 1) * BYTES_PER_STEP);
    assert_eq!(error_over("LENGTH(x)", longest.clone()), None);
    let beyond = longest + &"x".repeat(BYTES_PER_STEP);
    assert!(is_limit(error_over("LENGTH(x)", beyond).as_ref(), STEPS_MAX));
    let long = "x".repeat(STRING_BYTES_MAX);
    let often = |part: &str| vec![part; EXPRESSION_BYTES_MAX / (part.len() + 1)].join("+");
    for part in ["LENGTH(x)", "LENGTH(UPPER(x))", "IS_INT(x)", "(x LIKE'%_%y')"] {
        let error = error_over(&often(part), long.clone());
        assert!(is_limit(error.as_ref(), STEPS_MAX), "{part}: {error:?}");
    }
    assert_eq!(error_over(&often("LENGTH(x)"), "short".to_owned()), None);
}

#[test]
fn patterns_are_of_limited_length_and_do_not_go_back() {
    let pattern = "%_x".repeat(LIKE_CHARS_MAX / 2);
    let text = format!("x LIKE '{pattern}%y'");
    assert_eq!(error_over(&text, "x".repeat(STRING_BYTES_MAX)), None);
    refused(&format!("x LIKE '{}'", "_".repeat(LIKE_CHARS_MAX + 1)), "characters");
}

/// Pieces that are of the language, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1",
        "-",
        "+",
        "2147483648",
        "-2147483648",
        "TRUE",
        "false",
        "id",
        "x",
        "hop",
        "'a%'",
        "'5'",
        "\"\\\"\"",
        "'",
        "\\",
        "(",
        "(",
        ")",
        ")",
        ",",
        "AND",
        "OR",
        "XOR",
        "NOT",
        "LIKE",
        "IN",
        "EXISTS",
        "=",
        "!=",
        "<>",
        "<=",
        "*",
        "/",
        "%",
        "LENGTH(",
        "SUBSTRING(",
        "LEFT(",
        "RIGHT(",
        "CONCAT_WS(",
        "ABS(",
        "INT(",
        "F(",
        "ü",
        "\n",
        "_",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

fn no_panic(text: &str, event: &[u8]) {
    if let Ok(expression) = Expression::parse(text) {
        // Whatever it is: that it is, and does not panic, is what is tested.
        let _ = expression.is_met(event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_text_panics(text in any::<String>(), event in any::<Vec<u8>>()) {
        no_panic(&text, b"{}");
        no_panic("EXISTS x", &event);
    }

    #[test]
    fn no_expression_panics(text in pieces()) {
        no_panic(&text, "{\"id\": \"\u{e4}b\", \"x\": true, \"hop\": -2147483648}".as_bytes());
    }

    #[test]
    fn no_part_of_a_string_panics(text in any::<String>(), at in any::<i32>(), length in -3..9_i32) {
        let mut attributes = Attributes::new();
        attributes.set("x", Value::String(text.into()));
        attributes.set("at", Value::Integer(at % 12));
        attributes.set("length", Value::Integer(length));
        let expression = Expression::parse(
            "CONCAT(SUBSTRING(x, at, length), LEFT(x, length), RIGHT(x, at), SUBSTRING(x, at))",
        ).unwrap();
        let _ = expression.evaluate(&attributes);
    }
}
