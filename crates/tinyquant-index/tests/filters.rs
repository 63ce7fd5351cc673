//! Filters: exactly as many hits as there can be, the best of the rows that are allowed.

mod common;

use common::{
    Random, add, best, bitmap, build, clustered, config, exact, exactly, id, ids, is_descending,
    keeping, listed, named, partitioned, search, thorough, whole, within,
};
use std::collections::HashSet;
use tinyquant_codec::Control;
use tinyquant_index::{
    Filter, Hits, Id, IdKind, IdList, IdRef, Index, Metric, Originals, SearchOptions,
};

const DIM: usize = 96;
const ROWS: usize = 6000;

/// Rows, and queries that are rows of the same clusters.
fn data() -> (Vec<f32>, Vec<f32>) {
    let mut rows = clustered(3, ROWS + 5, DIM);
    let queries = rows.split_off(ROWS * DIM);
    (rows, queries)
}

/// About a share of the rows, chosen at random.
fn share(seed: u64, share: f64) -> Vec<usize> {
    let mut random = Random(seed);
    (0..ROWS)
        .filter(|_| (random.below(1_000_000) as f64) < share * 1e6)
        .collect()
}

fn by_ids(rows: &[usize]) -> Filter {
    Filter::Ids(rows.iter().map(|row| Id::Whole(*row as u64)).collect())
}

/// The best of all hits that are allowed.
fn oracle(all: &[Hits], allowed: &HashSet<u64>, k: usize) -> Vec<(IdList, Vec<u32>)> {
    let of_query = |hits: &Hits| {
        let pairs = whole(hits).into_iter().zip(&hits.scores);
        let pairs = pairs.filter(|(id, _)| allowed.contains(id)).take(k);
        let (ids, scores) = pairs.map(|(id, score)| (id, score.to_bits())).unzip();
        (IdList::Whole(ids), scores)
    };
    all.iter().map(of_query).collect()
}

fn check(index: &Index, queries: &[f32], removed: &HashSet<u64>) {
    let all = search(index, queries, &exact(ROWS));
    assert!(all.iter().all(|hits| hits.scores.len() == index.len()));
    for (seed, part) in (1..).zip([0.0, 0.001, 0.01, 0.1, 0.5, 1.0]) {
        let rows = share(seed, part);
        let allowed: HashSet<u64> = (rows.iter())
            .map(|row| *row as u64)
            .filter(|row| !removed.contains(row))
            .collect();
        for k in [1, 10, 300] {
            let expected = oracle(&all, &allowed, k);
            for filter in [Filter::Rows(bitmap(rows.iter().copied())), by_ids(&rows)] {
                for options in [exact(k), thorough(k)] {
                    let got = search(index, queries, &within(&options, filter.clone()));
                    assert_eq!(exactly(&got), expected, "{part} {k}");
                }
                let got = search(index, queries, &within(&best(k), filter.clone()));
                for (hits, (best, _)) in got.iter().zip(&expected) {
                    let ids = whole(hits);
                    assert_eq!(ids.len(), k.min(allowed.len()), "{part} {k}");
                    assert!(ids.iter().all(|id| allowed.contains(id)));
                    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
                    assert!(is_descending(&hits.scores));
                    let IdList::Whole(best) = best else { panic!() };
                    let common = best.iter().filter(|id| ids.contains(id)).count();
                    assert!(common * 10 >= best.len() * 9, "{part} {k} {common}");
                }
                for (query, hits) in queries.chunks_exact(DIM).zip(&got) {
                    let alone = search(index, query, &within(&best(k), filter.clone()));
                    assert_eq!(exactly(&alone), exactly(std::slice::from_ref(hits)));
                }
            }
        }
    }
}

#[test]
fn the_best_of_the_rows_that_are_allowed() {
    let (rows, queries) = data();
    for (metric, bits, options) in [
        (Metric::Cosine, 4, partitioned(true, 1)),
        (Metric::Dot, 2, partitioned(false, 1)),
        (Metric::L2, 4, partitioned(true, 300)),
        (Metric::Cosine, 3, partitioned(false, 40)),
    ] {
        let index = build(config(DIM, bits, metric), &options, &rows[..5000 * DIM]);
        add(&index, &rows[5000 * DIM..5900 * DIM]);
        add(&index, &rows[5900 * DIM..]);
        check(&index, &queries, &HashSet::new());
        let removed: HashSet<u64> = share(9, 0.3).into_iter().map(|row| row as u64).collect();
        let refs: Vec<_> = removed.iter().map(|row| IdRef::Whole(*row)).collect();
        assert_eq!(index.remove(&refs).unwrap(), removed.len());
        check(&index, &queries, &removed);
    }
}

