//! Corpora and indexes against naive models of themselves.

use proptest::prelude::*;
use std::collections::BTreeMap;
use tinyquant_codec::{Codebook, CodecConfig, Control, ErrorCode};
use tinyquant_corpus::{BruteForce, CompressionPolicy, Corpus, CorpusEvent, Rows, Timestamp};

const DIMENSION: usize = 3;
const NOW: Timestamp = Timestamp::from_nanos(7);

/// A small set of ids, so that they collide.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..40_u32).prop_map(|number| format!("v{number}")),
        Just("é".to_owned()),
        Just(String::new())
    ]
}

/// Mostly right lengths, few values, so that scores tie; now and then a bad one.
fn vector(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
    let component = prop_oneof![
        60 => (-2..3_i32).prop_map(|value| value as f32),
        10 => any::<i16>().prop_map(|value| f32::from(value) * 1e-3),
        1 => Just(f32::NAN),
    ];
    let length = prop_oneof![30 => Just(dimension), 1 => 0..6_usize];
    length.prop_flat_map(move |length| prop::collection::vec(component.clone(), length))
}

fn batch() -> impl Strategy<Value = Vec<(String, Vec<f32>)>> {
    prop::collection::vec((id(), vector(DIMENSION)), 0..6)
}

#[derive(Debug, Clone)]
enum Step {
    InsertBatch(Vec<(String, Vec<f32>)>),
    Insert(String, Vec<f32>),
    Remove(String),
    Page(usize, usize),
    DecompressAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => batch().prop_map(Step::InsertBatch),
        5 => (id(), vector(DIMENSION)).prop_map(|(id, vector)| Step::Insert(id, vector)),
        4 => id().prop_map(Step::Remove),
        1 => (0..50_usize, 0..50_usize).prop_map(|(from, count)| Step::Page(from, count)),
        1 => Just(Step::DecompressAll),
    ]
}

/// The code of the first failure of a batch, by the documented order of checks.
fn expected_failure(
    model: &[(String, Vec<f32>)],
    rows: &[(String, Vec<f32>)],
) -> Option<ErrorCode> {
    for (index, (id, vector)) in rows.iter().enumerate() {
        let taken = model
            .iter()
            .chain(&rows[..index])
            .any(|(other, _)| other == id);
        if vector.len() != DIMENSION {
            return Some(ErrorCode::DimMismatch);
        } else if taken {
            return Some(ErrorCode::IdExists);
        } else if vector.iter().any(|value| value.is_nan()) {
            return Some(ErrorCode::NonFinite);
        }
    }
    None
}

fn insert_batch(corpus: &mut Corpus, batch: &[(String, Vec<f32>)]) -> Option<ErrorCode> {
    let (ids, vectors): (Vec<&str>, Vec<&[f32]>) = batch
        .iter()
        .map(|(id, vector)| (id.as_str(), vector.as_slice()))
        .unzip();
    let (values, lengths) = flat(&vectors);
    let metadata: Vec<_> = ids
        .iter()
        .map(|id| (id.len() % 2 == 0).then_some(*id))
        .collect();
    let inserted = corpus.insert_batch(
        &Rows::new(&ids, &values, &lengths).unwrap(),
        &metadata,
        NOW,
        None,
    );
    if let Ok(entries) = &inserted {
        assert!(
            entries
                .iter()
                .map(|entry| entry.id().as_ref())
                .eq(ids.iter().copied())
        );
        assert!(
            entries
                .iter()
                .map(|entry| entry.metadata().map(AsRef::as_ref))
                .eq(metadata)
        );
    }
    inserted.err().map(|error| error.code())
}

fn flat(vectors: &[&[f32]]) -> (Vec<f32>, Vec<u32>) {
    (
        vectors.concat(),
        vectors.iter().map(|vector| vector.len() as u32).collect(),
    )
}

