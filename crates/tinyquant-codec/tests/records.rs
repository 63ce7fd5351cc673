//! Level-1 records and codebook files: golden bytes, and every way of being wrong.

mod common;

use common::{codebook, config};
use proptest::prelude::*;
use serde_json::Value;
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedBatch, CompressedVector, Control, Error, ErrorCode, compress,
    compress_batch, decompress, decompress_batch, decompress_records,
};
use tinyquant_testkit::{golden, seeded, sha256};

/// Verdicts on upstream's malformed records. Upstream accepts the ones marked `lax`; they do not survive a
/// round trip and are refused here.
const VERDICTS: &[(&str, bool, Option<ErrorCode>)] = &[
    ("ok_residual", false, None),
    ("ok_plain", false, None),
    ("empty", false, Some(ErrorCode::Truncated)),
    ("69_bytes", false, Some(ErrorCode::Truncated)),
    ("70_bytes", false, Some(ErrorCode::Truncated)),
    ("version_0", false, Some(ErrorCode::Version)),
    ("version_2", false, Some(ErrorCode::Version)),
    ("bit_width_0", false, Some(ErrorCode::Format)),
    ("bit_width_3", false, Some(ErrorCode::Format)),
    ("bit_width_1", false, Some(ErrorCode::Format)),
    ("bit_width_16", false, Some(ErrorCode::Format)),
    ("hash_not_utf8", false, Some(ErrorCode::Format)),
    ("hash_all_nul", true, Some(ErrorCode::Format)),
    ("hash_short", true, Some(ErrorCode::Format)),
    ("hash_inner_nul", true, Some(ErrorCode::Format)),
    ("flag_2", false, Some(ErrorCode::Format)),
    ("flag_ff", false, Some(ErrorCode::Format)),
    ("cut_at_flag", false, Some(ErrorCode::Truncated)),
    ("cut_after_flag", false, Some(ErrorCode::Truncated)),
    ("cut_in_len", false, Some(ErrorCode::Truncated)),
    ("cut_in_residual", false, Some(ErrorCode::Truncated)),
    ("residual_len_small", false, Some(ErrorCode::Format)),
    ("residual_len_zero", false, Some(ErrorCode::Format)),
    ("residual_len_huge", false, Some(ErrorCode::Format)),
    ("trailing_bytes", true, Some(ErrorCode::Format)),
    ("trailing_bytes_plain", true, Some(ErrorCode::Format)),
    ("dim_0", true, Some(ErrorCode::Format)),
    ("dim_max", false, Some(ErrorCode::Format)),
    ("dim_20000", false, Some(ErrorCode::Format)),
    ("pad_bits_set", true, Some(ErrorCode::Format)),
    ("version_and_bit_width_bad", false, Some(ErrorCode::Version)),
    ("hash_bad_and_version_bad", false, Some(ErrorCode::Version)),
];

#[test]
fn golden_records_are_read_and_written() {
    for case in golden::json("level1/cases.json").as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let bytes = golden::bytes(&format!("level1/{name}.bin"));
        let record = CompressedVector::from_bytes(&bytes).unwrap();
        assert_eq!(record.to_bytes(), bytes, "{name}");
        assert_eq!(record.dimension() as u64, case["dim"].as_u64().unwrap());
        assert_eq!(
            sha256(&record.indices()),
            case["indices_sha256"].as_str().unwrap(),
            "{name}"
        );
        assert_eq!(
            record.residual().map(sha256).as_deref(),
            case["residual_sha256"].as_str(),
            "{name}"
        );
        let parts = CompressedVector::from_parts(
            record.config_hash(),
            record.dimension(),
            record.bit_width(),
            record.packed().to_vec(),
            record.residual().map(<[u8]>::to_vec),
        );
        assert_eq!(parts.unwrap(), record);
    }
}

#[test]
fn golden_rejections() {
    let cases = golden::json("level1/rejections.json");
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), VERDICTS.len());
    for (case, (name, lax, verdict)) in cases.iter().zip(VERDICTS) {
        assert_eq!(case["name"], *name);
        assert_eq!(*lax, case["wheel"].is_null() && verdict.is_some(), "{name}");
        let bytes = golden::unhex(case["hex"].as_str().unwrap());
        assert_eq!(
            CompressedVector::from_bytes(&bytes)
                .err()
                .map(|error| error.code()),
            *verdict,
            "{name}"
        );
    }
}

