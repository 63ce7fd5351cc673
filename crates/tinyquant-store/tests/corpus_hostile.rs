//! Corpus files that were made to harm: what their frame and head say is checked before it is believed.

mod common;

use common::hostile::{
    ENTRIES, change, from, good, judge, refused, with, with_bytes, with_head, without,
};
use common::image::{self, Head, Image};
use common::{detail, memory_folder, offset, try_content};
use std::fs;
use tinyquant_codec::{CodecConfig, Detail, ErrorCode};

/// Numbers that no file goes up to.
const FAR: [u64; 6] = [
    u64::MAX,
    u64::MAX - 7,
    u64::MAX - 63,
    1 << 63,
    1 << 40,
    1 << 32,
];

#[test]
fn the_file_that_the_others_are_made_of_is_good() {
    judge(good().bytes()).unwrap();
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    fs::write(&path, good().bytes()).unwrap();
    assert_eq!(common::verified(&path, true).len(), 2);
    assert_eq!(common::verified(&path, false).len(), 2);
}

#[test]
fn frames_that_break_the_rules_are_refused() {
    for value in FAR {
        for kind in 1..=11 {
            let images = [
                ("offset", with(kind, |section| section.offset = value & !63)),
                ("odd offset", with(kind, |section| section.offset = value)),
                ("length", with(kind, |section| section.len = Some(value))),
                ("first row", with(kind, |section| section.first = value)),
                ("rows", with(kind, |section| section.rows = value)),
            ];
            for (what, image) in images {
                let what = format!("{what} {value:#x} of section {kind}");
                assert_eq!(refused(&what, &image), "InvalidSection");
            }
        }
        let error = from(change(|image| image.rows = value).bytes()).unwrap_err();
        let code = if value < 1 << 32 {
            ErrorCode::Format
        } else {
            ErrorCode::Limit
        };
        assert_eq!(error.code(), code, "{value} rows");
        assert_eq!(
            refused("live", &change(|image| image.live = value)),
            "InvalidRows"
        );
    }
    for (what, offset) in [("into the superblocks", 4096), ("odd", 8193)] {
        let image = with(image::CODES, |section| section.offset = offset);
        assert_eq!(refused(what, &image), "InvalidSection");
    }
    // The sum of all is what counts: no amount of work comes from a small file.
    let codes = good().section(image::CODES).offset;
    let large = change(|image| {
        for _ in 0..3000 {
            let section = image.add(image::ID_TABLE, 0, 1, &[]);
            (section.offset, section.len) = (codes, Some(4096));
        }
    });
    assert_eq!(
        refused("sections over each other", &large),
        "InvalidSection"
    );

    for kind in [0, 2, 255] {
        assert_eq!(
            refused("kind", &change(|image| image.kind = kind)),
            "WrongKind"
        );
    }
    for version in [0, 1, 3, 255] {
        let error = from(change(|image| image.version = version).bytes()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Version);
    }
}

#[test]
fn superblocks_that_break_the_rules_are_refused() {
    // A state that has no superblock here, or after which there is none.
    for number in [0, 2, 1 << 32, u64::MAX] {
        let mut bytes = good().bytes();
        bytes[8..16].copy_from_slice(&u64::to_le_bytes(number));
        image::seal(&mut bytes);
        assert_eq!(
            detail(&from(bytes).unwrap_err(), "kind"),
            "InvalidNumber",
            "{number}"
        );
    }
    // Offset and length of the table.
    for at in [32, 40] {
        for value in FAR.into_iter().chain([1]) {
            let mut bytes = good().bytes();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            let sum = crc32fast::hash(&bytes[..64]).to_le_bytes();
            bytes[64..68].copy_from_slice(&sum);
            let error = from(bytes).unwrap_err();
            match error.code() {
                ErrorCode::Format => assert_eq!(detail(&error, "kind"), "InvalidTable"),
                // Somewhere else in the file, where no table is.
                code => assert!(value == 1 && code == ErrorCode::Checksum, "{error}"),
            }
        }
    }
    for (at, value) in [(6, 1), (7, 1), (52, 1), (55, 128)] {
        let mut bytes = good().bytes();
        bytes[at] = value;
        image::seal(&mut bytes);
        assert_eq!(detail(&from(bytes).unwrap_err(), "kind"), "Reserved");
    }
    for bytes in [
        vec![],
        b"TQ".to_vec(),
        b"TQCV\x02".to_vec(),
        good().bytes()[..67].to_vec(),
    ] {
        assert_eq!(from(bytes).unwrap_err().code(), ErrorCode::Truncated);
    }
    for bytes in [
        b"\x93NUMPY".to_vec(),
        b"hello".to_vec(),
        vec![0; 10_000],
        vec![7; 100],
    ] {
        assert_eq!(detail(&from(bytes).unwrap_err(), "kind"), "BadMagic");
    }
}

