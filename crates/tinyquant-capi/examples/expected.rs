//! Writes into a folder what the Rust API gives for the calls that the C program of the tests makes, without the C ABI:
//! files of a corpus and of indexes, and the hits of searches as lines of text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tinyquant_codec::{Codebook, CodecConfig, Control, TrainMethod};
use tinyquant_corpus::{CompressionPolicy, Corpus, Rows, Timestamp};
use tinyquant_index::{
    BuildOptions, Filter, Hits, IdKind, IdList, Ids, Index, IndexConfig, Metric, Originals,
    Partitions, SearchOptions,
};
use tinyquant_store::{Probe, index_to_bytes, save};
use tinyquant_testkit::{golden, seeded};

type Failure = Box<dyn std::error::Error>;

/// Two units of an index, so that there is something to fit.
const DIM: usize = 130;
const ROWS: usize = 600;
const QUERIES: usize = 5;
const CORPUS_ROWS: usize = 60;
const BATCH_ROWS: usize = 40;

fn main() -> Result<(), Failure> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("the folder to write to is missing")?;
    let folder = PathBuf::from(folder);
    let vectors = fading(1, ROWS);
    let queries = fading(2, QUERIES);
    std::fs::write(folder.join("vectors.f32"), golden::from_f32s(&vectors))?;
    std::fs::write(folder.join("queries.f32"), golden::from_f32s(&queries))?;
    corpus(&folder, &vectors, &queries)?;
    numbers(&folder, &vectors, &queries)?;
    texts(&folder, &vectors, &queries)
}

/// Rows whose later components are smaller.
fn fading(seed: u64, rows: usize) -> Vec<f32> {
    let mut values = seeded::normal(seed, rows * DIM, 0.2);
    for row in values.chunks_mut(DIM) {
        let mut scale = 1.0;
        for value in row {
            *value *= scale;
            scale *= 0.97;
        }
    }
    values
}

fn corpus(folder: &Path, vectors: &[f32], queries: &[f32]) -> Result<(), Failure> {
    let control = Control::default();
    let config = CodecConfig::new(4, 7, DIM as u32, true)?;
    let codebook = Codebook::train(vectors, &config, TrainMethod::TinyQuant, &control)?;
    let (policy, metadata) = (CompressionPolicy::Compress, Some(r#"{"made":"of noise"}"#));
    let made_at = Timestamp::default();
    let mut corpus = Corpus::new("articles", config, codebook, policy, metadata, made_at);
    let ids: Vec<String> = (0..CORPUS_ROWS).map(|row| format!("v{row}")).collect();
    let lengths = [DIM as u32; BATCH_ROWS];
    let rows = Rows::new(&ids[..BATCH_ROWS], &vectors[..BATCH_ROWS * DIM], &lengths)?;
    corpus.insert_batch(&rows, &[None::<&str>; 0], Timestamp::from_nanos(1000), None)?;
    for (row, vector) in vectors
        .chunks(DIM)
        .enumerate()
        .take(CORPUS_ROWS)
        .skip(BATCH_ROWS)
    {
        let metadata = (row % 2 == 0).then_some(r#"{"even":true}"#);
        corpus.insert(
            &ids[row],
            vector,
            metadata,
            Timestamp::from_nanos(row as i64),
        )?;
    }
    save(
        &corpus,
        &folder.join("corpus.tqv"),
        &control,
        Probe::default(),
    )?;
    let mut text = String::new();
    for (query, hits) in corpus
        .search(queries, 7, None, &control)?
        .iter()
        .enumerate()
    {
        for (at, hit) in hits.iter().enumerate() {
            writeln!(text, "{query} {at} {} {:08x}", hit.id, hit.score.to_bits())?;
        }
    }
    Ok(std::fs::write(folder.join("corpus-hits.txt"), text)?)
}

fn build(
    vectors: &[f32],
    metric: Metric,
    kind: IdKind,
    originals: Originals,
    ids: Ids,
) -> Result<Index, Failure> {
    let config = IndexConfig::new(DIM, 4, metric, 42, kind, originals)?;
    let options = BuildOptions {
        fit: true,
        partitions: Partitions::Auto,
    };
    Ok(Index::build(
        config,
        &options,
        vectors,
        ids,
        &Control::default(),
    )?)
}

fn options(k: usize, filter: Option<Filter>) -> SearchOptions {
    SearchOptions {
        k,
        effort: 1.0,
        exact: filter.is_some(),
        rescore: None,
        filter,
    }
}

fn numbers(folder: &Path, vectors: &[f32], queries: &[f32]) -> Result<(), Failure> {
    let (metric, kind) = (Metric::Cosine, IdKind::Number);
    let index = build(vectors, metric, kind, Originals::None, Ids::Next)?;
    std::fs::write(folder.join("index.tqi"), index_to_bytes(&index)?)?;
    let control = Control::default();
    let hits = index.search(queries, &options(10, None), &control)?;
    std::fs::write(folder.join("index-hits.txt"), lines(&hits)?)?;
    // Rows 0, 7 and 12.
    let filter = Filter::Rows(vec![0x81, 0x10]);
    let hits = index.search(queries, &options(3, Some(filter)), &control)?;
    Ok(std::fs::write(
        folder.join("filtered-hits.txt"),
        lines(&hits)?,
    )?)
}

fn texts(folder: &Path, vectors: &[f32], queries: &[f32]) -> Result<(), Failure> {
    let ids = ["eins", "zwei", "drei"].map(Arc::from).to_vec();
    let (metric, kind) = (Metric::L2, IdKind::Text);
    let index = build(
        &vectors[..3 * DIM],
        metric,
        kind,
        Originals::F32,
        Ids::Text(ids),
    )?;
    std::fs::write(folder.join("texts.tqi"), index_to_bytes(&index)?)?;
    let hits = index.search(&queries[..2 * DIM], &options(10, None), &Control::default())?;
    Ok(std::fs::write(folder.join("text-hits.txt"), lines(&hits)?)?)
}

fn lines(hits: &[Hits]) -> Result<String, Failure> {
    let mut text = String::new();
    for (query, hits) in hits.iter().enumerate() {
        for (at, score) in hits.scores.iter().enumerate() {
            write!(text, "{query} {at} ")?;
            match &hits.ids {
                IdList::Whole(ids) => write!(text, "{}", ids[at])?,
                IdList::Text(ids) => write!(text, "{}", ids[at])?,
            }
            writeln!(text, " {:08x}", score.to_bits())?;
        }
    }
    Ok(text)
}
