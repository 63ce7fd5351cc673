//! Training and encoding of weights, each with a plain form of the published method as the peer: a start from quantiles,
//! one search a value, one bit at a time, GPTQ without blocks, n-grams in hash maps.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::HashMap;
use std::hint::black_box;
use tinyquant_codec::Control;
use tinyquant_family::weights::{
    CodebookOptions, Curvature, GptqOptions, GridCodes, Levels, NgramCache, ProductOptions,
    ProductQuantizer, gptq, pack, train_codebook,
};
use tinyquant_testkit::seeded;

const VALUES: usize = 1 << 19;
const LEVELS: usize = 256;
/// Rounds of the plain training; its error is still several times ours.
const PLAIN_ROUNDS: usize = 10;

/// Index of the nearest level by one binary search.
fn plain_code(levels: &[f32], value: f32) -> u8 {
    let above = levels.partition_point(|level| *level < value);
    match above {
        0 => 0,
        above if above == levels.len() => (above - 1) as u8,
        above if levels[above] - value < value - levels[above - 1] => above as u8,
        above => (above - 1) as u8,
    }
}

/// Lloyd's iteration over all values from quantiles.
fn plain_training(values: &[f32]) -> Vec<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let quantile = |k: usize| sorted[(2 * k + 1) * sorted.len() / (2 * LEVELS)];
    let mut levels: Vec<f32> = (0..LEVELS).map(quantile).collect();
    for _ in 0..PLAIN_ROUNDS {
        let (mut sums, mut sizes) = (vec![0.0_f64; LEVELS], vec![0_usize; LEVELS]);
        for value in values {
            let code = usize::from(plain_code(&levels, *value));
            sums[code] += f64::from(*value);
            sizes[code] += 1;
        }
        for ((level, sum), size) in levels.iter_mut().zip(sums).zip(sizes) {
            if size > 0 {
                *level = (sum / size as f64) as f32;
            }
        }
    }
    levels
}

fn codebooks(criterion: &mut Criterion) {
    let values = seeded::normal(1, VALUES, 1.0);
    let control = Control::default();
    let mut group = criterion.benchmark_group("weights/train 256 levels");
    group
        .throughput(Throughput::Elements(VALUES as u64))
        .sample_size(10);
    let options = CodebookOptions::default();
    group.bench_function("tinyquant", |bencher| {
        bencher.iter(|| train_codebook(black_box(&values), &options, &control).expect("levels"));
    });
    group.bench_function("plain, 10 rounds", |bencher| {
        bencher.iter(|| plain_training(black_box(&values)));
    });
    group.finish();

    let mut group = criterion.benchmark_group("weights/encode");
    group.throughput(Throughput::Elements(VALUES as u64));
    for count in [16, 64, 256] {
        let options = CodebookOptions {
            levels: count,
            ..CodebookOptions::default()
        };
        let trained = train_codebook(&values, &options, &control)
            .expect("levels")
            .levels;
        let levels = Levels::new(&trained).expect("levels");
        group.bench_function(BenchmarkId::new("tinyquant", count), |bencher| {
            bencher.iter(|| levels.encode(black_box(&values)).expect("codes"));
        });
        group.bench_function(BenchmarkId::new("plain", count), |bencher| {
            bencher.iter(|| -> Vec<u8> {
                black_box(&values)
                    .iter()
                    .map(|value| plain_code(&trained, *value))
                    .collect()
            });
        });
    }
    group.finish();
}

fn packing(criterion: &mut Criterion) {
    let codes: Vec<u8> = (0..VALUES).map(|i| (i * 37 % 64) as u8).collect();
    let mut group = criterion.benchmark_group("weights/pack 6 bits");
    group.throughput(Throughput::Elements(VALUES as u64));
    group.bench_function("tinyquant", |bencher| {
        bencher.iter(|| pack(black_box(&codes), 6, false).expect("bytes"));
    });
    group.bench_function("plain", |bencher| {
        bencher.iter(|| {
            let mut bytes = vec![0_u8; VALUES * 6 / 8];
            for (i, code) in black_box(&codes).iter().enumerate() {
                for k in 0..6 {
                    bytes[(6 * i + k) / 8] |= (code >> k & 1) << ((6 * i + k) % 8);
                }
            }
            bytes
        });
    });
    group.finish();
}

