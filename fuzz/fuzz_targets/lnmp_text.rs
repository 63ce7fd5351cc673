//! LNMP text: what is read is written so that it reads back the same, checksums included.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_family::lnmp::{Dims, TextOptions, decode_text, encode_text};

fuzz_target!(|text: &str| {
    let Ok(record) = decode_text(text, &Dims::new()) else {
        return;
    };
    let options = TextOptions {
        hints: true,
        checksums: true,
        inline: text.len() % 2 == 1,
        exact: true,
    };
    let written = encode_text(&record, options).unwrap();
    let again = encode_text(&decode_text(&written, &Dims::new()).unwrap(), options).unwrap();
    assert_eq!(again, written);
});
