//! Corpus files from the outside: what is written comes back, in every shape.

mod common;

use common::image::{self, Sections};
use common::{
    POLICIES, coding, content, create, make_file, names, new_rows, open, push, values, verified,
};
use std::sync::Mutex;
use tinyquant_codec::{CodecConfig, Control, ErrorCode};
use tinyquant_corpus::{Coding, CompressionPolicy, Corpus, StoredRows, Timestamp};
use tinyquant_store::{CorpusFile, CorpusWriter, Link, Probe, Source, Step, append, save};
use tinyquant_testkit::seeded;

#[test]
fn rows_come_back_under_every_policy() {
    let folder = tempfile::tempdir().unwrap();
    for policy in POLICIES {
        for has_residual in [false, true] {
            let path = folder.path().join(format!("{policy}-{has_residual}.tq"));
            let coding = coding(policy, has_residual);
            let mut corpus = Corpus::new(
                "c",
                coding.config.clone(),
                coding.codebook.clone(),
                policy,
                Some("{\"a\":1}"),
                Timestamp::default(),
            );
            for (row, id) in names(0..70).iter().enumerate() {
                let metadata = (row % 3 == 0).then(|| format!("{{\"row\":{row}}}"));
                let vector = values(row as u64, 1);
                let time = Timestamp::from_nanos(row as i64 / 10);
                corpus
                    .insert(id, &vector, metadata.as_deref(), time)
                    .unwrap();
            }
            corpus.remove("id-5").unwrap();
            save(&corpus, &path, &Control::default(), Probe::default()).unwrap();
            for is_mapped in [true, false] {
                let file = CorpusFile::open(&path, is_mapped).unwrap();
                file.verify(&Control::default()).unwrap();
                assert_eq!(file.live(), 69);
                let opened = file.into_corpus();
                assert_eq!(content(&opened), content(&corpus));
                assert_eq!(opened.coding(), corpus.coding());
                assert_eq!(opened.metadata(), corpus.metadata());
                assert_eq!(opened.len(), 69);
                assert!(!opened.contains("id-5").unwrap() && opened.contains("id-69").unwrap());
                assert_eq!(
                    opened.decompress("id-7").unwrap(),
                    corpus.decompress("id-7").unwrap()
                );
                let query = values(9, 2);
                let control = Control::default();
                assert_eq!(
                    opened.search(&query, 5, None, &control).unwrap(),
                    corpus.search(&query, 5, None, &control).unwrap()
                );
            }
        }
    }
}

#[test]
fn a_file_grows_by_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let coding = coding(CompressionPolicy::Compress, true);
    let mut writer =
        CorpusWriter::create(&path, "c", coding, None, false, Probe::default()).unwrap();
    let first = values(1, 20);
    writer
        .push(&new_rows(&first, None, &[], 0), None, &control)
        .unwrap();
    writer.finish().unwrap();

    let file = CorpusFile::open(&path, true).unwrap();
    let mut link = Link::opened(&path, &file).unwrap();
    let mut corpus = file.into_corpus();
    for step in 0..40_usize {
        let vector = values(100 + step as u64, 1);
        let id = format!("new-{step}");
        corpus
            .insert(&id, &vector, Some("{}"), Timestamp::from_nanos(step as i64))
            .unwrap();
        if step % 3 == 0 {
            assert!(corpus.remove(&step.to_string()).unwrap() == (step < 20));
        }
        if step % 4 == 1 {
            assert!(corpus.remove(&format!("new-{}", step - 1)).unwrap());
            corpus
                .insert(
                    &format!("new-{}", step - 1),
                    &vector,
                    None,
                    Timestamp::default(),
                )
                .unwrap();
        }
        let before = std::fs::metadata(&path).unwrap().len();
        link = append(&corpus, &link, &path, &control, Probe::default()).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > before);
        let file = CorpusFile::open(&path, true).unwrap();
        file.verify(&control).unwrap();
        assert_eq!(file.commits(), step as u64 + 2);
        assert_eq!(
            content(&file.into_corpus()),
            content(&corpus),
            "step {step}"
        );
    }
    // A writer that adds rows of the same names is refused, whether they are numbers or not.
    let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    let row = values(1, 1);
    for id in ["1", "new-4", "new-39"] {
        let ids = [id.to_owned()];
        let pushed = writer.push(&new_rows(&row, Some(&ids), &[], 0), None, &control);
        assert_eq!(pushed.unwrap_err().code(), ErrorCode::IdExists, "{id}");
    }
    let ids = ["3".to_owned()];
    writer
        .push(&new_rows(&row, Some(&ids), &[], 0), None, &control)
        .unwrap();
    writer.finish().unwrap();
    assert!(open(&path).contains("3").unwrap());
    // The corpus does not know of that row.
    let changed = append(&corpus, &link, &path, &control, Probe::default());
    assert_eq!(changed.unwrap_err().code(), ErrorCode::Io);
}

