//! Cases of pattern and event, made from a seed, that reach everything in the language.

mod alternative;
mod event;
mod network;
mod number;
mod text;
mod wrong;

use std::path::Path;

use crate::json::Json;
use crate::random::Random;
use alternative::Alternative;

/// One pattern and one event: their texts, and what they were made from (a text may have been spoilt since).
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) pattern: Json,
    pub(crate) pattern_raw: String,
    pub(crate) event: Json,
    pub(crate) event_raw: String,
}

/// Names of fields: few, so that they meet.
const NAMES: [&str; 12] =
    ["a", "b", "c", "d", "detail", "source", "detail-type", "é", "a.b", "b.c.d", "A", "😀x"];
/// Rarer names.
const ODD_NAMES: [&str; 8] = ["", "$", "a\"b", "prefix", "null", "x\ny", "numeric", "0"];

/// An object of a pattern.
#[derive(Clone, Debug)]
struct Object(Vec<Member>);

#[derive(Clone, Debug)]
enum Member {
    Field(String, Vec<Alternative>),
    Inner(String, Object),
    Or(Vec<Object>),
}

impl Case {
    /// The case of this number among all that a seed makes.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(number));
        let random = &mut random;
        // The first draws of neighbouring seeds are alike.
        random.next();
        let object = Object::random(0, random);
        let event = event::event(&object, random);
        let mut pattern = object.json(random);
        if random.percent(10) {
            pattern = wrong::spoilt(&pattern, random);
        }
        let pattern_raw = text(&pattern, 2, random);
        let event_raw = match random.below(100) {
            0 => (*random.pick(&["[]", "1", "null", r#""a""#, r#"[{"a": 1}]"#, "", "true"]))
                .to_owned(),
            1 => event.write() + *random.pick(&["x", "{}", ",", "]"]),
            _ => text(&event, 1, random),
        };
        Self { pattern, pattern_raw, event, event_raw }
    }

    /// The same in the shortest spelling.
    pub(crate) fn plain(pattern: Json, event: Json) -> Self {
        let (pattern_raw, event_raw) = (pattern.write(), event.write());
        Self { pattern, pattern_raw, event, event_raw }
    }
}

/// Writes cases as the fuzz targets of libs/pattern take them: a pattern; a pattern, a line feed, and an event.
pub(crate) fn write_seeds(folder: &Path, cases: u64) -> anyhow::Result<()> {
    const SEED: u64 = 1;
    let (parse, matcher) = (folder.join("parse"), folder.join("matcher"));
    std::fs::create_dir_all(&parse)?;
    std::fs::create_dir_all(&matcher)?;
    for number in 0..cases {
        let case = Case::new(SEED, number);
        let (pattern, event) = (case.pattern.write(), case.event.write());
        std::fs::write(parse.join(number.to_string()), &pattern)?;
        std::fs::write(matcher.join(number.to_string()), format!("{pattern}\n{event}"))?;
    }
    Ok(())
}

/// The text of a value: of some in an odd spelling, and of this many of a hundred spoilt.
fn text(value: &Json, garbled_percent: usize, random: &mut Random) -> String {
    match random.below(100) {
        chance if chance < garbled_percent => wrong::garbled(&value.write(), random),
        chance if chance < 30 => value.write_oddly(random),
        _ => value.write(),
    }
}

impl Object {
    fn random(depth: usize, random: &mut Random) -> Self {
        let count = 1 + random.below(3).min(random.below(4));
        let mut members: Vec<_> = (0..count).map(|_| Member::random(depth, random)).collect();
        if random.percent(2) {
            // A key that stands twice.
            members.push(members[0].clone());
        }
        Self(members)
    }

    fn json(&self, random: &mut Random) -> Json {
        let mut members = Vec::new();
        for member in &self.0 {
            match member {
                Member::Field(name, alternatives) => {
                    let alternatives = alternatives.iter().map(|one| one.json(random)).collect();
                    members.push((name.clone(), Json::Array(alternatives)));
                }
                Member::Inner(name, inner) => match inner.json(random) {
                    Json::Object(inner) if random.percent(10) => {
                        members.extend(inner.into_iter().map(|(key, value)| match key.as_str() {
                            "$or" => (name.clone(), Json::one("$or", value)),
                            _ => (format!("{name}.{key}"), value),
                        }));
                    }
                    inner => members.push((name.clone(), inner)),
                },
                Member::Or(branches) => {
                    let branches = branches.iter().map(|branch| branch.json(random)).collect();
                    members.push(("$or".to_owned(), Json::Array(branches)));
                }
            }
        }
        Json::Object(members)
    }
}

impl Member {
    fn random(depth: usize, random: &mut Random) -> Self {
        let name = if random.percent(2) { random.pick(&ODD_NAMES) } else { random.pick(&NAMES) };
        match random.below(100) {
            0..25 if depth < 3 => {
                Self::Inner((*name).to_owned(), Object::random(depth + 1, random))
            }
            25..33 if depth < 3 => {
                let count = if random.percent(2) { 1 } else { 2 + random.below(2) };
                Self::Or((0..count).map(|_| Object::random(depth + 1, random)).collect())
            }
            _ => {
                let count = 1 + random.below(3).min(random.below(3));
                Self::Field(
                    (*name).to_owned(),
                    (0..count).map(|_| Alternative::random(random)).collect(),
                )
            }
        }
    }
}

/// Each field that must be met for the pattern to match, with its path: of a `$or` one branch, chosen by chance.
fn demands<'o>(
    object: &'o Object,
    path: &mut Vec<&'o str>,
    found: &mut Vec<(Vec<&'o str>, &'o [Alternative])>,
    random: &mut Random,
) {
    for member in &object.0 {
        match member {
            Member::Field(name, alternatives) => {
                path.push(name);
                found.push((path.clone(), alternatives));
                path.pop();
            }
            Member::Inner(name, inner) => {
                path.push(name);
                demands(inner, path, found, random);
                path.pop();
            }
            Member::Or(branches) => demands(random.pick(branches), path, found, random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn a_seed_always_makes_the_same_cases() {
        for number in 0..50 {
            let (one, again, other) =
                (Case::new(1, number), Case::new(1, number), Case::new(2, number));
            assert_eq!((&one.pattern_raw, &one.event_raw), (&again.pattern_raw, &again.event_raw));
            assert_ne!(one.pattern_raw, other.pattern_raw);
        }
    }
}
