//! Quantized vectors: what is read is written again byte for byte, decodes to its dimension, and compares with itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tinyquant_family::scalar::{QuantizedView, Reading, ScaledRows, Side, cosine, euclidean};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(view) = QuantizedView::from_bytes(bytes) {
        assert_eq!(view.to_bytes(), bytes);
        for reading in [Reading::AsStored, Reading::Midpoint] {
            let values = view.dequantize(reading).unwrap();
            assert_eq!(values.len(), view.dim() as usize);
        }
        let side = Side::Codes(view);
        let angle = cosine(side, side).unwrap();
        assert!(angle.is_nan() || (-1.0..=1.0).contains(&angle));
        let apart = euclidean(side, side).unwrap();
        assert!(apart == 0.0 || apart.is_nan(), "{apart}");
    }
    if let Ok(rows) = ScaledRows::from_bytes(bytes) {
        let values = rows.dequantize().unwrap();
        assert_eq!(values.len(), rows.rows() * rows.cols());
    }
});
