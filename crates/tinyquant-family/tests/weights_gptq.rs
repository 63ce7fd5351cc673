//! GPTQ: the same codes for every block, rounding for an identity, smaller errors of the outputs.

use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::weights::{Curvature, GptqOptions, GptqResult, GridCodes, gptq, hessian};
use tinyquant_testkit::seeded;

const COLS: usize = 256;

fn run(
    weights: &[f32],
    cols: usize,
    curvature: Curvature<'_>,
    options: &GptqOptions,
) -> GptqResult {
    let rows = weights.len() / cols;
    gptq(weights, rows, cols, curvature, options, &Control::default()).unwrap()
}

/// Inputs that mix hidden values of deviation `1 / sqrt(j)`: each column is a random sum of all of them.
fn correlated(seed: u64, count: usize) -> Vec<f32> {
    let hidden = seeded::normal(seed, count * COLS, 1.0);
    let mixing = seeded::normal(99, COLS * COLS, 1.0 / (COLS as f32).sqrt());
    let mut inputs = vec![0.0; count * COLS];
    for (input, hidden) in inputs.chunks_exact_mut(COLS).zip(hidden.chunks_exact(COLS)) {
        for (j, (value, row)) in hidden.iter().zip(mixing.chunks_exact(COLS)).enumerate() {
            let value = value / ((j + 1) as f32).sqrt();
            for (sum, share) in input.iter_mut().zip(row) {
                *sum += value * share;
            }
        }
    }
    inputs
}

/// Mean squared difference of the outputs, summed over the rows of the weights.
fn output_error(inputs: &[f32], weights: &[f32], decoded: &[f32], cols: usize) -> f64 {
    let mut total = 0.0;
    for (weights, decoded) in weights.chunks_exact(cols).zip(decoded.chunks_exact(cols)) {
        let apart: Vec<f64> = weights
            .iter()
            .zip(decoded)
            .map(|(a, b)| f64::from(*a) - f64::from(*b))
            .collect();
        for input in inputs.chunks_exact(cols) {
            let error: f64 = input
                .iter()
                .zip(&apart)
                .map(|(x, e)| f64::from(*x) * e)
                .sum();
            total += error * error;
        }
    }
    total / (inputs.len() / cols) as f64
}

#[test]
fn outputs_on_new_inputs_gain_as_published() {
    let weights = seeded::normal(1, 128 * COLS, 1.0);
    let (inputs, fresh) = (correlated(2, 2048), correlated(3, 512));
    for (qmax, act_order, expected) in [
        (31, false, 3.6),
        (7, false, 3.7),
        (31, true, 3.7),
        (7, true, 3.8),
    ] {
        let options = GptqOptions {
            qmax,
            act_order,
            ..GptqOptions::default()
        };
        let found = run(&weights, COLS, Curvature::Inputs(&inputs), &options);
        let rounded = GridCodes::round(&weights, 128, COLS, qmax, 0)
            .unwrap()
            .decode()
            .unwrap();
        let before = output_error(&fresh, &weights, &rounded, COLS);
        let after = output_error(&fresh, &weights, &found.codes.decode().unwrap(), COLS);
        assert!(
            (before / after / expected - 1.0).abs() < 0.1,
            "{} {expected}",
            before / after
        );
        assert!((found.damp - 0.01).abs() < 1e-12);
    }
}

#[test]
fn independent_inputs_gain_little() {
    let weights = seeded::normal(4, 128 * COLS, 1.0);
    let (inputs, fresh) = (
        seeded::normal(5, 2048 * COLS, 1.0),
        seeded::normal(6, 512 * COLS, 1.0),
    );
    let found = run(
        &weights,
        COLS,
        Curvature::Inputs(&inputs),
        &GptqOptions::default(),
    );
    let decoded = found.codes.decode().unwrap();
    let rounded = GridCodes::round(&weights, 128, COLS, 7, 0)
        .unwrap()
        .decode()
        .unwrap();
    let gain = |inputs: &[f32]| {
        output_error(inputs, &weights, &rounded, COLS)
            / output_error(inputs, &weights, &decoded, COLS)
    };
    let (own, new) = (gain(&inputs), gain(&fresh));
    assert!((own - 1.06).abs() < 0.02, "{own}");
    assert!((new - 0.95).abs() < 0.03, "{new}");
}

#[test]
fn the_block_changes_no_code() {
    let weights = seeded::normal(7, 128 * COLS, 1.0);
    let inputs = correlated(8, 1024);
    for (group, act_order) in [(0, false), (0, true), (48, false), (64, true)] {
        let of = |block| {
            let options = GptqOptions {
                block,
                group,
                act_order,
                ..GptqOptions::default()
            };
            run(&weights, COLS, Curvature::Inputs(&inputs), &options)
        };
        let whole = of(128);
        for block in [1, 7, 1000] {
            let other = of(block);
            assert_eq!(other.codes, whole.codes, "block {block}, group {group}");
            assert_eq!(other.order, whole.order);
        }
    }
}

