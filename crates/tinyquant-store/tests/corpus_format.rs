//! The bytes of corpus files: a golden one, the same made from docs/format.md alone, and that nothing but the rows
//! decides them.

mod common;

use common::image::{self, Image};
use common::{coding, content, create, new_rows, values, verified};
use proptest::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::fs;
use std::path::Path;
use tinyquant_codec::{Codebook, CodecConfig, Control};
use tinyquant_corpus::{CompressionPolicy, Corpus, Timestamp};
use tinyquant_store::{CorpusFile, CorpusWriter, Link, Probe, append, save};
use tinyquant_testkit::golden;

const ENTRIES: [f32; 4] = [-1.5, -0.5, 0.5, 1.5];

fn tiny() -> Corpus {
    let config = CodecConfig::new(2, 42, 3, true).unwrap();
    let codebook = Codebook::from_entries(&ENTRIES, 2).unwrap();
    let policy = CompressionPolicy::Compress;
    let created = Timestamp::default();
    let mut corpus = Corpus::new("tiny", config, codebook, policy, Some("{}"), created);
    let time = Timestamp::from_nanos(1_000_000_000);
    corpus
        .insert("a", &[1.0, 0.0, -1.0], Some("{\"n\":1}"), time)
        .unwrap();
    corpus.insert("b", &[0.25, -2.0, 0.5], None, time).unwrap();
    corpus
}

/// The first state of `tiny.tq`.
fn tiny_image() -> Image {
    let mut image = Image::new(2);
    let head = image::Head {
        dimension: 3,
        bit_width: 2,
        residual: 1,
        policy: 0,
        rotation: 1,
        seed: 42,
        hash: "TINY_HASH".to_owned(),
        id: b"tiny".to_vec(),
        id_len: None,
        metadata: Some(b"{}".to_vec()),
    };
    image.add(image::HEAD, 0, 0, &head.bytes());
    image.add(image::CODEBOOK, 0, 0, &image::codebook(&ENTRIES));
    image.add(image::CODES, 0, 2, &[]);
    image.add(image::RESIDUALS, 0, 2, &[]);
    let (ends, texts) = image::texts(&["a", "b"]);
    image.add(image::ID_ENDS, 0, 2, &ends);
    image.add(image::ID_TEXTS, 0, 2, &texts);
    let (ends, texts) = image::texts(&["{\"n\":1}", ""]);
    image.add(image::METADATA_ENDS, 0, 2, &ends);
    image.add(image::METADATA_TEXTS, 0, 2, &texts);
    image.add(image::TIMES, 0, 2, &image::longs(&[1_000_000_000]));
    image.add(image::ID_TABLE, 0, 2, &image::id_table(&["a", "b"]));
    image
}

#[test]
fn dump() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.tq");
    let control = Control::default();
    let mut corpus = tiny();
    let link = save(&corpus, &path, &control, Probe::default()).unwrap();
    fs::copy(&path, "/tmp/tiny1.tq").unwrap();
    corpus.remove("a").unwrap();
    corpus
        .insert("c", &[0.0, 3.0, 0.125], None, Timestamp::default())
        .unwrap();
    append(&corpus, &link, &path, &control, Probe::default()).unwrap();
    fs::copy(&path, "/tmp/tiny2.tq").unwrap();
    let _ = tiny_image().bytes();
}
