//! What a file that grows keeps as it is, and what it writes again together with what is new.

mod common;

use common::image::{ID_TABLE, Sections};
use common::index::{self, add, plain, remove, skewed, sync};
use common::{coding, create, memory_folder, names, new_rows, push, verified};
use std::fs;
use std::path::Path;
use tinyquant_codec::{CodecConfig, Control};
use tinyquant_corpus::{Coding, CompressionPolicy};
use tinyquant_index::{IdKind, Ids, Index, IndexConfig, Metric, Originals};
use tinyquant_store::{CorpusFile, CorpusWriter, IndexFile, Probe};
use tinyquant_testkit::seeded;

/// Offset and rows of the sections of a kind.
fn runs(path: &Path, kind: u32) -> Vec<(u64, u64)> {
    let sections = Sections::of(&fs::read(path).unwrap()).0;
    let of_kind = sections.iter().filter(|section| section.kind == kind);
    of_kind
        .map(|section| (section.offset, section.rows))
        .collect()
}

fn lengths(path: &Path, kind: u32) -> Vec<u64> {
    runs(path, kind).into_iter().map(|(_, rows)| rows).collect()
}

/// Segments of a file of `old` rows to which `new` ones of 288 bytes were added.
fn segments_of_rows(path: &Path, old: usize, new: usize) -> usize {
    const DIMENSION: usize = 128;
    let coding = Coding {
        config: CodecConfig::new(2, 42, DIMENSION as u32, true).unwrap(),
        ..coding(CompressionPolicy::Compress, true)
    };
    let values = seeded::normal(1, old.max(new) * DIMENSION, 1.0);
    let mut writer = create(path, coding);
    for count in [old, new] {
        let rows = new_rows(&values[..count * DIMENSION], None, &[], 0);
        writer.push(&rows, None, &Control::default()).unwrap();
        writer.finish().unwrap();
        writer = CorpusWriter::append(path, Probe::default()).unwrap();
    }
    CorpusFile::open(path, true).unwrap().segments()
}

/// Segments of a file of a row with texts of so many megabytes, to which one with an id of 4 MB was added.
fn segments_of_texts(path: &Path, id: usize, metadata: usize) -> usize {
    let text = |letter: &str, len: usize| letter.repeat(len << 20);
    let mut writer = create(path, coding(CompressionPolicy::Fp16, false));
    let values = common::values(1, 1);
    for (id, metadata) in [
        (text("a", id), Some(text("m", metadata))),
        (text("b", 4), None),
    ] {
        let (ids, metadata) = ([id], [metadata]);
        let rows = new_rows(&values, Some(&ids), &metadata, 0);
        writer.push(&rows, None, &Control::default()).unwrap();
        writer.finish().unwrap();
        writer = CorpusWriter::append(path, Probe::default()).unwrap();
    }
    CorpusFile::open(path, true).unwrap().segments()
}

#[test]
fn segments_are_merged_as_far_as_one_goes() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    assert_eq!(segments_of_rows(&path, 33_000, 22_000), 1);
    assert_eq!(verified(&path, true).len(), 55_000);
    // 17 MB.
    assert_eq!(segments_of_rows(&path, 36_000, 24_000), 2);
    // What was there is half as large again as what is new.
    assert_eq!(segments_of_rows(&path, 31, 20), 2);
    assert_eq!(segments_of_rows(&path, 30, 20), 1);
    assert_eq!(segments_of_texts(&path, 9, 3), 1);
    assert_eq!(verified(&path, true).len(), 2);
    assert_eq!(segments_of_texts(&path, 9, 4), 2);
}

#[test]
fn id_tables_of_a_corpus_are_merged_with_those_that_are_not_much_larger() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let mut writer = create(&path, coding(CompressionPolicy::Compress, false));
    let mut from = 0;
    for (count, expected) in [
        (1000, vec![1000]),
        (10, vec![1000, 10]),
        (7, vec![1000, 17]),
        (1, vec![1000, 17, 1]),
        (640, vec![1000, 658]),
        (100, vec![1000, 658, 100]),
        (500, vec![2258]),
    ] {
        push(
            &mut writer,
            from..from + count,
            Some(&names(from..from + count)),
        )
        .unwrap();
        writer.finish().unwrap();
        from += count;
        assert_eq!(lengths(&path, ID_TABLE), expected);
        writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    }
    // Rows without ids of their own are no matter of the tables.
    let before = runs(&path, ID_TABLE);
    push(&mut writer, from..from + 5000, None).unwrap();
    writer.finish().unwrap();
    assert_eq!(runs(&path, ID_TABLE), before);
    assert_eq!(verified(&path, true).len(), 2258 + 5000);
}

