//! The promises.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tripline_event::{InvocationId, Subject};
use tripline_kernel::{Timestamp, Uid};

use crate::invocation::{Attempt, Invocation, Mode, Outcome, Payload, Record, State, reason};
use crate::key::{CallKey, KEPT, KEPT_ANSWER_BYTES_MAX, KeptReply, Told};
use crate::store::{
    Answered, BatchError, Detail, Ended, Epoch, Filter, Group, Page, Row, Sequence, Stats, Store,
};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const TENANT: Uid = Uid::from_bytes([1; 16]);
const FUNCTION: Uid = Uid::from_bytes([2; 16]);
const TRIGGER: Uid = Uid::from_bytes([3; 16]);

fn seconds(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

async fn begin(store: &Store) -> (Epoch, Sequence) {
    let epoch = store.begin_epoch(NOW, seconds(10)).await.unwrap();
    (epoch, store.sequence(epoch).await.unwrap())
}

/// The row of event `number`.
fn row(number: u32, runs: bool, (epoch, sequence): &mut (Epoch, Sequence)) -> Row {
    let mut id = [0; 20];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let invocation = Invocation {
        seq: sequence.next(NOW),
        epoch: epoch.id,
        id: InvocationId::from_bytes(id),
        tenant: TENANT,
        mode: Mode::Event,
        bus: Some(Uid::from_bytes([4; 16])),
        trigger: Some(TRIGGER),
        revision: u64::MAX,
        function: FUNCTION,
        subject: Subject::Source(Uid::from_bytes([5; 16])),
        event_source: "/source/ä".into(),
        event_id: format!("event-{number}").into(),
        payload: Payload {
            body: Bytes::from(vec![b'x'; 100 + number as usize]),
            content_type: None,
            traceparent: Some("00-trace".into()),
        },
        key: None,
        accepted_at: NOW,
        attempts: 0,
        generation: 1,
    };
    Row { invocation: Box::new(invocation), runs, batch_part: 0 }
}

fn record(row: &Row, outcome: Outcome) -> Record {
    let invocation = &row.invocation;
    let attempt = Attempt {
        number: invocation.attempts + 1,
        generation: 1,
        started_at: NOW,
        duration_ms: 12,
        status_code: Some(503),
        error: "the function answered 503".to_owned(),
        address: Arc::from("http://127.0.0.1/f"),
        response: Bytes::from_static(b"busy \xff"),
    };
    Record {
        seq: invocation.seq,
        epoch: invocation.epoch,
        tenant: invocation.tenant,
        function: invocation.function,
        trigger: invocation.trigger,
        attempt: Some(attempt),
        outcome,
        hold_until: None,
        told: None,
    }
}

fn pending(reason: &'static str, at: Option<Timestamp>) -> Outcome {
    Outcome::Pending { reason, at }
}

pub(super) fn all(tenant: Uid) -> Filter {
    Filter {
        tenant,
        event_id: None,
        event_source: None,
        trigger: None,
        function: None,
        state: None,
        created_after: None,
        created_before: None,
    }
}

const WHOLE: Page = Page { before: None, limit: 500, attempts: Detail::All, with_payload: true };

async fn states(store: &Store) -> Vec<(State, String, Option<Timestamp>)> {
    let (mut found, _) = store.list(&all(TENANT), WHOLE).await.unwrap();
    found.sort_by_key(|found| found.id);
    found.into_iter().map(|found| (found.state, found.reason, found.next_attempt_at)).collect()
}

pub(super) async fn an_id_is_stored_once_and_an_odd_one_undoes_its_whole_batch(store: Store) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let mut rows: Vec<_> = (0..300).map(|number| row(number, true, &mut own)).collect();
    let large = Bytes::from(vec![7; 3 << 20]);
    rows[0].invocation.payload.body = large.clone();
    rows[1].invocation.payload.body = large.clone();
    store.commit(&rows, &[], at).await.unwrap();

    let again = [row(300, true, &mut own), row(299, true, &mut own)];
    let refused = store.commit(&again, &[], at).await;
    assert!(matches!(refused, Err(BatchError::Duplicate)), "{refused:?}");
    let ids = again.each_ref().map(|row| row.invocation.id);
    let existing = store.existing(&ids).await.unwrap();
    assert_eq!(existing.into_iter().collect::<Vec<_>>(), [(ids[1], rows[299].invocation.seq)]);

    store.commit(&again[..1], &[], at).await.unwrap();
    assert_eq!(store.stats().await.unwrap(), Stats { matched: 301, ..Stats::default() });
    let found = store.get(TENANT, rows[0].invocation.id, true).await.unwrap().unwrap();
    assert_eq!(found.payload.unwrap().body, large);
    assert_eq!((found.state, &*found.event_source), (State::Running, "/source/ä"));
}

