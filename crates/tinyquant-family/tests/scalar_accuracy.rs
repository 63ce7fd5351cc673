//! What the default of the scalar schemes promises beyond lnmp-quant: accuracy, refusals, similarity without decoding, rows.

use tinyquant_codec::{Control, Detail, ErrorCode};
use tinyquant_family::scalar::{
    Layout, Mode, Reading, RowBits, ScaledRows, Scheme, Side, cosine, dot, euclidean, quality,
    quantize, quantize_into, quantize_rows,
};
use tinyquant_testkit::seeded::normal;

fn detail(error: &tinyquant_family::Error, wanted: &str) -> Option<Detail> {
    let mut details = error.details().into_iter();
    details.find_map(|(name, value)| (name == wanted).then_some(value))
}

fn decoded(values: &[f32], scheme: Scheme, mode: Mode) -> Vec<f32> {
    quantize(values, scheme, mode)
        .unwrap()
        .dequantize()
        .unwrap()
}

#[test]
fn rounding_divides_the_squared_error_by_four() {
    let values = normal(1, 4096, 0.05);
    let measure = |mode, reading| {
        let quantized = quantize(&values, Scheme::QInt8, mode).unwrap();
        quality(&values, &quantized.view(), reading).unwrap()
    };
    let rounded = measure(Mode::Accurate, Reading::AsStored);
    let cut = measure(Mode::Compat, Reading::AsStored);
    let middle = measure(Mode::Compat, Reading::Midpoint);
    let ratio = cut.mean_squared_error / rounded.mean_squared_error;
    assert!((3.7..4.3).contains(&ratio), "{ratio}");
    let ratio = middle.mean_squared_error / rounded.mean_squared_error;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
    assert!(
        rounded.cosine > cut.cosine && rounded.cosine > 0.9999,
        "{}",
        rounded.cosine
    );
    assert!(rounded.loss_ratio < cut.loss_ratio && rounded.loss_ratio > 0.0);
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let greatest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    assert_eq!(
        (rounded.min.to_bits(), rounded.max.to_bits()),
        (least.to_bits(), greatest.to_bits())
    );
}

#[test]
fn an_error_is_at_most_half_a_step() {
    for (scheme, scale) in [
        (Scheme::QInt8, 0.3),
        (Scheme::QInt4, 40.0),
        (Scheme::QInt4, 1e-4),
    ] {
        let values = normal(7, 1000, scale);
        let quantized = quantize(&values, scheme, Mode::Accurate).unwrap();
        let step = f64::from(quantized.header().scale);
        for (value, back) in values.iter().zip(quantized.dequantize().unwrap()) {
            let error = (f64::from(*value) - f64::from(back)).abs();
            assert!(error <= 0.5001 * step, "{scheme:?}: {error:e} of {step:e}");
        }
    }
}

#[test]
fn binary_codes_keep_mean_and_deviation() {
    let shifted: Vec<f32> = normal(3, 512, 0.3)
        .iter()
        .map(|value| value + 0.8)
        .collect();
    let measure = |mode| {
        let quantized = quantize(&shifted, Scheme::Binary, mode).unwrap();
        quality(&shifted, &quantized.view(), Reading::AsStored)
            .unwrap()
            .cosine
    };
    assert!(
        measure(Mode::Accurate) > 0.965,
        "{}",
        measure(Mode::Accurate)
    );
    assert!(measure(Mode::Compat) < 0.4);
    for constant in [-2.5, 0.0, 3.0] {
        let values = [constant; 13];
        assert_eq!(decoded(&values, Scheme::Binary, Mode::Accurate), values);
    }
    // Sums beyond f32 give a mean all the same.
    let extreme = [f32::MAX, f32::MAX, f32::MIN, f32::MAX];
    let back = decoded(&extreme, Scheme::Binary, Mode::Accurate);
    assert!(back.iter().all(|value| value.is_finite()), "{back:?}");
    assert!(back[2] < back[0]);
}

