//! The kernels of scalar embeddings: every level of this CPU against the scalar level, bit for bit.

mod common;

use common::{Random, bits};
use tinyquant_kernels::{EmbeddingKernels, Level};

/// Lengths around the blocks of the kernels.
const LENGTHS: [usize; 14] = [0, 1, 2, 7, 8, 31, 32, 33, 63, 64, 65, 127, 512, 1537];

fn levels() -> impl Iterator<Item = (&'static EmbeddingKernels, &'static EmbeddingKernels)> {
    let scalar = EmbeddingKernels::of(Level::Scalar).unwrap();
    let of = |level| EmbeddingKernels::of(level).unwrap();
    Level::supported()
        .into_iter()
        .map(move |level| (of(level), scalar))
}

/// Normal values, with some special ones among them.
fn values(len: usize, special: bool) -> Vec<f32> {
    let mut values = Random(len as u64).values(len, 1.5);
    if special {
        let others = [
            f32::NAN,
            f32::INFINITY,
            -0.0,
            1e-42,
            f32::NEG_INFINITY,
            f32::MAX,
            -3e4,
        ];
        for (value, other) in values.iter_mut().step_by(5).zip(others.into_iter().cycle()) {
            *value = other;
        }
    }
    values
}

#[test]
fn spans_and_sums() {
    for (kernels, scalar) in levels() {
        for len in LENGTHS {
            for special in [false, true] {
                let values = values(len, special);
                let (got, expected) = (kernels.span(&values), scalar.span(&values));
                let what = format!("{:?} {len} {special}", kernels.level());
                assert_eq!(
                    bits(&[got.min, got.max]),
                    bits(&[expected.min, expected.max]),
                    "{what}"
                );
                assert_eq!(got.peak, expected.peak, "{what}");
                let sums = |kernels: &EmbeddingKernels| {
                    bits(&[kernels.sum(&values), kernels.deviation(&values, 0.125)])
                };
                assert_eq!(sums(kernels), sums(scalar), "{what}");
            }
        }
    }
}

#[test]
fn spans_are_those_of_the_values() {
    for len in LENGTHS.into_iter().skip(1) {
        let values = values(len, false);
        let span = EmbeddingKernels::active().span(&values);
        let fold = |start: f32, pick: fn(f32, f32) -> f32| values.iter().copied().fold(start, pick);
        assert_eq!(
            span.min.to_bits(),
            fold(f32::INFINITY, f32::min).to_bits(),
            "{len}"
        );
        assert_eq!(
            span.max.to_bits(),
            fold(f32::NEG_INFINITY, f32::max).to_bits(),
            "{len}"
        );
        let peak = values.iter().map(|value| value.abs().to_bits()).max();
        assert_eq!(Some(span.peak), peak, "{len}");
    }
}

#[test]
fn codes_and_values() {
    for (kernels, scalar) in levels() {
        for len in LENGTHS {
            for special in [false, true] {
                let values = values(len, special);
                let coded = |kernels: &EmbeddingKernels| {
                    let mut out = [
                        vec![0; len],
                        vec![0; len],
                        vec![0xee; len.div_ceil(2)],
                        vec![0xee; len.div_ceil(8)],
                    ];
                    kernels.codes8(&values, -1.5, 90.0, &mut out[0]);
                    kernels.codes8_below(&values, -1.5, 90.0, &mut out[1]);
                    kernels.codes4(&values, -1.0, 7.5, &mut out[2]);
                    kernels.codes1(&values, 0.1, &mut out[3]);
                    out
                };
                let codes = coded(kernels);
                assert_eq!(
                    codes,
                    coded(scalar),
                    "{:?} {len} {special}",
                    kernels.level()
                );

                let read = |kernels: &EmbeddingKernels| {
                    let mut out = vec![0.0; 3 * len];
                    let (first, rest) = out.split_at_mut(len);
                    let (second, third) = rest.split_at_mut(len);
                    kernels.values8(&codes[0], 0.5, 0.01, -1.5, first);
                    kernels.values4(&codes[2], 0.13, -1.0, second);
                    kernels.values1(&codes[3], -0.25, 0.75, third);
                    let mut steps = vec![0; 2 * len];
                    let (four, one) = steps.split_at_mut(len);
                    kernels.unpack4(&codes[2], four);
                    kernels.unpack1(&codes[3], one);
                    (bits(&out), steps)
                };
                assert_eq!(
                    read(kernels),
                    read(scalar),
                    "{:?} {len} {special}",
                    kernels.level()
                );
            }
        }
    }
}

