//! What the tests of the index share.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::Arc;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{
    BuildOptions, Error, Filter, Hits, Id, IdKind, IdList, IdRef, Ids, Image, Index, IndexConfig,
    Metric, Originals, Partitions, SearchOptions,
};
use tinyquant_testkit::seeded;

pub const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];
pub const BITS: [u8; 5] = [1, 2, 3, 4, 8];
pub const ID_KINDS: [IdKind; 3] = [IdKind::Number, IdKind::Bigint, IdKind::Text];

/// Ids are numbers, vectors are not kept.
pub fn config(dim: usize, bits: u8, metric: Metric) -> IndexConfig {
    keeping(dim, bits, metric, Originals::None)
}

pub fn keeping(dim: usize, bits: u8, metric: Metric, originals: Originals) -> IndexConfig {
    IndexConfig::new(dim, bits, metric, 42, IdKind::Number, originals).unwrap()
}

pub fn named(dim: usize, kind: IdKind) -> IndexConfig {
    IndexConfig::new(dim, 4, Metric::Cosine, 42, kind, Originals::None).unwrap()
}

pub const PLAIN: BuildOptions = BuildOptions {
    fit: false,
    partitions: Partitions::Count(1),
};
pub const FITTED: BuildOptions = BuildOptions {
    fit: true,
    partitions: Partitions::Count(1),
};

pub fn partitioned(fit: bool, count: usize) -> BuildOptions {
    BuildOptions {
        fit,
        partitions: Partitions::Count(count),
    }
}

pub fn build(config: IndexConfig, options: &BuildOptions, values: &[f32]) -> Index {
    Index::build(config, options, values, Ids::Next, &Control::default()).unwrap()
}

pub fn add(index: &Index, values: &[f32]) {
    index.add(values, Ids::Next, &Control::default()).unwrap();
}

pub fn best(k: usize) -> SearchOptions {
    SearchOptions {
        k,
        effort: 1.0,
        exact: false,
        rescore: None,
        filter: None,
    }
}

/// Every stage keeps everything.
pub fn thorough(k: usize) -> SearchOptions {
    SearchOptions {
        effort: 1e9,
        ..best(k)
    }
}

pub fn exact(k: usize) -> SearchOptions {
    SearchOptions {
        exact: true,
        ..best(k)
    }
}

pub fn within(options: &SearchOptions, filter: Filter) -> SearchOptions {
    SearchOptions {
        filter: Some(filter),
        ..options.clone()
    }
}

pub fn search(index: &Index, queries: &[f32], options: &SearchOptions) -> Vec<Hits> {
    index.search(queries, options, &Control::default()).unwrap()
}

/// The ids of hits, which are numbers.
pub fn whole(hits: &Hits) -> Vec<u64> {
    match &hits.ids {
        IdList::Whole(ids) => ids.clone(),
        IdList::Text(ids) => panic!("{ids:?}"),
    }
}

/// Ids and the bits of the scores.
pub fn exactly(hits: &[Hits]) -> Vec<(IdList, Vec<u32>)> {
    let bits = |hits: &Hits| hits.scores.iter().map(|score| score.to_bits()).collect();
    hits.iter()
        .map(|hits| (hits.ids.clone(), bits(hits)))
        .collect()
}

pub fn is_descending(scores: &[f32]) -> bool {
    scores.windows(2).all(|pair| pair[0] >= pair[1])
}

pub fn code<T>(result: Result<T, Error>) -> ErrorCode {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.code(),
    }
}

/// The id of a key: numbers are far apart, texts of any length.
pub fn id(kind: IdKind, key: u64) -> Id {
    match kind {
        IdKind::Number => Id::Whole(key * 7 + 1),
        IdKind::Bigint => Id::Whole(u64::MAX - key * 1_000_003),
        IdKind::Text => Id::Text(format!("{}{key}", "é".repeat(key as usize % 5)).into()),
    }
}

pub fn as_ref(id: &Id) -> IdRef<'_> {
    match id {
        Id::Whole(id) => IdRef::Whole(*id),
        Id::Text(id) => IdRef::Text(id),
    }
}

