//! Rotations of the whole process, each built once.

use crate::{Control, Error, Rotation};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of matrices that are kept. The newest is kept whatever its size.
const CAPACITY: usize = 256 << 20;

/// How often a waiting caller looks at its cancel flag.
const POLL: Duration = Duration::from_millis(5);

type Key = (u64, usize);

struct State {
    /// Most recently used last.
    ready: Vec<Arc<Rotation>>,
    building: Vec<Key>,
    builds: u64,
}

static STATE: Mutex<State> = Mutex::new(State {
    ready: Vec::new(),
    building: Vec::new(),
    builds: 0,
});
static CHANGED: Condvar = Condvar::new();

/// What the cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheInfo {
    /// Matrices kept.
    pub entries: usize,
    /// Bytes of these matrices.
    pub bytes: usize,
    /// Matrices built since the process started.
    pub builds: u64,
}

/// What the process-wide cache of rotations holds.
pub fn cache_info() -> CacheInfo {
    let state = lock();
    let bytes = state.ready.iter().map(|rotation| rotation.bytes()).sum();
    CacheInfo {
        entries: state.ready.len(),
        bytes,
        builds: state.builds,
    }
}

/// Every change of the state is complete before the lock is released, so a panic elsewhere cannot leave it
/// half done and a poisoned lock is as good as any.
fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Withdraws the announcement of a build however it ends, and wakes whoever waits for it.
struct Building(Key);

impl Drop for Building {
    fn drop(&mut self) {
        lock().building.retain(|key| *key != self.0);
        CHANGED.notify_all();
    }
}

pub(crate) fn get_or_build(
    seed: u64,
    dimension: usize,
    control: &Control,
) -> Result<Arc<Rotation>, Error> {
    let key = (seed, dimension);
    let mut state = lock();
    loop {
        control.check()?;
        if let Some(rotation) = state.take(key) {
            state.ready.push(Arc::clone(&rotation));
            return Ok(rotation);
        }
        if !state.building.contains(&key) {
            break;
        }
        state = CHANGED
            .wait_timeout(state, POLL)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
    state.building.push(key);
    drop(state);
    let announced = Building(key);
    let rotation = Arc::new(Rotation::build(seed, dimension, control)?);
    lock().insert(Arc::clone(&rotation));
    drop(announced);
    Ok(rotation)
}

impl State {
    fn take(&mut self, key: Key) -> Option<Arc<Rotation>> {
        let found = self
            .ready
            .iter()
            .position(|rotation| (rotation.seed(), rotation.dimension()) == key)?;
        Some(self.ready.remove(found))
    }

    fn insert(&mut self, rotation: Arc<Rotation>) {
        self.builds += 1;
        self.ready.push(rotation);
        let mut bytes: usize = self.ready.iter().map(|rotation| rotation.bytes()).sum();
        while bytes > CAPACITY && self.ready.len() > 1 {
            bytes -= self.ready.remove(0).bytes();
        }
    }
}
