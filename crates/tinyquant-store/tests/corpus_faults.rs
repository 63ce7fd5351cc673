//! Crashes at every step of a writer, files that were cut or changed, and programs that interfere.

mod common;

use common::{
    DIMENSION, Row, coding, content, create, detail, image, is_damage, listing, memory_folder,
    names, new_rows, open, push, try_content, values, verified,
};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_corpus::{CompressionPolicy, Corpus, Timestamp};
use tinyquant_store::{CorpusFile, CorpusWriter, Error, Link, Probe, Source, Step, append, save};

/// Vectors `from` to `until`, with enough metadata that a save takes several writes.
fn add(corpus: &mut Corpus, rows: std::ops::Range<usize>) {
    for row in rows {
        let metadata = format!("{{\"text\":\"{}\"}}", "x".repeat(2000));
        let id = format!("id-{row}");
        let time = Timestamp::from_nanos(row as i64);
        let vector = values(row as u64, 1);
        corpus.insert(&id, &vector, Some(&metadata), time).unwrap();
    }
}

fn corpus(rows: std::ops::Range<usize>) -> Corpus {
    let coding = coding(CompressionPolicy::Compress, true);
    let (config, codebook) = (coding.config, coding.codebook);
    let created = Timestamp::default();
    let mut corpus = Corpus::new("c", config, codebook, coding.policy, None, created);
    add(&mut corpus, rows);
    corpus
}

/// What a file must hold after a writer was stopped.
struct Killed<'a> {
    path: &'a Path,
    /// Bytes of the file before, if there was one, and what they hold.
    before: Option<(Vec<u8>, Vec<Row>)>,
    after: Vec<Row>,
}

impl Killed<'_> {
    fn restore(&self) {
        match &self.before {
            Some((bytes, _)) => fs::write(self.path, bytes).unwrap(),
            None => drop(fs::remove_file(self.path)),
        }
    }

    /// What the file holds: true for the new content, false for the old one.
    fn is_new(&self) -> bool {
        if !self.path.exists() {
            assert!(self.before.is_none());
            return false;
        }
        let found = verified(self.path, true);
        assert_eq!(found, verified(self.path, false));
        let is_new = found == self.after;
        assert!(is_new || self.before.as_ref().is_some_and(|(_, rows)| *rows == found));
        is_new
    }

    /// Stops `write` before and within each of its steps.
    fn at_every_step(&self, write: impl Fn(Probe) -> Result<(), Error>) {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&steps);
        self.restore();
        write(Probe::new(move |step| {
            notes.lock().unwrap().push(step);
            None
        }))
        .unwrap();
        assert!(self.is_new());
        let steps = std::mem::take(&mut *steps.lock().unwrap());
        let writes = steps.iter().filter(|step| matches!(step, Step::Write(_)));
        assert!(writes.count() >= 4, "{steps:?}");
        let mut was_new = false;
        for (stop_at, step) in steps.iter().enumerate() {
            let cuts = match *step {
                Step::Write(len) => vec![0, 1, len / 2, len],
                _ => vec![0],
            };
            for cut in cuts {
                self.restore();
                let mut at = 0;
                let probe = Probe::new(move |_| {
                    at += 1;
                    (at == stop_at + 1).then_some(cut)
                });
                assert_eq!(write(probe).unwrap_err().code(), ErrorCode::Io);
                let is_new = self.is_new();
                assert!(
                    is_new || !was_new,
                    "{step:?} {cut}: the old content came back"
                );
                was_new = is_new;
                // The next writer does not mind what the last one left; where the content is the new one already,
                // the corpus that was stopped no longer knows the file.
                match write(Probe::default()) {
                    Ok(()) => {}
                    Err(error) if is_new => assert_eq!(detail(&error, "kind"), "Changed"),
                    Err(error) => panic!("{step:?} {cut}: {error}"),
                }
                assert!(self.is_new(), "{step:?} {cut}");
                let folder = self.path.parent().unwrap();
                assert_eq!(listing(folder), ["c.tq"], "{step:?} {cut}");
            }
        }
        assert!(was_new);
    }
}