#[test]
fn a_record_cut_at_every_byte_is_truncated() {
    for residual in [true, false] {
        let record = compress(
            &seeded::normal(1, 9, 0.3),
            &config(4, 9, residual),
            &codebook(4),
        )
        .unwrap()
        .to_bytes();
        for len in 0..record.len() {
            let error = CompressedVector::from_bytes(&record[..len]).unwrap_err();
            assert_eq!(
                error.code(),
                ErrorCode::Truncated,
                "{len} of {}: {error}",
                record.len()
            );
        }
        let mut longer = record.clone();
        longer.push(0);
        assert_eq!(
            CompressedVector::from_bytes(&longer).unwrap_err().code(),
            ErrorCode::Format
        );
        let twice = [&record[..], &record[..]].concat();
        let batch = CompressedBatch::from_bytes(&twice).unwrap();
        assert_eq!((batch.len(), batch.to_bytes()), (2, twice.clone()));
        for len in 1..record.len() {
            assert_eq!(
                CompressedBatch::from_bytes(&twice[..record.len() + len])
                    .unwrap_err()
                    .code(),
                ErrorCode::Truncated
            );
        }
    }
}

#[test]
fn mixed_records_make_no_batch() {
    let vector = seeded::normal(1, 9, 0.3);
    let a = compress(&vector, &config(4, 9, true), &codebook(4))
        .unwrap()
        .to_bytes();
    let b = compress(&vector, &config(2, 9, true), &codebook(2))
        .unwrap()
        .to_bytes();
    let error = CompressedBatch::from_bytes(&[&a[..], &b[..]].concat()).unwrap_err();
    assert!(
        matches!(error, Error::Malformed { kind: "MixedRecords", offset, .. } if offset == a.len() as u64)
    );
    assert!(CompressedBatch::from_bytes(&[]).unwrap().is_empty());
}

#[test]
fn codebook_constructor() {
    for case in golden::json("train/codebook_constructor.json")
        .as_array()
        .unwrap()
    {
        let entries: Vec<f32> = match &case["entries"] {
            Value::Array(list) => list
                .iter()
                .map(|hex| f32::from_bits(u32::from_str_radix(hex.as_str().unwrap(), 16).unwrap()))
                .collect(),
            _ => (0..65536_u32).map(|k| k as f32).collect(),
        };
        let bits = case["bit_width"].as_u64().unwrap() as u8;
        let got = Codebook::from_entries(&entries, bits);
        if entries.iter().any(|entry| entry.is_nan()) {
            assert_eq!(got.unwrap_err().code(), ErrorCode::NonFinite, "{case}");
        } else if case["result"].is_null() && matches!(bits, 2 | 4 | 8) {
            assert_eq!(got.unwrap().entries(), entries);
        } else {
            assert_eq!(got.unwrap_err().code(), ErrorCode::InvalidArg, "{case}");
        }
    }
}

