//! Fitting, its fallback, and partitions.

mod common;

use common::{
    FITTED, METRICS, PLAIN, add, best, build, bytes_of, clustered, code, config, exact, exactly,
    is_descending, partitioned, recall, search, truth, whole,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{BuildOptions, IdRef, Ids, Index, Metric, Partitions};
use tinyquant_testkit::seeded;

const DIM: usize = 130;

#[test]
fn a_fit_comes_before_the_first_add() {
    let values = clustered(1, 600, DIM);
    let control = Control::default();
    for metric in METRICS {
        let index = Index::new(config(DIM, 3, metric)).unwrap();
        assert!(!index.is_fitted());
        index.fit(&values, &control).unwrap();
        assert!(index.is_fitted() && index.stats().fitted && index.is_empty());
        let segments = index.stats().segments;
        assert_eq!(segments.iter().map(|segment| segment.0).sum::<usize>(), 192);
        assert!(segments.is_sorted_by_key(|segment| std::cmp::Reverse(segment.1)));
        index.add(&values, Ids::Next, &control).unwrap();
        let before = bytes_of(&index.image().unwrap());
        assert_eq!(code(index.fit(&values, &control)), ErrorCode::InvalidArg);
        let all: Vec<_> = (0..600).map(IdRef::Whole).collect();
        index.remove(&all).unwrap();
        let error = index.fit(&values, &control).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArg);
        assert!(error.to_string().contains("600"), "{error}");
        assert_eq!(bytes_of(&index.image().unwrap()), before);
        // A build fits to its rows in the same way.
        let built = build(config(DIM, 3, metric), &FITTED, &values);
        assert_eq!(bytes_of(&built.image().unwrap()), before);
    }
}

#[test]
fn a_second_fit_takes_the_place_of_the_first() {
    let index = Index::new(config(DIM, 4, Metric::Dot)).unwrap();
    let (control, values) = (Control::default(), clustered(1, 600, DIM));
    index.fit(&values[..200 * DIM], &control).unwrap();
    assert!(!index.is_fitted());
    index.fit(&values, &control).unwrap();
    assert!(index.is_fitted());
    index.fit(&values[..DIM], &control).unwrap();
    assert!(!index.is_fitted());
}

#[test]
fn a_refused_fit_changes_nothing() {
    let control = Control::default();
    let values = clustered(1, 600, DIM);
    let index = Index::new(config(DIM, 4, Metric::L2)).unwrap();
    index.fit(&values, &control).unwrap();
    let before = index.image().unwrap().model.to_bytes();
    let refused = |change: &dyn Fn(&mut Vec<f32>)| {
        let mut values = values.clone();
        change(&mut values);
        let code = code(index.fit(&values, &control));
        assert_eq!(index.image().unwrap().model.to_bytes(), before);
        code
    };
    assert_eq!(refused(&|values| values.clear()), ErrorCode::InvalidArg);
    assert_eq!(
        refused(&|values| values.truncate(599 * DIM + 1)),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        refused(&|values| values[777] = f32::NAN),
        ErrorCode::NonFinite
    );
    assert_eq!(refused(&|values| values[777] = 2e15), ErrorCode::Limit);
    let cancelled = AtomicBool::new(true);
    let control = Control {
        cancelled: Some(&cancelled),
        progress: None,
    };
    assert_eq!(code(index.fit(&values, &control)), ErrorCode::Aborted);
    assert_eq!(index.image().unwrap().model.to_bytes(), before);
}

/// One rotation, where segments would not pay: few rows, even spectra, one unit, too many components.
#[test]
fn samples_that_say_too_little() {
    let flat = |rows: usize, dim: usize| seeded::normal(1, rows * dim, 1.0);
    for (dim, sample) in [
        (DIM, clustered(1, 255, DIM)),
        (DIM, clustered(1, 1, DIM)),
        (128, flat(4000, 128)),
        (64, clustered(1, 600, 64)),
        (2, clustered(1, 600, 2)),
        (2100, clustered(1, 300, 2100)),
    ] {
        for bits in [1, 4] {
            let index = build(config(dim, bits, Metric::Cosine), &FITTED, &sample);
            assert!(!index.is_fitted(), "{dim}");
            let padded = dim.next_multiple_of(64);
            assert_eq!(index.stats().segments, [(padded, bits)]);
            let plain = build(config(dim, bits, Metric::Cosine), &PLAIN, &sample);
            let [fitted, plain] = [index, plain].map(|index| bytes_of(&index.image().unwrap()));
            assert_eq!(fitted, plain);
        }
    }
    assert!(
        build(
            config(DIM, 4, Metric::Dot),
            &FITTED,
            &clustered(1, 256, DIM)
        )
        .is_fitted()
    );
}

