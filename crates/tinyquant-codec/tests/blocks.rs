//! Blocks of work: what callers see of them is the progress, and that neither bytes nor errors depend on them.

mod common;

use common::{codebook, config};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tinyquant_codec::{
    Codebook, CompressedBatch, CompressedVector, Control, Error, compress, compress_batch,
    decompress_batch, decompress_payloads, decompress_records, rotate,
};
use tinyquant_testkit::seeded;

/// What a call reports of its progress, in order: one thread does the work.
fn reports(call: impl FnOnce(&Control)) -> Vec<(usize, usize)> {
    let seen = Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    call(&Control {
        cancelled: None,
        progress: Some(&progress),
    });
    seen.into_inner().unwrap()
}

#[test]
fn progress_comes_after_each_block_of_96_rows() {
    let (config, codebook) = (config(4, 8, true), codebook(4));
    let vectors = seeded::normal(3, 200 * 8, 0.3);
    let expected = [(96, 200), (192, 200), (200, 200)];
    let batch = compress_batch(&vectors, &config, &codebook, None, &Control::default()).unwrap();
    let compressing = reports(|control| {
        compress_batch(&vectors, &config, &codebook, None, control).unwrap();
    });
    assert_eq!(compressing, expected);
    let decompressing = reports(|control| {
        decompress_batch(&batch, &config, &codebook, None, control).unwrap();
    });
    assert_eq!(decompressing, expected);
}

#[test]
fn the_later_of_two_cancelled_blocks_is_not_begun() {
    let flag = AtomicBool::new(false);
    let progress = |_, _| flag.store(true, Ordering::Relaxed);
    let control = Control {
        cancelled: Some(&flag),
        progress: Some(&progress),
    };
    let (config, codebook) = (config(4, 8, true), codebook(4));
    let mut vectors = seeded::normal(3, 200 * 8, 0.3);
    // A failure of a block that is never begun.
    vectors[150 * 8] = 1e9;
    let result = compress_batch(&vectors, &config, &codebook, None, &control);
    assert_eq!(result, Err(Error::Cancelled));
    assert_eq!(
        rotate(&vectors, &config, &control).err(),
        Some(Error::Cancelled)
    );
}

#[test]
fn rotating_keeps_rows_in_place() {
    let config = config(4, 20, true);
    let vectors = seeded::normal(3, 200 * 20, 0.3);
    let rotated = rotate(&vectors, &config, &Control::default()).unwrap();
    assert_eq!(rotated.len(), vectors.len());
    let rotation = tinyquant_codec::Rotation::shared(42, 20, &Control::default()).unwrap();
    let all: Vec<usize> = (0..20).collect();
    for (vector, rotated) in vectors.chunks(20).zip(rotated.chunks(20)) {
        assert_eq!(rotation.coordinates(vector, &all), rotated);
    }
}

#[test]
fn a_residual_beyond_f16_is_named_with_its_value() {
    let config = config(2, 2, true);
    let codebook = Codebook::from_entries(&[-1.0, 0.0, 1.0, 2.0], 2).unwrap();
    let control = Control::default();
    let rotation = tinyquant_codec::Rotation::shared(42, 2, &control).unwrap();
    let matrix = rotation.to_row_major().unwrap();
    // What rotates to 0.5 and a million.
    let vector: Vec<f32> = (0..2)
        .map(|column| (matrix[column] * 0.5 + matrix[2 + column] * 1e6) as f32)
        .collect();
    let vectors = [&[0.0; 4][..], &vector].concat();
    match compress_batch(&vectors, &config, &codebook, None, &control) {
        Err(Error::ResidualOverflow { row, column, value }) => {
            assert_eq!((row, column), (2, 1));
            assert!((value - (1e6 - 2.0)).abs() < 1.0, "{value}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_that_decodes_beyond_f32_is_named() {
    let (config, codebook) = (config(4, 9, true), codebook(4));
    let vectors = seeded::normal(3, 200 * 9, 0.3);
    let control = Control::default();
    let batch = compress_batch(&vectors, &config, &codebook, None, &control).unwrap();
    let mut residuals = batch.residuals().to_vec();
    residuals[150 * 18..151 * 18].copy_from_slice(&[0_u8, 0x7c].repeat(9));
    let hash = batch.config_hash().unwrap();
    let damaged =
        CompressedBatch::from_parts(hash, 9, 4, true, batch.packed().to_vec(), residuals).unwrap();
    let error = decompress_batch(&damaged, &config, &codebook, None, &control).unwrap_err();
    assert!(
        matches!(error, Error::DecodedNonFinite { row: 150, .. }),
        "{error}"
    );
    let record = damaged.record(150).unwrap();
    let error = tinyquant_codec::decompress(&record, &config, &codebook).unwrap_err();
    assert!(
        matches!(error, Error::DecodedNonFinite { row: 0, .. }),
        "{error}"
    );
}

#[test]
fn payloads_decode_as_their_records_and_are_measured() {
    let (config, codebook, control) = (config(4, 9, true), codebook(4), Control::default());
    let records: Vec<CompressedVector> = seeded::normal(3, 18, 0.3)
        .chunks(9)
        .map(|vector| compress(vector, &config, &codebook).unwrap())
        .collect();
    let (first, second) = (&records[0], &records[1]);
    let expected =
        decompress_records(&[first, second], &config, &codebook, None, &control).unwrap();
    let decode = |rows: &[(&[u8], &[u8])]| {
        decompress_payloads(rows, &config, &codebook, None, &control).map_err(|e| e.to_string())
    };
    let (a, b) = (first.residual().unwrap(), second.residual().unwrap());
    assert_eq!(
        decode(&[(first.packed(), a), (second.packed(), b)]),
        Ok(expected)
    );
    // Without its residual a row is its codes alone.
    let bare =
        CompressedVector::from_parts(first.config_hash(), 9, 4, first.packed().to_vec(), None)
            .unwrap();
    let expected = decompress_records(&[&bare], &config, &codebook, None, &control).unwrap();
    assert_eq!(decode(&[(first.packed(), &[])]), Ok(expected));
    for (packed, residual) in [
        (&first.packed()[1..], a),
        (first.packed(), &a[1..]),
        (&first.packed()[1..], &[]),
    ] {
        let message = decode(&[(first.packed(), a), (packed, residual)]).unwrap_err();
        let expected = format!(
            "row 1: {} index bytes and {} residual bytes, expected 5 and 18 or none",
            packed.len(),
            residual.len()
        );
        assert_eq!(message, expected);
    }
}

#[test]
fn a_batch_counts_its_bytes_and_gives_its_rows() {
    let (config, codebook, control) = (config(4, 9, true), codebook(4), Control::default());
    let batch = compress_batch(
        &seeded::normal(3, 27, 0.3),
        &config,
        &codebook,
        None,
        &control,
    )
    .unwrap();
    assert!(!batch.is_empty());
    assert_eq!((batch.len(), batch.size_bytes()), (3, 3 * (5 + 18)));
    assert!(batch.record(2).is_some() && batch.record(3).is_none());
    let record = batch.record(2).unwrap();
    assert_eq!((record.size_bytes(), record.has_residual()), (23, true));
    assert_eq!(record.packed(), &batch.packed()[10..]);
    assert_eq!(record.residual(), Some(&batch.residuals()[36..]));
    let (packed, residuals) = batch.clone().into_payloads();
    assert_eq!((&*packed, &*residuals), (batch.packed(), batch.residuals()));
}
