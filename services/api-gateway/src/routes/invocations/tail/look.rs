//! One look at the invoker's list, within bounds.

use std::time::Duration;

use tokio::time::Instant;
use tripline_contracts::{Error, pb};

use super::followed::Followed;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::routes::invocations::in_portions;

/// Most invocations that a look reads…
pub(super) const LOOK_MAX: usize = 1_000;
/// …and most bytes, but for the page that reaches it…
const LOOK_BYTES_MAX: usize = 4 << 20;
/// …and after this long it asks for no further page.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// What a look met.
pub(super) struct Look {
    /// Newest first.
    pub(super) items: Vec<pb::Invocation>,
    /// Whether it ended at a bound, above some that it was to reach.
    pub(super) cut: bool,
}

impl Look {
    /// The newest invocations, as many as `followed` needs.
    pub(super) async fn at(
        gateway: &Gateway,
        read: &pb::ListInvocationsRequest,
        followed: &Followed,
    ) -> Result<Self, Error> {
        let began = Instant::now();
        let (mut read, mut items, mut bytes) = (read.clone(), Vec::new(), 0);
        loop {
            let page = in_portions(read.clone(), |read| async {
                answer(READ_WAIT, gateway.peers.invoker.clone().list_invocations(read)).await
            });
            let page = page.await?;
            bytes += page.items.iter().map(weight).sum::<usize>();
            items.extend(page.items);
            if page.next_cursor.is_empty() || followed.is_enough(&items) {
                return Ok(Self { items, cut: false });
            }
            if items.len() >= LOOK_MAX || bytes >= LOOK_BYTES_MAX || began.elapsed() >= LOOK_WITHIN
            {
                return Ok(Self { items, cut: true });
            }
            read.cursor = page.next_cursor;
        }
    }
}

/// About how many bytes of memory it takes.
fn weight(item: &pb::Invocation) -> usize {
    let attempts = item.attempts.iter().map(|attempt| {
        attempt.error.len() + attempt.request_url.len() + attempt.response_body.len()
    });
    let texts = item.event_source.len() + item.event_id.len() + item.reason.len();
    size_of_val(item) + texts + attempts.sum::<usize>()
}