proptest! {
    #[test]
    fn a_corpus_is_an_ordered_map(steps in prop::collection::vec(step(), 0..120)) {
        let config = CodecConfig::new(2, 1, DIMENSION as u32, false).unwrap();
        let codebook = Codebook::from_entries(&[-1.0, 0.0, 1.0, 2.0], 2).unwrap();
        let mut corpus = Corpus::new("c", config, codebook, CompressionPolicy::Passthrough, None, NOW);
        let mut model: Vec<(String, Vec<f32>)> = Vec::new();
        let mut events = vec!["CorpusCreated".to_owned()];
        for step in steps {
            match step {
                Step::InsertBatch(rows) => {
                    let expected = expected_failure(&model, &rows);
                    prop_assert_eq!(insert_batch(&mut corpus, &rows), expected);
                    if expected.is_none() && !rows.is_empty() {
                        events.push(format!("VectorsInserted {}", rows.len()));
                        model.extend(rows);
                    }
                }
                Step::Insert(id, vector) => {
                    let rows = [(id, vector)];
                    let [(id, vector)] = &rows;
                    let expected = expected_failure(&model, &rows);
                    let inserted = corpus.insert(id, vector, None, NOW);
                    prop_assert_eq!(inserted.err().map(|error| error.code()), expected);
                    if expected.is_none() {
                        events.push("VectorsInserted 1".to_owned());
                        model.extend(rows);
                    }
                }
                Step::Remove(id) => {
                    let expected = model.iter().position(|(other, _)| *other == id);
                    prop_assert_eq!(corpus.remove(&id).unwrap(), expected.is_some());
                    if let Some(at) = expected {
                        model.remove(at);
                    }
                }
                Step::Page(from, count) => {
                    // A walk in pages of `count` from the number of vector `from`.
                    let skipped = corpus.page_ids(0, u64::MAX, from).unwrap();
                    prop_assert_eq!(skipped.items.len(), from.min(model.len()));
                    let page = corpus.page_values(skipped.next, u64::MAX, count, None, &Control::default());
                    let (page, values) = page.unwrap();
                    let expected = || model.iter().skip(from).take(count);
                    prop_assert!(page.items.iter().map(AsRef::as_ref).eq(expected().map(|(id, _)| &**id)));
                    let expected: Vec<f32> = expected().flat_map(|(_, vector)| vector.clone()).collect();
                    prop_assert_eq!(values, expected);
                }
                Step::DecompressAll => {
                    let expected: Vec<f32> = model.iter().flat_map(|(_, vector)| vector.clone()).collect();
                    prop_assert_eq!(corpus.decompress_all(NOW, None).unwrap(), expected);
                    if !model.is_empty() {
                        events.push(format!("CorpusDecompressed {}", model.len()));
                    }
                }
            }
            prop_assert_eq!(corpus.len(), model.len());
            prop_assert_eq!(corpus.is_empty(), model.is_empty());
            let page = corpus.page(0, u64::MAX, usize::MAX).unwrap();
            prop_assert_eq!(page.next, corpus.next_number());
            prop_assert!(page.items.iter().map(|entry| entry.id().as_ref()).eq(model.iter().map(|(id, _)| id)));
            for (id, vector) in &model {
                prop_assert!(corpus.contains(id).unwrap() && corpus.get(id).is_ok());
                prop_assert_eq!(&corpus.decompress(id).unwrap(), vector);
            }
        }
        let drained: Vec<_> = corpus.drain_events().iter().map(describe).collect();
        prop_assert_eq!(drained, events);
        for (id, _) in model {
            corpus.remove(&id).unwrap();
        }
        prop_assert_eq!(corpus.heap_bytes(), 1);
    }
}

fn describe(event: &CorpusEvent) -> String {
    match event {
        CorpusEvent::Created { .. } => event.name().to_owned(),
        CorpusEvent::VectorsInserted { vector_ids, .. } => {
            format!("{} {}", event.name(), vector_ids.len())
        }
        CorpusEvent::Decompressed { vector_count, .. } => {
            format!("{} {vector_count}", event.name())
        }
    }
}

