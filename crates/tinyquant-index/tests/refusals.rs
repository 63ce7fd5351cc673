//! What is refused, what is not, and that a refused call changes nothing.

mod common;

use common::{
    FITTED, METRICS, PLAIN, best, build, clustered, code, config, exact, exactly, keeping, search,
    whole,
};
use std::sync::atomic::AtomicBool;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{
    Error, IdKind, IdRef, Ids, Index, IndexConfig, Metric, Originals, SearchOptions,
};

const DIM: usize = 33;

fn try_add(index: &Index, values: &[f32]) -> Result<(), Error> {
    index.add(values, Ids::Next, &Control::default())
}

fn try_search(index: &Index, queries: &[f32], options: &SearchOptions) -> Result<(), Error> {
    index
        .search(queries, options, &Control::default())
        .map(drop)
}

#[test]
fn configurations() {
    let new = |dim, bits| {
        let (metric, kind) = (Metric::Dot, IdKind::Number);
        IndexConfig::new(dim, bits, metric, 0, kind, Originals::None)
    };
    for dim in [0, 1, 16385, usize::MAX] {
        assert_eq!(code(new(dim, 4)), ErrorCode::InvalidArg);
    }
    for bits in [0, 5, 6, 7, 9, 255] {
        let error = new(8, bits).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArg);
        assert!(error.to_string().contains(&bits.to_string()), "{error}");
    }
    for (dim, bits) in [(2, 1), (16384, 8)] {
        let config = new(dim, bits).unwrap();
        assert_eq!((config.dim(), config.bits()), (dim, bits));
    }
    let index = build(new(16384, 8).unwrap(), &PLAIN, &clustered(1, 3, 16384));
    let hits = search(&index, &clustered(1, 3, 16384), &best(1));
    assert!(hits.iter().flat_map(whole).eq(0..3));
}

#[test]
fn values_and_where_they_are() {
    let good = clustered(1, 40, DIM);
    for (metric, originals) in [
        (Metric::Cosine, Originals::F16),
        (Metric::Dot, Originals::F16),
        (Metric::L2, Originals::F32),
        (Metric::L2, Originals::None),
    ] {
        let index = build(keeping(DIM, 4, metric, originals), &PLAIN, &good);
        let state = || {
            (
                index.stats(),
                exactly(&search(&index, &good[..3 * DIM], &exact(50))),
            )
        };
        let before = state();
        let is_kept = metric != Metric::Cosine;
        let is_half = originals == Originals::F16;
        for (value, in_add, in_search) in [
            (
                f32::NAN,
                Some(ErrorCode::NonFinite),
                Some(ErrorCode::NonFinite),
            ),
            (
                f32::INFINITY,
                Some(ErrorCode::NonFinite),
                Some(ErrorCode::NonFinite),
            ),
            (
                f32::NEG_INFINITY,
                Some(ErrorCode::NonFinite),
                Some(ErrorCode::NonFinite),
            ),
            (
                -1.1e15,
                (is_kept || is_half).then_some(ErrorCode::Limit),
                is_kept.then_some(ErrorCode::Limit),
            ),
            (65520.0, is_half.then_some(ErrorCode::Limit), None),
        ] {
            let mut values = good.clone();
            values[5 * DIM + 7] = value;
            let searched = try_search(&index, &values, &best(3));
            assert_eq!(
                searched.as_ref().err().map(Error::code),
                in_search,
                "{value} {metric:?}"
            );
            if let Some(expected) = in_add {
                let error = try_add(&index, &values).unwrap_err();
                assert_eq!(error.code(), expected, "{value} {metric:?}");
                for error in [Some(error), searched.err()].into_iter().flatten() {
                    let text = error.to_string();
                    assert!(
                        text.contains("row 5") && text.contains("column 7"),
                        "{text}"
                    );
                }
            }
            assert!(state() == before);
        }
        for len in [1, DIM - 1, DIM + 1] {
            let ragged = &good[..len];
            assert_eq!(code(try_add(&index, ragged)), ErrorCode::DimMismatch);
            assert_eq!(
                code(try_search(&index, ragged, &best(1))),
                ErrorCode::DimMismatch
            );
        }
        try_add(&index, &[]).unwrap();
        assert!(search(&index, &[], &best(1)).is_empty());
        assert!(state() == before);
        if is_half {
            let mut values = good[..DIM].to_vec();
            values[0] = 65519.0;
            try_add(&index, &values).unwrap();
            assert_eq!(
                index.reconstruct(IdRef::Whole(40)).unwrap()[0].to_bits(),
                65504.0_f32.to_bits()
            );
        }
    }
}

#[test]
fn options_of_a_search() {
    let values = clustered(1, 40, DIM);
    let index = build(config(DIM, 4, Metric::Dot), &PLAIN, &values);
    for exact in [false, true] {
        let with = |k: usize, effort: f32| {
            let options = SearchOptions {
                k,
                effort,
                exact,
                ..best(1)
            };
            try_search(&index, &values[..2 * DIM], &options)
        };
        for effort in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(code(with(1, effort)), ErrorCode::InvalidArg);
        }
        assert_eq!(code(with(0, 1.0)), ErrorCode::InvalidArg);
        for effort in [1e-45, f32::MIN_POSITIVE, 1.0, f32::MAX] {
            for k in [1, 40, 41, usize::MAX] {
                with(k, effort).unwrap();
            }
        }
        let options = SearchOptions {
            k: usize::MAX,
            exact,
            ..best(1)
        };
        let hits = search(&index, &values[..2 * DIM], &options);
        assert!(hits.iter().all(|hits| hits.scores.len() == 40));
        // Nothing is kept that could be rescored by.
        let options = SearchOptions {
            rescore: Some(true),
            exact,
            ..best(5)
        };
        let [with, without] = [options, SearchOptions { exact, ..best(5) }]
            .map(|options| exactly(&search(&index, &values, &options)));
        assert_eq!(with, without);
    }
}