#[test]
fn an_identity_gives_plain_rounding() {
    let weights = seeded::normal(9, 40 * 70, 1.0);
    let mut identity = vec![0.0; 70 * 70];
    for i in 0..70 {
        identity[i * 71] = 1.0;
    }
    for (qmax, group) in [(1, 0), (7, 0), (127, 0), (7, 16)] {
        for act_order in [false, true] {
            let options = GptqOptions {
                qmax,
                group,
                act_order,
                ..GptqOptions::default()
            };
            let found = run(&weights, 70, Curvature::Hessian(&identity), &options);
            // With equal diagonals the order is that of the columns.
            let rounded = GridCodes::round(&weights, 40, 70, qmax, group).unwrap();
            assert_eq!(found.codes.codes, rounded.codes);
            assert_eq!(found.codes.scales, rounded.scales);
            assert_eq!(found.codes.decode().unwrap(), rounded.decode().unwrap());
        }
    }
}

#[test]
fn the_error_is_that_of_the_outputs() {
    let weights = seeded::normal(10, 16 * COLS, 1.0);
    let inputs = correlated(11, 1024);
    let options = GptqOptions {
        damp: 1e-9,
        ..GptqOptions::default()
    };
    let found = run(&weights, COLS, Curvature::Inputs(&inputs), &options);
    let outputs = output_error(&inputs, &weights, &found.codes.decode().unwrap(), COLS);
    assert!(
        (found.error / outputs - 1.0).abs() < 1e-4,
        "{} {outputs}",
        found.error
    );
}

#[test]
fn a_hessian_says_what_its_inputs_say() {
    let weights = seeded::normal(12, 8 * COLS, 1.0);
    let inputs = correlated(13, 700);
    let matrix = hessian(&inputs, COLS, &Control::default()).unwrap();
    let direct: f64 = inputs
        .chunks_exact(COLS)
        .map(|input| f64::from(input[3]) * f64::from(input[200]))
        .sum();
    assert!((matrix[3 * COLS + 200] / (direct * 2.0 / 700.0) - 1.0).abs() < 1e-12);
    let options = GptqOptions::default();
    let found = run(&weights, COLS, Curvature::Inputs(&inputs), &options);
    assert_eq!(
        run(&weights, COLS, Curvature::Hessian(&matrix), &options),
        found
    );
}

#[test]
fn columns_without_inputs_get_zeros() {
    let weights = seeded::normal(14, 8 * COLS, 1.0);
    let mut inputs = correlated(15, 600);
    for input in inputs.chunks_exact_mut(COLS) {
        input[10] = 0.0;
        input[COLS - 1] = 0.0;
    }
    for act_order in [false, true] {
        let options = GptqOptions {
            act_order,
            ..GptqOptions::default()
        };
        let found = run(&weights, COLS, Curvature::Inputs(&inputs), &options);
        for row in found.codes.codes.chunks_exact(COLS) {
            assert!(row[10] == 0 && row[COLS - 1] == 0);
        }
    }
}

#[test]
fn the_order_goes_from_the_largest_diagonal() {
    let weights = seeded::normal(16, 4 * 4, 1.0);
    let diagonal = [2.0, 5.0, 2.0, 9.0];
    let mut matrix = vec![0.0; 16];
    for (i, value) in diagonal.iter().enumerate() {
        matrix[i * 5] = *value;
    }
    let options = GptqOptions {
        act_order: true,
        group: 2,
        ..GptqOptions::default()
    };
    let found = run(&weights, 4, Curvature::Hessian(&matrix), &options);
    assert_eq!(found.order, [3, 1, 0, 2]);
    assert_eq!(found.codes.order.as_deref(), Some(&[3, 1, 0, 2][..]));
    // Nothing is corrected, so that each value is within half a step of its group's scale.
    let decoded = found.codes.decode().unwrap();
    for (at, (value, back)) in weights.iter().zip(&decoded).enumerate() {
        let group = usize::from(matches!(at % 4, 0 | 2));
        let scale = found.codes.scales[at / 4 * 2 + group];
        assert!((value - back).abs() <= scale * 0.5001, "{at}");
    }
}

#[test]
fn damping_grows_until_the_hessian_is_positive_definite() {
    let weights = seeded::normal(17, 3 * 3, 1.0);
    // Eigenvalues 1, 1 and -0.05: a share of 0.1 of the mean diagonal helps.
    let matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -0.05];
    let found = run(
        &weights,
        3,
        Curvature::Hessian(&matrix),
        &GptqOptions::default(),
    );
    assert!((found.damp - 0.1).abs() < 1e-12, "{}", found.damp);

    let failure = |matrix: &[f64], damp: f64| {
        let options = GptqOptions {
            damp,
            ..GptqOptions::default()
        };
        gptq(
            &weights,
            3,
            3,
            Curvature::Hessian(matrix),
            &options,
            &Control::default(),
        )
        .unwrap_err()
    };
    for (matrix, damp) in [
        ([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1e9], 0.01),
        ([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -0.05], 0.0),
        ([1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0], 0.0),
    ] {
        let error = failure(&matrix, damp);
        assert_eq!(error.code(), ErrorCode::InvalidArg);
        assert!(
            error.to_string().contains("not positive definite"),
            "{error}"
        );
        assert!(error.to_string().contains("column"), "{error}");
    }
}

