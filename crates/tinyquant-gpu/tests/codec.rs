//! The codec on a device against that of the CPU. Run by `npm test -- gpu`, which brings a software device.

mod device;

use device::{backend, backend_of};
use std::sync::atomic::{AtomicBool, Ordering};
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedBatch, Control, Error as CodecError, ErrorCode, Rotation,
    TrainMethod, compress_batch, decompress_batch,
};
use tinyquant_gpu::{Backend, Error, Options, Preference};
use tinyquant_kernels::f16_to_f32;
use tinyquant_testkit::seeded;

const DIMENSIONS: [u32; 8] = [1, 2, 7, 64, 100, 384, 768, 1536];

fn trained(values: &[f32], config: &CodecConfig) -> Codebook {
    Codebook::train(values, config, TrainMethod::LloydMax, &Control::default()).unwrap()
}

fn multiply(values: &mut [f32], factor: f32) {
    for value in values {
        *value *= factor;
    }
}

/// Numbers of the f16 values in their order.
fn steps(residuals: &[u8]) -> impl Iterator<Item = i32> {
    residuals.as_chunks::<2>().0.iter().map(|bytes| {
        let half = u16::from_le_bytes(*bytes);
        let magnitude = i32::from(half & 0x7fff);
        if half >= 0x8000 {
            -1 - magnitude
        } else {
            magnitude
        }
    })
}

/// Fails unless indices are equal and residuals equal or one step off; returns where they are off.
fn compare(device: &CompressedBatch, cpu: &CompressedBatch, what: &str) -> Vec<usize> {
    assert_eq!(device.layout(), cpu.layout(), "{what}");
    assert_eq!(device.packed(), cpu.packed(), "{what}");
    let pairs = steps(device.residuals()).zip(steps(cpu.residuals()));
    let mut off = Vec::new();
    for (at, (a, b)) in pairs.enumerate() {
        assert!((a - b).abs() <= 1, "{what}: residual {at} is {a}, not {b}");
        if a != b {
            off.push(at);
        }
    }
    off
}

/// The f16 at a place of residuals.
fn half_at(residuals: &[u8], at: usize) -> f64 {
    let bytes = residuals.as_chunks::<2>().0[at];
    f64::from(f16_to_f32(u16::from_le_bytes(bytes)))
}

