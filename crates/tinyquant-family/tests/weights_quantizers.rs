//! Residual and product quantizers, and their bytes.

mod weights_data;

use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::weights::{
    Measure, ProductOptions, ProductQuantizer, ResidualOptions, ResidualQuantizer,
};
use tinyquant_testkit::seeded;
use weights_data::normals;

const SEED: u64 = 42;

fn residual(values: &[f32], bits: &[u8], width: usize) -> ResidualQuantizer {
    let options = ResidualOptions {
        bits: bits.to_vec(),
        width,
        rounds: 100,
        tolerance: if width == 1 { 1e-4 } else { 1e-6 },
        seed: SEED,
    };
    ResidualQuantizer::train(values, &options, &Control::default()).unwrap()
}

fn product_options(parts: usize, centroids: usize) -> ProductOptions {
    ProductOptions {
        parts,
        centroids,
        rounds: 12,
        tolerance: 0.0,
        seed: SEED,
    }
}

fn product(vectors: &[f32], dim: usize, parts: usize, centroids: usize) -> ProductQuantizer {
    let options = product_options(parts, centroids);
    ProductQuantizer::train(vectors, dim, &options, &Control::default()).unwrap()
}

fn mse(left: &[f32], right: &[f32]) -> f64 {
    assert_eq!(left.len(), right.len());
    let pairs = left.iter().zip(right);
    pairs
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum::<f64>()
        / left.len() as f64
}

fn power(values: &[f32]) -> f64 {
    mse(values, &vec![0.0; values.len()])
}

#[test]
fn the_errors_of_scalar_stages() {
    let values = normals(1, 512 * 1024);
    let power = power(&values);
    // The last number is how far the figure may be off: later stages depend on where the first one ends.
    for (bits, expected, room) in [
        (&[8][..], 4.16e-5, 0.04),
        (&[4, 4], 1.74e-4, 0.08),
        (&[3, 3, 2], 5.5e-4, 0.08),
        (&[2, 2, 2, 2], 7.6e-4, 0.08),
        (&[6], 6.4e-4, 0.04),
        (&[3, 3], 1.99e-3, 0.08),
    ] {
        let quantizer = residual(&values, bits, 1);
        let codes = quantizer.encode(&values, &Control::default()).unwrap();
        let found = mse(&values, &quantizer.decode(&codes, bits.len()).unwrap()) / power;
        assert!((found / expected - 1.0).abs() < room, "{bits:?}: {found:e}");
        let trained = quantizer.errors().last().unwrap() / power;
        assert!((found / trained - 1.0).abs() < 1e-3);
    }
}

#[test]
fn each_stage_lowers_the_error_and_a_prefix_decodes() {
    for width in [1, 2, 8] {
        let values = seeded::normal(2, 40_000, 1.0);
        let quantizer = residual(&values, &[4, 3, 5], width);
        let codes = quantizer.encode(&values, &Control::default()).unwrap();
        assert_eq!(codes.len(), 3 * values.len() / width);
        let errors: Vec<f64> = (1..=3)
            .map(|stages| mse(&values, &quantizer.decode(&codes, stages).unwrap()))
            .collect();
        assert!(
            errors[0] < power(&values) && errors[1] < errors[0] && errors[2] < errors[1],
            "{errors:?}"
        );
        for (found, trained) in errors.iter().zip(quantizer.errors()) {
            assert!(
                (found / trained - 1.0).abs() < 1e-4,
                "{errors:?} {:?}",
                quantizer.errors()
            );
        }
    }
}

#[test]
fn stages_of_short_vectors_beat_scalars_of_as_many_bits() {
    // Two bits a value: values of a pair go together.
    let base = seeded::normal(3, 30_001, 1.0);
    let values: Vec<f32> = base
        .windows(2)
        .flat_map(|pair| [pair[0], 0.9 * pair[0] + 0.4 * pair[1]])
        .collect();
    let error = |bits: &[u8], width| *residual(&values, bits, width).errors().last().unwrap();
    assert!(error(&[4], 2) < 0.8 * error(&[2], 1));
    assert!(error(&[8, 8], 4) < 0.5 * error(&[2, 2], 1));
}

