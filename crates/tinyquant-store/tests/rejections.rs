//! Damaged TQCV files, with the verdicts of the published readers beside ours.

use tinyquant_codec::{Control, ErrorCode};
use tinyquant_store::{Source, TqcvReader};
use tinyquant_testkit::golden;

/// Offsets in `with_metadata_5.tqcv`.
const METADATA_LEN: usize = 88;
const PADDING: usize = 121;
const BODY: usize = 128;

/// Stored at an offset.
fn put(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = golden::bytes("tqcv/with_metadata_5.tqcv");
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

fn count(count: u64) -> Vec<u8> {
    put(8, &count.to_le_bytes())
}

fn metadata_len(len: u32) -> Vec<u8> {
    put(METADATA_LEN, &len.to_le_bytes())
}

fn record_len(len: u32) -> Vec<u8> {
    put(BODY, &len.to_le_bytes())
}

fn cut(len: usize) -> Vec<u8> {
    let mut bytes = put(0, b"");
    bytes.truncate(len);
    bytes
}

/// A header of 64 dimensions at 4 bits with a hash and no metadata, then records.
fn other(count: u64, flag: u8, hash: &[u8], records: &[u8]) -> Vec<u8> {
    let mut bytes = b"TQCV\x01\0\0\0".to_vec();
    bytes.extend(count.to_le_bytes());
    bytes.extend([64, 0, 0, 0, 4, flag, hash.len() as u8, 0]);
    bytes.extend(hash);
    bytes.extend([0; 4]);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(records);
    bytes
}

fn hash() -> Vec<u8> {
    put(0, b"")[24..METADATA_LEN].to_vec()
}

fn plain_records() -> Vec<u8> {
    golden::bytes("tqcv/d64_bw4_nores.tqcv")[96..96 + 2 * 107].to_vec()
}

enum Verdict {
    Good,
    /// Found when the file is opened.
    Open(ErrorCode),
    /// Found when the records are read.
    Read(ErrorCode),
    /// Found by `verify` alone.
    Verify(ErrorCode),
}

use ErrorCode::{Format, Truncated, Version};
use Verdict::{Good, Open, Read, Verify};

/// Name, file, ours. Where the published readers accept a file that we refuse, the reason is given.
type Case = (&'static str, fn() -> Vec<u8>, Verdict, &'static str);

const CASES: &[Case] = &[
    ("ok", || cut(1323), Good, ""),
    ("empty_file", || cut(0), Open(Truncated), ""),
    ("23_bytes", || cut(23), Open(Truncated), ""),
    ("24_bytes", || cut(24), Open(Truncated), ""),
    ("bad_magic", || put(0, b"TQCZ"), Open(Format), ""),
    ("tentative_magic", || put(0, b"TQCX"), Open(Truncated), ""),
    ("version_2", || put(4, &[2]), Open(Version), ""),
    ("reserved", || put(7, &[1]), Open(Format), ""),
    ("dim_0", || put(16, &[0]), Open(Format), ""),
    ("bit_width_3", || put(20, &[3]), Open(Format), ""),
    ("residual_flag_2", || put(21, &[2]), Open(Format), ""),
    ("hash_len_257", || put(22, &[1, 1]), Open(Format), ""),
    ("hash_not_utf8", || put(24, &[0xff]), Open(Format), ""),
    (
        "metadata_len_16MiB_plus_1",
        || metadata_len((16 << 20) + 1),
        Open(Format),
        "",
    ),
    (
        "metadata_len_max",
        || metadata_len(u32::MAX),
        Open(Format),
        "",
    ),
    (
        "pad_nonzero",
        || put(PADDING, &[1; 7]),
        Verify(Format),
        "padding carries nothing and would be lost",
    ),
    ("count_too_big", || count(6), Open(Truncated), ""),
    (
        "count_too_small",
        || count(3),
        Open(Format),
        "records would be lost without a word",
    ),
    (
        "count_zero",
        || count(0),
        Open(Format),
        "records would be lost without a word",
    ),
    ("count_max", || count(u64::MAX), Open(Truncated), ""),
    ("record_len_max", || record_len(u32::MAX), Read(Format), ""),
    ("record_len_plus_1", || record_len(236), Read(Format), ""),
    ("record_len_minus_1", || record_len(234), Read(Format), ""),
    ("record_len_zero", || record_len(0), Read(Format), ""),
    ("cut_last_byte", || cut(1322), Open(Truncated), ""),
    (
        "trailing_garbage",
        || [cut(1323), vec![0xaa; 4]].concat(),
        Open(Format),
        "a file that is not what was written",
    ),
    (
        "header_dim_differs_from_records",
        || put(16, &[65]),
        Open(Truncated),
        "header and records contradict each other",
    ),
    (
        "header_bit_width_differs",
        || put(20, &[8]),
        Open(Truncated),
        "header and records contradict each other",
    ),
    (
        "header_hash_differs",
        || put(24, b"0"),
        Read(Format),
        "header and records contradict each other",
    ),
    (
        "residual_flag_clear_but_records_have_residual",
        || put(21, &[0]),
        Open(Format),
        "",
    ),
    (
        "residual_flag_set_records_plain",
        || other(2, 1, &hash(), &plain_records()),
        Open(Truncated),
        "header and records contradict each other",
    ),
    ("no_records", || other(0, 1, &hash(), &[]), Good, ""),
    (
        "empty_hash",
        || other(1, 1, b"", &cut(BODY + 239)[BODY..]),
        Read(Format),
        "header and records contradict each other",
    ),
    // Nothing in the format could tell.
    (
        "bit_flip_in_indices",
        || put(BODY + 80, &[put(0, b"")[BODY + 80] ^ 1]),
        Good,
        "",
    ),
];

#[test]
fn verdicts() {
    let golden = golden::json("tqcv/rejections.json");
    assert_eq!(golden["base"], "tqcv/with_metadata_5.tqcv");
    assert_eq!(golden["body_offset"], BODY);
    let upstream = golden["cases"].as_array().unwrap();
    assert_eq!(upstream.len(), CASES.len());
    for (case, (name, file, verdict, reason)) in upstream.iter().zip(CASES) {
        assert_eq!(case["name"], *name);
        let bytes = file();
        assert_eq!(case["len"], bytes.len(), "{name}");
        let accepted = case["cli_verify"]["exit"] == 0;
        let (open, read, verify) = match verdict {
            Good => (None, None, None),
            Open(code) => (Some(*code), None, None),
            Read(code) => (None, Some(*code), Some(*code)),
            Verify(code) => (None, None, Some(*code)),
        };
        let refused = open.or(verify).is_some();
        assert_eq!(accepted && refused, !reason.is_empty(), "{name}");
        assert!(accepted || refused, "{name}: upstream refuses it");

        let opened = TqcvReader::from_source(Source::from_bytes(bytes));
        let code = |result: Option<tinyquant_store::Error>| result.map(|error| error.code());
        match opened {
            Err(error) => assert_eq!(Some(error.code()), open, "{name}: {error}"),
            Ok(reader) => {
                assert_eq!(open, None, "{name}");
                assert_eq!(code(reader.read(0, reader.len()).err()), read, "{name}");
                assert_eq!(
                    code(reader.verify(&Control::default()).err()),
                    verify,
                    "{name}"
                );
            }
        }
    }
}

/// The message says where and what.
#[test]
fn messages() {
    let message = |bytes: Vec<u8>| {
        let reader = TqcvReader::from_source(Source::from_bytes(bytes));
        reader
            .and_then(|reader| reader.read(0, reader.len()))
            .unwrap_err()
            .to_string()
    };
    for (bytes, expected) in [
        (
            put(0, b"TQCX"),
            "the file was never finished: its writer stopped before the end",
        ),
        (
            put(0, b"TQCZ"),
            "bad magic bytes: expected TQCV, got TQCZ at offset 0",
        ),
        (put(4, &[2]), "unknown format version 2"),
        (put(16, &[0]), "dimension must be > 0, got 0 at offset 16"),
        (
            put(20, &[3]),
            "bit_width must be one of [2, 4, 8], got 3 at offset 20",
        ),
        (
            put(22, &[65, 0]),
            "a config hash has at most 64 bytes, got 65 at offset 22",
        ),
        (
            count(3),
            "478 bytes after the last of 3 records at offset 845",
        ),
        (count(6), "needed 1562 bytes, got 1323"),
        (
            record_len(236),
            "record length 236, expected 235 at offset 128",
        ),
        (
            put(BODY + 4 + 65, &[63]),
            "a record has the dimension 63, its file 64 at offset 197",
        ),
        (
            put(BODY + 4, &[2]),
            "unknown format version 0x02 of a record at offset 132",
        ),
    ] {
        assert_eq!(message(bytes), expected);
    }
}
