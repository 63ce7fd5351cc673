//! Ids of three kinds: given, missing, taken, out of range, given again.

mod common;

use common::{
    ID_KINDS, PLAIN, add, as_ref, best, build, code, config, exact, exactly, id, ids, listed,
    named, search, whole,
};
use std::sync::Arc;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{Error, Id, IdKind, IdRef, Ids, Index, Metric};
use tinyquant_testkit::seeded;

const DIM: usize = 24;

/// Vectors of which number `i` is made from seed `i`.
fn vectors(keys: impl IntoIterator<Item = u64>) -> Vec<f32> {
    let vector = |key| seeded::normal(key, DIM, 1.0);
    keys.into_iter().flat_map(vector).collect()
}

fn push(index: &Index, keys: impl IntoIterator<Item = u64> + Clone, ids: Ids) -> Result<(), Error> {
    index.add(&vectors(keys), ids, &Control::default())
}

/// Ids of the hits of the vector of a key, best first.
fn found(index: &Index, key: u64, k: usize) -> Vec<Id> {
    listed(&search(index, &vectors([key]), &best(k))[0])
}

#[test]
fn every_kind_is_found_under_its_ids() {
    for kind in ID_KINDS {
        let index = Index::new(named(DIM, kind)).unwrap();
        push(&index, 0..50, ids(kind, 0..50)).unwrap();
        push(&index, 50..1200, ids(kind, 50..1200)).unwrap();
        push(&index, 1200..1203, ids(kind, 1200..1203)).unwrap();
        assert_eq!(index.len(), 1203);
        for key in [0, 1, 49, 50, 777, 1199, 1202] {
            let name = id(kind, key);
            assert!(index.has(as_ref(&name)).unwrap());
            assert_eq!(found(&index, key, 1), std::slice::from_ref(&name));
            let close = index.reconstruct(as_ref(&name)).unwrap();
            assert_eq!(listed(&search(&index, &close, &best(1))[0]), [name]);
        }
        let unknown = id(kind, 1203);
        assert!(!index.has(as_ref(&unknown)).unwrap());
        assert_eq!(index.remove(&[as_ref(&unknown)]).unwrap(), 0);
        let error = index.reconstruct(as_ref(&unknown)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::IdNotFound);
        assert!(error.to_string().contains(&unknown.to_string()), "{error}");
        // An id of the other kind is no id.
        let foreign = match kind {
            IdKind::Text => IdRef::Whole(1),
            IdKind::Number | IdKind::Bigint => IdRef::Text("1"),
        };
        assert!(!index.has(foreign).unwrap());
        assert_eq!(index.remove(&[foreign]).unwrap(), 0);
        assert_eq!(code(index.reconstruct(foreign)), ErrorCode::IdNotFound);
    }
}

#[test]
fn ids_follow_the_largest_so_far() {
    for kind in [IdKind::Number, IdKind::Bigint] {
        let index = Index::new(named(DIM, kind)).unwrap();
        push(&index, 0..3, Ids::Next).unwrap();
        push(&index, 3..5, Ids::Whole(vec![100, 7])).unwrap();
        push(&index, 5..7, Ids::Next).unwrap();
        for (key, expected) in [(0, 0), (2, 2), (3, 100), (4, 7), (5, 101), (6, 102)] {
            assert_eq!(found(&index, key, 1), [Id::Whole(expected)]);
        }
        // A removed id is not given again by itself.
        assert_eq!(index.remove(&[IdRef::Whole(102)]).unwrap(), 1);
        push(&index, 8..9, Ids::Next).unwrap();
        assert_eq!(found(&index, 8, 1), [Id::Whole(103)]);
        push(&index, [], Ids::Next).unwrap();
        push(&index, [], Ids::Whole(vec![])).unwrap();
        assert_eq!(index.len(), 7);
    }
    let plain = build(config(DIM, 4, Metric::L2), &PLAIN, &vectors(0..4));
    assert_eq!(plain.remove(&[IdRef::Whole(3)]).unwrap(), 1);
    add(&plain, &vectors([9]));
    assert_eq!(found(&plain, 9, 1), [Id::Whole(4)]);
}

