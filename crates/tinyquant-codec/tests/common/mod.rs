//! What the tests of the codec share.
#![allow(dead_code, reason = "each test program uses a part of it")]

use tinyquant_codec::{Codebook, CodecConfig};

/// Seed 42.
pub fn config(bits: u8, dimension: u32, residual: bool) -> CodecConfig {
    CodecConfig::new(bits, 42, dimension, residual).unwrap()
}

/// Entries in equal steps, symmetric around zero and below 1.
pub fn codebook(bits: u8) -> Codebook {
    let levels = 1_i16 << bits;
    let entries: Vec<f32> = (0..levels)
        .map(|k| f32::from(2 * k + 1 - levels) / f32::from(levels))
        .collect();
    Codebook::from_entries(&entries, bits).unwrap()
}
