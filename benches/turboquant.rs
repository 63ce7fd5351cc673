//! TurboQuant on one thread, and beside it the plain way: a dense matrix product and a search among the boundaries for
//! each coordinate. No published implementation could be had to compare with.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tinyquant_codec::{Control, Rotation};
use tinyquant_family::turboquant::{
    Attend, Codebook, KvCache, KvCacheConfig, Method, MseCodec, ProdCodec, RowCodec, SketchKind,
};
use tinyquant_testkit::seeded;

const DIM: usize = 128;
const BITS: u8 = 4;
const ROWS: usize = 16_384;
const UNBIASED: Method = Method::Mse { unbiased: true };

fn control() -> Control<'static> {
    Control::default()
}

/// Levels and two dense matrices, as a straightforward program has them.
struct Plain {
    rotation: Vec<f32>,
    sketch: Option<Vec<f32>>,
    levels: Vec<f32>,
    boundaries: Vec<f32>,
}

impl Plain {
    fn new(bits: u8, has_sketch: bool) -> Self {
        let codebook = Codebook::new(DIM, bits).expect("bits of a codebook");
        let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
        let rotation = Rotation::shared(42, DIM, &control()).expect("a matrix");
        let rotation = rotation.to_row_major().expect("memory");
        Self {
            rotation: narrow(&rotation),
            sketch: has_sketch.then(|| seeded::normal(43, DIM * DIM, 1.0)),
            levels: narrow(codebook.centroids()),
            boundaries: narrow(codebook.boundaries()),
        }
    }

    /// Codes rows one by one; the products sum eight partial sums, which compilers turn into vectors.
    fn encode(&self, rows: &[f32], norms: &mut [f32], codes: &mut [u8], signs: &mut [u8]) {
        let whole = (DIM as f32).sqrt();
        let mut row_codes = [0; DIM];
        for (at, row) in rows.chunks_exact(DIM).enumerate() {
            let norm = product(row, row).sqrt();
            norms[at] = norm;
            let mut left = [0.0; DIM];
            for ((code, left), axis) in row_codes
                .iter_mut()
                .zip(&mut left)
                .zip(self.rotation.chunks_exact(DIM))
            {
                let value = product(row, axis) * (whole / norm);
                let index = self
                    .boundaries
                    .partition_point(|boundary| *boundary < value);
                *code = index as u8;
                *left = value - self.levels[index];
            }
            for (byte, pair) in codes[at * DIM / 2..]
                .iter_mut()
                .zip(row_codes.as_chunks::<2>().0)
            {
                *byte = pair[0] | pair[1] << 4;
            }
            if let Some(sketch) = &self.sketch {
                let bytes = signs[at * DIM / 8..].iter_mut();
                for (byte, axes) in bytes.zip(sketch.chunks_exact(8 * DIM)) {
                    *byte = 0;
                    for (bit, axis) in axes.chunks_exact(DIM).enumerate() {
                        *byte |= u8::from(product(&left, axis) >= 0.0) << bit;
                    }
                }
            }
        }
    }
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

fn codecs() -> [(&'static str, RowCodec); 4] {
    let codec = |method| {
        let spec = tinyquant_family::turboquant::RowsSpec::new(DIM, BITS, 42, method);
        RowCodec::new(spec.expect("a codec")).expect("memory")
    };
    let sketch = |sketch| Method::Prod { sketch };
    [
        ("mse", codec(Method::Mse { unbiased: false })),
        ("mse, unbiased", codec(UNBIASED)),
        ("prod", codec(sketch(SketchKind::Gaussian))),
        ("prod, rotation sketch", codec(sketch(SketchKind::Rotation))),
    ]
}

/// Vectors a second.
fn encode(criterion: &mut Criterion) {
    let rows = seeded::normal(1, ROWS * DIM, 1.0);
    let mut group = criterion.benchmark_group("turboquant/encode");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, codec) in codecs() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| codec.quantize(black_box(&rows), &control()));
        });
    }
    for (name, bits, has_sketch) in [("plain mse", BITS, false), ("plain prod", BITS - 1, true)] {
        let plain = Plain::new(bits, has_sketch);
        let (mut norms, mut codes) = (vec![0.0; ROWS], vec![0; ROWS * DIM / 2]);
        let mut signs = vec![0; ROWS * DIM / 8];
        group.bench_function(name, |bencher| {
            bencher.iter(|| plain.encode(black_box(&rows), &mut norms, &mut codes, &mut signs));
        });
    }
    for dim in [64, 384, 768] {
        let count = ROWS * DIM / dim;
        group.throughput(Throughput::Elements(count as u64));
        let mse = MseCodec::new(dim, BITS, 42, true).expect("a codec");
        let prod = ProdCodec::new(dim, BITS, 42, SketchKind::Gaussian).expect("a codec");
        for (name, codec) in [("mse, unbiased", &*mse), ("prod", &*prod)] {
            group.bench_function(BenchmarkId::new(name, dim), |bencher| {
                bencher.iter(|| codec.quantize(black_box(&rows[..count * dim]), &control()));
            });
        }
    }
}

