//! TinyQuant's corpus files: golden bytes, random access, crashes at every step, and round trips.

use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedBatch, Control, ErrorCode, RecordLayout, compress_batch,
};
use tinyquant_store::{
    Error, Probe, Source, Step, TQCV_MAX_METADATA, TqcvHeader, TqcvReader, TqcvWriter,
};
use tinyquant_testkit::{golden, sha256};

fn reader(bytes: &[u8]) -> Result<TqcvReader, Error> {
    TqcvReader::from_source(Source::from_bytes(bytes.to_vec()))
}

fn rewrite(path: &Path, reader: &TqcvReader, rows: u64) -> Vec<u8> {
    let TqcvHeader {
        layout, metadata, ..
    } = reader.header().clone();
    let mut writer = TqcvWriter::create(path, true, layout, &metadata, Probe::default()).unwrap();
    for from in (0..reader.len()).step_by(rows as usize) {
        let batch = reader.read(from, rows.min(reader.len() - from)).unwrap();
        writer.append(&batch).unwrap();
    }
    assert_eq!(writer.len(), reader.len());
    let size = writer.finish().unwrap();
    let bytes = fs::read(path).unwrap();
    assert_eq!(size, bytes.len() as u64);
    bytes
}

/// The 200 vectors of `d64/`, compressed as the published command line did.
fn d64(bits: u8, residual: bool) -> CompressedBatch {
    let config = CodecConfig::new(bits, 42, 64, residual).unwrap();
    let entries = golden::f32s(&format!("train/codebook_d64_bw{bits}.f32.bin"));
    let codebook = Codebook::from_entries(&entries, bits).unwrap();
    let vectors = golden::f32s("d64/vectors_n200.f32.bin");
    compress_batch(&vectors, &config, &codebook, None, &Control::default()).unwrap()
}

fn write(path: &Path, batch: &CompressedBatch, metadata: &[u8]) -> Vec<u8> {
    let layout = batch.layout().unwrap().clone();
    let mut writer = TqcvWriter::create(path, true, layout, metadata, Probe::default()).unwrap();
    assert!(writer.is_empty());
    writer.append(batch).unwrap();
    assert!(!writer.is_empty());
    writer.finish().unwrap();
    fs::read(path).unwrap()
}

#[test]
fn golden_files_are_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.tqcv");
    for (name, count, bits, residual, metadata) in [
        ("golden_100", 100, 4, false, ""),
        (
            "with_metadata_5",
            5,
            4,
            true,
            r#"{"note":"metadata is opaque"}"#,
        ),
        ("d64_bw2_nores", 200, 2, false, ""),
        ("d64_bw4_nores", 200, 4, false, ""),
        ("d64_bw4_res", 200, 4, true, ""),
    ] {
        let bytes = golden::bytes(&format!("tqcv/{name}.tqcv"));
        let reader = reader(&bytes).unwrap();
        let header = reader.header();
        assert_eq!(
            (header.count, header.layout.dimension()),
            (count, 64),
            "{name}"
        );
        assert_eq!(header.layout.bit_width(), bits, "{name}");
        assert_eq!(header.layout.has_residual(), residual, "{name}");
        assert_eq!(header.metadata, metadata.as_bytes(), "{name}");
        assert_eq!(reader.size_bytes(), bytes.len() as u64);
        reader.verify(&Control::default()).unwrap();
        for rows in [1, 7, 1000] {
            assert_eq!(rewrite(&path, &reader, rows), bytes, "{name} by {rows}");
        }
    }
}

