//! The rows of an index at one moment.

use tinyquant_codec::Control;
use tinyquant_index::{
    BuildOptions, IdKind, Ids, Index, IndexConfig, Metric, Originals, Partitions, SearchOptions,
};
use tinyquant_testkit::seeded;

const CONTROL: Control = Control {
    cancelled: None,
    progress: None,
};
const DIM: usize = 80;
const ROWS: usize = 1500;

fn index(metric: Metric, bits: u8, originals: Originals) -> (Index, Vec<f32>) {
    let values = seeded::normal(7, ROWS * DIM, 1.0);
    let config = IndexConfig::new(DIM, bits, metric, 42, IdKind::Number, originals).unwrap();
    let options = BuildOptions {
        fit: bits < 8,
        partitions: Partitions::Count(5),
    };
    let index = Index::build(config, &options, &values, Ids::Next, &CONTROL).unwrap();
    index.remove(&[tinyquant_index::IdRef::Whole(3)]).unwrap();
    (index, values)
}

fn exact(k: usize) -> SearchOptions {
    SearchOptions {
        k,
        effort: 1.0,
        exact: true,
        rescore: Some(false),
        filter: None,
    }
}

#[test]
fn all_rows_give_what_an_exact_search_gives() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        for bits in [1, 4, 8] {
            let (index, values) = index(metric, bits, Originals::None);
            let view = index.view().unwrap();
            assert_eq!(view.len(), ROWS - 1);
            let query = &values[5 * DIM..6 * DIM];
            let expected = index.search(query, &exact(12), &CONTROL).unwrap().remove(0);
            let places: Vec<u32> = (0..view.len() as u32).rev().collect();
            for places in [None, Some(&places[..])] {
                let found = view
                    .search_among(query, places, 12, false, &CONTROL)
                    .unwrap();
                assert_eq!(found, expected);
            }
            // It stays what it was.
            index.clear();
            let found = view.search_among(query, None, 12, false, &CONTROL).unwrap();
            assert_eq!(found, expected);
            assert!(index.view().unwrap().is_empty());
        }
    }
}

#[test]
fn pages_and_queries_give_the_scores() {
    let (index, values) = index(Metric::L2, 4, Originals::None);
    let view = index.view().unwrap();
    let (widths, segments) = (view.widths(), view.segments());
    assert_eq!(
        segments.iter().map(|(units, _)| units).sum::<usize>(),
        widths.len()
    );
    let page = view.page(0..view.len() + 100);
    assert_eq!(page.codes.len(), view.len() * widths.len() * 64);
    let query = &values[9 * DIM..10 * DIM];
    let ready = view.queries(query).unwrap();
    let found = view
        .search_among(query, None, view.len(), false, &CONTROL)
        .unwrap();
    let mut scores: Vec<f32> = (0..view.len())
        .map(|row| {
            let (mut total, mut unit) = (0.0_f32, 0);
            for (segment, (units, factor)) in segments.iter().enumerate() {
                let mut sum = 0_i32;
                for i in unit * 64..(unit + units) * 64 {
                    let table = tinyquant_kernels::CodeTable::new(widths[i / 64]);
                    let value = table.value(page.codes[row * widths.len() * 64 + i]);
                    sum += i32::from(value) * i32::from(ready.codes[i]);
                }
                unit += units;
                let byte = page.factors[row * segments.len() + segment];
                total += sum as f32 * ready.scales[segment] * factor.decode(byte);
            }
            let norm = page.norms[row];
            norm * (ready.terms[1] * total + ready.terms[2] * norm) + ready.terms[0]
        })
        .collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(scores, found.scores);
}

#[test]
fn the_best_by_codes_are_put_in_order_by_the_vectors() {
    let (index, values) = index(Metric::Cosine, 2, Originals::F32);
    let view = index.view().unwrap();
    assert!(view.candidates(5, true) > 5);
    assert_eq!(view.candidates(5, false), 5);
    let query = &values[8 * DIM..9 * DIM];
    let found = view.search_among(query, None, 5, true, &CONTROL).unwrap();
    let mut options = exact(ROWS);
    options.rescore = Some(true);
    let every = index.search(query, &options, &CONTROL).unwrap().remove(0);
    assert!(found.scores.is_sorted_by(|a, b| a >= b));
    assert!(
        found
            .scores
            .iter()
            .all(|score| every.scores.contains(score))
    );
    assert_eq!(found.scores[0].to_bits(), every.scores[0].to_bits());
}

#[test]
fn what_does_not_fit_is_refused() {
    let (index, values) = index(Metric::Dot, 4, Originals::None);
    let view = index.view().unwrap();
    let query = &values[..DIM];
    let refused = |query: &[f32], places: &[u32], k| {
        view.search_among(query, Some(places), k, false, &CONTROL)
            .unwrap_err()
            .code()
            .as_str()
    };
    assert_eq!(refused(query, &[ROWS as u32 - 1], 1), "ERR_TQ_INVALID_ARG");
    assert_eq!(refused(query, &[0], 0), "ERR_TQ_INVALID_ARG");
    assert_eq!(refused(&query[1..], &[0], 1), "ERR_TQ_INVALID_ARG");
    assert_eq!(refused(&[f32::NAN; DIM], &[0], 1), "ERR_TQ_NON_FINITE");
    assert_eq!(refused(&[1e30; DIM], &[0], 1), "ERR_TQ_LIMIT");
    assert!(view.queries(&values[..=DIM]).is_err());
    assert!(view.page(5000..5001).codes.is_empty());
}
