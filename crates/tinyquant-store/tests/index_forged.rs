//! Index files whose checksums are right and whose content is not: reading them answers, with bounded memory.

mod common;

use common::hostile_index::{
    BLOCKS, HEAD, ID_ENDS, ID_TABLE, ID_TEXTS, IDS, MODEL, NUMBERS, ORIGINALS, REMOVED, STARTS,
    TAILS, found, found_at, from, good, image_of, judge, laid_out, refused, with, without,
};
use common::image::{self, Image};
use common::index::{ID_KINDS, add, content, exact, id, plain, remove, save, skewed, sync};
use common::{is_damage, memory_folder, offset};
use std::fs;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{
    BuildOptions, IdKind, IdRef, Ids, Index, IndexConfig, Metric, Originals, Partitions,
};
use tinyquant_store::{IndexFile, Probe, sync_index};

/// Numbers that no file goes up to.
const FAR: [u64; 5] = [u64::MAX, u64::MAX - 63, 1 << 63, 1 << 40, 1 << 32];

#[test]
fn the_files_that_the_others_are_made_of_are_good() {
    for kind in ID_KINDS {
        judge(good(kind).bytes()).unwrap();
        let file = from(good(kind).bytes()).unwrap();
        assert_eq!((file.rows(), file.live(), file.partitions()), (20, 18, 2));
    }
}

#[test]
fn sections_that_do_not_belong_together_are_refused() {
    for kind in [HEAD, MODEL] {
        assert_eq!(
            refused("missing", &without(IdKind::Text, kind)),
            "MissingSection"
        );
    }
    assert_eq!(
        refused("no parts", &without(IdKind::Text, BLOCKS)),
        "MisplacedSection"
    );
    for kind in [NUMBERS, STARTS, ID_ENDS, ID_TEXTS] {
        assert_eq!(
            refused("half", &without(IdKind::Text, kind)),
            "MisplacedSection"
        );
    }
    assert_eq!(
        refused("none removed", &without(IdKind::Text, REMOVED)),
        "InvalidRows"
    );
    assert_eq!(
        refused("no vectors", &without(IdKind::Text, ORIGINALS)),
        "InvalidOriginals"
    );
    assert_eq!(
        refused("no ids", &without(IdKind::Bigint, IDS)),
        "InvalidIds"
    );
    for kind in [
        HEAD, MODEL, BLOCKS, NUMBERS, STARTS, ORIGINALS, ID_ENDS, ID_TABLE, REMOVED,
    ] {
        let mut image = good(IdKind::Text);
        let mut sections = std::mem::take(&mut image.sections);
        let twice = sections
            .iter()
            .position(|section| section.kind == kind)
            .unwrap();
        sections.insert(twice, sections[twice].clone());
        let kind = refused("twice", &laid_out(&image, sections));
        assert!(
            [
                "MisplacedSection",
                "InvalidRows",
                "InvalidOriginals",
                "InvalidIds"
            ]
            .contains(&&*kind),
            "{kind}"
        );
    }
    for kind in [0, 13, u32::MAX] {
        let mut image = good(IdKind::Text);
        image.add(kind, 0, 20, &[0; 8]);
        assert_eq!(refused("unknown kind", &image), "MisplacedSection");
    }
    for kind in [NUMBERS, STARTS, ID_TEXTS] {
        let other = with(IdKind::Text, kind, |section| section.rows = 2);
        assert_eq!(refused("other rows", &other), "MisplacedSection");
    }
    for kind in [HEAD, MODEL] {
        let rows = with(IdKind::Text, kind, |section| section.rows = 3);
        assert_eq!(refused("rows of the head", &rows), "MisplacedSection");
    }
    // Ids of another kind, and ids where there should be none.
    let mut image = good(IdKind::Text);
    image.add(IDS, 0, 20, &[0; 160]);
    assert_eq!(refused("numbers", &image), "InvalidIds");
    let listed = with(IdKind::Number, HEAD, |section| section.bytes[24] = 0);
    assert_eq!(refused("ids of rows", &listed), "InvalidIds");
    let listed = with(IdKind::Text, HEAD, |section| section.bytes[24] = 0);
    assert_eq!(refused("texts of rows", &listed), "InvalidIds");
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    for (ids, kind, expected) in [
        (IdKind::Text, HEAD, "InvalidHead"),
        (IdKind::Text, MODEL, "InvalidModel"),
        (IdKind::Text, BLOCKS, "InvalidPart"),
        (IdKind::Text, NUMBERS, "InvalidPart"),
        (IdKind::Text, STARTS, "InvalidPart"),
        (IdKind::Text, ORIGINALS, "InvalidOriginals"),
        (IdKind::Number, IDS, "InvalidIds"),
        (IdKind::Text, ID_ENDS, "InvalidIds"),
        (IdKind::Text, ID_TABLE, "InvalidIdTable"),
        (IdKind::Text, REMOVED, "MisplacedSection"),
    ] {
        let shorter = with(ids, kind, |section| {
            section.bytes.truncate(section.bytes.len() - 1);
        });
        assert_eq!(refused("shorter", &shorter), expected, "{kind}");
        let longer = with(ids, kind, |section| section.bytes.push(0));
        assert_eq!(refused("longer", &longer), expected, "{kind}");
    }
    for kind in 1..=12 {
        for value in FAR {
            for what in 0..3 {
                let mut image = good(if kind == IDS {
                    IdKind::Bigint
                } else {
                    IdKind::Text
                });
                let mut of_kind = image
                    .sections
                    .iter_mut()
                    .filter(|section| section.kind == kind);
                let Some(section) = of_kind.next() else {
                    assert_eq!(kind, TAILS);
                    continue;
                };
                match what {
                    0 => section.offset = value & !63,
                    1 => section.len = Some(value),
                    _ => section.first = value,
                }
                assert_eq!(
                    refused("far", &image),
                    "InvalidSection",
                    "{kind} {what} {value}"
                );
            }
        }
    }
    for value in FAR {
        let mut image = good(IdKind::Text);
        image.rows = value;
        let code = from(image.bytes()).unwrap_err().code();
        assert_eq!(code, ErrorCode::Limit, "{value}");
        let mut image = good(IdKind::Text);
        image.live = value;
        assert_eq!(refused("live", &image), "InvalidRows");
    }
}