#[test]
fn tiny_and_degenerate_ranges_stay_apart() {
    for scheme in [Scheme::QInt8, Scheme::QInt4] {
        for values in [
            vec![0.0, 1e-12, 3e-12],
            vec![0.0, 5e-9, 2e-8],
            vec![-1e-39, 0.0, 2e-39],
            vec![0.0, 1e-44],
            vec![1.0, 1.0 + f32::EPSILON],
        ] {
            let back = decoded(&values, scheme, Mode::Accurate);
            let (first, last) = (back[0], back[back.len() - 1]);
            assert!(first < last, "{scheme:?} {values:?}: {back:?}");
        }
        for constant in [0.0, 1.5, -7.25] {
            assert_eq!(
                decoded(&[constant; 5], scheme, Mode::Accurate),
                [constant; 5]
            );
        }
        let zeros = quantize(&[-0.0, 0.0], scheme, Mode::Accurate).unwrap();
        assert_eq!(zeros.header().min_val.to_bits(), 0);
        assert_eq!(
            zeros,
            quantize(&[0.0, -0.0], scheme, Mode::Accurate).unwrap()
        );
    }
}

#[test]
fn bad_values_are_refused_and_nothing_else_happens() {
    for scheme in Scheme::ALL {
        let empty = quantize(&[], scheme, Mode::Accurate).unwrap_err();
        assert_eq!(empty.code(), ErrorCode::InvalidArg);
        assert_eq!(
            quantize(&[], scheme, Mode::Compat).unwrap_err().code(),
            ErrorCode::InvalidArg
        );
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 37, 99] {
                let mut values = normal(5, 100, 1.0);
                values[at] = bad;
                let error = quantize(&values, scheme, Mode::Accurate).unwrap_err();
                assert_eq!(error.code(), ErrorCode::NonFinite, "{scheme:?} {bad}");
                assert_eq!(
                    detail(&error, "column"),
                    Some(Detail::Int(at as i64)),
                    "{scheme:?} {bad}"
                );
            }
        }
        let room = scheme.data_len(9) + 1;
        let error =
            quantize_into(&[1.0; 9], scheme, Mode::Accurate, &mut vec![0; room]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArg);
    }
    for scheme in [Scheme::QInt8, Scheme::QInt4] {
        let error = quantize(&[f32::MIN, f32::MAX], scheme, Mode::Accurate).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Limit);
    }
    let error = quantize(&[1.0, -65520.0], Scheme::Fp16, Mode::Accurate).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Limit);
    assert_eq!(detail(&error, "column"), Some(Detail::Int(1)));
    assert_eq!(decoded(&[65519.0], Scheme::Fp16, Mode::Accurate), [65504.0]);
}

#[test]
fn similarity_equals_that_of_the_decoded_values() {
    let exact = |a: &[f32], b: &[f32]| {
        let sum = |term: fn(f64, f64) -> f64| {
            let pairs = a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
            pairs.map(|(x, y)| term(x, y)).sum::<f64>()
        };
        let (dot, aa, bb) = (sum(|x, y| x * y), sum(|x, _| x * x), sum(|_, y| y * y));
        (
            dot / (aa * bb).sqrt(),
            dot,
            sum(|x, y| (x - y) * (x - y)).sqrt(),
        )
    };
    for dim in [1, 7, 64, 511, 513, 1536] {
        let (a, b) = (normal(11, dim, 0.7), normal(12, dim, 0.4));
        for x in Scheme::ALL {
            let left = quantize(&a, x, Mode::Accurate).unwrap();
            let left_values = left.dequantize().unwrap();
            let mut others = vec![(b.clone(), None)];
            for y in Scheme::ALL {
                let right = quantize(&b, y, Mode::Accurate).unwrap();
                others.push((right.dequantize().unwrap(), Some(right)));
            }
            for (right_values, right) in &others {
                let (a, b) = (
                    Side::Codes(left.view()),
                    right.as_ref().map_or(Side::Values(right_values), |right| {
                        Side::Codes(right.view())
                    }),
                );
                let (angle, product, distance) = exact(&left_values, right_values);
                // Decoding rounds each value to f32, sums over codes do not.
                let near = |got: f64, expected: f64, scale: f64| {
                    (got - expected).abs() <= 1e-6 * scale.max(1e-3)
                };
                assert!(near(cosine(a, b).unwrap(), angle, 1.0), "{x:?} {dim}");
                assert!(near(dot(a, b).unwrap(), product, dim as f64), "{x:?} {dim}");
                assert!(
                    near(euclidean(a, b).unwrap(), distance, dim as f64),
                    "{x:?} {dim}"
                );
            }
            let own = Side::Codes(left.view());
            assert!(euclidean(own, own).unwrap() == 0.0, "{x:?} {dim}");
        }
    }
    let zero = quantize(&[0.0; 4], Scheme::QInt8, Mode::Accurate).unwrap();
    assert!(cosine(Side::Codes(zero.view()), Side::Values(&[1.0; 4])).unwrap() == 0.0);
}