#[test]
fn codebook_files() {
    for bits in [2, 4, 8] {
        let codebook = codebook(bits);
        let bytes = codebook.to_bytes();
        assert_eq!(bytes.len(), 12 + (4 << bits));
        assert_eq!(Codebook::from_bytes(&bytes).unwrap(), codebook);
        for len in 0..bytes.len() {
            assert_eq!(
                Codebook::from_bytes(&bytes[..len]).unwrap_err().code(),
                ErrorCode::Truncated,
                "{len}"
            );
        }
        for (offset, value, code) in [
            (0, b'X', ErrorCode::Format),
            (4, 2, ErrorCode::Version),
            (5, 3, ErrorCode::Format),
            (5, 31, ErrorCode::Format),
            (6, 1, ErrorCode::Format),
            (8, 255, ErrorCode::Format),
            (11, 1, ErrorCode::Format),
            (15, 0xff, ErrorCode::NonFinite),
        ] {
            let mut damaged = bytes.clone();
            damaged[offset] = value;
            if offset == 15 {
                damaged[14] = 0xff;
            }
            assert_eq!(
                Codebook::from_bytes(&damaged).unwrap_err().code(),
                code,
                "byte {offset}"
            );
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(
            Codebook::from_bytes(&longer).unwrap_err().code(),
            ErrorCode::Format
        );
    }
}

#[test]
fn configurations_out_of_range() {
    for bits in [0, 1, 3, 5, 16, 255] {
        assert!(matches!(
            CodecConfig::new(bits, 0, 0, true),
            Err(Error::UnsupportedBitWidth { .. })
        ));
    }
    assert_eq!(
        CodecConfig::new(4, 0, 0, true),
        Err(Error::InvalidDimension)
    );
    assert_eq!(
        CodecConfig::new(4, 0, 16385, true),
        Err(Error::DimensionTooLarge { got: 16385 })
    );
    assert_eq!(
        CodecConfig::new(4, 0, 16384, true).unwrap().dimension(),
        16384
    );
}

#[test]
fn the_first_bad_row_is_named() {
    let (config, codebook) = (config(4, 8, true), codebook(4));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut vectors = seeded::normal(3, 1000 * 8, 0.3);
        vectors[7 * 8 + 5] = value;
        vectors[900 * 8] = value;
        let error = compress_batch(
            &vectors,
            &config,
            &codebook,
            Some(&pool),
            &Control::default(),
        )
        .unwrap_err();
        assert!(
            matches!(
                error,
                Error::NonFinite {
                    row: 7,
                    column: 5,
                    ..
                }
            ),
            "{error}"
        );
    }
    let mut vectors = seeded::normal(3, 1000 * 8, 0.3);
    vectors[907 * 8] = 3e38;
    vectors[411 * 8 + 2] = -1e6;
    for _ in 0..20 {
        let error = compress_batch(
            &vectors,
            &config,
            &codebook,
            Some(&pool),
            &Control::default(),
        )
        .unwrap_err();
        assert!(
            matches!(error, Error::ResidualOverflow { row: 411, .. }),
            "{error}"
        );
        assert_eq!(error.code(), ErrorCode::Limit);
    }
}

#[test]
fn mismatches_are_refused() {
    let (vector, control) = (seeded::normal(1, 9, 0.3), Control::default());
    let (own, book) = (config(4, 9, true), codebook(4));
    let record = compress(&vector, &own, &book).unwrap();
    let code = |result: Result<Vec<f32>, Error>| result.unwrap_err().code();
    assert_eq!(
        compress(&vector[1..], &own, &book).unwrap_err().code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        compress(&vector, &own, &codebook(2)).unwrap_err().code(),
        ErrorCode::CodebookMismatch
    );
    assert_eq!(
        compress_batch(&vector[1..], &own, &book, None, &control)
            .unwrap_err()
            .code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        code(decompress(&record, &config(4, 9, false), &book)),
        ErrorCode::ConfigMismatch
    );
    assert_eq!(
        code(decompress(&record, &own, &codebook(8))),
        ErrorCode::CodebookMismatch
    );
    let forge = |dimension, bits, packed: usize| {
        CompressedVector::from_parts(own.config_hash(), dimension, bits, vec![0; packed], None)
            .unwrap()
    };
    assert_eq!(
        code(decompress(&forge(8, 4, 4), &own, &book)),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        code(decompress(&forge(9, 8, 9), &own, &book)),
        ErrorCode::CodebookMismatch
    );
    let plain = forge(9, 4, 5);
    let error = decompress_records(
        &[&record, &plain, &forge(8, 4, 4)],
        &own,
        &book,
        None,
        &control,
    )
    .unwrap_err();
    assert!(
        matches!(error, Error::DimensionMismatch { row: Some(2), .. }),
        "{error}"
    );
    // A record without residual decodes under a configuration that has one, beside records that do.
    let both = decompress_records(&[&record, &plain], &own, &book, None, &control).unwrap();
    assert_eq!(both[..9], decompress(&record, &own, &book).unwrap());
    assert_eq!(both[9..], decompress(&plain, &own, &book).unwrap());
    let infinite = CompressedVector::from_parts(
        own.config_hash(),
        9,
        4,
        vec![0; 5],
        Some([0_u8, 0x7c].repeat(9)),
    )
    .unwrap();
    assert_eq!(
        code(decompress(&infinite, &own, &book)),
        ErrorCode::NonFinite
    );
}