#[test]
fn runs_and_parts_of_no_rows_are_refused() {
    let mut part = good(IdKind::Number);
    for (kind, bytes) in [(BLOCKS, &[][..]), (NUMBERS, &[]), (STARTS, &[0; 12])] {
        part.add(kind, 0, 0, bytes);
    }
    assert_eq!(refused("part", &part), "InvalidPart");
    let mut originals = good(IdKind::Number);
    originals.add(ORIGINALS, 20, 0, &[]);
    assert_eq!(refused("originals", &originals), "InvalidOriginals");
    let mut ids = good(IdKind::Number);
    ids.add(IDS, 20, 0, &[]);
    assert_eq!(refused("ids", &ids), "InvalidIds");
    let mut texts = good(IdKind::Text);
    texts.add(ID_ENDS, 20, 0, &[]);
    texts.add(ID_TEXTS, 20, 0, &[]);
    assert_eq!(refused("texts", &texts), "InvalidIds");
}

#[test]
fn rows_are_counted_by_32_bits() {
    let most = u64::from(u32::MAX) - 1;
    for (rows, code) in [(most, ErrorCode::Format), (most + 1, ErrorCode::Limit)] {
        let mut image = good(IdKind::Text);
        image.rows = rows;
        assert_eq!(from(image.bytes()).unwrap_err().code(), code);
    }
}