#[test]
fn vectors_that_are_kept_order_what_is_allowed() {
    let (rows, queries) = data();
    for (metric, originals) in [
        (Metric::L2, Originals::F32),
        (Metric::Cosine, Originals::F16),
    ] {
        let config = keeping(DIM, 2, metric, originals);
        let index = build(config, &partitioned(true, 50), &rows);
        check(&index, &queries, &HashSet::new());
    }
}

/// The rows that are allowed lie where a search looks last.
#[test]
fn rows_far_from_the_query_are_hits_where_no_others_are_allowed() {
    let (rows, queries) = data();
    let index = build(
        config(DIM, 4, Metric::Cosine),
        &partitioned(true, 400),
        &rows,
    );
    for query in queries.chunks_exact(DIM) {
        let all = whole(&search(&index, query, &exact(ROWS))[0]);
        for farthest in [20, 3000] {
            let far: Vec<usize> = (all[ROWS - farthest..].iter())
                .map(|row| *row as usize)
                .collect();
            for effort in [1e-6, 0.01, 1.0] {
                for k in [1, 20, 1500] {
                    let filter = Filter::Rows(bitmap(far.iter().copied()));
                    let options = within(&SearchOptions { effort, ..best(k) }, filter);
                    let got = whole(&search(&index, query, &options)[0]);
                    assert_eq!(got.len(), k.min(farthest), "{farthest} {effort} {k}");
                    assert!(got.iter().all(|id| far.contains(&(*id as usize))));
                }
            }
        }
    }
}

#[test]
fn bits_and_ids_beyond_the_rows() {
    let (rows, queries) = data();
    let index = build(
        config(DIM, 4, Metric::Dot),
        &partitioned(false, 1),
        &rows[..100 * DIM],
    );
    let count = |filter: Filter| {
        let options = within(&best(1000), filter);
        let hits = search(&index, &queries, &options);
        let counts: HashSet<usize> = hits.iter().map(|hits| hits.scores.len()).collect();
        assert_eq!(counts.len(), 1);
        counts.into_iter().next().unwrap()
    };
    assert_eq!(count(Filter::Rows(vec![])), 0);
    assert_eq!(count(Filter::Rows(vec![0; 500])), 0);
    assert_eq!(count(Filter::Rows(vec![0x11])), 2);
    assert_eq!(count(Filter::Rows(vec![255; 12])), 96);
    assert_eq!(count(Filter::Rows(vec![255; 13])), 100);
    assert_eq!(count(Filter::Rows(vec![255; 4000])), 100);
    assert_eq!(count(Filter::Ids(vec![])), 0);
    let whole = |ids: &[u64]| Filter::Ids(ids.iter().map(|id| Id::Whole(*id)).collect());
    assert_eq!(
        count(whole(&[5, 5, 5, 99, 100, u64::MAX, 1 << 32, (1 << 32) + 7])),
        2
    );
    assert_eq!(
        count(Filter::Ids(vec![Id::Text("5".into()), Id::Whole(6)])),
        1
    );
    index.remove(&[IdRef::Whole(5)]).unwrap();
    assert_eq!(count(whole(&[5, 99])), 1);
    assert_eq!(count(whole(&[5])), 0);
    assert_eq!(count(Filter::Rows(vec![1 << 5 | 1])), 1);
}

#[test]
fn ids_of_every_kind_as_a_filter() {
    let (rows, queries) = data();
    for kind in common::ID_KINDS {
        let index = Index::new(named(DIM, kind)).unwrap();
        let control = Control::default();
        index
            .add(&rows[..500 * DIM], ids(kind, 0..500), &control)
            .unwrap();
        let renamed = id(kind, 7);
        index.remove(&[common::as_ref(&renamed)]).unwrap();
        index
            .add(&rows[500 * DIM..501 * DIM], ids(kind, [7]), &control)
            .unwrap();
        let keys = [3, 7, 499, 400, 1000];
        let filter = Filter::Ids(keys.map(|key| id(kind, key)).into());
        for options in [best(10), exact(10)] {
            for hits in search(&index, &queries, &within(&options, filter.clone())) {
                let mut got: Vec<String> = listed(&hits).iter().map(Id::to_string).collect();
                let mut expected = keys[..4]
                    .iter()
                    .map(|key| id(kind, *key).to_string())
                    .collect::<Vec<_>>();
                got.sort();
                expected.sort();
                assert_eq!(got, expected);
            }
        }
        // The bitmap goes by row: the new row of the id is the last one.
        let last = within(&exact(10), Filter::Rows(bitmap([7, 500])));
        let hits = search(&index, &queries, &last);
        assert!(
            hits.iter()
                .all(|hits| listed(hits) == std::slice::from_ref(&renamed))
        );
        assert_eq!(index.len(), 500);
        assert_eq!(
            index.config().id_kind() == IdKind::Text,
            kind == IdKind::Text
        );
    }
}
