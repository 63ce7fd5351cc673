//! Headers of .npy files: those NumPy writes, and every way of being wrong.

use proptest::prelude::*;
use std::fs;
use std::path::Path;
use tinyquant_codec::ErrorCode;
use tinyquant_store::{Error, NpyHeader, NpyType};

/// A file that begins with this text, in a version.
fn file(version: u8, text: &str) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((text.len() as u16).to_le_bytes()),
        _ => bytes.extend((text.len() as u32).to_le_bytes()),
    }
    bytes.extend(text.bytes());
    bytes
}

fn parse(text: &str) -> Result<NpyHeader, Error> {
    NpyHeader::parse(&file(1, text))
}

fn dictionary(descr: &str, order: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}   \n")
}

#[test]
fn files_of_the_repository() {
    for (name, shape) in [("vectors", [4000, 384]), ("queries", [100, 384])] {
        let path = format!("../../fixtures/demo/{name}.f16.npy");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let bytes = fs::read(&path).unwrap();
        let header = NpyHeader::parse(&bytes).unwrap();
        assert_eq!(header.dtype, NpyType::F16);
        assert_eq!(header.shape, shape);
        assert!(!header.is_big_endian && !header.is_fortran_order);
        assert_eq!(header.data_offset + 2 * header.len(), bytes.len() as u64);
        assert_eq!(NpyHeader::write(NpyType::F16, shape), bytes[..128]);
    }
}

/// As `numpy.lib.format` 2.4 writes them.
#[test]
fn headers_of_numpy() {
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 1), }";
    let numpy = file(1, &format!("{text:<117}\n"));
    assert_eq!(NpyHeader::write(NpyType::F64, [i64::MAX as u64, 1]), numpy);

    let text = "{'descr': '>f8', 'fortran_order': True, 'shape': (2, 3), }";
    for version in [2, 3] {
        let bytes = file(version, &format!("{text:<115}\n"));
        let expected = NpyHeader {
            dtype: NpyType::F64,
            is_big_endian: true,
            is_fortran_order: true,
            shape: vec![2, 3],
            data_offset: 128,
        };
        assert_eq!(NpyHeader::parse(&bytes).unwrap(), expected);
    }
}

#[test]
fn spellings() {
    for (text, shape) in [
        (dictionary("'<f4'", "False", "(5,)"), vec![5]),
        (dictionary("\"=f4\"", "False", "(5L, 0L)"), vec![5, 0]),
        (
            "{'shape':(1,2,3),'fortran_order':False,'descr':'<f4'}".to_owned(),
            vec![1, 2, 3],
        ),
        (
            " {\t'descr' : '<f4' ,\n'fortran_order' : False , 'shape' : ( 7 , 8 , ) , } \n\n"
                .to_owned(),
            vec![7, 8],
        ),
    ] {
        let header = parse(&text).unwrap();
        assert_eq!(
            (header.dtype, header.shape),
            (NpyType::F32, shape),
            "{text}"
        );
        assert!(!header.is_big_endian && !header.is_fortran_order);
        assert_eq!(header.data_offset, 10 + text.len() as u64);
    }
}

/// Header text, kind of the error, its offset, part of its message.
fn wrong_texts() -> Vec<(String, &'static str, u64, &'static str)> {
    let shape = |shape: &str| dictionary("'<f4'", "False", shape);
    let dtype = |descr: &str| dictionary(descr, "False", "(2, 3)");
    let many = format!("({})", "1, ".repeat(65));
    vec![
        (dtype("'<i4'"), "UnsupportedType", 20, "type '<i4'"),
        (dtype("'|u1'"), "UnsupportedType", 20, "type '|u1'"),
        (dtype("'|f4'"), "UnsupportedType", 20, "type '|f4'"),
        (dtype("'f4'"), "UnsupportedType", 20, "type 'f4'"),
        (dtype("'<f16'"), "UnsupportedType", 20, "type '<f16'"),
        (dtype("'<c8'"), "UnsupportedType", 20, "type '<c8'"),
        (dtype("''"), "UnsupportedType", 20, "type ''"),
        (dtype("'é'"), "UnsupportedType", 20, r"type '\xc3\xa9'"),
        (
            dtype("[('a', '<f4')]"),
            "UnsupportedType",
            20,
            "several types",
        ),
        (dtype("'<f4"), "UnsupportedType", 20, "type '<f4, '"),
        (dtype("'<f\\4'"), "InvalidHeader", 20, "does not end"),
        (shape("()"), "InvalidShape", 60, "without dimensions"),
        (shape("(5)"), "InvalidHeader", 60, "expected a tuple"),
        (
            shape("[5, 6]"),
            "InvalidHeader",
            60,
            "expected '(', got '['",
        ),
        (shape("(-5, 6)"), "InvalidHeader", 61, "expected an integer"),
        (
            shape("(5, None)"),
            "InvalidHeader",
            64,
            "expected an integer",
        ),
        (shape("(5 6)"), "InvalidHeader", 63, "expected ')', got '6'"),
        (shape("(,)"), "InvalidHeader", 61, "expected an integer"),
        (
            shape("(18446744073709551616, 1)"),
            "InvalidShape",
            61,
            "larger than any file",
        ),
        (
            shape("(4611686018427387904, 1)"),
            "InvalidShape",
            10,
            "larger than any file",
        ),
        (
            shape("(4294967296, 4294967296, 0)"),
            "InvalidShape",
            10,
            "larger than any file",
        ),
        (shape(&many), "InvalidHeader", 60, "more than 64 dimensions"),
        (
            dictionary("'<f4'", "0", "(1, 2)"),
            "InvalidHeader",
            44,
            "True or False",
        ),
        (
            dictionary("'<f4'", "True", "(1, 2), 'x': 1"),
            "InvalidHeader",
            67,
            "unknown key 'x'",
        ),
        (
            dictionary("'<f4'", "True", "(1, 2), 'descr': '<f4'"),
            "InvalidHeader",
            67,
            "'descr' appears twice",
        ),
        (
            "{'descr': '<f4', 'shape': (1, 2)}".to_owned(),
            "InvalidHeader",
            10,
            "is missing",
        ),
        ("{}".to_owned(), "InvalidHeader", 10, "is missing"),
        (
            String::new(),
            "InvalidHeader",
            10,
            "expected '{', got the end",
        ),
        ("{,}".to_owned(), "InvalidHeader", 11, "quoted text"),
        ("{1: 2}".to_owned(), "InvalidHeader", 11, "quoted text"),
        (shape("(1, 2)") + "x", "InvalidHeader", 73, "text after"),
        ("{".repeat(60_000), "InvalidHeader", 11, "quoted text"),
    ]
}