#[test]
fn sections_that_do_not_belong_together_are_refused() {
    for kind in [image::HEAD, image::CODEBOOK] {
        assert_eq!(refused("missing", &without(&[kind])), "MissingSection");
    }
    assert_eq!(
        refused("no rows", &without(&[3, 4, 5, 6, 7, 8, 9])),
        "InvalidRows"
    );
    assert_eq!(
        refused("no residuals", &without(&[image::RESIDUALS])),
        "InvalidSegment"
    );
    for kind in [5, 6, 7, 8] {
        assert_eq!(
            refused("half a pair", &without(&[kind])),
            "MisplacedSection"
        );
    }
    assert_eq!(
        refused("none removed", &without(&[image::REMOVED])),
        "InvalidRows"
    );
    // A pair at the very end that waits for its other half.
    let ends = change(|image| {
        image.sections.truncate(4);
        image.add(image::ID_ENDS, 0, 3, &[0; 12]);
    });
    assert_eq!(refused("ends alone", &ends), "MisplacedSection");
    for kind in 1..=11 {
        let twice = change(|image| {
            let section = image.section(kind).clone();
            image.add(kind, section.first, section.rows, &section.bytes);
        });
        let kind = refused("twice", &twice);
        assert!(
            kind == "MisplacedSection" || kind == "InvalidSegment",
            "{kind}"
        );
    }
    for kind in [0, 12, 255, u32::MAX] {
        let unknown = change(|image| {
            image.add(kind, 0, 3, &[0; 8]);
        });
        assert_eq!(refused("unknown kind", &unknown), "MisplacedSection");
    }
    for kind in [4, 5, 6, 7, 8, 9] {
        let other_rows = with(kind, |section| section.rows = 2);
        assert_eq!(refused("other rows", &other_rows), "MisplacedSection");
        let first = change(|image| {
            let at = image
                .sections
                .iter()
                .position(|section| section.kind == kind)
                .unwrap();
            let section = image.sections.remove(at);
            image.sections.insert(0, section);
        });
        assert_eq!(refused("before its rows", &first), "MisplacedSection");
    }
    for kind in [1, 2] {
        let rows = with(kind, |section| section.rows = 3);
        assert_eq!(refused("rows of the head", &rows), "MisplacedSection");
    }
    for (kind, len) in [
        (3, 8),
        (3, 0),
        (4, 29),
        (5, 11),
        (7, 16),
        (9, 16),
        (9, 0),
        (9, 9),
    ] {
        let image = with(kind, |section| section.len = Some(len));
        let mut bytes = image.bytes();
        image::seal(&mut bytes);
        assert_eq!(
            detail(&from(bytes).unwrap_err(), "kind"),
            "InvalidSegment",
            "{kind}"
        );
    }
    for (first, rows) in [(1, 2), (0, 2), (0, 0), (2, 1)] {
        let image = change(|image| {
            for section in &mut image.sections {
                if (3..=9).contains(&section.kind) {
                    (section.first, section.rows) = (first, rows);
                    section
                        .bytes
                        .truncate(section.bytes.len() * rows as usize / 3);
                }
            }
        });
        assert!(["InvalidSegment", "InvalidRows"].contains(&&*refused("gap", &image)));
    }
}

