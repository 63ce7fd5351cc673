//! Index files that break a rule, one at a time.

use super::image::{Image, Section, Sections};
use super::index::{ids, plain, remove, try_content, vectors};
use super::{detail, offset};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{BuildOptions, IdKind, Index, Originals, Partitions};
use tinyquant_store::{Error, IndexFile, Source, index_to_bytes};

pub const HEAD: u32 = 1;
pub const MODEL: u32 = 2;
pub const BLOCKS: u32 = 3;
pub const TAILS: u32 = 4;
pub const NUMBERS: u32 = 5;
pub const STARTS: u32 = 6;
pub const ORIGINALS: u32 = 7;
pub const IDS: u32 = 8;
pub const ID_ENDS: u32 = 9;
pub const ID_TEXTS: u32 = 10;
pub const ID_TABLE: u32 = 11;
pub const REMOVED: u32 = 12;

pub fn from(bytes: Vec<u8>) -> Result<IndexFile, Error> {
    IndexFile::from_source(Source::from_bytes(bytes))
}

/// Opens, reads and verifies, all of it whatever the parts say. The verdict of opening or else of verifying.
pub fn judge(bytes: Vec<u8>) -> Result<(), Error> {
    let file = from(bytes)?;
    let verdict = file.verify(&Control::default());
    match file.into_index() {
        Ok((index, _)) => drop(try_content(&index, 12)),
        Err(error) => assert!(verdict.is_err(), "{error}"),
    }
    verdict
}

/// The image of a file in memory.
pub fn image_of(index: &Index) -> Image {
    let bytes = index_to_bytes(index).unwrap();
    let mut image = Image::new(u64::from_le_bytes(bytes[16..24].try_into().unwrap()));
    image.kind = 2;
    image.live = u64::from_le_bytes(bytes[24..32].try_into().unwrap());
    for Section {
        kind,
        first,
        rows,
        bytes,
        ..
    } in Sections::of(&bytes).0
    {
        image.add(kind, first, rows, &bytes);
    }
    assert!(image.bytes() == bytes);
    image
}

/// A good file of twenty rows, of which two were removed, in two partitions.
pub fn good(kind: IdKind) -> Image {
    let options = BuildOptions {
        fit: false,
        partitions: Partitions::Count(2),
    };
    let config = plain(kind, Originals::F16);
    let (values, ids) = (vectors(0..20), ids(kind, 0..20));
    let index = Index::build(config, &options, &values, ids, &Control::default()).unwrap();
    remove(&index, [3, 17]);
    image_of(&index)
}

/// The same with other sections, each where there is room for it.
pub fn laid_out(image: &Image, sections: impl IntoIterator<Item = Section>) -> Image {
    let mut fresh = Image::new(image.rows);
    (fresh.kind, fresh.live) = (image.kind, image.live);
    for section in sections {
        fresh
            .add(section.kind, section.first, section.rows, &section.bytes)
            .len = section.len;
    }
    fresh
}

/// A good file of which each section of a kind is changed.
pub fn with(ids: IdKind, kind: u32, change: impl Fn(&mut Section)) -> Image {
    let mut image = good(ids);
    let sections = std::mem::take(&mut image.sections).into_iter();
    laid_out(
        &image,
        sections.map(|mut section| {
            if section.kind == kind {
                change(&mut section);
            }
            section
        }),
    )
}

pub fn without(ids: IdKind, kind: u32) -> Image {
    let mut image = good(ids);
    let mut sections = std::mem::take(&mut image.sections);
    sections.retain(|section| section.kind != kind);
    laid_out(&image, sections)
}

/// Kind of the error of a file that cannot be opened.
pub fn refused(what: &str, image: &Image) -> String {
    let error = from(image.bytes())
        .err()
        .unwrap_or_else(|| panic!("{what}: opened"));
    assert_eq!(error.code(), ErrorCode::Format, "{what}: {error}");
    detail(&error, "kind")
}

/// The error of a file that can be opened and not verified.
pub fn unverified(what: &str, image: &Image) -> Error {
    let file = from(image.bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let error = file.verify(&Control::default()).err();
    let error = error.unwrap_or_else(|| panic!("{what}: verified"));
    assert_eq!(error.code(), ErrorCode::Format, "{what}: {error}");
    assert!(judge(image.bytes()).is_err());
    error
}

/// Its kind.
pub fn found(what: &str, image: &Image) -> String {
    detail(&unverified(what, image), "kind")
}

/// Where it stands, counted from the first byte of a section.
pub fn found_at(image: &mut Image, kind: u32) -> i64 {
    let section = image.section(kind).offset as i64;
    offset(&unverified("section", image).details()) - section
}
