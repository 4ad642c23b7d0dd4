//! How far the routers of a bus have come, and which definition of a trigger is in force there.
//!
//! The definitions of a partition are all in one text, many megabytes on a large bus. So it is read for one partition at
//! a time, away from the threads that route, and for few questions at once.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tripline_bus::Stream;
use tripline_kernel::Uid;

use crate::router::revision_in_force;
use crate::store::{Checkpoint, Error, Partition, Store};

/// Most questions that are answered at the same time.
const QUESTIONS_MAX: usize = 4;

/// One partition, as of its router's last checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) partition: u16,
    pub(crate) checkpoint: Checkpoint,
    /// The revision of the trigger's definition in force there.
    pub(crate) revision: Option<u64>,
}

/// Answers such questions.
#[derive(Clone)]
pub(crate) struct Standings {
    store: Store,
    permits: Arc<Semaphore>,
}

impl Standings {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, permits: Arc::new(Semaphore::new(QUESTIONS_MAX)) }
    }

    /// The partitions that a router has begun, by number. Nothing at all when too many others ask.
    pub(crate) async fn of(
        &self,
        tenant: Uid,
        bus: Uid,
        trigger: Uid,
    ) -> Result<Option<Vec<Standing>>, Error> {
        let Ok(mut permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Ok(None);
        };
        let mut standings = Vec::new();
        for (partition, checkpoint) in self.store.routed(tenant, bus).await? {
            let place = Partition { tenant, stream: Stream { bus, partition } };
            let definitions = self.store.definitions(place).await?.unwrap_or_default();
            // The permit goes along: who asked may leave, what reads goes on.
            let read = spawn_blocking(move || (revision_in_force(&definitions, trigger), permit));
            let (revision, back) = read.await.map_err(|_| Error::Damaged("checkpoint"))?;
            permit = back;
            let revision = revision.map_err(|_| Error::Damaged("checkpoint"))?;
            standings.push(Standing { partition, checkpoint, revision });
        }
        Ok(Some(standings))
    }
}

#[cfg(test)]
mod tests {
    use tripline_bus::Stream;
    use tripline_kernel::{DEFAULT_TENANT, Uid};

    use super::{QUESTIONS_MAX, Standing, Standings};
    use crate::store::{Checkpoint, Error, Partition, Store};

    const BUS: Uid = Uid::from_bytes([1; 16]);
    const TRIGGER: Uid = Uid::from_bytes([2; 16]);

    #[tokio::test]
    async fn each_partition_says_what_is_in_force_there_to_few_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_directory(dir.path()).await;
        let checkpoint = Checkpoint { next: 5, dedupe_start: 1, accepted: 4, deduplicated: 1 };
        let in_force = format!(
            r#"{{"triggers":{{"{TRIGGER}":{{"revision":7,"definition":{{}}}}}},"gone":{{}}}}"#
        );
        for (partition, definitions) in [(0, None), (1, Some(in_force))] {
            let partition =
                Partition { tenant: DEFAULT_TENANT, stream: Stream { bus: BUS, partition } };
            store.claim(partition, 1).await.unwrap();
            store.save_checkpoint(partition, 1, checkpoint, definitions).await.unwrap();
        }
        let standings = Standings::new(store.clone());
        let of = async |tenant| standings.of(tenant, BUS, TRIGGER).await;
        let expected = [(0, None), (1, Some(7))].map(|(partition, revision)| Standing {
            partition,
            checkpoint,
            revision,
        });
        assert_eq!(of(DEFAULT_TENANT).await.unwrap().unwrap(), expected);
        assert_eq!(of(Uid::NIL).await.unwrap(), Some(vec![]), "tenants are apart");

        let all = standings.permits.acquire_many(u32::try_from(QUESTIONS_MAX).unwrap()).await;
        assert_eq!(of(DEFAULT_TENANT).await.unwrap(), None);
        drop(all);
        let damaged =
            Partition { tenant: DEFAULT_TENANT, stream: Stream { bus: BUS, partition: 0 } };
        store.save_checkpoint(damaged, 1, checkpoint, Some("{".to_owned())).await.unwrap();
        assert!(matches!(of(DEFAULT_TENANT).await, Err(Error::Damaged(_))));
        assert_eq!(standings.permits.available_permits(), QUESTIONS_MAX, "places come back");
    }
}
