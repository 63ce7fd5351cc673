//! Writes small corpus files of every shape into a folder, for a fuzzer to start from.

use std::path::Path;
use tinyquant_codec::{Codebook, CodecConfig, Control};
use tinyquant_corpus::{Coding, CompressionPolicy, Timestamp};
use tinyquant_store::{CorpusFile, CorpusWriter, Error, Link, NewRows, Probe, append};

const DIMENSION: usize = 3;

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

fn main() -> Result<(), Error> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
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