#[test]
fn a_save_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let (old, new) = (corpus(0..40), corpus(20..420));
    save(&old, &path, &control, Probe::default()).unwrap();
    let bytes = fs::read(&path).unwrap();
    for before in [None, Some((bytes, content(&old)))] {
        let after = content(&new);
        let path = &path;
        let killed = Killed {
            path,
            before,
            after,
        };
        killed.at_every_step(|probe| save(&new, path, &control, probe).map(drop));
    }
}

/// The superblock that an append writes was never used, holds an older state, or held one before that.
#[test]
fn an_append_that_is_killed_leaves_the_old_content_or_the_new_one() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let mut corpus = corpus(0..300);
    let mut link = save(&corpus, &path, &control, Probe::default()).unwrap();
    for state in 1..4 {
        let before = Some((fs::read(&path).unwrap(), content(&corpus)));
        assert_eq!(CorpusFile::open(&path, true).unwrap().commits(), state);
        corpus.remove(&format!("id-{state}")).unwrap();
        add(
            &mut corpus,
            300 * state as usize..300 * (state as usize + 1),
        );
        let after = content(&corpus);
        let killed = Killed {
            path: &path,
            before,
            after,
        };
        killed.at_every_step(|probe| append(&corpus, &link, &path, &control, probe).map(drop));
        killed.restore();
        link = append(&corpus, &link, &path, &control, Probe::default()).unwrap();
    }
}

#[test]
fn a_writer_that_is_killed_takes_nothing_along() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let coding = coding(CompressionPolicy::Passthrough, false);
    let mut writer = create(&path, coding);
    push(&mut writer, 0..9000, None).unwrap();
    writer.finish().unwrap();
    let before = Some((fs::read(&path).unwrap(), verified(&path, true)));
    let write = |probe| {
        let mut writer = CorpusWriter::append(&path, probe)?;
        match push(&mut writer, 9000..18_000, Some(&names(0..9000))) {
            Ok(()) => writer.finish().map(drop),
            // The writer that was stopped had brought them to the file.
            Err(error) if error.code() == ErrorCode::IdExists => Ok(()),
            Err(error) => Err(error),
        }
    };
    write(Probe::default()).unwrap();
    let after = verified(&path, true);
    assert_eq!(after.len(), 18_000);
    let killed = Killed {
        path: &path,
        before,
        after,
    };
    killed.at_every_step(write);
}

/// A small file in states 1, 2 and 3, and what they hold.
fn states(path: &Path) -> Vec<(Vec<u8>, Vec<Row>)> {
    let control = Control::default();
    let mut writer = create(path, coding(CompressionPolicy::Compress, true));
    push(&mut writer, 0..3, None).unwrap();
    writer.finish().unwrap();
    let file = CorpusFile::open(path, true).unwrap();
    let mut link = Link::opened(path, &file).unwrap();
    let mut corpus = file.into_corpus();
    let mut states = vec![(fs::read(path).unwrap(), content(&corpus))];
    for row in 0..2 {
        corpus.remove(&row.to_string()).unwrap();
        let (id, vector) = (format!("new-{row}"), values(row, 1));
        let time = Timestamp::from_nanos(7);
        corpus
            .insert(&id, &vector, Some("{\"a\":1}"), time)
            .unwrap();
        link = append(&corpus, &link, path, &control, Probe::default()).unwrap();
        states.push((fs::read(path).unwrap(), content(&corpus)));
    }
    states
}

#[test]
fn a_file_cut_at_any_byte_is_an_error_or_an_older_state() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let states = states(&path);
    for (at, (bytes, _)) in states.iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for len in (0..bytes.len()).rev() {
            file.set_len(len as u64).unwrap();
            for is_mapped in [true, false] {
                let opened = CorpusFile::open(&path, is_mapped);
                // Superblocks tell of the last two states only.
                let earlier = at.checked_sub(1).map(|at| &states[at]);
                match (opened, earlier.filter(|(bytes, _)| bytes.len() <= len)) {
                    (Ok(opened), Some((_, rows))) => {
                        let error = opened.verify(&Control::default()).unwrap_err();
                        assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
                        assert_eq!(content(&opened.into_corpus()), *rows);
                    }
                    (Err(error), None) => {
                        assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
                    }
                    (opened, _) => panic!("state {at} cut at {len}: {opened:?}"),
                }
            }
            // What was lost may come back: nothing is written over it.
            if len % 7 == 0 {
                let error = CorpusWriter::append(&path, Probe::default()).unwrap_err();
                assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
                assert_eq!(file.metadata().unwrap().len(), len as u64);
            }
        }
    }
}

