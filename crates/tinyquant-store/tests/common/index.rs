//! What the tests of index files share.

use std::path::Path;
use tinyquant_codec::Control;
use tinyquant_index::{
    BuildOptions, Error as IndexError, Filter, Id, IdKind, IdList, IdRef, Ids, Index, IndexConfig,
    Metric, Originals, Partitions, SearchOptions,
};
use tinyquant_store::{IndexFile, IndexLink, Probe, Source, save_index, sync_index};
use tinyquant_testkit::seeded;

pub const DIM: usize = 12;
pub const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];
pub const BITS: [u8; 5] = [1, 2, 3, 4, 8];
pub const ID_KINDS: [IdKind; 3] = [IdKind::Number, IdKind::Bigint, IdKind::Text];
pub const ORIGINALS: [Originals; 3] = [Originals::None, Originals::F16, Originals::F32];

pub fn config(metric: Metric, bits: u8, ids: IdKind, originals: Originals) -> IndexConfig {
    IndexConfig::new(DIM, bits, metric, 42, ids, originals).unwrap()
}

/// 4 bits, cosine.
pub fn plain(ids: IdKind, originals: Originals) -> IndexConfig {
    config(Metric::Cosine, 4, ids, originals)
}

/// Vectors of which number `i` is made from seed `i`.
pub fn vectors(keys: impl IntoIterator<Item = u64>) -> Vec<f32> {
    let vector = |key| seeded::normal(key, DIM, 1.0);
    keys.into_iter().flat_map(vector).collect()
}

/// Rows of `dim` values of which the first ones are the largest: fitting pays.
pub fn skewed(seed: u64, rows: usize, dim: usize) -> Vec<f32> {
    let mut values = seeded::normal(seed, rows * dim, 1.0);
    for row in values.chunks_mut(dim) {
        for (at, value) in row.iter_mut().enumerate() {
            *value /= 1.0 + at as f32 / 8.0;
        }
    }
    values
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

pub fn ids(kind: IdKind, keys: impl IntoIterator<Item = u64>) -> Ids {
    let all = keys.into_iter().map(|key| id(kind, key));
    if kind == IdKind::Text {
        let text = |id| match id {
            Id::Text(text) => text,
            Id::Whole(id) => panic!("{id}"),
        };
        return Ids::Text(all.map(text).collect());
    }
    let whole = |id| match id {
        Id::Whole(id) => id,
        Id::Text(id) => panic!("{id}"),
    };
    Ids::Whole(all.map(whole).collect())
}

pub fn add(index: &Index, keys: std::ops::Range<u64>) {
    let kind = index.config().id_kind();
    try_add(index, keys).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
}

pub fn try_add(index: &Index, keys: std::ops::Range<u64>) -> Result<(), IndexError> {
    let ids = ids(index.config().id_kind(), keys.clone());
    index.add(&vectors(keys), ids, &Control::default())
}

pub fn remove(index: &Index, keys: impl IntoIterator<Item = u64>) -> usize {
    let kind = index.config().id_kind();
    let ids: Vec<Id> = keys.into_iter().map(|key| id(kind, key)).collect();
    let ids: Vec<IdRef> = ids.iter().map(as_ref).collect();
    index.remove(&ids).unwrap()
}

pub fn built(config: IndexConfig, keys: std::ops::Range<u64>) -> Index {
    let options = BuildOptions {
        fit: true,
        partitions: Partitions::Count(3),
    };
    let ids = ids(config.id_kind(), keys.clone());
    let control = Control::default();
    Index::build(config, &options, &vectors(keys), ids, &control).unwrap()
}

pub fn exact(k: usize) -> SearchOptions {
    SearchOptions {
        k,
        effort: 1.0,
        exact: true,
        rescore: None,
        filter: None,
    }
}

/// What an index answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    len: usize,
    /// Bits of the components of each key's vector, if there is one.
    vectors: Vec<Option<Vec<u32>>>,
    /// Ids and bits of the scores.
    hits: Vec<Vec<(String, u32)>>,
}

/// What an index answers about the keys below `keys`.
pub fn content(index: &Index, keys: u64) -> Content {
    try_content(index, keys).unwrap()
}

pub fn try_content(index: &Index, keys: u64) -> Result<Content, IndexError> {
    let kind = index.config().id_kind();
    let mut vectors = Vec::new();
    for key in 0..keys {
        let id = id(kind, key);
        let has = index.has(as_ref(&id))?;
        let vector = has.then(|| index.reconstruct(as_ref(&id))).transpose()?;
        let bits = |vector: Vec<f32>| vector.iter().map(|value| value.to_bits()).collect();
        vectors.push(vector.map(bits));
    }
    Ok(Content {
        len: index.len(),
        vectors,
        hits: hits(index)?,
    })
}

/// What an index finds, exactly, by default, and among some ids.
fn hits(index: &Index) -> Result<Vec<Vec<(String, u32)>>, IndexError> {
    let dim = index.config().dim();
    let queries = seeded::normal(1 << 40, 3 * dim, 1.0);
    let kind = index.config().id_kind();
    let among: Vec<Id> = (0..40).step_by(3).map(|key| id(kind, key)).collect();
    let all = [
        exact(10),
        SearchOptions {
            exact: false,
            ..exact(5)
        },
        SearchOptions {
            filter: Some(Filter::Ids(among)),
            ..exact(7)
        },
    ];
    let mut found = Vec::new();
    for options in all {
        for hits in index.search(&queries, &options, &Control::default())? {
            let names: Vec<String> = match hits.ids {
                IdList::Whole(ids) => ids.iter().map(ToString::to_string).collect(),
                IdList::Text(ids) => ids.iter().map(ToString::to_string).collect(),
            };
            assert_eq!(names.len(), hits.scores.len());
            let scores = hits.scores.iter().map(|score| score.to_bits());
            found.push(names.into_iter().zip(scores).collect());
        }
    }
    Ok(found)
}

pub fn save(index: &Index, path: &Path) -> IndexLink {
    save_index(index, path, &Control::default(), Probe::default()).unwrap()
}

pub fn sync(index: &Index, link: &IndexLink, path: &Path) -> IndexLink {
    sync_index(index, link, path, &Control::default(), Probe::default()).unwrap()
}

pub fn open_index(path: &Path, is_mapped: bool) -> (Index, IndexLink) {
    let file = IndexFile::open(path, is_mapped).unwrap();
    let (index, link) = file.into_index().unwrap();
    (index, link.unwrap())
}

/// The index in a file, after all of it was verified.
pub fn verified_index(path: &Path, is_mapped: bool) -> Index {
    let file = IndexFile::open(path, is_mapped).unwrap();
    file.verify(&Control::default()).unwrap();
    file.into_index().unwrap().0
}

/// What a file holds, mapped, read and from its bytes alike, after all of it was verified.
pub fn stored_content(path: &Path, keys: u64) -> Content {
    let found = content(&verified_index(path, true), keys);
    assert!(content(&verified_index(path, false), keys) == found);
    let bytes = Source::from_bytes(std::fs::read(path).unwrap());
    let file = IndexFile::from_source(bytes).unwrap();
    file.verify(&Control::default()).unwrap();
    let (index, link) = file.into_index().unwrap();
    assert!(link.is_none());
    assert!(content(&index, keys) == found);
    found
}
