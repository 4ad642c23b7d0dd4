//! Events that nearly match: made from what a pattern asks for, then bent.

use super::alternative::{Alternative, any_value};
use super::{NAMES, Object, demands};
use crate::json::Json;
use crate::random::Random;

type Members = Vec<(String, Json)>;

/// An event for a pattern.
pub(super) fn event(pattern: &Object, random: &mut Random) -> Json {
    let mut wanted = Vec::new();
    demands(pattern, &mut Vec::new(), &mut wanted, random);
    let careless = random.percent(45);
    let mut members = Members::new();
    for (path, alternatives) in wanted {
        let names: Vec<_> = path.iter().flat_map(|name| name.split('.')).collect();
        if let Some(value) = value(alternatives, if careless { 60 } else { 97 }, random) {
            put(&mut members, &names, value);
        }
    }
    if random.percent(30) {
        let names: Vec<_> = (0..1 + random.below(3)).map(|_| *random.pick(&NAMES)).collect();
        put(&mut members, &names, any_value(random));
    }
    bent(members, random)
}

fn value(alternatives: &[Alternative], hit_percent: usize, random: &mut Random) -> Option<Json> {
    let alternative = random.pick(alternatives);
    if matches!(alternative, Alternative::Exists(false)) && random.percent(35) {
        // It may yet stand in another element of an array than what it must not stand beside.
        return Some(any_value(random));
    }
    if random.percent(hit_percent) {
        return alternative.met_by(random);
    }
    match random.below(10) {
        0 => None,
        1 => Some(Json::Array(Vec::new())),
        2 => Some(Json::Object(Vec::new())),
        3 => Some(any_value(random)),
        _ => Some(alternative.nearly_met_by(random)),
    }
}

/// Puts a value at a path; a name that leads to a scalar already is written again.
fn put(members: &mut Members, names: &[&str], value: Json) {
    let Some((&name, rest)) = names.split_first() else { return };
    if rest.is_empty() {
        members.push((name.to_owned(), value));
        return;
    }
    let inner = members.iter_mut().find_map(|(key, inner)| match inner {
        Json::Object(inner) if key == name => Some(inner),
        _ => None,
    });
    match inner {
        Some(inner) => put(inner, rest, value),
        None => {
            let mut inner = Members::new();
            put(&mut inner, rest, value);
            members.push((name.to_owned(), Json::Object(inner)));
        }
    }
}

/// Puts objects and values into arrays, joins names by full stops, writes keys twice.
fn bent(members: Members, random: &mut Random) -> Json {
    let mut bent_members = Members::new();
    for (key, value) in members {
        let value = match value {
            Json::Object(inner) if !inner.is_empty() && random.percent(8) => {
                let joined =
                    inner.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value));
                bent_members.extend(joined);
                continue;
            }
            Json::Object(inner) => object(inner, random),
            scalar => leaf(scalar, random),
        };
        if random.percent(5) {
            let other = if random.percent(50) { value.clone() } else { any_value(random) };
            bent_members.push((key.clone(), other));
        }
        let at = if random.percent(20) {
            random.below(bent_members.len() + 1)
        } else {
            bent_members.len()
        };
        bent_members.insert(at, (key, value));
    }
    Json::Object(bent_members)
}

fn object(inner: Members, random: &mut Random) -> Json {
    match random.below(20) {
        0..13 => bent(inner, random),
        13 => Json::Array(vec![bent(inner, random)]),
        14 => Json::Array(vec![Json::Array(vec![bent(inner, random)]), any_value(random)]),
        15 => {
            // The same names with other values, before or after.
            let decoy = inner.iter().map(|(key, _)| (key.clone(), any_value(random))).collect();
            let mut elements = vec![bent(decoy, random), bent(inner, random)];
            if random.percent(50) {
                elements.reverse();
            }
            Json::Array(elements)
        }
        _ => {
            // Shared out among the elements: what must agree may not.
            let mut elements = vec![Members::new(); 2 + random.below(2)];
            for member in inner {
                let twice = random.percent(15);
                let at = random.below(elements.len());
                if twice {
                    let other = random.below(elements.len());
                    elements[other].push(member.clone());
                }
                elements[at].push(member);
            }
            Json::Array(elements.into_iter().map(|members| bent(members, random)).collect())
        }
    }
}

fn leaf(value: Json, random: &mut Random) -> Json {
    match random.below(40) {
        0..33 => value,
        33 => Json::Array(vec![value]),
        34 => Json::Array(vec![any_value(random), value]),
        35 => {
            Json::Array(vec![value, Json::Array(vec![any_value(random)]), Json::Object(Vec::new())])
        }
        36 => Json::Array(vec![Json::Array(vec![value, Json::Array(Vec::new())])]),
        37 => Json::one(random.pick::<&str>(&NAMES), value),
        38 => Json::Array(vec![Json::one(random.pick::<&str>(&NAMES), any_value(random)), value]),
        _ => Json::Array(Vec::new()),
    }
}
