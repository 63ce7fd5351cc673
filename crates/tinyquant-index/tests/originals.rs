//! Vectors that are kept beside their codes, and vectors that codes give back.

mod common;

use common::{
    METRICS, PLAIN, add, best, build, clustered, config, exact, exactly, keeping, partitioned,
    score, search, whole,
};
use tinyquant_index::{IdRef, Metric, Originals, SearchOptions};
use tinyquant_kernels::{f16_to_f32, f32_to_f16};

const DIM: usize = 90;

#[test]
fn rescored_scores_are_the_true_ones() {
    let values = clustered(1, 2000, DIM);
    let (rows, queries) = values.split_at(1980 * DIM);
    for metric in METRICS {
        for (originals, tolerance) in [(Originals::F16, 1e-3), (Originals::F32, 1e-5)] {
            let config = keeping(DIM, 2, metric, originals);
            let index = build(config, &partitioned(true, 10), &rows[..1500 * DIM]);
            add(&index, &rows[1500 * DIM..]);
            for options in [best(10), exact(10)] {
                let hits = search(&index, queries, &options);
                for (query, hits) in queries.chunks_exact(DIM).zip(&hits) {
                    for (id, got) in whole(hits).iter().zip(&hits.scores) {
                        let row = &rows[*id as usize * DIM..][..DIM];
                        let unit = match metric {
                            Metric::Cosine => 1.0,
                            Metric::Dot | Metric::L2 => {
                                score(Metric::Dot, query, query) + score(Metric::Dot, row, row)
                            }
                        };
                        let apart = (f64::from(*got) - score(metric, query, row)).abs();
                        assert!(apart <= tolerance * unit, "{metric:?} {originals:?}");
                    }
                }
                // Without the vectors, scores are those of an index that has none.
                let by_codes = SearchOptions {
                    rescore: Some(false),
                    ..options
                };
                let bare = build(
                    common::config(DIM, 2, metric),
                    &partitioned(true, 10),
                    &rows[..1500 * DIM],
                );
                add(&bare, &rows[1500 * DIM..]);
                let [got, expected] =
                    [&index, &bare].map(|index| exactly(&search(index, queries, &by_codes)));
                assert_eq!(got, expected);
            }
        }
    }
}

#[test]
fn vectors_come_back_as_they_were_kept() {
    let mut values = clustered(1, 4000, DIM);
    values[7] = -0.0;
    values[8] = 1e-42;
    for metric in METRICS {
        for originals in [Originals::F16, Originals::F32] {
            let index = build(
                keeping(DIM, 1, metric, originals),
                &PLAIN,
                &values[..3000 * DIM],
            );
            for row in values[3000 * DIM..3100 * DIM].chunks_exact(DIM) {
                add(&index, row);
            }
            add(&index, &values[3100 * DIM..]);
            for (id, row) in (0..).zip(values.chunks_exact(DIM)) {
                let got = index.reconstruct(IdRef::Whole(id)).unwrap();
                for (got, value) in got.iter().zip(row) {
                    let expected = match originals {
                        Originals::F16 => f16_to_f32(f32_to_f16(*value)),
                        Originals::F32 | Originals::None => *value,
                    };
                    assert_eq!(got.to_bits(), expected.to_bits());
                }
            }
            let width = originals.width();
            let image = index.image().unwrap();
            let bytes: usize = image.originals.iter().map(|run| run.len()).sum();
            assert_eq!(bytes, values.len() * width);
        }
    }
}

/// Mean squared error of a row that comes back from codes, relative to its square: the distortion of the width.
#[test]
fn codes_give_back_what_they_stand_for() {
    let rows = 600;
    for dim in [64, 384, 1000] {
        let values = clustered(1, rows, dim);
        for metric in METRICS {
            for (bits, distortion) in [
                (1, 0.3634),
                (2, 0.1175),
                (3, 0.0345),
                (4, 0.0095),
                (8, 1e-4),
            ] {
                for fit in [false, true]
                    .into_iter()
                    .take(if dim > 800 { 1 } else { 2 })
                {
                    let index = build(config(dim, bits, metric), &partitioned(fit, 1), &values);
                    let mut errors = 0.0;
                    for (id, row) in (0..).zip(values.chunks_exact(dim)) {
                        let got = index.reconstruct(IdRef::Whole(id)).unwrap();
                        let scale = match metric {
                            Metric::Cosine => common::length(row) as f32,
                            Metric::Dot | Metric::L2 => 1.0,
                        };
                        let got: Vec<f32> = got.iter().map(|value| value * scale).collect();
                        errors += -score(Metric::L2, &got, row) / score(Metric::Dot, row, row);
                    }
                    let mean = errors / rows as f64;
                    // Factors are rounded to a 256th, rotations and queries to less.
                    assert!(
                        mean < 1.1 * distortion + 1e-4,
                        "{dim} {metric:?} {bits}: {mean}"
                    );
                }
            }
        }
    }
}
