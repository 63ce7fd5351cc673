//! What would be smaller or more exact than the paper's codec, measured beside it.

use std::collections::BTreeSet;
use tinyquant_codec::Control;
use tinyquant_family::turboquant::{
    Codebook, MseCodec, ProdCodec, QuantizedRows, RowCodec, SketchKind,
};
use tinyquant_kernels::{f16_to_f32, f32_to_f16};
use tinyquant_testkit::seeded;

const HEADER: usize = 32;

fn control() -> Control<'static> {
    Control::default()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Mean squared distance of the scores of rows from the true inner products.
fn noise(codec: &RowCodec, quantized: &QuantizedRows, rows: &[f32], queries: &[f32]) -> f64 {
    let dim = codec.spec().dim();
    let scores = codec.score(queries, quantized, &control()).unwrap();
    let mut sum = 0.0;
    let by_query = queries
        .chunks_exact(dim)
        .zip(scores.chunks_exact(quantized.len()));
    for (query, scores) in by_query {
        for (row, score) in rows.chunks_exact(dim).zip(scores) {
            sum += (f64::from(*score) - dot(query, row)).powi(2);
        }
    }
    sum / scores.len() as f64
}

/// Rows with other norms and other lengths of residuals.
fn changed(
    rows: &QuantizedRows,
    norm: impl Fn(f32) -> f32,
    residual: impl Fn(f32) -> f32,
) -> QuantizedRows {
    let mut bytes = rows.to_bytes();
    let norms = rows.norms().iter().map(|value| norm(*value));
    let residuals = rows.residual_norms().iter().map(|value| residual(*value));
    let places = bytes[HEADER..].as_chunks_mut::<4>().0;
    for (place, value) in places.iter_mut().zip(norms.chain(residuals)) {
        *place = value.to_le_bytes();
    }
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    QuantizedRows::from_bytes(&bytes).unwrap()
}

fn half(value: f32) -> f32 {
    f16_to_f32(f32_to_f16(value))
}

#[test]
fn half_norms_and_a_constant_residual_cost_next_to_nothing() {
    for (dim, most) in [(128, 1.01), (768, 1.003)] {
        let rows = seeded::normal(1, 3000 * dim, 1.0);
        let queries = seeded::normal(2, 24 * dim, 1.0);
        let codec = ProdCodec::new(dim, 4, 5, SketchKind::Gaussian).unwrap();
        let quantized = codec.quantize(&rows, &control()).unwrap();
        let plain = noise(&codec, &quantized, &rows, &queries);
        let halves = changed(&quantized, half, half);
        let ratio = noise(&codec, &halves, &rows, &queries) / plain;
        println!("dim {dim}: half norms {ratio:.5}");
        assert!((ratio - 1.0).abs() < 0.001, "{dim}: {ratio}");
        let constant = Codebook::exact(dim, 3).unwrap().distortion().sqrt() as f32;
        let without = changed(&quantized, |norm| norm, |_| constant);
        let ratio = noise(&codec, &without, &rows, &queries) / plain;
        println!("dim {dim}: constant residual {ratio:.5}");
        assert!((0.999..most).contains(&ratio), "{dim}: {ratio}");
    }
}

/// The `k` largest of some scores; the lower row where they are equal.
fn top(scores: &[f32], k: usize) -> BTreeSet<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    order.into_iter().take(k).collect()
}

#[test]
fn unbiased_levels_find_more_of_the_true_best_than_a_sketch() {
    let (dim, count, asked, k) = (200, 20_000, 50, 10);
    // Directions of ever less spread, as those of embeddings are.
    let spectrum = |mut rows: Vec<f32>| {
        for row in rows.chunks_exact_mut(dim) {
            for (j, value) in row.iter_mut().enumerate() {
                *value /= (1.0 + j as f32).sqrt();
            }
            let length = dot(row, row).sqrt();
            for value in row {
                *value = (f64::from(*value) / length) as f32;
            }
        }
        rows
    };
    let rows = spectrum(seeded::normal(3, count * dim, 1.0));
    let queries = spectrum(seeded::normal(4, asked * dim, 1.0));
    let truth: Vec<BTreeSet<usize>> = queries
        .chunks_exact(dim)
        .map(|query| {
            let scores: Vec<f32> = rows
                .chunks_exact(dim)
                .map(|row| dot(query, row) as f32)
                .collect();
            top(&scores, k)
        })
        .collect();
    let recall = |codec: &RowCodec| {
        let quantized = codec.quantize(&rows, &control()).unwrap();
        let scores = codec.score(&queries, &quantized, &control()).unwrap();
        let found = truth.iter().zip(scores.chunks_exact(count));
        let hits: usize = found
            .map(|(truth, scores)| truth.intersection(&top(scores, k)).count())
            .sum();
        hits as f64 / (asked * k) as f64
    };
    let mut before = 0.0;
    for bits in 2..=4 {
        let unbiased = recall(&MseCodec::new(dim, bits, 42, true).unwrap());
        let sketched = recall(&ProdCodec::new(dim, bits, 42, SketchKind::Gaussian).unwrap());
        let rotated = recall(&ProdCodec::new(dim, bits, 42, SketchKind::Rotation).unwrap());
        println!(
            "{bits} bits: recall {unbiased:.3} unbiased, {sketched:.3} sketched, {rotated:.3} sketched by a rotation"
        );
        assert!(unbiased > sketched + 0.06, "{bits}: {unbiased} {sketched}");
        assert!(rotated > sketched, "{bits}: {rotated} {sketched}");
        assert!(unbiased > before, "{bits}: {unbiased} {before}");
        before = unbiased;
    }
    assert!(before > 0.88, "{before}");
}
