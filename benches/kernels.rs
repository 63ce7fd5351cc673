//! Each kernel at each level of this CPU, in cache.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tinyquant_kernels::{Kernels, Level, PANEL, QuantTable, TILE, fused_error};
use tinyquant_testkit::seeded;

const K: usize = 768;

/// Levels that have codec kernels of their own.
fn levels() -> impl Iterator<Item = &'static Kernels> {
    let own = |level| Kernels::of(level).filter(|kernels| kernels.level() == level);
    Level::supported().into_iter().filter_map(own)
}

fn wide(seed: u64, count: usize) -> Vec<f64> {
    seeded::normal(seed, count, 0.03)
        .into_iter()
        .map(f64::from)
        .collect()
}

fn rotate(criterion: &mut Criterion) {
    let (tile, panels) = (wide(1, K * TILE), wide(2, K * 8 * PANEL));
    let mut group = criterion.benchmark_group("rotate");
    group.throughput(Throughput::Elements((K * TILE * PANEL) as u64));
    for kernels in levels() {
        let mut out = vec![0.0; TILE * PANEL];
        let errors = [fused_error(K, 1.0); TILE];
        group.bench_function(
            BenchmarkId::new("tile", kernels.level().name()),
            |bencher| {
                let panel = &panels[..K * PANEL];
                bencher.iter(|| {
                    kernels.tile_round(black_box(&tile), panel, &errors, &mut out, PANEL, 0..PANEL);
                });
            },
        );
    }
    group.throughput(Throughput::Elements((K * 8 * PANEL) as u64));
    for kernels in levels() {
        let mut out = vec![0.0; 8 * PANEL];
        group.bench_function(
            BenchmarkId::new("one vector", kernels.level().name()),
            |bencher| {
                bencher.iter(|| kernels.matvec(black_box(&tile[..K]), &panels, &mut out));
            },
        );
    }
}

fn code(criterion: &mut Criterion) {
    let row = seeded::normal(3, K, 1.0);
    for bits in [2, 4, 8] {
        let levels_of = 1_usize << bits;
        let entries: Vec<f32> = (0..levels_of)
            .map(|k| (k as f32 + 0.5) / levels_of as f32 * 6.0 - 3.0)
            .collect();
        let mut thresholds = vec![f32::NEG_INFINITY];
        thresholds.extend(
            entries
                .windows(2)
                .map(|pair| f32::midpoint(pair[0], pair[1])),
        );
        let table = QuantTable::new(bits, &entries, &thresholds);
        let mut group = criterion.benchmark_group(format!("{bits} bits"));
        group.throughput(Throughput::Elements(K as u64));
        for kernels in levels() {
            let name = kernels.level().name();
            let mut indices = vec![0; K];
            let mut residual = vec![0; 2 * K];
            let mut packed = vec![0; K * usize::from(bits) / 8];
            let mut out = vec![0.0; K];
            group.bench_function(BenchmarkId::new("quantize", name), |bencher| {
                bencher.iter(|| kernels.quantize(&table, black_box(&row), &mut indices));
            });
            group.bench_function(BenchmarkId::new("pack", name), |bencher| {
                bencher.iter(|| kernels.pack(bits, black_box(&indices), &mut packed));
            });
            group.bench_function(BenchmarkId::new("residual", name), |bencher| {
                bencher.iter(|| kernels.residual(&table, black_box(&row), &indices, &mut residual));
            });
            group.bench_function(BenchmarkId::new("dequantize", name), |bencher| {
                bencher.iter(|| {
                    kernels.dequantize(&table, black_box(&indices), Some(&residual), &mut out);
                });
            });
        }
    }
}

fn dot(criterion: &mut Criterion) {
    let (query, blocks) = (
        seeded::normal(4, K, 0.03),
        seeded::normal(5, K * 8 * PANEL, 0.03),
    );
    let mut group = criterion.benchmark_group("dot");
    group.throughput(Throughput::Elements((K * 8 * PANEL) as u64));
    for kernels in levels() {
        let mut out = vec![0.0; 8 * PANEL];
        group.bench_function(
            BenchmarkId::new("128 vectors", kernels.level().name()),
            |bencher| {
                bencher.iter(|| kernels.dot_blocks(black_box(&query), &blocks, &mut out));
            },
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_millis(400)).warm_up_time(std::time::Duration::from_millis(100));
    targets = rotate, code, dot
}
criterion_main!(benches);