#[test]
fn vectors_of_any_size_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    for policy in [CompressionPolicy::Compress, CompressionPolicy::Passthrough] {
        let mut writer = create(&path, coding(policy, false));
        for scale in [0.0, 1e-40, 1e6, 1e30] {
            let values: Vec<f32> = values(1, 1).iter().map(|value| value * scale).collect();
            let rows = new_rows(&values, None, &[], 0);
            writer.push(&rows, None, &Control::default()).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(verified(&path, true).len(), 4);
    }
}

#[test]
fn a_writer_says_what_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("c.tq");
    let coding = coding(CompressionPolicy::Fp16, false);
    let metadata = Some("{\"a\":1}");
    let mut writer = CorpusWriter::create(
        &path,
        "name",
        coding.clone(),
        metadata,
        false,
        Probe::default(),
    )
    .unwrap();
    for (before, after) in [(0, 3), (3, 5)] {
        assert_eq!((writer.path(), writer.id()), (&*path, "name"));
        assert_eq!((writer.coding(), writer.metadata()), (&coding, metadata));
        assert_eq!(writer.rows(), 0);
        push(&mut writer, before..after, None).unwrap();
        assert_eq!(writer.rows(), (after - before) as u64);
        let written = writer.finish().unwrap();
        assert_eq!(written.vectors, after as u64);
        let len = std::fs::metadata(&path).unwrap().len();
        assert_eq!(written.bytes, len);
        let file = CorpusFile::open(&path, true).unwrap();
        assert_eq!((file.id(), file.metadata()), ("name", metadata));
        assert_eq!((file.live(), file.size_bytes()), (after as u64, len));
        writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    }
    // Nothing was added since.
    let unchanged = writer.finish().unwrap();
    assert_eq!(unchanged.vectors, 5);
    assert_eq!(CorpusFile::open(&path, true).unwrap().commits(), 2);
}

#[test]
fn saving_counts_the_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("1.tq"), folder.path().join("2.tq"));
    let mut writer = create(&one, coding(CompressionPolicy::Compress, false));
    push(&mut writer, 0..2500, None).unwrap();
    writer.finish().unwrap();
    let seen = Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    let control = Control {
        cancelled: None,
        progress: Some(&progress),
    };
    save(&open(&one), &other, &control, Probe::default()).unwrap();
    let steps = [1024, 2048, 2500].map(|done| (done, 2500));
    assert_eq!(*seen.lock().unwrap(), steps);
}

#[test]
fn a_writer_that_failed_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let coding = coding(CompressionPolicy::Passthrough, false);
    let probe = Probe::new(|step| matches!(step, Step::Write(_)).then_some(0));
    let mut writer = CorpusWriter::create(&path, "c", coding, None, false, probe).unwrap();
    // More than a segment.
    let rows = values(1, 70_000);
    let mut push = |rows: &[f32]| {
        let rows = new_rows(rows, None, &[], 0);
        let pushed = writer.push(&rows, None, &Control::default());
        pushed.unwrap_err().code()
    };
    assert_eq!(push(&rows), ErrorCode::Io);
    assert_eq!(push(&rows[..10]), ErrorCode::Closed);
    assert_eq!(writer.finish().unwrap_err().code(), ErrorCode::Closed);
}

#[test]
fn verifying_counts_up_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let mut writer = create(&path, coding(CompressionPolicy::Compress, true));
    let metadata = vec![Some("{}".to_owned()); 20];
    let (rows, ids) = (values(1, 20), names(0..20));
    let rows = new_rows(&rows, Some(&ids), &metadata, 5);
    writer.push(&rows, None, &Control::default()).unwrap();
    writer.finish().unwrap();
    let file = CorpusFile::open(&path, true).unwrap();
    let link = Link::opened(&path, &file).unwrap();
    let mut corpus = file.into_corpus();
    corpus.remove("id-3").unwrap();
    append(&corpus, &link, &path, &Control::default(), Probe::default()).unwrap();

    let seen = Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    let control = Control {
        cancelled: None,
        progress: Some(&progress),
    };
    CorpusFile::open(&path, true)
        .unwrap()
        .verify(&control)
        .unwrap();
    let seen = seen.into_inner().unwrap();
    // Every section has bytes, and those of all are told; texts come with their ends, an id table in two steps.
    let steps: Vec<usize> = seen.iter().map(|(done, _)| *done).collect();
    assert!(steps.is_sorted_by(|a, b| a < b), "{steps:?}");
    assert_eq!(steps.len(), 10, "{steps:?}");
    let bytes = Sections::of(&std::fs::read(&path).unwrap());
    let total: usize = bytes.0.iter().map(|section| section.bytes.len()).sum();
    assert!(seen.iter().all(|(_, of)| *of == total));
    assert_eq!(steps.last(), Some(&total));
}

