//! Corpus files whose checksums are right and whose rows are not: reading them answers, with bounded memory and time.

mod common;

use common::hostile::{
    self, IDS, change, from, good, head, judge, refused, with_bytes, with_head, without,
};
use common::image::{self, Head, Image, Section};
use common::{detail, memory_folder, offset};
use std::fs;
use std::time::{Duration, Instant};
use tinyquant_codec::{CodecConfig, Control, ErrorCode};
use tinyquant_store::{CorpusFile, CorpusWriter, NewRows, Probe};

/// Opening does not read rows; reading one, or verifying, does.
#[test]
fn rows_that_break_the_rules_are_found_by_verifying() {
    let verdict = |what: &str, image: &Image| {
        let file = from(image.bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let error = file.verify(&Control::default()).err();
        let error = error.unwrap_or_else(|| panic!("{what}: verified"));
        assert_eq!(error.code(), ErrorCode::Format, "{what}: {error}");
        assert!(judge(image.bytes()).is_err());
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
        assert_eq!(verdict("id", &image), "InvalidText");
    }
    let image = change(|image| {
        image.section(image::ID_ENDS).bytes = image::words(&[1, 2, 3]);
        image.section(image::ID_TEXTS).bytes = b"a\xffb".to_vec();
    });
    assert_eq!(verdict("id of a removed row", &image), "InvalidText");
    let image = with_bytes(image::METADATA_TEXTS, b"{\"n\":1}\xf0\x9f");
    assert_eq!(verdict("metadata", &image), "InvalidText");

    for kind in [image::ID_TEXTS, image::METADATA_TEXTS] {
        let more = change(|image| image.section(kind).bytes.push(b'x'));
        assert_eq!(verdict("bytes of no text", &more), "UnusedBytes");
    }

    let same = change(|image| {
        image.section(image::ID_TEXTS).bytes = b"aaa".to_vec();
        image.section(image::ID_ENDS).bytes = image::words(&[1, 2, 3]);
        image.section(image::ID_TABLE).bytes = image::id_table(&["a", "a", "a"]);
    });
    assert_eq!(verdict("duplicate ids", &same), "DuplicateId");

    for (policy, bytes) in [(1, vec![255; 60]), (2, [0, 0x7c].repeat(15))] {
        let mut image = with_head(|head| head.policy = policy);
        let codes = image.add(image::CODES, 0, 3, &bytes).clone();
        image.sections.pop();
        *image.section(image::CODES) = codes;
        let is_kept = |section: &Section| section.kind != image::RESIDUALS;
        image.sections.retain(is_kept);
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
        match *rows {
            [] | [0, 1] => judge(image.bytes()).unwrap(),
            _ => assert_eq!(refused("removed", &image), "InvalidRows", "{rows:?}"),
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
    judge(table(&image::table_of(1, right.clone())).bytes()).unwrap();

    // No table at all, or one without the first rows, which does no harm where those were removed.
    let missing = without(&[image::ID_TABLE]);
    let error = judge(missing.bytes()).unwrap_err();
    assert_eq!(detail(&error, "kind"), "InvalidIdTable");
    assert_eq!(offset(&error.details()), 0);
    for (gone, is_good) in [(0, true), (1, false)] {
        let mut image = without(&[image::ID_TABLE, image::REMOVED]);
        image.add(image::ID_TABLE, 1, 2, &image::id_table(&IDS[1..]));
        image.add(image::REMOVED, 0, 3, &image::longs(&[gone]));
        assert_eq!(judge(image.bytes()).is_ok(), is_good, "{gone}");
    }

    // Entries of removed rows may be gone, others not.
    let entries = |rows: &[usize]| {
        let entries = rows.iter().map(|row| right[*row]).collect();
        image::table_of(5, entries)
    };
    for (rows, is_good) in [(&[0, 2][..], true), (&[1, 2], false), (&[0], false)] {
        let verdict = judge(table(&entries(rows)).bytes());
        assert_eq!(verdict.is_ok(), is_good, "{rows:?}");
    }
    let mut all_live = without(&[image::ID_TABLE, image::REMOVED]);
    all_live.live = 3;
    all_live.add(image::ID_TABLE, 0, 3, &image::longs(&[4, 0, 0, 0, 0]));
    let error = judge(all_live.bytes()).unwrap_err();
    assert_eq!(detail(&error, "kind"), "InvalidIdTable");

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

/// A file of many rows, of which those below `removed` were removed.
fn crowd(table: &[u8], ids: &[String], removed: u64) -> Vec<u8> {
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
    image.add(image::ID_TABLE, 0, rows, table);
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
    judge(crowd(&image::table_of(slots, entries(&ids)), &ids, 0)).unwrap();
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
        let error = judge(crowd(&table, ids, removed)).expect_err(what);
        assert_eq!(detail(&error, "kind"), "InvalidIdTable", "{what}");
    }
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

/// The last of many rows that had one id stands so far from its home that lookups just find it.
#[test]
fn entries_do_not_lie_farther_than_lookups_go() {
    for (rows, is_good) in [(4097, true), (4098, false)] {
        let ids = vec!["x".to_owned(); rows];
        let names: Vec<&str> = ids.iter().map(|id| &**id).collect();
        let bytes = crowd(&image::id_table(&names), &ids, rows as u64 - 1);
        let found = from(bytes.clone()).unwrap().into_corpus().contains("x");
        assert_eq!(found.unwrap(), is_good);
        assert_eq!(judge(bytes).is_ok(), is_good);
    }
}

/// Rows after the first sixteen thousand are read in a second piece.
#[test]
fn texts_are_named_by_where_their_piece_begins() {
    let ids: Vec<String> = (0..20_000).map(|row| format!("{row:08}")).collect();
    let table: Vec<(u32, u32)> = (0..)
        .zip(&ids)
        .map(|(row, id)| (image::tag(id), row))
        .collect();
    let mut bytes = crowd(&image::table_of(30_000, table), &ids, 0);
    judge(bytes.clone()).unwrap();
    let texts = image::Sections::of(&bytes).0;
    let texts = texts.iter().find(|section| section.kind == image::ID_TEXTS);
    let texts = texts.unwrap().offset as usize;
    bytes[texts + 8 * 17_000] = 0xff;
    image::seal(&mut bytes);
    let error = judge(bytes).unwrap_err();
    assert_eq!(detail(&error, "kind"), "InvalidText");
    assert_eq!(offset(&error.details()), (texts + 8 * (1 << 14)) as i64);
    assert!(error.to_string().contains("row 17000"), "{error}");
}

/// Bits behind the last code of a row are zero.
#[test]
fn rows_end_with_zeros() {
    for (dimension, bit_width, spare) in [(5, 2, 6), (10, 2, 4), (12, 2, 0), (3, 4, 4), (3, 8, 0)] {
        let config = CodecConfig::new(bit_width, 7, dimension, false).unwrap();
        let head = Head {
            dimension,
            bit_width,
            residual: 0,
            hash: config.config_hash().to_owned(),
            ..head()
        };
        let entries: Vec<f32> = (0..1_u16 << bit_width).map(f32::from).collect();
        for bit in 0..8 {
            let mut image = Image::new(2);
            image.add(image::HEAD, 0, 0, &head.bytes());
            image.add(image::CODEBOOK, 0, 0, &image::codebook(&entries));
            let len = (dimension as usize * usize::from(bit_width)).div_ceil(8);
            let mut codes = vec![0; 2 * len];
            codes[2 * len - 1] = 1 << bit;
            let offset_of_row = image.add(image::CODES, 0, 2, &codes).offset as i64 + len as i64;
            let verdict = judge(image.bytes());
            if bit < 8 - spare {
                verdict.unwrap();
            } else {
                let details = verdict.unwrap_err().details();
                assert_eq!(offset(&details), offset_of_row, "{dimension} {bit_width}");
            }
        }
    }
}

/// Rows 0 and 1 are known by their numbers, row 2 has an id.
fn numbered(id: &str, removed: &[u64]) -> Image {
    let mut image = Image::new(3);
    image.live = 3 - removed.len() as u64;
    image.add(image::HEAD, 0, 0, &head().bytes());
    image.add(image::CODEBOOK, 0, 0, &image::codebook(&hostile::ENTRIES));
    for (first, rows) in [(0, 2), (2, 1)] {
        image.add(image::CODES, first, rows, &vec![0; 2 * rows as usize]);
        image.add(image::RESIDUALS, first, rows, &vec![0; 10 * rows as usize]);
    }
    let (ends, texts) = image::texts(&[id]);
    image.add(image::ID_ENDS, 2, 1, &ends);
    image.add(image::ID_TEXTS, 2, 1, &texts);
    image.add(image::ID_TABLE, 2, 1, &image::id_table(&[id]));
    image.add(image::REMOVED, 0, 3, &image::longs(removed));
    image
}

#[test]
fn an_id_is_not_the_number_of_another_row() {
    for (id, removed, is_good) in [
        ("a", &[][..], true),
        ("0", &[], false),
        ("1", &[], false),
        ("2", &[], true),
        ("3", &[], true),
        ("01", &[], true),
        ("1", &[1], true),
        ("1", &[2], true),
        ("1", &[0], false),
    ] {
        let verdict = judge(numbered(id, removed).bytes());
        assert_eq!(verdict.is_ok(), is_good, "{id} {removed:?} {verdict:?}");
        if let Err(error) = verdict {
            assert_eq!(detail(&error, "kind"), "DuplicateId");
        }
    }
}

/// Every byte and every number of a file, changed under right checksums: what a forger can do.
#[test]
fn forged_bytes_never_harm() {
    let folder = memory_folder();
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
    assert!(
        common::peak_kb() < 1 << 20,
        "{} KB of address space",
        common::peak_kb()
    );
}
