//! Rows that go, and rows that come later.

mod common;

use common::{
    add, as_ref, best, bitmap, build, bytes_of, clustered, code, config, exact, exactly, id, ids,
    keeping, named, partitioned, search, whole, within,
};
use std::collections::HashSet;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{
    Filter, Id, IdKind, IdList, IdRef, Ids, Index, IndexConfig, Metric, Originals,
};
use tinyquant_testkit::seeded;

const DIM: usize = 64;

fn remove(index: &Index, ids: impl IntoIterator<Item = u64>) -> usize {
    let ids: Vec<_> = ids.into_iter().map(IdRef::Whole).collect();
    index.remove(&ids).unwrap()
}

/// Rows that are in parts.
fn stored(index: &Index) -> usize {
    let image = index.image().unwrap();
    image.parts.iter().map(|part| part.rows()).sum()
}

#[test]
fn removed_rows_are_no_hits() {
    for count in [1, 60] {
        let values = clustered(1, 4000, DIM);
        let index = build(
            config(DIM, 4, Metric::L2),
            &partitioned(false, count),
            &values,
        );
        let queries = &values[100 * DIM..110 * DIM];
        let before = search(&index, queries, &exact(4000));
        let first: HashSet<u64> = before
            .iter()
            .flat_map(|hits| whole(hits)[..50].to_vec())
            .collect();
        assert_eq!(remove(&index, first.iter().copied()), first.len());
        assert_eq!(remove(&index, first.iter().copied()), 0);
        assert_eq!(remove(&index, [4000, 1 << 40, u64::MAX]), 0);
        assert_eq!(index.len(), 4000 - first.len());
        for options in [best(100), exact(100)] {
            for (hits, before) in search(&index, queries, &options).iter().zip(&before) {
                let left = whole(before).into_iter().filter(|id| !first.contains(id));
                if options.exact {
                    assert!(whole(hits).into_iter().eq(left.take(100)));
                }
                assert_eq!(hits.scores.len(), 100);
                assert!(whole(hits).iter().all(|id| !first.contains(id)));
            }
        }
    }
}

#[test]
fn an_index_may_lose_everything_and_begin_again() {
    for originals in [Originals::None, Originals::F32] {
        let values = clustered(1, 2500, DIM);
        let config = keeping(DIM, 4, Metric::Cosine, originals);
        let index = build(config, &partitioned(true, 20), &values);
        add(&index, &values[..5 * DIM]);
        assert_eq!(remove(&index, 0..2505), 2505);
        assert!(index.is_empty());
        for options in [best(3), exact(3)] {
            let hits = search(&index, &values[..2 * DIM], &options);
            assert!(hits.len() == 2 && hits.iter().all(|hits| hits.scores.is_empty()));
        }
        add(&index, &values[7 * DIM..8 * DIM]);
        assert_eq!(whole(&search(&index, &values[..DIM], &best(3))[0]), [2505]);
        assert_eq!(index.len(), 1);
        assert_eq!(stored(&index), 1);
        add(&index, &values);
        let hits = search(&index, &values[9 * DIM..10 * DIM], &best(1));
        assert_eq!(whole(&hits[0]), [2515]);
        assert_eq!(index.len(), 2501);
    }
}

#[test]
fn parts_without_removed_rows_give_the_same_hits() {
    for (count, originals) in [
        (1, Originals::None),
        (30, Originals::None),
        (30, Originals::F16),
    ] {
        let values = clustered(1, 9000, DIM);
        let config = keeping(DIM, 3, Metric::Dot, originals);
        let index = build(config, &partitioned(false, count), &values[..6000 * DIM]);
        for batch in values[6000 * DIM..].chunks(500 * DIM) {
            add(&index, batch);
        }
        let gone = |row: &u64| !row.is_multiple_of(10) || *row < 2000;
        assert_eq!(remove(&index, (0..9000).filter(gone)), 8300);
        let queries = &values[5000 * DIM..5008 * DIM];
        let old = Filter::Rows(bitmap(0..9000));
        let everything = within(&exact(1000), old.clone());
        let before = exactly(&search(&index, queries, &everything));
        assert_eq!(before[0].1.len(), 700);
        let reconstructed = index.reconstruct(IdRef::Whole(5010)).unwrap();
        assert!(stored(&index) > 8000);
        // The next row lets the others move together.
        add(&index, &values[..DIM]);
        assert_eq!(stored(&index), 701);
        let stats = index.stats();
        assert_eq!((stats.rows, stats.live), (9001, 701));
        assert_eq!(exactly(&search(&index, queries, &everything)), before);
        let quick = search(&index, queries, &within(&best(10), old));
        assert!(
            quick
                .iter()
                .all(|hits| whole(hits).iter().all(|row| !gone(row)))
        );
        assert_eq!(
            index.reconstruct(IdRef::Whole(5010)).unwrap(),
            reconstructed
        );
        assert_eq!(index.has(IdRef::Whole(5011)), Ok(false));
        assert_eq!(remove(&index, [5010, 5011]), 1);
    }
}

