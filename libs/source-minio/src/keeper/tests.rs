//! The stream and the listing in turns, against a model; and a bucket of a million objects.

mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tripline_event::Event;
use tripline_kernel::{Clock, Timestamp};
use tripline_source::{Change, Entry, Error, INVENTORY_BATCH_MAX, InMemory, Inventory, Outlet};

use super::{Around, Keeper};
use crate::id::Id;
use crate::known::{By, Known, State};
use crate::listing::{Listed, Lister, Marker, Page, Sort};
use crate::place::Place;
use crate::progress::{Plan, Progress, Scope};
use model::{Act, Model};

const BUCKET: &str = "photos";
const ALL: [&str; 2] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
}

/// Keeps the ids that it is given, over an inventory.
struct Told<I> {
    ids: Mutex<Vec<String>>,
    inventory: I,
    /// Progress is remembered when a look is done.
    looked: AtomicBool,
}

impl<I> Told<I> {
    fn over(inventory: I) -> Self {
        Self { ids: Mutex::default(), inventory, looked: AtomicBool::new(false) }
    }
}

#[async_trait::async_trait]
impl<I: Inventory> Outlet for Told<I> {
    async fn publish(&self, events: Vec<Event>) -> Result<(), Error> {
        let ids = events.iter().map(|event| event.id().to_owned());
        self.ids.lock().unwrap().extend(ids);
        Ok(())
    }

    fn running(&self) {}

    fn cannot_see(&self, _: &str) {}

    fn inventory(&self) -> &dyn Inventory {
        &self.inventory
    }

    async fn recall(&self, _: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(None)
    }

