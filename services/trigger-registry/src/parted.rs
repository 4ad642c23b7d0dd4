//! Secrets apart from the settings that they stand in, by JSON Pointer.

use serde_json::{Value, json};
use tripline_kernel::Fault;

use crate::kinds::Settings;

/// What stands for a secret when settings are read.
pub(crate) fn placeholder() -> Value {
    json!({"secret": "set"})
}

pub(crate) fn is_placeholder(value: &Value) -> bool {
    *value == placeholder()
}

/// Puts the stored secrets where their placeholders stand. A fault for each placeholder that nothing is stored for.
pub(crate) fn fill(settings: &mut Settings, secrets: &[String], stored: &Settings) -> Vec<Fault> {
    let mut unset = Vec::new();
    for pointer in secrets {
        let Some(value) = at(settings, pointer).filter(|value| is_placeholder(value)) else {
            continue;
        };
        match stored.get(pointer) {
            Some(secret) => secret.clone_into(value),
            None => unset.push(not_set(pointer)),
        }
    }
    unset
}

/// The fault of a placeholder that nothing is stored for.
pub(crate) fn not_set(pointer: &str) -> Fault {
    let detail = "no secret is stored for this setting yet: give it in the clear";
    Fault::new(pointer, "secret-not-set", detail)
}

/// Takes the secrets out of the settings, by their pointers, and leaves placeholders.
pub(crate) fn part(settings: &mut Settings, secrets: Vec<String>) -> Settings {
    let mut parted = Settings::new();
    for pointer in secrets {
        if let Some(value) = at(settings, &pointer) {
            let secret = std::mem::replace(value, placeholder());
            parted.insert(pointer, secret);
        }
    }
    parted
}

/// The settings with the secrets back in their places.
pub(crate) fn join(mut settings: Settings, secrets: Settings) -> Settings {
    for (pointer, secret) in secrets {
        if let Some(value) = at(&mut settings, &pointer) {
            *value = secret;
        }
    }
    settings
}

/// The value that a pointer points to.
fn at<'s>(settings: &'s mut Settings, pointer: &str) -> Option<&'s mut Value> {
    let inside = pointer.strip_prefix('/')?;
    let (field, rest) = inside.split_at(inside.find('/').unwrap_or(inside.len()));
    settings.get_mut(&field.replace("~1", "/").replace("~0", "~"))?.pointer_mut(rest)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{fill, join, part};
    use crate::kinds::Settings;

    fn settings(value: Value) -> Settings {
        match value {
            Value::Object(settings) => settings,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn what_is_parted_comes_back_in_its_place() {
        let whole = settings(json!({"url": "u", "headers": {"a/b": "1", "c~d": "2"}, "e": "3"}));
        let pointers = ["/headers/a~1b", "/headers/c~0d", "/e", "/absent", "/url/none"];
        let pointers: Vec<_> = pointers.map(str::to_owned).into();
        let mut shown = whole.clone();
        let secrets = part(&mut shown, pointers.clone());
        let set = json!({"secret": "set"});
        let expected = json!({"url": "u", "headers": {"a/b": set, "c~d": set}, "e": set});
        assert_eq!(shown, settings(expected));
        assert_eq!(join(shown.clone(), secrets.clone()), whole);

        assert_eq!(fill(&mut shown, &pointers, &secrets), [], "each placeholder is stored for");
        assert_eq!(shown, whole);
        let mut new = settings(json!({"headers": {"a/b": set, "c~d": "in the clear"}}));
        let unset = fill(&mut new, &pointers[..2], &Settings::new());
        assert_eq!(unset.len(), 1);
        assert_eq!(unset[0].pointer, "/headers/a~1b");
    }
}
