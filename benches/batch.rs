//! Time of one batch of 1,000 vectors in Rust, on a pool as large as the addon's. `node/overhead.mjs` compares
//! it with the same batch through Node. Prints one line of JSON: median milliseconds a dimension.

use serde_json::{Map, json};
use std::hint::black_box;
use std::time::Instant;
use tinyquant_bench::rows;
use tinyquant_codec::{
    Codebook, CodecConfig, Control, Rotation, TrainMethod, compress_batch, decompress_batch,
};

const ROWS: usize = 1_000;

#[allow(
    clippy::print_stdout,
    reason = "the figures are the purpose of this program"
)]
fn main() {
    let repeats = if std::env::args().any(|arg| arg == "--test") {
        1
    } else {
        41
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool");
    let control = Control::default();
    let mut results = Map::new();
    for dimension in [384, 768, 1536] {
        let vectors = rows(1, ROWS, dimension);
        let config = CodecConfig::new(4, 42, dimension as u32, true).expect("a configuration");
        let codebook = Codebook::train(&vectors, &config, TrainMethod::TinyQuant, &control)
            .expect("a codebook");
        // The matrix is built once a process, not once a batch.
        Rotation::shared(42, dimension, &control).expect("a matrix");
        let (mut compress, mut decompress) = (Vec::new(), Vec::new());
        for _ in 0..repeats {
            let start = Instant::now();
            let batch = compress_batch(&vectors, &config, &codebook, Some(&pool), &control)
                .expect("a batch");
            compress.push(start.elapsed().as_secs_f64() * 1e3);
            let start = Instant::now();
            black_box(
                decompress_batch(&batch, &config, &codebook, Some(&pool), &control)
                    .expect("vectors"),
            );
            decompress.push(start.elapsed().as_secs_f64() * 1e3);
        }
        for list in [&mut compress, &mut decompress] {
            list.sort_by(f64::total_cmp);
        }
        let median = |list: &[f64]| list[list.len() / 2];
        let result = json!({ "compress": median(&compress), "decompress": median(&decompress) });
        results.insert(dimension.to_string(), result);
    }
    println!("{}", json!(results));
}
