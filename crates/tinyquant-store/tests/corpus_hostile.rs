//! Corpus files that were made to harm: whatever they say, opening and reading them answers, with bounded memory.

mod common;

use common::image::{self, Head, Image, Section};
use common::{detail, try_content};
use std::fs;
use std::time::{Duration, Instant};
use tinyquant_codec::{CodecConfig, Control, ErrorCode};
use tinyquant_store::{CorpusFile, CorpusWriter, Error, NewRows, Probe, Source};

const ENTRIES: [f32; 4] = [-1.5, -0.5, 0.5, 1.5];
const IDS: [&str; 3] = ["a", "", "ü"];

fn head() -> Head {
    let config = CodecConfig::new(2, 7, 5, true).unwrap();
    Head {
        dimension: 5,
        bit_width: 2,
        residual: 1,
        policy: 0,
        rotation: 1,
        seed: 7,
        hash: config.config_hash().to_owned(),
        id: b"c".to_vec(),
        id_len: None,
        metadata: Some(b"{}".to_vec()),
    }
}

/// A good file of three rows with a section of every kind.
fn good() -> Image {
    let mut image = Image::new(3);
    image.live = 2;
    image.add(image::HEAD, 0, 0, &head().bytes());
    image.add(image::CODEBOOK, 0, 0, &image::codebook(&ENTRIES));
    image.add(image::CODES, 0, 3, &[1, 2, 3, 3, 255, 3]);
    image.add(image::RESIDUALS, 0, 3, &[0; 30]);
    let (ends, texts) = image::texts(&IDS);
    image.add(image::ID_ENDS, 0, 3, &ends);
    image.add(image::ID_TEXTS, 0, 3, &texts);
    let (ends, texts) = image::texts(&["", "{\"n\":1}", "{}"]);
    image.add(image::METADATA_ENDS, 0, 3, &ends);
    image.add(image::METADATA_TEXTS, 0, 3, &texts);
    image.add(image::TIMES, 0, 3, &image::longs(&[1, 2, u64::MAX]));
    image.add(image::ID_TABLE, 0, 3, &image::id_table(&IDS));
    image.add(image::REMOVED, 0, 3, &image::longs(&[1]));
    image
}

fn from(bytes: Vec<u8>) -> Result<CorpusFile, Error> {
    CorpusFile::from_source(Source::from_bytes(bytes))
}

/// Opens, reads and verifies, all of it whatever the parts say. The verdict of opening or else of verifying.
fn judge(bytes: Vec<u8>) -> Result<(), Error> {
    let file = from(bytes)?;
    let control = Control::default();
    let verdict = file.verify(&control);
    let corpus = file.into_corpus();
    let found = (
        try_content(&corpus),
        corpus.page_ids(0, u64::MAX, 10),
        corpus.page_values(0, u64::MAX, 10, None, &control),
        corpus.search(&vec![1.0; corpus.config().dimension()], 2, None, &control),
    );
    for id in ["a", "", "ü", "0", "1", "2", "18446744073709551615", "b"] {
        let (row, is_there) = (corpus.get(id), corpus.contains(id));
        assert!(is_there.is_err() || row.is_err() || is_there.unwrap());
    }
    drop(found);
    verdict
}

/// Removes some sections.
fn without(kinds: &[u32]) -> Image {
    let mut image = good();
    image
        .sections
        .retain(|section| !kinds.contains(&section.kind));
    image
}

/// A good file with another section of a kind.
fn with(kind: u32, change: impl FnOnce(&mut Section)) -> Image {
    let mut image = good();
    change(image.section(kind));
    image
}

/// A good file with other bytes in a section.
fn with_bytes(kind: u32, bytes: &[u8]) -> Image {
    with(kind, |section| section.bytes = bytes.to_vec())
}

fn with_head(change: impl FnOnce(&mut Head)) -> Image {
    let mut head = head();
    change(&mut head);
    let mut image = Image::new(3);
    image.add(image::HEAD, 0, 0, &head.bytes());
    let rest = good().sections.into_iter().skip(1);
    for section in rest {
        image.add(section.kind, section.first, section.rows, &section.bytes);
    }
    image.live = 2;
    image
}

fn change(mut change: impl FnMut(&mut Image)) -> Image {
    let mut image = good();
    change(&mut image);
    image
}

/// Kind of the error of a file that cannot be opened.
fn refused(what: &str, image: &Image) -> String {
    let error = from(image.bytes())
        .err()
        .unwrap_or_else(|| panic!("{what}: opened"));
    assert_eq!(error.code(), ErrorCode::Format, "{what}: {error}");
    assert!(judge(image.bytes()).is_err());
    detail(&error, "kind")
}

