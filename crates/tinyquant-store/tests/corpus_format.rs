//! The bytes of corpus files: a golden one, the same made from docs/format.md alone, and that nothing but the rows
//! decides them.

mod common;

use common::image::{self, Image};
use common::{POLICIES, coding, content, create, names, new_rows, values, verified};
use proptest::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::fs;
use std::path::Path;
use tinyquant_codec::{Codebook, CodecConfig, Control};
use tinyquant_corpus::{Coding, CompressionPolicy, Corpus, Timestamp};
use tinyquant_store::{CorpusFile, NewRows, Probe, append, save};
use tinyquant_testkit::{golden, seeded};

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

/// `tiny.tq` as docs/format.md shows it: two vectors, then one more while the first goes.
fn tiny_image() -> Image {
    let mut image = Image::new(2);
    let head = image::Head {
        dimension: 3,
        bit_width: 2,
        residual: 1,
        policy: 0,
        rotation: 1,
        seed: 42,
        hash: "3a25ffb0e54f3127751c824a2a5947f80cba4265d4c5e53d065742c36b79887b".to_owned(),
        id: b"tiny".to_vec(),
        id_len: None,
        metadata: Some(b"{}".to_vec()),
    };
    image.add(image::HEAD, 0, 0, &head.bytes());
    image.add(image::CODEBOOK, 0, 0, &image::codebook(&ENTRIES));
    // Row 0: codes 0, 2, 1. Row 1: codes 1, 2, 3.
    image.add(image::CODES, 0, 2, &[0b01_10_00, 0b11_10_01]);
    image.add(
        image::RESIDUALS,
        0,
        2,
        &golden::unhex("4b3421b1caaeb9ac8f2d8536"),
    );
    let (ends, texts) = image::texts(&["a", "b"]);
    image.add(image::ID_ENDS, 0, 2, &ends);
    image.add(image::ID_TEXTS, 0, 2, &texts);
    let (ends, texts) = image::texts(&["{\"n\":1}", ""]);
    image.add(image::METADATA_ENDS, 0, 2, &ends);
    image.add(image::METADATA_TEXTS, 0, 2, &texts);
    image.add(image::TIMES, 0, 2, &image::longs(&[1_000_000_000]));
    let table = image.add(image::ID_TABLE, 0, 2, &image::id_table(&["a", "b"]));
    let table = table.clone();

    let mut image = image.grow(3, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    image.add(image::CODES, 2, 1, &[0b00_01_11]);
    image.add(image::RESIDUALS, 2, 1, &golden::unhex("8daf4336a7bc"));
    let (ends, texts) = image::texts(&["c"]);
    image.add(image::ID_ENDS, 2, 1, &ends);
    image.add(image::ID_TEXTS, 2, 1, &texts);
    image.sections.push(table);
    image.add(image::ID_TABLE, 2, 1, &image::id_table(&["c"]));
    image.add(image::REMOVED, 0, 3, &image::longs(&[0]));
    image.live = 2;
    image
}

#[test]
fn the_golden_file_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.tq");
    let control = Control::default();
    let mut corpus = tiny();
    let link = save(&corpus, &path, &control, Probe::default()).unwrap();
    corpus.remove("a").unwrap();
    corpus
        .insert("c", &[0.0, 3.0, 0.125], None, Timestamp::default())
        .unwrap();
    append(&corpus, &link, &path, &control, Probe::default()).unwrap();
    let golden = golden::bytes("../corpus/tiny.tq");
    assert!(fs::read(&path).unwrap() == golden, "the writer");
    assert!(tiny_image().bytes() == golden, "the description");
    for is_mapped in [true, false] {
        assert_eq!(verified(&path, is_mapped), content(&corpus));
    }
}

/// The document shows the file as `hexdump -C` does.
#[test]
fn the_document_shows_the_golden_file() {
    let document = include_str!("../../../docs/format.md");
    let golden = golden::bytes("../corpus/tiny.tq");
    let mut shown = vec![0; golden.len()];
    let mut lines = 0;
    for line in document.lines() {
        let Some((offset, rest)) = line
            .split_once("  ")
            .filter(|(offset, _)| offset.len() == 8)
        else {
            continue;
        };
        let Ok(offset) = usize::from_str_radix(offset, 16) else {
            continue;
        };
        let (digits, text) = rest.split_once("  |").unwrap();
        let bytes = golden::unhex(&digits.replace(' ', ""));
        let seen = |byte: &u8| {
            char::from(if byte.is_ascii_graphic() || *byte == b' ' {
                *byte
            } else {
                b'.'
            })
        };
        let expected: String = bytes.iter().map(seen).collect();
        assert_eq!(text, format!("{expected}|"), "{line}");
        shown[offset..offset + bytes.len()].copy_from_slice(&bytes);
        lines += 1;
    }
    assert!(lines > 50, "{lines} lines");
    assert!(shown == golden);
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
}