/// Vectors a second.
fn decode(criterion: &mut Criterion) {
    let rows = seeded::normal(2, ROWS * DIM, 1.0);
    let mut group = criterion.benchmark_group("turboquant/decode");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, codec) in codecs() {
        let rows = codec.quantize(&rows, &control()).expect("finite rows");
        group.bench_function(name, |bencher| {
            bencher.iter(|| codec.dequantize(black_box(&rows), &control()));
        });
    }
}

/// Pairs of a query and a row a second.
fn score(criterion: &mut Criterion) {
    let rows = seeded::normal(3, ROWS * DIM, 1.0);
    let queries = seeded::normal(4, 16 * DIM, 1.0);
    let mut group = criterion.benchmark_group("turboquant/score");
    for count in [1, 16] {
        group.throughput(Throughput::Elements((count * ROWS) as u64));
        let queries = &queries[..count * DIM];
        for (name, codec) in codecs() {
            let rows = codec.quantize(&rows, &control()).expect("finite rows");
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| codec.score(black_box(queries), &rows, &control()));
            });
        }
        let mut scores = vec![0.0; count * ROWS];
        group.bench_function(BenchmarkId::new("f32", count), |bencher| {
            bencher.iter(|| {
                let queries = black_box(queries).chunks_exact(DIM);
                for (query, scores) in queries.zip(scores.chunks_exact_mut(ROWS)) {
                    for (row, score) in rows.chunks_exact(DIM).zip(scores) {
                        *score = product(query, row);
                    }
                }
            });
        });
    }
}

/// Pairs of a query and a token a second: one new token of 32 heads that read 8.
fn attend(criterion: &mut Criterion) {
    const TOKENS: usize = 2048;
    let given = seeded::normal(5, 8 * TOKENS * DIM, 1.0);
    let queries = seeded::normal(6, 32 * DIM, 1.0);
    let mut group = criterion.benchmark_group("turboquant/attend");
    group.throughput(Throughput::Elements(32 * TOKENS as u64));
    let usual = KvCacheConfig::new(8, DIM, BITS, BITS);
    let unbiased = KvCacheConfig {
        keys: UNBIASED,
        ..usual
    };
    let options = Attend {
        query_heads: 32,
        ..Attend::default()
    };
    for (name, config) in [("prod keys", usual), ("unbiased keys", unbiased)] {
        let mut cache = KvCache::new(config).expect("a cache");
        cache.append(&given, &given, &control()).expect("tokens");
        group.bench_function(name, |bencher| {
            bencher.iter(|| cache.attend(black_box(&queries), &options, &control()));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(1)).warm_up_time(std::time::Duration::from_millis(300));
    targets = encode, decode, score, attend
}
criterion_main!(benches);
