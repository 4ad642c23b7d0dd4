//! What can be done with resources: validated, in one transaction each, with everything that follows from it.

mod buses;
mod error;
mod functions;
mod pairs;
mod rotation;
mod secrets;
mod sources;
mod triggers;

pub(crate) use error::Error;
pub(crate) use functions::{Deleted, NewFunction};
pub(crate) use pairs::{Draft as PairDraft, Pair, PutPair};
pub(crate) use secrets::{OfFunction, Secrets};
pub(crate) use triggers::Which;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tripline_kernel::{Clock, Entropy, Fault, Name, TenantUid, Uid};
use tripline_runtime::Abort;
use tripline_source as source;
use tripline_target as target;

use crate::kinds::Kinds;
use crate::page::{Asked, Page};
use crate::relay::Settled;
use crate::resource::Meta;
use crate::store::{self, Store, Stored, Write};

/// Most of those that are named when something cannot be deleted because of them.
const NAMED_MAX: u64 = 20;

/// All that the acts on resources need.
pub(crate) struct Registry {
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) sources: Kinds<dyn source::Kind>,
    pub(crate) targets: Kinds<dyn target::Kind>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Tells when the relay has done something.
    pub(crate) settled: Settled,
    /// How long an answer waits for the relay.
    pub(crate) apply_wait: Duration,
    /// An answer does not wait for a relay that was told to stop.
    pub(crate) stop: CancellationToken,
    pub(crate) abort: Abort,
}

impl Registry {
    /// The resource of this name.
    pub(crate) async fn get<R: Stored>(&self, tenant: TenantUid, name: &Name) -> Result<R, Error> {
        let found = store::named(self.store.db(), tenant, name).await?;
        found.ok_or_else(|| Error::not_found(R::KIND, name.as_str()))
    }

    /// A part of the list of all resources of a kind.
    pub(crate) async fn list<R: Stored>(&self, asked: &Asked) -> Result<Page<R>, Error> {
        Ok(store::page(self.store.db(), asked).await?)
    }

    fn new_uid(&self) -> Uid {
        Uid::new(self.clock.as_ref(), self.entropy.as_ref())
    }

    fn new_meta(&self, tenant: TenantUid, name: Name) -> Meta {
        Meta::new(tenant, name, self.new_uid(), self.clock.now())
    }
}

/// What a request refers to by this text, or the fault of there being no such thing.
async fn referred<R: Stored>(
    write: &Write,
    tenant: TenantUid,
    text: &str,
) -> Result<Result<R, Fault>, Error> {
    // What is no name is the name of nothing.
    let found = match text.parse::<Name>() {
        Ok(name) => store::named(write.db(), tenant, &name).await?,
        Err(_) => None,
    };
    let kind = R::KIND;
    Ok(found.ok_or_else(|| {
        let detail = format!("there is no {kind} of this name");
        Fault::new(format!("/{kind}"), format!("{kind}-not-found"), detail)
    }))
}