/// Ids of keys.
pub fn ids(kind: IdKind, keys: impl IntoIterator<Item = u64>) -> Ids {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for key in keys {
        match id(kind, key) {
            Id::Whole(id) => numbers.push(id),
            Id::Text(id) => texts.push(id),
        }
    }
    match kind {
        IdKind::Text => Ids::Text(texts),
        IdKind::Number | IdKind::Bigint => Ids::Whole(numbers),
    }
}

/// Ids of hits, of either kind.
pub fn listed(hits: &Hits) -> Vec<Id> {
    match &hits.ids {
        IdList::Whole(ids) => ids.iter().map(|id| Id::Whole(*id)).collect(),
        IdList::Text(ids) => ids.iter().map(|id| Id::Text(Arc::clone(id))).collect(),
    }
}

/// Rows in clusters, in a space of fewer dimensions and a little beside it, as embeddings lie.
pub fn clustered(seed: u64, rows: usize, dim: usize) -> Vec<f32> {
    const RANK: usize = 24;
    const EACH: usize = 40;
    let basis = seeded::normal(1, RANK * dim, 1.0);
    let centres = seeded::normal(2, 100 * RANK, 1.0);
    let own = seeded::normal(seed, rows * RANK, 0.6);
    let mut values = seeded::normal(seed + 1, rows * dim, 0.15);
    for (row, values) in values.chunks_exact_mut(dim).enumerate() {
        let centre = &centres[row / EACH * 37 % 100 * RANK..][..RANK];
        for axis in 0..RANK {
            let length = (centre[axis] + own[row * RANK + axis]) / (1.0 + axis as f32).sqrt();
            let basis = &basis[axis * dim..(axis + 1) * dim];
            for (value, basis) in values.iter_mut().zip(basis) {
                *value += length * basis;
            }
        }
    }
    values
}

/// The score of two vectors, in f64.
pub fn score(metric: Metric, query: &[f32], row: &[f32]) -> f64 {
    let pairs = || (query.iter().zip(row)).map(|(q, x)| (f64::from(*q), f64::from(*x)));
    let product: f64 = pairs().map(|(q, x)| q * x).sum();
    match metric {
        Metric::Dot => product,
        Metric::L2 => -pairs().map(|(q, x)| (q - x) * (q - x)).sum::<f64>(),
        Metric::Cosine => {
            let lengths = length(query) * length(row);
            if lengths > 0.0 {
                product / lengths
            } else {
                0.0
            }
        }
    }
}

pub fn length(values: &[f32]) -> f64 {
    let squares = values
        .iter()
        .map(|value| f64::from(*value) * f64::from(*value));
    squares.sum::<f64>().sqrt()
}

/// The best `k` rows of each query, by their true scores.
pub fn truth(
    metric: Metric,
    queries: &[f32],
    values: &[f32],
    dim: usize,
    k: usize,
) -> Vec<Vec<u64>> {
    let of_query = |query: &[f32]| {
        let rows = values.chunks_exact(dim);
        let mut scores: Vec<_> = rows.map(|row| score(metric, query, row)).zip(0..).collect();
        scores.sort_by(|a, b| b.0.total_cmp(&a.0));
        scores.iter().take(k).map(|(_, row)| *row).collect()
    };
    queries.chunks_exact(dim).map(of_query).collect()
}

/// The share of the true hits that were found.
pub fn recall(truth: &[Vec<u64>], found: &[Hits]) -> f64 {
    let mut common = 0;
    for (truth, found) in truth.iter().zip(found) {
        let found = whole(found);
        common += truth.iter().filter(|id| found.contains(id)).count();
    }
    common as f64 / truth.iter().map(Vec::len).sum::<usize>() as f64
}

/// Everything that a file would hold of an index.
pub fn bytes_of(image: &Image) -> Vec<Vec<u8>> {
    let mut bytes = vec![image.model.to_bytes()];
    for part in &image.parts {
        let columns = [part.blocks(), part.tails(), part.numbers(), part.starts()];
        bytes.extend(columns.map(|column| column.to_vec()));
    }
    bytes.extend(image.originals.iter().map(|column| column.to_vec()));
    bytes
}

/// A bitmap of rows.
pub fn bitmap(rows: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        if bytes.len() <= row / 8 {
            bytes.resize(row / 8 + 1, 0);
        }
        bytes[row / 8] |= 1 << (row % 8);
    }
    bytes
}

/// Numbers from a seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        (self.0) = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}