pub(super) async fn a_record_changes_its_row_payload_attempts_and_counters_together(store: Store) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let rows: Vec<_> = (0..5).map(|number| row(number, true, &mut own)).collect();
    store.commit(&rows, &[], at).await.unwrap();
    let records = [
        record(&rows[0], Outcome::Succeeded),
        record(&rows[1], Outcome::Dead(reason::REJECTED)),
        record(&rows[2], Outcome::Cancelled(reason::TRIGGER_GONE)),
        record(&rows[3], pending("", Some(seconds(7)))),
        record(&rows[4], pending("", Some(seconds(8)))),
    ];
    store.commit(&[], &records, (own.0.id, seconds(1))).await.unwrap();

    let expected = [
        (State::Succeeded, String::new(), None),
        (State::Dead, reason::REJECTED.to_owned(), None),
        (State::Cancelled, reason::TRIGGER_GONE.to_owned(), None),
        (State::Pending, String::new(), Some(seconds(7))),
        (State::Pending, String::new(), Some(seconds(8))),
    ];
    assert_eq!(states(&store).await, expected);
    let stats = Stats { matched: 5, delivered: 1, dead: 1, cancelled: 1 };
    assert_eq!((store.stats().await.unwrap(), stats.open()), (stats, 2));
    assert_eq!(store.stats_of(TENANT).await.unwrap(), stats);
    let nobody = Uid::from_bytes([9; 16]);
    assert_eq!(store.stats_of(nobody).await.unwrap(), Stats::default());
    for (index, has_payload) in [(0, false), (1, true), (2, false), (3, true)] {
        let found = store.get(TENANT, rows[index].invocation.id, true).await.unwrap().unwrap();
        assert_eq!(found.payload.is_some(), has_payload, "{index}");
        assert_eq!(found.attempts, [records[index].attempt.clone().unwrap()]);
        assert_eq!(found.finished_at, (index < 3).then(|| seconds(1)));
        assert_eq!(found.created_at, NOW);
    }
}

pub(super) async fn a_record_of_a_row_that_is_not_ours_any_more_is_refused_with_its_batch(
    store: Store,
) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let rows = [row(0, true, &mut own), row(1, true, &mut own), row(2, false, &mut own)];
    store.commit(&rows, &[], at).await.unwrap();
    let first = [record(&rows[0], Outcome::Succeeded)];
    store.commit(&[], &first, at).await.unwrap();
    let mut other = record(&rows[1], Outcome::Succeeded);
    other.epoch += 1;
    for records in [
        [record(&rows[0], Outcome::Succeeded), record(&rows[1], Outcome::Succeeded)],
        [record(&rows[1], Outcome::Succeeded), record(&rows[2], Outcome::Succeeded)],
        [record(&rows[0], Outcome::Succeeded), other],
    ] {
        let refused = store.commit(&[], &records, at).await;
        assert!(matches!(refused, Err(BatchError::NotOurs)), "{refused:?}");
    }
    let records = rows.each_ref().map(|row| record(row, Outcome::Succeeded));
    let owned = store.owned(&records).await.unwrap();
    assert_eq!(owned.into_iter().collect::<Vec<_>>(), [rows[1].invocation.seq]);
    assert_eq!(store.stats().await.unwrap().delivered, 1);
}

