//! LNMP bytes: what is read as a frame, as a nested record or in a container is written so that it reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_family::lnmp::{Container, Delta, Dims, Record, decode, encode_nested};

/// Bytes of a record before and after they are read; a NaN is equal to no value.
fn check(record: &Record) {
    // What a text omitted has no bytes.
    if let Ok(bytes) = encode_nested(record) {
        let again = encode_nested(&decode(&bytes).unwrap()).unwrap();
        assert_eq!(again, bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = decode(bytes) {
        encode_nested(&record).unwrap();
        check(&record);
    }
    if let Ok(container) = Container::from_bytes(bytes) {
        assert_eq!(container.to_bytes(), bytes);
        if let Ok(record) = container.record(&Dims::new()) {
            check(&record);
        }
    }
    if let Ok(delta) = Delta::from_bytes(bytes) {
        assert_eq!(delta.to_bytes().unwrap(), bytes);
    }
});