/// Reads all that the bytes hold; `Ok` only if they could also be verified.
fn read_all(bytes: &[u8]) -> Result<Vec<Row>, ErrorCode> {
    let file = CorpusFile::from_source(Source::from_bytes(bytes.to_vec()));
    let file = file.map_err(|error| error.code())?;
    let verdict = file.verify(&Control::default());
    let corpus = file.into_corpus();
    // Whatever verifying says, reading answers.
    let rows = try_content(&corpus).map_err(|error| error.code());
    let values = corpus.page_values(0, u64::MAX, 100, None, &Control::default());
    let found = corpus.get("new-1").map(drop).and(corpus.get("2"));
    drop((values, found));
    verdict.map_err(|error| error.code())?;
    rows
}

#[test]
fn every_changed_byte_is_found_or_does_not_matter() {
    let folder = memory_folder();
    for (bytes, rows) in states(&folder.path().join("c.tq")) {
        assert_eq!(read_all(&bytes).unwrap(), rows);
        let covered = image::covered(&bytes);
        let mut bytes = bytes;
        for at in 0..bytes.len() {
            let was = bytes[at];
            let is_covered = covered.iter().any(|range| range.contains(&at));
            let flips: Vec<u8> = (0..8).map(|bit| was ^ (1 << bit)).collect();
            for value in flips.into_iter().chain([!was, 0, 255]) {
                if value == was {
                    continue;
                }
                bytes[at] = value;
                match read_all(&bytes) {
                    Ok(found) => assert!(!is_covered && found == rows, "byte {at}: {value:#04x}"),
                    Err(code) => assert!(is_damage(code), "byte {at}: {value:#04x}: {code:?}"),
                }
                // Padding is nobody's, and most of the file here.
                if !is_covered && was == 0 {
                    break;
                }
            }
            bytes[at] = was;
        }
    }
}

/// What a program that does not know the format does to a file that is open.
#[test]
fn an_open_file_that_is_cut_gives_errors_where_it_is_read() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let mut writer = create(&path, coding(CompressionPolicy::Passthrough, false));
    push(&mut writer, 0..5000, Some(&names(0..5000))).unwrap();
    writer.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    for len in [0, 100, 8192, 9000, 100_000, 300_000] {
        fs::write(&path, &whole).unwrap();
        let file = CorpusFile::open(&path, false).unwrap();
        fs::write(&path, &whole[..len]).unwrap();
        let error = file.verify(&Control::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
        let corpus = file.into_corpus();
        let control = Control::default();
        let query = values(1, 1);
        let codes = [
            try_content(&corpus).map(drop),
            corpus.search(&query, 3, None, &control).map(drop),
            corpus.get("id-4999").map(drop),
            corpus.contains("id-4999").map(drop),
            corpus.decompress("id-4999").map(drop),
        ]
        .map(|result| result.err().map(|error| error.code()));
        // What lies before the cut can still be read; beyond 200 KB there are only ids.
        assert!(codes[0].is_some() || len > 200_000, "{len}");
        for code in codes.into_iter().flatten() {
            assert_eq!(code, ErrorCode::Truncated, "{len}");
        }
    }
}

#[test]
fn an_open_corpus_keeps_its_content_whatever_becomes_of_the_name() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let (old, new) = (corpus(0..30), corpus(30..40));
    for is_mapped in [true, false] {
        let mut link = save(&old, &path, &control, Probe::default()).unwrap();
        let reopen = || CorpusFile::open(&path, is_mapped).unwrap();
        // It grows.
        let file = reopen();
        let mut larger = open(&path);
        add(&mut larger, 50..400);
        link = append(&larger, &link, &path, &control, Probe::default()).unwrap();
        larger.remove("id-3").unwrap();
        append(&larger, &link, &path, &control, Probe::default()).unwrap();
        file.verify(&control).unwrap();
        assert_eq!(content(&file.into_corpus()), content(&old));
        // It is replaced.
        let file = reopen();
        save(&new, &path, &control, Probe::default()).unwrap();
        file.verify(&control).unwrap();
        assert_eq!(content(&file.into_corpus()), content(&larger));
        // It goes.
        let file = reopen();
        fs::remove_file(&path).unwrap();
        file.verify(&control).unwrap();
        assert_eq!(content(&file.into_corpus()), content(&new));
    }
}

