//! Configuration hashes, codebooks, records and decoded vectors against TinyQuant 1.1.0.

use serde_json::Value;
use std::path::{Path, PathBuf};
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedVector, Control, ErrorCode, TrainMethod, compress,
    compress_batch, decompress, decompress_batch,
};
use tinyquant_testkit::{golden, sha256};

fn seed_of(case: &Value) -> u64 {
    match &case["seed"] {
        Value::String(text) => text.parse().unwrap(),
        number => number.as_u64().unwrap(),
    }
}

fn train(vectors: &[f32], config: &CodecConfig) -> Codebook {
    Codebook::train(vectors, config, TrainMethod::TinyQuant, &Control::default()).unwrap()
}

/// Bits of a finite f32 as an integer whose steps are units in the last place.
fn ulps(value: f32) -> i64 {
    let bits = i64::from(value.to_bits() & 0x7fff_ffff);
    if value.is_sign_negative() {
        -bits
    } else {
        bits
    }
}

fn assert_within_an_ulp(got: &[f32], expected: &[f32], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (ulps(*got) - ulps(*expected)).abs() <= 1,
            "{what} value {i}: {got:e} for {expected:e}"
        );
    }
}

#[test]
fn config_hashes() {
    let cases = golden::json("config/config_hashes.json");
    for case in cases["cases"].as_array().unwrap() {
        let config = CodecConfig::new(
            case["bit_width"].as_u64().unwrap() as u8,
            seed_of(case),
            case["dimension"].as_u64().unwrap() as u32,
            case["residual_enabled"].as_bool().unwrap(),
        )
        .unwrap();
        assert_eq!(
            config.config_hash(),
            case["config_hash"].as_str().unwrap(),
            "{case}"
        );
    }
}

#[test]
fn codebooks_of_the_training_set() {
    let vectors = golden::f32s("train/train_n500_d64.f32.bin");
    for bits in [2, 4, 8] {
        let config = CodecConfig::new(bits, 42, 64, true).unwrap();
        let expected = golden::f32s(&format!("train/codebook_d64_bw{bits}.f32.bin"));
        assert_eq!(train(&vectors, &config).entries(), expected, "{bits} bits");
    }
}

#[test]
fn codebooks_of_small_sets() {
    let bits_of = |list: &Value| -> Vec<f32> {
        let hex = |value: &Value| u32::from_str_radix(value.as_str().unwrap(), 16).unwrap();
        list.as_array()
            .unwrap()
            .iter()
            .map(|value| f32::from_bits(hex(value)))
            .collect()
    };
    let mut accepted = 0;
    for case in golden::json("train/small_cases.json").as_array().unwrap() {
        let values = bits_of(&case["values"]);
        let config =
            CodecConfig::new(case["bit_width"].as_u64().unwrap() as u8, 42, 1, true).unwrap();
        let got = Codebook::train(
            &values,
            &config,
            TrainMethod::TinyQuant,
            &Control::default(),
        );
        if values.iter().any(|value| !value.is_finite()) {
            assert_eq!(got.unwrap_err().code(), ErrorCode::NonFinite, "{case}");
        } else if case["entries"].is_array() {
            let (got, expected) = (got.unwrap(), bits_of(&case["entries"]));
            let same = got
                .entries()
                .iter()
                .zip(&expected)
                .all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same && got.entries().len() == expected.len(), "{case}");
            accepted += 1;
        } else {
            assert_eq!(got.unwrap_err().code(), ErrorCode::InvalidArg, "{case}");
        }
    }
    assert!(accepted > 5);
}