#[test]
fn pairs_of_texts_that_do_not_belong_together_are_refused() {
    // Of different halves.
    for (ends, texts) in [
        (image::METADATA_ENDS, image::ID_TEXTS),
        (image::ID_ENDS, image::METADATA_TEXTS),
    ] {
        let others = without(&[ends, texts]);
        let mixed = change(|image| {
            let pair = [image.section(ends).clone(), image.section(texts).clone()];
            image
                .sections
                .retain(|section| !(5..=8).contains(&section.kind));
            image.sections.splice(4..4, pair);
        });
        assert_eq!(refused("of two pairs", &mixed), "MisplacedSection");
        assert_eq!(refused("the others", &others), "MisplacedSection");
    }
    for ends in [image::ID_ENDS, image::METADATA_ENDS] {
        let twice = change(|image| {
            for kind in [ends, ends + 1] {
                let section = image.section(kind).clone();
                image.add(kind, section.first, section.rows, &section.bytes);
            }
        });
        assert_eq!(refused("two pairs", &twice), "MisplacedSection");
    }
}

/// Offset in the error of a file that cannot be opened.
fn refused_at(image: &Image) -> i64 {
    offset(&from(image.bytes()).unwrap_err().details())
}

#[test]
fn errors_of_the_frame_say_where() {
    assert_eq!(refused_at(&change(|image| image.kind = 9)), 5);
    // Reserved bytes, number, and the last byte of the offset of the table.
    for (at, expected) in [(6, 6), (7, 6), (8, 8), (52, 52), (55, 52), (39, 32)] {
        for (number, block) in [(1, 0), (2, image::BLOCK)] {
            let mut bytes = change(|image| image.number = number).bytes();
            bytes[block + at] ^= 1;
            let sum = crc32fast::hash(&bytes[block..block + 64]).to_le_bytes();
            bytes[block + 64..block + 68].copy_from_slice(&sum);
            let error = from(bytes).unwrap_err();
            // That of the table is told within its superblock.
            let block = if expected == 32 { 0 } else { block };
            assert_eq!(offset(&error.details()), (block + expected) as i64);
        }
    }
    let table = good().bytes().len() - image::ENTRY * good().sections.len();
    for (index, kind) in (1..=11).enumerate() {
        let image = with(kind, |section| section.rows = 1 << 40);
        assert_eq!(refused_at(&image), (table + image::ENTRY * index) as i64);
        let twice = change(|image| {
            let section = image.section(kind).clone();
            image.add(kind, section.first, section.rows, &section.bytes);
        });
        let last = twice.sections.last().unwrap().offset;
        let codes = kind == image::CODES;
        assert!(refused_at(&twice) == last as i64 || codes, "{kind}");
    }
}

/// The second superblock of a file whose first one was never written.
#[test]
fn a_file_that_ends_within_a_superblock_says_what_it_needs() {
    for (block, bytes) in [(0, b"TQCV\x02".to_vec()), (image::BLOCK, b"TQ".to_vec())] {
        let file = [vec![0; block], bytes].concat();
        let len = file.len() as i64;
        let details = from(file).unwrap_err().details();
        let needed = (block + image::SUPERBLOCK) as i64;
        assert!(
            details.contains(&("needed", Detail::Int(needed))),
            "{details:?}"
        );
        assert!(details.contains(&("got", Detail::Int(len))), "{details:?}");
    }
}

#[test]
fn errors_of_the_head_say_where() {
    let head = good().section(image::HEAD).offset as i64;
    let changes: [(Change, i64); 6] = [
        (("residual", |head| head.residual = 2), 5),
        (("rotation", |head| head.rotation = 2), 7),
        (("policy", |head| head.policy = 3), 6),
        (("bits", |head| head.bit_width = 3), 0),
        (("seed", |head| head.seed = 8), 16),
        (("texts", |head| head.id_len = Some(9)), 88),
    ];
    for ((what, change), at) in changes {
        assert_eq!(refused_at(&with_head(change)), head + at, "{what}");
    }
    let id = with_head(|head| head.id = vec![255]);
    let metadata = with_head(|head| head.metadata = Some(vec![255]));
    for image in [id, metadata] {
        assert_eq!(refused_at(&image), head + 88);
    }
    let short = with_bytes(image::HEAD, &[0; 87]);
    assert_eq!(refused_at(&short), head);
    // A head without texts is whole.
    let bare = with_head(|head| (head.id, head.metadata) = (vec![], None));
    assert_eq!(from(bare.bytes()).unwrap().id(), "");
}

