//! Corpus files that break a rule, one at a time.

use super::image::{self, Head, Image, Section};
use super::{detail, try_content};
use tinyquant_codec::{CodecConfig, Control, ErrorCode};
use tinyquant_store::{CorpusFile, Error, Source};

pub const ENTRIES: [f32; 4] = [-1.5, -0.5, 0.5, 1.5];
pub const IDS: [&str; 3] = ["a", "", "ü"];

pub fn head() -> Head {
    let config = CodecConfig::new(2, 7, 5, true).unwrap();
    Head {
        dimension: 5,
        bit_width: 2,
        residual: 1,
        policy: 0,
        rotation: 1,
        seed: 7,
        hash: config.config_hash().to_owned(),
        id: b"c".to_vec(),
        id_len: None,
        metadata: Some(b"{}".to_vec()),
    }
}

/// A good file of three rows with a section of every kind.
pub fn good() -> Image {
    let mut image = Image::new(3);
    image.live = 2;
    image.add(image::HEAD, 0, 0, &head().bytes());
    image.add(image::CODEBOOK, 0, 0, &image::codebook(&ENTRIES));
    image.add(image::CODES, 0, 3, &[1, 2, 3, 3, 255, 3]);
    image.add(image::RESIDUALS, 0, 3, &[0; 30]);
    let (ends, texts) = image::texts(&IDS);
    image.add(image::ID_ENDS, 0, 3, &ends);
    image.add(image::ID_TEXTS, 0, 3, &texts);
    let (ends, texts) = image::texts(&["", "{\"n\":1}", "{}"]);
    image.add(image::METADATA_ENDS, 0, 3, &ends);
    image.add(image::METADATA_TEXTS, 0, 3, &texts);
    image.add(image::TIMES, 0, 3, &image::longs(&[1, 2, u64::MAX]));
    image.add(image::ID_TABLE, 0, 3, &image::id_table(&IDS));
    image.add(image::REMOVED, 0, 3, &image::longs(&[1]));
    image
}

pub fn from(bytes: Vec<u8>) -> Result<CorpusFile, Error> {
    CorpusFile::from_source(Source::from_bytes(bytes))
}

/// Opens, reads and verifies, all of it whatever the parts say. The verdict of opening or else of verifying.
pub fn judge(bytes: Vec<u8>) -> Result<(), Error> {
    let file = from(bytes)?;
    let control = Control::default();
    let verdict = file.verify(&control);
    let corpus = file.into_corpus();
    let found = (
        try_content(&corpus),
        corpus.page_ids(0, u64::MAX, 10),
        corpus.page_values(0, u64::MAX, 10, None, &control),
        corpus.search(&vec![1.0; corpus.config().dimension()], 2, None, &control),
    );
    for id in ["a", "", "ü", "0", "1", "2", "18446744073709551615", "b"] {
        let (row, is_there) = (corpus.get(id), corpus.contains(id));
        assert!(is_there.is_err() || row.is_err() || is_there.unwrap());
    }
    drop(found);
    verdict
}

/// Removes some sections.
pub fn without(kinds: &[u32]) -> Image {
    let mut image = good();
    image
        .sections
        .retain(|section| !kinds.contains(&section.kind));
    image
}

/// A good file with another section of a kind.
pub fn with(kind: u32, change: impl FnOnce(&mut Section)) -> Image {
    let mut image = good();
    change(image.section(kind));
    image
}

/// A good file with other bytes in a section.
pub fn with_bytes(kind: u32, bytes: &[u8]) -> Image {
    with(kind, |section| section.bytes = bytes.to_vec())
}

pub fn with_head(change: impl FnOnce(&mut Head)) -> Image {
    let mut head = head();
    change(&mut head);
    let mut image = Image::new(3);
    image.add(image::HEAD, 0, 0, &head.bytes());
    let rest = good().sections.into_iter().skip(1);
    for section in rest {
        image.add(section.kind, section.first, section.rows, &section.bytes);
    }
    image.live = 2;
    image
}

pub fn change(mut change: impl FnMut(&mut Image)) -> Image {
    let mut image = good();
    change(&mut image);
    image
}

/// Kind of the error of a file that cannot be opened.
pub fn refused(what: &str, image: &Image) -> String {
    let error = from(image.bytes())
        .err()
        .unwrap_or_else(|| panic!("{what}: opened"));
    assert_eq!(error.code(), ErrorCode::Format, "{what}: {error}");
    assert!(judge(image.bytes()).is_err());
    detail(&error, "kind")
}