/// Neighbours by twenties, and a spectrum that falls slowly.
fn broad(rows: usize, dim: usize) -> Vec<f32> {
    let mut values = seeded::normal(7, rows * dim, 1.0);
    for row in values.chunks_exact_mut(dim) {
        for (axis, value) in row.iter_mut().enumerate() {
            *value *= (-2.25 * axis as f32 / dim as f32).exp();
        }
    }
    for same in values.chunks_mut(20 * dim) {
        let (first, others) = same.split_at_mut(dim);
        for row in others.chunks_exact_mut(dim) {
            row.iter_mut()
                .zip(&*first)
                .for_each(|(value, first)| *value = 0.7 * *value + first);
        }
    }
    values
}

/// Axes of a few rows leave out what other rows consist of.
#[test]
fn rows_unlike_a_small_sample_are_found_as_well() {
    let (dim, rows) = (384, 3000);
    let values = broad(rows, dim);
    // Other rows of the neighbourhoods.
    let queries: Vec<f32> = values
        .chunks_exact(60 * dim)
        .flat_map(|rows| rows[dim..2 * dim].to_vec())
        .collect();
    let truth = truth(Metric::Cosine, &queries, &values, dim, 10);
    let found = |bits: u8, sample: usize| {
        let index = Index::new(config(dim, bits, Metric::Cosine)).unwrap();
        if sample > 0 {
            index
                .fit(&values[values.len() - sample * dim..], &Control::default())
                .unwrap();
        }
        add(&index, &values);
        recall(&truth, &search(&index, &queries, &best(10)))
    };
    for bits in [2, 4] {
        let plain = found(bits, 0);
        for sample in [256, 400, 800, 2000] {
            let fitted = found(bits, sample);
            assert!(
                fitted >= plain - 0.03,
                "{bits} bits, {sample} rows: {fitted}, {plain}"
            );
        }
    }
}

#[test]
fn samples_without_extent() {
    let zeros = vec![0.0; 600 * DIM];
    let alike = seeded::normal(3, DIM, 1.0).repeat(600);
    let one_axis: Vec<f32> = (0..600)
        .flat_map(|row| {
            alike[..DIM]
                .iter()
                .map(move |value| value * (row % 9) as f32)
        })
        .collect();
    let one_component: Vec<f32> = (0..600 * DIM)
        .map(|i| if i % DIM == 5 { (i / DIM) as f32 } else { 0.0 })
        .collect();
    let large: Vec<f32> = clustered(1, 600, DIM)
        .iter()
        .map(|value| value * 1e13)
        .collect();
    let small: Vec<f32> = clustered(1, 600, DIM)
        .iter()
        .map(|value| value * 1e-13)
        .collect();
    for sample in [&zeros, &alike, &one_axis, &one_component, &large, &small] {
        for metric in METRICS {
            for bits in [1, 4, 8] {
                for partitions in [1, 9] {
                    let index = build(
                        config(DIM, bits, metric),
                        &partitioned(true, partitions),
                        sample,
                    );
                    add(&index, &clustered(1, 40, DIM));
                    for query in [&sample[DIM..2 * DIM], &clustered(2, 1, DIM)] {
                        for options in [best(30), exact(30)] {
                            let hits = &search(&index, query, &options)[0];
                            assert_eq!(hits.scores.len(), 30);
                            assert!(hits.scores.iter().all(|score| score.is_finite()));
                            assert!(is_descending(&hits.scores));
                        }
                    }
                    let row = index.reconstruct(IdRef::Whole(3)).unwrap();
                    assert!(row.iter().all(|value| value.is_finite()));
                }
            }
        }
    }
}

