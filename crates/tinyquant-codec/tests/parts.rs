//! Batches and layouts of their parts, and records read under a known layout.

mod common;

use common::{codebook, config};
use tinyquant_codec::{
    CompressedBatch, CompressedVector, Control, Error, ErrorCode, RecordLayout, compress_batch,
};
use tinyquant_testkit::seeded;

const HASH: &str = "phase17-golden";

fn batch(dimension: u32, bits: u8, residual: bool) -> CompressedBatch {
    compress_batch(
        &seeded::normal(5, 3 * dimension as usize, 0.3),
        &config(bits, dimension, residual),
        &codebook(bits),
        None,
        &Control::default(),
    )
    .unwrap()
}

#[test]
fn a_batch_is_its_parts() {
    for (bits, residual) in [(2, true), (4, false), (8, true)] {
        let batch = batch(9, bits, residual);
        assert_eq!(
            (batch.dimension(), batch.bit_width()),
            (Some(9), Some(bits))
        );
        assert_eq!(batch.has_residual(), residual);
        let parts = CompressedBatch::from_parts(
            batch.config_hash().unwrap(),
            9,
            bits,
            residual,
            batch.packed().to_vec(),
            batch.residuals().to_vec(),
        );
        assert_eq!(parts.unwrap(), batch);
        let record = batch.record(0).unwrap().to_bytes();
        assert_eq!(batch.layout().unwrap().record_len(), record.len());
    }
}

#[test]
fn the_largest_records_are_read() {
    for (dimension, bits) in [(16384, 2), (16384, 4), (65536, 8)] {
        let packed = vec![1; dimension * usize::from(bits) / 8];
        let record =
            CompressedVector::from_parts("a".repeat(64), dimension, bits, packed, None).unwrap();
        let bytes = record.to_bytes();
        assert_eq!(CompressedVector::from_bytes(&bytes), Ok(record));
        let mut longer = bytes;
        longer[65..69].copy_from_slice(&(dimension as u32 + 1).to_le_bytes());
        match CompressedVector::from_bytes(&longer) {
            Err(Error::Malformed { kind, offset, .. }) => {
                assert_eq!((kind, offset), ("InvalidDimension", 65));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_record_is_refused_for_each_of_its_parts() {
    let hash = "a".repeat(64);
    let from_parts = |hash: &str, packed: &[u8], residual: usize| {
        CompressedVector::from_parts(hash, 9, 4, packed.to_vec(), Some(vec![0; residual]))
    };
    let good = [1, 2, 3, 4, 5];
    from_parts(&hash, &good, 18).unwrap();
    for (hash, packed, residual) in [
        (&*hash, &good[..4], 18),
        (&hash, &good, 17),
        (&hash, &[1, 2, 3, 4, 0x15], 18),
        (&hash[1..], &good, 18),
        (&"A".repeat(64), &good, 18),
    ] {
        let refused = from_parts(hash, packed, residual).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidArg, "{refused}");
    }
}

#[test]
fn an_empty_batch_has_no_layout() {
    let empty = CompressedBatch::from_parts(HASH, 9, 4, true, vec![], vec![]).unwrap();
    assert_eq!(empty, CompressedBatch::from_bytes(&[]).unwrap());
    assert_eq!((empty.layout(), empty.config_hash()), (None, None));
    assert_eq!((empty.dimension(), empty.bit_width()), (None, None));
    assert!(!empty.has_residual() && empty.is_empty());
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let refused = |hash: &str, dimension, bits, residual, packed: usize, residuals: usize| {
        let (packed, residuals) = (vec![0; packed], vec![0; residuals]);
        CompressedBatch::from_parts(hash, dimension, bits, residual, packed, residuals)
            .unwrap_err()
            .code()
    };
    let long = "x".repeat(65);
    for code in [
        refused(HASH, 0, 4, false, 0, 0),
        refused(HASH, 16385, 4, false, 0, 0),
        refused(HASH, 65537, 8, false, 0, 0),
        refused(HASH, 9, 3, false, 0, 0),
        refused(&long, 9, 4, false, 0, 0),
        refused("a\0", 9, 4, false, 0, 0),
        refused(HASH, 9, 4, false, 6, 0),
        refused(HASH, 9, 4, false, 5, 18),
        refused(HASH, 9, 4, true, 5, 17),
        refused(HASH, 9, 4, true, 5, 0),
    ] {
        assert_eq!(code, ErrorCode::InvalidArg);
    }
    let error = CompressedBatch::from_parts(
        HASH,
        9,
        4,
        false,
        vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 16],
        vec![],
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("record 1"), "{error}");
}

#[test]
fn a_short_hash_is_padded_and_only_read_under_its_layout() {
    let batch = CompressedBatch::from_parts(HASH, 4, 4, false, vec![0x21, 0x43], vec![]).unwrap();
    let bytes = batch.to_bytes();
    assert_eq!(&bytes[1..15], HASH.as_bytes());
    assert!(bytes[15..65].iter().all(|byte| *byte == 0));
    let layout = batch.layout().unwrap();
    assert_eq!(layout.record_len(), bytes.len());
    assert_eq!(
        layout.read(&bytes, 0).unwrap(),
        (&[0x21, 0x43][..], &[][..])
    );
    assert_eq!(batch.record(0).unwrap().to_bytes(), bytes);
    let error = CompressedVector::from_bytes(&bytes).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Malformed {
                kind: "InvalidHash",
                offset: 1,
                ..
            }
        ),
        "{error}"
    );
}