#[test]
fn records_of_64_dimensions() {
    let vectors = golden::f32s("d64/vectors_n200.f32.bin");
    for bits in [2, 4, 8] {
        let codebook = Codebook::from_entries(
            &golden::f32s(&format!("train/codebook_d64_bw{bits}.f32.bin")),
            bits,
        )
        .unwrap();
        for residual in [true, false] {
            let name = format!("d64/bw{bits}_{}", if residual { "res" } else { "nores" });
            let config = CodecConfig::new(bits, 42, 64, residual).unwrap();
            let expected = golden::bytes(&format!("{name}_to_bytes.bin"));
            let batch =
                compress_batch(&vectors, &config, &codebook, None, &Control::default()).unwrap();
            assert!(batch.to_bytes() == expected, "{name}");
            let decoded = golden::f32s(&format!("{name}_decompressed.f32.bin"));
            let own =
                decompress_batch(&batch, &config, &codebook, None, &Control::default()).unwrap();
            assert_within_an_ulp(&own, &decoded, &name);
            for (i, vector) in vectors.chunks(64).enumerate() {
                let record = compress(vector, &config, &codebook).unwrap();
                assert_eq!(batch.record(i).unwrap(), record, "{name} {i}");
                assert_eq!(
                    own[i * 64..][..64],
                    decompress(&record, &config, &codebook).unwrap(),
                    "{name} {i}"
                );
            }
            if residual {
                let indices = golden::bytes(&format!("{name}_indices.u8.bin"));
                let residuals = golden::bytes(&format!("{name}_residual.bin"));
                for i in 0..batch.len() {
                    let record = batch.record(i).unwrap();
                    assert_eq!(record.indices(), indices[i * 64..][..64]);
                    assert_eq!(record.residual().unwrap(), &residuals[i * 128..][..128]);
                }
            }
        }
    }
}

