//! What an event holds never changes the shape of an output.

use proptest::prelude::*;
use serde_json::{Value, json};
use tripline_transform::{Applied, Transform};

use crate::output;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[\\[\\]{}<>\\\\\":, a\u{e9}\n]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[{}\\\\\":, a]{0,3}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Text with a value between brackets, each string and key without its quotes.
fn without_quotes(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(without_quotes).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let member = |(key, value): (&String, _)| format!("{key}:{}", without_quotes(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| !item.is_string() && is_plain(item)),
        Value::Object(members) => members.is_empty(),
        _ => true,
    }
}

proptest! {
    #[test]
    fn a_value_is_placed_as_it_is(value in value(), other in value()) {
        let template = json!({"input_paths": {"a": "$.data.a", "b": "$.data['b']"}, "template": "{\"x\": [<a>, 1], \"y\": <b>}"});
        let event = json!({"data": {"a": value, "b": other}}).to_string();
        let output: Value = serde_json::from_str(&output(&template.to_string(), &event).unwrap()).unwrap();
        prop_assert_eq!(output, json!({"x": [value, 1], "y": other}));
    }

    #[test]
    fn text_is_one_string_whatever_is_in_it(value in value()) {
        let template = json!({"input_paths": {"a": "$.data"}, "template": "\"<[<a>]\""});
        let event = json!({"data": value}).to_string();
        let output: Value = serde_json::from_str(&output(&template.to_string(), &event).unwrap()).unwrap();
        prop_assert_eq!(output, Value::from(format!("<[{}]", without_quotes(&value))));
    }

    #[test]
    fn a_string_in_json_stays_one_string(value in value()) {
        let template = json!({"input_paths": {"a": "$.data"}, "template": "{\"x\": \"<a>\"}"});
        let output = output(&template.to_string(), &json!({"data": value}).to_string());
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match output {
            Ok(output) => {
                let output: Value = serde_json::from_str(&output).unwrap();
                prop_assert_eq!(output, json!({"x": text}));
                prop_assert!(is_plain(&value));
            }
            Err(_) => prop_assert!(!is_plain(&value)),
        }
    }

    #[test]
    fn no_text_panics(
        template in "[\\[\\]{}\":,<>a-b1.$ \n\\\\]{0,40}",
        path in "[$.\\[\\]'\"a*0 ]{0,10}",
        event in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let document = json!({"input_paths": {"a": path}, "template": template}).to_string();
        if let Ok(transform) = Transform::parse(&document) {
            for event in [&event[..], br#"{"a": {"a": [[0], "a"]}}"#] {
                if let Ok(Applied::Output(output)) = transform.apply(event) {
                    // Each value is JSON: nothing of the event got between them.
                    for value in serde_json::Deserializer::from_slice(&output).into_iter::<Value>() {
                        prop_assert!(value.is_ok());
                    }
                }
            }
        }
    }
}
