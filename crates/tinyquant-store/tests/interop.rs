//! Files exchanged with TinyQuant's own command line: what it writes we read and write byte for byte, and it
//! reads what we write. The program is `TINYQUANT_PEER_CLI`, or what `scripts/peer-cli.mjs` built; without either
//! there is nothing to compare with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedBatch, Control, TrainMethod, compress_batch, decompress_batch,
};
use tinyquant_corpus::{BruteForce, Rows};
use tinyquant_store::{Probe, TqcvReader, TqcvWriter};
use tinyquant_testkit::{golden, seeded};

const SEED: u64 = 42;

/// Rows that codebooks are trained on; the peer takes that many of its input.
const TRAINING: usize = 500;

const SKIPPED: &str = "SKIPPED: no peer; build it with: node scripts/peer-cli.mjs";

struct Peer {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Peer {
    fn find() -> Option<Self> {
        let program = match std::env::var_os("TINYQUANT_PEER_CLI") {
            Some(path) => PathBuf::from(path),
            None => Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../target/peer-cli/bin")
                .join(format!("tinyquant{}", std::env::consts::EXE_SUFFIX)),
        };
        if !program.exists() {
            assert!(
                std::env::var_os("TINYQUANT_PEER_CLI").is_none(),
                "{} is not there",
                program.display()
            );
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        Some(Self { program, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Runs it in its folder with arguments that are separated by spaces.
    fn try_run(&self, arguments: &str) -> Output {
        Command::new(&self.program)
            .current_dir(self.folder.path())
            .args(["--log", "error", "--no-progress"])
            .args(arguments.split_whitespace())
            .output()
            .unwrap()
    }

    fn run(&self, arguments: &str) -> String {
        let output = self.try_run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The sidecar that describes a configuration, as the peer writes it.
fn sidecar(config: &CodecConfig) -> String {
    format!(
        "{{\n  \"bit_width\": {},\n  \"seed\": {},\n  \"dimension\": {},\n  \"residual_enabled\": {},\n  \"config_hash\": \"{}\"\n}}",
        config.bit_width(),
        config.seed(),
        config.dimension(),
        config.residual_enabled(),
        config.config_hash()
    )
}

fn config(bits: u8, dimension: usize, residual: bool) -> CodecConfig {
    CodecConfig::new(bits, SEED, dimension as u32, residual).unwrap()
}

/// Trains with both and returns the codebook, which is in `book.tqcb` then.
fn train(peer: &Peer, dimension: usize, bits: u8) -> Codebook {
    let values = seeded::normal(11, TRAINING * dimension, 0.04);
    peer.write("train.f32", &golden::from_f32s(&values));
    peer.run(&format!(
        "codec train --input train.f32 --rows {TRAINING} --cols {dimension} --bit-width {bits} --seed {SEED} --output book.tqcb --config-out config.json"
    ));
    let config = config(bits, dimension, true);
    let control = Control::default();
    let codebook = Codebook::train(&values, &config, TrainMethod::TinyQuant, &control).unwrap();
    let theirs = peer.read("book.tqcb");
    assert_eq!(codebook.to_bytes(), theirs);
    let read = Codebook::from_bytes(&theirs).unwrap();
    assert_eq!(read.entries(), codebook.entries());
    let text = String::from_utf8(peer.read("config.json")).unwrap();
    assert_eq!(text, sidecar(&config));
    codebook
}

fn write_ours(peer: &Peer, name: &str, batch: &CompressedBatch, metadata: &[u8]) -> Vec<u8> {
    let layout = batch.layout().unwrap().clone();
    let path = peer.path(name);
    let mut writer = TqcvWriter::create(&path, false, layout, metadata, Probe::default()).unwrap();
    writer.append(batch).unwrap();
    writer.finish().unwrap();
    peer.read(name)
}

/// Bits of a finite f32 as an integer whose steps are units in the last place.
fn ulps(value: f32) -> i64 {
    let bits = i64::from(value.to_bits() & 0x7fff_ffff);
    if value.is_sign_negative() {
        -bits
    } else {
        bits
    }
}

fn assert_within_an_ulp(ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len());
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let apart = (ulps(*ours) - ulps(*theirs)).abs();
        assert!(apart <= 1, "value {at}: {ours:e} for {theirs:e}");
    }
}

/// Each of a few queries finds the same rows with the same scores, to the nine decimals that the peer prints.
fn assert_same_hits(peer: &Peer, decoded: &[f32], dimension: usize) {
    let rows = decoded.len() / dimension;
    let ids: Vec<String> = (0..rows).map(|row| row.to_string()).collect();
    let lengths = vec![dimension as u32; rows];
    let mut backend = BruteForce::new();
    let all = Rows::new(&ids, decoded, &lengths).unwrap();
    backend.ingest(&all).unwrap();
    for query in seeded::normal(13, 3 * dimension, 1.0).chunks(dimension) {
        peer.write("query.f32", &golden::from_f32s(query));
        let theirs = peer.run(
            "corpus search --corpus ours.tqcv --query query.f32 --config-json config.json --codebook book.tqcb --top-k 10 --format csv",
        );
        let hits = backend.search(query, 10).unwrap();
        let lines = hits
            .iter()
            .enumerate()
            .map(|(at, hit)| format!("{},{},{:.9}", at + 1, hit.id, hit.score));
        let ours: Vec<String> = lines.collect();
        let theirs: Vec<&str> = theirs.lines().skip(1).collect();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn files_are_exchanged_both_ways() {
    let Some(peer) = Peer::find() else {
        return eprintln!("{SKIPPED}");
    };
    // The peer builds its rotation for every vector anew: few of the large ones.
    for (dimension, rows) in [(64, 100), (97, 20), (384, 2)] {
        let vectors = seeded::normal(12, rows * dimension, 0.04);
        peer.write("rows.f32", &golden::from_f32s(&vectors));
        for bits in [2, 4, 8] {
            let codebook = train(&peer, dimension, bits);
            for residual in [true, false] {
                let config = config(bits, dimension, residual);
                peer.write("config.json", sidecar(&config).as_bytes());
                let control = Control::default();
                let batch = compress_batch(&vectors, &config, &codebook, None, &control).unwrap();

                peer.run(&format!(
                    "codec compress --input rows.f32 --rows {rows} --cols {dimension} --config-json config.json --codebook book.tqcb --output theirs.tqcv"
                ));
                let ours = write_ours(&peer, "ours.tqcv", &batch, b"");
                assert_eq!(ours, peer.read("theirs.tqcv"));
                let reader = TqcvReader::open(&peer.path("theirs.tqcv"), true).unwrap();
                reader.verify(&control).unwrap();
                assert_eq!(reader.read(0, reader.len()).unwrap(), batch);

                peer.run("verify ours.tqcv");
                peer.run("codec decompress --input ours.tqcv --config-json config.json --codebook book.tqcb --output decoded.f32");
                let decoded = decompress_batch(&batch, &config, &codebook, None, &control).unwrap();
                assert_within_an_ulp(&decoded, &golden::to_f32s(&peer.read("decoded.f32")));
                assert_same_hits(&peer, &decoded, dimension);
                fs::remove_file(peer.path("ours.tqcv")).unwrap();
            }
        }
    }
}

#[test]
fn codebooks_of_any_method_are_read() {
    let Some(peer) = Peer::find() else {
        return eprintln!("{SKIPPED}");
    };
    let values = seeded::normal(14, TRAINING * 64, 1.0);
    for bits in [2, 4, 8] {
        let control = Control::default();
        let config = config(bits, 64, true);
        let codebook = Codebook::train(&values, &config, TrainMethod::LloydMax, &control).unwrap();
        peer.write("book.tqcb", &codebook.to_bytes());
        peer.run("verify book.tqcb");
    }
}

#[test]
fn metadata_and_empty_files_are_read() {
    let Some(peer) = Peer::find() else {
        return eprintln!("{SKIPPED}");
    };
    let codebook = train(&peer, 64, 4);
    let config = config(4, 64, true);
    let vectors = seeded::normal(12, 5 * 64, 0.04);
    let control = Control::default();
    let batch = compress_batch(&vectors, &config, &codebook, None, &control).unwrap();
    for len in [1, 7, 8, 1 << 20] {
        let name = format!("metadata-{len}.tqcv");
        write_ours(&peer, &name, &batch, &vec![0xa5; len]);
        peer.run(&format!("verify {name}"));
        peer.run(&format!(
            "codec decompress --input {name} --config-json config.json --codebook book.tqcb --output decoded.f32"
        ));
        let decoded = decompress_batch(&batch, &config, &codebook, None, &control).unwrap();
        assert_within_an_ulp(&decoded, &golden::to_f32s(&peer.read("decoded.f32")));
    }
    let layout = batch.layout().unwrap().clone();
    let path = peer.path("empty.tqcv");
    let writer = TqcvWriter::create(&path, false, layout, b"", Probe::default()).unwrap();
    writer.finish().unwrap();
    peer.run("verify empty.tqcv");
}

/// What a killed writer leaves is no file for the peer either.
#[test]
fn unfinished_files_are_refused() {
    let Some(peer) = Peer::find() else {
        return eprintln!("{SKIPPED}");
    };
    let codebook = train(&peer, 64, 4);
    let config = config(4, 64, false);
    let vectors = seeded::normal(12, 5 * 64, 0.04);
    let control = Control::default();
    let batch = compress_batch(&vectors, &config, &codebook, None, &control).unwrap();
    let mut syncs = 0;
    let probe = Probe::new(move |step| {
        syncs += usize::from(step == tinyquant_store::Step::Sync);
        (syncs == 3).then_some(0)
    });
    let layout = batch.layout().unwrap().clone();
    let path = peer.path("a.tqcv");
    let mut writer = TqcvWriter::create(&path, false, layout, b"", probe).unwrap();
    writer.append(&batch).unwrap();
    writer.finish().unwrap_err();
    assert!(!path.exists());
    let output = peer.try_run("verify .a.tqcv.partial");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("data too short"), "{said}");
}