/// Kind and offset of what keeps a file from being opened.
fn refused(bytes: &[u8]) -> (&'static str, u64) {
    match reader(bytes) {
        Err(Error::Malformed { kind, offset, .. }) => (kind, offset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_header_says_where_it_is_wrong() {
    let good = golden::bytes("tqcv/with_metadata_5.tqcv");
    let hash_end = 24 + 64;
    for (at, value, expected) in [
        (0, &b"TQCZ"[..], ("BadMagic", 0)),
        (5, &[1], ("InvalidHeader", 5)),
        (16, &[0, 0, 0, 0], ("InvalidHeader", 16)),
        (20, &[3], ("InvalidBitWidth", 20)),
        (21, &[2], ("InvalidHeader", 21)),
        (22, &[65], ("InvalidHeader", 22)),
        (24, &[0xff], ("InvalidUtf8", 24)),
        (hash_end - 1, &[0], ("InvalidHash", 24)),
        (hash_end, &[0xff; 4], ("InvalidHeader", hash_end as u64)),
    ] {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        assert_eq!(refused(&bytes), expected, "{at}");
    }
    let longer = [&good[..], &[0]].concat();
    assert_eq!(refused(&longer), ("TrailingBytes", good.len() as u64));
}

#[test]
fn a_file_of_no_records_is_empty() {
    let header = TqcvHeader {
        layout: RecordLayout::new("x", 3, 4, false).unwrap(),
        metadata: b"m".to_vec(),
        count: 0,
    };
    let empty = reader(&header.to_bytes()).unwrap();
    assert!(empty.is_empty() && empty.read(0, 0).unwrap().is_empty());
    empty.verify(&Control::default()).unwrap();
    let full = reader(&golden::bytes("tqcv/golden_100.tqcv")).unwrap();
    assert!(!full.is_empty());
}

#[test]
fn a_hash_that_no_configuration_has_is_kept() {
    let reader = reader(&golden::bytes("tqcv/golden_100.tqcv")).unwrap();
    let batch = reader.read(0, 100).unwrap();
    assert_eq!(batch.config_hash(), Some("phase17-golden"));
    let indices: Vec<u8> = (0..100)
        .flat_map(|i| batch.record(i).unwrap().indices())
        .collect();
    assert_eq!(indices, golden::bytes("tqcv/golden_100_indices.u8.bin"));
}

#[test]
fn files_of_the_codec_are_those_of_the_published_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d64.tqcv");
    for bits in [2, 4, 8] {
        for residual in [true, false] {
            let name = format!("d64_bw{bits}_{}", if residual { "res" } else { "nores" });
            let batch = d64(bits, residual);
            let bytes = write(&path, &batch, b"");
            if matches!((bits, residual), (2, true) | (8, _)) {
                let digest = golden::json(&format!("tqcv/{name}.digest.json"));
                assert_eq!(digest["sha256"], sha256(&bytes), "{name}");
            } else {
                assert_eq!(bytes, golden::bytes(&format!("tqcv/{name}.tqcv")), "{name}");
            }
            assert_eq!(
                reader(&bytes).unwrap().read(0, 200).unwrap(),
                batch,
                "{name}"
            );
        }
    }
}

#[test]
fn records_are_found_without_reading_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tqcv");
    let batch = d64(4, true);
    let mut bytes = write(&path, &batch, b"?");
    // A record that is broken does not keep the others from being read.
    let (body, stride) = (96, 4 + batch.layout().unwrap().record_len());
    bytes[body + 9 * stride + 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for is_mapped in [true, false] {
        let reader = TqcvReader::open(&path, is_mapped).unwrap();
        for at in [0, 8, 10, 199] {
            let one = reader.read(at, 1).unwrap();
            assert_eq!(one.record(0), batch.record(at as usize));
        }
        assert_eq!(reader.read(10, 190).unwrap().record(189), batch.record(199));
        assert!(reader.read(200, 0).unwrap().is_empty());
        let error = reader.read(0, 200).unwrap_err();
        let Error::Malformed {
            kind: "LengthMismatch",
            offset,
            path: at,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(
            (*offset, at.as_deref()),
            ((body + 9 * stride) as u64, Some(&*path))
        );
        let (got, expected) = ((stride - 4) ^ 256, stride - 4);
        let lengths = format!("record length {got}, expected {expected} ");
        assert!(error.to_string().contains(&lengths), "{error}");
        let verified = reader.verify(&Control::default()).unwrap_err();
        assert_eq!(verified.to_string(), error.to_string());
        for (from, count) in [(200, 1), (0, 201), (u64::MAX, 1), (1, u64::MAX)] {
            let error = reader.read(from, count).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArg, "{error}");
        }
    }
}

#[test]
fn a_file_cut_at_every_byte_is_truncated() {
    let bytes = golden::bytes("tqcv/with_metadata_5.tqcv");
    for len in 0..bytes.len() {
        let error = reader(&bytes[..len]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Truncated, "{len}: {error}");
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_truncated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tqcv");
    write(&path, &d64(4, false), b"");
    let reader = TqcvReader::open(&path, false).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(5000)
        .unwrap();
    reader.read(0, 10).unwrap();
    let error = reader.read(0, 200).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Truncated, "{error}");
}

#[test]
fn verify_reports_and_stops() {
    let reader = reader(&golden::bytes("tqcv/d64_bw4_res.tqcv")).unwrap();
    let seen = Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    let control = Control {
        progress: Some(&progress),
        cancelled: None,
    };
    reader.verify(&control).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(0, 200), (200, 200)]);
    let cancelled = AtomicBool::new(true);
    let control = Control {
        cancelled: Some(&cancelled),
        progress: None,
    };
    assert_eq!(
        reader.verify(&control).unwrap_err().code(),
        ErrorCode::Aborted
    );
}