#[test]
fn removed_ids_are_given_again() {
    for kind in ID_KINDS {
        let index = Index::new(named(DIM, kind)).unwrap();
        push(&index, 0..40, ids(kind, 0..40)).unwrap();
        let name = id(kind, 11);
        for vector in 500..504 {
            assert_eq!(
                code(push(&index, [vector], ids(kind, [11]))),
                ErrorCode::IdExists
            );
            assert_eq!(index.remove(&[as_ref(&name), as_ref(&name)]).unwrap(), 1);
            assert!(!index.has(as_ref(&name)).unwrap());
            assert_eq!(
                code(index.reconstruct(as_ref(&name))),
                ErrorCode::IdNotFound
            );
            push(&index, [vector], ids(kind, [11])).unwrap();
            assert_eq!(found(&index, vector, 1), std::slice::from_ref(&name));
            assert_ne!(found(&index, 11, 1), std::slice::from_ref(&name));
            assert_eq!(index.len(), 40);
        }
        let mut all = listed(&search(&index, &vectors([1]), &exact(100))[0]);
        let mut expected: Vec<Id> = (0..40).map(|key| id(kind, key)).collect();
        all.sort_by_key(ToString::to_string);
        expected.sort_by_key(ToString::to_string);
        assert_eq!(all, expected);
    }
}

#[test]
fn the_numbers_of_rows_become_ids_like_others() {
    let index = build(config(DIM, 4, Metric::Cosine), &PLAIN, &vectors(0..1500));
    index.remove(&[3, 900, 1499].map(IdRef::Whole)).unwrap();
    let before = exactly(&search(&index, &vectors([1, 3, 900]), &best(20)));
    assert_eq!(
        code(push(&index, [3], Ids::Whole(vec![4]))),
        ErrorCode::IdExists
    );
    push(&index, [2000], Ids::Whole(vec![3])).unwrap();
    assert_eq!(found(&index, 2000, 1), [Id::Whole(3)]);
    assert_eq!(
        code(push(&index, [3], Ids::Whole(vec![3]))),
        ErrorCode::IdExists
    );
    for key in [0, 2, 4, 899, 1498] {
        assert_eq!(found(&index, key, 1), [Id::Whole(key)]);
    }
    push(&index, [2001], Ids::Next).unwrap();
    assert_eq!(found(&index, 2001, 1), [Id::Whole(1500)]);
    assert_eq!(
        index
            .remove(&[IdRef::Whole(3), IdRef::Whole(1500)])
            .unwrap(),
        2
    );
    assert_eq!(
        exactly(&search(&index, &vectors([1, 3, 900]), &best(20))),
        before
    );
}

#[test]
fn a_refused_add_changes_nothing() {
    for kind in ID_KINDS {
        let index = Index::new(named(DIM, kind)).unwrap();
        push(&index, 0..30, ids(kind, 0..30)).unwrap();
        let state = |index: &Index| {
            let hits = exactly(&search(index, &vectors([2, 31, 32]), &exact(50)));
            (index.stats(), hits)
        };
        let before = state(&index);
        let taken = |keys: [u64; 3]| push(&index, 30..33, ids(kind, keys)).unwrap_err();
        for (keys, row) in [([30, 5, 31], 1), ([30, 31, 30], 2), ([29, 30, 31], 0)] {
            let error = taken(keys);
            let id = id(kind, keys[row]);
            assert_eq!(
                error,
                Error::IdExists {
                    id: id.clone(),
                    row
                }
            );
            assert!(error.to_string().contains(&id.to_string()), "{error}");
        }
        let count = |ids: Ids| code(push(&index, 30..33, ids));
        assert_eq!(count(ids(kind, 30..32)), ErrorCode::InvalidArg);
        assert_eq!(count(ids(kind, 30..34)), ErrorCode::InvalidArg);
        let foreign = match kind {
            IdKind::Text => ids(IdKind::Number, 30..33),
            IdKind::Number | IdKind::Bigint => ids(IdKind::Text, 30..33),
        };
        assert_eq!(count(foreign), ErrorCode::InvalidArg);
        if kind == IdKind::Text {
            assert_eq!(count(Ids::Next), ErrorCode::InvalidArg);
        }
        assert!(state(&index) == before);
        push(&index, 30..33, ids(kind, 30..33)).unwrap();
        assert_eq!(found(&index, 31, 1), [id(kind, 31)]);
    }
}