/// Codes of a product quantizer by the distance from each centroid.
fn plain_product(quantizer: &ProductQuantizer, vectors: &[f32]) -> Vec<u8> {
    let (dim, parts) = (quantizer.dim(), quantizer.parts());
    let (width, count) = (dim / parts, quantizer.centroids());
    let mut codes = Vec::with_capacity(vectors.len() / width);
    for vector in vectors.chunks_exact(dim) {
        for (part, values) in vector.chunks_exact(width).enumerate() {
            let codebook = &quantizer.codebooks()[part * count * width..][..count * width];
            let (mut best, mut least) = (0, f32::INFINITY);
            for (k, centroid) in codebook.chunks_exact(width).enumerate() {
                let apart: f32 = values
                    .iter()
                    .zip(centroid)
                    .map(|(a, b)| (a - b) * (a - b))
                    .sum();
                if apart < least {
                    (best, least) = (k, apart);
                }
            }
            codes.push(best as u8);
        }
    }
    codes
}

fn products(criterion: &mut Criterion) {
    let (dim, rows) = (384, 2_000);
    let vectors = seeded::normal(2, rows * dim, 1.0);
    let control = Control::default();
    let mut group = criterion.benchmark_group("weights/product, 384 in 48 parts");
    group
        .throughput(Throughput::Elements(rows as u64))
        .sample_size(10);
    let options = ProductOptions {
        parts: 48,
        centroids: 256,
        rounds: 5,
        tolerance: 0.0,
        seed: 42,
    };
    group.bench_function("train, 5 rounds", |bencher| {
        bencher.iter(|| {
            ProductQuantizer::train(black_box(&vectors), dim, &options, &control)
                .expect("codebooks")
        });
    });
    let quantizer = ProductQuantizer::train(&vectors, dim, &options, &control).expect("codebooks");
    group.bench_function("encode, tinyquant", |bencher| {
        bencher.iter(|| {
            quantizer
                .encode(black_box(&vectors), &control)
                .expect("codes")
        });
    });
    group.bench_function("encode, plain", |bencher| {
        bencher.iter(|| plain_product(&quantizer, black_box(&vectors)));
    });
    group.finish();
}

/// The lower triangular factor of a positive definite matrix.
fn plain_cholesky(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let mut sum = matrix[i * n + j];
            for k in 0..j {
                sum -= lower[i * n + k] * lower[j * n + k];
            }
            lower[i * n + j] = if i == j {
                sum.sqrt()
            } else {
                sum / lower[j * n + j]
            };
        }
    }
    lower
}

/// The inverse of a positive definite matrix, column after column.
fn plain_inverse(matrix: &[f64], n: usize) -> Vec<f64> {
    let lower = plain_cholesky(matrix, n);
    let mut inverse = vec![0.0; n * n];
    for c in 0..n {
        let mut x = vec![0.0; n];
        for i in 0..n {
            let sum: f64 = (0..i).map(|k| lower[i * n + k] * x[k]).sum();
            x[i] = (f64::from(u8::from(i == c)) - sum) / lower[i * n + i];
        }
        for i in (0..n).rev() {
            let sum: f64 = (i + 1..n).map(|k| lower[k * n + i] * x[k]).sum();
            x[i] = (x[i] - sum) / lower[i * n + i];
        }
        for i in 0..n {
            inverse[i * n + c] = x[i];
        }
    }
    inverse
}

/// GPTQ as published, column after column: the Hessian, its inverse, the factor of that, and four bits a weight.
fn plain_gptq(weights: &[f32], cols: usize, inputs: &[f32]) -> Vec<i8> {
    let count = (inputs.len() / cols) as f64;
    let mut hessian = vec![0.0; cols * cols];
    for input in inputs.chunks_exact(cols) {
        for i in 0..cols {
            for j in 0..cols {
                hessian[i * cols + j] += 2.0 / count * f64::from(input[i]) * f64::from(input[j]);
            }
        }
    }
    let mean = (0..cols).map(|i| hessian[i * (cols + 1)]).sum::<f64>() / cols as f64;
    for i in 0..cols {
        hessian[i * (cols + 1)] += 0.01 * mean;
    }
    let factor = plain_cholesky(&plain_inverse(&hessian, cols), cols);
    let mut codes = Vec::with_capacity(weights.len());
    for row in weights.chunks_exact(cols) {
        let mut row: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
        let scale = row
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()))
            / 7.0;
        for j in 0..cols {
            let code = (row[j] / scale).round().clamp(-7.0, 7.0);
            codes.push(code as i8);
            let error = (row[j] - code * scale) / factor[j * (cols + 1)];
            for k in j + 1..cols {
                row[k] -= error * factor[k * cols + j];
            }
        }
    }
    codes
}

