//! Headers of .npy files: values begin where the header ends, and a short header asks for more than it has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_store::{Error, NpyHeader};

fuzz_target!(|bytes: &[u8]| match NpyHeader::parse(bytes) {
    Ok(header) => {
        assert!(header.data_offset <= bytes.len() as u64);
        assert!(
            header
                .len()
                .checked_mul(header.dtype.size() as u64)
                .is_some()
        );
        assert_eq!(
            NpyHeader::parse(&bytes[..header.data_offset as usize]).unwrap(),
            header
        );
    }
    Err(Error::Truncated { needed, .. }) => assert!(needed > bytes.len() as u64),
    Err(_) => {}
});