#[test]
fn heads_that_break_the_rules_are_refused() {
    for (at, value, expected) in [
        (0, 1, "InvalidConfig"),
        (1, 65, "InvalidConfig"),
        (4, 5, "InvalidConfig"),
        (4, 0, "InvalidConfig"),
        (5, 3, "UnknownMetric"),
        (6, 3, "UnknownIdKind"),
        (7, 3, "UnknownOriginals"),
        (16, 1, "InvalidIds"),
        (24, 2, "InvalidHead"),
        (25, 1, "Reserved"),
        (31, 128, "Reserved"),
    ] {
        let image = with(IdKind::Text, HEAD, |section| section.bytes[at] = value);
        assert_eq!(refused("head", &image), expected, "{at}");
    }
    // The next number, which no id may reach.
    let image = with(IdKind::Number, HEAD, |section| section.bytes[16] ^= 1);
    assert_eq!(found("next id", &image), "InvalidIds");
}

#[test]
fn rows_that_break_the_rules_are_found_by_verifying() {
    for (what, at, row) in [
        ("twice", 0, 5_u32),
        ("far", 4, 20),
        ("very far", 8, u32::MAX),
    ] {
        let image = with(IdKind::Text, NUMBERS, |section| {
            let row = if section.bytes[at..at + 4] == row.to_le_bytes() {
                6
            } else {
                row
            };
            section.bytes[at..at + 4].copy_from_slice(&row.to_le_bytes());
        });
        assert_eq!(found(what, &image), "InvalidNumber");
    }
    for starts in [[1, 3, 20], [0, 21, 20], [0, 3, 19]] {
        let image = with(IdKind::Text, STARTS, |section| {
            assert_eq!(section.bytes.len(), 12);
            section.bytes = image::words(&starts);
        });
        assert_eq!(found("starts", &image), "InvalidPart");
    }
    // A row that is in no part, and was not removed.
    let image = with(IdKind::Number, REMOVED, |section| {
        section.bytes = image::longs(&[1 << 3 | 1 << 18]);
    });
    let live = |image: Image| found("removed", &image);
    assert_eq!(live(image), "MissingRow");
    for bytes in [
        image::longs(&[1 << 3]),
        image::longs(&[1 << 3, 1]),
        image::longs(&[1 << 3 | 1 << 20]),
    ] {
        let image = with(IdKind::Text, REMOVED, |section| {
            section.bytes.clone_from(&bytes);
        });
        assert_eq!(refused("removed", &image), "InvalidRows");
    }
    let padded = with(IdKind::Text, REMOVED, |section| {
        section.bytes.extend([0; 8]);
    });
    assert_eq!(refused("padded", &padded), "InvalidRows");
    let infinite = with(IdKind::Text, ORIGINALS, |section| section.bytes[39] = 0x7c);
    assert_eq!(found("infinite", &infinite), "InvalidRow");
}

#[test]
fn ids_that_break_the_rules_are_found_by_verifying() {
    let text = with(IdKind::Text, ID_TEXTS, |section| section.bytes[0] = 0xff);
    assert_eq!(found("no text", &text), "InvalidText");
    let ends = with(IdKind::Text, ID_ENDS, |section| section.bytes[0] = 200);
    assert_eq!(found("ends", &ends), "InvalidText");
    let large = with(IdKind::Number, IDS, |section| section.bytes[6] = 0x20);
    assert_eq!(found("beyond 2^53", &large), "InvalidId");
    for (ids, kind) in [(IdKind::Bigint, IDS), (IdKind::Text, ID_TEXTS)] {
        let other = with(ids, kind, |section| {
            let last = section.bytes.len() - 1;
            section.bytes[last] = if kind == IDS { 0 } else { b'x' };
        });
        assert!(judge(other.bytes()).is_err());
    }
    let twice = with(IdKind::Bigint, IDS, |section| {
        section.bytes.copy_within(0..8, 8);
    });
    assert!(matches!(
        &*found("twice", &twice),
        "InvalidIdTable" | "DuplicateId"
    ));
    for (what, bytes) in [
        ("empty", image::longs(&[0])),
        (
            "all empty",
            image::longs(&[[30].as_slice(), &[0; 30]].concat()),
        ),
        (
            "full",
            image::longs(&[[30].as_slice(), &[u64::MAX; 31]].concat()),
        ),
    ] {
        for kind in ID_KINDS {
            let image = with(kind, ID_TABLE, |section| section.bytes.clone_from(&bytes));
            assert_eq!(found(what, &image), "InvalidIdTable");
        }
    }
    for slots in [32, 1 << 32, u64::MAX] {
        let image = with(IdKind::Text, ID_TABLE, |section| {
            section.bytes[..8].copy_from_slice(&slots.to_le_bytes());
        });
        assert_eq!(refused("slots", &image), "InvalidIdTable", "{slots}");
    }
    let first = with(IdKind::Text, ID_TABLE, |section| section.rows = 19);
    assert_eq!(found("a row that no table knows", &first), "InvalidIdTable");
}

