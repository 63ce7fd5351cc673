//! Large buffers, whose allocation may fail.

use crate::Error;

/// `len` default values.
///
/// # Errors
/// [`Error::OutOfMemory`] where the system refuses; an ordinary allocation would end the process.
pub(crate) fn filled<T: Clone + Default>(len: usize) -> Result<Vec<T>, Error> {
    // The system may refuse here. Allocated anew, large memory comes zeroed and need not be written.
    drop(with_capacity::<T>(len)?);
    Ok(vec![T::default(); len])
}

/// A copy of values, in the memory of `spare` if that is large enough.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn copy_into(mut spare: Vec<f32>, values: &[f32]) -> Result<Vec<f32>, Error> {
    if spare.capacity() < values.len() {
        spare = with_capacity(values.len())?;
    }
    spare.clear();
    spare.extend_from_slice(values);
    Ok(spare)
}

/// An empty list with room for `len` values.
pub(crate) fn with_capacity<T>(len: usize) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    let refused = |_| Error::OutOfMemory {
        bytes: (len as u64).saturating_mul(size_of::<T>() as u64),
    };
    values.try_reserve_exact(len).map_err(refused)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(matches!(
            filled::<f64>(1 << 60),
            Err(Error::OutOfMemory { .. })
        ));
        assert!(matches!(
            with_capacity::<u8>(usize::MAX),
            Err(Error::OutOfMemory { bytes: u64::MAX })
        ));
        assert_eq!(
            filled::<u64>(1 << 60),
            Err(Error::OutOfMemory { bytes: 1 << 63 })
        );
        assert_eq!(filled::<u8>(3).unwrap(), [0, 0, 0]);
        assert!(with_capacity::<u8>(9).unwrap().capacity() >= 9);
    }

    #[test]
    fn spare_memory_is_used_where_it_is_large_enough() {
        assert_eq!(copy_into(Vec::new(), &[1.0, 2.0]).unwrap(), [1.0, 2.0]);
        assert_eq!(copy_into(vec![5.0; 1], &[1.0, 2.0]).unwrap(), [1.0, 2.0]);
        for values in [&[1.0][..], &[1.0, 2.0, 3.0]] {
            let spare = vec![5.0; 3];
            let place = spare.as_ptr();
            let copy = copy_into(spare, values).unwrap();
            assert_eq!((copy.as_ptr(), &*copy), (place, values));
        }
    }
}