#[test]
fn sides_that_cannot_be_compared() {
    let vector = quantize(&[1.0, 2.0, 3.0], Scheme::QInt4, Mode::Accurate).unwrap();
    let codes = Side::Codes(vector.view());
    for (side, code) in [
        (Side::Values(&[1.0, 2.0][..]), ErrorCode::DimMismatch),
        (Side::Values(&[1.0, f32::NAN, 2.0]), ErrorCode::NonFinite),
    ] {
        assert_eq!(cosine(codes, side).unwrap_err().code(), code);
        assert_eq!(dot(side, codes).unwrap_err().code(), code);
    }
    // lnmp-quant stores a NaN header for values that begin with one.
    let nan_header = quantize(&[f32::NAN, 2.0, 3.0], Scheme::QInt8, Mode::Compat).unwrap();
    let side = Side::Codes(nan_header.view());
    assert!(euclidean(side, codes).unwrap().is_nan() && cosine(side, side).unwrap().is_nan());
    let none = Side::Values(&[]);
    assert_eq!(
        euclidean(none, none).unwrap_err().code(),
        ErrorCode::InvalidArg
    );
    let error = quality(&[1.0, 2.0], &vector.view(), Reading::AsStored).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DimMismatch);
}

fn rows(matrix: &[f32], cols: usize, bits: RowBits) -> ScaledRows {
    quantize_rows(
        matrix,
        matrix.len() / cols,
        cols,
        bits,
        None,
        &Control::default(),
    )
    .unwrap()
}

/// Standard normal values with all of their tails, by Box and Muller.
fn gaussian(count: usize) -> Vec<f32> {
    let mut state = 21_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    let mut value = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    (0..count).map(|_| value() as f32).collect()
}

#[test]
fn rows_have_the_published_error() {
    let matrix = gaussian(256 * 1024);
    for (bits, published) in [(RowBits::Eight, 6.26e-5), (RowBits::Six, 1.052e-3)] {
        let quantized = rows(&matrix, 1024, bits);
        let back = quantized.dequantize().unwrap();
        let (mut error, mut norm) = (0.0_f64, 0.0_f64);
        for ((row, back), scale) in matrix
            .chunks(1024)
            .zip(back.chunks(1024))
            .zip(quantized.scales())
        {
            for (value, back) in row.iter().zip(back) {
                let apart = (f64::from(*value) - f64::from(*back)).abs();
                assert!(apart <= 0.50001 * f64::from(*scale), "{bits:?}");
                error += apart * apart;
                norm += f64::from(*value) * f64::from(*value);
            }
        }
        let relative = error / norm;
        assert!(
            (relative / published - 1.0).abs() < 0.08,
            "{bits:?}: {relative:e}"
        );
        let top = i16::from(bits.top());
        for codes in quantized.codes().chunks(1024) {
            let peak = codes
                .iter()
                .map(|code| i16::from(*code).abs())
                .max()
                .unwrap();
            assert_eq!(peak, top, "{bits:?}");
        }
    }
}

