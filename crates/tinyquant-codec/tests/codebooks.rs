//! Codebooks: what training makes of few values, what a damaged file is told, and what a code means.

mod common;

use common::config;
use tinyquant_codec::{Codebook, Control, Error, TrainMethod, check_batch, compress_batch};

fn train(values: &[f32], bits: u8, method: TrainMethod) -> Result<Codebook, Error> {
    Codebook::train(values, &config(bits, 1, false), method, &Control::default())
}

#[test]
fn quantiles_lie_between_their_neighbours() {
    // Places 0, 4/3, 8/3 and 4 of five values.
    let codebook = train(&[8.0, 1.0, 4.0, 2.0, 16.0], 2, TrainMethod::TinyQuant).unwrap();
    let between = |low: f64, high: f64, share: f64| (low + share * (high - low)) as f32;
    let third = 4.0 / 3.0 - 1.0;
    let expected = [
        1.0,
        between(2.0, 4.0, third),
        between(4.0, 8.0, 8.0 / 3.0 - 2.0),
        16.0,
    ];
    assert_eq!(codebook.entries(), expected);
}

#[test]
fn too_few_values_are_counted() {
    for method in [TrainMethod::TinyQuant, TrainMethod::LloydMax] {
        for (values, got) in [(&[][..], 0), (&[1.0, 1.0, 2.0, 1.0], 2)] {
            let expected = Error::InsufficientTrainingData { expected: 4, got };
            assert_eq!(train(values, 2, method), Err(expected), "{method:?}");
        }
        assert_eq!(
            train(&[3.0, 1.0, 2.0, 4.0], 2, method)
                .unwrap()
                .entries()
                .len(),
            4
        );
    }
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let control = Control::default();
    let train = |values: &[f32]| {
        Codebook::train(
            values,
            &config(2, 4, false),
            TrainMethod::TinyQuant,
            &control,
        )
        .unwrap_err()
    };
    assert_eq!(
        train(&[0.0; 6]),
        Error::RaggedRows {
            got: 6,
            dimension: 4
        }
    );
    assert_eq!(
        train(&[0.0, 1.0, 2.0, 3.0, 4.0, f32::NAN, 5.0, 6.0]),
        Error::NonFinite {
            row: 1,
            column: 1,
            value: "NaN"
        }
    );
}

#[test]
fn entries_out_of_order_are_named() {
    let refused = |entries: &[f32]| Codebook::from_entries(entries, 2).unwrap_err();
    assert_eq!(
        refused(&[0.0, 1.0, 3.0, 2.0]),
        Error::CodebookNotSorted { index: 3 }
    );
    assert_eq!(
        refused(&[0.0, 1.0, 1.0, 2.0]),
        Error::CodebookDuplicate {
            expected: 4,
            index: 2
        }
    );
    assert_eq!(
        refused(&[0.0, 1.0]),
        Error::CodebookEntryCount {
            expected: 4,
            got: 2,
            bit_width: 2
        }
    );
    assert_eq!(
        refused(&[0.0, 1.0, f32::INFINITY, 2.0]),
        Error::NonFinite {
            row: 0,
            column: 2,
            value: "Infinity"
        }
    );
    assert!(Codebook::from_entries(&[-0.0, 0.0, 1.0, 2.0], 2).is_ok());
}

#[test]
fn a_damaged_file_says_where() {
    let bytes = Codebook::from_entries(&[-1.0, 0.0, 1.0, 2.0], 2)
        .unwrap()
        .to_bytes();
    for (at, value, expected) in [
        (0, b'X', ("BadMagic", 0)),
        (3, b'X', ("BadMagic", 0)),
        (5, 3, ("InvalidBitWidth", 5)),
        (6, 1, ("InvalidHeader", 6)),
        (7, 1, ("InvalidHeader", 6)),
        (8, 5, ("InvalidHeader", 8)),
    ] {
        let mut damaged = bytes.clone();
        damaged[at] = value;
        match Codebook::from_bytes(&damaged) {
            Err(Error::Malformed { kind, offset, .. }) => assert_eq!((kind, offset), expected),
            other => panic!("{other:?}"),
        }
    }
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert_eq!(
        Codebook::from_bytes(&newer),
        Err(Error::UnknownVersion { got: 2, offset: 4 })
    );
    let cut = |len: usize| Codebook::from_bytes(&bytes[..len]).unwrap_err();
    assert_eq!(
        cut(11),
        Error::Truncated {
            needed: 12,
            got: 11
        }
    );
    assert_eq!(
        cut(12),
        Error::Truncated {
            needed: 28,
            got: 12
        }
    );
    assert_eq!(
        cut(27),
        Error::Truncated {
            needed: 28,
            got: 27
        }
    );
    match Codebook::from_bytes(&[&bytes[..], &[0]].concat()) {
        Err(Error::Malformed { kind, offset, .. }) => {
            assert_eq!((kind, offset), ("TrailingBytes", 28));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn codebooks_are_equal_by_the_bits_of_their_entries() {
    let codebook = |entries: &[f32]| Codebook::from_entries(entries, 2).unwrap();
    let own = codebook(&[-1.0, 0.0, 1.0, 2.0]);
    assert_eq!(own, codebook(&[-1.0, 0.0, 1.0, 2.0]));
    assert_ne!(own, codebook(&[-1.0, -0.0, 1.0, 2.0]));
    assert_ne!(own, codebook(&[-1.0, 0.0, 1.0, 3.0]));
    let wider: Vec<f32> = (0..16_u8).map(f32::from).collect();
    assert_ne!(own, Codebook::from_entries(&wider, 4).unwrap());
}

#[test]
fn a_code_is_the_number_of_thresholds_that_a_value_reaches() {
    let codebook = Codebook::from_entries(&[-3.0, -1.0, 1.0, 5.0], 2).unwrap();
    let least = codebook.thresholds()[0];
    assert!(least.is_infinite() && least < 0.0, "{least}");
    for (code, middle) in [(1, -2.0), (2, 0.0), (3, 3.0)] {
        let threshold = codebook.thresholds()[usize::from(code)];
        assert!((threshold - middle).abs() < 1e-6, "{threshold}");
        assert_eq!(codebook.code(threshold), code);
        assert_eq!(codebook.code(threshold.next_down()), code - 1);
    }
    assert_eq!([-9.0, f32::MAX].map(|value| codebook.code(value)), [0, 3]);
    // Of two zeros the first one stands for both.
    let zeros = Codebook::from_entries(&[-1.0, -0.0, 0.0, 1.0], 2).unwrap();
    assert_eq!([-0.0, 0.0].map(|value| zeros.code(value)), [1, 1]);
}

#[test]
fn a_batch_is_checked_before_it_is_decompressed() {
    let control = Control::default();
    let codebook = Codebook::from_entries(&[-1.0, 0.0, 1.0, 2.0], 2).unwrap();
    let batch = compress_batch(&[0.5; 8], &config(2, 4, false), &codebook, None, &control).unwrap();
    assert_eq!(check_batch(&batch, &config(2, 4, false), &codebook), Ok(()));
    assert!(matches!(
        check_batch(&batch, &config(2, 8, false), &codebook),
        Err(Error::ConfigMismatch { row: Some(0), .. })
    ));
    let empty = compress_batch(&[], &config(2, 4, false), &codebook, None, &control).unwrap();
    assert_eq!(check_batch(&empty, &config(2, 8, false), &codebook), Ok(()));
}
