//! The objects behind handles.
//!
//! A handle is a number that is never given twice: it says of which kind the object is and how many were made before
//! it. It is odd, so that no pointer to anything aligned is taken for one.

use crate::failure::Failure;
use std::any::Any;
use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Config,
    Codebook,
    Record,
    Batch,
    Corpus,
    Index,
    Hits,
    Ids,
}

/// Something that has handles.
pub(crate) trait Object: Any + Send + Sync {
    /// What it is.
    const KIND: Kind;
}

/// The lowest four bits of every handle.
const MARK: usize = 0b0101;

static OBJECTS: RwLock<BTreeMap<usize, Arc<dyn Any + Send + Sync>>> = RwLock::new(BTreeMap::new());
static NEXT: AtomicUsize = AtomicUsize::new(1);

impl Kind {
    const ALL: [Self; 8] = [
        Self::Config,
        Self::Codebook,
        Self::Record,
        Self::Batch,
        Self::Corpus,
        Self::Index,
        Self::Hits,
        Self::Ids,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Config => "TqCodecConfig",
            Self::Codebook => "TqCodebook",
            Self::Record => "TqCompressedVector",
            Self::Batch => "TqCompressedBatch",
            Self::Corpus => "TqCorpus",
            Self::Index => "TqIndex",
            Self::Hits => "TqHits",
            Self::Ids => "TqIds",
        }
    }

    /// The kind that a handle names, if it is one that was given.
    fn of(handle: usize) -> Option<Self> {
        let serial = handle >> 8;
        let is_given = handle & 0xf == MARK && serial != 0 && serial < NEXT.load(Ordering::Relaxed);
        let kind = Self::ALL.get(handle >> 4 & 0xf).copied();
        kind.filter(|_| is_given)
    }
}

/// Keeps an object and returns its handle.
pub(crate) fn add<T: Object>(object: T) -> Result<*mut T, Failure> {
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    if serial > usize::MAX >> 8 {
        return Err(Failure::limit("no handle is left"));
    }
    let handle = serial << 8 | (T::KIND as usize) << 4 | MARK;
    let mut objects = OBJECTS.write().unwrap_or_else(PoisonError::into_inner);
    objects.insert(handle, Arc::new(object));
    Ok(ptr::without_provenance_mut(handle))
}

/// The object of a handle. It lives on for the time of the call, even if another thread frees the handle.
pub(crate) fn get<T: Object>(handle: *const T) -> Result<Arc<T>, Failure> {
    let objects = OBJECTS.read().unwrap_or_else(PoisonError::into_inner);
    let object = objects.get(&handle.addr()).map(Arc::clone);
    drop(objects);
    let object = object.and_then(|object| object.downcast().ok());
    object.ok_or_else(|| refusal(handle))
}

/// Lets go of an object. Null is no object.
pub(crate) fn free<T: Object>(handle: *const T) -> Result<(), Failure> {
    if handle.is_null() {
        return Ok(());
    }
    if Kind::of(handle.addr()) != Some(T::KIND) {
        return Err(refusal(handle));
    }
    let mut objects = OBJECTS.write().unwrap_or_else(PoisonError::into_inner);
    let object = objects.remove(&handle.addr());
    drop(objects);
    // Dropped here, where nobody waits for the table.
    object.map(drop).ok_or_else(|| refusal(handle))
}

/// How many objects there are.
pub(crate) fn count() -> usize {
    let objects = OBJECTS.read().unwrap_or_else(PoisonError::into_inner);
    objects.len()
}

/// Why a handle stands for no object of a kind.
fn refusal<T: Object>(handle: *const T) -> Failure {
    let expected = T::KIND.name();
    match Kind::of(handle.addr()) {
        Some(kind) if kind == T::KIND => Failure::closed(expected),
        Some(kind) => Failure::invalid_handle(format!(
            "the handle is a {}, expected a {expected}",
            kind.name()
        )),
        None if handle.is_null() => {
            Failure::invalid_handle(format!("the handle is NULL, expected a {expected}"))
        }
        None => Failure::invalid_handle(format!(
            "{:#x} is no handle of this library, expected a {expected}",
            handle.addr()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{TQ_ERR_CLOSED, TQ_ERR_INVALID_HANDLE};

    struct Thing(u32);

    impl Object for Thing {
        const KIND: Kind = Kind::Ids;
    }

    struct Other;

    impl Object for Other {
        const KIND: Kind = Kind::Hits;
    }

    #[test]
    fn a_handle_lives_until_it_is_freed() {
        let handle = add(Thing(7)).unwrap();
        let held = get(handle).unwrap();
        assert_eq!(held.0, 7);
        free(handle).unwrap();
        assert_eq!(held.0, 7);
        assert_eq!(get(handle).err().unwrap().status, TQ_ERR_CLOSED);
        assert_eq!(free(handle).unwrap_err().status, TQ_ERR_CLOSED);
        free::<Thing>(ptr::null()).unwrap();
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        let handle = add(Other).unwrap();
        let text = 7_u64;
        let later = ptr::without_provenance(handle.addr() + (1 << 40));
        for wrong in [
            handle.cast_const().cast::<Thing>(),
            ptr::null(),
            ptr::from_ref(&text).cast(),
            ptr::without_provenance(MARK),
            later,
        ] {
            let failure = get(wrong).err().unwrap();
            assert_eq!(failure.status, TQ_ERR_INVALID_HANDLE, "{}", failure.message);
        }
        let failure = free(handle.cast::<Thing>()).unwrap_err();
        assert_eq!(failure.message, "the handle is a TqHits, expected a TqIds");
        free(handle).unwrap();
    }

    #[test]
    fn names_follow_the_numbers_of_the_kinds() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{}", kind.name());
        }
    }
}
