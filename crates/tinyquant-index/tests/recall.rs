//! How many of the true best rows are found, on vectors that lie in clusters.

mod common;

use common::{
    BITS, METRICS, best, build, clustered, config, exact, keeping, partitioned, recall, search,
    truth,
};
use tinyquant_index::{Index, Metric, Originals, SearchOptions};

const DIM: usize = 256;
const ROWS: usize = 4000;
const K: usize = 10;

struct Data {
    rows: Vec<f32>,
    queries: Vec<f32>,
}

/// Rows, and queries from other vectors of their clusters.
fn data() -> Data {
    let mut rows = clustered(10, ROWS + 40 * 40, DIM);
    let others = rows.split_off(ROWS * DIM);
    let queries = others.chunks_exact(40 * DIM);
    Data {
        rows,
        queries: queries.flat_map(|others| others[..DIM].to_vec()).collect(),
    }
}

impl Data {
    fn truth(&self, metric: Metric) -> Vec<Vec<u64>> {
        truth(metric, &self.queries, &self.rows, DIM, K)
    }

    fn recall(&self, truth: &[Vec<u64>], index: &Index, options: &SearchOptions) -> f64 {
        recall(truth, &search(index, &self.queries, options))
    }
}

/// Some hundredths below what was measured.
const FLOORS: [(u8, f64, f64); 5] = [
    (1, 0.70, 0.87),
    (2, 0.82, 0.94),
    (3, 0.87, 0.94),
    (4, 0.92, 0.94),
    (8, 0.96, 0.96),
];

#[test]
fn floors_of_every_width() {
    let data = data();
    for metric in METRICS {
        let truth = data.truth(metric);
        for (bits, plain_floor, fitted_floor) in FLOORS {
            assert!(BITS.contains(&bits));
            let [plain, fitted] = [false, true].map(|fit| {
                let index = build(config(DIM, bits, metric), &partitioned(fit, 1), &data.rows);
                // There are no bits to be moved at 8.
                assert_eq!(index.is_fitted(), fit && bits < 8);
                let all = data.recall(&truth, &index, &exact(K));
                let found = data.recall(&truth, &index, &best(K));
                assert!(found >= all - 0.005, "{metric:?} {bits}: {found}, {all}");
                found
            });
            assert!(plain >= plain_floor, "{metric:?} {bits}: {plain}");
            assert!(fitted >= fitted_floor, "{metric:?} {bits}: {fitted}");
            assert!(bits > 2 || fitted > plain + 0.05);
        }
    }
}

#[test]
fn partitions_lose_little_and_effort_buys_it_back() {
    let data = data();
    for (metric, fit) in [
        (Metric::Cosine, true),
        (Metric::Dot, false),
        (Metric::L2, true),
    ] {
        let truth = data.truth(metric);
        for count in [1, 30, 400] {
            let options = partitioned(fit, count);
            let index = build(config(DIM, 4, metric), &options, &data.rows);
            assert_eq!(index.stats().partitions, count);
            let all = data.recall(&truth, &index, &exact(K));
            let mut before = 0.0;
            for effort in [0.01, 0.1, 1.0, 4.0] {
                let options = SearchOptions { effort, ..best(K) };
                let found = data.recall(&truth, &index, &options);
                assert!(found >= before - 0.01, "{metric:?} {count} {effort}");
                before = found;
                if effort >= 1.0 {
                    assert!(found >= all - 0.01, "{metric:?} {count}: {found}, {all}");
                }
            }
        }
    }
}

/// Four partitions of four hundred: rows lie with their neighbours, and the right ones are looked at first.
#[test]
fn the_most_promising_partitions_hold_most_of_the_hits() {
    let data = data();
    for (metric, floor) in [
        (Metric::Cosine, 0.92),
        (Metric::Dot, 0.80),
        (Metric::L2, 0.92),
    ] {
        let config = config(DIM, 4, metric);
        let index = build(config, &partitioned(false, 400), &data.rows);
        let few = SearchOptions {
            effort: 0.01,
            ..best(K)
        };
        let found = data.recall(&data.truth(metric), &index, &few);
        assert!(found >= floor, "{metric:?}: {found}");
    }
}

#[test]
fn vectors_that_are_kept_put_the_last_candidates_in_order() {
    let data = data();
    for (metric, originals) in [
        (Metric::Cosine, Originals::F16),
        (Metric::Dot, Originals::F32),
        (Metric::L2, Originals::F16),
    ] {
        let truth = data.truth(metric);
        for (bits, floor) in [(1, 0.95), (2, 0.99), (4, 0.995)] {
            let config = keeping(DIM, bits, metric, originals);
            let index = build(config, &partitioned(true, 30), &data.rows);
            let found = data.recall(&truth, &index, &best(K));
            assert!(found >= floor, "{metric:?} {bits}: {found}");
            let without = SearchOptions {
                rescore: Some(false),
                ..best(K)
            };
            assert!(data.recall(&truth, &index, &without) <= found);
            assert!(data.recall(&truth, &index, &exact(K)) >= 0.998);
        }
    }
}
