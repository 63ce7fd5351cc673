//! Bad input of every kind, and input at the ends of ranges.

use std::sync::atomic::AtomicBool;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::turboquant::{
    Codebook, Method, MseCodec, ProdCodec, QuantizedRows, RowCodec, RowsSpec, SketchKind,
};
use tinyquant_testkit::seeded;

const DIM: usize = 24;

fn control() -> Control<'static> {
    Control::default()
}

fn methods() -> [Method; 4] {
    let sketches =
        [SketchKind::Gaussian, SketchKind::Rotation].map(|sketch| Method::Prod { sketch });
    let levels = [false, true].map(|unbiased| Method::Mse { unbiased });
    [levels[0], levels[1], sketches[0], sketches[1]]
}

fn codec(method: Method, bits: u8) -> RowCodec {
    RowCodec::new(RowsSpec::new(DIM, bits, 42, method).unwrap()).unwrap()
}

#[test]
fn dimensions_and_bits_out_of_range_are_refused() {
    for method in methods() {
        let most = match method {
            Method::Mse { .. } => 8,
            Method::Prod { .. } => 9,
        };
        for (dim, bits) in [
            (0, 4),
            (1, 4),
            (16_385, 4),
            (usize::MAX, 4),
            (64, 0),
            (64, most + 1),
            (64, 255),
        ] {
            let error = RowsSpec::new(dim, bits, 0, method).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArg);
            let given = if (2..=16_384).contains(&dim) {
                bits.to_string()
            } else {
                dim.to_string()
            };
            assert!(
                error.to_string().contains(&format!("got {given}")),
                "{error}"
            );
        }
        for (dim, bits) in [(2, 1), (64, most), (8192, 4)] {
            RowsSpec::new(dim, bits, u64::MAX, method).unwrap();
        }
    }
    assert!(ProdCodec::new(8193, 4, 0, SketchKind::Gaussian).is_err());
    assert!(ProdCodec::new(16_384, 4, 0, SketchKind::Rotation).is_ok());
    assert!(MseCodec::new(1, 4, 0, false).is_err());
    assert!(Codebook::new(1, 4).is_err() && Codebook::exact(0, 4).is_err());
    assert!(Codebook::new(64, 0).is_err() && Codebook::exact(64, 9).is_err());
}

#[test]
fn rows_that_are_not_whole_or_not_finite_are_refused_by_place() {
    for method in methods() {
        let codec = codec(method, 4);
        let rows = seeded::normal(1, 700 * DIM, 1.0);
        let quantized = codec.quantize(&rows[..2 * DIM], &control()).unwrap();
        let error = codec.quantize(&rows[..=2 * DIM], &control()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::DimMismatch);
        let error = codec
            .score(&rows[..DIM - 1], &quantized, &control())
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::DimMismatch);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut bad = rows.clone();
            bad[699 * DIM + 23] = value;
            let errors = [
                codec.quantize(&bad, &control()).unwrap_err(),
                codec.score(&bad, &quantized, &control()).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.code(), ErrorCode::NonFinite);
                assert!(error.to_string().contains("row 699, column 23"), "{error}");
            }
        }
        let mut long = rows;
        long[5 * DIM..6 * DIM].fill(3e38);
        let error = codec.quantize(&long, &control()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Limit);
        assert!(error.to_string().starts_with("row 5:"), "{error}");
    }
}

#[test]
fn no_rows_are_fine_and_zero_rows_come_back_as_zeros() {
    for method in methods() {
        for bits in [1, 2, 8] {
            let codec = codec(method, bits);
            let none = codec.quantize(&[], &control()).unwrap();
            assert!(none.is_empty() && none.nbytes() == 0);
            assert_eq!(codec.dequantize(&none, &control()).unwrap(), [0.0_f32; 0]);
            assert_eq!(
                codec.score(&[1.0; DIM], &none, &control()).unwrap(),
                [0.0_f32; 0]
            );
            let mut rows = seeded::normal(2, 3 * DIM, 1.0);
            rows[DIM..2 * DIM].fill(0.0);
            rows[DIM] = -0.0;
            let quantized = codec.quantize(&rows, &control()).unwrap();
            assert!(quantized.norms()[1] == 0.0 && quantized.norms()[0] > 0.0);
            let back = codec.dequantize(&quantized, &control()).unwrap();
            assert!(back[DIM..2 * DIM].iter().all(|value| *value == 0.0));
            assert!(back[..DIM].iter().any(|value| *value != 0.0));
            let scores = codec.score(&rows, &quantized, &control()).unwrap();
            assert!(scores[1] == 0.0 && scores[3..6] == [0.0; 3] && scores[0] > 0.0);
            assert_eq!(
                codec.score(&[], &quantized, &control()).unwrap(),
                [0.0_f32; 0]
            );
        }
    }
    // The cells of a zero row are those below 0.
    let rows = codec(Method::Mse { unbiased: false }, 4)
        .quantize(&[0.0; DIM], &control())
        .unwrap();
    assert!(rows.codes().iter().all(|byte| *byte == 0x77));
}

