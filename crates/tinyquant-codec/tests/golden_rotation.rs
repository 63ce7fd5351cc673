//! Rotation matrices against those of TinyQuant 1.1.0.

use std::sync::Arc;
use tinyquant_codec::{CodecConfig, Control, Error, Rotation, cache_info, rotate};
use tinyquant_kernels::{Level, force};
use tinyquant_testkit::{golden, sha256};

fn shared(seed: u64, dimension: usize) -> Arc<Rotation> {
    Rotation::shared(seed, dimension, &Control::default()).unwrap()
}

fn assert_close(got: &[f64], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len());
    let worst = got
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    assert!(worst <= 1e-13, "{what}: {worst:e}");
}

#[test]
fn whole_matrices() {
    for (seed, dimension) in [(42, 64), (7, 128)] {
        let expected = golden::f64s(&format!("rotation/wheel_seed{seed}_dim{dimension}.f64.bin"));
        assert_close(
            &shared(seed, dimension).to_row_major().unwrap(),
            &expected,
            &format!("{seed} {dimension}"),
        );
    }
}

#[test]
fn rows_of_large_matrices() {
    for (dimension, rows) in [(768, [0, 1, 383, 767]), (1536, [0, 1, 767, 1535])] {
        let expected = golden::f64s(&format!(
            "rotation/rows_seed42_dim{dimension}_kc1024.f64.bin"
        ));
        let matrix = shared(42, dimension).to_row_major().unwrap();
        for (row, expected) in rows.iter().zip(expected.chunks(dimension)) {
            assert_close(
                &matrix[row * dimension..][..dimension],
                expected,
                &format!("{dimension} row {row}"),
            );
        }
    }
}

/// The bits are the project's own and must never change: records decode only with the matrix that made them.
#[test]
fn bits_are_frozen() {
    for (seed, dimension, expected) in [
        (
            42,
            1,
            "e77817b649821c634355a917817c1224a360514b1244fe09e832bac4e8ea4440",
        ),
        (
            42,
            64,
            "60164487ae7408ccc16499521fe0dc37192e6aa6eecd0743f14c7b3471d28931",
        ),
        (
            7,
            100,
            "f2ca095d1cc2235506089581ad68a05ccac16c34aba68534924ebd6845bbd05f",
        ),
        (
            42,
            768,
            "5779d630a35d78f6198e38029075e11a9c2daa20e023fa047d27856008ed711a",
        ),
    ] {
        let matrix = shared(seed, dimension).to_row_major().unwrap();
        let bytes: Vec<u8> = matrix
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(
            sha256(&bytes),
            expected,
            "seed {seed} dimension {dimension}"
        );
    }
}

#[test]
fn rows_are_orthonormal() {
    for dimension in [1, 2, 17, 100, 257] {
        let matrix = shared(3, dimension).to_row_major().unwrap();
        for (i, a) in matrix.chunks(dimension).enumerate() {
            for (j, b) in matrix.chunks(dimension).enumerate() {
                let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let expected = f64::from(u8::from(i == j));
                assert!(
                    (dot - expected).abs() < 1e-12,
                    "{dimension}: rows {i} and {j} give {dot}"
                );
            }
        }
    }
}

#[test]
fn threads_share_one_matrix() {
    let first = shared(9_000_000, 200);
    let bytes_before = cache_info().bytes;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert!(Arc::ptr_eq(&first, &shared(9_000_000, 200)));
                (9_000_001..9_000_004).for_each(|seed| assert_eq!(shared(seed, 200).seed(), seed));
            });
        }
    });
    assert!(cache_info().bytes > bytes_before);
}

#[test]
fn building_can_be_cancelled_and_tried_again() {
    let flag = std::sync::atomic::AtomicBool::new(true);
    let control = Control {
        cancelled: Some(&flag),
        progress: None,
    };
    assert_eq!(
        Rotation::shared(77, 300, &control).err(),
        Some(Error::Cancelled)
    );
    flag.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(
        Rotation::shared(77, 300, &control).unwrap().dimension(),
        300
    );
}

/// Rows of the matrix itself: all but one of their rotated coordinates cancel, and what is left depends on every
/// rounding of the sums.
#[test]
fn sums_are_strict_on_every_level() {
    let dimension = 100;
    let rotation = shared(5, dimension);
    let config = CodecConfig::new(4, 5, dimension as u32, false).unwrap();
    let all: Vec<usize> = (0..dimension).collect();
    for scale in [1e-6, 1.0, 1e6] {
        let matrix = rotation.to_row_major().unwrap();
        let vectors: Vec<f32> = matrix.iter().map(|value| (value * scale) as f32).collect();
        let rows = vectors.chunks(dimension);
        let expected: Vec<f32> = rows
            .flat_map(|row| rotation.coordinates(row, &all))
            .collect();
        for level in Level::supported() {
            force(Some(level)).unwrap();
            let rotated = rotate(&vectors, &config, &Control::default()).unwrap();
            assert!(
                rotated
                    .iter()
                    .zip(&expected)
                    .all(|(a, b)| a.to_bits() == b.to_bits()),
                "{level:?}, scale {scale:e}"
            );
        }
        force(None).unwrap();
    }
}
