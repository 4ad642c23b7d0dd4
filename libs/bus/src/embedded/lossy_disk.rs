//! A disk in memory that loses, when the power goes, whatever was not synced.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Disk, DiskFile, Lock, SyncPoint};

/// What a disk writes at once or not at all.
const SECTOR_BYTES: usize = 512;

/// What becomes of what was not synced when the power goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum PowerLoss {
    /// All of it is lost.
    Whole,
    /// Each sector, and each name, is lost or kept as this seed will have it.
    Torn(u64),
}

/// One life of a disk: what one process sees of it. A later life ends it.
#[derive(Clone)]
pub(super) struct LossyDisk {
    world: Arc<Mutex<World>>,
    life: u64,
}

#[derive(Default)]
struct World {
    life: u64,
    locked: bool,
    made: bool,
    made_durable: bool,
    names: BTreeMap<String, usize>,
    names_durable: BTreeMap<String, usize>,
    files: Vec<Content>,
    faults: Faults,
    syncs: BTreeMap<SyncPoint, usize>,
    capacity: u64,
}

/// What the disk does wrong.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    /// This sync says that it is done and does nothing.
    pub(super) ignored: Option<SyncPoint>,
    /// This sync fails and does nothing.
    pub(super) failing: Option<SyncPoint>,
    /// Changes and syncs that still succeed; all after them fail and do nothing.
    pub(super) operations_left: Option<usize>,
}

#[derive(Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// The two are the same up to here.
    same: usize,
}

impl LossyDisk {
    pub(super) fn new() -> Self {
        let world = World { capacity: 1 << 40, ..World::default() };
        Self { world: Arc::new(Mutex::new(world)), life: 0 }
    }

    /// The disk after the process was killed: what it wrote is there, synced or not.
    pub(super) fn killed(&self) -> Self {
        let mut world = self.any_life();
        world.life += 1;
        world.locked = false;
        world.faults.failing = None;
        world.faults.operations_left = None;
        Self { world: Arc::clone(&self.world), life: world.life }
    }

    /// The disk after the power went and came back.
    pub(super) fn power_lost(&self, loss: PowerLoss) -> Self {
        let after = self.killed();
        after.any_life().lose(loss);
        after
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.any_life().faults = faults;
    }

    pub(super) fn set_free_bytes(&self, free: u64) {
        let mut world = self.any_life();
        world.capacity = world.used() + free;
    }

    /// How often each sync was asked for.
    pub(super) fn syncs(&self) -> BTreeMap<SyncPoint, usize> {
        self.any_life().syncs.clone()
    }

    /// Changes the content of a file, durably, behind everyone's back.
    pub(super) fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.any_life();
        let file = world.names[name];
        let content = &mut world.files[file];
        change(&mut content.live);
        content.durable.clone_from(&content.live);
        content.same = content.live.len();
    }

    /// The content of a file.
    pub(super) fn content(&self, name: &str) -> Vec<u8> {
        let world = self.any_life();
        world.files[world.names[name]].live.clone()
    }

    /// A disk with the same content, all of it durable.
    pub(super) fn copy(&self) -> Self {
        let world = self.any_life();
        let copy = Self::new();
        for (name, &file) in &world.names {
            let live = world.files[file].live.clone();
            let mut other = copy.any_life();
            let at = other.files.len();
            other.files.push(Content { same: live.len(), durable: live.clone(), live });
            other.names.insert(name.clone(), at);
            other.names_durable.insert(name.clone(), at);
            (other.made, other.made_durable) = (true, true);
        }
        copy
    }

    fn any_life(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The world, as long as this life lasts.
    fn world(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.any_life();
        if world.life == self.life { Ok(world) } else { Err(io::Error::other("a former life")) }
    }

    /// The world, for a change of it.
    fn changing(&self) -> io::Result<MutexGuard<'_, World>> {
        let mut world = self.world()?;
        match &mut world.faults.operations_left {
            Some(0) => return Err(io::Error::other("the disk is gone")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(world)
    }

    /// The world, for a sync; `None` when this one does nothing.
    fn syncing(&self, point: SyncPoint) -> io::Result<Option<MutexGuard<'_, World>>> {
        let mut world = self.changing()?;
        *world.syncs.entry(point).or_default() += 1;
        if world.faults.failing == Some(point) {
            return Err(io::Error::other("the sync failed"));
        }
        Ok((world.faults.ignored != Some(point)).then_some(world))
    }
}

