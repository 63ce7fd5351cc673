//! Writes small corpus or index files of every shape into a folder, for a fuzzer to start from.

use std::path::Path;
use tinyquant_codec::{Codebook, CodecConfig, Control};
use tinyquant_corpus::{Coding, CompressionPolicy, Timestamp};
use tinyquant_index::{
    BuildOptions, IdKind, IdRef, Ids, Index, IndexConfig, Metric, Originals, Partitions,
};
use tinyquant_store::{
    CorpusFile, CorpusWriter, Error, Link, NewRows, Probe, append, save_index, sync_index,
};

const DIMENSION: usize = 3;
/// A width of the codes of an index, and one more: fitting can tell them apart.
const INDEX_DIMENSION: usize = 65;

fn coding(policy: CompressionPolicy, has_residual: bool) -> Result<Coding, Error> {
    Ok(Coding {
        policy,
        config: CodecConfig::new(2, 42, DIMENSION as u32, has_residual)?,
        codebook: Codebook::from_entries(&[-1.0, -0.25, 0.25, 1.0], 2)?,
    })
}

fn push(writer: &mut CorpusWriter, rows: usize, prefix: Option<&str>) -> Result<(), Error> {
    let values: Vec<f32> = (0..rows * DIMENSION)
        .map(|at| (at % 7) as f32 / 7.0 - 0.4)
        .collect();
    let ids: Option<Vec<String>> =
        prefix.map(|prefix| (0..rows).map(|row| format!("{prefix}{row}")).collect());
    let metadata: Vec<Option<String>> = match prefix {
        Some(_) => (0..rows)
            .map(|row| (row % 2 == 0).then(|| format!("{{\"row\":{row}}}")))
            .collect(),
        None => Vec::new(),
    };
    let rows = NewRows {
        values: &values,
        ids: ids.as_deref(),
        metadata: &metadata,
        inserted_at: Timestamp::from_nanos(rows as i64),
    };
    writer.push(&rows, None, &Control::default())
}

/// A file that was written at once, and the same after it grew and lost a row.
fn write(folder: &Path, policy: CompressionPolicy, has_residual: bool) -> Result<(), Error> {
    let plain = folder.join(format!("{policy}-{has_residual}-plain"));
    let metadata = has_residual.then_some("{\"a\":[1]}");
    let create = |path: &Path| {
        let coding = coding(policy, has_residual)?;
        CorpusWriter::create(path, "corpus", coding, metadata, true, Probe::default())
    };
    let mut writer = create(&plain)?;
    push(&mut writer, 5, None)?;
    writer.finish()?;

    let grown = folder.join(format!("{policy}-{has_residual}-grown"));
    let mut writer = create(&grown)?;
    push(&mut writer, 4, Some("a"))?;
    writer.finish()?;
    let mut writer = CorpusWriter::append(&grown, Probe::default())?;
    push(&mut writer, 3, Some("b"))?;
    writer.finish()?;
    let file = CorpusFile::open(&grown, true)?;
    let link = Link::opened(&grown, &file)?;
    let mut corpus = file.into_corpus();
    corpus.remove("a2")?;
    append(
        &corpus,
        &link,
        &grown,
        &Control::default(),
        Probe::default(),
    )?;
    Ok(())
}

fn ids(kind: IdKind, rows: std::ops::Range<u64>) -> Ids {
    match kind {
        IdKind::Number => Ids::Next,
        IdKind::Bigint => Ids::Whole(rows.map(|row| u64::MAX - row).collect()),
        IdKind::Text => Ids::Text(rows.map(|row| format!("id-{row}").into()).collect()),
    }
}

fn first(kind: IdKind) -> IdRef<'static> {
    match kind {
        IdKind::Number => IdRef::Whole(0),
        IdKind::Bigint => IdRef::Whole(u64::MAX),
        IdKind::Text => IdRef::Text("id-0"),
    }
}

/// An index that was written at once, and the same after it grew and lost a row.
fn write_index(folder: &Path, config: IndexConfig, fit: bool) -> Result<(), Error> {
    let (kind, control) = (config.id_kind(), Control::default());
    let values = |rows: usize| -> Vec<f32> {
        let value = |at: usize| (at * at % 97) as f32 / (1 + at % INDEX_DIMENSION) as f32 - 0.4;
        (0..rows * INDEX_DIMENSION).map(value).collect()
    };
    let rows = if fit { 300 } else { 20 };
    let options = BuildOptions {
        fit,
        partitions: Partitions::Count(2),
    };
    let given = ids(kind, 0..rows as u64);
    let index = Index::build(config, &options, &values(rows), given, &control)?;
    let name = format!("{:?}-{kind:?}-{fit}", config.metric());
    let plain = folder.join(format!("{name}-plain"));
    save_index(&index, &plain, &control, Probe::default())?;
    let grown = folder.join(format!("{name}-grown"));
    let link = save_index(&index, &grown, &control, Probe::default())?;
    index.remove(&[first(kind)])?;
    let given = ids(kind, rows as u64..rows as u64 + 3);
    index.add(&values(3), given, &control)?;
    sync_index(&index, &link, &grown, &control, Probe::default())?;
    Ok(())
}

fn write_indexes(folder: &Path) -> Result<(), Error> {
    for (metric, bits, kind, originals) in [
        (Metric::Cosine, 4, IdKind::Number, Originals::None),
        (Metric::Dot, 1, IdKind::Bigint, Originals::F16),
        (Metric::L2, 3, IdKind::Text, Originals::F32),
    ] {
        for fit in [false, true] {
            let config = IndexConfig::new(INDEX_DIMENSION, bits, metric, 42, kind, originals)?;
            write_index(folder, config, fit)?;
        }
    }
    Ok(())
}

/// Arguments: the folder, and `index` for index files.
fn main() -> Result<(), Error> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    if arguments.next().is_some_and(|kind| kind == "index") {
        return write_indexes(folder.as_ref());
    }
    for policy in [
        CompressionPolicy::Compress,
        CompressionPolicy::Passthrough,
        CompressionPolicy::Fp16,
    ] {
        for has_residual in [false, true] {
            write(folder.as_ref(), policy, has_residual)?;
        }
    }
    Ok(())
}
