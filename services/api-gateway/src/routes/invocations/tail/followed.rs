//! What a tail knows, and so what is news to it.

use std::collections::HashMap;

use tripline_contracts::pb;

use super::LOOK_MAX;

/// What is known of the invocations that the last look met, by their ids.
#[derive(Debug, Default)]
pub(super) struct Followed {
    known: HashMap<String, Mark>,
    /// Whether something was looked at before.
    begun: bool,
}

/// What changes in the life of an invocation.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    state: String,
    generation: u32,
    attempts: usize,
}

/// What a look found that was not known.
pub(super) struct News {
    /// Oldest first.
    pub(super) items: Vec<pb::Invocation>,
    /// Whether some may have been missed.
    pub(super) gap: bool,
}

impl Mark {
    fn of(item: &pb::Invocation) -> Self {
        let (state, generation) = (item.state.clone(), item.generation);
        Self { state, generation, attempts: item.attempts.len() }
    }

    fn is_open(&self) -> bool {
        matches!(&*self.state, "pending" | "running")
    }
}

impl Followed {
    /// Whether these, the newest, reach down to all that can have changed.
    pub(super) fn is_enough(&self, items: &[pb::Invocation]) -> bool {
        let open = self.known.values().filter(|mark| mark.is_open()).count();
        let met = || items.iter().filter_map(|item| self.known.get(&item.id));
        let open_met = met().filter(|mark| mark.is_open()).count();
        open_met >= open && (!self.begun || met().next().is_some())
    }

    /// Takes what a look met, newest first.
    pub(super) fn take(&mut self, items: Vec<pb::Invocation>) -> News {
        let mut known = HashMap::with_capacity(items.len());
        let (mut news, mut met) = (Vec::new(), false);
        let many = items.len() >= LOOK_MAX;
        for item in items {
            let mark = Mark::of(&item);
            let before = self.known.get(&item.id);
            met |= before.is_some();
            let is_news = before != Some(&mark);
            known.insert(item.id.clone(), mark);
            if is_news {
                news.push(item);
            }
        }
        let gap = self.begun && many && !met;
        (self.known, self.begun) = (known, true);
        news.reverse();
        News { items: news, gap }
    }
}

#[cfg(test)]
mod tests {
    use tripline_contracts::pb;

    use super::{Followed, LOOK_MAX, News};

    fn item(id: &str, state: &str, attempts: usize) -> pb::Invocation {
        pb::Invocation {
            id: id.to_owned(),
            state: state.to_owned(),
            attempts: vec![pb::Attempt::default(); attempts],
            ..pb::Invocation::default()
        }
    }

    fn told(news: &News) -> Vec<&str> {
        news.items.iter().map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn what_is_new_or_has_changed_is_told_once_and_in_order() {
        let mut followed = Followed::default();
        followed.take(vec![item("b", "pending", 0), item("a", "succeeded", 1)]);
        let look = || vec![item("d", "running", 0), item("c", "dead", 3), item("b", "pending", 1)];
        let news = followed.take(look());
        assert_eq!((told(&news), news.gap), (vec!["b", "c", "d"], false));
        assert_eq!(told(&followed.take(look())), Vec::<&str>::new());
    }

    #[test]
    fn a_look_goes_down_to_what_has_not_ended() {
        let mut followed = Followed::default();
        assert!(followed.is_enough(&[item("z", "pending", 0)]), "one page to begin with");
        followed.take(vec![item("b", "succeeded", 1), item("a", "running", 0)]);
        assert!(!followed.is_enough(&[item("c", "pending", 0)]), "nothing known was met");
        assert!(!followed.is_enough(&[item("b", "succeeded", 1)]), "a has not ended");
        assert!(followed.is_enough(&[item("b", "succeeded", 1), item("a", "dead", 1)]));
    }

    #[test]
    fn a_flood_is_told_of() {
        let mut followed = Followed::default();
        followed.take(vec![item("a", "succeeded", 1)]);
        let flood = (0..LOOK_MAX).map(|id| item(&format!("n{id}"), "dead", 1)).collect();
        assert!(followed.take(flood).gap);
    }
}