#[test]
fn rows_round_halves_away_from_zero_and_keep_zeros() {
    let quantized = rows(
        &[
            127.0, 0.5, -0.5, 1.5, -2.5, 0.49, 0.0, 0.0, 0.0, -0.0, 0.0, 0.0,
        ],
        6,
        RowBits::Eight,
    );
    assert_eq!(quantized.codes(), [127, 1, -1, 2, -3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(quantized.scales(), [1.0, 1.0]);
    let tiny = rows(&[1e-44, -1e-44], 2, RowBits::Eight);
    let back = tiny.dequantize().unwrap();
    assert!(back[0] > 0.0 && back[1] < 0.0, "{back:?}");
}

#[test]
fn rows_on_threads_equal_rows_on_one() {
    let matrix = normal(22, 999 * 130, 3.0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .unwrap();
    let together = quantize_rows(
        &matrix,
        999,
        130,
        RowBits::Six,
        Some(&pool),
        &Control::default(),
    );
    assert_eq!(together.unwrap(), rows(&matrix, 130, RowBits::Six));
}

#[test]
fn rows_refuse_bad_matrices() {
    let run = |matrix: &[f32], rows, cols| {
        let error = quantize_rows(
            matrix,
            rows,
            cols,
            RowBits::Eight,
            None,
            &Control::default(),
        );
        error.unwrap_err()
    };
    assert_eq!(run(&[], 0, 4).code(), ErrorCode::InvalidArg);
    assert_eq!(run(&[], 4, 0).code(), ErrorCode::InvalidArg);
    assert_eq!(run(&[1.0; 5], 2, 3).code(), ErrorCode::DimMismatch);
    assert_eq!(run(&[1.0; 4], usize::MAX, 4).code(), ErrorCode::DimMismatch);
    let error = run(&[1.0, 2.0, 3.0, f32::NAN, 5.0, 6.0], 2, 3);
    assert_eq!(error.code(), ErrorCode::NonFinite);
    assert_eq!(detail(&error, "row"), Some(Detail::Int(1)));
    assert_eq!(detail(&error, "column"), Some(Detail::Int(0)));
    let error = rows(&[1.0; 4], 2, RowBits::Six)
        .dequantize_into(&mut [0.0; 3])
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArg);
}

#[test]
fn rows_as_bytes() {
    for cols in [1, 2, 3, 4, 5, 8, 21] {
        let matrix = normal(23, 3 * cols, 1.0);
        for (bits, layout) in [
            (RowBits::Eight, Layout::Bytes),
            (RowBits::Eight, Layout::Packed),
            (RowBits::Six, Layout::Bytes),
            (RowBits::Six, Layout::Packed),
        ] {
            let quantized = rows(&matrix, cols, bits);
            let bytes = quantized.to_bytes(layout).unwrap();
            let packed = bits == RowBits::Six && layout == Layout::Packed;
            let width = if packed { (6 * cols).div_ceil(8) } else { cols };
            assert_eq!(bytes.len(), 16 + 12 + 3 * width);
            assert_eq!(
                ScaledRows::from_bytes(&bytes).unwrap(),
                quantized,
                "{bits:?} {layout:?} {cols}"
            );
            for end in 0..bytes.len() {
                let error = ScaledRows::from_bytes(&bytes[..end]).unwrap_err();
                assert_eq!(error.code(), ErrorCode::Truncated, "{end}");
            }
        }
    }
    // 31, -31, 1 and -1 in six bits, the first lowest: 011111, 100001, 000001, 111111.
    let packed = rows(&[31.0, -31.0, 1.0, -1.0], 4, RowBits::Six).coded(Layout::Packed);
    assert_eq!(packed, [0b0101_1111, 0b0001_1000, 0b1111_1100]);
    let valid = rows(&[31.0, -31.0], 2, RowBits::Six)
        .to_bytes(Layout::Packed)
        .unwrap();
    for (at, byte, code) in [
        (0, b'X', ErrorCode::Format),
        (4, 2, ErrorCode::Version),
        (5, 7, ErrorCode::Format),
        (6, 2, ErrorCode::Format),
        (7, 1, ErrorCode::Format),
        (8, 0, ErrorCode::Format),
        (11, 0xff, ErrorCode::Truncated),
        (15, 0xff, ErrorCode::Truncated),
        (19, 0xff, ErrorCode::Format),
        (20, 0x20, ErrorCode::Format),
        (21, 0xf8, ErrorCode::Format),
    ] {
        let mut broken = valid.clone();
        broken[at] = byte;
        let error = ScaledRows::from_bytes(&broken).unwrap_err();
        assert_eq!(error.code(), code, "byte {at}: {error}");
    }
    let mut long = valid;
    long.push(0);
    assert_eq!(
        ScaledRows::from_bytes(&long).unwrap_err().code(),
        ErrorCode::Format
    );
}