#[test]
fn bad_input_is_refused() {
    let weights = seeded::normal(18, 6, 1.0);
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let code = |weights: &[f32], rows, cols, curvature: Curvature<'_>, options: &GptqOptions| {
        gptq(weights, rows, cols, curvature, options, &Control::default())
            .unwrap_err()
            .code()
    };
    let plain = GptqOptions::default();
    let given = Curvature::Hessian(&identity);
    assert_eq!(code(&weights, 3, 3, given, &plain), ErrorCode::DimMismatch);
    assert_eq!(code(&weights, 0, 3, given, &plain), ErrorCode::InvalidArg);
    assert_eq!(code(&[], 0, 0, given, &plain), ErrorCode::InvalidArg);
    assert_eq!(
        code(&[f32::NAN; 6], 2, 3, given, &plain),
        ErrorCode::NonFinite
    );
    assert_eq!(
        code(&weights, 2, 3, Curvature::Hessian(&identity[..8]), &plain),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        code(&weights, 2, 3, Curvature::Hessian(&[f64::NAN; 9]), &plain),
        ErrorCode::NonFinite
    );
    assert_eq!(
        code(&weights, 2, 3, Curvature::Inputs(&[]), &plain),
        ErrorCode::InvalidArg
    );
    assert_eq!(
        code(&weights, 2, 3, Curvature::Inputs(&[1.0; 4]), &plain),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        code(&weights, 2, 3, Curvature::Inputs(&[f32::NAN; 3]), &plain),
        ErrorCode::NonFinite
    );
    let mut skew = identity;
    skew[1] = 1e-3;
    assert_eq!(
        code(&weights, 2, 3, Curvature::Hessian(&skew), &plain),
        ErrorCode::InvalidArg
    );
    for options in [
        GptqOptions { qmax: 0, ..plain },
        GptqOptions { qmax: 128, ..plain },
        GptqOptions { block: 0, ..plain },
        GptqOptions {
            damp: -0.1,
            ..plain
        },
        GptqOptions {
            damp: f64::NAN,
            ..plain
        },
    ] {
        assert_eq!(
            code(&weights, 2, 3, given, &options),
            ErrorCode::InvalidArg,
            "{options:?}"
        );
    }
}

#[test]
fn more_columns_than_memory_has_room_for_are_refused() {
    let cols = 1 << 24;
    let values = vec![1.0; cols];
    let control = Control::default();
    let found = hessian(&values, cols, &control).unwrap_err();
    assert_eq!(found.code(), ErrorCode::Limit);
    let inputs = Curvature::Inputs(&values);
    let found = gptq(&values, 1, cols, inputs, &GptqOptions::default(), &control);
    assert_eq!(found.unwrap_err().code(), ErrorCode::Limit);
}

#[test]
fn the_largest_values_stay_finite() {
    for qmax in 1..=127 {
        let values = [f32::MAX, -f32::MAX, 1.0, 0.0];
        let grid = GridCodes::round(&values, 2, 2, qmax, 0).unwrap();
        let decoded = grid.decode().unwrap();
        assert_eq!(grid.codes[0].unsigned_abs(), qmax);
        assert!(decoded.iter().all(|value| value.is_finite()), "{decoded:?}");
        assert!(decoded[0] > 0.999 * f32::MAX, "{decoded:?}");
    }
}

#[test]
fn codes_that_do_not_fit_are_refused() {
    let good = GridCodes::round(&seeded::normal(19, 6, 1.0), 2, 3, 7, 2).unwrap();
    good.check().unwrap();
    let code = |change: fn(&mut GridCodes)| {
        let mut grid = good.clone();
        change(&mut grid);
        grid.decode().unwrap_err().code()
    };
    assert_eq!(code(|grid| grid.qmax = 0), ErrorCode::InvalidArg);
    assert_eq!(code(|grid| grid.rows = 3), ErrorCode::DimMismatch);
    assert_eq!(code(|grid| grid.cols = 0), ErrorCode::DimMismatch);
    assert_eq!(code(|grid| grid.scales.truncate(1)), ErrorCode::DimMismatch);
    assert_eq!(code(|grid| grid.scales[1] = f32::NAN), ErrorCode::NonFinite);
    assert_eq!(code(|grid| grid.codes[5] = 8), ErrorCode::Format);
    assert_eq!(code(|grid| grid.codes[5] = -128), ErrorCode::Format);
    assert_eq!(
        code(|grid| grid.order = Some(vec![0, 1])),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        code(|grid| grid.order = Some(vec![0, 1, 1])),
        ErrorCode::Format
    );
    assert_eq!(
        code(|grid| grid.order = Some(vec![0, 1, 3])),
        ErrorCode::Format
    );
}
