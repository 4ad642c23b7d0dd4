use std::sync::{Arc, Mutex};

use tripline_kernel::{Clock, Entropy, Timestamp};

use super::*;

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(12)
    }
}

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[derive(Default)]
struct Shelf(Mutex<Vec<Record>>);

impl Recorder for Shelf {
    fn record(&self, span: Record) {
        self.0.lock().unwrap().push(span);
    }
}

#[test]
fn a_context_survives_its_text_and_nothing_else_is_one() {
    for text in [SAMPLED, UNSAMPLED] {
        assert_eq!(text.parse::<TraceContext>().unwrap().to_string(), text);
    }
    let later = format!("cc-{}-what-ever", &SAMPLED[3..]);
    assert!(later.parse::<TraceContext>().unwrap().sampled, "a later version says more");
    for bad in [
        "".to_owned(),
        "00".to_owned(),
        SAMPLED.to_uppercase(),
        format!("{SAMPLED}-more"),
        SAMPLED.replace("00-0af", "ff-0af"),
        SAMPLED.replace("b7ad6b7169203331", "0000000000000000"),
        SAMPLED.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
    ] {
        assert_eq!(bad.parse::<TraceContext>(), Err(InvalidTraceparent), "{bad}");
    }
}

#[test]
fn only_a_sampled_trace_makes_spans_and_only_where_they_are_recorded() {
    let off = Tracer::default();
    assert!(off.continued(Some(SAMPLED), Kind::Server, "x").is_none());
    let shelf = Arc::new(Shelf::default());
    let tracer = Tracer::new(shelf.clone(), Arc::new(Noon), Arc::new(Sevens));
    for none in [None, Some(UNSAMPLED), Some("nonsense")] {
        assert!(tracer.continued(none, Kind::Server, "x").is_none());
    }
    let mut span = tracer.continued(Some(SAMPLED), Kind::Producer, "publish").unwrap();
    span.set("messaging.system", "tripline");
    span.fail("no room");
    let parent: TraceContext = SAMPLED.parse().unwrap();
    assert_eq!(span.context(), TraceContext { span_id: [7; 8], ..parent });
    assert!(shelf.0.lock().unwrap().is_empty(), "it has not ended");
    drop(span);
    let records = shelf.0.lock().unwrap();
    let record = &records[0];
    assert_eq!((records.len(), record.parent, &*record.name), (1, parent.span_id, "publish"));
    assert_eq!(record.attributes, [("messaging.system", Value::from("tripline"))]);
    assert_eq!(record.failure.as_deref(), Some("no room"));
    drop(records);
    tracer.continued(Some(SAMPLED), Kind::Server, "nobody's").unwrap().discard();
    assert_eq!(shelf.0.lock().unwrap().len(), 1, "what is discarded is not recorded");
}

#[test]
fn what_is_not_traced_costs_no_clock_and_no_entropy() {
    struct Untouched;
    impl Clock for Untouched {
        fn now(&self) -> Timestamp {
            panic!("nobody needs the time")
        }
    }
    impl Entropy for Untouched {
        fn fill(&self, _: &mut [u8]) {
            panic!("nobody needs an id")
        }
    }
    let tracer = Tracer::new(Arc::new(Shelf::default()), Arc::new(Untouched), Arc::new(Untouched));
    assert!(tracer.is_on() && !Tracer::default().is_on());
    for none in [None, Some(UNSAMPLED), Some("nonsense")] {
        assert!(tracer.continued(none, Kind::Server, "x").is_none());
    }
    let unsampled = UNSAMPLED.parse().ok();
    assert!(tracer.below(unsampled, Kind::Client, "x").is_none());
}

#[tokio::test]
async fn the_current_context_is_that_of_the_task() {
    let context: TraceContext = SAMPLED.parse().unwrap();
    assert_eq!(current(), None);
    assert_eq!(within(Some(context), async { current() }).await, Some(context));
    assert_eq!(within(None, async { current() }).await, None);
}