#[test]
fn batches_that_do_not_fit_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tqcv");
    let batch = d64(4, true);
    let layout = batch.layout().unwrap();
    let mut writer =
        TqcvWriter::create(&path, false, layout.clone(), b"", Probe::default()).unwrap();
    writer.append(&batch).unwrap();
    let odd =
        CompressedBatch::from_parts(layout.config_hash(), 63, 4, true, vec![0; 32], vec![0; 126]);
    let plain =
        CompressedBatch::from_parts(layout.config_hash(), 64, 4, false, vec![0; 32], vec![]);
    let wide =
        CompressedBatch::from_parts(layout.config_hash(), 64, 8, true, vec![0; 64], vec![0; 128]);
    for (other, code) in [
        (d64(2, true), ErrorCode::ConfigMismatch),
        (odd.unwrap(), ErrorCode::DimMismatch),
        (plain.unwrap(), ErrorCode::InvalidArg),
        (wide.unwrap(), ErrorCode::CodebookMismatch),
    ] {
        assert_eq!(writer.append(&other).unwrap_err().code(), code);
    }
    writer
        .append(&CompressedBatch::from_bytes(&[]).unwrap())
        .unwrap();
    assert_eq!(writer.len(), 200);
    writer.finish().unwrap();
    assert_eq!(
        fs::read(&path).unwrap(),
        golden::bytes("tqcv/d64_bw4_res.tqcv")
    );
}

#[test]
fn metadata_beyond_the_limit_is_refused_before_a_file_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tqcv");
    let layout = RecordLayout::new("x", 3, 4, false).unwrap();
    let create = |metadata: &[u8]| {
        TqcvWriter::create(&path, false, layout.clone(), metadata, Probe::default())
    };
    let most = vec![7; TQCV_MAX_METADATA];
    assert_eq!(
        create(&[&most[..], &[7]].concat()).unwrap_err().code(),
        ErrorCode::Limit
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    create(&most).unwrap().finish().unwrap();
    assert_eq!(
        TqcvReader::open(&path, true).unwrap().header().metadata,
        most
    );
}

#[test]
fn one_writer_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tqcv");
    let layout = RecordLayout::new("x", 3, 4, false).unwrap();
    let create =
        |overwrite| TqcvWriter::create(&path, overwrite, layout.clone(), b"", Probe::default());
    let first = create(false).unwrap();
    for overwrite in [true, false] {
        let error = create(overwrite).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        assert_eq!(error.code(), ErrorCode::Io);
    }
    // Dropped before its end, a writer leaves nothing.
    drop(first);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    create(false).unwrap().finish().unwrap();
    let error = create(false).unwrap_err();
    assert!(
        error
            .details()
            .iter()
            .any(|detail| format!("{detail:?}").contains("EEXIST"))
    );
    create(true).unwrap().finish().unwrap();
}

