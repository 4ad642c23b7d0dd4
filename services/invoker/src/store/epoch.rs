//! Epochs: in whose name rows run, and who is alive.
//!
//! A process has one epoch at a time and keeps it alive. What a process that died was running is found by its epoch and
//! made pending again.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbErr};
use tripline_kernel::Timestamp;

use super::sequence::SLOTS;
use super::{Sequence, Store, Write, sql};

/// How far the clocks of two replicas may be apart before one takes the other for dead too early.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(5);
/// Attempts to take a free slot while other replicas do the same.
const TRIES_MAX: usize = 16;

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// Its number, never used again.
    pub(crate) id: i64,
    /// Tells its sequence numbers from those of others that live at the same time.
    pub(crate) slot: i16,
}

impl Store {
    /// Begins a new epoch.
    pub(crate) async fn begin_epoch(
        &self,
        now: Timestamp,
        alive_until: Timestamp,
    ) -> Result<Epoch, tripline_db::Error> {
        let mut id = now.as_micros();
        for _ in 0..TRIES_MAX {
            let taken = self.epochs().await?;
            let slots: HashSet<_> = taken.iter().map(|(epoch, _)| epoch.slot).collect();
            id = taken.iter().map(|(epoch, _)| epoch.id + 1).fold(id, i64::max);
            let Some(slot) = (0..SLOTS).find(|slot| !slots.contains(slot)) else {
                break;
            };
            let write = self.write().await?;
            let mut query = self.query("INSERT INTO epochs (epoch,slot,alive_until) VALUES ");
            query.tuple([id.into(), slot.into(), sql::time(alive_until)]);
            match write.run(query).await {
                Ok(_) => {
                    write.commit().await?;
                    return Ok(Epoch { id, slot });
                }
                Err(error) if super::is_taken(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DbErr::Custom("no slot is free for another replica".to_owned()).into())
    }

    /// A sequence for the epoch, above every number given so far.
    pub(crate) async fn sequence(&self, epoch: Epoch) -> Result<Sequence, tripline_db::Error> {
        let query = self.query("SELECT MAX(seq) FROM invocations");
        let row = self.db.query_one_raw(query.build()).await?;
        let last: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
        Ok(Sequence::new(epoch.slot, last.unwrap_or(0)))
    }

    /// Keeps the epoch alive. `false` when it was taken back: nothing is this process's own any more.
    pub(crate) async fn renew_epoch(
        &self,
        epoch: i64,
        alive_until: Timestamp,
    ) -> Result<bool, tripline_db::Error> {
        let write = self.write().await?;
        let mut query = self.query("UPDATE epochs SET alive_until=");
        query.bind(sql::time(alive_until)).text(" WHERE epoch=").bind(epoch);
        let renewed = write.run(query).await?;
        write.commit().await?;
        Ok(renewed == 1)
    }

    /// How many other epochs are there, alive or not.
    pub(crate) async fn other_epochs(&self, own: i64) -> Result<usize, tripline_db::Error> {
        Ok(self.epochs().await?.iter().filter(|(epoch, _)| epoch.id != own).count())
    }

    /// Takes back what dead processes were running: their rows are pending and due. With `all`, every process but this
    /// one is known to be dead. Says how many processes and rows.
    pub(crate) async fn take_back(
        &self,
        own: i64,
        now: Timestamp,
        all: bool,
    ) -> Result<(usize, u64), tripline_db::Error> {
        let (mut processes, mut rows) = (0, 0);
        let dead_before = now.before(CLOCKS_APART_MAX);
        for (epoch, alive_until) in self.epochs().await? {
            if epoch.id == own || !(all || alive_until < dead_before) {
                continue;
            }
            let write = self.write().await?;
            let mut query = self.query("DELETE FROM epochs WHERE epoch=");
            query.bind(epoch.id).text(" AND alive_until=").bind(sql::time(alive_until));
            // Renewed at the last moment, or taken back by another replica.
            if write.run(query).await? == 0 {
                continue;
            }
            rows += write.disown(self, epoch.id, now).await?;
            write.fold(self, epoch.id).await?;
            write.commit().await?;
            processes += 1;
        }
        Ok((processes, rows))
    }

    /// Ends the epoch: what it still owns is pending and due. Says how many rows.
    pub(crate) async fn end_epoch(
        &self,
        epoch: i64,
        now: Timestamp,
    ) -> Result<u64, tripline_db::Error> {
        let write = self.write().await?;
        let mut query = self.query("DELETE FROM epochs WHERE epoch=");
        query.bind(epoch);
        write.run(query).await?;
        let rows = write.disown(self, epoch, now).await?;
        write.fold(self, epoch).await?;
        write.commit().await?;
        Ok(rows)
    }

    async fn epochs(&self) -> Result<Vec<(Epoch, Timestamp)>, DbErr> {
        let query = self.query("SELECT epoch,slot,alive_until FROM epochs");
        let rows = self.db.query_all_raw(query.build()).await?;
        let read = |row: sea_orm::QueryResult| {
            let epoch = Epoch { id: row.try_get_by_index(0)?, slot: row.try_get_by_index(1)? };
            Ok((epoch, super::row::time(&row, 2)?))
        };
        rows.into_iter().map(read).collect()
    }
}

impl Write<'_> {
    async fn disown(&self, store: &Store, epoch: i64, now: Timestamp) -> Result<u64, DbErr> {
        let mut query =
            store.query("UPDATE invocations SET state=0,owner_epoch=NULL,next_attempt_at=");
        query.bind(sql::time(now)).text(" WHERE state=1 AND owner_epoch=").bind(epoch);
        self.run(query).await
    }
}