#[test]
fn what_is_wrong_is_said() {
    for (text, kind, offset, reason) in wrong_texts() {
        let error = parse(&text).unwrap_err();
        let Error::Malformed {
            kind: got,
            offset: at,
            reason: said,
            ..
        } = &error
        else {
            panic!("{text}: {error}");
        };
        assert_eq!((*got, *at), (kind, offset), "{text}: {error}");
        assert!(said.contains(reason), "{text}: {error}");
    }
}

#[test]
fn the_length_is_checked_before_anything_is_read() {
    let mut bytes = file(2, "");
    for len in [(1 << 16) + 1, u32::MAX] {
        bytes[8..12].copy_from_slice(&len.to_le_bytes());
        let error = NpyHeader::parse(&bytes).unwrap_err();
        assert!(
            error.to_string().contains("at most 65536 at offset 8"),
            "{error}"
        );
    }
    bytes[8..12].copy_from_slice(&(1_u32 << 16).to_le_bytes());
    let error = NpyHeader::parse(&bytes).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Truncated {
                needed: 65548,
                got: 12,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn other_files_are_known_by_their_first_byte() {
    for bytes in [&b"P"[..], b"\x93NUMPX", b"PK\x03\x04 an archive of arrays"] {
        let error = NpyHeader::parse(bytes).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Malformed {
                    kind: "BadMagic",
                    offset: 0,
                    ..
                }
            ),
            "{error}"
        );
    }
    for (major, minor, got) in [(0, 0, 0), (4, 0, 4), (1, 1, 257)] {
        let mut bytes = NpyHeader::write(NpyType::F32, [1, 1]);
        bytes[6..8].copy_from_slice(&[major, minor]);
        let error = NpyHeader::parse(&bytes).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Version);
        assert!(error.to_string().ends_with(&got.to_string()), "{error}");
    }
}

/// What is needed is asked for, so that a reader that follows it gets there in three steps at most.
#[test]
fn a_header_cut_at_every_byte_asks_for_more() {
    for version in [1, 2, 3] {
        let bytes = file(version, &dictionary("'<f4'", "False", "(1, 2)"));
        for len in 0..bytes.len() {
            let Err(Error::Truncated { needed, got, .. }) = NpyHeader::parse(&bytes[..len]) else {
                panic!("{len}");
            };
            assert_eq!(got, len as u64);
            let start = if version == 1 { 10 } else { 12 };
            let expected = match len {
                0..10 => 10,
                10 | 11 if version > 1 => start,
                _ => bytes.len(),
            };
            assert_eq!(needed, expected as u64, "{len}");
        }
        let longer = [&bytes[..], &[0xff; 9]].concat();
        assert_eq!(
            NpyHeader::parse(&longer).unwrap(),
            NpyHeader::parse(&bytes).unwrap()
        );
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        dtype in prop::sample::select(vec![NpyType::F16, NpyType::F32, NpyType::F64]),
        rows in prop_oneof![0_u64..1000, 0_u64..1 << 40],
        columns in 0_u64..16385,
    ) {
        let bytes = NpyHeader::write(dtype, [rows, columns]);
        prop_assert_eq!(bytes.len(), 128);
        prop_assert_eq!(bytes.last(), Some(&b'\n'));
        let header = NpyHeader::parse(&bytes).unwrap();
        prop_assert_eq!(header.len(), rows * columns);
        prop_assert_eq!(header.is_empty(), rows * columns == 0);
        let expected = NpyHeader {
            dtype,
            is_big_endian: false,
            is_fortran_order: false,
            shape: vec![rows, columns],
            data_offset: 128,
        };
        prop_assert_eq!(header, expected);
    }

    #[test]
    fn hostile_text_never_panics(text in "[{}()':,0-9L \n<>=f248desrpaotn_TrueFals\\\\\"]{0,120}", version in 1_u8..4) {
        let _ = NpyHeader::parse(&file(version, &text));
    }

    #[test]
    fn damaged_headers_never_panic(damage in prop::collection::vec((0_usize..128, any::<u8>()), 1..6), len in 0_usize..129) {
        let mut bytes = NpyHeader::write(NpyType::F32, [335, 1536]);
        for (at, value) in damage {
            bytes[at] = value;
        }
        if let Ok(header) = NpyHeader::parse(&bytes[..len]) {
            prop_assert!(header.data_offset <= len as u64);
            prop_assert!(!header.shape.is_empty());
            let _ = header.len();
        }
    }
}