#[test]
fn empty_batches() {
    let control = Control::default();
    let batch = compress_batch(&[], &config(4, 9, true), &codebook(4), None, &control).unwrap();
    assert!(batch.is_empty() && batch.to_bytes().is_empty() && batch.record(0).is_none());
    assert!(
        decompress_batch(&batch, &config(4, 9, true), &codebook(4), None, &control)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn cancelling_stops_between_blocks() {
    let flag = std::sync::atomic::AtomicBool::new(false);
    let seen = std::sync::Mutex::new(Vec::new());
    let progress = |done: usize, total: usize| {
        seen.lock().unwrap().push((done, total));
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let control = Control {
        cancelled: Some(&flag),
        progress: Some(&progress),
    };
    let vectors = seeded::normal(3, 1000 * 8, 0.3);
    let result = compress_batch(&vectors, &config(4, 8, true), &codebook(4), None, &control);
    assert_eq!(result, Err(Error::Cancelled));
    assert_eq!(*seen.lock().unwrap(), [(96, 1000)]);
}

/// A row so short that strict and fused sums round to zeros of different sign, and an entry that keeps the sign.
#[test]
fn zeros_have_one_sign_on_every_level() {
    let row = [
        0x0bbc_90a7_u32,
        0x0015_4515,
        0x8983_fdfd,
        0x8b64_26e2,
        0x0a72_816c,
        0x8b41_f73b,
        0x89f9_f367,
        0x0b7c_1770,
        0x8ac9_97ec,
        0x0b05_3b6b,
        0x8b3c_fb3b,
        0x8b49_62d2,
        0x0b0b_4a13,
        0x8b5f_257c,
        0x0ae3_d6de,
        0x0a8a_9619,
    ]
    .map(f32::from_bits);
    let codebook = Codebook::from_entries(&[-1.0, 0.0, 1.0, 2.0], 2).unwrap();
    let expected = compress(&row, &config(2, 16, true), &codebook).unwrap();
    assert_eq!(expected.residual().unwrap()[..2], [0x00, 0x80]);
    for level in tinyquant_kernels::Level::supported() {
        tinyquant_kernels::force(Some(level)).unwrap();
        let batch = compress_batch(
            &row,
            &config(2, 16, true),
            &codebook,
            None,
            &Control::default(),
        )
        .unwrap();
        assert_eq!(batch.record(0).unwrap(), expected, "{level:?}");
    }
    tinyquant_kernels::force(None).unwrap();
}

/// Rows on which the first pass in f32 has nothing to say: every code in doubt, or no f32 sum in range.
#[test]
fn awkward_rows_have_the_same_codes_on_every_level() {
    const D: usize = 48;
    let control = Control::default();
    // An odd number of steps around zero puts a threshold at zero itself.
    for (bits, scale) in [(2, 1.0), (4, 1.0), (4, 1e-42), (2, 1e37), (8, 1.0)] {
        let levels = 1_i16 << bits;
        let entries: Vec<f32> = (0..levels)
            .map(|k| f32::from(2 * k + 1 - levels) * scale)
            .collect();
        let codebook = Codebook::from_entries(&entries, bits).unwrap();
        let config = config(bits, D as u32, false);
        let mut vectors = vec![0.0; 3 * D];
        for factor in [1e-45, 1e-38, 1e-20, 1.0, 1e20, 1e30, 1e37, 3e38] {
            let row = seeded::normal(factor as u64, D, 0.1);
            vectors.extend(
                row.iter()
                    .map(|value| (value * factor).clamp(f32::MIN, f32::MAX)),
            );
            vectors.extend((0..D).map(|i| if i == 5 { factor } else { 0.0 }));
            vectors.extend([factor; D]);
        }
        let mut expected = None;
        for level in tinyquant_kernels::Level::supported() {
            tinyquant_kernels::force(Some(level)).unwrap();
            let batch = compress_batch(&vectors, &config, &codebook, None, &control).unwrap();
            assert_eq!(
                &batch,
                expected.get_or_insert(batch.clone()),
                "{level:?} {bits} bits {scale:e}"
            );
            for (row, vector) in vectors.chunks(D).enumerate() {
                assert_eq!(
                    batch.record(row).unwrap(),
                    compress(vector, &config, &codebook).unwrap()
                );
            }
        }
        tinyquant_kernels::force(None).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_do_not_depend_on_threads_levels_or_batching(
        seed: u64,
        dimension in 1_u32..70,
        rows in 0_usize..220,
        bits in prop::sample::select(vec![2_u8, 4, 8]),
        residual: bool,
    ) {
        let (config, codebook, control) = (config(bits, dimension, residual), codebook(bits), Control::default());
        let vectors = seeded::normal(seed, rows * dimension as usize, 0.4);
        let expected = compress_batch(&vectors, &config, &codebook, None, &control).unwrap();
        let decoded = decompress_batch(&expected, &config, &codebook, None, &control).unwrap();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for level in tinyquant_kernels::Level::supported() {
                tinyquant_kernels::force(Some(level)).unwrap();
                prop_assert_eq!(&compress_batch(&vectors, &config, &codebook, Some(&pool), &control).unwrap(), &expected);
                prop_assert_eq!(&decompress_batch(&expected, &config, &codebook, Some(&pool), &control).unwrap(), &decoded);
            }
        }
        tinyquant_kernels::force(None).unwrap();
        for (row, vector) in vectors.chunks(dimension as usize).enumerate() {
            let record = compress(vector, &config, &codebook).unwrap();
            prop_assert_eq!(expected.record(row).unwrap(), record);
        }
        let read = CompressedBatch::from_bytes(&expected.to_bytes()).unwrap();
        prop_assert_eq!(read.to_bytes(), expected.to_bytes());
    }

    /// A record behind a valid header, with sizes, flag and length as they come: what is read is written again
    /// byte for byte.
    #[test]
    fn hostile_records_are_refused_or_kept(
        dimension in prop_oneof![0_u32..40, Just(16385), Just(65536), Just(65537), any::<u32>()],
        bits in prop_oneof![prop::sample::select(vec![2_u8, 4, 8]), any::<u8>()],
        flag in prop_oneof![0_u8..3, any::<u8>()],
        length in prop_oneof![Just(None), any::<u32>().prop_map(Some)],
        body in prop::collection::vec(any::<u8>(), 0..200),
        fits: bool,
    ) {
        let mut bytes = vec![1];
        bytes.extend(config(4, 9, true).config_hash().bytes());
        bytes.extend(dimension.to_le_bytes());
        bytes.push(bits);
        let packed = (dimension as usize).saturating_mul(usize::from(bits)).div_ceil(8).min(body.len());
        bytes.extend(&body[..packed]);
        bytes.push(flag);
        bytes.extend(length.unwrap_or(dimension.wrapping_mul(2)).to_le_bytes());
        let residual = if fits { (dimension as usize).saturating_mul(2) } else { body.len() };
        bytes.extend(&body[..residual.min(body.len())]);
        if flag == 0 && fits {
            bytes.truncate(70 + packed + 1);
        }
        if let Ok(read) = CompressedVector::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes.clone());
            prop_assert_eq!(read.indices().len(), read.dimension());
        }
        if let Ok(batch) = CompressedBatch::from_bytes(&bytes) {
            prop_assert_eq!(batch.to_bytes(), bytes);
        }
    }

    #[test]
    fn damaged_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0_usize..200, value: u8) {
        let _ = Codebook::from_bytes(&[b"TQCB\x01", &bytes[..]].concat());
        let mut record = compress(&seeded::normal(1, 9, 0.3), &config(4, 9, true), &codebook(4)).unwrap().to_bytes();
        let at = at % record.len();
        record[at] = value;
        if let Ok(read) = CompressedVector::from_bytes(&record) {
            prop_assert_eq!(read.to_bytes(), record);
        }
    }
}