pub(super) async fn due_rows_are_claimed_by_one_epoch_only_longest_waiting_first(store: Store) {
    let mut own = begin(&store).await;
    let other = begin(&store).await;
    assert_ne!((own.0.id, own.0.slot), (other.0.id, other.0.slot));
    let at = (own.0.id, NOW);
    let rows: Vec<_> = (0..8).map(|number| row(number, true, &mut own)).collect();
    store.commit(&rows, &[], at).await.unwrap();
    let times = [3, 1, 2, 9, 4, 5, 6, 7];
    let records: Vec<_> = rows
        .iter()
        .zip(times)
        .map(|(row, time)| record(row, pending("", Some(seconds(time)))))
        .collect();
    store.commit(&[], &records, at).await.unwrap();
    assert_eq!(store.due_functions().await.unwrap(), [(FUNCTION, seconds(1))]);

    let seq = |index: usize| rows[index].invocation.seq;
    let due = |limit, bytes_max| store.due(FUNCTION, seconds(4), (limit, bytes_max));
    assert_eq!(due(9, 10_000).await.unwrap(), (vec![seq(1), seq(2), seq(0), seq(4)], false));
    assert_eq!(due(2, 10_000).await.unwrap(), (vec![seq(1), seq(2)], true));
    assert_eq!(due(9, 210).await.unwrap(), (vec![seq(1), seq(2)], true));
    assert_eq!(due(9, 1).await.unwrap(), (vec![seq(1)], true));

    let wanted: Vec<_> = (0..8).map(seq).collect();
    let (ours, theirs) =
        tokio::join!(store.claim(&wanted[..6], own.0.id), store.claim(&wanted[2..], other.0.id));
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(ours.len() + theirs.len(), 8, "each row once");
    for claimed in ours.iter().chain(&theirs) {
        let stored = rows.iter().find(|row| row.invocation.seq == claimed.seq).unwrap();
        let expected =
            Invocation { attempts: 1, epoch: claimed.epoch, ..(*stored.invocation).clone() };
        assert_eq!(*claimed, expected);
    }
    assert_eq!(store.next_due(FUNCTION).await.unwrap(), None);
    let seqs: Vec<_> = ours.iter().map(|claimed| claimed.seq).collect();
    store.give_back(&wanted, (own.0.id, seconds(20))).await.unwrap();
    assert_eq!(store.next_due(FUNCTION).await.unwrap(), Some(seconds(20)));
    let back = store.due(FUNCTION, seconds(20), (9, 10_000)).await.unwrap().0;
    assert_eq!(back, seqs);
}

pub(super) async fn what_a_dead_process_was_running_is_pending_and_due_again(store: Store) {
    let mut dead = begin(&store).await;
    let rows = [row(0, true, &mut dead), row(1, true, &mut dead)];
    store.commit(&rows, &[], (dead.0.id, NOW)).await.unwrap();
    let first = [record(&rows[0], Outcome::Succeeded)];
    store.commit(&[], &first, (dead.0.id, NOW)).await.unwrap();

    let own = begin(&store).await.0.id;
    assert_eq!(store.take_back(own, seconds(14), false).await.unwrap(), (0, 0), "it may live");
    assert!(store.renew_epoch(own, seconds(30)).await.unwrap());
    assert_eq!(store.take_back(own, seconds(16), false).await.unwrap(), (1, 1));
    assert!(!store.renew_epoch(dead.0.id, seconds(30)).await.unwrap());
    let expected = [
        (State::Succeeded, String::new(), None),
        (State::Pending, String::new(), Some(seconds(16))),
    ];
    assert_eq!(states(&store).await, expected);
    let stats = Stats { matched: 2, delivered: 1, ..Stats::default() };
    assert_eq!(store.stats().await.unwrap(), stats);

    let claimed = store.claim(&[rows[1].invocation.seq], own).await.unwrap();
    assert_eq!((claimed.len(), claimed[0].attempts), (1, 0));
    let sole = begin(&store).await.0.id;
    assert_eq!(store.other_epochs(sole).await.unwrap(), 1);
    assert_eq!(store.take_back(sole, NOW, true).await.unwrap(), (1, 1), "no other can be alive");
    assert_eq!(store.end_epoch(sole, NOW).await.unwrap(), 0);
    assert_eq!(store.stats().await.unwrap(), stats);
}