/// Large sections are read in pieces of 4 MB, of whole rows.
#[test]
fn verifying_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let coding = Coding {
        config: CodecConfig::new(2, 42, 15_000, false).unwrap(),
        ..coding(CompressionPolicy::Passthrough, false)
    };
    let mut writer = create(&path, coding);
    let rows = seeded::normal(1, 150 * 15_000, 1.0);
    let rows = new_rows(&rows, None, &[], 0);
    writer.push(&rows, None, &Control::default()).unwrap();
    writer.finish().unwrap();
    let seen = Mutex::new(vec![0]);
    let progress = |done, _| seen.lock().unwrap().push(done);
    let control = Control {
        cancelled: None,
        progress: Some(&progress),
    };
    let file = CorpusFile::open(&path, true).unwrap();
    file.verify(&control).unwrap();
    let seen = seen.into_inner().unwrap();
    let steps: Vec<usize> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let piece = (4 << 20) / 60_000 * 60_000;
    assert_eq!(steps[..3], [piece, piece, 150 * 60_000 - 2 * piece]);
    // A row that no vector gives is told wherever it lies.
    let mut bytes = std::fs::read(&path).unwrap();
    let sections = Sections::of(&bytes).0;
    let codes = sections.iter().find(|section| section.kind == image::CODES);
    let row = codes.unwrap().offset as usize + 130 * 60_000;
    bytes[row + 10] = 0x80;
    bytes[row + 11] = 0x7f;
    image::seal(&mut bytes);
    let file = CorpusFile::from_source(Source::from_bytes(bytes)).unwrap();
    let error = file.verify(&Control::default()).unwrap_err();
    assert_eq!(common::offset(&error.details()), row as i64);
    assert!(error.to_string().contains("row 130 "), "{error}");
}

#[test]
fn memory_of_an_open_file_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let heap = || CorpusFile::open(&path, true).unwrap().heap_bytes();
    let section = 40;
    let write = |has_residual| {
        let coding = coding(CompressionPolicy::Compress, has_residual);
        let mut writer = create(&path, coding);
        push(&mut writer, 0..10, None).unwrap();
        writer.finish().unwrap();
    };
    write(true);
    let with_residuals = heap();
    write(false);
    // Head, codebook and codes.
    let plain = heap();
    assert_eq!(with_residuals - plain, section);
    let segment = plain - 3 * section - "c".len();
    assert!(segment > 3 * section, "{segment}");
    let remove = |rows: &[&str]| {
        let file = CorpusFile::open(&path, true).unwrap();
        let link = Link::opened(&path, &file).unwrap();
        let mut corpus = file.into_corpus();
        for row in rows {
            assert!(corpus.remove(row).unwrap());
        }
        append(&corpus, &link, &path, &Control::default(), Probe::default()).unwrap();
    };
    remove(&["0"]);
    assert_eq!(heap(), plain + section + 8);
    remove(&["1", "2"]);
    assert_eq!(heap(), plain + section + 3 * 8);
    // Rows with names go into a segment of their own.
    let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    push(&mut writer, 10..12, Some(&names(10..12))).unwrap();
    writer.finish().unwrap();
    assert_eq!(heap(), 2 * segment + 8 * section + 3 * 8 + "c".len());
}

/// An id that reads as a number is that of a row only if the row's number is written so.
#[test]
fn numbers_of_rows_have_one_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    make_file(&path, 11);
    let corpus = open(&path);
    for (id, is_there) in [
        ("0", true),
        ("1", true),
        ("10", true),
        ("11", false),
        ("", false),
        ("00", false),
        ("01", false),
        ("+1", false),
        ("-0", false),
        ("1 ", false),
        ("18446744073709551616", false),
    ] {
        assert_eq!(corpus.contains(id).unwrap(), is_there, "{id:?}");
    }
}