/// Writes the file; `stop` is asked before each step with its number.
fn attempt(
    path: &Path,
    batch: &CompressedBatch,
    mut stop: impl FnMut(usize, Step) -> Option<usize> + Send + 'static,
) -> Result<u64, Error> {
    let mut step = 0;
    let probe = Probe::new(move |what| {
        step += 1;
        stop(step - 1, what)
    });
    let layout = batch.layout().unwrap().clone();
    let mut writer = TqcvWriter::create(path, true, layout, b"meta", probe)?;
    writer.append(batch)?;
    writer.append(batch)?;
    writer.finish()
}

#[test]
fn a_writer_killed_at_any_step_leaves_the_old_file_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let batch = d64(2, false);
    let steps = Arc::new(Mutex::new(Vec::new()));
    let path = folder.path().join("whole.tqcv");
    let seen = Arc::clone(&steps);
    attempt(&path, &batch, move |_, step| {
        seen.lock().unwrap().push(step);
        None
    })
    .unwrap();
    let whole = fs::read(&path).unwrap();
    let steps = steps.lock().unwrap().clone();
    let small = [
        Step::Write(8),
        Step::Sync,
        Step::Write(4),
        Step::Sync,
        Step::Rename,
        Step::SyncFolder,
    ];
    assert!(steps.ends_with(&small), "{steps:?}");
    let old = golden::bytes("tqcv/golden_100.tqcv");

    for (number, step) in steps.iter().enumerate() {
        let stops = match step {
            Step::Write(len) if *len > 16 => vec![0, 1, 24, len / 2, len - 1, *len],
            Step::Write(len) => (0..=*len).collect(),
            _ => vec![0],
        };
        for written in stops {
            for has_old in [false, true] {
                let path = folder
                    .path()
                    .join(format!("{number}-{written}-{has_old}.tqcv"));
                if has_old {
                    fs::write(&path, &old).unwrap();
                }
                let what = format!("step {number} {step:?}, {written} bytes, {has_old}");
                let stop = move |at, _| (at == number).then_some(written);
                attempt(&path, &batch, stop).unwrap_err();
                let left = fs::read(&path).ok();
                match step {
                    Step::SyncFolder => assert_eq!(left.as_ref(), Some(&whole), "{what}"),
                    _ => assert_eq!(left, has_old.then(|| old.clone()), "{what}"),
                }
                // What lies beside it is taken for a file only if it is one.
                let name = path.file_name().unwrap().to_string_lossy();
                let partial = path.with_file_name(format!(".{name}.partial"));
                if let Ok(bytes) = fs::read(&partial) {
                    match reader(&bytes) {
                        Ok(_) => assert_eq!(bytes, whole, "{what}"),
                        Err(error) => assert_eq!(error.code(), ErrorCode::Truncated, "{what}"),
                    }
                }
                attempt(&path, &batch, |_, _| None).unwrap();
                assert_eq!(fs::read(&path).unwrap(), whole, "{what}");
                assert!(!partial.exists(), "{what}");
            }
        }
    }
}

#[test]
fn a_writer_that_failed_does_not_finish() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tqcv");
    let batch = d64(8, true);
    let has_failed = Arc::new(AtomicBool::new(false));
    let once = Arc::clone(&has_failed);
    let probe = Probe::new(move |step| match step {
        Step::Write(len) if len > 100_000 && !once.swap(true, Ordering::Relaxed) => Some(len / 2),
        _ => None,
    });
    let layout = batch.layout().unwrap().clone();
    let mut writer = TqcvWriter::create(&path, true, layout, b"", probe).unwrap();
    let failed = (0..20).find_map(|_| writer.append(&batch).err()).unwrap();
    assert_eq!(failed.code(), ErrorCode::Io);
    assert_eq!(writer.finish().unwrap_err().code(), ErrorCode::Closed);
    assert!(!path.exists());
}