pub(super) async fn an_ended_epoch_writes_nothing(store: Store) {
    let mut own = begin(&store).await;
    let rows = [row(0, false, &mut own)];
    store.commit(&rows, &[], (own.0.id, NOW)).await.unwrap();
    store.end_epoch(own.0.id, NOW).await.unwrap();
    let refused = store.commit(&[row(1, true, &mut own)], &[], (own.0.id, NOW)).await;
    assert!(matches!(refused, Err(BatchError::EpochEnded)), "{refused:?}");
    assert_eq!(store.claim(&[rows[0].invocation.seq], own.0.id).await.unwrap(), []);
    assert_eq!(states(&store).await.len(), 1);
}

pub(super) async fn rows_that_wait_are_made_due_or_cancelled_by_group(store: Store) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let mut rows: Vec<_> = (0..4).map(|number| row(number, true, &mut own)).collect();
    rows[3].invocation.trigger = None;
    store.commit(&rows, &[], at).await.unwrap();
    let records = [
        record(&rows[0], pending(reason::TRIGGER_PAUSED, None)),
        record(&rows[1], pending("", Some(seconds(90)))),
        record(&rows[2], Outcome::Succeeded),
        record(&rows[3], pending(reason::FUNCTION_UNKNOWN, Some(seconds(60)))),
    ];
    store.commit(&[], &records, at).await.unwrap();
    assert_eq!(store.parked_triggers().await.unwrap(), [(TRIGGER, TENANT)]);
    assert_eq!(store.next_due(FUNCTION).await.unwrap(), Some(seconds(60)));

    store.make_due(Group::Trigger(TRIGGER), seconds(5)).await.unwrap();
    let next = |states: Vec<(State, String, Option<Timestamp>)>| -> Vec<_> {
        states.into_iter().map(|(_, _, at)| at).collect()
    };
    let (five, ninety) = (Some(seconds(5)), Some(seconds(90)));
    assert_eq!(next(states(&store).await), [five, ninety, None, Some(seconds(60))]);
    store.make_due(Group::Function(FUNCTION), seconds(6)).await.unwrap();
    assert_eq!(next(states(&store).await), [five, ninety, None, Some(seconds(6))]);

    let why = (TENANT, reason::TRIGGER_GONE);
    let cancelled = store.cancel(Group::Trigger(TRIGGER), why, at).await.unwrap();
    assert_eq!(cancelled, 2);
    let foreign = (Uid::NIL, reason::FUNCTION_GONE);
    assert_eq!(store.cancel(Group::Function(FUNCTION), foreign, at).await.unwrap(), 0);
    assert_eq!(store.stats().await.unwrap().cancelled, 2);
    let found = store.get(TENANT, rows[0].invocation.id, true).await.unwrap().unwrap();
    assert_eq!((found.state, found.payload), (State::Cancelled, None));
    assert_eq!(found.reason, reason::TRIGGER_GONE);
}

