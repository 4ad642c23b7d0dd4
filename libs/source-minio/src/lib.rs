//! `MinIO` buckets as event sources, through the server's live stream of notifications.
//!
//! The stream needs nothing set up on the server and tells each change within milliseconds, but only while it is
//! listened to. So each run listens first and then looks through the bucket: it compares the listing with the inventory,
//! which says what has been told, and tells the difference. An event's id is a function of the change alone (see [`id`]),
//! so a change that is told twice, or found in another way, is one event.
//!
//! The inventory is written after the event log has confirmed what it is about. A crash in between makes copies. The
//! other way round it would make losses.
//!
//! Records become `CloudEvents` as the S3 adapter of the `CloudEvents` specification says, but for the id.

mod events;
pub mod id;
mod judge;
mod keeper;
mod known;
mod lines;
mod listen;
mod listing;
mod live;
mod look;
mod merge;
mod place;
mod progress;
mod record;
mod refusal;
mod s3;
mod settings;

use std::sync::Arc;

use tripline_kernel::{Clock, Fault};
use tripline_outbound::Client;
use tripline_source::{Settings, Source};

use listen::Listener;

/// The kind `minio`. Its settings: `endpoint`, `bucket`, `access_key` and `secret_key`, and optionally `events`
/// (default `["s3:ObjectCreated:*"]`), `prefix`, `suffix` and `region` (default `us-east-1`).
#[derive(Clone)]
pub struct Kind {
    client: Client,
    clock: Arc<dyn Clock>,
}

impl Kind {
    /// `MinIO` buckets reached through `client`, which also judges the endpoints. Requests are signed with the time
    /// that `clock` tells.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock }
    }
}

impl tripline_source::Kind for Kind {
    fn name(&self) -> &'static str {
        "minio"
    }

    fn secrets(&self) -> &'static [&'static str] {
        &["secret_key"]
    }

    fn check(&self, settings: &Settings) -> Vec<Fault> {
        settings::read(settings, self.client.guard()).err().unwrap_or_default()
    }

    fn open(&self, settings: &Settings) -> Result<Box<dyn Source>, Vec<Fault>> {
        let watched = settings::read(settings, self.client.guard())?;
        Ok(Box::new(Listener::new(self.client.clone(), Arc::clone(&self.clock), watched)))
    }
}
