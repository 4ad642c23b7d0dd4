//! No transform and no event can do harm: what comes out is bounded, and is JSON where it says so.
//!
//! The input is a transform and an event, parted by the first line feed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use tripline_transform::{Applied, Transform, as_json, limits::OUTPUT_BYTES_MAX};

fuzz_target!(|text: &str| {
    let Some((transform, event)) = text.split_once('\n') else { return };
    let Ok(transform) = Transform::parse(transform) else { return };
    let Ok(applied) = transform.apply(event.as_bytes()) else { return };
    let Applied::Output(output) = applied else {
        assert!(transform.program().is_some(), "only programs are to be run");
        return;
    };
    assert!(output.len() <= OUTPUT_BYTES_MAX, "an output is bounded");
    let json = as_json(&output);
    assert!(!json.contains('\n'), "one line");
    serde_json::from_str::<IgnoredAny>(&json).expect("JSON");
    let several = serde_json::Deserializer::from_slice(&output).into_iter::<IgnoredAny>();
    assert!(several.into_iter().all(|value| value.is_ok()), "an output is JSON values");
});