    async fn remember(&self, _: &[u8], _: Bytes) -> Result<(), Error> {
        self.looked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn plan(run: u64) -> Plan {
    let scope = Scope::default();
    Plan { run, complete: Some(scope.clone()), scope, since: None }
}

fn keeper<'s>(lister: &'s dyn Lister, outlet: &'s dyn Outlet, run: u64) -> Keeper<'s> {
    let around = Around { lister, outlet, clock: &Epoch, bucket: BUCKET, asked: &ALL };
    Keeper::new(around, Progress::default(), plan(run))
}

/// A listing that shows the bucket as it was when it was begun, each page when it is let through.
struct Stale {
    pages: Mutex<Vec<Vec<Listed>>>,
    let_through: tokio::sync::Semaphore,
}

impl Stale {
    fn of(bucket: &Model, keys_of_a_page: usize) -> Self {
        let listed = bucket.listed();
        let mut pages: Vec<_> = listed.chunks(keys_of_a_page).map(<[_]>::to_vec).collect();
        pages.reverse();
        Self { pages: Mutex::new(pages), let_through: tokio::sync::Semaphore::new(0) }
    }
}

#[async_trait::async_trait]
impl Lister for Stale {
    async fn page(&self, _: Marker) -> Result<Page, Error> {
        self.let_through.acquire().await.expect("it is never closed").forget();
        let mut pages = self.pages.lock().unwrap();
        let listed = pages.pop().unwrap_or_default();
        let next = (!pages.is_empty()).then(Marker::default);
        Ok(Page { listed, next })
    }

    async fn is_gone(&self, _: &Place) -> bool {
        false
    }
}

/// Lets the keeper do whatever it can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Changes before the first look, changes that nobody hears, and changes that the stream tells while the listing that
/// was begun before them is being read.
async fn gap(known: &[Act], missed: &[Act], live: &[(bool, Act)], keys_of_a_page: usize) {
    let (mut bucket, inventory) = (Model::default(), InMemory::default());
    for act in known {
        bucket.act(*act);
    }
    inventory.write(&bucket.inventory(1)).await.unwrap();
    let before = bucket.clone();
    for act in missed {
        bucket.act(*act);
    }
    let after_gap = bucket.clone();
    let (lister, outlet) = (Stale::of(&bucket, keys_of_a_page), Told::over(inventory));
    let (sender, receiver) = mpsc::channel(1_000);
    let working = keeper(&lister, &outlet, 2).run(receiver);
    let driving = async {
        for (let_through, act) in live {
            if *let_through {
                lister.let_through.add_permits(1);
                settle().await;
            }
            if let Some(notice) = bucket.act(*act) {
                sender.send(notice).await.unwrap();
                settle().await;
            }
        }
        lister.let_through.add_permits(1_000);
        while !outlet.looked.load(Ordering::Relaxed) {
            settle().await;
        }
        drop(sender);
    };
    let (kept, ()) = tokio::join!(working, driving);
    kept.unwrap();

    let told = outlet.ids.into_inner().unwrap();
    let objects = |entry: Entry| {
        let known = Known::read(&entry.value).unwrap();
        (known.state == State::Object).then(|| (Place::read(entry.key).unwrap(), known.id))
    };
    let known: BTreeMap<_, _> = outlet.inventory.all().into_iter().filter_map(objects).collect();
    assert_eq!(known, bucket.objects(), "what is known is what is there");
    let touched: BTreeSet<Place> = live.iter().map(|(_, act)| act.place()).collect();
    for id in before.changes_to(&after_gap, &touched) {
        assert!(told.contains(&id.to_string()), "a net change of the gap was missed");
    }
    for id in &told {
        assert!(bucket.happened(id), "something was told that never happened");
    }
    let mut once = told.clone();
    once.sort_unstable();
    once.dedup();
    assert!(told.len() <= once.len() + live.len(), "copies come only of what both have seen");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn stream_and_listing_together_miss_nothing_and_invent_nothing(
        known in prop::collection::vec(model::act(), 0..20),
        missed in prop::collection::vec(model::act(), 0..20),
        live in prop::collection::vec((any::<bool>(), model::act()), 0..20),
        keys_of_a_page in 1..5_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(gap(&known, &missed, &live, keys_of_a_page));
    }
}

/// Objects of the large bucket.
const MILLION: usize = 1_000_000;
/// Of these, one in so many is new, and one in so many is gone.
const NEW_EACH: usize = 1_000;
const GONE_EACH: usize = 1_500;

fn place(number: usize) -> Place {
    Place::new(&format!("folder-{:03}/object-{number:07}", number / 1_000), "").unwrap()
}

fn number(place: &[u8]) -> usize {
    let key = place.strip_suffix(&[0]).unwrap_or_default();
    std::str::from_utf8(&key[key.len() - 7..]).unwrap().parse().unwrap()
}

/// A bucket that is made up as it is read.
#[derive(Default)]
struct Synthetic {
    held_most: AtomicUsize,
    writes: AtomicU64,
}

#[async_trait::async_trait]
impl Lister for Synthetic {
    async fn page(&self, from: Marker) -> Result<Page, Error> {
        let first = from.key.parse().unwrap_or(0);
        let last = MILLION.min(first + 1_000);
        let listed = |number: &usize| number % GONE_EACH != 7;
        let listed = (first..last).filter(listed).map(|number| Listed {
            place: place(number),
            sort: Sort::Object,
            millis: 1,
            etag: "9dd4e461268c8034f5c8564e155c67a6".to_owned(),
            size: 1,
        });
        let listed: Vec<_> = listed.collect();
        let next = Marker { key: last.to_string(), version: String::new() };
        Ok(Page { listed, next: (last < MILLION).then_some(next) })
    }

    async fn is_gone(&self, _: &Place) -> bool {
        false
    }
}

#[async_trait::async_trait]
impl Inventory for Synthetic {
    async fn entries(&self, after: &[u8]) -> Result<Vec<Entry>, Error> {
        let first = if after.is_empty() { 0 } else { number(after) + 1 };
        let entry = |number: usize| {
            let place = place(number);
            let id = Id::written(BUCKET, place.key(), 1, "9dd4e461268c8034f5c8564e155c67a6");
            let known = Known { state: State::Object, by: By::Listing, run: 1, millis: 1, id };
            Entry { key: place.bytes().clone(), value: known.to_bytes() }
        };
        let known = (first..MILLION).filter(|number| number % NEW_EACH != 3);
        Ok(known.take(INVENTORY_BATCH_MAX).map(entry).collect())
    }

    async fn find(&self, _: &[Bytes]) -> Result<Vec<Entry>, Error> {
        Ok(Vec::new())
    }

    async fn write(&self, changes: &[Change]) -> Result<(), Error> {
        Change::check(changes)?;
        self.held_most.fetch_max(changes.len(), Ordering::Relaxed);
        self.writes.fetch_add(changes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn clear(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Kilobytes of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_million_objects_are_compared_in_bounded_memory() {
    /// Two pages, what is found in them, and what other tests of this process hold meanwhile.
    const GROWTH_KB_MAX: u64 = 48 * 1024;
    let (lister, outlet) = (Synthetic::default(), Told::over(Synthetic::default()));
    let mut look = crate::look::Look::default();
    let (before, began) = (resident(), std::time::Instant::now());
    let (mut most, mut next) = (before, Some(Marker::default()));
    let plan = plan(2);
    let view = crate::look::View { bucket: BUCKET, asked: &ALL, plan: &plan };
    loop {
        match look.step(&view, &outlet, Epoch.now()).await.unwrap() {
            crate::look::State::Ready => {}
            crate::look::State::NeedsPage => {
                let page = lister.page(next.take().unwrap_or_default()).await.unwrap();
                next = look.page(page).unwrap();
                most = most.max(resident());
            }
            crate::look::State::Done => break,
        }
    }
    let told = outlet.ids.lock().unwrap().len();
    // A place that is both new and gone is neither listed nor known.
    let both = (0..MILLION).filter(|n| n % NEW_EACH == 3 && n % GONE_EACH == 7).count();
    let expected = MILLION / NEW_EACH + MILLION.div_ceil(GONE_EACH) - 2 * both;
    let _ = writeln!(
        std::io::stderr(),
        "{MILLION} objects compared in {:?}: {told} changes, {} KB more memory",
        began.elapsed(),
        most - before
    );
    assert_eq!(told, expected);
    assert_eq!(outlet.inventory.writes.load(Ordering::Relaxed), expected as u64);
    assert!(outlet.inventory.held_most.load(Ordering::Relaxed) <= INVENTORY_BATCH_MAX);
    assert!(most - before < GROWTH_KB_MAX, "memory has grown by {} KB", most - before);
}
