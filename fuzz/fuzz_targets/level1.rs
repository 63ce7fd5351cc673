//! Level-1 records: what is read is written again byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_codec::{CompressedBatch, CompressedVector};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = CompressedVector::from_bytes(bytes) {
        assert_eq!(record.to_bytes(), bytes);
        assert_eq!(record.indices().len(), record.dimension());
    }
    if let Ok(batch) = CompressedBatch::from_bytes(bytes) {
        assert_eq!(batch.to_bytes(), bytes);
    }
});
