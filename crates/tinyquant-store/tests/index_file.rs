//! Index files: what goes in comes out, whatever the index is made of and however it is read.

mod common;

use common::image::Sections;
use common::index::{
    BITS, ID_KINDS, METRICS, ORIGINALS, add, built, config, content, exact, ids, open_index, plain,
    remove, save, skewed, stored_content, sync, try_add, vectors, verified_index,
};
use common::{coding, colliding, create, detail, memory_folder, push};
use std::fs;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_corpus::CompressionPolicy;
use tinyquant_index::{
    BuildOptions, IdKind, IdRef, Ids, Index, IndexConfig, Metric, Originals, Partitions,
};
use tinyquant_store::{
    CorpusFile, IndexFile, Probe, Source, StoredFile, index_to_bytes, save_index, sync_index,
};

#[test]
fn every_index_comes_back() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    for metric in METRICS {
        for bits in BITS {
            for kind in ID_KINDS {
                for originals in ORIGINALS {
                    let what = format!("{metric:?} {bits} {kind:?} {originals:?}");
                    let index = built(config(metric, bits, kind, originals), 0..100);
                    remove(&index, [3, 64, 99]);
                    save(&index, &path);
                    let expected = content(&index, 101);
                    assert!(stored_content(&path, 101) == expected, "{what}");
                    let bytes = fs::read(&path).unwrap();
                    assert!(index_to_bytes(&index).unwrap() == bytes, "{what}");
                    let (opened, _) = open_index(&path, true);
                    assert_eq!(opened.config(), index.config());
                    assert!(index_to_bytes(&opened).unwrap() == bytes, "{what}");
                }
            }
        }
    }
}

#[test]
fn an_index_that_was_never_fitted_comes_back() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    for kind in ID_KINDS {
        let index = Index::new(plain(kind, Originals::F32)).unwrap();
        for count in [0, 1, 15, 16, 17, 33] {
            add(&index, index.len() as u64..count);
            save(&index, &path);
            assert!(stored_content(&path, 40) == content(&index, 40), "{count}");
            let file = IndexFile::open(&path, true).unwrap();
            assert_eq!(
                (file.rows(), file.live(), file.commits()),
                (count, count, 1)
            );
            assert!(!file.is_fitted());
            assert_eq!(file.partitions(), 1);
        }
    }
}

#[test]
fn a_file_says_what_it_holds() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let config = IndexConfig::new(128, 2, Metric::L2, 5, IdKind::Text, Originals::F16).unwrap();
    let index = fitted(config, 300);
    remove(&index, 10..20);
    let link = save(&index, &path);
    assert_eq!(link.path(), fs::canonicalize(&path).unwrap());
    let StoredFile::Index(file) = StoredFile::open(&path, false).unwrap() else {
        panic!("an index");
    };
    StoredFile::open(&path, true)
        .unwrap()
        .verify(&Control::default())
        .unwrap();
    assert_eq!(file.config(), index.config());
    assert_eq!((file.rows(), file.live()), (300, 290));
    assert_eq!((file.partitions(), file.is_fitted()), (3, true));
    assert_eq!((file.parts(), file.commits()), (1, 1));
    assert_eq!(file.size_bytes(), fs::metadata(&path).unwrap().len());
    assert!((32..64).contains(&file.bytes_per_row()));
}

#[test]
fn a_reader_of_another_content_names_both() {
    let folder = memory_folder();
    let (index, corpus) = (folder.path().join("i.tq"), folder.path().join("c.tq"));
    save(
        &built(plain(IdKind::Number, Originals::None), 0..30),
        &index,
    );
    let mut writer = create(&corpus, coding(CompressionPolicy::Compress, false));
    push(&mut writer, 0..3, None).unwrap();
    writer.finish().unwrap();
    let not_a_corpus = CorpusFile::open(&index, true).unwrap_err();
    let not_an_index = IndexFile::open(&corpus, true).unwrap_err();
    for (error, says) in [
        (not_a_corpus, "holds a search index, expected a corpus"),
        (not_an_index, "holds a corpus, expected a search index"),
    ] {
        assert_eq!(error.code(), ErrorCode::Format);
        assert_eq!(detail(&error, "kind"), "WrongKind");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(matches!(
        StoredFile::open(&corpus, true),
        Ok(StoredFile::Corpus(_))
    ));
}

/// Ids are the numbers of rows until others are given.
#[test]
fn numbers_of_rows_are_not_stored() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let control = Control::default();
    let index = Index::new(plain(IdKind::Number, Originals::None)).unwrap();
    index.add(&vectors(0..5000), Ids::Next, &control).unwrap();
    let link = save(&index, &path);
    let without = fs::metadata(&path).unwrap().len();
    let (opened, _) = open_index(&path, true);
    assert!(opened.has(IdRef::Whole(4999)).unwrap());
    assert!(!opened.has(IdRef::Whole(5000)).unwrap());
    index.add(&vectors([5000]), Ids::Next, &control).unwrap();
    let link = sync(&index, &link, &path);
    assert!(verified_index(&path, true).has(IdRef::Whole(5000)).unwrap());
    // From here on each row has one of its own.
    index
        .add(&vectors([5001]), Ids::Whole(vec![1 << 40]), &control)
        .unwrap();
    let link = sync(&index, &link, &path);
    let grown = fs::metadata(&path).unwrap().len() - without;
    assert!((8 * 5000..32 * 5000).contains(&grown), "{grown}");
    let (opened, _) = open_index(&path, true);
    for id in [0, 5000, 1 << 40] {
        assert!(opened.has(IdRef::Whole(id)).unwrap(), "{id}");
    }
    assert!(!opened.has(IdRef::Whole(5001)).unwrap());
    // Those that follow are larger than all before.
    opened.add(&vectors([7]), Ids::Next, &control).unwrap();
    assert!(opened.has(IdRef::Whole((1 << 40) + 1)).unwrap());
    sync(&opened, &link, &path);
    assert_eq!(verified_index(&path, false).len(), 5003);
}

