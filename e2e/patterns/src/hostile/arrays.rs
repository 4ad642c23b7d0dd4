//! Arrays of objects, whose elements must be found in agreement.

use super::{EVENT_BYTES_MAX, Family, array, filled, list};

pub(super) fn families() -> Vec<Family> {
    let apart =
        || array(|n| if n % 2 == 0 { "{\"b\":1}".to_owned() } else { "{\"c\":1}".to_owned() });
    let ways = |name: &str, event: String, way: fn(usize) -> String| {
        // A choice has two ways at least.
        Family::new(name, event, move |size| {
            format!("{{\"a\":{{\"$or\":[{}]}}}}", list(size + 1, way))
        })
    };
    let mut families = vec![
        ways("$or of pairs", apart(), |n| format!("{{\"b\":[1,{n}],\"c\":[1,{n}]}}")),
        ways("$or of numeric pairs", apart(), |n| {
            format!("{{\"b\":[{{\"numeric\":[\">\",-{n}]}}],\"c\":[{{\"numeric\":[\">\",-{n}]}}]}}")
        }),
        Family::new(
            "prefix in objects",
            filled(
                "{\"c\":[{\"c\":1}],\"a\":[",
                |_| format!("{{\"b\":\"{}\"}}", "a".repeat(60)),
                "]}",
            ),
            |size| {
                let prefixes = list(size, |n| format!("{{\"prefix\":\"{}\"}}", "a".repeat(n + 1)));
                format!("{{\"c.c\":[1],\"a.b\":[{prefixes}]}}")
            },
        ),
        Family::new(
            "absent beside others",
            array(|n| ["{\"a\":1}", "{\"b\":1}", "{\"d\":2,\"c\":1}"][n % 3].to_owned()),
            |_| {
                r#"{"a":{"a":[1],"b":[{"exists":false}],"c":[{"exists":false}],"d":[2]}}"#
                    .to_owned()
            },
        ),
    ];
    for relation in ["=", "<", "!="] {
        families.push(comparing(relation, "in one array", "a.c", pairs()));
        families.push(comparing(relation, "in two arrays", "d.c", two_arrays()));
    }
    for fields in [3, 8, 20] {
        families.extend(of_fields(fields));
    }
    families
}

/// Elements of one array, each with one of the two fields.
fn pairs() -> String {
    array(|n| format!("{{\"{}\":{n}}}", if n % 2 == 0 { "b" } else { "c" }))
}

fn two_arrays() -> String {
    let elements = list(2_700, |n| format!("{{\"b\":{n}}}"));
    filled(&format!("{{\"a\":[{elements}],\"d\":["), |n| format!("{{\"c\":-{}}}", n + 1), "]}")
}

fn comparing(relation: &'static str, place: &str, path: &'static str, event: String) -> Family {
    Family::new(format!("field {relation} {place}"), event, move |size| {
        let comparison = format!("{{\"field\":[\"{relation}\",\"{path}\"]}}");
        format!("{{\"a.b\":[{}]}}", list(size, |_| comparison.clone()))
    })
}

/// A pattern of so many fields of an element, none of which is whole.
fn of_fields(fields: usize) -> [Family; 3] {
    let name = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap_or(0));
    let pattern =
        move |_| format!("{{\"a\":{{{}}}}}", list(fields, |n| format!("\"{}\":[1]", name(n))));
    let lacking = array(|n| {
        let kept = (0..fields).filter(|&field| field != n % fields);
        format!(
            "{{{}}}",
            kept.map(|field| format!("\"{}\":1", name(field))).collect::<Vec<_>>().join(",")
        )
    });
    let arrays = filled("{", |n| format!("\"a\":[{{\"{}\":1}}]", name(n % fields)), "}");
    let half = EVENT_BYTES_MAX / 20;
    let once = list(half, |n| format!("{{\"{}\":1}}", name(n % fields)));
    let twice = format!("{{\"a\":[{once}],\"a\":[{once}]}}");
    [
        Family::new(format!("{fields} fields, one lacking"), lacking, pattern),
        Family::new(format!("{fields} fields, an array each"), arrays, pattern),
        Family::new(format!("{fields} fields, two arrays"), twice, pattern),
    ]
}
