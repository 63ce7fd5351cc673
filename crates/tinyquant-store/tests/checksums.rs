//! The checksum of every section is looked at, and its error says which section it is and where it lies.

mod common;

use common::hostile;
use common::image::{ENTRY, Section, Sections};
use common::index::{config, ids, remove, skewed};
use common::{detail, offset};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{BuildOptions, IdKind, Index, IndexConfig, Metric, Originals, Partitions};
use tinyquant_store::{Error, Source, StoredFile, index_to_bytes};

/// What opening or else verifying says.
fn verdict(bytes: Vec<u8>) -> Result<(), Error> {
    StoredFile::from_source(Source::from_bytes(bytes))?.verify(&Control::default())
}

/// A file in its first state whose table has another checksum for one section.
fn with_other_sum(file: &[u8], section: usize) -> Vec<u8> {
    let mut file = file.to_vec();
    let table = u64::from_le_bytes(file[32..40].try_into().unwrap()) as usize;
    file[table + ENTRY * section + 4] ^= 1;
    let sum = crc32fast::hash(&file[table..]).to_le_bytes();
    file[48..52].copy_from_slice(&sum);
    let sum = crc32fast::hash(&file[..64]).to_le_bytes();
    file[64..68].copy_from_slice(&sum);
    file
}

/// Holds the errors of a file against the names of its kinds of sections, from kind 1 on. Returns the kinds.
fn check(file: &[u8], names: &[&str]) -> Vec<u32> {
    verdict(file.to_vec()).unwrap();
    let sections = Sections::of(file).0;
    for (
        at,
        Section {
            kind,
            offset: place,
            ..
        },
    ) in sections.iter().enumerate()
    {
        let error = verdict(with_other_sum(file, at)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Checksum, "{kind}: {error}");
        assert_eq!(detail(&error, "section"), names[*kind as usize - 1]);
        assert_eq!(offset(&error.details()), *place as i64);
    }
    sections.iter().map(|section| section.kind).collect()
}

#[test]
fn sections_of_a_corpus() {
    let kinds = check(
        &hostile::good().bytes(),
        &[
            "head",
            "codebook",
            "codes",
            "residuals",
            "ids",
            "ids",
            "metadata",
            "metadata",
            "times",
            "id table",
            "removed rows",
        ],
    );
    assert!(kinds.into_iter().eq(1..=11));
}

#[test]
fn sections_of_an_index() {
    let names = [
        "head",
        "model",
        "blocks",
        "tails",
        "row numbers",
        "partitions",
        "originals",
        "ids",
        "ids",
        "ids",
        "id table",
        "removed rows",
    ];
    let options = BuildOptions {
        fit: true,
        partitions: Partitions::Count(2),
    };
    let built = |config: IndexConfig, rows: usize| {
        let values = skewed(1, rows, config.dim());
        let ids = ids(config.id_kind(), 0..rows as u64);
        let index = Index::build(config, &options, &values, ids, &Control::default()).unwrap();
        assert_eq!(remove(&index, [2]), 1);
        index_to_bytes(&index).unwrap()
    };
    let large = IndexConfig::new(256, 4, Metric::L2, 1, IdKind::Text, Originals::F32).unwrap();
    let kinds = check(&built(large, 300), &names);
    assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]);
    let small = config(Metric::Cosine, 2, IdKind::Bigint, Originals::None);
    assert_eq!(check(&built(small, 20), &names), [1, 2, 3, 5, 6, 8, 11, 12]);
}