pub(super) async fn lists_go_backwards_by_filter_and_never_show_another_tenants(store: Store) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let mut rows: Vec<_> = (0..6).map(|number| row(number, number != 4, &mut own)).collect();
    rows[5].invocation.tenant = Uid::NIL;
    rows[1].invocation.trigger = Some(Uid::NIL);
    rows[2].invocation.event_id = "event-0".into();
    store.commit(&rows, &[], at).await.unwrap();
    let records =
        [record(&rows[0], Outcome::Dead(reason::REJECTED)), record(&rows[1], Outcome::Succeeded)];
    store.commit(&[], &records, at).await.unwrap();

    let id = |index: usize| rows[index].invocation.id;
    let list = async |filter: Filter, page: Page| -> (Vec<InvocationId>, Option<i64>) {
        let (found, next) = store.list(&filter, page).await.unwrap();
        (found.into_iter().map(|found| found.id).collect(), next)
    };
    let page = Page { limit: 2, ..WHOLE };
    let (first, next) = list(all(TENANT), page).await;
    let (second, next) = list(all(TENANT), Page { before: next, ..page }).await;
    let (third, end) = list(all(TENANT), Page { before: next, ..page }).await;
    assert_eq!([first, second, third].concat(), [4, 3, 2, 1, 0].map(id));
    assert_eq!(end, None);

    let text = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (Filter { event_id: text("event-0"), ..all(TENANT) }, vec![2, 0]),
        (Filter { event_id: text("event-5"), ..all(TENANT) }, vec![]),
        (Filter { event_source: text("/source/ä"), ..all(TENANT) }, vec![4, 3, 2, 1, 0]),
        (Filter { event_source: text("/SOURCE/ä"), ..all(TENANT) }, vec![]),
        (Filter { trigger: Some(TRIGGER), ..all(TENANT) }, vec![4, 3, 2, 0]),
        (Filter { function: Some(FUNCTION), ..all(Uid::NIL) }, vec![5]),
        (Filter { state: Some(State::Pending), ..all(TENANT) }, vec![4]),
        (Filter { state: Some(State::Running), ..all(TENANT) }, vec![3, 2]),
        (Filter { state: Some(State::Succeeded), ..all(TENANT) }, vec![1]),
        (Filter { state: Some(State::Dead), trigger: Some(TRIGGER), ..all(TENANT) }, vec![0]),
        (Filter { state: Some(State::Cancelled), ..all(TENANT) }, vec![]),
        (Filter { created_after: Some(NOW), ..all(TENANT) }, vec![4, 3, 2, 1, 0]),
        (Filter { created_after: Some(seconds(1)), ..all(TENANT) }, vec![]),
        (Filter { created_before: Some(NOW), ..all(TENANT) }, vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(id).collect();
        assert_eq!(list(filter.clone(), WHOLE).await.0, expected, "{filter:?}");
    }
    assert_eq!(store.get(Uid::NIL, id(0), false).await.unwrap(), None);
}

pub(super) async fn a_page_is_cut_before_what_does_not_fit_is_read(store: Store) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let rows: Vec<_> = (0..6).map(|number| row(number, true, &mut own)).collect();
    store.commit(&rows, &[], at).await.unwrap();
    let records: Vec<_> = rows
        .iter()
        .map(|row| {
            let mut record = record(row, Outcome::Dead(reason::REJECTED));
            record.attempt.as_mut().unwrap().response = Bytes::from(vec![b'x'; 900_000]);
            record
        })
        .collect();
    store.commit(&[], &records, at).await.unwrap();
    let whole = Page { with_payload: false, ..WHOLE };
    let (found, next) = store.list(&all(TENANT), whole).await.unwrap();
    assert_eq!(found.len(), 2, "of 900,000 bytes each");
    let (rest, _) = store.list(&all(TENANT), Page { before: next, ..whole }).await.unwrap();
    assert_eq!(rest[0].id, rows[3].invocation.id, "it goes on where it was cut");
    let small = Page { attempts: Detail::Last, ..whole };
    let (found, next) = store.list(&all(TENANT), small).await.unwrap();
    assert_eq!((found.len(), next), (6, None), "bodies that nobody reads do not count");
}

