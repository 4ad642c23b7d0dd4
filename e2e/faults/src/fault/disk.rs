//! A full disk under the embedded edition.

use std::time::Duration;

use anyhow::Context as _;
use tripline_e2e::{Plan, System};
use tripline_testkit::wait_until;

use crate::world::Outcome;
use crate::{Ledger, SmallDisk, World};

/// Enough for what the system keeps free (256 MiB), and some room to work in.
const DISK_MEGABYTES: u32 = 384;
/// Less than the system keeps free.
const BELOW_RESERVE_BYTES: u64 = 128 << 20;
/// How many publishes are refused before there is room again.
const REFUSALS: u64 = 200;
/// How long that may take.
const REFUSED_MAX: Duration = Duration::from_secs(60);

/// Fills the disk up to the reserve, then to the last byte, with room in between and afterwards.
pub(super) async fn full(per_second: u32) -> anyhow::Result<Outcome> {
    let disk = SmallDisk::mount(DISK_MEGABYTES)?;
    let plan = Plan::Embedded { data: Some(disk.path().join("data")) };
    let mut world = World::start(plan, per_second).await?;
    for (what, leave) in
        [("disk full up to the reserve", BELOW_RESERVE_BYTES), ("disk full to the last byte", 0)]
    {
        let fill = async |_: &mut System, ledger: &Ledger| {
            let before = ledger.answers().refused();
            disk.fill(leave)?;
            let refused = async || ledger.answers().refused() >= before + REFUSALS;
            let refused = wait_until(REFUSED_MAX, refused).await;
            disk.clear()?;
            refused.context("publishes were not refused")
        };
        world.strike(what, fill).await?;
    }
    world.finish().await
}