#[test]
fn lengths_from_the_smallest_to_the_largest_float_are_kept() {
    let rows = seeded::normal(3, 4 * DIM, 1.0);
    for method in methods() {
        let codec = codec(method, 6);
        let reference = codec.quantize(&rows, &control()).unwrap();
        for scale in [
            2.0_f32.powi(-100),
            2.0_f32.powi(-60),
            2.0_f32.powi(60),
            2.0_f32.powi(120),
        ] {
            let scaled: Vec<f32> = rows.iter().map(|value| value * scale).collect();
            let quantized = codec.quantize(&scaled, &control()).unwrap();
            let same = quantized.codes().iter().zip(reference.codes());
            assert!(same.filter(|(a, b)| a != b).count() < 3, "{scale:e}");
            for (norm, expected) in quantized.norms().iter().zip(reference.norms()) {
                let ratio = f64::from(*norm) / f64::from(scale) / f64::from(*expected);
                assert!((ratio - 1.0).abs() < 1e-4, "{scale:e}: {ratio}");
            }
            let back = codec.dequantize(&quantized, &control()).unwrap();
            assert!(back.iter().all(|value| value.is_finite()));
            let scores = codec.score(&scaled, &quantized, &control()).unwrap();
            assert!(scores.iter().all(|score| !score.is_nan()));
        }
        let tiny = vec![f32::from_bits(1); DIM];
        let quantized = codec.quantize(&tiny, &control()).unwrap();
        assert!(quantized.norms()[0] > 0.0);
    }
}

#[test]
fn rows_of_another_codec_are_refused() {
    let rows = seeded::normal(4, 3 * DIM, 1.0);
    let own = codec(Method::Mse { unbiased: false }, 4);
    let others = [
        codec(Method::Mse { unbiased: true }, 4),
        codec(Method::Mse { unbiased: false }, 3),
        codec(methods()[2], 4),
        codec(methods()[3], 4),
        RowCodec::new(RowsSpec::new(DIM, 4, 43, methods()[0]).unwrap()).unwrap(),
        RowCodec::new(RowsSpec::new(DIM / 2, 4, 42, methods()[0]).unwrap()).unwrap(),
    ];
    for other in &others {
        let quantized = other.quantize(&rows, &control()).unwrap();
        let errors = [
            own.dequantize(&quantized, &control()).unwrap_err(),
            own.score(&rows, &quantized, &control()).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), ErrorCode::ConfigMismatch);
            assert!(
                error
                    .to_string()
                    .contains("expected mse, dim 24, 4 bits, seed 42"),
                "{error}"
            );
        }
    }
}

#[test]
fn a_cancelled_call_stops_and_progress_ends_at_the_total() {
    let rows = seeded::normal(5, 3000 * DIM, 1.0);
    let codec = codec(methods()[2], 4);
    let cancelled = AtomicBool::new(true);
    let stop = Control {
        cancelled: Some(&cancelled),
        progress: None,
    };
    let quantized = codec.quantize(&rows, &control()).unwrap();
    let errors = [
        codec.quantize(&rows, &stop).unwrap_err(),
        codec.dequantize(&quantized, &stop).unwrap_err(),
        codec.score(&rows[..DIM], &quantized, &stop).unwrap_err(),
    ];
    assert!(
        errors
            .iter()
            .all(|error| error.code() == ErrorCode::Aborted)
    );
    let seen = std::sync::Mutex::new(vec![]);
    let report = |done: usize, total: usize| seen.lock().unwrap().push((done, total));
    let watch = Control {
        cancelled: None,
        progress: Some(&report),
    };
    codec.quantize(&rows, &watch).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() > 5 && seen.is_sorted());
    assert_eq!(seen.last(), Some(&(3000, 3000)));
}

#[test]
fn a_row_is_coded_alone_wherever_it_stands() {
    for method in methods() {
        for dim in [2, 7, 64, 130, 256] {
            let codec = RowCodec::new(RowsSpec::new(dim, 5, 1, method).unwrap()).unwrap();
            let mut rows = seeded::normal(6, 37 * dim, 1.0);
            // Lengths that are summed another way.
            rows[3 * dim..4 * dim].fill(0.0);
            rows[9 * dim..10 * dim].fill(1e-30);
            rows[20 * dim..21 * dim].fill(1e30);
            let all = codec.quantize(&rows, &control()).unwrap();
            for (at, row) in rows.chunks_exact(dim).enumerate() {
                let one = codec.quantize(row, &control()).unwrap();
                let part = |bytes: usize| at * bytes..(at + 1) * bytes;
                assert!(one.codes() == &all.codes()[part(one.codes().len())]);
                assert!(one.signs() == &all.signs()[part(one.signs().len())]);
                let residuals = one.residual_norms().len();
                assert!(one.norms() == &all.norms()[at..=at]);
                assert!(one.residual_norms() == &all.residual_norms()[part(residuals)]);
            }
        }
    }
}

#[test]
fn bytes_of_rows_are_checked() {
    let rows = seeded::normal(8, 5 * DIM, 1.0);
    let none = QuantizedRows::from_bytes(&[]).unwrap_err();
    assert_eq!(none.code(), ErrorCode::Truncated);
    let bytes = codec(methods()[0], 3)
        .quantize(&rows, &control())
        .unwrap()
        .to_bytes();
    assert_eq!(
        QuantizedRows::from_bytes(&bytes[..3]).unwrap_err().code(),
        ErrorCode::Truncated
    );
    assert_eq!(
        QuantizedRows::from_bytes(b"nothing of the kind")
            .unwrap_err()
            .code(),
        ErrorCode::Format
    );
}
