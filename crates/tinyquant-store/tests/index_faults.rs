//! Crashes at every step of a save and of a sync, and files that were cut or changed.

mod common;

use common::image;
use common::index::{
    Content, ID_KINDS, add, built, content, open_index, plain, remove, save, skewed,
    stored_content, sync, try_content,
};
use common::{detail, is_damage, listing, memory_folder};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{IdKind, Ids, Index, IndexConfig, Metric, Originals};
use tinyquant_store::{
    Error, IndexFile, Probe, Source, Step, index_to_bytes, save_index, sync_index,
};

/// Keys that are looked up.
const KEYS: u64 = 700;

/// What a file must hold after a writer was stopped.
struct Killed<'a> {
    path: &'a Path,
    /// Bytes of the file before, if there was one, and what they hold.
    before: Option<(Vec<u8>, Content)>,
    after: Content,
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
        let found = stored_content(self.path, KEYS);
        let is_new = found == self.after;
        assert!(is_new || self.before.as_ref().is_some_and(|(_, old)| *old == found));
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
                // the index that was stopped no longer knows the file.
                match write(Probe::default()) {
                    Ok(()) => {}
                    Err(error) if is_new => assert_eq!(detail(&error, "kind"), "Changed"),
                    Err(error) => panic!("{step:?} {cut}: {error}"),
                }
                assert!(self.is_new(), "{step:?} {cut}");
                let folder = self.path.parent().unwrap();
                assert_eq!(listing(folder), ["i.tq"], "{step:?} {cut}");
            }
        }
        assert!(was_new);
    }
}

#[test]
fn a_save_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let control = Control::default();
    let old = built(plain(IdKind::Text, Originals::F32), 0..40);
    let new = built(plain(IdKind::Text, Originals::F32), 20..620);
    remove(&new, [25]);
    save(&old, &path);
    let bytes = fs::read(&path).unwrap();
    for before in [None, Some((bytes, content(&old, KEYS)))] {
        let killed = Killed {
            path: &path,
            before,
            after: content(&new, KEYS),
        };
        killed.at_every_step(|probe| save_index(&new, &path, &control, probe).map(drop));
    }
}

/// The superblock that a sync writes was never used, holds an older state, or held one before that.
#[test]
fn a_sync_that_is_killed_leaves_the_old_content_or_the_new_one() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let control = Control::default();
    for kind in ID_KINDS {
        let index = built(plain(kind, Originals::F16), 0..100);
        let mut link = save(&index, &path);
        for state in 1..4 {
            let before = Some((fs::read(&path).unwrap(), content(&index, KEYS)));
            assert_eq!(IndexFile::open(&path, true).unwrap().commits(), state);
            remove(&index, [state, 50 + state]);
            add(&index, 100 * state..100 * (state + 1));
            // As a sync would, so that what it holds is known before.
            index_to_bytes(&index).unwrap();
            let killed = Killed {
                path: &path,
                before,
                after: content(&index, KEYS),
            };
            killed
                .at_every_step(|probe| sync_index(&index, &link, &path, &control, probe).map(drop));
            killed.restore();
            link = sync(&index, &link, &path);
        }
    }
}

/// A sync that finds most of the file out of use replaces it.
#[test]
fn a_renewal_that_is_killed_leaves_the_old_content_or_the_new_one() {
    if cfg!(windows) {
        return;
    }
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let control = Control::default();
    let config = IndexConfig::new(256, 4, Metric::Dot, 1, IdKind::Number, Originals::None);
    let index = Index::new(config.unwrap()).unwrap();
    let mut link = save(&index, &path);
    // A model that is fitted again leaves the one before behind.
    for seed in 0.. {
        index.fit(&skewed(seed, 300, 256), &control).unwrap();
        link = sync(&index, &link, &path);
        assert_eq!(IndexFile::open(&path, true).unwrap().commits(), seed + 2);
        let bytes = fs::read(&path).unwrap();
        let sections = image::Sections::of(&bytes).0;
        let used: usize = sections.iter().map(|section| section.bytes.len()).sum();
        if bytes.len() - 8192 - used > 1 << 20 {
            break;
        }
    }
    let before = Some((fs::read(&path).unwrap(), content(&index, KEYS)));
    index.add(&skewed(0, 60, 256), Ids::Next, &control).unwrap();
    let killed = Killed {
        path: &path,
        before,
        after: content(&index, KEYS),
    };
    killed.at_every_step(|probe| sync_index(&index, &link, &path, &control, probe).map(drop));
    assert_eq!(IndexFile::open(&path, true).unwrap().commits(), 1);
}

/// A small file in states 1, 2 and 3, and what they hold.
fn states(path: &Path, kind: IdKind) -> Vec<(Vec<u8>, Content)> {
    let index = Index::new(plain(kind, Originals::F16)).unwrap();
    add(&index, 0..5);
    let mut link = save(&index, path);
    let mut states = vec![(fs::read(path).unwrap(), content(&index, 9))];
    for key in 0..2 {
        remove(&index, [key]);
        add(&index, 5 + key..6 + key);
        link = sync(&index, &link, path);
        states.push((fs::read(path).unwrap(), content(&index, 9)));
    }
    states
}