impl World {
    fn used(&self) -> u64 {
        self.names.values().map(|&file| self.files[file].live.len() as u64).sum()
    }

    fn lose(&mut self, loss: PowerLoss) {
        let mut chance = Chance(match loss {
            PowerLoss::Whole => None,
            PowerLoss::Torn(seed) => Some(seed),
        });
        for content in &mut self.files {
            content.lose(&mut chance);
        }
        let mut names = self.names_durable.clone();
        for name in self.names.keys().chain(self.names_durable.keys()) {
            if chance.keeps() {
                match self.names.get(name) {
                    Some(&file) => names.insert(name.clone(), file),
                    None => names.remove(name),
                };
            }
        }
        if !self.made_durable {
            self.made = false;
            names.clear();
        }
        self.names.clone_from(&names);
        self.names_durable = names;
    }
}

impl Content {
    fn lose(&mut self, chance: &mut Chance) {
        let mut left = self.durable.clone();
        for start in (0..self.live.len()).step_by(SECTOR_BYTES) {
            let end = (start + SECTOR_BYTES).min(self.live.len());
            if end > self.same && chance.keeps() {
                // Where an earlier sector was lost, there are zeros.
                left.resize(left.len().max(end), 0);
                left[start..end].copy_from_slice(&self.live[start..end]);
            }
        }
        self.live.clone_from(&left);
        self.same = left.len();
        self.durable = left;
    }
}

/// Decides, always the same way for one seed.
struct Chance(Option<u64>);

impl Chance {
    fn keeps(&mut self) -> bool {
        let Some(state) = &mut self.0 else { return false };
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 63 == 1
    }
}

impl Disk for LossyDisk {
    fn make_directory(&self) -> io::Result<()> {
        self.changing()?.made = true;
        Ok(())
    }

    fn sync_parents(&self, point: SyncPoint) -> io::Result<()> {
        if let Some(mut world) = self.syncing(point)? {
            world.made_durable = world.made;
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Lock>> {
        let mut world = self.world()?;
        if world.locked {
            return Ok(None);
        }
        world.locked = true;
        Ok(Some(Box::new(Locked(self.clone()))))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.world()?.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.changing()?;
        if world.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = world.files.len();
        world.files.push(Content::default());
        world.names.insert(name.to_owned(), file);
        Ok(Arc::new(LossyFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.world()?.names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(LossyFile { disk: self.clone(), file }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.changing()?.names.remove(name);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self, point: SyncPoint) -> io::Result<()> {
        if let Some(mut world) = self.syncing(point)? {
            world.names_durable = world.names.clone();
        }
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let world = self.world()?;
        Ok(world.capacity.saturating_sub(world.used()))
    }
}

struct Locked(LossyDisk);

impl Drop for Locked {
    fn drop(&mut self) {
        if let Ok(mut world) = self.0.world() {
            world.locked = false;
        }
    }
}

struct LossyFile {
    disk: LossyDisk,
    file: usize,
}

impl DiskFile for LossyFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.world()?.files[self.file].live.len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let world = self.disk.world()?;
        let rest = world.files[self.file].live.get(usize::try_from(at).unwrap()..).unwrap_or(&[]);
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.disk.changing()?;
        let (content, at) = (&mut world.files[self.file], usize::try_from(at).unwrap());
        content.live.resize(content.live.len().max(at + bytes.len()), 0);
        content.live[at..at + bytes.len()].copy_from_slice(bytes);
        content.same = content.same.min(at);
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut world = self.disk.changing()?;
        let (content, bytes) = (&mut world.files[self.file], usize::try_from(bytes).unwrap());
        content.live.truncate(bytes);
        content.same = content.same.min(bytes);
        Ok(())
    }

    fn sync_data(&self, point: SyncPoint) -> io::Result<()> {
        if let Some(mut world) = self.disk.syncing(point)? {
            let Content { live, durable, same } = &mut world.files[self.file];
            durable.truncate(*same);
            durable.extend_from_slice(&live[*same..]);
            *same = live.len();
        }
        Ok(())
    }
}
