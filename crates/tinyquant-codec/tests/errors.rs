//! What every error says: its code, its details in their order, and its text.

use std::fmt::Write;
use tinyquant_codec::{Detail, Error, ErrorCode};

/// Details as `name=value` pairs.
fn details(error: &Error) -> String {
    let mut text = String::new();
    for (name, value) in error.details() {
        let separator = if text.is_empty() { "" } else { " " };
        match value {
            Detail::Int(value) => write!(text, "{separator}{name}={value}"),
            Detail::Text(value) => write!(text, "{separator}{name}={value}"),
        }
        .unwrap();
    }
    text
}

#[test]
fn every_error_has_its_code_details_and_text() {
    for (error, expected) in [arguments(), mismatches(), values(), bytes()].concat() {
        let (code, text) = (error.code().as_str(), error.to_string());
        assert_eq!([code, &details(&error), &text], expected, "{error:?}");
    }
}

type Case = (Error, [&'static str; 3]);

fn arguments() -> Vec<Case> {
    vec![
        (
            Error::UnsupportedBitWidth { got: 3 },
            [
                "ERR_TQ_INVALID_ARG",
                "kind=UnsupportedBitWidth got=3",
                "bit_width must be one of [2, 4, 8], got 3",
            ],
        ),
        (
            Error::InvalidDimension,
            [
                "ERR_TQ_INVALID_ARG",
                "kind=InvalidDimension got=0",
                "dimension must be > 0, got 0",
            ],
        ),
        (
            Error::DimensionTooLarge { got: 16_385 },
            [
                "ERR_TQ_INVALID_ARG",
                "kind=DimensionTooLarge got=16385",
                "dimension must be <= 16384, got 16385",
            ],
        ),
        (
            Error::InsufficientTrainingData {
                expected: 16,
                got: 5,
            },
            [
                "ERR_TQ_INVALID_ARG",
                "kind=InsufficientTrainingData expected=16 got=5",
                "insufficient training data for 16 distinct entries, got 5",
            ],
        ),
        (
            Error::CodebookEntryCount {
                expected: 4,
                got: 3,
                bit_width: 2,
            },
            [
                "ERR_TQ_INVALID_ARG",
                "kind=CodebookEntryCount expected=4 got=3",
                "codebook must have 4 entries for bit_width=2, got 3",
            ],
        ),
        (
            Error::CodebookNotSorted { index: 2 },
            [
                "ERR_TQ_INVALID_ARG",
                "kind=CodebookNotSorted index=2",
                "codebook entries must be sorted ascending: entry 2 is below the one before it",
            ],
        ),
        (
            Error::CodebookDuplicate {
                expected: 4,
                index: 1,
            },
            [
                "ERR_TQ_INVALID_ARG",
                "kind=CodebookDuplicate expected=4 index=1",
                "codebook must contain 4 distinct values: entry 1 repeats the one before it",
            ],
        ),
    ]
}

fn mismatches() -> Vec<Case> {
    vec![
        (
            Error::DimensionMismatch {
                expected: 8,
                got: 7,
                row: None,
            },
            [
                "ERR_TQ_DIM_MISMATCH",
                "kind=DimensionMismatch expected=8 got=7",
                "vector length 7 does not match config dimension 8",
            ],
        ),
        (
            Error::DimensionMismatch {
                expected: 8,
                got: 7,
                row: Some(3),
            },
            [
                "ERR_TQ_DIM_MISMATCH",
                "kind=DimensionMismatch expected=8 got=7 row=3",
                "row 3: vector length 7 does not match config dimension 8",
            ],
        ),
        (
            Error::RaggedRows {
                got: 10,
                dimension: 4,
            },
            [
                "ERR_TQ_DIM_MISMATCH",
                "kind=LengthMismatch expected=4 got=10",
                "10 values are not a whole number of rows of 4",
            ],
        ),
        (
            Error::CodebookIncompatible {
                what: "codebook",
                expected: 4,
                got: 2,
            },
            [
                "ERR_TQ_CODEBOOK_MISMATCH",
                "kind=CodebookIncompatible expected=4 got=2",
                "codebook bit_width 2 does not match config bit_width 4",
            ],
        ),
        (
            Error::ConfigMismatch {
                expected: "aa".to_owned(),
                got: "bb".to_owned(),
                row: Some(1),
            },
            [
                "ERR_TQ_CONFIG_MISMATCH",
                "kind=ConfigMismatch expected=aa got=bb row=1",
                "row 1: compressed config_hash \"bb\" does not match config hash \"aa\"",
            ],
        ),
        (
            Error::InvalidArgument {
                reason: "no".to_owned(),
            },
            ["ERR_TQ_INVALID_ARG", "", "no"],
        ),
        (
            Error::Cancelled,
            ["ERR_TQ_ABORTED", "", "the operation was aborted"],
        ),
    ]
}

fn values() -> Vec<Case> {
    vec![
        (
            Error::NonFinite {
                row: 2,
                column: 5,
                value: "NaN",
            },
            [
                "ERR_TQ_NON_FINITE",
                "row=2 column=5 value=NaN",
                "vectors must be finite: found NaN at row 2, column 5",
            ],
        ),
        (
            Error::DecodedNonFinite { row: 2, column: 5 },
            [
                "ERR_TQ_NON_FINITE",
                "row=2 column=5",
                "record 2 decodes to a value that is not finite at column 5",
            ],
        ),
        (
            Error::ResidualOverflow {
                row: 2,
                column: 5,
                value: 7e4,
            },
            [
                "ERR_TQ_LIMIT",
                "row=2 column=5",
                "row 2: the residual 70000 at rotated coordinate 5 is beyond f16 (65504); train the codebook on data of this scale or disable the residual",
            ],
        ),
        (
            Error::HalfOverflow {
                row: 2,
                column: 5,
                value: 7e4,
            },
            [
                "ERR_TQ_LIMIT",
                "row=2 column=5",
                "row 2: the value 70000 at column 5 is beyond f16 (65504)",
            ],
        ),
        (
            Error::RotationOverflow { row: 2, column: 5 },
            [
                "ERR_TQ_LIMIT",
                "row=2 column=5",
                "row 2: rotated coordinate 5 is beyond the range of f32",
            ],
        ),
        (
            Error::OutOfMemory { bytes: 12 },
            [
                "ERR_TQ_LIMIT",
                "bytes=12",
                "not enough memory: 12 bytes were refused",
            ],
        ),
    ]
}

fn bytes() -> Vec<Case> {
    vec![
        (
            Error::Truncated { needed: 70, got: 3 },
            [
                "ERR_TQ_TRUNCATED",
                "kind=Truncated needed=70 got=3",
                "data too short: needed 70 bytes, got 3",
            ],
        ),
        (
            Error::UnknownVersion { got: 2, offset: 9 },
            [
                "ERR_TQ_VERSION",
                "kind=UnknownVersion got=2 offset=9",
                "unknown format version 0x02 at offset 9",
            ],
        ),
        (
            Error::Malformed {
                kind: "BadMagic",
                offset: 4,
                reason: "bad magic".to_owned(),
            },
            [
                "ERR_TQ_FORMAT",
                "kind=BadMagic offset=4",
                "bad magic at offset 4",
            ],
        ),
    ]
}

#[test]
fn codes_are_distinct_and_all_but_aborted_are_listed() {
    let mut names: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert!(names.iter().all(|name| name.starts_with("ERR_TQ_")));
    assert!(!names.contains(&ErrorCode::Aborted.as_str()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 20);
}
