//! What a tail knows, and so what is news to it.

use std::collections::HashMap;

use tripline_contracts::pb;

use super::look::Look;

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
    /// The number of its last attempt.
    attempt: Option<u32>,
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
        let attempt = item.attempts.last().map(|attempt| attempt.number);
        Self { state, generation, attempt }
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

    /// Takes what a look met.
    pub(super) fn take(&mut self, look: Look) -> News {
        let Look { mut items, cut } = look;
        // A page may reach below all that is known. What stands there was there before, and is no news.
        let oldest = items.iter().rposition(|item| self.known.contains_key(&item.id));
        if let Some(oldest) = oldest {
            items.truncate(oldest + 1);
        }
        let mut known = HashMap::with_capacity(items.len());
        let mut news = Vec::new();
        for item in items {
            let mark = Mark::of(&item);
            let is_news = self.known.get(&item.id) != Some(&mark);
            known.insert(item.id.clone(), mark);
            if is_news {
                news.push(item);
            }
        }
        let mut open = self.known.iter().filter(|(_, mark)| mark.is_open());
        let lost = open.any(|(id, _)| !known.contains_key(id));
        let gap = self.begun && cut && (oldest.is_none() || lost);
        (self.known, self.begun) = (known, true);
        news.reverse();
        News { items: news, gap }
    }
}

#[cfg(test)]
mod tests {
    use tripline_contracts::pb;

    use super::{Followed, Look, News};

    fn item(id: &str, state: &str, attempts: u32) -> pb::Invocation {
        let last = (attempts > 0).then(|| pb::Attempt { number: attempts, ..Default::default() });
        pb::Invocation {
            id: id.to_owned(),
            state: state.to_owned(),
            attempts: last.into_iter().collect(),
            ..pb::Invocation::default()
        }
    }

    fn items(prefix: &str, count: usize, state: &str) -> Vec<pb::Invocation> {
        (0..count).map(|number| item(&format!("{prefix}{number}"), state, 1)).collect()
    }

    fn whole(items: Vec<pb::Invocation>) -> Look {
        Look { items, cut: false }
    }

    fn cut(items: Vec<pb::Invocation>) -> Look {
        Look { items, cut: true }
    }

    fn told(news: &News) -> Vec<&str> {
        news.items.iter().map(|item| item.id.as_str()).collect()
    }

    #[test]
    fn what_is_new_or_has_changed_is_told_once_and_in_order() {
        let mut followed = Followed::default();
        followed.take(whole(vec![item("b", "pending", 0), item("a", "succeeded", 1)]));
        let look =
            || whole(vec![item("d", "running", 0), item("c", "dead", 3), item("b", "pending", 1)]);
        let news = followed.take(look());
        assert_eq!((told(&news), news.gap), (vec!["b", "c", "d"], false));
        assert_eq!(told(&followed.take(look())), Vec::<&str>::new());
    }

    #[test]
    fn a_look_goes_down_to_what_has_not_ended() {
        let mut followed = Followed::default();
        assert!(followed.is_enough(&[item("z", "pending", 0)]), "one page to begin with");
        followed.take(whole(vec![item("b", "succeeded", 1), item("a", "running", 0)]));
        assert!(!followed.is_enough(&[item("c", "pending", 0)]), "nothing known was met");
        assert!(!followed.is_enough(&[item("b", "succeeded", 1)]), "a has not ended");
        assert!(followed.is_enough(&[item("b", "succeeded", 1), item("a", "dead", 1)]));
    }

    #[test]
    fn what_was_there_before_is_no_news_however_far_a_look_goes_down() {
        let mut followed = Followed::default();
        let mut before = items("known", 100, "succeeded");
        before[60] = item("open", "pending", 0);
        followed.take(whole(before.clone()));
        // Two pages: the second goes on below what the first look knew.
        let new = items("new", 50, "succeeded");
        let older = items("older", 50, "pending");
        let look = [new, before, older].concat();
        assert!(!followed.is_enough(&look[..100]), "the open one is on the second page");
        assert!(followed.is_enough(&look));
        let news = followed.take(whole(look.clone()));
        assert_eq!((news.items.len(), news.gap), (50, false));
        assert!(told(&news).iter().all(|id| id.starts_with("new")), "{:?}", told(&news));
        assert!(followed.is_enough(&look[..150]), "what is older pulls no look down");
    }

    #[test]
    fn a_flood_is_told_of() {
        let mut followed = Followed::default();
        followed.take(whole(vec![item("a", "succeeded", 1)]));
        assert!(followed.take(cut(items("n", 1_000, "dead"))).gap);
    }

    #[test]
    fn an_open_one_that_is_out_of_reach_is_a_gap_once() {
        let mut followed = Followed::default();
        followed.take(whole(vec![item("b", "succeeded", 1), item("a", "running", 0)]));
        let look = || [items("n", 999, "succeeded"), vec![item("b", "succeeded", 1)]].concat();
        let news = followed.take(cut(look()));
        assert_eq!((news.items.len(), news.gap), (999, true), "b was met, a was not");
        let news = followed.take(cut(look()));
        assert_eq!((news.items.len(), news.gap), (0, false));
    }
}
