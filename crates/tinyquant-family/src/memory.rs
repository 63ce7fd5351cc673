//! Buffers whose allocation may fail.

use crate::Error;
use tinyquant_codec::Error as CodecError;

/// `len` default values.
///
/// # Errors
/// `ERR_TQ_LIMIT` where the system refuses; an ordinary allocation would end the process.
pub(crate) fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    let refused = |_| CodecError::OutOfMemory {
        bytes: (len as u64).saturating_mul(size_of::<T>() as u64),
    };
    values.try_reserve_exact(len).map_err(refused)?;
    values.resize(len, T::default());
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_sizes_are_refused() {
        let error = zeros::<f32>(1 << 61).unwrap_err();
        assert_eq!(error.code(), tinyquant_codec::ErrorCode::Limit);
        assert_eq!(zeros::<u8>(2).unwrap(), [0, 0]);
    }
}
