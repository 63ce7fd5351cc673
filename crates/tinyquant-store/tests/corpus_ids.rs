//! Ids of every kind, and files that grow for a long time.

mod common;

use common::{
    POLICIES, coding, colliding, content, create, memory_folder, names, new_rows, open, push,
    values, verified,
};
use std::path::Path;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_corpus::{CompressionPolicy, Corpus, Timestamp};
use tinyquant_store::{CorpusFile, CorpusWriter, Link, Probe, append, save};

fn strange_ids() -> Vec<String> {
    let (one, other) = colliding();
    let long = "ü".repeat(1 << 19);
    let mut ids: Vec<String> = ["", "0", "00", "01", "+1", "-0", "1.0", " 1", "7"]
        .map(str::to_owned)
        .into();
    ids.extend(["18446744073709551615", "18446744073709551616"].map(str::to_owned));
    ids.extend(["\0", "\u{feff}a", "a", "A", "é", "e\u{301}"].map(str::to_owned));
    ids.extend([long.clone(), long + "x", one, other]);
    ids
}

fn corpus(policy: CompressionPolicy) -> Corpus {
    let coding = coding(policy, false);
    let (config, codebook) = (coding.config, coding.codebook);
    Corpus::new("c", config, codebook, policy, None, Timestamp::default())
}

fn insert(corpus: &mut Corpus, id: &str, seed: u64) {
    let vector = values(seed, 1);
    corpus
        .insert(id, &vector, None, Timestamp::default())
        .unwrap();
}

#[test]
fn ids_are_told_apart_byte_by_byte() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let ids = strange_ids();
    // In one file, one in a file of its own after the others, and half of them later.
    for saved in [ids.len(), ids.len() - 1, ids.len() / 2, 0] {
        let mut corpus = corpus(CompressionPolicy::Fp16);
        let (first, later) = ids.split_at(saved);
        for (seed, id) in first.iter().enumerate() {
            insert(&mut corpus, id, seed as u64);
        }
        let mut link = save(&corpus, &path, &control, Probe::default()).unwrap();
        for (seed, id) in later.iter().enumerate() {
            assert!(!open(&path).contains(id).unwrap());
            insert(&mut corpus, id, (saved + seed) as u64);
            link = append(&corpus, &link, &path, &control, Probe::default()).unwrap();
        }
        assert_eq!(verified(&path, true), content(&corpus));
        for is_mapped in [true, false] {
            let opened = CorpusFile::open(&path, is_mapped).unwrap().into_corpus();
            for (seed, id) in ids.iter().enumerate() {
                let found = opened.decompress(id).unwrap();
                assert_eq!(found, corpus.decompress(id).unwrap());
                assert!((found[0] - values(seed as u64, 1)[0]).abs() < 0.01);
            }
            for id in ["1", "000", "+0", "k", "İ", "18446744073709551617"] {
                assert!(!opened.contains(id).unwrap(), "{id}");
            }
        }
        // Each is taken.
        let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
        for id in &ids {
            let pushed = push(&mut writer, 0..1, Some(std::slice::from_ref(id)));
            assert_eq!(pushed.unwrap_err().code(), ErrorCode::IdExists);
        }
    }
}

/// Ids go and come back, those of equal tags among them, now and then by way of the file.
#[test]
fn an_id_that_was_removed_can_be_given_again() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let (one, other) = colliding();
    let mut corpus = corpus(CompressionPolicy::Passthrough);
    insert(&mut corpus, &one, 0);
    insert(&mut corpus, &other, 1);
    let mut link = save(&corpus, &path, &control, Probe::default()).unwrap();
    for step in 2..40 {
        let id = if step % 3 == 0 { &one } else { &other };
        assert!(corpus.remove(id).unwrap());
        if step % 2 == 0 {
            link = append(&corpus, &link, &path, &control, Probe::default()).unwrap();
            assert_eq!(verified(&path, true), content(&corpus));
        }
        insert(&mut corpus, id, step);
        if step % 5 == 0 {
            append(&corpus, &link, &path, &control, Probe::default()).unwrap();
            let file = CorpusFile::open(&path, false).unwrap();
            file.verify(&control).unwrap();
            link = Link::opened(&path, &file).unwrap();
            let reopened = file.into_corpus();
            assert_eq!(content(&reopened), content(&corpus));
            corpus = reopened;
        }
    }
}

