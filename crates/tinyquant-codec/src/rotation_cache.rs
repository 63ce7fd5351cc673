//! Rotations of the whole process, each built once.

use crate::{Control, Error, Rotation};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of matrices that are kept. The newest is kept whatever its size.
const MAX_BYTES: usize = 256 << 20;

/// Matrices that are kept, however small.
const MAX_ENTRIES: usize = 64;

/// Dimension from which matrices are built one at a time: each takes gigabytes while it is made.
const LARGE: usize = 4096;

/// How often a waiting caller looks at its cancel flag.
const POLL: Duration = Duration::from_millis(5);

type Key = (u64, usize);

struct State {
    /// Most recently used last.
    ready: Vec<Arc<Rotation>>,
    building: Vec<Key>,
    builds: u64,
}

static STATE: Mutex<State> = Mutex::new(State::new());
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
    CacheInfo {
        entries: state.ready.len(),
        bytes: state.bytes(),
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
        if !state.must_wait(key) {
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
    let evicted = lock().insert(Arc::clone(&rotation), MAX_BYTES, MAX_ENTRIES);
    drop(announced);
    // Large matrices take a while to free: not under the lock.
    drop(evicted);
    Ok(rotation)
}

impl State {
    const fn new() -> Self {
        Self {
            ready: Vec::new(),
            building: Vec::new(),
            builds: 0,
        }
    }

    fn take(&mut self, key: Key) -> Option<Arc<Rotation>> {
        let is_wanted = |rotation: &Arc<Rotation>| (rotation.seed(), rotation.dimension()) == key;
        let found = self.ready.iter().position(is_wanted)?;
        Some(self.ready.remove(found))
    }

    /// Whether the matrix is being built, or another one beside which there is no room to build it.
    fn must_wait(&self, key: Key) -> bool {
        let is_large = |key: &Key| key.1 >= LARGE;
        self.building.contains(&key) || (is_large(&key) && self.building.iter().any(is_large))
    }

    fn bytes(&self) -> usize {
        self.ready.iter().map(|rotation| rotation.bytes()).sum()
    }

    /// Adds a matrix that was built and returns those that have to go, least recently used first.
    fn insert(
        &mut self,
        rotation: Arc<Rotation>,
        max_bytes: usize,
        max_entries: usize,
    ) -> Vec<Arc<Rotation>> {
        self.builds += 1;
        self.ready.push(rotation);
        let (mut bytes, mut evicted) = (self.bytes(), 0);
        while evicted + 1 < self.ready.len()
            && (bytes > max_bytes || self.ready.len() - evicted > max_entries)
        {
            bytes -= self.ready[evicted].bytes();
            evicted += 1;
        }
        self.ready.drain(..evicted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(seed: u64, dimension: usize) -> Arc<Rotation> {
        Arc::new(Rotation::build(seed, dimension, &Control::default()).unwrap())
    }

    fn seeds(state: &State) -> Vec<u64> {
        state.ready.iter().map(|rotation| rotation.seed()).collect()
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let mut state = State::new();
        let room = 3 * rotation(0, 16).bytes();
        for seed in 0..3 {
            assert!(state.insert(rotation(seed, 16), room, 9).is_empty());
        }
        let used = state.take((0, 16)).unwrap();
        state.ready.push(used);
        let evicted = state.insert(rotation(3, 16), room, 9);
        assert_eq!((evicted.len(), evicted[0].seed()), (1, 1));
        assert_eq!(
            (seeds(&state), state.bytes(), state.builds),
            (vec![2, 0, 3], room, 4)
        );
        assert_eq!(state.insert(rotation(4, 16), room, 2).len(), 2);
        assert_eq!(seeds(&state), [3, 4]);
        assert!(state.take((0, 16)).is_none());
    }

    #[test]
    fn a_build_that_ends_is_withdrawn_alone() {
        let (one, other) = ((u64::MAX, 5), (u64::MAX, 6));
        lock().building.extend([one, other]);
        let is_building = |key| lock().building.contains(&key);
        drop(Building(one));
        assert!(!is_building(one) && is_building(other));
        drop(Building(other));
        assert!(!is_building(other));
    }

    #[test]
    fn the_documented_room() {
        assert_eq!((MAX_BYTES, MAX_ENTRIES), (268_435_456, 64));
    }

    #[test]
    fn what_is_built_is_counted_and_kept() {
        let before = cache_info();
        let first = get_or_build(123_456, 48, &Control::default()).unwrap();
        let again = get_or_build(123_456, 48, &Control::default()).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let other = get_or_build(123_457, 48, &Control::default()).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
        let after = cache_info();
        assert!(after.builds >= before.builds + 2 && after.builds < 1000);
        assert!(after.entries >= 2 && after.bytes >= first.bytes() + other.bytes());
    }

    #[test]
    fn the_newest_is_kept_whatever_its_size() {
        let mut state = State::new();
        state.insert(rotation(0, 16), usize::MAX, 9);
        assert_eq!(state.insert(rotation(1, 64), 1, 9).len(), 1);
        assert_eq!(seeds(&state), [1]);
        state.insert(rotation(2, 64), usize::MAX, 9);
        let room = rotation(3, 64).bytes();
        assert_eq!(state.insert(rotation(3, 64), room, 9).len(), 2);
        assert_eq!(seeds(&state), [3]);
    }

    #[test]
    fn large_matrices_are_built_one_at_a_time() {
        let mut state = State::new();
        state.building.push((1, LARGE));
        assert!(state.must_wait((1, LARGE)) && state.must_wait((2, LARGE + 1)));
        assert!(!state.must_wait((2, 64)));
        state.building.push((2, 64));
        assert!(state.must_wait((2, 64)) && !state.must_wait((3, 64)));
    }
}