#[test]
fn halves_and_rows() {
    for (kernels, scalar) in levels() {
        for len in LENGTHS {
            let mut values = values(len, true);
            values
                .iter_mut()
                .filter(|value| value.is_nan())
                .for_each(|value| *value = 65519.0);
            let run = |kernels: &EmbeddingKernels| {
                let mut halves = vec![0; 2 * len];
                kernels.narrow_f16(&values, &mut halves);
                let (mut codes, mut back) = (vec![0; len], vec![0.0; len]);
                kernels.row_codes(&values, 0.01, 31, &mut codes);
                kernels.row_values(&codes, 0.01, &mut back);
                (halves, codes, bits(&back))
            };
            assert_eq!(run(kernels), run(scalar), "{:?} {len}", kernels.level());
        }
    }
}

#[test]
fn sums_over_codes_are_exact() {
    for (kernels, _) in levels() {
        for len in [0, 1, 64, 1000, 70_000] {
            let a: Vec<u8> = (0..len).map(|i| (i * 7 + 3) as u8).collect();
            let b: Vec<u8> = (0..len)
                .map(|i| if i % 3 == 0 { 255 } else { (i * 13) as u8 })
                .collect();
            let sum = |term: fn(u64, u64) -> u64| {
                a.iter()
                    .zip(&b)
                    .map(|(a, b)| term((*a).into(), (*b).into()))
                    .sum::<u64>()
            };
            let sums = kernels.code_sums(&a, &b);
            let got = [sums.ab, sums.a, sums.b, sums.aa, sums.bb];
            assert_eq!(
                got,
                [
                    sum(|a, b| a * b),
                    sum(|a, _| a),
                    sum(|_, b| b),
                    sum(|a, _| a * a),
                    sum(|_, b| b * b)
                ]
            );
            let sums = kernels.bit_sums(&a, &b);
            let ones = |term: fn(u64, u64) -> u64| {
                let pairs = a.iter().zip(&b);
                pairs
                    .map(|(a, b)| u64::from(term((*a).into(), (*b).into()).count_ones()))
                    .sum::<u64>()
            };
            let got = [sums.ab, sums.a, sums.b, sums.aa, sums.bb];
            assert_eq!(
                got,
                [
                    ones(|a, b| a & b),
                    ones(|a, _| a),
                    ones(|_, b| b),
                    ones(|a, _| a),
                    ones(|_, b| b)
                ]
            );
        }
    }
}

#[test]
fn sums_over_floats() {
    for (kernels, scalar) in levels() {
        for len in LENGTHS {
            for special in [false, true] {
                let (a, b) = (
                    values(len, special),
                    Random(len as u64 + 99).values(len, 0.5),
                );
                let sums = |kernels: &EmbeddingKernels| {
                    let sums = kernels.float_sums(&a, &b);
                    [sums.ab, sums.aa, sums.bb, sums.apart].map(f64::to_bits)
                };
                let is_nan = |bits: u64| f64::from_bits(bits).is_nan();
                for (got, expected) in sums(kernels).into_iter().zip(sums(scalar)) {
                    assert!(
                        got == expected || (is_nan(got) && is_nan(expected)),
                        "{:?} {len} {special}",
                        kernels.level()
                    );
                }
            }
        }
        let sums = kernels.float_sums(&[3.0; 11], &[-2.0; 11]);
        let got = [sums.ab, sums.aa, sums.bb, sums.apart].map(f64::to_bits);
        assert_eq!(got, [-66.0_f64, 99.0, 44.0, 275.0].map(f64::to_bits));
    }
}

#[test]
fn rounding_is_exact_around_every_half() {
    // The neighbours of each half and of each whole number.
    let values: Vec<f32> = (0..=510)
        .map(|halves| halves as f32 / 2.0)
        .flat_map(|value| [value.next_down(), value, value.next_up()])
        .collect();
    let rounded: Vec<u8> = values.iter().map(|value| value.round() as u8).collect();
    for (kernels, _) in levels() {
        let mut codes = vec![0; values.len()];
        kernels.codes8(&values, 0.0, 1.0, &mut codes);
        let codes: Vec<u8> = codes.iter().map(|code| code ^ 0x80).collect();
        assert_eq!(codes, rounded, "{:?}", kernels.level());

        let mut below = vec![0; values.len()];
        kernels.codes8_below(&values, 0.0, 1.0, &mut below);
        let whole: Vec<u8> = values.iter().map(|value| *value as u8 ^ 0x80).collect();
        assert_eq!(below, whole, "{:?}", kernels.level());

        let mut rows = vec![0; values.len()];
        kernels.row_codes(&values, -1.0, 127, &mut rows);
        let negative: Vec<i8> = rounded
            .iter()
            .map(|code| -(*code.min(&127) as i8))
            .collect();
        assert_eq!(rows, negative, "{:?}", kernels.level());
    }
}