/// Where a row is does not stay behind when parts are merged, whoever asked for it before.
#[test]
fn rows_are_found_by_id_after_every_change() {
    let values = clustered(2, 3000, DIM);
    for count in [1, 12] {
        let config = config(DIM, 4, Metric::L2);
        let index = build(config, &partitioned(false, count), &values);
        let ids = (0..3000).step_by(9);
        let few = within(&exact(10), Filter::Rows(bitmap((0..3000).step_by(300))));
        let state = || {
            let of_row = |id: usize| index.reconstruct(IdRef::Whole(id as u64)).ok();
            let hits = exactly(&search(&index, &values[..3 * DIM], &few));
            (ids.clone().map(of_row).collect::<Vec<_>>(), hits)
        };
        let before = state();
        // More rows are dead than alive: the next one lets the others move together.
        remove(&index, (0..3000).filter(|id| id % 9 != 0 && id % 300 != 0));
        assert!(state() == before);
        for (round, size) in [1, 1, 1023, 1024, 40, 1, 2000].into_iter().enumerate() {
            add(&index, &values[..size * DIM]);
            assert!(state() == before, "round {round}");
        }
    }
}

#[test]
fn rows_that_come_one_by_one_are_found() {
    for (fit, count) in [(true, 50), (false, 1)] {
        let values = seeded::normal(4, 3600 * DIM, 1.0);
        let config = config(DIM, 4, Metric::Cosine);
        let index = build(config, &partitioned(fit, count), &values[..2000 * DIM]);
        for (id, row) in (2000..).zip(values[2000 * DIM..].chunks_exact(DIM)) {
            add(&index, row);
            let hits = search(&index, row, &best(1));
            assert_eq!(whole(&hits[0]), [id]);
        }
        let again = search(&index, &values, &best(1));
        assert!(again.iter().flat_map(whole).eq(0..3600));
        assert!(index.stats().parts < 12);
    }
}

#[test]
fn rows_have_the_same_bytes_however_they_came() {
    let values = clustered(8, 2600, DIM);
    let config = keeping(DIM, 2, Metric::L2, Originals::F16);
    let at_once = build(config, &partitioned(false, 1), &values);
    let queries = &values[..7 * DIM];
    for size in [1, 100, 700, 1024, 2599] {
        let index = Index::new(config).unwrap();
        for batch in values.chunks(size * DIM) {
            index.add(batch, Ids::Next, &Control::default()).unwrap();
        }
        for options in [best(20), exact(20)] {
            let [got, expected] = [&index, &at_once].map(|index| search(index, queries, &options));
            assert_eq!(exactly(&got), exactly(&expected), "{size}");
        }
        for row in [0, 1023, 1024, 2599] {
            let [got, expected] =
                [&index, &at_once].map(|index| index.reconstruct(IdRef::Whole(row)));
            assert_eq!(got, expected);
        }
        let twice = [0, 1].map(|_| bytes_of(&index.image().unwrap()));
        assert_eq!(twice[0], twice[1]);
    }
}

/// New vectors in the place of old ones, few and many, kept by number and by text.
#[test]
fn rows_take_the_place_of_others() {
    let control = Control::default();
    for kind in [IdKind::Number, IdKind::Text] {
        for count in [3, 2000] {
            let values = clustered(4, 2 * count + 50, DIM);
            let config = IndexConfig::new(DIM, 4, Metric::Dot, 7, kind, Originals::F32).unwrap();
            let index = Index::new(config).unwrap();
            let (old, new) = values.split_at((count + 50) * DIM);
            let all = 0..count as u64 + 50;
            index.add(old, ids(kind, all.clone()), &control).unwrap();
            let replaced = 10..10 + count as u64;
            let given = || ids(kind, replaced.clone());

            let mut large = new.to_vec();
            large[(count - 1) * DIM] = 1e16;
            assert_eq!(
                code(index.replace(&large, given(), &control)),
                ErrorCode::Limit
            );
            let twice = ids(kind, std::iter::repeat_n(10, count));
            assert_eq!(
                code(index.replace(new, twice, &control)),
                ErrorCode::IdExists
            );
            assert_eq!(code(index.add(new, given(), &control)), ErrorCode::IdExists);
            assert_eq!(index.len(), count + 50);
            let first = as_vector(&index, kind, 10);
            assert_eq!(first, old[10 * DIM..11 * DIM]);

            index.replace(new, given(), &control).unwrap();
            assert_eq!(index.len(), count + 50);
            for (at, key) in replaced.enumerate() {
                assert_eq!(as_vector(&index, kind, key), new[at * DIM..(at + 1) * DIM]);
            }
            assert_eq!(as_vector(&index, kind, 9), old[9 * DIM..10 * DIM]);
            assert_eq!(index.clear(), count + 50);
            assert_eq!((index.len(), index.clear()), (0, 0));
            assert!(search(&index, &new[..DIM], &best(5))[0].scores.is_empty());
            index.add(old, ids(kind, all), &control).unwrap();
            assert_eq!(as_vector(&index, kind, 0), old[..DIM]);
            assert_eq!(index.stats().live, count as u64 + 50);
        }
    }
}

fn as_vector(index: &Index, kind: IdKind, key: u64) -> Vec<f32> {
    index.reconstruct(as_ref(&id(kind, key))).unwrap()
}

#[test]
fn ids_are_in_order_of_adding() {
    for kind in [IdKind::Number, IdKind::Bigint, IdKind::Text] {
        let index = Index::new(named(DIM, kind)).unwrap();
        let values = clustered(4, 6, DIM);
        let keys = [7, 3, 9, 1, 4, 0];
        index
            .add(&values, ids(kind, keys), &Control::default())
            .unwrap();
        index.remove(&[as_ref(&id(kind, 9))]).unwrap();
        let listed = match index.ids().unwrap() {
            IdList::Whole(ids) => ids.into_iter().map(Id::Whole).collect::<Vec<_>>(),
            IdList::Text(ids) => ids.into_iter().map(Id::Text).collect(),
        };
        assert_eq!(listed, [7, 3, 1, 4, 0].map(|key| id(kind, key)));
    }
}
