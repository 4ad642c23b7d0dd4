//! Makes cases on which the two differ smaller, as long as they differ in the same way.

use super::{Outcome, judge};
use crate::cases::Case;
use crate::json::Json;
use crate::ruler::Ruler;

/// Most steps; each asks about all cases at once.
const ROUNDS_MAX: usize = 60;
/// Most smaller cases that are tried for one in one step.
const TRIED_MAX: usize = 400;

/// For each case the smallest that was found.
pub(super) fn smallest(
    ruler: &Ruler,
    cases: impl Iterator<Item = (Case, Outcome)>,
) -> anyhow::Result<Vec<Case>> {
    let mut found: Vec<_> = cases.map(|(case, outcome)| (case, outcome, false)).collect();
    for _ in 0..ROUNDS_MAX {
        let mut tried = Vec::new();
        for (index, (case, _, done)) in found.iter().enumerate() {
            if !done {
                tried.extend(smaller(case).into_iter().map(|smaller| (index, smaller)));
            }
        }
        if tried.is_empty() {
            break;
        }
        let mut outcomes = Vec::with_capacity(tried.len());
        judge(ruler, tried.iter().map(|(_, case)| case.clone()), |_, outcome| {
            outcomes.push(outcome);
        })?;
        let mut best = vec![None::<Case>; found.len()];
        for ((index, case), outcome) in tried.into_iter().zip(outcomes) {
            let smaller = best[index].as_ref().is_none_or(|best| size(&case) < size(best));
            if outcome == found[index].1 && smaller {
                best[index] = Some(case);
            }
        }
        for ((case, _, done), best) in found.iter_mut().zip(best) {
            match best {
                Some(best) => *case = best,
                None => *done = true,
            }
        }
    }
    Ok(found.into_iter().map(|(case, ..)| case).collect())
}

fn size(case: &Case) -> usize {
    case.pattern_raw.len() + case.event_raw.len()
}

/// Cases with one thing less, and the case itself in plain spelling.
fn smaller(case: &Case) -> Vec<Case> {
    let plain = Case::plain(case.pattern.clone(), case.event.clone());
    let mut smaller = Vec::new();
    for pattern in reductions(&case.pattern) {
        smaller.push(Case::plain(pattern, case.event.clone()));
    }
    for event in reductions(&case.event) {
        smaller.push(Case::plain(case.pattern.clone(), event));
    }
    smaller.push(plain);
    smaller.retain(|other| size(other) < size(case));
    smaller.truncate(TRIED_MAX);
    smaller
}

/// The same value with one part less, somewhere.
fn reductions(value: &Json) -> Vec<Json> {
    let mut reduced = Vec::new();
    match value {
        Json::Raw(_) => {}
        Json::Text(text) => {
            let characters: Vec<_> = text.chars().collect();
            for without in 0..characters.len() {
                let mut shorter = characters.clone();
                shorter.remove(without);
                reduced.push(Json::Text(shorter.into_iter().collect()));
            }
        }
        Json::Array(elements) => {
            reduced.extend(elements.iter().cloned());
            for index in 0..elements.len() {
                let mut fewer = elements.clone();
                fewer.remove(index);
                reduced.push(Json::Array(fewer));
                for element in reductions(&elements[index]) {
                    let mut simpler = elements.clone();
                    simpler[index] = element;
                    reduced.push(Json::Array(simpler));
                }
            }
        }
        Json::Object(members) => {
            reduced.extend(
                members
                    .iter()
                    .map(|(_, value)| value.clone())
                    .filter(|value| matches!(value, Json::Object(_))),
            );
            for index in 0..members.len() {
                let mut fewer = members.clone();
                fewer.remove(index);
                reduced.push(Json::Object(fewer));
                for value in reductions(&members[index].1) {
                    let mut simpler = members.clone();
                    simpler[index].1 = value;
                    reduced.push(Json::Object(simpler));
                }
            }
        }
    }
    reduced
}

#[cfg(test)]
mod tests {
    use super::reductions;
    use crate::json::Json;

    #[test]
    fn one_part_is_left_out_at_a_time() {
        let value = Json::one("a", Json::Array(vec![Json::raw("1"), Json::text("xy")]));
        let reduced: Vec<_> = reductions(&value).iter().map(Json::write).collect();
        let expected = [
            "{}",
            r#"{"a":1}"#,
            r#"{"a":"xy"}"#,
            r#"{"a":["xy"]}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[1,"y"]}"#,
            r#"{"a":[1,"x"]}"#,
        ];
        assert_eq!(reduced, expected);
    }
}
