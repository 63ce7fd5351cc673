//! Times against the published crate `tinyquant-core` 1.1.0, alternating in one run, one thread.
//!
//! `cargo bench -p tinyquant-bench --bench peer` prints a table of medians and ratios and, given
//! `-- --record FILE`, writes them as JSON. `-- --test` runs everything once, for checks.

use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;
use tinyquant_bench::{Peer, rows};
use tinyquant_codec::{
    Codebook, CodecConfig, Control, Rotation, TrainMethod, compress, compress_batch, decompress,
    decompress_batch,
};
use tinyquant_kernels::Level;

/// Rows of a batch; the peer, which handles rows one by one, gets fewer.
const ROWS: usize = 960;
const PEER_ROWS: usize = 48;

struct Runner {
    repeats: usize,
    records: Vec<Value>,
}

impl Runner {
    /// Microseconds a unit of both functions: medians of alternating runs.
    fn pair(&self, own: &mut dyn FnMut() -> usize, peer: &mut dyn FnMut() -> usize) -> (f64, f64) {
        let time = |run: &mut dyn FnMut() -> usize| {
            let start = Instant::now();
            let units = run();
            start.elapsed().as_secs_f64() * 1e6 / units as f64
        };
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..self.repeats {
            a.push(time(own));
            b.push(time(peer));
        }
        (median(a), median(b))
    }

    #[allow(
        clippy::print_stdout,
        reason = "the table is the purpose of this program"
    )]
    fn report(&mut self, what: &str, (own, peer): (f64, f64)) {
        println!("{what:<58} {own:>10.1} {peer:>12.1} {:>8.1}x", peer / own);
        let ratio = (peer / own * 100.0).round() / 100.0;
        self.records
            .push(json!({ "what": what, "own_us": own, "peer_us": peer, "ratio": ratio }));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[allow(
    clippy::print_stdout,
    reason = "the table is the purpose of this program"
)]
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let repeats = if args.iter().any(|arg| arg == "--test") {
        1
    } else {
        9
    };
    let mut runner = Runner {
        repeats,
        records: Vec::new(),
    };
    println!(
        "{:<58} {:>10} {:>12} {:>9}",
        "microseconds a vector (or a matrix), one thread", "tinyquant", "core 1.1.0", "ratio"
    );
    for dimension in [384, 768, 1536] {
        bench_dimension(&mut runner, dimension);
    }
    if let Some(file) = args.iter().skip_while(|arg| *arg != "--record").nth(1) {
        let record = json!({
            "command": "cargo bench -p tinyquant-bench --bench peer",
            "cpu": cpu(), "threads": 1, "detected": Level::detect().name(), "repeats": repeats,
            "rows": ROWS, "peer_rows": PEER_ROWS, "results": runner.records,
        });
        std::fs::write(file, format!("{record:#}\n")).expect("the record can be written");
    }
}

fn bench_dimension(runner: &mut Runner, dimension: usize) {
    let control = Control::default();
    let vectors = rows(1, ROWS, dimension);
    let few = &vectors[..PEER_ROWS * dimension];
    let mut seed = 1_000;
    let (peer_config, peer_codebook) = Peer::trained(4, dimension, true, few);
    let times = runner.pair(
        &mut || {
            seed += 1;
            black_box(Rotation::shared(seed, dimension, &control).expect("a matrix"));
            1
        },
        &mut || {
            black_box(Peer::session(peer_config.clone(), peer_codebook.clone()));
            1
        },
    );
    runner.report(&format!("build matrix, D={dimension}"), times);
    for level in Level::supported().into_iter().rev() {
        tinyquant_kernels::force(Some(level)).expect("a supported level");
        for (bits, residual) in [(4, true), (4, false), (2, false), (8, true)] {
            if level == Level::Scalar && (bits, residual) != (4, true) {
                continue;
            }
            let config =
                CodecConfig::new(bits, 42, dimension as u32, residual).expect("a configuration");
            let codebook = Codebook::train(&vectors, &config, TrainMethod::TinyQuant, &control)
                .expect("a codebook");
            let batch =
                compress_batch(&vectors, &config, &codebook, None, &control).expect("a batch");
            let peer = Peer::new(bits, dimension, residual, &vectors);
            let records = peer.compress(few, dimension);
            let name = format!(
                "D={dimension}, {bits} bits{}, {}",
                if residual { " + residual" } else { "" },
                level.name()
            );
            let times = runner.pair(
                &mut || {
                    black_box(
                        compress_batch(&vectors, &config, &codebook, None, &control)
                            .expect("a batch"),
                    );
                    ROWS
                },
                &mut || {
                    black_box(peer.compress(few, dimension));
                    PEER_ROWS
                },
            );
            runner.report(&format!("compress batch, {name}"), times);
            let times = runner.pair(
                &mut || {
                    black_box(
                        decompress_batch(&batch, &config, &codebook, None, &control)
                            .expect("vectors"),
                    );
                    ROWS
                },
                &mut || {
                    black_box(peer.decompress(&records, dimension));
                    PEER_ROWS
                },
            );
            runner.report(&format!("decompress batch, {name}"), times);
            if (bits, residual) == (4, true) {
                let singles: Vec<_> = few.chunks_exact(dimension).collect();
                let times = runner.pair(
                    &mut || {
                        for row in &singles {
                            black_box(compress(row, &config, &codebook).expect("a record"));
                        }
                        PEER_ROWS
                    },
                    &mut || {
                        black_box(peer.compress(few, dimension));
                        PEER_ROWS
                    },
                );
                runner.report(&format!("compress one, {name}"), times);
                let own: Vec<_> = (0..PEER_ROWS).filter_map(|row| batch.record(row)).collect();
                let times = runner.pair(
                    &mut || {
                        for record in &own {
                            black_box(decompress(record, &config, &codebook).expect("a vector"));
                        }
                        PEER_ROWS
                    },
                    &mut || {
                        black_box(peer.decompress(&records, dimension));
                        PEER_ROWS
                    },
                );
                runner.report(&format!("decompress one, {name}"), times);
            }
        }
    }
    tinyquant_kernels::force(None).expect("the detected level");
}

/// Name of the processor, where the system tells it.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name| {
        info.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split(": ").nth(1))
    };
    let name = field("model name").unwrap_or(std::env::consts::ARCH);
    format!(
        "{name} family {} model {}",
        field("cpu family").unwrap_or("?"),
        field("model\t").unwrap_or("?")
    )
}
