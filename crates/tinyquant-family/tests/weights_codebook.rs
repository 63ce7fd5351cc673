//! Scalar codebooks: the distortion of the theory, never a rise, never worse than a start from quantiles.

mod weights_data;

use proptest::prelude::*;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::weights::{CodebookOptions, Levels, Start, TrainedCodebook, train_codebook};
use tinyquant_testkit::seeded;
use weights_data::normals;

fn train(values: &[f32], options: &CodebookOptions) -> TrainedCodebook {
    train_codebook(values, options, &Control::default()).unwrap()
}

fn with_levels(levels: usize) -> CodebookOptions {
    CodebookOptions {
        levels,
        ..CodebookOptions::default()
    }
}

fn power(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        / values.len() as f64
}

#[test]
fn the_distortion_is_that_of_the_theory() {
    let values = normals(1, 512 * 1024);
    let power = power(&values);
    for (levels, expected) in [(16, 9.60e-3), (64, 6.44e-4), (256, 4.17e-5)] {
        let trained = train(&values, &with_levels(levels));
        let relative = trained.mse / power;
        assert!(
            (relative / expected - 1.0).abs() < 0.03,
            "{levels} levels: {relative:e}"
        );
        assert_eq!(trained.levels.len(), levels);
    }
}

#[test]
fn eight_bits_beat_integers_with_a_scale_a_row() {
    let values = normals(2, 512 * 1024);
    // The largest magnitude of a row is 127 steps; rounding leaves a twelfth of a squared step.
    let rounded: f64 = values
        .chunks_exact(1024)
        .map(|row| {
            let scale = row
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()))
                / 127.0;
            let errors = row
                .iter()
                .map(|value| f64::from((value / scale).round() * scale - value));
            errors.map(|error| error * error).sum::<f64>()
        })
        .sum::<f64>()
        / values.len() as f64;
    let trained = train(&values, &with_levels(256));
    assert!(
        (rounded / power(&values) / 6.26e-5 - 1.0).abs() < 0.05,
        "{rounded:e}"
    );
    assert!(
        trained.mse < 0.75 * rounded,
        "{:e} {rounded:e}",
        trained.mse
    );
}

#[test]
fn quantiles_need_hundreds_of_rounds() {
    let values = normals(3, 512 * 1024);
    let power = power(&values);
    let after = |rounds, start| {
        let options = CodebookOptions {
            rounds,
            tolerance: 0.0,
            start,
            ..with_levels(256)
        };
        train(&values, &options).mse / power
    };
    let [ten, fifty] = [10, 50].map(|rounds| after(rounds, Start::Quantiles));
    assert!((ten / 3.7e-4 - 1.0).abs() < 0.1, "{ten:e}");
    assert!((fifty / 2.1e-4 - 1.0).abs() < 0.1, "{fifty:e}");
    let first = after(1, Start::Partition);
    assert!(first < 4.3e-5, "{first:e}");
}

#[test]
fn codes_and_error_belong_to_the_levels() {
    let values = normals(4, 10_000);
    let trained = train(&values, &with_levels(32));
    let levels = Levels::new(&trained.levels).unwrap();
    assert_eq!(levels.encode(&values).unwrap(), trained.codes);
    let decoded = levels.decode(&trained.codes).unwrap();
    let errors = values
        .iter()
        .zip(&decoded)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    let mse = errors.sum::<f64>() / values.len() as f64;
    assert!((mse / trained.mse - 1.0).abs() < 1e-12);
    let last = trained.history.last().unwrap();
    assert!(
        (last / trained.mse - 1.0).abs() < 1e-5,
        "{last:e} {:e}",
        trained.mse
    );
    assert_eq!(trained.rounds, trained.history.len() - 1);
}

#[test]
fn few_distinct_values_are_kept_exactly() {
    for distinct in [1, 2, 5, 16] {
        let values: Vec<f32> = (0..900)
            .map(|i| ((i % distinct) as f32).powi(3) - 7.5)
            .collect();
        let trained = train(&values, &with_levels(16));
        assert_eq!(trained.levels.len(), distinct);
        assert!(trained.mse == 0.0 && trained.rounds == 0);
    }
}

#[test]
fn rows_have_codebooks_of_their_own() {
    let mut values = normals(5, 4 * 500);
    for (row, values) in values.chunks_exact_mut(500).enumerate() {
        for value in values.iter_mut() {
            *value *= [1.0, 100.0, 0.01, 0.0][row];
        }
    }
    let options = CodebookOptions {
        row: Some(500),
        ..with_levels(8)
    };
    let trained = train(&values, &options);
    assert_eq!((trained.levels.len(), trained.level_count), (32, 8));
    for (row, (values, levels)) in values
        .chunks_exact(500)
        .zip(trained.levels.chunks_exact(8))
        .enumerate()
    {
        let alone = train(values, &with_levels(8));
        assert_eq!(alone.levels[..], levels[..alone.levels.len()], "row {row}");
        assert_eq!(alone.codes, trained.codes[row * 500..][..500]);
    }
    assert_eq!(trained.levels[24..], [0.0; 8]);
}