/// A corpus can be saved over the file from which its rows are read.
#[test]
fn a_corpus_is_saved_over_its_own_file() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    save(&corpus(0..200), &path, &control, Probe::default()).unwrap();
    for is_mapped in [true, false] {
        let mut corpus = CorpusFile::open(&path, is_mapped).unwrap().into_corpus();
        let first = content(&corpus).swap_remove(0);
        corpus.remove(&first.0).unwrap();
        let expected = content(&corpus);
        let link = save(&corpus, &path, &control, Probe::default()).unwrap();
        assert_eq!(content(&corpus), expected);
        assert_eq!(verified(&path, is_mapped), expected);
        // It is linked to what it was saved as.
        add(&mut corpus, 1000..1001);
        append(&corpus, &link, &path, &control, Probe::default()).unwrap();
        assert_eq!(verified(&path, is_mapped), content(&corpus));
        corpus.remove("id-1000").unwrap();
        save(&corpus, &path, &control, Probe::default()).unwrap();
    }
}

#[test]
fn a_cancelled_save_leaves_the_old_file() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let old = corpus(0..5);
    let link = save(&old, &path, &control, Probe::default()).unwrap();
    let before = fs::read(&path).unwrap();
    let mut large = open(&path);
    let ids = names(100..5100);
    let rows = values(1, 5000);
    let lengths = vec![DIMENSION as u32; 5000];
    let rows = tinyquant_corpus::Rows::new(&ids, &rows, &lengths).unwrap();
    let metadata = vec![Some("x".repeat(300)); 5000];
    large
        .insert_batch(&rows, &metadata, Timestamp::default(), None)
        .unwrap();
    let cancel = AtomicBool::new(false);
    let progress = |done: usize, _: usize| cancel.store(done > 3000, Ordering::Relaxed);
    let control = Control {
        cancelled: Some(&cancel),
        progress: Some(&progress),
    };
    let saved = save(&large, &path, &control, Probe::default()).unwrap_err();
    assert_eq!(
        saved.to_string(),
        tinyquant_codec::Error::Cancelled.to_string()
    );
    cancel.store(false, Ordering::Relaxed);
    let appended = append(&large, &link, &path, &control, Probe::default()).unwrap_err();
    assert_eq!(appended.to_string(), saved.to_string());
    assert!(
        fs::read(&path).unwrap() == before,
        "an append that failed cuts off what it wrote"
    );
    assert_eq!(listing(folder.path()), ["c.tq"]);
}

/// Bytes that a killed append left do not stay once another one succeeds.
#[test]
fn leftovers_of_an_append_go_with_the_next() {
    let folder = memory_folder();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let mut small = corpus(0..5);
    let link = save(&small, &path, &control, Probe::default()).unwrap();
    let whole = fs::read(&path).unwrap();
    add(&mut small, 5..6);
    append(&small, &link, &path, &control, Probe::default()).unwrap();
    let expected = fs::read(&path).unwrap();
    let garbage = [whole, vec![255; 300_000]].concat();
    fs::write(&path, garbage).unwrap();
    append(&small, &link, &path, &control, Probe::default()).unwrap();
    assert!(fs::read(&path).unwrap() == expected);
    // Nothing to add: nothing is written.
    let writer = CorpusWriter::append(&path, Probe::new(|step| panic!("{step:?}"))).unwrap();
    let written = writer.finish().unwrap();
    assert_eq!((written.vectors, written.bytes), (6, expected.len() as u64));
    let rows = new_rows(&[], None, &[], 0);
    let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    writer.push(&rows, None, &control).unwrap();
    writer.finish().unwrap();
    assert!(fs::read(&path).unwrap() == expected);
}
