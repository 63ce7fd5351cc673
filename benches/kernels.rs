//! Each kernel at each level of this CPU, in cache.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tinyquant_kernels::{
    CodePlan, CodeQuery, CodedBlocks, CodedRows, FactorCode, Kernels, LANES, Level, PANEL,
    QuantTable, ScanKernels, TILE, UNIT, fused_error,
};
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

/// Blocks of a scan, about as many as a partition has.
const BLOCKS: usize = 8;

/// Codes of the search index: a scan of two units of each width, and whole rows in an order that is not theirs.
fn scan(criterion: &mut Criterion) {
    let factor = FactorCode {
        base: 1.0_f32.to_bits(),
        shift: 16,
    };
    for bits in [1, 2, 3, 4, 8] {
        let plan = CodePlan::new(&[(2, bits), (4, bits)], vec![factor; 2], 2, false);
        let rows = BLOCKS * LANES;
        let bytes = |seed, len| -> Vec<u8> {
            let values = seeded::normal(seed, len, 50.0);
            values.into_iter().map(|value| value as i8 as u8).collect()
        };
        let lead = bytes(6, BLOCKS * plan.lead_bytes());
        let factors = vec![128; BLOCKS * plan.factor_bytes()];
        let tails = bytes(7, rows * plan.tail_bytes());
        let queries: Vec<_> = (0..4)
            .map(|seed| {
                let values = seeded::normal(seed, 6 * UNIT, 1.0);
                CodeQuery::new(&plan, &values, 0.0, 1.0, 0.0)
            })
            .collect();
        let wanted: Vec<(&CodeQuery, f32)> = queries.iter().map(|query| (query, 1e9)).collect();
        let mut group = criterion.benchmark_group(format!("scan, {bits} bits"));
        for kernels in Level::supported().into_iter().filter_map(ScanKernels::of) {
            let name = kernels.level().name();
            for wanted in [&wanted[..1], &wanted] {
                let mut scores = vec![0.0; wanted.len() * rows];
                let mut masks = vec![0; wanted.len() * BLOCKS];
                let blocks = CodedBlocks {
                    lead: &lead,
                    factors: &factors,
                    next: &[],
                };
                let products = wanted.len() * rows * 2 * UNIT;
                group.throughput(Throughput::Elements(products as u64));
                let id = BenchmarkId::new(format!("queries/{}", wanted.len()), name);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| {
                        kernels.scan(&plan, black_box(blocks), wanted, &mut scores, &mut masks);
                    });
                });
            }
            let from = CodedRows {
                lead: &lead,
                factors: &factors,
                tails: &tails,
                rows,
            };
            let order: Vec<u32> = (0..rows as u32).map(|row| row * 37 % rows as u32).collect();
            let mut scores = vec![0.0; rows];
            group.throughput(Throughput::Elements((rows * 6 * UNIT) as u64));
            group.bench_function(BenchmarkId::new("rows", name), |bencher| {
                bencher.iter(|| {
                    kernels.score_rows(&plan, &queries[0], black_box(from), &order, &mut scores);
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_millis(400)).warm_up_time(std::time::Duration::from_millis(100));
    targets = rotate, code, dot, scan
}
criterion_main!(benches);