/// Every byte of a record under its layout: changed, it is refused where it stands, unless it is a code.
#[test]
fn records_of_another_layout_are_refused_with_the_offset() {
    let batch = batch(9, 4, true);
    let layout = batch.layout().unwrap();
    let record = batch.record(1).unwrap().to_bytes();
    for at in 0..record.len() {
        let mut damaged = record.clone();
        damaged[at] ^= 0xc0;
        let expected = match at {
            0 => Some((0, "UnknownVersion")),
            1..65 => Some((1, "MixedRecords")),
            65..69 => Some((65, "MixedRecords")),
            69 => Some((69, "MixedRecords")),
            74 => Some((74, "NonZeroPadding")),
            75 => Some((75, "InvalidResidualFlag")),
            76..80 => Some((76, "LengthMismatch")),
            _ => None,
        };
        let got = layout.read(&damaged, 1000).err().map(|error| match error {
            Error::Malformed { kind, offset, .. } => (offset - 1000, kind),
            other => panic!("{at}: {other}"),
        });
        assert_eq!(got, expected, "{at}");
    }
    for len in 0..record.len() {
        let needed = 7 + match len {
            0..70 => 70,
            70..76 => 76,
            76..80 => 80,
            _ => 98,
        };
        let got = 7 + len as u64;
        let error = layout.read(&record[..len], 7).unwrap_err();
        assert_eq!(error, Error::Truncated { needed, got });
    }
    let longer = [&record[..], &[0]].concat();
    let error = layout.read(&longer, 7).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Malformed {
                kind: "TrailingBytes",
                offset: 105,
                ..
            }
        ),
        "{error}"
    );

    let plain = RecordLayout::new(layout.config_hash(), 9, 4, false).unwrap();
    let error = plain.read(&record, 0).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("residual flag 1, its file 0"), "{text}");
    assert!(
        matches!(
            error,
            Error::Malformed {
                kind: "MixedRecords",
                offset: 75,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn layouts_fit_only_themselves() {
    let layout = |hash: &str, dimension, bits, residual| {
        RecordLayout::new(hash, dimension, bits, residual).unwrap()
    };
    let own = layout(HASH, 9, 4, true);
    own.check_fits(&layout(HASH, 9, 4, true)).unwrap();
    for (other, code) in [
        (layout("other", 9, 4, true), ErrorCode::ConfigMismatch),
        (layout(HASH, 9, 2, true), ErrorCode::CodebookMismatch),
        (layout(HASH, 8, 4, true), ErrorCode::DimMismatch),
        (layout(HASH, 9, 4, false), ErrorCode::InvalidArg),
    ] {
        assert_eq!(own.check_fits(&other).unwrap_err().code(), code);
        assert_eq!(other.check_fits(&own).unwrap_err().code(), code);
    }
}
