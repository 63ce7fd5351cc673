//! TQCV files: what `verify` lets pass is made of header and records alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_codec::Control;
use tinyquant_store::{Source, TqcvReader};

fuzz_target!(|bytes: &[u8]| {
    let Ok(reader) = TqcvReader::from_source(Source::from_bytes(bytes.to_vec())) else {
        return;
    };
    let all = reader.read(0, reader.len());
    if reader.verify(&Control::default()).is_err() {
        return;
    }
    let mut again = reader.header().to_bytes();
    let len = reader.header().layout.record_len();
    for record in all.unwrap().to_bytes().chunks(len) {
        again.extend((len as u32).to_le_bytes());
        again.extend(record);
    }
    assert_eq!(again, bytes);
});