#[test]
fn runs_and_tables_of_an_index_are_merged_with_those_that_are_not_much_larger() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = Index::new(plain(IdKind::Text, Originals::F16)).unwrap();
    let mut link = index::save(&index, &path);
    let first = [1, 2].map(|kind| runs(&path, kind));
    let mut from = 0;
    for (count, expected) in [
        (1000, vec![1000]),
        (10, vec![1000, 10]),
        (7, vec![1000, 17]),
        (1, vec![1000, 17, 1]),
        (640, vec![1000, 658]),
        (100, vec![1000, 658, 100]),
        (500, vec![2258]),
    ] {
        add(&index, from..from + count);
        link = sync(&index, &link, &path);
        from += count;
        for kind in [7, 9, 10, 11] {
            assert_eq!(lengths(&path, kind), expected, "{kind}");
        }
        // Head and model stay as they are.
        assert_eq!([1, 2].map(|kind| runs(&path, kind)), first);
    }
    index::stored_content(&path, from);
}

/// As many rows as a run has, and as many bytes.
#[test]
fn ids_of_an_index_are_divided_into_runs() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = Index::new(plain(IdKind::Text, Originals::None)).unwrap();
    add(&index, 0..70_000);
    let link = index::save(&index, &path);
    assert_eq!(lengths(&path, 9), [65_536, 4464]);
    add(&index, 70_000..110_000);
    sync(&index, &link, &path);
    assert_eq!(lengths(&path, 9), [65_536, 44_464]);
    assert_eq!(index::verified_index(&path, true).len(), 110_000);

    let index = Index::new(plain(IdKind::Text, Originals::None)).unwrap();
    let long = |row: usize| format!("{row}{}", "x".repeat(4 << 20)).into();
    let ids = Ids::Text((0..5).map(long).collect());
    let values = index::vectors(0..5);
    index.add(&values, ids, &Control::default()).unwrap();
    index::save(&index, &path);
    assert_eq!(lengths(&path, 10), [4, 1]);
    assert_eq!(index::verified_index(&path, true).len(), 5);
}

/// Originals of 16 KB a row: those of 1024 rows are written again at most.
#[test]
fn many_originals_are_not_written_again() {
    const DIM: usize = 4096;
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let config = IndexConfig::new(DIM, 1, Metric::Dot, 5, IdKind::Number, Originals::F32).unwrap();
    for (old, new, expected) in [(610, 414, vec![1024]), (610, 415, vec![610, 415])] {
        let index = Index::new(config).unwrap();
        let add = |rows: usize| {
            let values = skewed(1, rows, DIM);
            index.add(&values, Ids::Next, &Control::default()).unwrap();
        };
        add(old);
        let link = index::save(&index, &path);
        add(new);
        sync(&index, &link, &path);
        assert_eq!(lengths(&path, 7), expected);
    }
}

/// A file of which less than half is out of use is not written anew, with what is added to it counted.
#[test]
fn much_that_is_new_makes_up_for_what_is_out_of_use() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = index::built(plain(IdKind::Number, Originals::None), 0..40_000);
    let mut link = index::save(&index, &path);
    let size = || fs::metadata(&path).unwrap().len();
    let used = size();
    let mut key = 39_999;
    while size() < used + (5 << 18) {
        remove(&index, [key]);
        link = sync(&index, &link, &path);
        key -= 1;
    }
    let commits = || IndexFile::open(&path, true).unwrap().commits();
    let before = commits();
    add(&index, 40_000..65_000);
    sync(&index, &link, &path);
    assert_eq!(commits(), before + 1);
}

/// Which rows went is written where that changed, and only there.
#[test]
fn removed_rows_of_an_index_are_kept_while_no_more_go() {
    const REMOVED: u32 = 12;
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = index::built(plain(IdKind::Number, Originals::None), 0..100);
    remove(&index, [7, 70]);
    let link = index::save(&index, &path);
    let first = runs(&path, REMOVED);
    assert_eq!(first.len(), 1);
    add(&index, 100..110);
    let link = sync(&index, &link, &path);
    assert_eq!(runs(&path, REMOVED), first);
    remove(&index, [8]);
    sync(&index, &link, &path);
    assert_ne!(runs(&path, REMOVED)[0].0, first[0].0);
    index::stored_content(&path, 110);
}
