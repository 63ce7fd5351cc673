//! Partitions split as an index grows.

mod common;

use common::*;
use tinyquant_index::{Filter, IdRef, Index, Model, Originals, SearchOptions};

#[test]
fn partitions_split_and_lose_no_row() {
    let dim = 64;
    let rows = 12_000;
    let values = clustered(9, rows, dim);
    let first = 1_000 * dim;
    for metric in METRICS {
        let index = build(
            config(dim, 4, metric),
            &partitioned(true, 8),
            &values[..first],
        );
        for batch in values[first..].chunks(1_100 * dim) {
            add(&index, batch);
        }
        let stats = index.stats();
        assert!(stats.partitions > 16, "{} partitions", stats.partitions);
        assert_eq!((stats.rows, stats.live), (rows as u64, rows as u64));
        let queries = clustered(10, 20, dim);
        let mut ids = whole(&search(&index, &queries[..dim], &exact(rows))[0]);
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..rows as u64));
        let best_of_all: Vec<_> = search(&index, &queries, &exact(10))
            .iter()
            .map(whole)
            .collect();
        let found = recall(&best_of_all, &search(&index, &queries, &best(10)));
        assert!(
            found >= 0.95,
            "recall {found} of what the codes give for {metric:?}"
        );
    }
}

#[test]
fn rows_that_do_not_fall_apart_stay_together() {
    let dim = 64;
    let values = clustered(11, 300, dim);
    let index = build(config(dim, 4, METRICS[0]), &partitioned(true, 4), &values);
    let same: Vec<f32> = values[..dim]
        .iter()
        .copied()
        .cycle()
        .take(5_000 * dim)
        .collect();
    for batch in same.chunks(1_000 * dim) {
        add(&index, batch);
    }
    assert_eq!(
        whole(&search(&index, &values[..dim], &best(50))[0]).len(),
        50
    );
}

/// Codes stay as they are when partitions split: scores, ids, filters and rows that are kept.
#[test]
fn a_split_changes_no_score() {
    let (dim, rows) = (64, 6_000);
    let values = clustered(9, rows, dim);
    let queries = &values[..4 * dim];
    for (metric, originals) in [
        (METRICS[0], Originals::None),
        (METRICS[1], Originals::F32),
        (METRICS[2], Originals::F16),
    ] {
        let config = keeping(dim, 3, metric, originals);
        let [grown, plain] = [3, 1].map(|count| {
            let index = build(config, &partitioned(false, count), &values[..900 * dim]);
            for batch in values[900 * dim..].chunks(333 * dim) {
                add(&index, batch);
            }
            let gone: Vec<_> = (0..rows as u64).step_by(3).map(IdRef::Whole).collect();
            assert_eq!(index.remove(&gone).unwrap(), 2_000);
            add(&index, &values[..2_000 * dim]);
            index
        });
        assert!(grown.stats().partitions > 12 && plain.stats().partitions == 1);
        let filter = Filter::Rows(bitmap((0..8_000).step_by(41)));
        for options in [exact(100), thorough(100), within(&best(30), filter)] {
            let [got, expected] = [&grown, &plain].map(|index| search(index, queries, &options));
            assert_eq!(exactly(&got), exactly(&expected));
        }
        for id in [1, 899, 901, 5_999, 7_999] {
            let [got, expected] = [&grown, &plain].map(|index| index.reconstruct(IdRef::Whole(id)));
            assert_eq!(got, expected);
        }
        let image = grown.image().unwrap();
        let mut seen = vec![0; 8_000_usize.div_ceil(64)];
        for part in &image.parts {
            part.verify(8_000, &mut seen).unwrap();
        }
        let model = Model::from_bytes(&config, &image.model.to_bytes()).unwrap();
        assert_eq!(model.partitions(), grown.stats().partitions);
        let reopened = Index::from_image(image).unwrap();
        add(&reopened, &values);
        assert_eq!(reopened.len(), 12_000);
    }
}

/// Lengths from 1 to 10^13: few rows are far from all others, again and again.
#[test]
fn rows_of_very_different_lengths_split() {
    let (dim, rows) = (32, 5_000);
    let mut values = clustered(12, rows, dim);
    for (row, values) in values.chunks_exact_mut(dim).enumerate() {
        let length = 1.02_f32.powi(row as i32 * 7919 % 1_500);
        for value in values {
            *value *= length;
        }
    }
    for metric in METRICS {
        let index = build(
            config(dim, 4, metric),
            &partitioned(false, 2),
            &values[..600 * dim],
        );
        for batch in values[600 * dim..].chunks(400 * dim) {
            add(&index, batch);
        }
        assert!(index.stats().partitions > 5);
        for options in [exact(rows), best(rows)] {
            let mut ids = whole(&search(&index, &values[..dim], &options)[0]);
            ids.sort_unstable();
            assert!(ids.into_iter().eq(0..rows as u64));
        }
    }
}

/// Seven partitions hold nearly as many of the hits as those of a build do.
#[test]
fn partitions_that_split_are_nearly_as_good_as_those_of_a_build() {
    let (dim, rows) = (64, 10_000);
    let mut values = clustered(9, rows + 50 * 40, dim);
    let others = values.split_off(rows * dim);
    let queries: Vec<f32> = others
        .chunks_exact(40 * dim)
        .flat_map(|others| others[..dim].to_vec())
        .collect();
    for metric in METRICS {
        let config = config(dim, 4, metric);
        let grown = build(config, &partitioned(false, 3), &values[..1_000 * dim]);
        for batch in values[1_000 * dim..].chunks(250 * dim) {
            add(&grown, batch);
        }
        let count = grown.stats().partitions;
        let built = build(config, &partitioned(false, count), &values);
        let truth = truth(metric, &queries, &values, dim, 10);
        let few = SearchOptions {
            effort: 0.02,
            ..best(10)
        };
        let [grown, built] =
            [&grown, &built].map(|index| recall(&truth, &search(index, &queries, &few)));
        assert!(
            grown >= built - 0.07,
            "{metric:?}, {count} partitions: {grown}, {built}"
        );
    }
}