#[test]
fn what_is_wrong_is_told_by_its_place() {
    let numbers = |at: usize, row: u32| {
        let mut image = with(IdKind::Text, NUMBERS, |section| {
            let place = at * 4..at * 4 + 4;
            section.bytes[place].copy_from_slice(&row.to_le_bytes());
        });
        found_at(&mut image, NUMBERS)
    };
    for at in [0, 3, 17] {
        // One more than the last row.
        assert_eq!(numbers(at, 20), 4 * at as i64);
    }
    for (starts, place) in [
        ([1, 3, 18], 0),
        ([0, 19, 18], 8),
        ([0, 3, 17], 0),
        ([0, 3, 19], 0),
    ] {
        let mut image = with(IdKind::Text, STARTS, |section| {
            section.bytes = image::words(&starts);
        });
        assert_eq!(found_at(&mut image, STARTS), place);
    }
    for row in [0, 3, 19] {
        let mut infinite = with(IdKind::Text, ORIGINALS, |section| {
            section.bytes[24 * row + 3] = 0x7c;
        });
        assert_eq!(found_at(&mut infinite, ORIGINALS), 24 * row as i64);
        let mut large = with(IdKind::Number, IDS, |section| {
            section.bytes[8 * row + 6] = 0x20;
        });
        assert_eq!(found_at(&mut large, IDS), 8 * row as i64);
        // And where the row is found by a search.
        let ids = large.section(IDS).offset as i64;
        let (index, _) = from(large.bytes()).unwrap().into_index().unwrap();
        let wrong = index.search(&[1.0; 12], &exact(20), &Control::default());
        if ![3, 17].contains(&row) {
            let error = wrong.unwrap_err();
            assert_eq!(offset(&error.details()), ids + 8 * row as i64);
        }
    }
}

/// A table whose entries all lead to rows of the wanted hash but not of the id, and to the last row that has it.
#[test]
fn the_last_row_of_an_id_is_found() {
    let text = |row: u64| if row.is_multiple_of(2) { "a" } else { "b" };
    let mut image = good(IdKind::Text);
    let names: Vec<&str> = (0..20).map(text).collect();
    let (ends, texts) = image::texts(&names);
    let mut sections = std::mem::take(&mut image.sections);
    for section in &mut sections {
        match section.kind {
            ID_ENDS => section.bytes.clone_from(&ends),
            ID_TEXTS => section.bytes.clone_from(&texts),
            ID_TABLE => section.bytes = image::id_table(&names),
            _ => {}
        }
    }
    let image = laid_out(&image, sections);
    assert_eq!(found("many rows of an id", &image), "DuplicateId");
    let (index, _) = from(image.bytes()).unwrap().into_index().unwrap();
    assert!(index.has(IdRef::Text("a")).unwrap());
    assert_eq!(
        index.remove(&[IdRef::Text("a"), IdRef::Text("b")]).unwrap(),
        2
    );
    // The last rows are gone, and the ids with them.
    assert!(!index.has(IdRef::Text("a")).unwrap());
    assert!(!index.has(IdRef::Text("b")).unwrap());
    assert_eq!(
        index
            .search(&[1.0; 12], &exact(20), &Control::default())
            .unwrap()[0]
            .scores
            .len(),
        16
    );
}