/// A row without an id of its own has its number, unless that is the id of another row.
#[test]
fn numbers_and_names_share_one_space() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let one = |writer: &mut CorpusWriter, id: &str| push(writer, 0..1, Some(&[id.to_owned()]));
    let taken = |result: Result<(), tinyquant_store::Error>| {
        assert_eq!(result.unwrap_err().code(), ErrorCode::IdExists);
    };
    let mut writer = create(&path, coding(CompressionPolicy::Compress, false));
    push(&mut writer, 0..3, None).unwrap();
    for id in ["0", "1", "2"] {
        taken(one(&mut writer, id));
    }
    one(&mut writer, "3").unwrap();
    one(&mut writer, "6").unwrap();
    push(&mut writer, 5..6, None).unwrap();
    taken(one(&mut writer, "5"));
    // Row 6 would be a second "6"; nothing of the call is added.
    taken(push(&mut writer, 6..8, None));
    taken(push(
        &mut writer,
        6..9,
        Some(&["8".into(), "9".into(), "8".into()]),
    ));
    assert_eq!(writer.rows(), 6);
    one(&mut writer, "7").unwrap();
    writer.finish().unwrap();
    let ids = ["0", "1", "2", "3", "6", "5", "7"];
    let found: Vec<String> = verified(&path, true).into_iter().map(|row| row.0).collect();
    assert_eq!(found, ids);
    let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    for id in ids {
        taken(one(&mut writer, id));
    }
    taken(push(&mut writer, 7..8, None));
    one(&mut writer, "x").unwrap();
    push(&mut writer, 8..9, None).unwrap();
    writer.finish().unwrap();
    let opened = open(&path);
    let found: Vec<String> = verified(&path, false)
        .into_iter()
        .map(|row| row.0)
        .collect();
    assert_eq!(found, [&ids[..], &["x", "8"]].concat());
    for (id, seed) in [("1", 1), ("5", 5), ("8", 8)] {
        let mut corpus = corpus(CompressionPolicy::Compress);
        insert(&mut corpus, id, seed);
        let (found, expected) = (opened.get(id).unwrap(), corpus.get(id).unwrap());
        assert_eq!(found.record(), expected.record());
    }
}

/// The number of a row that is yet to come is free.
#[test]
fn the_next_number_is_free() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    common::make_file(&path, 3);
    for (id, is_free) in [("2", false), ("3", true), ("4", true)] {
        let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
        let pushed = push(&mut writer, 0..1, Some(&[id.to_owned()]));
        assert_eq!(pushed.is_ok(), is_free, "{id}");
    }
}

/// Ids that were written are looked up in the file that is being written, each in its segment.
#[test]
fn ids_of_every_segment_are_taken() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let mut writer = create(&path, coding(CompressionPolicy::Compress, false));
    let runs = [
        names(0..3),
        vec![String::new(), "a".into(), "ab".into()],
        names(3..5),
    ];
    for (at, run) in runs.iter().enumerate() {
        push(&mut writer, 0..run.len(), Some(run)).unwrap();
        // A row without a name begins another segment; the last one waits.
        if at < 2 {
            push(&mut writer, 0..1, None).unwrap();
        }
    }
    for id in runs.iter().flatten() {
        let pushed = push(&mut writer, 0..1, Some(std::slice::from_ref(id)));
        assert_eq!(pushed.unwrap_err().code(), ErrorCode::IdExists, "{id:?}");
    }
    writer.finish().unwrap();
    assert_eq!(CorpusFile::open(&path, true).unwrap().segments(), 5);
    assert_eq!(verified(&path, true).len(), 10);
    // Three of these fill a segment, and the next one begins with the fourth.
    let mut writer = create(&path, coding(CompressionPolicy::Compress, false));
    let long: Vec<String> = ["a", "b", "c", "d"].map(|id| id.repeat(6 << 20)).into();
    push(&mut writer, 0..4, Some(&long)).unwrap();
    push(&mut writer, 4..5, None).unwrap();
    for id in &long {
        let pushed = push(&mut writer, 0..1, Some(std::slice::from_ref(id)));
        assert_eq!(pushed.unwrap_err().code(), ErrorCode::IdExists);
    }
}