#[test]
fn any_number_of_partitions() {
    let values = clustered(1, 700, 64);
    let queries = &values[..5 * 64];
    for metric in METRICS {
        let config = config(64, 4, metric);
        let plain = build(config, &PLAIN, &values);
        let expected = exactly(&search(&plain, queries, &exact(700)));
        for (asked, expected_count) in [
            (1, 1),
            (2, 2),
            (17, 17),
            (300, 300),
            (700, 700),
            (5000, 700),
        ] {
            let index = build(config, &partitioned(false, asked), &values);
            assert_eq!(index.stats().partitions, expected_count);
            assert_eq!(exactly(&search(&index, queries, &exact(700))), expected);
            assert_eq!(search(&index, queries, &best(650))[0].scores.len(), 650);
            let image = index.image().unwrap();
            assert_eq!(image.model.partitions(), expected_count);
            let mut seen = vec![0; 11];
            for part in &image.parts {
                assert_eq!(part.starts().len(), 4 * (expected_count + 1));
                part.verify(700, &mut seen).unwrap();
            }
            assert_eq!(seen.iter().map(|word| word.count_ones()).sum::<u32>(), 700);
        }
    }
}

#[test]
fn partitions_of_rows_that_are_alike() {
    let mut values = seeded::normal(3, 64, 1.0).repeat(300);
    values.extend(seeded::normal(4, 64, 1.0));
    let index = build(config(64, 4, Metric::L2), &partitioned(false, 20), &values);
    let hits = search(&index, &values, &best(301));
    assert!(hits.iter().all(|hits| hits.scores.len() == 301));
    // Equal scores: the row that was added first comes first.
    assert!(whole(&hits[0])[..300].iter().copied().eq(0..300));
    assert_eq!(whole(&hits[300])[0], 300);
}

#[test]
fn partitions_by_themselves() {
    let values = seeded::normal(1, 8192 * 8, 1.0);
    let options = BuildOptions {
        fit: true,
        partitions: Partitions::Auto,
    };
    let partitions = |rows: usize| {
        let index = build(config(8, 4, Metric::Cosine), &options, &values[..rows * 8]);
        assert_eq!(index.len(), rows);
        index.stats().partitions
    };
    assert_eq!([partitions(0), partitions(1), partitions(8191)], [1; 3]);
    assert!((90..600).contains(&partitions(8192)));
}

#[test]
fn builds_that_are_refused() {
    let values = clustered(1, 300, DIM);
    let with = |options: &BuildOptions, values: &[f32], control: &Control| {
        code(Index::build(
            config(DIM, 4, Metric::Dot),
            options,
            values,
            Ids::Next,
            control,
        ))
    };
    let control = Control::default();
    for count in [0, 65_537, usize::MAX] {
        assert_eq!(
            with(&partitioned(true, count), &values, &control),
            ErrorCode::InvalidArg
        );
    }
    assert_eq!(
        with(&FITTED, &values[1..], &control),
        ErrorCode::DimMismatch
    );
    let mut broken = values.clone();
    broken[299 * DIM] = f32::INFINITY;
    assert_eq!(with(&FITTED, &broken, &control), ErrorCode::NonFinite);
    let cancelled = AtomicBool::new(true);
    let stopped = Control {
        cancelled: Some(&cancelled),
        progress: None,
    };
    for options in [PLAIN, FITTED, partitioned(true, 5)] {
        assert_eq!(with(&options, &values, &stopped), ErrorCode::Aborted);
    }
    let empty = build(config(DIM, 4, Metric::Dot), &partitioned(true, 5), &[]);
    assert!(empty.is_empty() && !empty.is_fitted());
    assert!(
        search(&empty, &values[..DIM], &best(3))[0]
            .scores
            .is_empty()
    );
}

#[test]
fn progress_counts_every_row_and_cancelling_stops_between() {
    let values = clustered(1, 3000, DIM);
    let calls = Mutex::new(Vec::new());
    let progress = |done: usize, total: usize| calls.lock().unwrap().push((done, total));
    let control = Control {
        cancelled: None,
        progress: Some(&progress),
    };
    let options = partitioned(true, 10);
    Index::build(
        config(DIM, 4, Metric::Dot),
        &options,
        &values,
        Ids::Next,
        &control,
    )
    .unwrap();
    let mut calls = calls.into_inner().unwrap();
    calls.sort_unstable();
    assert_eq!(calls.last(), Some(&(3000, 3000)));
    assert!(calls.len() > 5 && calls.iter().all(|call| call.1 == 3000));

    let index = build(config(DIM, 4, Metric::Dot), &PLAIN, &values[..10 * DIM]);
    let cancelled = AtomicBool::new(false);
    let progress = |_: usize, _: usize| cancelled.store(true, Ordering::Relaxed);
    let control = Control {
        cancelled: Some(&cancelled),
        progress: Some(&progress),
    };
    assert_eq!(
        code(index.add(&values, Ids::Next, &control)),
        ErrorCode::Aborted
    );
    assert_eq!(index.stats().rows, 10);
}