#[test]
fn gain_correction_keeps_the_length() {
    let values = normals(6, 100_000);
    let product = |trained: &TrainedCodebook| {
        let levels = Levels::new(&trained.levels).unwrap();
        let decoded = levels.decode(&trained.codes).unwrap();
        let products = values
            .iter()
            .zip(&decoded)
            .map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum::<f64>() / values.len() as f64 / power(&values)
    };
    let plain = train(&values, &with_levels(16));
    let options = CodebookOptions {
        keep_gain: true,
        ..with_levels(16)
    };
    let kept = train(&values, &options);
    // The best levels are shorter by the share of their error.
    assert!((product(&plain) - (1.0 - plain.mse / power(&values))).abs() < 1e-4);
    assert!((product(&plain) - 0.990).abs() < 2e-3);
    assert!((product(&kept) - 1.0).abs() < 1e-6);
    assert_eq!(kept.codes, plain.codes);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let values = normals(7, 100_000);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| train(&values, &with_levels(200)))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn bad_input_is_refused() {
    let code = |values: &[f32], options: &CodebookOptions| {
        train_codebook(values, options, &Control::default())
            .unwrap_err()
            .code()
    };
    assert_eq!(code(&[], &with_levels(16)), ErrorCode::InvalidArg);
    assert_eq!(
        code(&[1.0, f32::NAN], &with_levels(16)),
        ErrorCode::NonFinite
    );
    assert_eq!(
        code(&[f32::NEG_INFINITY], &with_levels(16)),
        ErrorCode::NonFinite
    );
    for levels in [0, 1, 257] {
        assert_eq!(code(&[1.0], &with_levels(levels)), ErrorCode::InvalidArg);
    }
    for tolerance in [-1.0, f64::NAN, f64::INFINITY] {
        let options = CodebookOptions {
            tolerance,
            ..CodebookOptions::default()
        };
        assert_eq!(code(&[1.0], &options), ErrorCode::InvalidArg);
    }
    let options = CodebookOptions {
        row: Some(3),
        ..CodebookOptions::default()
    };
    assert_eq!(code(&[1.0; 4], &options), ErrorCode::DimMismatch);
    let levels = |entries: &[f32]| Levels::new(entries).unwrap_err().code();
    assert_eq!(levels(&[]), ErrorCode::InvalidArg);
    assert_eq!(levels(&[1.0, 0.0]), ErrorCode::InvalidArg);
    assert_eq!(levels(&[0.0; 257]), ErrorCode::InvalidArg);
    assert_eq!(levels(&[0.0, f32::NAN]), ErrorCode::NonFinite);
    let levels = Levels::new(&[0.0, 1.0]).unwrap();
    assert_eq!(
        levels.decode(&[0, 1, 2]).unwrap_err().code(),
        ErrorCode::Format
    );
}

/// Values of many shapes: smooth, heavy-tailed, clustered, discrete, of huge and tiny scale.
fn shapes() -> impl Strategy<Value = Vec<f32>> {
    (any::<u64>(), 300..3000_usize, 0..6_u8, -20..20_i32).prop_map(
        |(seed, count, shape, exponent)| {
            let scale = 10.0_f32.powi(exponent);
            let (normal, uniform) = (
                seeded::normal(seed, count, 1.0),
                seeded::normal(seed ^ 1, count, 1.0),
            );
            let pairs = normal.into_iter().zip(uniform);
            let make = |(a, b): (f32, f32)| match shape {
                0 => a,
                1 => a * a * a * a * a,
                2 => a / (b.abs() + 0.01),
                3 => (b * 3.0).round() * 1000.0 + a,
                4 => (a * 20.0).round(),
                _ => a.abs().exp().exp().min(1e15) * b.signum(),
            };
            pairs.map(|pair| make(pair) * scale).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn never_worse_than_quantiles_and_never_a_rise(values in shapes(), levels in 2..257_usize) {
        let options = CodebookOptions { tolerance: 0.0, ..with_levels(levels) };
        let ours = train(&values, &options);
        let theirs = train(&values, &CodebookOptions { start: Start::Quantiles, ..options });
        prop_assert!(ours.mse <= theirs.mse * (1.0 + 1e-6), "{:e} {:e}", ours.mse, theirs.mse);
        for trained in [&ours, &theirs] {
            prop_assert!(trained.history.windows(2).all(|pair| pair[1] <= pair[0]));
            prop_assert!(trained.levels.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
