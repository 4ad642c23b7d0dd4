//! JSONata, by jsonata-core.

use jsonata_core::Expression;
use jsonata_core::evaluator::EvaluatorOptions;
use jsonata_core::value::JValue;

use super::output;
use crate::answer::{Answer, Limit};
use crate::limits::{LEVELS_MAX, SEQUENCE_MAX};

/// The interpreter's codes for what it takes too much of.
const MEMORY: [&str; 3] = ["D1011", "D2015", "U1001"];

pub(super) fn run(source: &str, event: Option<&[u8]>) -> Answer {
    let options = EvaluatorOptions {
        max_stack_depth: Some(LEVELS_MAX),
        max_sequence_length: Some(SEQUENCE_MAX),
        ..EvaluatorOptions::default()
    };
    let program = match Expression::compile_with_options(source, options) {
        Ok(program) => program,
        Err(error) => return Answer::Invalid(error.to_string()),
    };
    let Some(event) = event else { return Answer::Output(Vec::new()) };
    let event = str::from_utf8(event).map_err(|error| error.to_string());
    let event =
        event.and_then(|event| JValue::from_json_str(event).map_err(|error| error.to_string()));
    let event = match event {
        Ok(event) => event,
        Err(why) => return Answer::Failed(format!("the event cannot be read: {why}")),
    };
    match program.evaluate(&event) {
        Ok(value) if value.is_undefined() || value.is_function() || value.is_regex() => {
            Answer::Failed("the program has no output for this event".to_owned())
        }
        Ok(value) => output(|out| serde_json::to_writer(out, &value).is_ok()),
        Err(error) => match error.code() {
            Some(code) if MEMORY.contains(&code) => Answer::Exceeded(Limit::Memory),
            _ => Answer::Failed(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(source: &str, event: &str) -> String {
        match run(source, Some(event.as_bytes())) {
            Answer::Output(output) => String::from_utf8(output).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn programs_give_one_output() {
        let event =
            r#"{"data": {"orders": [{"price": 10, "n": 2}, {"price": 5, "n": 1}], "name": "x"}}"#;
        for (source, output) in [
            ("data.name", "\"x\""),
            ("$sum(data.orders.(price * n))", "25"),
            ("data.orders[price > 7].n", "2"),
            (
                r#"{"total": $sum(data.orders.price), "names": [data.name]}"#,
                r#"{"total":15,"names":["x"]}"#,
            ),
            ("data.orders ~> $map(function($o) {$o.price})", "[10,5]"),
            ("data.nowhere", r#"Failed("the program has no output for this event")"#),
            ("function($x) {$x}", r#"Failed("the program has no output for this event")"#),
            ("null", "null"),
        ] {
            assert_eq!(on(source, event), output, "{source}");
        }
        assert!(on("$error('no')", event).contains("no"));
        assert!(on("data.(", event).starts_with("Invalid("), "{}", on("data.(", event));
    }

    #[test]
    fn sequences_and_outputs_have_an_end() {
        assert_eq!(on("[1..10000000]", "{}"), "Exceeded(Memory)");
        assert_eq!(on("[1..900000]", "{}"), "Exceeded(Output)");
    }
}