#[test]
fn cancelled_calls() {
    let values = clustered(1, 3000, DIM);
    let index = build(config(DIM, 4, Metric::Dot), &PLAIN, &values);
    let cancelled = AtomicBool::new(true);
    let control = Control {
        cancelled: Some(&cancelled),
        progress: None,
    };
    for queries in [&values[..DIM], &values[..9 * DIM]] {
        for options in [best(3), exact(3)] {
            let result = index.search(queries, &options, &control);
            assert_eq!(code(result), ErrorCode::Aborted, "{}", options.exact);
        }
    }
    assert_eq!(
        code(index.add(&values, Ids::Next, &control)),
        ErrorCode::Aborted
    );
    assert_eq!(index.stats().rows, 3000);
}

#[test]
fn zero_vectors() {
    for originals in [Originals::None, Originals::F16, Originals::F32] {
        for metric in METRICS {
            let mut values = clustered(1, 300, 100);
            values[40 * 100..42 * 100].fill(0.0);
            let index = build(keeping(100, 4, metric, originals), &PLAIN, &values);
            let hits = &search(&index, &values[..100], &exact(300))[0];
            let at = |id: u64| whole(hits).iter().position(|other| *other == id).unwrap();
            let square = common::length(&values[..100]).powi(2);
            let expected = if metric == Metric::L2 { -square } else { 0.0 };
            for id in [40, 41] {
                let got = f64::from(hits.scores[at(id)]);
                assert!((got - expected).abs() <= 1e-5 * square, "{metric:?}: {got}");
                assert!(metric == Metric::L2 || hits.scores[at(id)].to_bits() == 0);
            }
            assert_eq!(at(41), at(40) + 1);
            // Nothing is nearer to the zero vector by angle: rows come as they were added.
            if metric != Metric::L2 {
                for options in [best(20), exact(20)] {
                    let hits = &search(&index, &[0.0; 100], &options)[0];
                    assert!(whole(hits).into_iter().eq(0..20));
                    assert!(hits.scores.iter().all(|score| score.to_bits() == 0));
                }
            }
            // Segments are taken off their mean: what is left of it is as small as the errors of codes.
            let fitted = build(keeping(100, 4, metric, originals), &FITTED, &values);
            assert!(fitted.is_fitted());
            let hits = &search(&fitted, &values[..100], &exact(300))[0];
            let near = whole(hits).iter().position(|other| *other == 40).unwrap();
            let unit = if metric == Metric::Cosine {
                1.0
            } else {
                square
            };
            assert!((f64::from(hits.scores[near]) - expected).abs() <= 0.02 * unit);
            let back = index.reconstruct(IdRef::Whole(40)).unwrap();
            assert!(back.iter().all(|value| value.abs() == 0.0));
        }
    }
}

/// The cosine does not depend on lengths, however long or short.
#[test]
fn lengths_at_the_ends_of_f32() {
    let values = clustered(1, 200, DIM);
    let queries = &values[..9 * DIM];
    for originals in [Originals::None, Originals::F32] {
        let config = keeping(DIM, 4, Metric::Cosine, originals);
        let index = build(config, &PLAIN, &values);
        for options in [best(10), exact(10)] {
            let expected = search(&index, queries, &options);
            for power in [-100, -70, -40, 40, 70, 100, 118] {
                let scaled = |values: &[f32]| -> Vec<f32> {
                    values
                        .iter()
                        .map(|value| value * (power as f32).exp2())
                        .collect()
                };
                let other = build(config, &PLAIN, &scaled(&values));
                for (index, queries) in [
                    (&index, scaled(queries)),
                    (&other, queries.to_vec()),
                    (&other, scaled(queries)),
                ] {
                    for (got, expected) in search(index, &queries, &options).iter().zip(&expected) {
                        let context = format!("2^{power} {originals:?}");
                        assert_eq!(whole(got), whole(expected), "{context}");
                        let pairs = got.scores.iter().zip(&expected.scores);
                        for (a, b) in pairs {
                            assert!((a - b).abs() < 1e-5, "{context}: {a} for {b}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_largest_values_of_products_and_distances() {
    for metric in [Metric::Dot, Metric::L2] {
        for originals in [Originals::None, Originals::F32] {
            let mut values: Vec<f32> = clustered(1, 100, DIM);
            let most = values
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            for value in &mut values {
                *value = (*value / most * 1e15).clamp(-1e15, 1e15);
            }
            values.extend([1e15; DIM]);
            values.extend([-1e15; DIM]);
            let index = build(keeping(DIM, 8, metric, originals), &PLAIN, &values);
            for options in [best(102), exact(102)] {
                for hits in search(&index, &values, &options) {
                    assert_eq!(hits.scores.len(), 102);
                    assert!(hits.scores.iter().all(|score| score.is_finite()));
                }
            }
            let hits = &search(&index, &[1e15; DIM], &best(1))[0];
            assert_eq!(whole(hits), [100]);
            let next = 1e15_f32.next_up();
            let too_large = try_add(&index, &[next; DIM]).unwrap_err();
            assert_eq!(too_large, Error::TooLarge { row: 0, column: 0 });
        }
    }
}
