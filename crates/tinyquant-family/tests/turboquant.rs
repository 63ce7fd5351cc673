//! The figures of TurboQuant: codebooks, errors, biases and variances, beside the theory.

use std::f64::consts::PI;
use tinyquant_codec::Control;
use tinyquant_family::turboquant::{Codebook, MseCodec, ProdCodec, RowCodec, SketchKind};
use tinyquant_testkit::seeded;

const DIM: usize = 128;

fn control() -> Control<'static> {
    Control::default()
}

/// Normal rows brought to length 1.
fn unit_rows(seed: u64, count: usize, dim: usize) -> Vec<f32> {
    let mut rows = seeded::normal(seed, count * dim, 1.0);
    for row in rows.chunks_exact_mut(dim) {
        let length = dot(row, row).sqrt();
        for value in row {
            *value = (f64::from(*value) / length) as f32;
        }
    }
    rows
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Mean squared error relative to the squared length, and mean cosine.
fn errors(codec: &RowCodec, rows: &[f32]) -> (f64, f64) {
    let dim = codec.spec().dim();
    let back = codec
        .dequantize(&codec.quantize(rows, &control()).unwrap(), &control())
        .unwrap();
    let (mut error, mut cosine) = (0.0, 0.0);
    let count = (rows.len() / dim) as f64;
    for (row, back) in rows.chunks_exact(dim).zip(back.chunks_exact(dim)) {
        let apart: Vec<f32> = row.iter().zip(back).map(|(a, b)| a - b).collect();
        error += dot(&apart, &apart) / dot(row, row) / count;
        cosine += dot(row, back) / (dot(row, row) * dot(back, back)).sqrt() / count;
    }
    (error, cosine)
}

/// Positive levels of the standard normal density for 1 to 4 bits, solved in 40 digits, and of 8 bits the first and the last
/// ones.
const LEVELS: [(u8, &[f64]); 4] = [
    (1, &[0.797_884_560_8]),
    (2, &[0.452_780_034_6, 1.510_417_608_5]),
    (
        3,
        &[
            0.245_094_178_9,
            0.756_005_281_2,
            1.343_909_278_5,
            2.151_945_704_5,
        ],
    ),
    (
        4,
        &[
            0.128_395_029_9,
            0.388_048_299_5,
            0.656_759_118_5,
            0.942_340_456_5,
            1.256_231_197_3,
            1.618_046_386_0,
            2.069_017_226_5,
            2.732_589_571_0,
        ],
    ),
];

/// Distortion of the standard normal density for 1 to 8 bits.
const DISTORTION: [f64; 8] = [
    0.363_380_227_6,
    0.117_481_847_8,
    0.034_547_760_8,
    0.009_501_008_0,
    0.002_504_668_4,
    0.000_644_239_7,
    0.000_163_478_2,
    0.000_041_185_1,
];

#[test]
fn codebooks_of_the_normal_density_are_those_of_forty_digits() {
    for (bits, expected) in LEVELS {
        let codebook = Codebook::new(4096, bits).unwrap();
        let positive = &codebook.centroids()[1 << (bits - 1)..];
        for (level, expected) in positive.iter().zip(expected) {
            assert!((level - expected).abs() < 1e-10, "{bits}: {level}");
        }
    }
    let ends = [
        (5, 0.065_889_659_8, 3.260_732_493_4),
        (6, 0.033_409_506_4, 3.744_101_270_9),
        (7, 0.016_828_169_5, 4.189_694_156_7),
        (8, 0.008_446_193_2, 4.603_535_612_4),
    ];
    for (bits, first, last) in ends {
        let codebook = Codebook::new(128, bits).unwrap();
        let positive = &codebook.centroids()[1 << (bits - 1)..];
        assert!(
            (positive[0] - first).abs() < 1e-10,
            "{bits}: {}",
            positive[0]
        );
        let end = positive[positive.len() - 1];
        assert!((end - last).abs() < 1e-10, "{bits}: {end}");
    }
    for (bits, expected) in (1..).zip(DISTORTION) {
        let codebook = Codebook::new(128, bits).unwrap();
        assert!(
            (codebook.distortion() - expected).abs() < 1e-10,
            "{bits}: {}",
            codebook.distortion()
        );
        assert!(codebook.centroids().is_sorted() && codebook.boundaries().is_sorted());
        let mirrored = codebook.centroids().iter().rev();
        assert!(
            mirrored
                .zip(codebook.centroids())
                .all(|(a, b)| a.to_bits() == (-b).to_bits())
        );
    }
}

#[test]
fn codebooks_of_the_exact_density_are_those_of_the_incomplete_beta_function() {
    let expected: [(u8, &[f64]); 3] = [
        (2, &[0.452_453_25, 1.505_192_98]),
        (3, &[0.244_424_87, 0.753_330_16, 1.336_598_89, 2.131_470_84]),
        (
            4,
            &[
                0.127_873_15,
                0.386_380_92,
                0.653_618_95,
                0.937_097_02,
                1.247_770_46,
                1.604_342_66,
                2.045_925_38,
                2.688_859_26,
            ],
        ),
    ];
    for (bits, expected) in expected {
        let codebook = Codebook::exact(DIM, bits).unwrap();
        let positive = &codebook.centroids()[1 << (bits - 1)..];
        for (level, expected) in positive.iter().zip(expected) {
            assert!((level - expected).abs() < 1e-8, "{bits}: {level}");
        }
    }
    // Three dimensions have a uniform coordinate: equal steps. Two have that of a point on the circle.
    let uniform = Codebook::new(3, 4).unwrap();
    for (k, level) in uniform.centroids().iter().enumerate() {
        let even = ((k as f64 + 0.5) / 8.0 - 1.0) * 3.0_f64.sqrt();
        assert!((level - even).abs() < 1e-12, "{level} {even}");
    }
    let circle = Codebook::new(2, 1).unwrap();
    assert!((circle.centroids()[1] - 2.0_f64.sqrt() * 2.0 / PI).abs() < 1e-12);
    // Every level is the mean of its cell: less error than any neighbour has.
    for dim in [2, 4, 5, 16, 33, 64, 127] {
        for bits in 1..=8 {
            let codebook = Codebook::new(dim, bits).unwrap();
            let end = (dim as f64).sqrt();
            assert!(
                codebook
                    .centroids()
                    .windows(2)
                    .all(|pair| pair[0] < pair[1])
            );
            assert!(codebook.centroids().iter().all(|level| level.abs() < end));
            let normal = DISTORTION[usize::from(bits) - 1];
            assert!(codebook.distortion() < normal && codebook.distortion() > 0.0);
        }
    }
    let gain = |dim: usize| {
        let exact = Codebook::exact(dim, 4).unwrap().distortion();
        1.0 - exact / DISTORTION[3]
    };
    // The error falls by about 0.024 / dim at 4 bits.
    assert!((gain(64) * DISTORTION[3] * 64.0 - 0.024).abs() < 0.003);
}

#[test]
fn relative_error_is_that_of_the_codebook() {
    let rows = unit_rows(1, 10_000, DIM);
    let theory = [0.360_889, 0.116_000, 0.033_966, 0.009_315];
    for (bits, expected) in (1..).zip(theory) {
        let codec = MseCodec::new(DIM, bits, 42, false).unwrap();
        let (error, cosine) = errors(&codec, &rows);
        assert!((error / expected - 1.0).abs() < 0.01, "{bits}: {error}");
        assert!(
            (cosine - (1.0 - error).sqrt()).abs() < 2e-3,
            "{bits}: {cosine}"
        );
        match bits {
            3 => assert!(cosine >= 0.9825, "{cosine}"),
            4 => assert!(cosine >= 0.995, "{cosine}"),
            _ => {}
        }
    }
}

#[test]
fn error_stays_within_the_published_factors_of_the_limit() {
    let rows = unit_rows(2, 3_000, DIM);
    for bits in 1..=8 {
        let codec = MseCodec::new(DIM, bits, 7, false).unwrap();
        let (error, _) = errors(&codec, &rows);
        let factor = error * 4.0_f64.powi(bits.into());
        assert!(factor <= 2.7207, "{bits}: {factor}");
        assert!(bits != 4 || factor <= 2.45, "{factor}");
        let theory = codec.codebook().unwrap().distortion();
        assert!((error / theory - 1.0).abs() < 0.03, "{bits}: {error}");
    }
}

#[test]
fn error_is_that_of_the_theory_in_other_dimensions_and_for_sparse_vectors() {
    for (dim, bits) in [
        (3, 4),
        (16, 3),
        (64, 4),
        (96, 2),
        (200, 4),
        (255, 2),
        (384, 4),
        (1536, 3),
    ] {
        let rows = unit_rows(3, 200_000 / dim, dim);
        let codec = MseCodec::new(dim, bits, 5, false).unwrap();
        let (error, _) = errors(&codec, &rows);
        let theory = Codebook::exact(dim, bits).unwrap().distortion();
        assert!(
            (error / theory - 1.0).abs() < 0.02,
            "{dim}: {error} {theory}"
        );
    }
    // One component only, the hardest case for a rotation of signs and sums.
    for (dim, expected) in [(130, 0.1160), (256, 0.1168), (300, 0.1168), (384, 0.117)] {
        let mut error = 0.0;
        for seed in 0..60 {
            let mut row = vec![0.0; dim];
            row[seed as usize * 13 % dim] = 3.0;
            let codec = MseCodec::new(dim, 2, seed, false).unwrap();
            error += errors(&codec, &row).0 / 60.0;
        }
        assert!((error / expected - 1.0).abs() < 0.05, "{dim}: {error}");
    }
}

/// Slope of the scores over the true inner products less 1, its standard error, and `dim` times the variance of a score.
/// Pairs are correlated, so that the slope tells much.
fn bias(codec: impl Fn(u64) -> RowCodec, seeds: u64, count: usize) -> (f64, f64, f64) {
    let (mut slopes, mut variance) = (vec![], 0.0);
    for seed in 0..seeds {
        let rows = unit_rows(1000 + seed, count, DIM);
        let codec = codec(seed);
        let quantized = codec.quantize(&rows, &control()).unwrap();
        let queries = unit_rows(5000 + seed, 32, DIM);
        let scores = codec.score(&queries, &quantized, &control()).unwrap();
        let (mut products, mut squares) = (0.0, 0.0);
        for (query, scores) in queries.chunks_exact(DIM).zip(scores.chunks_exact(count)) {
            for (row, score) in rows.chunks_exact(DIM).zip(scores) {
                let truth = dot(query, row);
                products += truth * f64::from(*score);
                squares += truth * truth;
                variance += (f64::from(*score) - truth).powi(2);
            }
        }
        slopes.push(products / squares - 1.0);
    }
    let pairs = (seeds as usize * count * 32) as f64;
    let mean = slopes.iter().sum::<f64>() / seeds as f64;
    let spread = slopes
        .iter()
        .map(|slope| (slope - mean).powi(2))
        .sum::<f64>();
    let error = (spread / (seeds * (seeds - 1)) as f64).sqrt();
    (mean, error, DIM as f64 * variance / pairs)
}

fn prod(bits: u8, sketch: SketchKind) -> impl Fn(u64) -> RowCodec {
    move |seed| {
        let method = tinyquant_family::turboquant::Method::Prod { sketch };
        let spec = tinyquant_family::turboquant::RowsSpec::new(DIM, bits, seed, method);
        RowCodec::new(spec.unwrap()).unwrap()
    }
}

fn mse(bits: u8, unbiased: bool) -> impl Fn(u64) -> RowCodec {
    move |seed| {
        let method = tinyquant_family::turboquant::Method::Mse { unbiased };
        let spec = tinyquant_family::turboquant::RowsSpec::new(DIM, bits, seed, method);
        RowCodec::new(spec.unwrap()).unwrap()
    }
}

#[test]
fn a_sketch_makes_scores_unbiased_with_the_variance_of_the_theory() {
    let (slope, error, variance) = bias(prod(4, SketchKind::Gaussian), 60, 4096);
    println!("prod 4 bits: slope {slope:.6} +- {error:.6}, d var {variance:.5}");
    assert!(slope.abs() < 0.0005 && slope.abs() < 4.0 * error);
    // (pi/2 |r|^2 - <r, y>^2) / d, where <r, y>^2 is |r|^2 / d on average.
    let left = [1.0, 0.360_889, 0.116_000, 0.033_966];
    for (bits, left) in (1..).zip(left) {
        let expected = left * (0.5 * PI - 1.0 / DIM as f64);
        let (slope, error, variance) = bias(prod(bits, SketchKind::Gaussian), 12, 2048);
        println!("prod {bits} bits: slope {slope:.6} +- {error:.6}, d var {variance:.5}");
        assert!(
            (variance / expected - 1.0).abs() < 0.03,
            "{bits}: {variance}"
        );
        assert!(slope.abs() < 5.0 * error, "{bits}: {slope} {error}");
    }
}

#[test]
fn a_sketch_of_a_rotation_is_unbiased_with_less_variance() {
    for (bits, left) in [(2, 0.360_889), (4, 0.033_966)] {
        let (slope, error, variance) = bias(prod(bits, SketchKind::Rotation), 12, 2048);
        println!(
            "rotation sketch {bits} bits: slope {slope:.6} +- {error:.6}, d var {variance:.5}"
        );
        let expected = left * (0.5 * PI - 1.0);
        assert!(
            (variance / expected - 1.0).abs() < 0.05,
            "{bits}: {variance}"
        );
        assert!(slope.abs() < 5.0 * error, "{bits}: {slope} {error}");
    }
}

#[test]
fn plain_levels_shrink_scores_and_unbiased_norms_do_not() {
    for (bits, error_of) in [
        (1, 0.360_889),
        (2, 0.116_000),
        (3, 0.033_966),
        (4, 0.009_315),
    ] {
        let (slope, _, _) = bias(mse(bits, false), 6, 2048);
        assert!((slope + error_of).abs() < 0.004, "{bits}: {slope}");
        let (slope, error, variance) = bias(mse(bits, true), 12, 2048);
        println!("unbiased {bits} bits: slope {slope:.6} +- {error:.6}, d var {variance:.5}");
        assert!(slope.abs() < 5.0 * error, "{bits}: {slope} {error}");
        let expected = error_of / (1.0 - error_of);
        assert!(
            (variance / expected - 1.0).abs() < 0.03,
            "{bits}: {variance}"
        );
    }
}

#[test]
fn a_fixed_pair_is_scored_right_on_average_over_seeds() {
    let rows = unit_rows(77, 2, DIM);
    let (query, row) = rows.split_at(DIM);
    let close: Vec<f32> = query
        .iter()
        .zip(row)
        .map(|(a, b)| 0.6 * a + 0.8 * b)
        .collect();
    let truth = dot(query, &close);
    let codecs: [&dyn Fn(u64) -> RowCodec; 3] = [
        &mse(2, true),
        &prod(2, SketchKind::Gaussian),
        &prod(2, SketchKind::Rotation),
    ];
    for codec in codecs {
        let count = 1500;
        let scores: Vec<f64> = (0..count)
            .map(|seed| {
                let codec = codec(seed);
                let rows = codec.quantize(&close, &control()).unwrap();
                f64::from(codec.score(query, &rows, &control()).unwrap()[0])
            })
            .collect();
        let mean = scores.iter().sum::<f64>() / count as f64;
        let spread = scores
            .iter()
            .map(|score| (score - mean).powi(2))
            .sum::<f64>();
        let error = (spread / (count * (count - 1)) as f64).sqrt();
        assert!((mean - truth).abs() < 4.5 * error, "{mean} {truth} {error}");
    }
}

#[test]
fn sizes_are_those_of_the_paper() {
    let rows = unit_rows(4, 100, DIM);
    for (bits, ratio) in [(2, 6.4), (3, 32.0 / 7.0), (4, 32.0 / 9.0)] {
        let codec = ProdCodec::new(DIM, bits, 0, SketchKind::Gaussian).unwrap();
        let quantized = codec.quantize(&rows, &control()).unwrap();
        let halves = 2.0 * rows.len() as f64;
        assert!((halves / quantized.nbytes() as f64 - ratio).abs() < 1e-12);
        // Two floats a row.
        let overhead = 8.0 * quantized.nbytes() as f64 / rows.len() as f64 - f64::from(bits);
        assert!((overhead - 64.0 / DIM as f64).abs() < 1e-12);
        let codec = MseCodec::new(DIM, bits, 0, true).unwrap();
        let smaller = codec.quantize(&rows, &control()).unwrap();
        assert_eq!(smaller.nbytes() + 100 * 4, quantized.nbytes());
    }
    let codec = ProdCodec::new(1536, 4, 0, SketchKind::Rotation).unwrap();
    assert_eq!(codec.spec().row_bytes(), 1536 / 2 + 8);
    let codec = ProdCodec::new(13, 1, 0, SketchKind::Gaussian).unwrap();
    assert_eq!(codec.spec().row_bytes(), 2 + 8);
    let codec = MseCodec::new(13, 3, 0, false).unwrap();
    assert_eq!(codec.spec().row_bytes(), 5 + 4);
}

#[test]
fn scores_are_inner_products_with_reconstructions() {
    for dim in [2, 5, 40, 128, 200] {
        for (bits, sketch) in [
            (1, SketchKind::Gaussian),
            (3, SketchKind::Rotation),
            (9, SketchKind::Gaussian),
        ] {
            let rows = seeded::normal(9, 70 * dim, 3.0);
            let queries = seeded::normal(10, 5 * dim, 0.2);
            let prod = ProdCodec::new(dim, bits, 3, sketch).unwrap();
            let mse = MseCodec::new(dim, bits.min(8), 3, bits == 3).unwrap();
            for codec in [&*prod, &*mse] {
                let quantized = codec.quantize(&rows, &control()).unwrap();
                let back = codec.dequantize(&quantized, &control()).unwrap();
                let scores = codec.score(&queries, &quantized, &control()).unwrap();
                for (query, scores) in queries.chunks_exact(dim).zip(scores.chunks_exact(70)) {
                    for (row, score) in back.chunks_exact(dim).zip(scores) {
                        let expected = dot(query, row);
                        let size = (dot(query, query) * dot(row, row)).sqrt();
                        assert!(
                            (f64::from(*score) - expected).abs() < 2e-5 * size + 1e-9,
                            "{dim} {bits}: {score} {expected}"
                        );
                    }
                }
            }
        }
    }
}