fn corrections(criterion: &mut Criterion) {
    let (rows, cols) = (384, 384);
    let weights = seeded::normal(3, rows * cols, 1.0);
    let inputs = seeded::normal(4, 4 * cols * cols, 1.0);
    let control = Control::default();
    let mut group = criterion.benchmark_group("weights/4 bits, 384 x 384");
    group
        .throughput(Throughput::Elements((rows * cols) as u64))
        .sample_size(10);
    let options = GptqOptions::default();
    group.bench_function("tinyquant gptq, 1536 inputs", |bencher| {
        bencher.iter(|| {
            gptq(
                &weights,
                rows,
                cols,
                Curvature::Inputs(black_box(&inputs)),
                &options,
                &control,
            )
            .expect("codes")
        });
    });
    let found = gptq(
        &weights,
        rows,
        cols,
        Curvature::Inputs(&inputs),
        &options,
        &control,
    )
    .expect("codes");
    let plain = plain_gptq(&weights, cols, &inputs);
    let apart = plain.iter().zip(&found.codes.codes);
    let apart = apart.filter(|(a, b)| a != b).count();
    assert!(apart * 1000 < rows * cols, "{apart} codes differ");
    group.bench_function("plain gptq, 1536 inputs", |bencher| {
        bencher.iter(|| plain_gptq(&weights, cols, black_box(&inputs)));
    });
    group.bench_function("rounding", |bencher| {
        bencher.iter(|| GridCodes::round(black_box(&weights), rows, cols, 7, 0).expect("codes"));
    });
    group.finish();
}

/// Scores by the same formula, from one hash map of contexts.
fn plain_scores(order: usize, tokens: &[u32]) -> Vec<f64> {
    let mut contexts: HashMap<&[u32], (u32, HashMap<u32, u32>)> = HashMap::new();
    let mut scores = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        let mut p = 1.0 / 256.0;
        for k in 0..order.min(at + 1) {
            let Some((total, counts)) = contexts.get(&tokens[at - k..at]) else {
                break;
            };
            let count = counts.get(token).copied().unwrap_or(0);
            p = (f64::from(count) + p) / (f64::from(*total) + 1.0);
        }
        scores.push(p.ln());
        for k in 0..order.min(at + 1) {
            let (total, counts) = contexts.entry(&tokens[at - k..at]).or_default();
            *total += 1;
            *counts.entry(*token).or_default() += 1;
        }
    }
    scores
}

fn ngrams(criterion: &mut Criterion) {
    let mut state = 1_u32;
    let tokens: Vec<u32> = (0..100_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24).min(state >> 8 & 255)
        })
        .collect();
    let mut group = criterion.benchmark_group("weights/n-grams of 5");
    group
        .throughput(Throughput::Elements(tokens.len() as u64))
        .sample_size(10);
    let mut cache = NgramCache::new(5, 256, 1.0).expect("a cache");
    let found = cache.score_and_update(&[], &tokens, None, &Control::default());
    for (a, b) in found.expect("scores").iter().zip(plain_scores(5, &tokens)) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }
    group.bench_function("plain", |bencher| {
        bencher.iter(|| plain_scores(5, black_box(&tokens)));
    });
    group.bench_function("tinyquant", |bencher| {
        bencher.iter(|| {
            let mut cache = NgramCache::new(5, 256, 1.0).expect("a cache");
            cache
                .score_and_update(&[], black_box(&tokens), None, &Control::default())
                .expect("scores")
        });
    });
    group.finish();
}

criterion_group!(benches, codebooks, packing, products, corrections, ngrams);
criterion_main!(benches);
