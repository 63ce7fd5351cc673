//! What the tests of corpus files share.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]

pub mod hostile;
pub mod hostile_index;
pub mod image;
pub mod index;

use std::collections::HashMap;
use std::path::Path;
use tinyquant_codec::{Codebook, CodecConfig, Control, ErrorCode, TrainMethod};
use tinyquant_corpus::{Coding, CompressionPolicy, Corpus, Timestamp, VectorEntry};
use tinyquant_store::{CorpusFile, CorpusWriter, Error, NewRows, Probe};
use tinyquant_testkit::seeded;

pub const DIMENSION: usize = 10;
pub const POLICIES: [CompressionPolicy; 3] = [
    CompressionPolicy::Compress,
    CompressionPolicy::Passthrough,
    CompressionPolicy::Fp16,
];

/// 2 bits a component: the last byte of a row has four bits to spare.
pub fn coding(policy: CompressionPolicy, has_residual: bool) -> Coding {
    let config = CodecConfig::new(2, 42, DIMENSION as u32, has_residual).unwrap();
    let training = seeded::normal(1, 500 * DIMENSION, 1.0);
    let control = Control::default();
    let codebook = Codebook::train(&training, &config, TrainMethod::LloydMax, &control).unwrap();
    Coding {
        policy,
        config,
        codebook,
    }
}

pub fn values(seed: u64, rows: usize) -> Vec<f32> {
    seeded::normal(seed, rows * DIMENSION, 1.0)
}

pub fn new_rows<'a>(
    values: &'a [f32],
    ids: Option<&'a [String]>,
    metadata: &'a [Option<String>],
    nanos: i64,
) -> NewRows<'a, String, String> {
    NewRows {
        values,
        ids,
        metadata,
        inserted_at: Timestamp::from_nanos(nanos),
    }
}

pub fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|row| format!("id-{row}")).collect()
}

/// Two ids of one tag.
pub fn colliding() -> (String, String) {
    let mut seen = HashMap::new();
    for number in 0.. {
        let id = format!("k{number}");
        if let Some(other) = seen.insert(image::tag(&id), id.clone()) {
            return (other, id);
        }
    }
    unreachable!()
}

/// A folder in memory where there is one: bringing a file to the disk takes no time there.
pub fn memory_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub fn open(path: &Path) -> Corpus {
    CorpusFile::open(path, true).unwrap().into_corpus()
}

pub fn create(path: &Path, coding: Coding) -> CorpusWriter {
    CorpusWriter::create(path, "c", coding, None, true, Probe::default()).unwrap()
}

/// A file of rows without names.
pub fn make_file(path: &Path, rows: usize) {
    let mut writer = create(path, coding(CompressionPolicy::Compress, false));
    push(&mut writer, 0..rows, None).unwrap();
    writer.finish().unwrap();
}

/// Adds rows of which number `i` is made from seed `i`.
pub fn push(
    writer: &mut CorpusWriter,
    rows: std::ops::Range<usize>,
    ids: Option<&[String]>,
) -> Result<(), Error> {
    let values: Vec<f32> = rows.flat_map(|row| values(row as u64, 1)).collect();
    writer.push(&new_rows(&values, ids, &[], 0), None, &Control::default())
}

/// Id, record, time and metadata of a vector.
pub type Row = (String, Vec<u8>, i64, Option<String>);

/// Everything that a corpus holds, in order.
pub fn content(corpus: &Corpus) -> Vec<Row> {
    try_content(corpus).unwrap()
}

pub fn try_content(corpus: &Corpus) -> Result<Vec<Row>, tinyquant_corpus::Error> {
    let page = corpus.page(0, u64::MAX, usize::MAX)?;
    let row = |entry: &VectorEntry| {
        (
            entry.id().to_string(),
            entry.record().to_bytes(),
            entry.inserted_at().as_nanos(),
            entry.metadata().map(ToString::to_string),
        )
    };
    Ok(page.items.iter().map(row).collect())
}

/// What a file holds, after all of it was verified.
pub fn verified(path: &Path, is_mapped: bool) -> Vec<Row> {
    let file = CorpusFile::open(path, is_mapped).unwrap();
    file.verify(&Control::default()).unwrap();
    content(&file.into_corpus())
}

/// The names in a folder, sorted.
pub fn listing(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A named value of an error's details, as text.
pub fn detail(error: &Error, name: &str) -> String {
    let details = error.details();
    let found = details.into_iter().find(|(key, _)| *key == name);
    match found {
        Some((_, tinyquant_codec::Detail::Text(text))) => text,
        other => panic!("{name} of {error:?} is {other:?}"),
    }
}

/// Where in a file an error stands.
pub fn offset(details: &tinyquant_codec::Details) -> i64 {
    match details.iter().find(|(key, _)| *key == "offset") {
        Some((_, tinyquant_codec::Detail::Int(offset))) => *offset,
        _ => panic!("no offset in {details:?}"),
    }
}

/// The system's name of what went wrong.
pub fn errno<T>(result: Result<T, Error>) -> String {
    let error = result.err().expect("an error");
    assert_eq!(error.code(), ErrorCode::Io, "{error}");
    detail(&error, "errno")
}

/// Whether an error is one of those that tell of a damaged file.
pub fn is_damage(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Format | ErrorCode::Truncated | ErrorCode::Checksum | ErrorCode::Version
    )
}

/// The largest address space that this process had, in KB; 0 where the system does not tell. Sanitizers reserve
/// terabytes of it: `TINYQUANT_SANITIZER` says that the memory in use is to be told instead.
pub fn peak_kb() -> u64 {
    let field = match std::env::var_os("TINYQUANT_SANITIZER") {
        Some(_) => "VmHWM:",
        None => "VmPeak:",
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0)
}