/// The bytes of a file of these values, pushed in runs of the given lengths and then the rest.
fn file_of(
    path: &Path,
    coding: &Coding,
    rows: &NewRows<'_, String, String>,
    runs: &[usize],
    pool: Option<&ThreadPool>,
) -> Vec<u8> {
    let mut writer = create(path, coding.clone());
    let dimension = coding.config.dimension();
    let count = rows.values.len() / dimension;
    let mut from = 0_usize;
    for run in runs.iter().copied().chain([usize::MAX]) {
        let until = from.saturating_add(run).min(count);
        let some = NewRows {
            values: &rows.values[from * dimension..until * dimension],
            ids: rows.ids.map(|ids| &ids[from..until]),
            metadata: rows.metadata.get(from..until).unwrap_or_default(),
            ..*rows
        };
        writer.push(&some, pool, &Control::default()).unwrap();
        from = until;
    }
    assert_eq!(writer.rows(), count as u64);
    let written = writer.finish().unwrap();
    let bytes = fs::read(path).unwrap();
    assert_eq!(
        (written.vectors, written.bytes),
        (count as u64, bytes.len() as u64)
    );
    bytes
}

#[test]
fn segments_do_not_depend_on_how_rows_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let rows = 70_000;
    let ids = names(0..rows);
    let coding = coding(CompressionPolicy::Compress, false);
    let values = values(1, rows);
    let numbered = new_rows(&values, None, &[], 7);
    let named = NewRows {
        ids: Some(&ids),
        ..numbered
    };
    for rows in [numbered, named] {
        let whole = file_of(&path, &coding, &rows, &[], None);
        for (runs, threads) in [
            (vec![1, 65_535, 1], 1),
            (vec![65_536], 2),
            (vec![0, 65_537, 0], 3),
            (vec![999; 70], 4),
        ] {
            let again = file_of(&path, &coding, &rows, &runs, Some(&pool(threads)));
            assert!(again == whole, "{runs:?}");
        }
        let file = CorpusFile::open(&path, true).unwrap();
        assert_eq!(file.segments(), 2);
        file.verify(&Control::default()).unwrap();
    }
}

#[test]
fn large_rows_and_texts_end_segments_wherever_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let coding = Coding {
        config: CodecConfig::new(2, 42, 16_384, false).unwrap(),
        ..coding(CompressionPolicy::Passthrough, false)
    };
    // 64 KB a row: 256 rows to a segment.
    let values = seeded::normal(1, 600 * 16_384, 1.0);
    let rows = new_rows(&values, None, &[], 0);
    let whole = file_of(&path, &coding, &rows, &[], None);
    assert_eq!(CorpusFile::open(&path, true).unwrap().segments(), 3);
    assert!(file_of(&path, &coding, &rows, &[255, 2, 100], Some(&pool(2))) == whole);

    // 5 MB of text a row: a segment ends after the fourth.
    let coding = common::coding(CompressionPolicy::Fp16, false);
    let values = common::values(1, 10);
    let metadata = vec![Some(format!("\"{}\"", "x".repeat(5 << 20))); 10];
    let rows = new_rows(&values, None, &metadata, 0);
    let whole = file_of(&path, &coding, &rows, &[], None);
    let file = CorpusFile::open(&path, true).unwrap();
    assert_eq!(file.segments(), 3);
    file.verify(&Control::default()).unwrap();
    assert!(file_of(&path, &coding, &rows, &[3, 1, 1], None) == whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn only_the_rows_decide_the_bytes(
        policy in 0_usize..3,
        has_residual: bool,
        is_named: bool,
        runs in prop::collection::vec(0_usize..9, 0..12),
        threads in 1_usize..4,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.tq");
        let coding = coding(POLICIES[policy], has_residual);
        let (values, ids) = (values(3, 50), names(0..50));
        let metadata: Vec<_> = (0..50).map(|row| (row % 3 == 0).then(|| row.to_string())).collect();
        let rows = new_rows(&values, is_named.then_some(&ids), &metadata, 1);
        let whole = file_of(&path, &coding, &rows, &[], None);
        prop_assert!(file_of(&path, &coding, &rows, &runs, Some(&pool(threads))) == whole);

        // A corpus that was opened is saved as it was, whatever it is saved over.
        if is_named {
            let corpus = CorpusFile::open(&path, true).unwrap().into_corpus();
            let other = folder.path().join("other.tq");
            for path in [&path, &other, &other] {
                save(&corpus, path, &Control::default(), Probe::default()).unwrap();
                prop_assert!(fs::read(path).unwrap() == whole);
            }
        }
    }
}