/// Pushes rows in appends of the given lengths and returns the number of segments after each.
fn grow(path: &Path, runs: &[usize], named: bool) -> Vec<usize> {
    let mut from = 0;
    let control = Control::default();
    create(path, coding(CompressionPolicy::Compress, false))
        .finish()
        .unwrap();
    let all = values(1, 5000);
    runs.iter()
        .map(|&run| {
            let mut writer = CorpusWriter::append(path, Probe::default()).unwrap();
            let ids = names(from..from + run);
            let rows = new_rows(
                &all[..run * common::DIMENSION],
                named.then_some(&ids),
                &[],
                0,
            );
            writer.push(&rows, None, &control).unwrap();
            writer.finish().unwrap();
            from += run;
            CorpusFile::open(path, true).unwrap().segments()
        })
        .collect()
}

#[test]
fn a_file_that_grows_often_keeps_few_segments() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    for (runs, named, most) in [
        (vec![1000; 100], true, 8),
        (vec![1000; 200], false, 12),
        (vec![1; 300], true, 9),
        (vec![5000; 60], true, 12),
        ([1, 10, 100, 1000, 5000].repeat(20), false, 12),
        ((1..120).rev().collect(), true, 16),
    ] {
        let segments = grow(&path, &runs, named);
        let worst = segments.iter().max().unwrap();
        assert!(*worst <= most, "{worst} segments of {} runs", runs.len());
        let file = CorpusFile::open(&path, true).unwrap();
        file.verify(&Control::default()).unwrap();
        let rows: usize = runs.iter().sum();
        assert_eq!(
            (file.live(), file.commits()),
            (rows as u64, runs.len() as u64 + 1)
        );
        let opened = file.into_corpus();
        let id = |row: usize| {
            if named {
                format!("id-{row}")
            } else {
                row.to_string()
            }
        };
        for row in (0..rows).step_by(997).chain([rows - 1]) {
            assert!(opened.get(&id(row)).unwrap().id().as_ref() == id(row));
        }
        assert!(!opened.contains(&id(rows)).unwrap());
    }
}

/// A file without rows, and rows of every policy added to it later.
#[test]
fn a_file_may_be_empty() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    for policy in POLICIES {
        let empty = create(&path, coding(policy, true)).finish().unwrap();
        assert_eq!(empty.vectors, 0);
        assert!(verified(&path, true).is_empty());
        let opened = open(&path);
        assert!(opened.is_empty() && !opened.contains("0").unwrap());
        let query = values(1, 1);
        let found = opened.search(&query, 3, None, &Control::default()).unwrap();
        assert!(found[0].is_empty());
        let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
        push(&mut writer, 0..2, None).unwrap();
        assert_eq!(writer.finish().unwrap().vectors, 2);
        assert_eq!(verified(&path, false).len(), 2);
        // All of them can go.
        let file = CorpusFile::open(&path, true).unwrap();
        let link = Link::opened(&path, &file).unwrap();
        let mut corpus = file.into_corpus();
        assert!(corpus.remove("0").unwrap() && corpus.remove("1").unwrap());
        append(&corpus, &link, &path, &Control::default(), Probe::default()).unwrap();
        assert!(verified(&path, true).is_empty());
    }
}
