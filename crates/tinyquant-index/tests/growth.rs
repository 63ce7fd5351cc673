//! Partitions split as an index grows.

mod common;

use common::*;
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