/// A cosine as its definition says, in f64.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

#[derive(Debug, Clone)]
enum SearchStep {
    Ingest(Vec<(String, Vec<f32>)>),
    Remove(Vec<String>),
    Search(Vec<f32>, usize),
    Clear,
}

fn search_step() -> impl Strategy<Value = SearchStep> {
    prop_oneof![
        8 => prop::collection::vec((id(), vector(DIMENSION)), 0..30).prop_map(SearchStep::Ingest),
        4 => prop::collection::vec(id(), 0..12).prop_map(SearchStep::Remove),
        8 => (vector(DIMENSION), 1..60_usize).prop_map(|(query, top_k)| SearchStep::Search(query, top_k)),
        1 => Just(SearchStep::Clear),
    ]
}

proptest! {
    #[test]
    fn an_index_ranks_like_a_full_sort(steps in prop::collection::vec(search_step(), 0..40)) {
        let mut index = BruteForce::new();
        let mut model: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for step in steps {
            match step {
                SearchStep::Ingest(rows) => {
                    let (ids, vectors): (Vec<&str>, Vec<&[f32]>) =
                        rows.iter().map(|(id, vector)| (id.as_str(), vector.as_slice())).unzip();
                    let (values, lengths) = flat(&vectors);
                    let locked = model.values().next().or_else(|| rows.first().map(|row| &row.1));
                    let locked = locked.map_or(0, Vec::len);
                    let expected = rows.iter().find_map(|(_, vector)| {
                        let bad = vector.iter().any(|value| value.is_nan()).then_some(ErrorCode::NonFinite);
                        if vector.len() == locked { bad } else { Some(ErrorCode::DimMismatch) }
                    });
                    let result = index.ingest(&Rows::new(&ids, &values, &lengths).unwrap());
                    prop_assert_eq!(result.err().map(|error| error.code()), expected);
                    if expected.is_none() {
                        model.extend(rows);
                    }
                }
                SearchStep::Remove(ids) => {
                    let expected = ids.iter().filter(|id| model.remove(*id).is_some()).count();
                    prop_assert_eq!(index.remove(&ids), expected);
                }
                SearchStep::Clear => {
                    index.clear();
                    model.clear();
                }
                SearchStep::Search(query, top_k) => {
                    let locked = model.values().next().map(Vec::len);
                    let result = index.search(&query, top_k);
                    if locked.is_some_and(|locked| locked != query.len()) {
                        prop_assert_eq!(result.unwrap_err().code(), ErrorCode::DimMismatch);
                        continue;
                    } else if query.iter().any(|value| value.is_nan()) {
                        prop_assert_eq!(result.unwrap_err().code(), ErrorCode::NonFinite);
                        continue;
                    }
                    let hits = result.unwrap();
                    prop_assert_eq!(hits.len(), top_k.min(model.len()));
                    // The order is that of all scores: what a search for everything says, cut off.
                    let all = index.search(&query, usize::MAX).unwrap();
                    prop_assert_eq!(&all[..hits.len()], &hits[..]);
                    for hit in &all {
                        let expected = cosine(&query, &model[hit.id.as_ref()]);
                        prop_assert!((f64::from(hit.score) - expected).abs() < 1e-5);
                    }
                    for pair in all.windows(2) {
                        let better = pair[0].score > pair[1].score;
                        let tied = pair[0].score.to_bits() == pair[1].score.to_bits();
                        prop_assert!(better || (tied && pair[0].id < pair[1].id));
                    }
                }
            }
            prop_assert_eq!(index.len(), model.len());
            prop_assert_eq!(index.dimension(), model.values().next().map(Vec::len));
        }
        index.clear();
        prop_assert_eq!(index.heap_bytes(), 0);
    }
}
