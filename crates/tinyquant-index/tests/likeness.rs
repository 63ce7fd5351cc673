//! Indexes under the rotation and segments of another one.

mod common;

use common::{
    FITTED, METRICS, add, build, bytes_of, clustered, code, config, exact, exactly, keeping, named,
    search,
};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{
    Hits, IdKind, IdList, Ids, Index, IndexConfig, Metric, Originals, Partitions,
};

const DIM: usize = 130;
const ROWS: usize = 1200;

fn like(index: &Index, config: IndexConfig, partitions: usize, values: &[f32], ids: Ids) -> Index {
    let partitions = Partitions::Count(partitions);
    Index::build_like(config, index, partitions, values, ids, &Control::default()).unwrap()
}

/// An index without rows, fitted to a sample.
fn fit_of(config: IndexConfig, sample: &[f32]) -> Index {
    let index = Index::new(config).unwrap();
    index.fit(sample, &Control::default()).unwrap();
    assert!(index.is_fitted());
    index
}

/// The best hits of several indexes together, by score and then by id.
fn merged(lists: &[Hits], k: usize) -> Vec<(u64, u32)> {
    let mut hits: Vec<(u64, f32)> = lists
        .iter()
        .flat_map(|hits| match &hits.ids {
            IdList::Whole(ids) => ids.iter().copied().zip(hits.scores.iter().copied()),
            IdList::Text(ids) => panic!("{ids:?}"),
        })
        .collect();
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    hits.truncate(k);
    hits.into_iter()
        .map(|(id, score)| (id, score.to_bits()))
        .collect()
}

#[test]
fn shards_have_the_hits_of_the_whole() {
    let values = clustered(1, ROWS, DIM);
    let queries = clustered(2, 7, DIM);
    for metric in METRICS {
        for bits in [2, 4] {
            let config = config(DIM, bits, metric);
            let fit = fit_of(config, &values[..600 * DIM]);
            let whole = like(&fit, config, 20, &values, Ids::Next);
            let expected = search(&whole, &queries, &exact(15));
            for shards in [1, 2, 5] {
                let rows = ROWS / shards;
                let lists: Vec<_> = (0..shards)
                    .map(|shard| {
                        let ids = (shard * rows) as u64..((shard + 1) * rows) as u64;
                        let values = &values[shard * rows * DIM..(shard + 1) * rows * DIM];
                        let ids = Ids::Whole(ids.collect());
                        let shard = like(&fit, config, 1 + shard, values, ids);
                        search(&shard, &queries, &exact(15))
                    })
                    .collect();
                for (query, expected) in expected.iter().enumerate() {
                    let each: Vec<_> = lists.iter().map(|lists| lists[query].clone()).collect();
                    assert_eq!(
                        merged(&each, 15),
                        merged(std::slice::from_ref(expected), 15)
                    );
                }
            }
        }
    }
}

#[test]
fn the_fit_of_any_index_will_do() {
    let values = clustered(1, ROWS, DIM);
    let config = config(DIM, 4, Metric::Cosine);
    let sample = &values[..600 * DIM];
    let fit = fit_of(config, sample);
    let expected = bytes_of(&like(&fit, config, 9, &values, Ids::Next).image().unwrap());
    // One with rows and partitions of its own, and one that comes from a file.
    let full = like(&fit, config, 30, sample, Ids::Next);
    let stored = Index::from_image(full.image().unwrap()).unwrap();
    for other in [&full, &stored] {
        let made = like(other, config, 9, &values, Ids::Next);
        assert_eq!(bytes_of(&made.image().unwrap()), expected);
        assert_eq!(other.len(), 600);
    }
    // The same as adding to the empty one.
    let alone = like(&fit, config, 1, &values, Ids::Next);
    add(&fit, &values);
    assert_eq!(
        bytes_of(&fit.image().unwrap()),
        bytes_of(&alone.image().unwrap())
    );
    // An index of few rows, which could not be fitted to them.
    let few = like(&full, config, 1, &values[..3 * DIM], Ids::Next);
    assert!(few.is_fitted() && few.len() == 3);
    assert!(like(&full, config, 1, &[], Ids::Next).is_empty());
}

#[test]
fn ids_and_originals_are_its_own() {
    let values = clustered(1, 600, DIM);
    let fit = build(config(DIM, 4, Metric::Cosine), &FITTED, &values);
    let names = Ids::Text((0..600).map(|row| format!("row {row}").into()).collect());
    let named = like(&fit, named(DIM, IdKind::Text), 1, &values, names);
    let kept = keeping(DIM, 4, Metric::Cosine, Originals::F32);
    let kept = like(&fit, kept, 1, &values, Ids::Next);
    let query = &values[5 * DIM..6 * DIM];
    let hits = search(&named, query, &exact(3));
    assert!(matches!(&hits[0].ids, IdList::Text(ids) if &*ids[0] == "row 5"));
    let mut codes_alone = exact(3);
    codes_alone.rescore = Some(false);
    assert_eq!(
        exactly(&search(&kept, query, &codes_alone)),
        exactly(&search(&fit, query, &exact(3)))
    );
}

#[test]
fn another_kind_of_index_is_refused() {
    let values = clustered(1, 600, DIM);
    let fit = build(config(DIM, 4, Metric::Cosine), &FITTED, &values);
    let seeded = IndexConfig::new(DIM, 4, Metric::Cosine, 43, IdKind::Number, Originals::None);
    for other in [
        config(DIM + 1, 4, Metric::Cosine),
        config(DIM, 3, Metric::Cosine),
        config(DIM, 4, Metric::Dot),
        seeded.unwrap(),
    ] {
        let made = Index::build_like(
            other,
            &fit,
            Partitions::Auto,
            &[],
            Ids::Next,
            &Control::default(),
        );
        assert_eq!(code(made), ErrorCode::InvalidArg);
    }
    let none = Partitions::Count(0);
    let config = config(DIM, 4, Metric::Cosine);
    let made = Index::build_like(config, &fit, none, &values, Ids::Next, &Control::default());
    assert_eq!(code(made), ErrorCode::InvalidArg);
}