/// A file by the table of the format, written without the writer.
fn by_the_table(header: &TqcvHeader, batch: &CompressedBatch) -> Vec<u8> {
    let layout = &header.layout;
    let hash = layout.config_hash().as_bytes();
    let mut bytes = b"TQCV\x01\0\0\0".to_vec();
    bytes.extend(header.count.to_le_bytes());
    bytes.extend((layout.dimension() as u32).to_le_bytes());
    bytes.extend([layout.bit_width(), layout.has_residual().into()]);
    bytes.extend((hash.len() as u16).to_le_bytes());
    bytes.extend(hash);
    bytes.extend((header.metadata.len() as u32).to_le_bytes());
    bytes.extend(&header.metadata);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    for record in batch.to_bytes().chunks(layout.record_len()) {
        bytes.extend((record.len() as u32).to_le_bytes());
        bytes.extend(record);
    }
    bytes
}

fn file() -> impl Strategy<Value = (TqcvHeader, CompressedBatch)> {
    let bits = prop::sample::select(vec![2_u8, 4, 8]);
    let hash = "[a-z0-9]{64}|[a-zé]{0,20}";
    (
        bits,
        1_usize..40,
        any::<bool>(),
        hash,
        prop::collection::vec(any::<u8>(), 0..40),
        0_usize..12,
        any::<u64>(),
    )
        .prop_map(|(bits, dimension, residual, hash, metadata, rows, seed)| {
            let layout = RecordLayout::new(hash, dimension, bits, residual).unwrap();
            let mut state = seed;
            let mut byte = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            };
            let used = dimension * usize::from(bits) % 8;
            let mask = if used == 0 { 0xff } else { (1 << used) - 1 };
            let mut packed: Vec<u8> = (0..rows * layout.packed_len()).map(|_| byte()).collect();
            for last in packed
                .chunks_mut(layout.packed_len())
                .filter_map(<[u8]>::last_mut)
            {
                *last &= mask;
            }
            let residuals = (0..rows * layout.residual_len()).map(|_| byte()).collect();
            let batch = CompressedBatch::from_layout(layout.clone(), packed, residuals).unwrap();
            (
                TqcvHeader {
                    layout,
                    metadata,
                    count: rows as u64,
                },
                batch,
            )
        })
}

proptest! {
    #[test]
    fn round_trip((header, batch) in file(), rows in 1_u64..5, from: u64, count: u64) {
        let bytes = by_the_table(&header, &batch);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tqcv");
        let reader = reader(&bytes).unwrap();
        prop_assert_eq!(reader.header(), &header);
        prop_assert_eq!(reader.read(0, header.count).unwrap(), batch.clone());
        reader.verify(&Control::default()).unwrap();
        prop_assert_eq!(rewrite(&path, &reader, rows), bytes);
        let from = from % (header.count + 1);
        let count = count % (header.count - from + 1);
        for is_mapped in [true, false] {
            let part = TqcvReader::open(&path, is_mapped).unwrap().read(from, count).unwrap();
            prop_assert_eq!(part.len() as u64, count);
            for at in 0..count {
                prop_assert_eq!(part.record(at as usize), batch.record((from + at) as usize));
            }
        }
    }

    /// What `verify` lets pass is written again byte for byte, so nothing but codes, residuals and metadata can
    /// be damaged unseen.
    #[test]
    fn damage_is_found_or_kept((header, batch) in file(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = by_the_table(&header, &batch);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let Ok(reader) = reader(&bytes) else { return Ok(()) };
        let all = reader.read(0, reader.len());
        if reader.verify(&Control::default()).is_ok() {
            prop_assert_eq!(by_the_table(reader.header(), &all.unwrap()), bytes.clone());
            prop_assert!(bytes.starts_with(&reader.header().to_bytes()));
        }
    }
}
