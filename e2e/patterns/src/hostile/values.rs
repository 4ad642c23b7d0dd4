//! Fields with many or long values, and what is costly to ask of them.

use super::{EVENT_BYTES_MAX, Family, array, filled, list};

pub(super) fn families() -> Vec<Family> {
    of_texts().into_iter().chain(of_others()).chain(of_names()).collect()
}

/// Alternatives for the field `a`.
fn of(name: &str, event: String, alternative: fn(usize) -> String) -> Family {
    Family::new(name, event, move |size| format!("{{\"a\":[{}]}}", list(size, alternative)))
}

fn numbers() -> String {
    array(|n| (n + 1).to_string())
}

fn texts() -> String {
    array(|n| format!("\"{n:x}\""))
}

/// What texts are searched for.
fn of_texts() -> Vec<Family> {
    let long = || format!("{{\"a\":\"{}\"}}", "a".repeat(EVENT_BYTES_MAX - 8));
    vec![
        of("numeric", numbers(), |n| format!("{{\"numeric\":[\"<\",-{n}]}}")),
        of("wildcard", texts(), |n| {
            format!("{{\"wildcard\":\"*{}*\"}}", ["zz", "y", "w", "q"][n % 4])
        }),
        of("wildcard of three pieces", texts(), |n| {
            format!("{{\"wildcard\":\"*{}*z*y*\"}}", n % 10)
        }),
        Family::new("wildcard of many pieces", long(), |size| {
            format!("{{\"a\":[{{\"wildcard\":\"{}*b*\"}}]}}", "*a".repeat(size))
        }),
        of("wildcard, nearly met", long(), |n| {
            format!("{{\"wildcard\":\"*{}b*\"}}", "a".repeat(5 + n % 3))
        }),
        of("contains", texts(), |n| format!("{{\"contains\":\"zz{n}\"}}")),
        of("regex", texts(), |n| format!("{{\"regex\":\"^z{n}\"}}")),
        of("regex on one text", long(), |n| format!("{{\"regex\":\"[ab]*z{n}\"}}")),
        of("prefix", array(|_| format!("\"{}\"", "a".repeat(90))), |n| {
            format!("{{\"prefix\":\"{}\"}}", "a".repeat(n + 1))
        }),
        of("suffix, ignoring case", array(|_| format!("\"{}\"", "A".repeat(30))), |n| {
            format!("{{\"suffix\":{{\"equals-ignore-case\":\"{}\"}}}}", "a".repeat(n + 1))
        }),
        of(
            "suffix, ignoring case beyond ASCII",
            array(|n| format!("\"{}{n}\"", "É".repeat(19))),
            |n| format!("{{\"suffix\":{{\"equals-ignore-case\":\"é{}\"}}}}", "é".repeat(n)),
        ),
    ]
}

fn of_others() -> Vec<Family> {
    let inside = |name: &str, begin: &'static str, item: fn(usize) -> String, end: &'static str| {
        Family::new(name, texts(), move |size| {
            format!("{{\"a\":[{begin}{}{end}]}}", list(size, item))
        })
    };
    vec![
        of("cidr", array(|n| format!("\"{n:x}::\"")), |n| {
            format!("{{\"cidr\":\"{n}::/{}\"}}", 1 + n % 127)
        }),
        of("exact", array(|n| (n % 900).to_string()), |n| n.to_string()),
        of("every", texts(), |n| format!("{{\"every\":{{\"anything-but\":\"{:x}\"}}}}", 9_000 + n)),
        of("none", numbers(), |n| format!("{{\"none\":[{}]}}", 12_000 + n)),
        inside(
            "anything-but wildcard",
            "{\"anything-but\":{\"wildcard\":[",
            |_| "\"*zz*\"".to_owned(),
            ",\"*\"]}}",
        ),
        inside(
            "not",
            "{\"not\":[",
            |n| format!("{{\"prefix\":\"z{n}\"}}"),
            ",{\"wildcard\":\"*\"}]}",
        ),
    ]
}

/// Objects with more names than any pattern asks for.
fn of_names() -> Vec<Family> {
    vec![
        Family::new(
            "names that no pattern has",
            filled("{", |n| format!("\"{n}\":1"), "}"),
            |_| "{\"zz\":[1]}".to_owned(),
        ),
        Family::new(
            "names with full stops",
            filled("{", |_| "\"a.a.a.a\":2".to_owned(), "}"),
            |_| "{\"a.a.a.a\":[1]}".to_owned(),
        ),
        Family::new("names with escapes", filled("{", |_| "\"\\u0061\":2".to_owned(), "}"), |_| {
            "{\"a\":[1]}".to_owned()
        }),
        Family::new(
            "nested arrays",
            format!("{{\"b\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000)),
            |_| "{\"a\":[1]}".to_owned(),
        ),
    ]
}