#[test]
fn special_rows_are_equal_or_refused() {
    let vectors = golden::f32s("d64/special_n12.f32.bin");
    let mut refused = 0;
    for bits in [2, 4, 8] {
        let codebook = Codebook::from_entries(
            &golden::f32s(&format!("train/codebook_d64_bw{bits}.f32.bin")),
            bits,
        )
        .unwrap();
        let config = CodecConfig::new(bits, 42, 64, true).unwrap();
        let expected = golden::bytes(&format!("d64/special_bw{bits}_res_to_bytes.bin"));
        for (vector, expected) in vectors.chunks(64).zip(expected.chunks(expected.len() / 12)) {
            let upstream = CompressedVector::from_bytes(expected).unwrap();
            let infinite = upstream
                .residual()
                .unwrap()
                .as_chunks::<2>()
                .0
                .iter()
                .any(|half| half[1] & 0x7c == 0x7c);
            match compress(vector, &config, &codebook) {
                Ok(record) => assert_eq!(record, upstream),
                Err(error) if vector.iter().any(|value| !value.is_finite()) => {
                    assert_eq!(error.code(), ErrorCode::NonFinite);
                    refused += 1;
                }
                Err(error) => {
                    assert_eq!(error.code(), ErrorCode::Limit, "{error}");
                    assert!(infinite);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0 && refused < 36);
}

#[test]
fn odd_dimensions() {
    let cases = golden::json("odd_dims.json");
    let mut codebooks: Vec<(String, Vec<f32>)> = golden::bytes("train/odd_dims_bw8.f32.bin")
        .chunks(1024)
        .map(|b| (sha256(b), golden::to_f32s(b)))
        .collect();
    for case in cases.as_array().unwrap() {
        let digest = case["codebook_sha256"].as_str().unwrap().to_owned();
        if let Some(hex) = case["codebook_hex"].as_str() {
            codebooks.push((digest.clone(), golden::to_f32s(&golden::unhex(hex))));
        }
        let entries = &codebooks
            .iter()
            .find(|(known, _)| *known == digest)
            .unwrap()
            .1;
        let bits = case["bit_width"].as_u64().unwrap() as u8;
        let dimension = case["dimension"].as_u64().unwrap() as u32;
        let config = CodecConfig::new(
            bits,
            seed_of(case),
            dimension,
            case["residual"].as_bool().unwrap(),
        )
        .unwrap();
        let codebook = Codebook::from_entries(entries, bits).unwrap();
        let hexes = |name: &str| -> Vec<Vec<u8>> {
            case[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|hex| golden::unhex(hex.as_str().unwrap()))
                .collect()
        };
        let (vectors, records, decoded) = (
            hexes("vectors_hex"),
            hexes("to_bytes_hex"),
            hexes("decompressed_hex"),
        );
        for ((vector, record), decoded) in vectors.iter().zip(&records).zip(&decoded) {
            let own = compress(&golden::to_f32s(vector), &config, &codebook).unwrap();
            assert_eq!(own.to_bytes(), *record, "dimension {dimension} bits {bits}");
            assert_eq!(
                own.size_bytes() as u64,
                case["size_bytes"].as_u64().unwrap()
            );
            assert_eq!(CompressedVector::from_bytes(record).unwrap(), own);
            let back = decompress(&own, &config, &codebook).unwrap();
            assert_within_an_ulp(
                &back,
                &golden::to_f32s(decoded),
                &format!("dimension {dimension}"),
            );
        }
    }
}

/// A file of the test data outside the project, by the end of its name, and the folder it is in.
fn find(dir: &Path, suffix: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with(suffix))
}

/// The 335 real embeddings of 1536 dimensions, read where they lie: they are not part of the project.
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn real_embeddings() -> Option<(Vec<f32>, PathBuf)> {
    let found = golden::data_dir()
        .and_then(|dir| Some((golden::npy_f32s(&find(&dir, "-335x1536.npy")?), dir)));
    if found.is_none() {
        eprintln!("SKIPPED: the 335 embeddings are absent; set TINYQUANT_DATA to their folder");
    }
    found
}

#[test]
fn records_of_real_embeddings() {
    let Some((vectors, dir)) = real_embeddings() else {
        return;
    };
    let digests = dir.parent().and_then(|parent| {
        let mut folders = std::fs::read_dir(parent.join("reference/tinyquant")).ok()?;
        folders.find_map(|folder| find(&folder.ok()?.path(), "all335_digests.json"))
    });
    let Some(digests) = digests else {
        eprintln!("SKIPPED: the digests of the 335 records are absent");
        return;
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .unwrap();
    let digests: Value = serde_json::from_slice(&std::fs::read(digests).unwrap()).unwrap();
    for case in digests
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["rotation"] == "kc1024")
    {
        let bits = case["bit_width"].as_u64().unwrap() as u8;
        let config = CodecConfig::new(bits, 42, 1536, case["residual"].as_bool().unwrap()).unwrap();
        let codebook = train(&vectors, &config);
        let batch = compress_batch(
            &vectors,
            &config,
            &codebook,
            Some(&pool),
            &Control::default(),
        )
        .unwrap();
        let bytes = batch.to_bytes();
        assert_eq!(
            bytes.len() as u64,
            335 * case["record_len"].as_u64().unwrap()
        );
        assert_eq!(
            sha256(&bytes),
            case["to_bytes_sha256"].as_str().unwrap(),
            "{case}"
        );
    }
}

/// Mean squared error and recall@5 of the levels trained by Lloyd's method, per bit width.
#[test]
fn lloyd_max_on_real_embeddings() {
    let Some((vectors, _)) = real_embeddings() else {
        return;
    };
    let control = Control::default();
    let top5 = |rows: &[f32], query: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| {
            a.iter()
                .zip(b)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum::<f64>()
        };
        let score = |row: &[f32]| dot(row, query) / dot(row, row).sqrt();
        let mut scored: Vec<_> = rows.chunks(1536).map(score).enumerate().collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1));
        scored[..5].iter().map(|(row, _)| *row).collect::<Vec<_>>()
    };
    for (bits, most_error, least_recall) in [
        (2, 7.65e-5, 0.935),
        (4, 6.25e-6, 0.975),
        (8, 1.35e-7, 0.993),
    ] {
        let config = CodecConfig::new(bits, 42, 1536, false).unwrap();
        let codebook = Codebook::train(&vectors, &config, TrainMethod::LloydMax, &control).unwrap();
        let batch = compress_batch(&vectors, &config, &codebook, None, &control).unwrap();
        let decoded = decompress_batch(&batch, &config, &codebook, None, &control).unwrap();
        let error = vectors
            .iter()
            .zip(&decoded)
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum::<f64>()
            / vectors.len() as f64;
        let found: usize = vectors
            .chunks(1536)
            .map(|query| {
                let exact = top5(&vectors, query);
                top5(&decoded, query)
                    .iter()
                    .filter(|row| exact.contains(row))
                    .count()
            })
            .sum();
        let recall = found as f64 / (335.0 * 5.0);
        eprintln!("{bits} bits: MSE {error:.3e}, recall@5 {recall:.4}");
        assert!(error <= most_error, "{bits} bits: MSE {error:e}");
        assert!(recall >= least_recall, "{bits} bits: recall@5 {recall}");
    }
}
