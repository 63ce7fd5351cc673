//! The same vectors give the same bytes and the same hits at every level of the instruction set and in every pool.

mod common;

use common::{
    best, bitmap, build, bytes_of, clustered, exact, exactly, keeping, partitioned, search,
    thorough, within,
};
use rayon::ThreadPoolBuilder;
use tinyquant_codec::Control;
use tinyquant_index::{Filter, IdKind, Ids, Index, IndexConfig, Metric, Originals, SearchOptions};
use tinyquant_kernels::{Level, force};

struct Case {
    dim: usize,
    bits: u8,
    metric: Metric,
    originals: Originals,
    fit: bool,
    partitions: usize,
}

const CASES: [Case; 7] = [
    Case {
        dim: 100,
        bits: 4,
        metric: Metric::L2,
        originals: Originals::F16,
        fit: true,
        partitions: 20,
    },
    Case {
        dim: 200,
        bits: 2,
        metric: Metric::Cosine,
        originals: Originals::None,
        fit: true,
        partitions: 7,
    },
    Case {
        dim: 192,
        bits: 1,
        metric: Metric::Cosine,
        originals: Originals::F32,
        fit: true,
        partitions: 1,
    },
    Case {
        dim: 31,
        bits: 3,
        metric: Metric::Dot,
        originals: Originals::F32,
        fit: false,
        partitions: 13,
    },
    Case {
        dim: 257,
        bits: 8,
        metric: Metric::Dot,
        originals: Originals::None,
        fit: true,
        partitions: 3,
    },
    Case {
        dim: 1000,
        bits: 1,
        metric: Metric::L2,
        originals: Originals::None,
        fit: false,
        partitions: 1,
    },
    Case {
        dim: 384,
        bits: 3,
        metric: Metric::Cosine,
        originals: Originals::None,
        fit: true,
        partitions: 40,
    },
];

fn options() -> [SearchOptions; 5] {
    let few = SearchOptions {
        effort: 0.02,
        ..best(7)
    };
    let by_codes = SearchOptions {
        rescore: Some(false),
        ..best(12)
    };
    [best(10), exact(5), thorough(10), few, by_codes]
}

/// What a file would hold after a build and an add, and the bits of hits.
fn run(case: &Case, values: &[f32]) -> impl PartialEq + use<> {
    let (dim, control) = (case.dim, Control::default());
    let kind = IdKind::Number;
    let config = IndexConfig::new(dim, case.bits, case.metric, 9, kind, case.originals).unwrap();
    let (rows, rest) = values.split_at(700 * dim);
    // So many more that the partitions split.
    let (more, queries) = rest.split_at(637 * dim);
    let options_of_build = partitioned(case.fit, case.partitions);
    let index = Index::build(config, &options_of_build, rows, Ids::Next, &control).unwrap();
    assert_eq!(index.is_fitted(), case.fit && case.bits < 8);
    for more in more.chunks(91 * dim) {
        index.add(more, Ids::Next, &control).unwrap();
    }
    let hits = options().map(|options| exactly(&search(&index, queries, &options)));
    (bytes_of(&index.image().unwrap()), hits)
}

#[test]
fn every_level_and_every_pool() {
    let pools = [1, 4].map(|threads| {
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    });
    for case in &CASES {
        let values = clustered(5, 1360, case.dim);
        let expected = run(case, &values);
        for level in Level::supported() {
            force(Some(level)).unwrap();
            for pool in &pools {
                let got = pool.install(|| run(case, &values));
                let (dim, threads) = (case.dim, pool.current_num_threads());
                assert!(got == expected, "{level:?}, {threads} threads, {dim}");
            }
        }
        force(None).unwrap();
    }
}

/// So many rows that threads share a query.
#[test]
fn a_query_on_many_threads() {
    let (dim, rows) = (16, 70_000);
    let values = clustered(6, rows + 3, dim);
    let (rows, queries) = values.split_at(rows * dim);
    let pool = ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for originals in [Originals::None, Originals::F32] {
        let config = keeping(dim, 4, Metric::L2, originals);
        let index = pool.install(|| build(config, &partitioned(false, 8), rows));
        let most = |options| {
            let rows = (0..70_000).filter(|row| row % 30 != 7);
            within(&options, Filter::Rows(bitmap(rows)))
        };
        let all = [thorough(20), exact(20)];
        for options in all.clone().into_iter().chain(all.map(most)) {
            for query in queries.chunks_exact(dim) {
                let alone = exactly(&search(&index, query, &options));
                let shared = pool.install(|| exactly(&search(&index, query, &options)));
                assert_eq!(alone, shared);
            }
        }
    }
}
