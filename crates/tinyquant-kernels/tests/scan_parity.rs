//! Scores of codes: every level that this CPU has gives the bits of a naive definition, and so of the scalar level.

mod common;

use common::coded::{Given, Sample};
use common::{Random, WIDTHS, bits, every, refused};
use proptest::prelude::*;
use tinyquant_kernels::{CodePlan, CodeQuery, CodedRows, FactorCode, LANES, ScanKernels, UNIT};

/// Compares every level with the definition: scans with and without a threshold, and scores of rows in any order.
fn check(sample: &Sample, queries: &[Given], seed: u64) {
    let (mut random, blocks) = (Random(seed), sample.rows.div_ceil(LANES));
    let by_lead: Vec<Vec<f32>> = (queries.iter())
        .map(|query| {
            (0..blocks * LANES)
                .map(|row| sample.score(query, row, true))
                .collect()
        })
        .collect();
    let by_all: Vec<Vec<f32>> = (queries.iter())
        .map(|query| {
            (0..sample.rows)
                .map(|row| sample.score(query, row, false))
                .collect()
        })
        .collect();
    let thresholds: Vec<f32> = (by_lead.iter().enumerate())
        .map(|(q, scores)| match q % 3 {
            _ if scores.is_empty() => 0.0,
            0 => f32::NEG_INFINITY,
            // One of the scores: those that are equal reach it.
            1 => scores[random.below(scores.len())],
            _ => scores.iter().sum::<f32>() / scores.len() as f32,
        })
        .collect();
    let pairs: Vec<_> = (queries.iter().zip(&thresholds))
        .map(|(query, threshold)| (&query.query, *threshold))
        .collect();
    let rows: Vec<u32> = (0..sample.rows + 5)
        .filter(|_| sample.rows > 0)
        .map(|_| random.below(sample.rows) as u32)
        .collect();
    for kernels in every() {
        let (plan, level) = (&sample.plan, kernels.level());
        let mut scores = vec![7.0; queries.len() * blocks * LANES];
        let mut masks = vec![7; queries.len() * blocks];
        kernels.scan(plan, sample.blocks(), &pairs, &mut scores, &mut masks);
        assert_eq!(bits(&scores), bits(&by_lead.concat()), "{level:?}");
        for (at, mask) in masks.iter().enumerate() {
            let threshold = thresholds[at / blocks];
            let block = &scores[at * LANES..(at + 1) * LANES];
            let is_set = |score: &f32| *score >= threshold || score.is_nan() || threshold.is_nan();
            let set = block.iter().map(|score| u16::from(is_set(score)));
            let expected = (0..).zip(set).map(|(lane, bit)| bit << lane).sum();
            assert_eq!(*mask, expected, "{level:?}");
        }
        for (query, expected) in queries.iter().zip(&by_all) {
            let mut got = vec![7.0; rows.len()];
            kernels.score_rows(plan, &query.query, sample.coded(), &rows, &mut got);
            let expected: Vec<f32> = rows.iter().map(|row| expected[*row as usize]).collect();
            assert_eq!(bits(&got), bits(&expected), "{level:?}");
        }
    }
    if sample.plan.is_all_lead() {
        for (lead, all) in by_lead.iter().zip(&by_all) {
            assert_eq!(bits(&lead[..sample.rows]), bits(all));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn scores_of_codes(
        seed: u64,
        segments in prop::collection::vec((1_usize..3, prop::sample::select(WIDTHS.to_vec())), 1..5),
        without_bits: bool,
        lead in 0_usize..9,
        has_norms: bool,
        rows in 0_usize..50,
        count in 1_usize..=9,
    ) {
        let mut segments = segments;
        if without_bits {
            segments.push((2, 0));
        }
        let sample = Sample::new(&segments, lead, has_norms, rows, seed);
        let mut random = Random(!seed);
        let queries: Vec<Given> = (0..count)
            .map(|_| {
                let mut values = random.values((sample.plan.units() + 2) * UNIT, 0.1);
                values[..UNIT].iter_mut().filter(|_| seed % 5 == 0).for_each(|value| *value = 0.0);
                Given::new(&sample, &values, [random.value(), 2.0 * random.value(), -random.value()])
            })
            .collect();
        check(&sample, &queries, seed);
    }
}

#[test]
fn every_width_alone_in_the_lead_and_behind_it() {
    for width in WIDTHS {
        for (lead, has_norms) in [(3, false), (3, true), (1, true), (0, false)] {
            let sample = Sample::new(&[(3, width)], lead, has_norms, 37, u64::from(width));
            assert_eq!(
                sample.plan.is_all_lead(),
                lead == 3 && !matches!(width, 5 | 6)
            );
            let mut random = Random(u64::from(width) + 99);
            let queries: Vec<Given> = (0..5)
                .map(|_| Given::new(&sample, &random.values(3 * UNIT, 2.0), [0.5, 2.0, -1.0]))
                .collect();
            check(&sample, &queries, 3);
        }
    }
}

#[test]
fn norms_of_every_kind() {
    let kinds = [
        0.0,
        1e-40,
        1e30,
        f32::MAX,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let mut sample = Sample::new(&[(1, 4), (2, 2)], 2, true, 40, 12);
    for row in 0..48 {
        if let Some(kind) = kinds.get(row % 9) {
            sample.set_norm(row, *kind);
        }
    }
    let mut random = Random(4);
    let queries: Vec<Given> = (0..6)
        .map(|_| Given::new(&sample, &random.values(3 * UNIT, 2.0), [0.5, 2.0, -1.0]))
        .collect();
    check(&sample, &queries, 3);
}

/// The largest sums that there are: all values and all queries at their ends, over the longest vectors.
#[test]
fn extremes_of_codes_and_queries() {
    for width in WIDTHS {
        let units = if width == 8 { 256 } else { 20 };
        for lead in [units, 0] {
            let mut sample = Sample::new(&[(units, width)], lead, false, 3, 5);
            let (high, low) = if width == 8 { (0x7f, 0x81) } else { (255, 0) };
            for code in [high, low] {
                sample.lead.fill(code);
                sample.tails.fill(code);
                sample.factors.fill(255);
                let queries: Vec<Given> = [1.0, -1.0, 1.0, -1.0, 1.0]
                    .map(|sign| Given::new(&sample, &vec![sign * 127.0; units * UNIT], [0.0; 3]))
                    .into();
                assert!(queries[0].codes.iter().all(|code| *code == 127));
                check(&sample, &queries, 8);
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let kernels = ScanKernels::active();
    let sample = Sample::new(&[(2, 4)], 1, false, 20, 1);
    let other = Sample::new(&[(1, 4), (1, 4)], 1, false, 20, 1);
    let query = Given::new(&sample, &[1.0; 2 * UNIT], [0.0; 3]).query;
    let foreign = Given::new(&other, &[1.0; 2 * UNIT], [0.0; 3]).query;
    let (plan, blocks) = (&sample.plan, sample.blocks());
    let scan = |query: &CodeQuery, scores: usize, masks: usize| {
        let (mut scores, mut masks) = (vec![0.0; scores], vec![0; masks]);
        kernels.scan(plan, blocks, &[(query, 0.0)], &mut scores, &mut masks);
    };
    scan(&query, 32, 2);
    assert!(refused(|| scan(&query, 31, 2)));
    assert!(refused(|| scan(&query, 32, 3)));
    assert!(refused(|| scan(&foreign, 32, 2)));
    let score = |query: &CodeQuery, rows: usize, row: u32| {
        let from = CodedRows {
            rows,
            ..sample.coded()
        };
        kernels.score_rows(plan, query, from, &[row], &mut [0.0]);
    };
    score(&query, 20, 19);
    assert!(refused(|| score(&query, 20, 20)));
    assert!(refused(|| score(&query, 21, 0)));
    assert!(refused(|| score(&foreign, 20, 0)));
    assert!(refused(|| CodeQuery::new(
        plan,
        &[1.0; UNIT],
        0.0,
        1.0,
        0.0
    )));
    for segments in [&[(1, 7)][..], &[(1, 9)], &[(0, 4)], &[(1, 0), (1, 4)]] {
        let factors = vec![FactorCode { base: 0, shift: 0 }];
        assert!(refused(|| CodePlan::new(segments, factors, 1, false)));
    }
    let factors = vec![FactorCode { base: 0, shift: 24 }];
    assert!(refused(|| CodePlan::new(&[(1, 4)], factors, 1, false)));
}