#[test]
fn rows_are_counted_by_32_bits() {
    let most = u64::from(u32::MAX) - 1;
    let code = |rows| {
        from(change(|image| image.rows = rows).bytes())
            .unwrap_err()
            .code()
    };
    assert_eq!(code(most), ErrorCode::Format);
    assert_eq!(code(most + 1), ErrorCode::Limit);
}

#[test]
fn texts_that_are_wrong_are_found_by_their_row() {
    let at = |image: &Image| {
        let corpus = from(image.bytes()).unwrap().into_corpus();
        let error = try_content(&corpus).unwrap_err();
        offset(&error.details())
    };
    let (ends, texts) = (
        good().section(image::ID_ENDS).offset as i64,
        good().section(image::ID_TEXTS).offset as i64,
    );
    // The text of row 2 begins at 1 and ends before it.
    let backwards = with_bytes(image::ID_ENDS, &image::words(&[1, 1, 0]));
    assert_eq!(at(&backwards), ends + 8);
    let latin = with_bytes(image::ID_TEXTS, &[b'a', 0xfc, b'?']);
    assert_eq!(at(&latin), texts + 1);
}

/// What becomes of a head, and what it is called.
type Change = (&'static str, fn(&mut Head));

#[test]
fn heads_that_break_the_rules_are_refused() {
    let hash = |bits, seed, dimension, residual| {
        let config = CodecConfig::new(bits, seed, dimension, residual).unwrap();
        config.config_hash().to_owned()
    };
    let changes: [Change; 6] = [
        ("dimension", |head| head.dimension = 0),
        ("large", |head| head.dimension = u32::MAX),
        ("bits", |head| head.bit_width = 3),
        ("hash", |head| head.hash = "0".repeat(64)),
        ("upper case", |head| head.hash = head.hash.to_uppercase()),
        ("seed", |head| head.seed = 8),
    ];
    for (what, change) in changes {
        assert_eq!(refused(what, &with_head(change)), "InvalidConfig");
    }
    assert_eq!(
        refused("policy", &with_head(|head| head.policy = 3)),
        "UnknownPolicy"
    );
    assert_eq!(
        refused("rotation", &with_head(|head| head.rotation = 2)),
        "UnknownRotation"
    );
    assert_eq!(
        refused("residual", &with_head(|head| head.residual = 2)),
        "InvalidHead"
    );
    for len in [0, 2, 5, u32::MAX, u32::MAX - 1, u32::MAX - 2] {
        let image = with_head(|head| head.id_len = Some(len));
        assert_eq!(refused("id length", &image), "InvalidHead");
    }
    assert_eq!(
        refused("id", &with_head(|head| head.id = vec![255])),
        "InvalidUtf8"
    );
    let metadata = with_head(|head| head.metadata = Some(vec![0xc3]));
    assert_eq!(refused("metadata", &metadata), "InvalidUtf8");
    assert_eq!(
        refused("short", &with_bytes(image::HEAD, &[0; 87])),
        "InvalidHead"
    );
    // Another configuration than the rows were stored with.
    let other = with_head(|head| {
        (head.residual, head.hash) = (0, hash(2, 7, 5, false));
    });
    assert_eq!(refused("no residual", &other), "InvalidSegment");
    let other = with_head(|head| {
        (head.bit_width, head.hash) = (4, hash(4, 7, 5, true));
    });
    assert_eq!(
        from(other.bytes()).unwrap_err().code(),
        ErrorCode::CodebookMismatch
    );

    let unsorted = image::codebook(&[0.0, 1.0, 0.5, 2.0]);
    let nan = image::codebook(&[0.0, 1.0, 2.0, f32::NAN]);
    for bytes in [
        unsorted,
        nan,
        image::codebook(&ENTRIES)[..27].to_vec(),
        vec![],
    ] {
        let error = judge(with_bytes(image::CODEBOOK, &bytes).bytes()).unwrap_err();
        assert!(
            matches!(error.code(), ErrorCode::Format | ErrorCode::Truncated),
            "{error}"
        );
    }
}