#[test]
fn numbers_end_at_2_to_53_and_whole_numbers_at_2_to_64() {
    let (limit, most) = (1_u64 << 53, u64::MAX);
    let numbers = Index::new(named(DIM, IdKind::Number)).unwrap();
    for ids in [vec![limit], vec![0, limit + 1], vec![most]] {
        let keys = 0..ids.len() as u64;
        assert_eq!(
            code(push(&numbers, keys, Ids::Whole(ids))),
            ErrorCode::IdRange
        );
    }
    assert!(numbers.is_empty());
    push(&numbers, [1], Ids::Whole(vec![limit - 2])).unwrap();
    assert_eq!(code(push(&numbers, [2, 3], Ids::Next)), ErrorCode::IdRange);
    push(&numbers, [2], Ids::Next).unwrap();
    assert_eq!(found(&numbers, 2, 1), [Id::Whole(limit - 1)]);
    assert_eq!(code(push(&numbers, [3], Ids::Next)), ErrorCode::IdRange);
    push(&numbers, [3], Ids::Whole(vec![17])).unwrap();

    let large = Index::new(named(DIM, IdKind::Bigint)).unwrap();
    push(&large, [1, 2], Ids::Whole(vec![limit, most - 1])).unwrap();
    assert_eq!(found(&large, 2, 2)[0], Id::Whole(most - 1));
    push(&large, [3], Ids::Whole(vec![most])).unwrap();
    assert_eq!(code(push(&large, [4], Ids::Next)), ErrorCode::IdRange);
    assert!(large.has(IdRef::Whole(most)).unwrap());
    assert_eq!(large.len(), 3);
}

#[test]
fn any_text_is_an_id() {
    let texts: Vec<Arc<str>> = ["", " ", "a", "A", "0", "\0", "ä", "a\u{308}", "🦀"]
        .map(Arc::from)
        .into();
    let long: Arc<str> = "x".repeat(100_000).into();
    let index = Index::new(named(DIM, IdKind::Text)).unwrap();
    push(&index, 0..9, Ids::Text(texts.clone())).unwrap();
    push(&index, [9], Ids::Text(vec![Arc::clone(&long)])).unwrap();
    for (key, text) in (0..).zip(texts.iter().chain([&long])) {
        assert!(index.has(IdRef::Text(text)).unwrap());
        assert_eq!(found(&index, key, 1), [Id::Text(Arc::clone(text))]);
    }
    assert_eq!(index.remove(&[IdRef::Text("")]).unwrap(), 1);
    assert!(!index.has(IdRef::Text("")).unwrap());
}

#[test]
fn ids_of_a_build() {
    let control = Control::default();
    for kind in ID_KINDS {
        let keys = || (0..300).rev();
        let config = named(DIM, kind);
        let values = vectors(keys());
        let index = Index::build(config, &PLAIN, &values, ids(kind, keys()), &control).unwrap();
        for key in [0, 150, 299] {
            assert_eq!(found(&index, key, 1), [id(kind, key)]);
        }
        let twice = ids(kind, keys().map(|key| key % 299));
        let error = Index::build(config, &PLAIN, &values, twice, &control);
        assert_eq!(code(error), ErrorCode::IdExists);
    }
    let index = build(config(DIM, 4, Metric::Dot), &PLAIN, &vectors(0..10));
    let mut all = whole(&search(&index, &vectors([3]), &exact(10))[0]);
    all.sort_unstable();
    assert!(all.into_iter().eq(0..10));
}