#[test]
fn the_errors_of_product_quantizers() {
    let vectors = normals(4, 10_000 * 64);
    let power = power(&vectors);
    for (parts, expected) in [(8, 0.290), (16, 0.0876), (32, 0.0087)] {
        let quantizer = product(&vectors, 64, parts, 256);
        let codes = quantizer.encode(&vectors, &Control::default()).unwrap();
        let found = mse(&vectors, &quantizer.decode(&codes).unwrap()) / power;
        assert!(
            (0.75..1.03).contains(&(found / expected)),
            "{parts} parts: {found}"
        );
        let history = quantizer.history();
        assert_eq!(history.len(), 13);
        assert!(
            history.windows(2).all(|pair| pair[1] <= pair[0]),
            "{history:?}"
        );
        assert!((history[12] / power / found - 1.0).abs() < 1e-6);
    }
}

#[test]
fn table_scores_are_those_of_decoded_vectors() {
    let (dim, vectors) = (24, seeded::normal(5, 600 * 24, 1.0));
    for (parts, centroids) in [(1, 5), (6, 256), (24, 17)] {
        let quantizer = product(&vectors, dim, parts, centroids);
        let codes = quantizer.encode(&vectors, &Control::default()).unwrap();
        assert_eq!(codes.len(), 600 * parts);
        let decoded = quantizer.decode(&codes).unwrap();
        let query = &seeded::normal(6, dim, 1.0);
        for measure in [Measure::Dot, Measure::SquaredDistance] {
            let table = quantizer.table(query, measure).unwrap();
            assert_eq!(table.len(), parts * centroids);
            let scores = quantizer.score(&table, &codes).unwrap();
            for (score, row) in scores.iter().zip(decoded.chunks_exact(dim)) {
                let pairs = query
                    .iter()
                    .zip(row)
                    .map(|(a, b)| (f64::from(*a), f64::from(*b)));
                let expected: f64 = match measure {
                    Measure::Dot => pairs.map(|(a, b)| a * b).sum(),
                    Measure::SquaredDistance => pairs.map(|(a, b)| (a - b).powi(2)).sum(),
                };
                assert!(
                    (f64::from(*score) - expected).abs() < 1e-5 * expected.abs().max(1.0),
                    "{measure:?}"
                );
            }
        }
    }
}

#[test]
fn a_seed_decides_everything_and_threads_nothing() {
    let vectors = seeded::normal(7, 5_000 * 8, 1.0);
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let options = ProductOptions {
            seed,
            ..product_options(2, 64)
        };
        pool.install(|| {
            ProductQuantizer::train(&vectors, 8, &options, &Control::default())
                .unwrap()
                .to_bytes()
        })
    };
    assert_eq!(on(1, 1), on(3, 1));
    assert_ne!(on(1, 1), on(1, 2));
}

#[test]
fn bytes_bring_back_the_same_quantizer() {
    let values = seeded::normal(8, 4_000, 1.0);
    for (bits, width) in [(&[4, 2][..], 1), (&[6, 6], 4)] {
        let quantizer = residual(&values, bits, width);
        let again = ResidualQuantizer::from_bytes(&quantizer.to_bytes()).unwrap();
        let codes = quantizer.encode(&values, &Control::default()).unwrap();
        assert_eq!(again.encode(&values, &Control::default()).unwrap(), codes);
        assert_eq!(again.to_bytes(), quantizer.to_bytes());
    }
    let quantizer = product(&values, 16, 4, 32);
    let again = ProductQuantizer::from_bytes(&quantizer.to_bytes()).unwrap();
    assert_eq!(again.codebooks(), quantizer.codebooks());
    let parts =
        ProductQuantizer::from_codebooks(quantizer.codebooks().to_vec(), 16, 4, 32).unwrap();
    assert_eq!(parts, again);
}

#[test]
fn damaged_bytes_are_refused() {
    let values = seeded::normal(9, 1_000, 1.0);
    let images = [
        residual(&values, &[3, 2], 2).to_bytes(),
        product(&values, 10, 5, 16).to_bytes(),
    ];
    for (kind, image) in images.iter().enumerate() {
        let read = |bytes: &[u8]| match kind {
            0 => ResidualQuantizer::from_bytes(bytes).map(|_| ()),
            _ => ProductQuantizer::from_bytes(bytes).map(|_| ()),
        };
        read(image).unwrap();
        for len in 0..image.len() {
            let code = read(&image[..len]).unwrap_err().code();
            assert_eq!(code, ErrorCode::Truncated, "cut to {len}");
        }
        for at in 0..image.len() {
            let mut bytes = image.clone();
            bytes[at] ^= 0x41;
            let code = read(&bytes).unwrap_err().code();
            let expected = match at {
                0..4 => ErrorCode::Format,
                4 => ErrorCode::Version,
                // Fields that give sizes break the length or their own range before the checksum is looked at.
                5..28 if code != ErrorCode::Checksum => code,
                _ => ErrorCode::Checksum,
            };
            assert_eq!(code, expected, "byte {at}");
        }
        let long = [image.as_slice(), &[0]].concat();
        assert_eq!(read(&long).unwrap_err().code(), ErrorCode::Format);
    }
}

