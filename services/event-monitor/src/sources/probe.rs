//! Whether a source could run, found out by running it apart, without keeping anything of what it brings.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tripline_event::Event;
use tripline_kernel::Uid;
use tripline_source::{Error, InMemory, Inventory, Kind, Outlet};

use super::{opened, why};
use crate::registry::Source;

/// How long a source may take to connect.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Most sources that are probed at the same time…
const PROBES_MAX: usize = 8;
/// …and of one tenant.
const PROBES_OF_TENANT_MAX: usize = 2;

/// Probes sources.
#[derive(Clone)]
pub(crate) struct Prober {
    kinds: Vec<Arc<dyn Kind>>,
    tasks: TaskTracker,
    under_way: Arc<Mutex<Vec<Uid>>>,
}

/// Counts a probe of a tenant for as long as it lasts.
struct UnderWay(Arc<Mutex<Vec<Uid>>>, Uid);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|tenant| *tenant == self.1) {
            all.swap_remove(at);
        }
    }
}

impl Prober {
    pub(crate) fn new(kinds: Vec<Arc<dyn Kind>>, tasks: TaskTracker) -> Self {
        Self { kinds, tasks, under_way: Arc::default() }
    }

    fn begin(&self, tenant: Uid) -> Option<UnderWay> {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = all.iter().filter(|other| **other == tenant).count();
        let room = all.len() < PROBES_MAX && of_tenant < PROBES_OF_TENANT_MAX;
        room.then(|| {
            all.push(tenant);
            UnderWay(Arc::clone(&self.under_way), tenant)
        })
    }

    /// Runs the source until it is connected; else why it does not run, in words for its owner. Nothing at all when too
    /// many others are being probed.
    pub(crate) async fn probe(&self, source: &Source) -> Option<Result<(), String>> {
        let _under_way = self.begin(source.tenant)?;
        let opened = match opened(&self.kinds, source) {
            Ok(opened) => opened,
            Err(reason) => return Some(Err(reason)),
        };
        let nowhere = Arc::new(Nowhere::default());
        let outlet = Arc::clone(&nowhere);
        let running = async move { opened.run(outlet, CancellationToken::new()).await };
        // Ends with this probe, however that ends.
        let mut task = AbortOnDropHandle::new(self.tasks.spawn(running));
        Some(tokio::select! {
            // One that connects and fails at once does not run.
            biased;
            ended = &mut task => Err(why(ended)),
            () = nowhere.connected.notified() => Ok(()),
            () = sleep(CONNECT_MAX) => {
                Err(format!("it has not connected within {} seconds", CONNECT_MAX.as_secs()))
            }
        })
    }
}

/// Takes no event: a probe is over before it would have to.
#[derive(Default)]
struct Nowhere {
    connected: Notify,
    inventory: InMemory,
}

#[async_trait::async_trait]
impl Outlet for Nowhere {
    async fn publish(&self, events: Vec<Event>) -> Result<(), Error> {
        if !events.is_empty() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn running(&self) {
        self.connected.notify_one();
    }

    fn cannot_see(&self, _: &str) {}

    fn inventory(&self) -> &dyn Inventory {
        &self.inventory
    }

    async fn recall(&self, _: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(None)
    }

    async fn remember(&self, _: &[u8], _: Bytes) -> Result<(), Error> {
        Ok(())
    }
}