/// Files of every shape: with tails, factors of many segments, norms, originals.
fn shapes() -> Vec<Image> {
    let mut images: Vec<Image> = ID_KINDS.map(good).into();
    for (bits, metric, ids) in [
        (4, Metric::L2, IdKind::Text),
        (3, Metric::Dot, IdKind::Number),
    ] {
        let config = IndexConfig::new(256, bits, metric, 1, ids, Originals::None).unwrap();
        let options = BuildOptions {
            fit: true,
            partitions: Partitions::Count(2),
        };
        let ids = match ids {
            IdKind::Text => common::index::ids(ids, 0..300),
            IdKind::Number | IdKind::Bigint => Ids::Next,
        };
        let values = skewed(1, 300, 256);
        let index = Index::build(config, &options, &values, ids, &Control::default()).unwrap();
        assert!(index.is_fitted());
        images.push(image_of(&index));
    }
    images
}

/// Every byte and every number of a file, changed under right checksums: what a forger can do.
#[test]
fn forged_bytes_never_harm() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let extremes = |len: u64| {
        [
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
        ]
    };
    let control = Control::default();
    for image in shapes() {
        let whole = image.bytes();
        judge(whole.clone()).unwrap();
        let try_it = |bytes: &[u8], what: (usize, u64)| {
            let mut bytes = bytes.to_vec();
            image::seal(&mut bytes);
            if let Err(error) = judge(bytes.clone()) {
                let code = error.code();
                assert!(
                    is_damage(code) || code == ErrorCode::Limit,
                    "{what:?}: {error}"
                );
            }
            // A writer that goes on with such a file either refuses or leaves one that opens.
            if !what.0.is_multiple_of(8) {
                return;
            }
            fs::write(&path, &bytes).unwrap();
            let opened = IndexFile::open(&path, false).and_then(IndexFile::into_index);
            let Ok((index, Some(link))) = opened else {
                return;
            };
            let values = vec![0.5; index.config().dim()];
            let ids = common::index::ids(index.config().id_kind(), [1000]);
            let added = index.add(&values, ids, &control);
            if added.is_ok() && sync_index(&index, &link, &path, &control, Probe::default()).is_ok()
            {
                let (index, _) = IndexFile::open(&path, false).unwrap().into_index().unwrap();
                let id = id(index.config().id_kind(), 1000);
                assert!(index.has(common::index::as_ref(&id)).unwrap(), "{what:?}");
            }
        };
        let covered = image::covered(&whole);
        let large = whole.len() > 60_000;
        for range in &covered {
            // Of long runs only some.
            let step = if large { (range.len() / 40).max(1) } else { 1 };
            for at in range.clone().step_by(step) {
                for value in [whole[at] ^ 1, whole[at] ^ 128, 0, 255] {
                    let mut bytes = whole.clone();
                    bytes[at] = value;
                    try_it(&bytes, (at, value.into()));
                }
            }
            let step = if large {
                (range.len() / 20).next_multiple_of(4).max(4)
            } else {
                4
            };
            for at in range.clone().step_by(step).filter(|at| at + 8 <= range.end) {
                for value in extremes(whole.len() as u64) {
                    let mut bytes = whole.clone();
                    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
                    try_it(&bytes, (at, value));
                }
            }
        }
    }
    assert!(
        common::peak_kb() < 2 << 20,
        "{} KB of address space",
        common::peak_kb()
    );
}

/// A file that went through several states, forged in the last one's sections.
#[test]
fn forged_states_never_harm() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = Index::new(plain(IdKind::Text, Originals::F16)).unwrap();
    add(&index, 0..5);
    let mut link = save(&index, &path);
    for key in 5..9 {
        add(&index, key..key + 1);
        remove(&index, [key - 5]);
        link = sync(&index, &link, &path);
    }
    let whole = fs::read(&path).unwrap();
    judge(whole.clone()).unwrap();
    assert!(
        content(&index, 9) == content(&from(whole.clone()).unwrap().into_index().unwrap().0, 9)
    );
    for at in image::covered(&whole).iter().cloned().flatten() {
        for value in [whole[at] ^ 1, 255] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            image::seal(&mut bytes);
            if let Err(error) = judge(bytes) {
                let code = error.code();
                assert!(is_damage(code) || code == ErrorCode::Limit, "{at}: {error}");
            }
        }
    }
}