#[test]
fn the_file_that_the_others_are_made_of_is_good() {
    judge(good().bytes()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    fs::write(&path, good().bytes()).unwrap();
    assert_eq!(common::verified(&path, true).len(), 2);
    assert_eq!(common::verified(&path, false).len(), 2);
}

#[test]
fn frames_that_break_the_rules_are_refused() {
    let far = [
        u64::MAX,
        u64::MAX - 7,
        u64::MAX - 63,
        1 << 63,
        1 << 40,
        1 << 32,
    ];
    for value in far {
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
    let words = [(32, "InvalidTable"), (40, "InvalidTable")];
    for (at, kind) in words {
        for value in far.into_iter().chain([1]) {
            let mut bytes = good().bytes();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            let sum = crc32fast::hash(&bytes[..64]).to_le_bytes();
            bytes[64..68].copy_from_slice(&sum);
            let error = from(bytes).unwrap_err();
            match error.code() {
                ErrorCode::Format => assert_eq!(detail(&error, "kind"), kind),
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
fn heads_that_break_the_rules_are_refused() {
    let hash = |bits, seed, dimension, residual| {
        let config = CodecConfig::new(bits, seed, dimension, residual).unwrap();
        config.config_hash().to_owned()
    };
    let config: [(&str, fn(&mut Head)); 6] = [
        ("dimension", |head| head.dimension = 0),
        ("large", |head| head.dimension = u32::MAX),
        ("bits", |head| head.bit_width = 3),
        ("hash", |head| head.hash = "0".repeat(64)),
        ("upper case", |head| head.hash = head.hash.to_uppercase()),
        ("seed", |head| head.seed = 8),
    ];
    for (what, change) in config {
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
            matches!(
                error.code(),
                ErrorCode::InvalidArg | ErrorCode::NonFinite | ErrorCode::Truncated
            ),
            "{error}"
        );
    }
}

/// Opening does not read rows; reading one, or verifying, does.
#[test]
fn rows_that_break_the_rules_are_found_by_verifying() {
    let verdict = |what: &str, image: &Image| {
        let file = from(image.bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let error = file.verify(&Control::default()).err();
        let error = error.unwrap_or_else(|| panic!("{what}: verified"));
        assert_eq!(error.code(), ErrorCode::Format, "{what}: {error}");
        assert!(judge(image.bytes()).is_err());
        eprintln!("{error}");
        detail(&error, "kind")
    };
    let codes = with_bytes(image::CODES, &[1, 2, 3, 4, 255, 3]);
    assert_eq!(verdict("padding bits", &codes), "InvalidRow");
    for (kind, what) in [(image::ID_ENDS, "ids"), (image::METADATA_ENDS, "metadata")] {
        let descending = with_bytes(kind, &image::words(&[1, 0, 3]));
        assert_eq!(verdict(what, &descending), "InvalidText");
        let far = with_bytes(kind, &image::words(&[1, 1, u32::MAX]));
        assert_eq!(verdict(what, &far), "OutOfSection");
    }
    // Also the id of a row that was removed: it is copied when the file grows.
    for text in [&b"\xff\xc3\xbc"[..], b"a\xc3\x28"] {
        let image = with_bytes(image::ID_TEXTS, text);
        assert_eq!(verdict("id", &image), "InvalidUtf8");
    }
    let image = change(|image| {
        image.section(image::ID_ENDS).bytes = image::words(&[1, 2, 3]);
        image.section(image::ID_TEXTS).bytes = b"a\xffb".to_vec();
    });
    assert_eq!(verdict("id of a removed row", &image), "InvalidUtf8");
    let image = with_bytes(image::METADATA_TEXTS, b"{\"n\":1}\xf0\x9f");
    assert_eq!(verdict("metadata", &image), "InvalidUtf8");

    let same = change(|image| {
        image.section(image::ID_TEXTS).bytes = b"aaa".to_vec();
        image.section(image::ID_ENDS).bytes = image::words(&[1, 2, 3]);
        image.section(image::ID_TABLE).bytes = image::id_table(&["a", "a", "a"]);
    });
    assert_eq!(verdict("duplicate ids", &same), "DuplicateId");

    for (policy, bytes) in [(1, vec![255; 60]), (2, vec![0, 0x7c].repeat(15))] {
        let mut image = with_head(|head| head.policy = policy);
        image
            .sections
            .retain(|section| section.kind != image::RESIDUALS);
        let at = image
            .sections
            .iter()
            .position(|section| section.kind == image::CODES);
        image.sections.remove(at.unwrap());
        image.add(image::CODES, 0, 3, &bytes);
        let codes = image.sections.pop().unwrap();
        image.sections.insert(2, codes);
        assert_eq!(verdict("infinite values", &image), "InvalidRow");
    }
}

#[test]
fn removed_rows_that_break_the_rules_are_refused() {
    for rows in [
        vec![],
        vec![3],
        vec![u64::MAX],
        vec![0, 1],
        vec![1, 1],
        vec![1, 0],
    ] {
        let image = with_bytes(image::REMOVED, &image::longs(&rows));
        assert_eq!(refused("removed", &image), "InvalidRows", "{rows:?}");
        let mut image = image;
        image.live = 3_u64.wrapping_sub(rows.len() as u64);
        if !matches!(*rows, [] | [0, 1]) {
            assert_eq!(refused("removed", &image), "InvalidRows", "{rows:?}");
        } else {
            judge(image.bytes()).unwrap();
        }
    }
    let odd = with_bytes(image::REMOVED, &[1, 0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(refused("odd length", &odd), "MisplacedSection");
}

#[test]
fn id_tables_that_break_the_rules_are_found() {
    let table = |bytes: &[u8]| with_bytes(image::ID_TABLE, bytes);
    for len in [0, 7] {
        assert_eq!(refused("no slots", &table(&vec![0; len])), "OutOfSection");
    }
    for slots in [6, 1 << 32, u64::MAX] {
        let mut bytes = image::id_table(&IDS);
        bytes[..8].copy_from_slice(&slots.to_le_bytes());
        assert_eq!(
            refused("slots", &table(&bytes)),
            "InvalidIdTable",
            "{slots}"
        );
    }
    let mut odd = image::id_table(&IDS);
    odd.push(0);
    assert_eq!(refused("odd length", &table(&odd)), "InvalidIdTable");

    let found_missing = |what: &str, bytes: &[u8]| {
        let file = from(table(bytes).bytes()).unwrap();
        let error = file.verify(&Control::default()).expect_err(what);
        assert_eq!(detail(&error, "kind"), "InvalidIdTable", "{what}: {error}");
        drop(judge(table(bytes).bytes()));
    };
    let right: Vec<(u32, u32)> = (0..)
        .zip(IDS)
        .map(|(row, id)| (image::tag(id), row))
        .collect();
    let longs = |bytes: &[u8]| -> Vec<u64> {
        let words = bytes.as_chunks::<8>().0.iter();
        words.map(|word| u64::from_le_bytes(*word)).collect()
    };
    found_missing("empty", &image::longs(&[0]));
    found_missing("all empty", &image::longs(&[4, 0, 0, 0, 0]));
    let mut reversed = longs(&image::id_table(&IDS));
    reversed[1..].reverse();
    found_missing("reversed", &image::longs(&reversed));
    let mut shifted = longs(&image::id_table(&IDS));
    shifted.insert(1, 0);
    found_missing("shifted", &image::longs(&shifted));
    let others: Vec<_> = right
        .iter()
        .map(|(tag, row)| (*tag, (row + 1) % 3))
        .collect();
    found_missing("other rows", &image::table_of(5, others));
    let far: Vec<_> = right.iter().map(|(tag, row)| (*tag, row + 3)).collect();
    found_missing("rows that are not there", &image::table_of(5, far));
    let tags: Vec<_> = right.iter().map(|(tag, row)| (tag ^ 1, *row)).collect();
    found_missing("other tags", &image::table_of(5, tags));
    let full = [&[4][..], &[u64::MAX; 4]].concat();
    found_missing("full", &image::longs(&full));
    // One slot as the home of all: still right, if slow.
    judge(table(&image::table_of(1, right)).bytes()).unwrap();

    // Tables over the same rows, or that do not become shorter, would have to be searched all.
    for (first, rows) in [(0, 1), (2, 1), (3, 0)] {
        let image = change(|image| {
            image.add(image::ID_TABLE, first, rows, &image::table_of(0, vec![]));
        });
        match first {
            3 => judge(image.bytes()).unwrap(),
            _ => assert_eq!(refused("overlap", &image), "MisplacedSection"),
        }
    }
}

/// Reads a file of many rows under ids of 8 digits, of which those below `removed` were removed.
fn crowd(table: Vec<u8>, ids: &[String], removed: u64) -> Vec<u8> {
    let rows = ids.len() as u64;
    let mut image = Image::new(rows);
    let config = CodecConfig::new(8, 7, 1, false).unwrap();
    let head = Head {
        dimension: 1,
        bit_width: 8,
        residual: 0,
        hash: config.config_hash().to_owned(),
        ..head()
    };
    let entries: Vec<f32> = (0..256_u16).map(f32::from).collect();
    image.add(image::HEAD, 0, 0, &head.bytes());
    image.add(image::CODEBOOK, 0, 0, &image::codebook(&entries));
    image.add(image::CODES, 0, rows, &vec![0; ids.len()]);
    let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
    let (ends, texts) = image::texts(&ids);
    image.add(image::ID_ENDS, 0, rows, &ends);
    image.add(image::ID_TEXTS, 0, rows, &texts);
    image.add(image::ID_TABLE, 0, rows, &table);
    let gone: Vec<u64> = (0..removed).collect();
    image.add(image::REMOVED, 0, rows, &image::longs(&gone));
    image.live = rows - removed;
    image.bytes()
}

#[test]
fn no_table_makes_lookups_walk_through_all_of_it() {
    let start = Instant::now();
    let ids: Vec<String> = (0..100_000).map(|row| format!("{row:08}")).collect();
    let entries = |ids: &[String]| -> Vec<(u32, u32)> {
        let entry = |(row, id): (u32, &String)| (image::tag(id), row);
        (0..).zip(ids).map(entry).collect()
    };
    let slots = 150_000;
    judge(crowd(image::table_of(slots, entries(&ids)), &ids, 0)).unwrap();
    let all_same: Vec<_> = (0..100_000).map(|row| (7, row)).collect();
    // Half of the rows have one id and are gone; those that follow stand far from their homes.
    let mut moved = ids.clone();
    moved[..50_000].fill("00000000".to_owned());
    let mut displaced = entries(&moved);
    displaced[..50_000].iter_mut().for_each(|entry| entry.0 = 0);
    for (what, ids, table, removed) in [
        ("one home", &ids, image::table_of(1, entries(&ids)), 0),
        ("one tag", &ids, image::table_of(slots, all_same), 0),
        (
            "displaced",
            &moved,
            image::table_of(50_000, displaced),
            50_000,
        ),
    ] {
        let error = judge(crowd(table, ids, removed)).expect_err(what);
        assert_eq!(detail(&error, "kind"), "InvalidIdTable", "{what}");
    }
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

/// Every byte and every number of a file, changed under right checksums: what a forger can do.
#[test]
fn forged_bytes_never_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let whole = good().bytes();
    let try_it = |bytes: &[u8], what: &dyn std::fmt::Debug| {
        let mut bytes = bytes.to_vec();
        image::seal(&mut bytes);
        if let Err(error) = judge(bytes.clone()) {
            let is_coded = matches!(
                error.code(),
                ErrorCode::Format
                    | ErrorCode::Truncated
                    | ErrorCode::Checksum
                    | ErrorCode::Version
                    | ErrorCode::Limit
                    | ErrorCode::InvalidArg
                    | ErrorCode::NonFinite
                    | ErrorCode::CodebookMismatch
            );
            assert!(is_coded, "{what:?}: {error}");
        }
        // A writer that goes on with such a file either refuses or leaves one that opens.
        fs::write(&path, &bytes).unwrap();
        let Ok(mut writer) = CorpusWriter::append(&path, Probe::new(|_| None)) else {
            return;
        };
        let values = vec![0.5; writer.coding().config.dimension()];
        let ids = ["new"];
        let rows = NewRows::<_, &str> {
            values: &values,
            ids: Some(&ids),
            metadata: &[],
            inserted_at: tinyquant_corpus::Timestamp::default(),
        };
        let pushed = writer.push(&rows, None, &Control::default());
        if pushed.and_then(|()| writer.finish().map(drop)).is_ok() {
            let file = CorpusFile::open(&path, false).unwrap();
            assert!(file.into_corpus().contains("new").unwrap(), "{what:?}");
        }
    };
    let covered = image::covered(&whole);
    for at in covered.iter().cloned().flatten() {
        for value in [whole[at] ^ 1, whole[at] ^ 128, 0, 255] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            try_it(&bytes, &(at, value));
        }
    }
    let len = whole.len() as u64;
    let extremes = [
        0,
        1,
        63,
        64,
        8192,
        len - 1,
        len,
        len + 1,
        1 << 31,
        1 << 32,
        1 << 63,
        u64::MAX,
    ];
    for range in &covered {
        for at in range.clone().step_by(4).filter(|at| at + 8 <= range.end) {
            for value in extremes {
                let mut bytes = whole.clone();
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
                try_it(&bytes, &(at, value));
            }
        }
    }
    assert!(peak_kb() < 1 << 20, "{} KB of address space", peak_kb());
}

/// The largest address space that this process had, in KB; 0 where the system does not tell.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    line.and_then(|line| line.trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0)
}