pub(super) async fn a_page_has_as_much_of_the_attempts_as_is_asked_for(store: Store) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let mut row = row(0, true, &mut own);
    store.commit(std::slice::from_ref(&row), &[], at).await.unwrap();
    let attempts = async |attempts: Detail| {
        let page = Page { attempts, ..WHOLE };
        let (mut found, _) = store.list(&all(TENANT), page).await.unwrap();
        std::mem::take(&mut found[0].attempts)
    };
    assert_eq!(attempts(Detail::Last).await, [], "none was made");
    let first = record(&row, pending("", Some(NOW)));
    store.commit(&[], std::slice::from_ref(&first), at).await.unwrap();
    let claimed_again = store.claim(&[row.invocation.seq], own.0.id).await.unwrap();
    assert_eq!(claimed_again.len(), 1);
    row.invocation.attempts = 1;
    let second = record(&row, Outcome::Succeeded);
    store.commit(&[], std::slice::from_ref(&second), at).await.unwrap();

    let made = [first, second].map(|record| record.attempt.unwrap());
    assert_eq!(attempts(Detail::All).await, made);
    let last = Attempt { response: Bytes::new(), ..made[1].clone() };
    assert_eq!(attempts(Detail::Last).await, [last]);
    assert_eq!(attempts(Detail::Nothing).await, []);
}

pub(super) async fn a_backlog_does_not_hide_how_a_function_answers(store: Store) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let tried = [row(0, true, &mut own), row(1, true, &mut own)];
    let mut foreign = row(2, true, &mut own);
    foreign.invocation.tenant = Uid::NIL;
    let backlog: Vec<_> = (3..1_100).map(|number| row(number, false, &mut own)).collect();
    store.commit(&tried, &[], at).await.unwrap();
    store.commit(std::slice::from_ref(&foreign), &[], at).await.unwrap();
    for rows in backlog.chunks(300) {
        store.commit(rows, &[], at).await.unwrap();
    }
    let answered = async || store.answered(TENANT, FUNCTION).await.unwrap();
    assert_eq!(answered().await, []);

    let mut late = record(&tried[0], pending("", Some(seconds(7))));
    late.attempt.as_mut().unwrap().status_code = None;
    let records = [late, record(&foreign, pending("", Some(seconds(9))))];
    store.commit(&[], &records, at).await.unwrap();
    let error = records[0].attempt.as_ref().unwrap().error.clone();
    let late = [Answered { started_at: NOW, status_code: None, error }];
    assert_eq!(answered().await, late, "older than a thousand, and never another's");

    store.commit(&[], &[record(&tried[1], Outcome::Succeeded)], at).await.unwrap();
    assert_eq!(answered().await, late, "what ended is looked for among the newest alone");
}

pub(super) async fn records_end_with_their_retention_and_others_stay(store: Store) {
    let mut own = begin(&store).await;
    let rows: Vec<_> = (0..4).map(|number| row(number, true, &mut own)).collect();
    store.commit(&rows, &[], (own.0.id, NOW)).await.unwrap();
    let records = [
        record(&rows[0], Outcome::Succeeded),
        record(&rows[1], Outcome::Cancelled(reason::TRIGGER_GONE)),
        record(&rows[2], Outcome::Dead(reason::REJECTED)),
    ];
    store.commit(&[], &records, (own.0.id, seconds(1))).await.unwrap();
    let ended = |finished_before, dead_before| Ended { finished_before, dead_before };
    let delete = async |ended| store.delete_ended(ended, 0).await.unwrap();
    assert_eq!(delete(ended(seconds(1), None)).await, (0, None));
    assert_eq!(delete(ended(seconds(2), None)).await, (2, None));
    let left: Vec<_> = states(&store).await.into_iter().map(|(state, _, _)| state).collect();
    assert_eq!(left, [State::Dead, State::Running]);
    assert_eq!(delete(ended(seconds(2), Some(seconds(2)))).await, (1, None));
    assert_eq!(store.stats().await.unwrap().matched, 4, "counters stay");
}