/// Compresses and decompresses on both sides; returns the share of the residuals that are a step off.
fn both(backend: &Backend, values: &[f32], config: &CodecConfig, codebook: &Codebook) -> f64 {
    let control = Control::default();
    let device = backend
        .compress_batch(values, config, codebook, &control)
        .unwrap();
    let cpu = compress_batch(values, config, codebook, None, &control).unwrap();
    let what = format!("{config:?}");
    let dimension = config.dimension();
    let rotation = Rotation::shared(config.seed(), dimension, &control).unwrap();
    let off = compare(&device, &cpu, &what);
    for &at in &off {
        // What a step adds to the error is stated in the README.
        let row = &values[at / dimension * dimension..][..dimension];
        let value = rotation.coordinates(row, &[at % dimension])[0];
        let entry = codebook.entries()[usize::from(codebook.code(value))];
        let exact = f64::from(value) - f64::from(entry);
        let error = |batch: &CompressedBatch| (half_at(batch.residuals(), at) - exact).abs();
        let added = (exact.abs() / 2048.0).max(1.0 / 16_777_216.0);
        assert!(
            error(&device) <= error(&cpu) + added,
            "{what}: residual {at}"
        );
    }
    let decoded = backend
        .decompress_batch(&cpu, config, codebook, &control)
        .unwrap();
    let expected = decompress_batch(&cpu, config, codebook, None, &control).unwrap();
    let matrix = rotation.to_row_major().unwrap();
    let largest_entry = matrix.iter().fold(0.0, |most, x| x.abs().max(most));
    let codes = codebook.entries().iter();
    let largest_code = codes.fold(0.0, |most, x| f64::from(x.abs()).max(most));
    let count = cpu.residuals().len() / 2;
    let residuals = (0..count).map(|at| half_at(cpu.residuals(), at).abs());
    let largest_coordinate = largest_code + residuals.fold(0.0, f64::max);
    // As stated in the documentation, and a rounding to f32 on either side.
    let bound = 1.5e-8 * dimension as f64 * largest_coordinate * largest_entry;
    for (row, (a, b)) in decoded
        .chunks_exact(dimension)
        .zip(expected.chunks_exact(dimension))
        .enumerate()
    {
        let length = b.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        for (x, y) in a.iter().zip(b) {
            let apart = (f64::from(*x) - f64::from(*y)).abs();
            let rounded = f64::from(y.abs().max(x.abs())) * f64::from(f32::EPSILON);
            let most = (bound + rounded).min(1.3e-7 * length);
            assert!(apart <= most, "{what}: row {row}, {x} and {y}");
        }
    }
    off.len() as f64 / count.max(1) as f64
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn every_dimension_and_width_equals_the_cpu() {
    let backend = backend();
    for dimension in DIMENSIONS {
        let values = seeded::normal(u64::from(dimension), 300 * dimension as usize, 0.2);
        let rows = if dimension > 700 { 37 } else { 70 };
        let some = &values[..rows * dimension as usize];
        for bits in [2, 4, 8] {
            for residual in [false, true] {
                let config = CodecConfig::new(bits, 42, dimension, residual).unwrap();
                let codebook = trained(&values, &config);
                let off = both(&backend, some, &config, &codebook);
                assert!(
                    off < 0.05,
                    "{config:?}: {off} of the residuals are a step off"
                );
            }
        }
    }
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn scales_and_odd_rows_equal_the_cpu() {
    let backend = backend();
    let dimension = 96;
    for (scale, residual) in [
        (1e-30_f32, true),
        (1e-5, true),
        (300.0, true),
        (1e4, false),
        (1e30, false),
    ] {
        let mut values = seeded::normal(9, 300 * dimension, 0.3);
        multiply(&mut values, scale);
        let config = CodecConfig::new(4, 7, dimension as u32, residual).unwrap();
        let codebook = trained(&values, &config);
        // A zero row, one with a single component, and rows far shorter and longer than the codebook expects.
        values[..dimension].fill(0.0);
        values[dimension..2 * dimension].fill(0.0);
        values[dimension + 5] = scale;
        multiply(&mut values[2 * dimension..3 * dimension], 1e-7);
        multiply(&mut values[3 * dimension..4 * dimension], 20.0);
        values[4 * dimension + 3] = -0.0;
        values[5 * dimension..6 * dimension].fill(f32::from_bits(3));
        both(&backend, &values[..64 * dimension], &config, &codebook);
    }
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn coordinates_on_a_boundary_are_decided_as_on_the_cpu() {
    let backend = backend();
    // Dimension 2 and vectors that rotate onto the boundaries themselves, as nearly as f32 can say.
    let config = CodecConfig::new(4, 1, 2, true).unwrap();
    let entries: Vec<f32> = (0..16).map(|i| i as f32 / 8.0 - 0.9375).collect();
    let codebook = Codebook::from_entries(&entries, 4).unwrap();
    let matrix = Rotation::shared(1, 2, &Control::default())
        .unwrap()
        .to_row_major()
        .unwrap();
    let mut values = Vec::new();
    for a in 0..15 {
        for b in 0..15 {
            let y = [f64::from(a) / 8.0 - 0.875, f64::from(b) / 8.0 - 0.875];
            for column in 0..2 {
                values.push((matrix[column] * y[0] + matrix[2 + column] * y[1]) as f32);
            }
        }
    }
    both(&backend, &values, &config, &codebook);
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn batches_are_split_by_memory_and_by_bindings() {
    let dimension = 64;
    let values = seeded::normal(3, 5000 * dimension, 0.2);
    let config = CodecConfig::new(4, 42, dimension as u32, true).unwrap();
    let codebook = trained(&values, &config);
    let mut options = Options::new(Preference::Software);
    options.max_memory = 1 << 20;
    let small = backend_of(&options);
    both(&small, &values, &config, &codebook);
    assert!(small.memory_used() <= 1 << 17, "{}", small.memory_used());
    options.max_binding = Some(64 * 1024);
    both(&backend_of(&options), &values, &config, &codebook);

    // A rotation in parts of eight rows.
    let wide = CodecConfig::new(2, 42, 300, false).unwrap();
    let rows = seeded::normal(4, 300 * 300, 0.1);
    let codebook = trained(&rows, &wide);
    options.max_memory = 4 << 20;
    options.max_binding = Some(4 * 8 * 300);
    both(&backend_of(&options), &rows[..40 * 300], &wide, &codebook);
    options.max_binding = Some(4 * 8 * 300 - 4);
    let control = Control::default();
    let error = backend_of(&options).compress_batch(&rows, &wide, &codebook, &control);
    assert!(
        matches!(error, Err(Error::AdapterLimit { .. })),
        "{error:?}"
    );
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn what_is_refused_is_what_the_cpu_refuses() {
    let backend = backend();
    let control = Control::default();
    let config = CodecConfig::new(4, 42, 8, true).unwrap();
    let values = seeded::normal(1, 800, 0.2);
    let codebook = trained(&values, &config);
    let codec = |values: &[f32], config: &CodecConfig, codebook: &Codebook| {
        let device = backend.compress_batch(values, config, codebook, &control);
        let cpu = compress_batch(values, config, codebook, None, &control);
        let Err(Error::Codec(device)) = device else {
            panic!("expected an error of the codec");
        };
        assert_eq!(device, cpu.unwrap_err());
        device
    };
    let mut bad = values.clone();
    bad[13] = f32::NAN;
    assert_eq!(codec(&bad, &config, &codebook).code(), ErrorCode::NonFinite);
    assert_eq!(
        codec(&values[..13], &config, &codebook).code(),
        ErrorCode::DimMismatch
    );
    let other = CodecConfig::new(2, 42, 8, true).unwrap();
    assert_eq!(
        codec(&values, &other, &codebook).code(),
        ErrorCode::CodebookMismatch
    );
    assert_eq!(
        codec(&[], &other, &codebook).code(),
        ErrorCode::CodebookMismatch
    );
    // Rows 3 and 5 are beyond f16; row 3 is named, with its first coordinate.
    let mut large = values.clone();
    large[3 * 8..4 * 8].fill(1e6);
    large[5 * 8..6 * 8].fill(1e7);
    let error = codec(&large, &config, &codebook);
    assert!(matches!(error, CodecError::ResidualOverflow { row: 3, .. }));

    let none = backend
        .compress_batch(&[], &config, &codebook, &control)
        .unwrap();
    assert!(none.is_empty());
    let decoded = backend.decompress_batch(&none, &config, &codebook, &control);
    assert!(decoded.unwrap().is_empty());
    let batch = compress_batch(&values, &config, &codebook, None, &control).unwrap();
    let wrong = CodecConfig::new(4, 43, 8, true).unwrap();
    assert_eq!(
        backend
            .decompress_batch(&batch, &wrong, &codebook, &control)
            .unwrap_err()
            .code(),
        ErrorCode::ConfigMismatch
    );
    // A hostile residual: an infinity.
    let mut bytes = batch.to_bytes();
    let record = bytes.len() / batch.len();
    let last = bytes.len() - 2 * record + record;
    bytes[last - 2..last].copy_from_slice(&[0x00, 0x7c]);
    let hostile = CompressedBatch::from_bytes(&bytes).unwrap();
    let device = backend.decompress_batch(&hostile, &config, &codebook, &control);
    let cpu = decompress_batch(&hostile, &config, &codebook, None, &control);
    assert_eq!(device.unwrap_err(), Error::Codec(cpu.unwrap_err()));
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn a_call_can_be_cancelled_on_its_way_and_the_next_one_works() {
    let mut options = Options::new(Preference::Software);
    options.max_memory = 1 << 20;
    let backend = backend_of(&options);
    let dimension = 64;
    let values = seeded::normal(3, 8000 * dimension, 0.2);
    let config = CodecConfig::new(4, 42, dimension as u32, false).unwrap();
    let codebook = trained(&values, &config);
    let (flag, reports) = (AtomicBool::new(false), std::sync::Mutex::new(Vec::new()));
    let progress = |done: usize, total: usize| {
        reports.lock().unwrap().push((done, total));
        flag.store(done > 1000, Ordering::Relaxed);
    };
    let control = Control {
        cancelled: Some(&flag),
        progress: Some(&progress),
    };
    let stopped = backend.compress_batch(&values, &config, &codebook, &control);
    assert_eq!(stopped.unwrap_err(), Error::Codec(CodecError::Cancelled));
    let reported = reports.lock().unwrap().clone();
    assert!(reported.is_sorted() && reported.last().is_some_and(|(done, total)| done < total));
    let batch = compress_batch(&values, &config, &codebook, None, &Control::default()).unwrap();
    flag.store(false, Ordering::Relaxed);
    reports.lock().unwrap().clear();
    let stopped = backend.decompress_batch(&batch, &config, &codebook, &control);
    assert_eq!(stopped.unwrap_err(), Error::Codec(CodecError::Cancelled));
    let reported = reports.lock().unwrap().clone();
    assert!(reported.last().is_some_and(|(done, total)| done < total));
    both(&backend, &values[..200 * dimension], &config, &codebook);
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn eleven_thousand_rows_of_1536_equal_the_cpu() {
    let dimension = 1536;
    let values = seeded::normal(11, 500 * dimension, 0.05);
    let config = CodecConfig::new(4, 42, dimension as u32, false).unwrap();
    let codebook = trained(&values, &config);
    let mut all = Vec::with_capacity(11_000 * dimension);
    for round in 0..22 {
        all.extend(
            values
                .iter()
                .map(|value| value * (1.0 + round as f32 / 64.0)),
        );
    }
    let control = Control::default();
    let device = backend()
        .compress_batch(&all, &config, &codebook, &control)
        .unwrap();
    let cpu = compress_batch(&all, &config, &codebook, None, &control).unwrap();
    compare(&device, &cpu, "11,000 rows");
}