#[test]
fn bad_arguments_are_refused() {
    let values = seeded::normal(10, 64, 1.0);
    let control = Control::default();
    let train = |values: &[f32], bits: &[u8], width: usize| {
        let options = ResidualOptions {
            bits: bits.to_vec(),
            width,
            rounds: 5,
            tolerance: 0.0,
            seed: 0,
        };
        ResidualQuantizer::train(values, &options, &Control::default())
            .map(|_| ())
            .unwrap_err()
            .code()
    };
    for bits in [&[][..], &[0], &[4, 9], &[1; 33]] {
        assert_eq!(train(&values, bits, 1), ErrorCode::InvalidArg, "{bits:?}");
    }
    assert_eq!(train(&values, &[2], 0), ErrorCode::InvalidArg);
    assert_eq!(train(&values, &[2], 3), ErrorCode::DimMismatch);
    assert_eq!(train(&[], &[2], 1), ErrorCode::InvalidArg);
    assert_eq!(train(&[f32::NAN, 1.0], &[2], 2), ErrorCode::NonFinite);

    let quantizer = residual(&values, &[2, 2], 2);
    assert_eq!(
        quantizer.encode(&values[..3], &control).unwrap_err().code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        quantizer.decode(&[0; 3], 2).unwrap_err().code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        quantizer.decode(&[9; 4], 2).unwrap_err().code(),
        ErrorCode::Format
    );
    for stages in [0, 3] {
        assert_eq!(
            quantizer.decode(&[0; 4], stages).unwrap_err().code(),
            ErrorCode::InvalidArg
        );
    }

    let train = |values: &[f32], dim: usize, options: &ProductOptions| {
        ProductQuantizer::train(values, dim, options, &Control::default())
            .unwrap_err()
            .code()
    };
    for (parts, centroids) in [(0, 4), (3, 4), (16, 4), (2, 1), (2, 257), (2, 9)] {
        assert_eq!(
            train(&values, 8, &product_options(parts, centroids)),
            ErrorCode::InvalidArg
        );
    }
    assert_eq!(
        train(&values[..60], 8, &product_options(2, 4)),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        train(&[f32::INFINITY; 64], 8, &product_options(2, 4)),
        ErrorCode::NonFinite
    );
    let options = ProductOptions {
        tolerance: f64::NAN,
        ..product_options(2, 4)
    };
    assert_eq!(train(&values, 8, &options), ErrorCode::InvalidArg);

    let quantizer = product(&values, 8, 2, 4);
    assert_eq!(
        quantizer.encode(&values[..7], &control).unwrap_err().code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        quantizer.decode(&[0; 3]).unwrap_err().code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        quantizer.decode(&[0, 4]).unwrap_err().code(),
        ErrorCode::Format
    );
    assert_eq!(
        quantizer
            .table(&values[..7], Measure::Dot)
            .unwrap_err()
            .code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        quantizer
            .table(&[f32::NAN; 8], Measure::Dot)
            .unwrap_err()
            .code(),
        ErrorCode::NonFinite
    );
    assert_eq!(
        quantizer.score(&[0.0; 7], &[0; 2]).unwrap_err().code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        quantizer.score(&[0.0; 8], &[0, 7]).unwrap_err().code(),
        ErrorCode::Format
    );
}

#[test]
fn a_caller_can_stop_training() {
    let vectors = seeded::normal(11, 2_000 * 8, 1.0);
    let stop = std::sync::atomic::AtomicBool::new(true);
    let control = Control {
        cancelled: Some(&stop),
        progress: None,
    };
    let trained = ProductQuantizer::train(&vectors, 8, &product_options(2, 64), &control);
    assert_eq!(trained.unwrap_err().code(), ErrorCode::Aborted);
    let encoded = product(&vectors, 8, 2, 16).encode(&vectors, &control);
    assert_eq!(encoded.unwrap_err().code(), ErrorCode::Aborted);
}