#[test]
fn an_id_that_was_removed_can_be_given_again() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    for kind in ID_KINDS {
        let index = Index::new(plain(kind, Originals::F32)).unwrap();
        add(&index, 0..40);
        save(&index, &path);
        let (index, mut link) = open_index(&path, true);
        for round in 0..12 {
            let keys = round..round + 20;
            assert_eq!(remove(&index, keys.clone()), 20);
            assert_eq!(remove(&index, keys.clone()), 0);
            add(&index, keys.clone());
            let error = try_add(&index, keys.start..keys.start + 1).unwrap_err();
            assert_eq!(error.code(), ErrorCode::IdExists);
            link = sync(&index, &link, &path);
            assert!(
                stored_content(&path, 45) == content(&index, 45),
                "{kind:?} {round}"
            );
        }
        save(&index, &path);
        assert!(stored_content(&path, 45) == content(&index, 45));
    }
}

/// One id, removed and given again more often than a table holds entries of one hash.
#[test]
fn an_id_may_be_given_any_number_of_times() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = Index::new(plain(IdKind::Text, Originals::None)).unwrap();
    for _ in 0..5000 {
        add(&index, 0..1);
        remove(&index, [0]);
    }
    add(&index, 0..1);
    let link = save(&index, &path);
    assert_eq!(verified_index(&path, true).len(), 1);
    remove(&index, [0]);
    add(&index, 0..1);
    sync(&index, &link, &path);
    assert!(stored_content(&path, 2) == content(&index, 2));
}

#[test]
fn ids_of_one_hash_are_told_apart() {
    let (one, other) = colliding();
    let index = Index::new(plain(IdKind::Text, Originals::None)).unwrap();
    let ids = Ids::Text(vec![one.as_str().into()]);
    index.add(&vectors([1]), ids, &Control::default()).unwrap();
    let file = |index: &Index| {
        let source = Source::from_bytes(index_to_bytes(index).unwrap());
        let file = IndexFile::from_source(source).unwrap();
        file.verify(&Control::default()).unwrap();
        file.into_index().unwrap().0
    };
    let has = |index: &Index, id: &str| index.has(IdRef::Text(id)).unwrap();
    let opened = file(&index);
    assert!(has(&opened, &one) && !has(&opened, &other));
    let ids = Ids::Text(vec![other.as_str().into()]);
    opened.add(&vectors([2]), ids, &Control::default()).unwrap();
    let opened = file(&opened);
    assert!(has(&opened, &one) && has(&opened, &other));
    assert_eq!(
        opened.reconstruct(IdRef::Text(&one)).unwrap(),
        index.reconstruct(IdRef::Text(&one)).unwrap()
    );
}

/// An index of three partitions whose segments follow the vectors.
fn fitted(config: IndexConfig, rows: u64) -> Index {
    let options = BuildOptions {
        fit: true,
        partitions: Partitions::Count(3),
    };
    let values = skewed(3, rows as usize, config.dim());
    let ids = ids(config.id_kind(), 0..rows);
    Index::build(config, &options, &values, ids, &Control::default()).unwrap()
}

#[test]
fn an_index_that_was_fitted_comes_back() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    for metric in METRICS {
        for bits in BITS {
            let config = IndexConfig::new(130, bits, metric, 9, IdKind::Bigint, Originals::None);
            let index = fitted(config.unwrap(), 400);
            save(&index, &path);
            let file = IndexFile::open(&path, true).unwrap();
            assert_eq!((file.is_fitted(), file.partitions()), (bits < 8, 3));
            assert!(
                stored_content(&path, 20) == content(&index, 20),
                "{metric:?} {bits}"
            );
            assert!(index_to_bytes(&index).unwrap() == fs::read(&path).unwrap());
        }
    }
}

