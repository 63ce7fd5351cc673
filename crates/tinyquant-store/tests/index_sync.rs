//! Index files that grow: what a sync writes, what it leaves as it is, and files that are not what they were.

mod common;

use common::image::Sections;
use common::index::{
    DIM, ID_KINDS, ORIGINALS, add, built, content, open_index, plain, remove, save, stored_content,
    sync, try_add, verified_index,
};
use common::{detail, errno, listing, memory_folder};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{IdKind, Index, Originals};
use tinyquant_store::{
    Error, IndexFile, IndexLink, Output, Probe, index_to_bytes, save_index, sync_index,
};

/// Bytes from which on a file is not as it was, the superblocks aside.
fn first_change(before: &[u8], after: &[u8]) -> usize {
    let same = before.iter().zip(after).skip(8192);
    8192 + same.take_while(|(a, b)| a == b).count()
}

#[test]
fn a_sync_writes_only_what_changed() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    for kind in ID_KINDS {
        for originals in ORIGINALS {
            let index = built(plain(kind, originals), 0..20_000);
            let mut link = save(&index, &path);
            let mut before = fs::read(&path).unwrap();
            let row = (before.len() - 8192) / 20_000;
            for (removed, added) in [(0..0, 0..100), (0..50, 0..0), (50..60, 100..300)] {
                remove(&index, removed.clone());
                add(&index, added.start + 20_000..added.end + 20_000);
                link = sync(&index, &link, &path);
                let after = fs::read(&path).unwrap();
                assert_eq!(first_change(&before, &after), before.len());
                let grown = after.len() - before.len();
                // The table of sections, the removed rows, and an id table that may take the last one along.
                let limit = 3 * row * added.count() + 20_000 / 8 + 8000;
                assert!(grown < limit, "{kind:?} {originals:?}: {grown} bytes");
                before = after;
            }
            assert!(stored_content(&path, 20_300) == content(&index, 20_300));
        }
    }
}

#[test]
fn a_sync_without_changes_writes_nothing() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = built(plain(IdKind::Text, Originals::F16), 0..100);
    let link = save(&index, &path);
    let quiet = || Probe::new(|step| panic!("{step:?}"));
    let control = Control::default();
    let link = sync_index(&index, &link, &path, &control, quiet()).unwrap();
    remove(&index, [1000]);
    add(&index, 0..0);
    sync_index(&index, &link, &path, &control, quiet()).unwrap();
    for is_mapped in [true, false] {
        let (opened, link) = open_index(&path, is_mapped);
        sync_index(&opened, &link, &path, &control, quiet()).unwrap();
        // Answering changes nothing.
        content(&opened, 100);
        sync_index(&opened, &link, &path, &control, quiet()).unwrap();
    }
    assert_eq!(IndexFile::open(&path, true).unwrap().commits(), 1);
}

/// Runs and tables that a growing file ends up with.
#[test]
fn a_file_that_grows_often_does_not_fall_to_pieces() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = Index::new(plain(IdKind::Text, Originals::F32)).unwrap();
    let mut link = save(&index, &path);
    for key in 0..500 {
        add(&index, key..key + 1);
        if key % 3 == 0 {
            remove(&index, [key / 2]);
        }
        link = sync(&index, &link, &path);
    }
    assert!(stored_content(&path, 501) == content(&index, 501));
    let sections = Sections::of(&fs::read(&path).unwrap());
    for (kind, name) in [(7, "originals"), (9, "ids"), (11, "id tables")] {
        let count = sections
            .0
            .iter()
            .filter(|section| section.kind == kind)
            .count();
        assert!(count <= 16, "{count} sections of {name}");
    }
    assert!(IndexFile::open(&path, true).unwrap().parts() <= 64);
}

/// Which rows went is written again each time.
#[test]
fn a_file_that_is_mostly_out_of_use_is_written_anew() {
    if cfg!(windows) {
        return;
    }
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = built(plain(IdKind::Number, Originals::None), 0..40_000);
    let mut link = save(&index, &path);
    let whole = fs::metadata(&path).unwrap().len();
    let (opened, _) = open_index(&path, true);
    let expected = content(&opened, 50);
    let mut largest = 0;
    let mut key = 39_999;
    let renewed = loop {
        assert_eq!(remove(&index, [key]), 1);
        link = sync(&index, &link, &path);
        let file = IndexFile::open(&path, true).unwrap();
        if file.commits() == 1 {
            break file;
        }
        largest = largest.max(file.size_bytes());
        key -= 1;
    };
    assert!(renewed.size_bytes() < whole + 10_000);
    assert!(largest > whole + (1 << 20), "{largest} bytes");
    assert!(largest < 2 * whole + (2 << 20), "{largest} bytes");
    assert_eq!(listing(folder.path()), ["i.tq"]);
    // Whoever has the old file open keeps it.
    assert!(content(&opened, 50) == expected);
    assert!(stored_content(&path, 50) == content(&index, 50));
    add(&index, 40_000..40_010);
    sync(&index, &link, &path);
    assert_eq!(verified_index(&path, true).len(), index.len());
}

