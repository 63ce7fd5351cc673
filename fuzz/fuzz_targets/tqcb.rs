//! Codebook files: what is read is written again byte for byte, and its entries ascend.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_codec::Codebook;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(codebook) = Codebook::from_bytes(bytes) {
        assert_eq!(codebook.to_bytes(), bytes);
        assert!(codebook.entries().is_sorted());
    }
});
