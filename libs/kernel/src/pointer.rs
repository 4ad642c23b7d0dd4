//! JSON Pointers (RFC 6901).

use std::borrow::Cow;

/// The name of a member as it stands in a JSON Pointer, behind a `/`.
#[must_use]
pub fn pointer_token(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) {
        // In this order, or the tilde of an escape would be escaped again.
        name.replace('~', "~0").replace('/', "~1").into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::pointer_token;

    #[test]
    fn a_token_leads_to_its_member() {
        for name in ["", "a", "a/b", "~", "~1", "/~/", "é"] {
            let object = serde_json::json!({name: 1});
            assert_eq!(
                object.pointer(&format!("/{}", pointer_token(name))),
                Some(&1.into()),
                "{name}"
            );
        }
    }
}