#[test]
fn a_file_that_is_another_one_now_is_left_alone() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = built(plain(IdKind::Number, Originals::None), 0..50);
    let link = save(&index, &path);
    let (opened, other) = open_index(&path, true);
    add(&opened, 50..60);
    sync(&opened, &other, &path);
    let bytes = fs::read(&path).unwrap();
    add(&index, 60..70);
    let control = Control::default();
    let changed = |link: &IndexLink| {
        let error = sync_index(&index, link, &path, &control, Probe::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Io);
        assert_eq!(detail(&error, "kind"), "Changed", "{error}");
    };
    changed(&link);
    assert!(fs::read(&path).unwrap() == bytes);
    // A save does not ask.
    let link = save(&index, &path);
    let elsewhere = folder.path().join("else.tq");
    save(&opened, &elsewhere);
    let error = sync_index(&index, &link, &elsewhere, &control, Probe::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArg, "{error}");
    fs::rename(&elsewhere, &path).unwrap();
    changed(&link);
    fs::remove_file(&path).unwrap();
    let missing = sync_index(&index, &link, &path, &control, Probe::default());
    assert_eq!(errno(missing), "ENOENT");
    // A corpus, and no file of ours.
    fs::write(&path, b"hello").unwrap();
    let error = sync_index(&index, &link, &path, &control, Probe::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Format, "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"hello");
    // The link of another index.
    let larger = built(plain(IdKind::Number, Originals::None), 0..99);
    let link = save(&larger, &path);
    let error = sync_index(&index, &link, &path, &control, Probe::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArg, "{error}");
}

#[test]
fn one_writer_at_a_time() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = built(plain(IdKind::Number, Originals::None), 0..50);
    let link = save(&index, &path);
    add(&index, 50..60);
    let control = Control::default();
    let (held, _) = Output::extend(&path, Probe::default()).unwrap();
    let locked = |result: Result<IndexLink, Error>| {
        let error = result.unwrap_err();
        assert_eq!(detail(&error, "kind"), "Locked", "{error}");
    };
    locked(sync_index(&index, &link, &path, &control, Probe::default()));
    locked(save_index(&index, &path, &control, Probe::default()));
    // Readers do not mind.
    assert_eq!(verified_index(&path, false).len(), 50);
    drop(held);
    sync(&index, &link, &path);
    assert_eq!(verified_index(&path, true).len(), 60);
}

#[test]
fn a_cancelled_writer_leaves_the_file_as_it_was() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = built(plain(IdKind::Text, Originals::F32), 0..400);
    let link = save(&index, &path);
    let before = fs::read(&path).unwrap();
    add(&index, 400..900);
    for stop_at in 0..4 {
        let cancel = AtomicBool::new(stop_at == 0);
        let count = std::sync::atomic::AtomicUsize::new(1);
        let progress = |_: usize, _: usize| {
            if count.fetch_add(1, Ordering::Relaxed) == stop_at {
                cancel.store(true, Ordering::Relaxed);
            }
        };
        let control = Control {
            cancelled: Some(&cancel),
            progress: Some(&progress),
        };
        let cancelled = tinyquant_codec::Error::Cancelled.to_string();
        let error = sync_index(&index, &link, &path, &control, Probe::default()).unwrap_err();
        assert_eq!(error.to_string(), cancelled);
        count.store(1, Ordering::Relaxed);
        cancel.store(stop_at == 0, Ordering::Relaxed);
        let error = save_index(&index, &path, &control, Probe::default()).unwrap_err();
        assert_eq!(error.to_string(), cancelled);
        assert!(fs::read(&path).unwrap() == before);
        assert_eq!(listing(folder.path()), ["i.tq"]);
    }
    sync(&index, &link, &path);
}

/// What was done to an index.
#[derive(Debug, Clone)]
enum Step {
    Add(u64),
    Remove(u64, u64),
    Readd(u64),
    Sync,
    Save,
    Reopen(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1_u64..60).prop_map(Step::Add),
        (0_u64..200, 1_u64..40).prop_map(|(first, count)| Step::Remove(first, count)),
        (0_u64..200).prop_map(Step::Readd),
        Just(Step::Sync),
        Just(Step::Sync),
        Just(Step::Save),
        any::<bool>().prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

/// Brings everything to the file, and opens it again.
fn reopen(index: &Index, link: &IndexLink, path: &Path, is_mapped: bool) -> (Index, IndexLink) {
    sync(index, link, path);
    open_index(path, is_mapped)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_file_holds_what_the_index_does(kind in 0_usize..3, originals in 0_usize..3, steps in steps()) {
        let folder = memory_folder();
        let path = folder.path().join("i.tq");
        let config = plain(ID_KINDS[kind], ORIGINALS[originals]);
        let mut index = Index::new(config).unwrap();
        let mut link = save(&index, &path);
        let mut live = std::collections::BTreeSet::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Add(count) => {
                    add(&index, next..next + count);
                    live.extend(next..next + count);
                    next += count;
                }
                Step::Remove(first, count) => {
                    let gone = (first..first + count).filter(|key| live.remove(key)).count();
                    prop_assert_eq!(remove(&index, first..first + count), gone);
                }
                Step::Readd(key) => {
                    let is_new = live.insert(key);
                    prop_assert_eq!(try_add(&index, key..key + 1).is_ok(), is_new);
                    next = next.max(key + 1);
                }
                Step::Sync => link = sync(&index, &link, &path),
                Step::Save => link = save(&index, &path),
                Step::Reopen(is_mapped) => (index, link) = reopen(&index, &link, &path, is_mapped),
            }
            prop_assert_eq!(index.len(), live.len());
        }
        sync(&index, &link, &path);
        prop_assert_eq!(stored_content(&path, next + 1), content(&index, next + 1));
        // Written at once, it is the same to the byte however it came about.
        let bytes = index_to_bytes(&index).unwrap();
        save(&index, &path);
        prop_assert!(fs::read(&path).unwrap() == bytes);
        prop_assert!(DIM * live.len() < bytes.len() * 8);
    }
}
