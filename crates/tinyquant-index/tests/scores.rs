//! Scores lie near the true ones, at every dimension, width and metric; hits are complete and in order.

mod common;

use common::{
    BITS, FITTED, METRICS, PLAIN, best, build, clustered, config, exact, exactly, is_descending,
    length, score, search, thorough, whole,
};
use tinyquant_index::{BuildOptions, Metric};

const ROWS: usize = 400;
const QUERIES: usize = 6;

/// Mean squared error of a component of deviation 1 in 1, 2, 3, 4 and 8 bits (Max, 1960); of 8 bits that of even steps
/// of 1 / 31.75.
fn distortion(bits: u8) -> f64 {
    match bits {
        1 => 0.363_38,
        2 => 0.117_48,
        3 => 0.034_54,
        4 => 0.009_497,
        _ => 1.0 / (31.75 * 31.75 * 12.0),
    }
}

/// Variance that whole numbers add: a query's component of at most 4.5 deviations is rounded to a 127th of that, a
/// level to a 127th of the largest one.
const ROUNDING: f64 = 1.5e-4;

/// Deviations that no error exceeds: there are some thousands of scores, and the rotated components of vectors of few
/// components are not independent.
const DEVIATIONS: f64 = 6.0;

/// Half of the step of a factor, relative to it; a score that is 0 is exact in this respect.
const FACTOR: f64 = 1.0 / 256.0;

/// The bound of the error of one score. Of the codes y^ of y, the part across y has a squared length of
/// `D / (1 - D)` times that of y, for the distortion D; its product with a query is that of random directions in
/// the rotated space.
fn bound(bits: u8, metric: Metric, rotated: usize, query: &[f32], row: &[f32]) -> f64 {
    let distortion = distortion(bits);
    let variance = (distortion / (1.0 - distortion) + ROUNDING) / rotated as f64;
    let lengths = match metric {
        Metric::Cosine => 1.0,
        Metric::Dot => length(query) * length(row),
        Metric::L2 => 2.0 * length(query) * length(row),
    };
    let coded = match metric {
        Metric::Cosine | Metric::Dot => score(metric, query, row).abs(),
        Metric::L2 => 2.0 * score(Metric::Dot, query, row).abs(),
    };
    DEVIATIONS * variance.sqrt() * lengths + FACTOR * coded + 1e-5 * lengths
}

fn check(dim: usize, bits: u8, metric: Metric, options: &BuildOptions, values: &[f32]) {
    let (rows, queries) = values.split_at(ROWS * dim);
    let index = build(config(dim, bits, metric), options, rows);
    let context = format!("{dim} {bits} {metric:?} {}", index.is_fitted());
    // A fitted index puts most of the energy into its first 64 coordinates and gives them more bits; at 8 bits all
    // have the same.
    let rotated = match (index.is_fitted(), bits) {
        (true, 8) => 64,
        _ => dim.next_multiple_of(64),
    };
    let all = search(&index, queries, &exact(ROWS + 100));
    assert_eq!(all.len(), QUERIES);
    for (query, hits) in queries.chunks_exact(dim).zip(&all) {
        let mut ids = whole(hits);
        assert!(is_descending(&hits.scores), "{context}");
        for (id, got) in ids.iter().zip(&hits.scores) {
            let row = &rows[*id as usize * dim..][..dim];
            let apart = (f64::from(*got) - score(metric, query, row)).abs();
            let bound = bound(bits, metric, rotated, query, row);
            assert!(apart <= bound, "{context}: {apart} over {bound}");
        }
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..ROWS as u64), "{context}");
    }
    for k in [1, 10, ROWS - 1] {
        for options in [best(k), exact(k), thorough(k)] {
            let batch = search(&index, queries, &options);
            for (q, (query, hits)) in queries.chunks_exact(dim).zip(&batch).enumerate() {
                let alone = search(&index, query, &options);
                assert_eq!(exactly(&alone), exactly(&batch[q..=q]), "{context}");
                assert_eq!(hits.scores.len(), k, "{context}");
                assert!(is_descending(&hits.scores), "{context}");
                if options.exact || options.effort > 1.0 {
                    let (ids, first) = (whole(&all[q]), whole(hits));
                    assert_eq!(first, ids[..k], "{context}");
                    assert_eq!(hits.scores, all[q].scores[..k], "{context}");
                }
            }
        }
    }
}

fn check_all(dims: &[usize], bits: &[u8], metrics: &[Metric], options: &BuildOptions) {
    for dim in dims {
        // The queries lie in clusters of rows.
        let mut values = clustered(10, 480 + QUERIES, *dim);
        values.drain(ROWS * dim..480 * dim);
        for bits in bits {
            for metric in metrics {
                check(*dim, *bits, *metric, options, &values);
            }
        }
    }
}

#[test]
fn one_rotation_of_few_components() {
    check_all(&[2, 7, 31, 64, 100, 200], &BITS, &METRICS, &PLAIN);
}

#[test]
fn one_rotation_of_many_components() {
    check_all(&[384, 768, 1000, 1536, 3072], &BITS, &METRICS, &PLAIN);
}

#[test]
fn fitted_segments() {
    check_all(&[100, 200, 384], &BITS, &METRICS, &FITTED);
}

#[test]
fn fitted_segments_of_many_components() {
    check_all(&[768], &[4], &METRICS, &FITTED);
    check_all(&[768], &[1], &[Metric::Dot], &FITTED);
    check_all(&[1000], &[8], &[Metric::L2], &FITTED);
    check_all(&[1536], &[2], &[Metric::Cosine], &FITTED);
}