#[test]
fn a_file_cut_at_any_byte_is_an_error_or_an_older_state() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let states = states(&path, IdKind::Text);
    for (at, (bytes, _)) in states.iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for len in (0..bytes.len()).rev() {
            file.set_len(len as u64).unwrap();
            for is_mapped in [true, false] {
                let opened = IndexFile::open(&path, is_mapped);
                // Superblocks tell of the last two states only.
                let earlier = at.checked_sub(1).map(|at| &states[at]);
                match (opened, earlier.filter(|(bytes, _)| bytes.len() <= len)) {
                    (Ok(opened), Some((_, expected))) => {
                        let error = opened.verify(&Control::default()).unwrap_err();
                        assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
                        let (index, link) = opened.into_index().unwrap();
                        assert!(content(&index, 9) == *expected);
                        // What was lost may come back: nothing is written over it.
                        add(&index, 20..21);
                        let control = Control::default();
                        let link = link.unwrap();
                        let error = sync_index(&index, &link, &path, &control, Probe::default());
                        assert_eq!(error.unwrap_err().code(), ErrorCode::Truncated);
                        assert_eq!(file.metadata().unwrap().len(), len as u64);
                    }
                    (Err(error), None) => {
                        assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
                    }
                    (opened, _) => panic!("state {at} cut at {len}: {opened:?}"),
                }
            }
        }
    }
}

/// Reads all that the bytes hold; `Ok` only if they could also be verified.
fn read_all(bytes: &[u8]) -> Result<Content, ErrorCode> {
    let file = IndexFile::from_source(Source::from_bytes(bytes.to_vec()));
    let file = file.map_err(|error| error.code())?;
    let verdict = file.verify(&Control::default());
    // Whatever verifying says, reading answers.
    let opened = file.into_index();
    let found = opened.map(|(index, _)| try_content(&index, 9));
    verdict.map_err(|error| error.code())?;
    let found = found.map_err(|error| error.code())?;
    found.map_err(|error| error.code())
}

#[test]
fn every_changed_byte_is_found_or_does_not_matter() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    for kind in [IdKind::Number, IdKind::Text] {
        for (bytes, expected) in states(&path, kind).into_iter().step_by(2) {
            assert!(read_all(&bytes).unwrap() == expected);
            let covered = image::covered(&bytes);
            let mut bytes = bytes;
            for at in 0..bytes.len() {
                let was = bytes[at];
                let is_covered = covered.iter().any(|range| range.contains(&at));
                for value in (0..8).map(|bit| was ^ (1 << bit)) {
                    bytes[at] = value;
                    match read_all(&bytes) {
                        Ok(found) => assert!(!is_covered && found == expected, "byte {at}"),
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
}

/// What a program that does not know the format does to a file that is open.
#[test]
fn an_open_file_that_is_cut_gives_errors_where_it_is_read() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    save(&built(plain(IdKind::Text, Originals::F32), 0..3000), &path);
    let whole = fs::read(&path).unwrap();
    for len in [0, 100, 8192, 9000, 100_000] {
        fs::write(&path, &whole).unwrap();
        let file = IndexFile::open(&path, false).unwrap();
        let (read, _) = IndexFile::open(&path, false).unwrap().into_index().unwrap();
        let expected = content(&read, 30);
        fs::write(&path, &whole[..len]).unwrap();
        let error = file.verify(&Control::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
        let error = file.into_index().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
        // What was read before does not need the file.
        assert!(content(&read, 30) == expected);
    }
}

#[test]
fn an_open_index_keeps_its_content_whatever_becomes_of_the_name() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let (old, new) = (
        built(plain(IdKind::Text, Originals::F16), 0..30),
        built(plain(IdKind::Text, Originals::F16), 30..40),
    );
    for is_mapped in [true, false] {
        save(&old, &path);
        let expected = content(&old, 100);
        let reopen = || open_index(&path, is_mapped);
        // It grows.
        let (index, _) = reopen();
        let (larger, link) = reopen();
        add(&larger, 50..90);
        remove(&larger, 0..10);
        sync(&larger, &link, &path);
        assert!(content(&index, 100) == expected);
        let (index, _) = reopen();
        let expected = content(&larger, 100);
        assert!(content(&index, 100) == expected);
        // It is replaced.
        save(&new, &path);
        assert!(content(&index, 100) == expected);
        // It goes.
        let (index, _) = reopen();
        fs::remove_file(&path).unwrap();
        assert!(content(&index, 100) == content(&new, 100));
    }
}

/// Bytes that a killed sync left do not stay once another one succeeds.
#[test]
fn leftovers_of_a_sync_go_with_the_next() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = built(plain(IdKind::Number, Originals::None), 0..50);
    let link = save(&index, &path);
    let whole = fs::read(&path).unwrap();
    add(&index, 50..60);
    sync(&index, &link, &path);
    let expected = fs::read(&path).unwrap();
    fs::write(&path, [whole, vec![255; 300_000]].concat()).unwrap();
    sync(&index, &link, &path);
    assert!(fs::read(&path).unwrap() == expected);
}