pub(super) async fn a_hold_lasts_until_its_time(store: Store) {
    let mut own = begin(&store).await;
    let at = (own.0.id, NOW);
    let rows = [row(0, true, &mut own), row(1, true, &mut own)];
    store.commit(&rows, &[], at).await.unwrap();
    for (row, until) in rows.iter().zip([seconds(5), seconds(9)]) {
        let mut record = record(row, pending("", Some(until)));
        record.hold_until = Some(until);
        store.commit(&[], &[record], at).await.unwrap();
    }
    assert_eq!(store.holds(seconds(8)).await.unwrap(), [(FUNCTION, seconds(9))]);
    assert_eq!(store.holds(seconds(9)).await.unwrap(), []);
}

pub(super) async fn a_key_stands_for_one_call_until_its_time(store: Store) {
    let mut place = begin(&store).await;
    let epoch = place.0.id;
    let key = CallKey { hash: [3; 32], request: [7; 32] };
    let mut keyed = |number, key| {
        let mut row = row(number, true, &mut place);
        row.invocation.key = Some(key);
        row
    };
    let other = CallKey { hash: [4; 32], request: [7; 32] };
    let (first, second, third) = (keyed(1, key), keyed(2, key), keyed(3, key));
    let rows = [first.clone(), keyed(4, other)];
    store.commit(&rows, &[], (epoch, NOW)).await.unwrap();
    let taken = store.commit(std::slice::from_ref(&second), &[], (epoch, seconds(1))).await;
    assert!(matches!(taken, Err(BatchError::Duplicate)));
    let taken = store.keys_taken(&[second.clone(), first.clone()]).await.unwrap();
    assert_eq!(taken, HashSet::from([second.invocation.id]));
    assert!(store.kept_call(&[5; 32]).await.unwrap().is_none(), "another key");
    let kept = store.kept_call(&key.hash).await.unwrap().unwrap();
    let running = Some(State::Running);
    assert_eq!((kept.request, kept.invocation), (key.request, first.invocation.id));
    assert_eq!((kept.state, kept.told), (running, None));

    let answer = |body: Bytes| tripline_target::Answer {
        status_code: 201,
        content_type: "text/plain".to_owned(),
        body,
        retry_after: None,
        retry_never: false,
    };
    let short = answer(Bytes::from_static(b"made \xff"));
    let long = answer(vec![0; KEPT_ANSWER_BYTES_MAX + 1].into());
    let done = |row: &Row, answer: &tripline_target::Answer| {
        let (key, invocation) = (row.invocation.key.unwrap(), row.invocation.id);
        let told = Told { key, invocation, reply: Some(Ok(answer.clone())) };
        Record { told: Some(told), ..record(row, Outcome::Succeeded) }
    };
    let records = [done(&rows[0], &short), done(&rows[1], &long)];
    store.commit(&[], &records, (epoch, NOW)).await.unwrap();
    let kept = store.kept_call(&key.hash).await.unwrap().unwrap();
    assert_eq!(kept.invocation, first.invocation.id);
    let whole = Some(KeptReply::Whole(Ok(short)));
    assert_eq!((kept.state, kept.told), (Some(State::Succeeded), whole));
    let kept = store.kept_call(&other.hash).await.unwrap().unwrap();
    assert_eq!(kept.told, Some(KeptReply::TooLong));

    let later = NOW.after(KEPT);
    assert_eq!(store.delete_keys(seconds(1)).await.unwrap(), 0);
    assert_eq!(store.delete_keys(later).await.unwrap(), 2, "a day later the keys are new ones");
    store.commit(std::slice::from_ref(&third), &[], (epoch, later)).await.unwrap();
    let kept = store.kept_call(&key.hash).await.unwrap().unwrap();
    assert_eq!((kept.invocation, kept.told), (third.invocation.id, None));
    let told = Told { key, invocation: third.invocation.id, reply: None };
    let never_called = Record {
        told: Some(told),
        attempt: None,
        ..record(&third, Outcome::Cancelled(reason::CALLER_GONE))
    };
    store.commit(&[], &[never_called], (epoch, later)).await.unwrap();
    assert!(store.kept_call(&key.hash).await.unwrap().is_none());
    store.commit(std::slice::from_ref(&second), &[], (epoch, later)).await.unwrap();
}