#[test]
fn fitting_after_a_save_is_kept() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let config = IndexConfig::new(128, 4, Metric::Cosine, 5, IdKind::Number, Originals::None);
    save(&Index::new(config.unwrap()).unwrap(), &path);
    let (index, link) = open_index(&path, true);
    let control = Control::default();
    index.fit(&skewed(0, 300, 128), &control).unwrap();
    let link = sync(&index, &link, &path);
    assert!(IndexFile::open(&path, true).unwrap().is_fitted());
    index.add(&skewed(1, 50, 128), Ids::Next, &control).unwrap();
    sync(&index, &link, &path);
    assert!(stored_content(&path, 50) == content(&index, 50));
    assert_eq!(IndexFile::open(&path, true).unwrap().commits(), 3);
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    let folder = memory_folder();
    let (one, other) = (folder.path().join("1.tq"), folder.path().join("2.tq"));
    for kind in ID_KINDS {
        let make = || built(config(Metric::Dot, 2, kind, Originals::F16), 0..200);
        save(&make(), &one);
        save(&make(), &other);
        let bytes = fs::read(&one).unwrap();
        assert!(fs::read(&other).unwrap() == bytes);
        // Saved again, over itself and elsewhere, mapped or read.
        for is_mapped in [true, false] {
            let (index, _) = open_index(&one, is_mapped);
            for path in [&one, &other] {
                save(&index, path);
                assert!(fs::read(path).unwrap() == bytes);
            }
        }
    }
}

#[test]
fn progress_counts_up_to_the_end() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = built(plain(IdKind::Number, Originals::F32), 0..500);
    let counts = std::sync::Mutex::new(Vec::new());
    let note = |done, total| counts.lock().unwrap().push((done, total));
    let control = Control {
        cancelled: None,
        progress: Some(&note),
    };
    let check = |counts: Vec<(usize, usize)>| {
        assert!(counts.is_sorted(), "{counts:?}");
        let (done, total) = *counts.last().unwrap();
        assert_eq!(done, total);
    };
    let link = save_index(&index, &path, &control, Probe::default()).unwrap();
    let sections = Sections::of(&fs::read(&path).unwrap()).0;
    let rows = sections
        .iter()
        .filter(|section| (3..=7).contains(&section.kind));
    let bytes: usize = rows.map(|section| section.bytes.len()).sum();
    assert_eq!(counts.lock().unwrap().last(), Some(&(bytes, bytes)));
    check(std::mem::take(&mut *counts.lock().unwrap()));
    add(&index, 500..507);
    sync_index(&index, &link, &path, &control, Probe::default()).unwrap();
    let total = counts.lock().unwrap().last().unwrap().1;
    assert!((7 * 48..7 * 1000).contains(&total), "{total}");
    check(std::mem::take(&mut *counts.lock().unwrap()));
    IndexFile::open(&path, true)
        .unwrap()
        .verify(&control)
        .unwrap();
    check(std::mem::take(&mut *counts.lock().unwrap()));
}

/// Every row of originals and every id is where it belongs, over many runs.
#[test]
fn runs_of_any_length_hold_every_row() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let index = Index::new(plain(IdKind::Text, Originals::F32)).unwrap();
    let mut link = save(&index, &path);
    let mut next = 0;
    for count in [1, 1, 2, 700, 3, 1, 40, 1, 1, 1, 300, 5] {
        add(&index, next..next + count);
        next += count;
        link = sync(&index, &link, &path);
    }
    let (opened, _) = open_index(&path, true);
    for key in 0..next {
        let vector = vectors([key]);
        let query = opened
            .search(&vector, &exact(1), &Control::default())
            .unwrap();
        let id = common::index::id(IdKind::Text, key);
        assert!(
            opened.reconstruct(common::index::as_ref(&id)).unwrap() == vector,
            "{key}"
        );
        assert_eq!(query[0].scores.len(), 1);
    }
    stored_content(&path, next);
}

#[test]
fn bytes_in_memory_are_read_wherever_they_lie() {
    let index = built(plain(IdKind::Text, Originals::F32), 0..60);
    let bytes = index_to_bytes(&index).unwrap();
    let expected = content(&index, 60);
    for spare in 0..4 {
        let mut moved = Vec::with_capacity(bytes.len() + spare);
        moved.extend(&bytes);
        let file = IndexFile::from_source(Source::from_bytes(moved)).unwrap();
        let (index, _) = file.into_index().unwrap();
        assert!(content(&index, 60) == expected);
    }
}
