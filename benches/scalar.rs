//! Scalar embeddings beside lnmp-quant 0.5.16, in one run: one vector at a time, in cache, on one thread.
//!
//! The peer's calls return new vectors; ours write into a buffer of the caller, or return one as `owned`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lnmp_embedding::Vector;
use lnmp_quant::{QuantScheme, dequantize_embedding, quantize_embedding};
use std::hint::black_box;
use tinyquant_codec::Control;
use tinyquant_family::scalar::{
    Mode, QuantizedView, Reading, RowBits, Scheme, Side, cosine, quantize, quantize_into,
    quantize_rows,
};
use tinyquant_testkit::seeded;

const SCHEMES: [(Scheme, QuantScheme, &str); 4] = [
    (Scheme::QInt8, QuantScheme::QInt8, "qint8"),
    (Scheme::QInt4, QuantScheme::QInt4, "qint4"),
    (Scheme::Binary, QuantScheme::Binary, "binary"),
    (Scheme::Fp16, QuantScheme::FP16Passthrough, "fp16"),
];

fn scalar(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scalar");
    for dim in [512_usize, 1536] {
        let values = seeded::normal(1, dim, 0.05);
        let given = Vector::from_f32(values.clone());
        group.throughput(Throughput::Elements(dim as u64));
        for (scheme, peer, name) in SCHEMES {
            // The bench is a test as well: both give the same codes.
            let own = quantize(&values, scheme, Mode::Compat).unwrap();
            let theirs = quantize_embedding(&given, peer).unwrap();
            assert_eq!(own.data(), theirs.data);

            let id = |who: &str| BenchmarkId::new(format!("{name}/quantize/{who}"), dim);
            group.bench_function(id("lnmp-quant"), |bencher| {
                bencher.iter(|| quantize_embedding(black_box(&given), peer).unwrap());
            });
            let mut codes = vec![0; scheme.data_len(dim)];
            for (mode, who) in [
                (Mode::Accurate, "tinyquant"),
                (Mode::Compat, "tinyquant compat"),
            ] {
                group.bench_function(id(who), |bencher| {
                    bencher.iter(|| {
                        quantize_into(black_box(&values), scheme, mode, &mut codes).unwrap()
                    });
                });
            }
            group.bench_function(id("tinyquant owned"), |bencher| {
                bencher.iter(|| quantize(black_box(&values), scheme, Mode::Accurate).unwrap());
            });

            let id = |who: &str| BenchmarkId::new(format!("{name}/dequantize/{who}"), dim);
            group.bench_function(id("lnmp-quant"), |bencher| {
                bencher.iter(|| dequantize_embedding(black_box(&theirs)).unwrap());
            });
            let view: QuantizedView<'_> = own.view();
            let mut out = vec![0.0; dim];
            group.bench_function(id("tinyquant"), |bencher| {
                bencher.iter(|| {
                    let view = black_box(&view);
                    view.dequantize_into(Reading::AsStored, &mut out).unwrap();
                });
            });
        }
    }
}

fn similarity(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scalar similarity");
    let (a, b) = (seeded::normal(2, 512, 0.05), seeded::normal(3, 512, 0.05));
    group.throughput(Throughput::Elements(512));
    let (left, right) = (Vector::from_f32(a.clone()), Vector::from_f32(b.clone()));
    group.bench_function("lnmp-embedding f32 cosine", |bencher| {
        let cosine = lnmp_embedding::SimilarityMetric::Cosine;
        bencher.iter(|| black_box(&left).similarity(&right, cosine).unwrap());
    });
    for (scheme, _, name) in SCHEMES {
        let left = quantize(&a, scheme, Mode::Accurate).unwrap();
        let right = quantize(&b, scheme, Mode::Accurate).unwrap();
        group.bench_function(format!("{name} cosine"), |bencher| {
            bencher.iter(|| {
                cosine(
                    Side::Codes(black_box(left.view())),
                    Side::Codes(right.view()),
                )
                .unwrap()
            });
        });
    }
}

fn rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scalar rows");
    let matrix = seeded::normal(4, 256 * 1024, 1.0);
    group.throughput(Throughput::Elements(matrix.len() as u64));
    for bits in [RowBits::Eight, RowBits::Six] {
        group.bench_function(format!("{} bits/quantize", bits as u8), |bencher| {
            bencher.iter(|| {
                let control = Control::default();
                quantize_rows(black_box(&matrix), 256, 1024, bits, None, &control).unwrap()
            });
        });
        let quantized = quantize_rows(&matrix, 256, 1024, bits, None, &Control::default()).unwrap();
        let mut out = vec![0.0; matrix.len()];
        group.bench_function(format!("{} bits/dequantize", bits as u8), |bencher| {
            bencher.iter(|| black_box(&quantized).dequantize_into(&mut out).unwrap());
        });
    }
}

criterion_group!(benches, scalar, similarity, rows);
criterion_main!(benches);
