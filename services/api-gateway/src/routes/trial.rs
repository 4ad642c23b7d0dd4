//! What a pattern or a transform is tried with: a request of two JSON texts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tripline_kernel::{Fault, pointer_token};

use crate::document::unknown;
use crate::refusal::Refusal;

/// The texts of these fields of the body, as they came: keys that stand twice and the spelling of numbers count.
pub(super) fn texts<'b>(body: &'b [u8], names: [&str; 2]) -> Result<[&'b str; 2], Refusal> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body)
        .map_err(|error| Refusal::MalformedJson(format!("it is an object: {error}")))?;
    let unknown = fields.keys().filter(|name| !names.contains(&&***name)).map(|name| {
        let pointer = format!("/{}", pointer_token(name));
        Fault::new(pointer, "unknown-field", unknown("field", name, &names))
    });
    let missing = names.into_iter().filter(|name| !fields.contains_key(*name));
    let missing = missing
        .map(|name| Fault::new(format!("/{name}"), "required", format!("'{name}' is missing")));
    let faults: Vec<_> = unknown.chain(missing).collect();
    match (fields.get(names[0]), fields.get(names[1])) {
        (Some(first), Some(second)) if faults.is_empty() => Ok([first.get(), second.get()]),
        _ => Err(Refusal::Document(faults)),
    }
}

/// The refusal of an event that is none.
pub(super) fn not_an_event(why: String) -> Refusal {
    Refusal::Document(vec![Fault::new("/event", "invalid-event", why)])
}
