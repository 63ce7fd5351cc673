//! Files told by their first bytes.

mod common;

use common::{image, index, make_file};
use std::fs;
use std::path::Path;
use tinyquant_codec::{Codebook, Control, ErrorCode};
use tinyquant_index::{IdKind, Originals};
use tinyquant_store::StoredFile;
use tinyquant_testkit::golden;

fn index_file() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("i.tqi");
    let config = index::plain(IdKind::Number, Originals::None);
    index::save(&index::built(config, 0..20), &path);
    fs::read(&path).unwrap()
}

/// What a file is, after all of it was verified.
fn told(path: &Path) -> &'static str {
    let [name, read] = [true, false].map(|is_mapped| {
        let file = StoredFile::open(path, is_mapped).unwrap();
        file.verify(&Control::default()).unwrap();
        match file {
            StoredFile::Corpus(_) => "corpus",
            StoredFile::Index(_) => "index",
            StoredFile::Tqcv(_) => "tqcv",
            StoredFile::Codebook(..) => "codebook",
        }
    });
    assert_eq!(name, read);
    name
}

#[test]
fn each_format_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    make_file(&path, 3);
    assert_eq!(told(&path), "corpus");
    fs::write(&path, index_file()).unwrap();
    assert_eq!(told(&path), "index");
    fs::write(&path, golden::bytes("tqcv/golden_100.tqcv")).unwrap();
    assert_eq!(told(&path), "tqcv");
    let codebook = Codebook::from_entries(&[0.0, 1.0, 2.0, 3.0], 2).unwrap();
    fs::write(&path, codebook.to_bytes()).unwrap();
    assert_eq!(told(&path), "codebook");
    match StoredFile::open(&path, true).unwrap() {
        StoredFile::Codebook(read, len) => assert_eq!((read, len), (codebook, 28)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        StoredFile::open(&path, false).unwrap_err().code()
    };
    assert_eq!(refused(b""), ErrorCode::Truncated);
    assert_eq!(refused(b"hello"), ErrorCode::Format);
    assert_eq!(refused(b"TQCX"), ErrorCode::Truncated);
    let codebook = Codebook::from_entries(&[0.0, 1.0, 2.0, 3.0], 2).unwrap();
    let mut bytes = codebook.to_bytes();
    assert_eq!(refused(&bytes[..20]), ErrorCode::Truncated);
    // Of a file that is far too long for a codebook only the beginning is read.
    bytes.resize(1 << 20, 0);
    assert_eq!(refused(&bytes), ErrorCode::Format);
}

/// Damage that only reading all of a file can find.
#[test]
fn each_format_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    make_file(&path, 3);
    let corpus = fs::read(&path).unwrap();
    let tqcv = golden::bytes("tqcv/golden_100.tqcv");
    let body = 96..tqcv.len();
    for (bytes, ranges) in [
        (corpus.clone(), image::covered(&corpus)),
        (index_file(), image::covered(&index_file())),
        (tqcv, vec![body]),
    ] {
        let is_verified = ranges.iter().filter_map(|range| {
            let mut damaged = bytes.clone();
            *damaged[range.clone()].first_mut()? ^= 1;
            fs::write(&path, &damaged).unwrap();
            let file = StoredFile::open(&path, false).ok()?;
            Some(file.verify(&Control::default()).is_ok())
        });
        let is_verified: Vec<bool> = is_verified.collect();
        assert!(!is_verified.is_empty() && !is_verified.contains(&true));
    }
}
