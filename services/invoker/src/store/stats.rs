//! Counters that survive every restart, kept in the transactions of what they count.
//!
//! Each epoch adds to rows of its own, so that replicas never wait for each other; the rows of an epoch that ended
//! are folded into those of epoch 0.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait as _, DbErr, QueryResult};
use tripline_kernel::Uid;

use super::{Query, Store, Write, row, sql};

/// How many generations of invocations were opened, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) matched: i64,
    pub(crate) delivered: i64,
    pub(crate) dead: i64,
    pub(crate) cancelled: i64,
}

impl Stats {
    /// How many are pending or running.
    pub(crate) fn open(self) -> i64 {
        self.matched - self.delivered - self.dead - self.cancelled
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.matched += other.matched;
        self.delivered += other.delivered;
        self.dead += other.dead;
        self.cancelled += other.cancelled;
    }
}

/// What one transaction adds, per tenant.
#[derive(Default)]
pub(super) struct Changes(HashMap<Uid, Stats>);

impl Changes {
    pub(super) fn of(&mut self, tenant: Uid) -> &mut Stats {
        self.0.entry(tenant).or_default()
    }
}

const COLUMNS: &str = "tenant,epoch,matched,delivered,dead,cancelled";
const COUNTS: [&str; 4] = ["matched", "delivered", "dead", "cancelled"];

impl Store {
    /// The sums over all tenants and epochs.
    pub(crate) async fn stats(&self) -> Result<Stats, tripline_db::Error> {
        self.sum(self.query(&format!("SELECT {COLUMNS} FROM stats"))).await
    }

    /// The sums of a tenant over all epochs.
    pub(crate) async fn stats_of(&self, tenant: Uid) -> Result<Stats, tripline_db::Error> {
        let mut query = self.query(&format!("SELECT {COLUMNS} FROM stats WHERE tenant="));
        query.bind(sql::uid(tenant));
        self.sum(query).await
    }

    async fn sum(&self, query: Query) -> Result<Stats, tripline_db::Error> {
        let mut sum = Stats::default();
        for row in self.db.query_all_raw(query.build()).await? {
            sum.add(read(&row)?.1);
        }
        Ok(sum)
    }
}

impl Store {
    /// The statements that add what a transaction counts; each changes one row.
    pub(super) fn additions(&self, epoch: i64, changes: &Changes) -> impl Iterator<Item = Query> {
        let counted = changes.0.iter().filter(|(_, stats)| **stats != Stats::default());
        counted.map(move |(&tenant, stats)| {
            let mut query = self.query(&format!("INSERT INTO stats ({COLUMNS}) VALUES "));
            let Stats { matched, delivered, dead, cancelled } = *stats;
            let counts = [epoch, matched, delivered, dead, cancelled].map(Into::into);
            query.tuple([sql::uid(tenant)].into_iter().chain(counts));
            let add = |column: &str, new: &str| format!("stats.{column}+{new}");
            query.or_update("tenant,epoch", &COUNTS, add);
            query
        })
    }
}

impl Write<'_> {
    /// Adds what this transaction counts.
    pub(super) async fn add(
        &self,
        store: &Store,
        epoch: i64,
        changes: &Changes,
    ) -> Result<(), DbErr> {
        for query in store.additions(epoch, changes) {
            self.run(query).await?;
        }
        Ok(())
    }

    /// Folds the counters of an epoch that ended into those of epoch 0.
    pub(super) async fn fold(&self, store: &Store, epoch: i64) -> Result<(), DbErr> {
        let mut query = store.query(&format!("SELECT {COLUMNS} FROM stats WHERE epoch="));
        query.bind(epoch);
        let mut changes = Changes::default();
        for row in self.tx.query_all_raw(query.build()).await? {
            let (tenant, stats) = read(&row)?;
            changes.of(tenant).add(stats);
        }
        self.add(store, 0, &changes).await?;
        let mut query = store.query("DELETE FROM stats WHERE epoch=");
        query.bind(epoch);
        self.run(query).await?;
        Ok(())
    }
}

fn read(row: &QueryResult) -> Result<(Uid, Stats), DbErr> {
    let tenant = row::uid(row, 0)?;
    let stats = Stats {
        matched: row.try_get_by_index(2)?,
        delivered: row.try_get_by_index(3)?,
        dead: row.try_get_by_index(4)?,
        cancelled: row.try_get_by_index(5)?,
    };
    Ok((tenant, stats))
}
