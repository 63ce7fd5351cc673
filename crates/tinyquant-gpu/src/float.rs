//! The floating point of the shaders against that of the CPU.

use crate::backend::dispatch;
use crate::pipelines::{FLOAT, compile};
use crate::{Backend, Options, Preference};
use tinyquant_kernels::{f16_to_f32, f32_to_f16};

const HEAD: &str = "
@group(0) @binding(0) var<storage, read> given: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = given[id.x];
    result[id.x] = ";

/// What an expression in `x` gives for each of the numbers.
fn computed(expression: &str, mut given: Vec<[u32; 4]>) -> Vec<u32> {
    let backend = Backend::new(&Options::new(Preference::Software)).unwrap();
    let count = given.len();
    given.resize(count.next_multiple_of(64), [0; 4]);
    let parts = [FLOAT, HEAD, expression, ";\n}\n"];
    let pipeline = compile(&backend, "test of numbers", &parts, "main").unwrap();
    let mut results = Vec::with_capacity(given.len());
    for given in given.chunks(1 << 20) {
        let bytes = 4 * given.len() as u64;
        let input = backend.constant("given", given).unwrap();
        let output = backend.storage("result", bytes).unwrap();
        let readback = backend.readback("result", bytes).unwrap();
        let group = backend.bind(&pipeline, &[(0, &input), (1, &output)]);
        let mut encoder = backend.encoder();
        let groups = given.len() as u32 / 64;
        dispatch(&mut encoder, &pipeline, &group, groups, 1);
        encoder.copy_buffer_to_buffer(&output, 0, &readback, 0, bytes);
        let index = backend.submit(encoder);
        let words = backend.read(&readback, bytes, index, |bytes| {
            let words = bytes.as_chunks::<4>().0.iter();
            words
                .map(|word| u32::from_le_bytes(*word))
                .collect::<Vec<_>>()
        });
        results.extend(words.unwrap());
    }
    results.truncate(count);
    results
}

/// Words that look random.
fn words() -> impl Iterator<Item = u32> {
    let mut state = 9_u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    })
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn every_f16_widens_exactly() {
    let given = (0..=0xffff).map(|half| [half, 0, 0, 0]).collect();
    let results = computed("widen_f16(x.x)", given);
    for (half, result) in (0..=u16::MAX).zip(results) {
        let expected = f16_to_f32(half);
        let got = f32::from_bits(result);
        let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
        assert!(same, "{half:#06x} gives {got}, not {expected}");
    }
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn f32_narrow_to_the_nearest_f16_ties_to_even() {
    // Every f16 and every middle between two of them, each with what is just below and above; subnormals and what
    // overflows are among them. Then any bits.
    let mut given = Vec::new();
    for half in 0..=0x7c00_u16 {
        let value = f16_to_f32(half);
        let next = if half < 0x7bff {
            f16_to_f32(half + 1)
        } else {
            65_536.0
        };
        for at in [value, f32::midpoint(value, next)] {
            let bits = at.to_bits();
            given.extend([bits.saturating_sub(1), bits, bits + 1]);
        }
    }
    given.extend([0, 1, 0x7fff_ffff, 0x7f80_0000, 0x7f7f_ffff, 0x7fc0_0000]);
    given.extend(words().take(1 << 18));
    given.extend(given.clone().iter().map(|bits| bits ^ 0x8000_0000));
    let results = computed(
        "narrow_f16(x.x)",
        given.iter().map(|bits| [*bits, 0, 0, 0]).collect(),
    );
    for (bits, result) in given.into_iter().zip(results) {
        let value = f32::from_bits(bits);
        let expected = u32::from(f32_to_f16(value));
        let is_nan = |half: u32| half & 0x7fff > 0x7c00;
        let same = result == expected || value.is_nan() && is_nan(result) && is_nan(expected);
        assert!(
            same,
            "{bits:#010x} ({value}) gives {result:#06x}, not {expected:#06x}"
        );
    }
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn sums_round_as_those_of_the_cpu() {
    let mut words = words();
    let mut next = || words.next().unwrap();
    let mut given = Vec::new();
    for round in 0..1 << 18 {
        let a = next();
        // The other one is of any size, of nearly the same, or subnormal, with either sign.
        let b = match round % 4 {
            0 => next(),
            1 => (a & 0x7f80_0000).wrapping_add(next() & 0x81ff_ffff),
            2 => (a ^ 0x8000_0000).wrapping_add(next() & 7),
            _ => next() & 0x80ff_ffff,
        };
        let a = if round % 16 < 4 { a & 0x80ff_ffff } else { a };
        given.push([a, b, 0, 0]);
    }
    given.push([0x8000_0000, 0x8000_0000, 0, 0]);
    given.push([0, 0x8000_0000, 0, 0]);
    let results = computed("sum_f32(x.x, x.y)", given.clone());
    let mut subnormal = 0;
    for ([a, b, ..], result) in given.into_iter().zip(results) {
        let (x, y) = (f32::from_bits(a), f32::from_bits(b));
        if !x.is_finite() || !y.is_finite() || !(x + y).is_finite() {
            continue;
        }
        subnormal += usize::from((x + y).is_subnormal());
        assert_eq!(result, (x + y).to_bits(), "{a:#010x} + {b:#010x}");
    }
    assert!(subnormal > 1000);
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn whole_numbers_round_to_the_nearest_f32_ties_to_even() {
    let mut words = words();
    let mut numbers = vec![0_i64, 1, -1, i64::MAX, 1 << 62, -(1 << 62)];
    for shift in 0..38 {
        // Ties and what is beside them, with even and odd numbers before the tie.
        for number in [0x0100_0001_i64, 0x0100_0003, 0x01ff_ffff] {
            for beside in [-1, 0, 1] {
                numbers.push((number << shift) + beside);
                numbers.push(-(number << shift) + beside);
            }
        }
    }
    while numbers.len() < 1 << 18 {
        let (high, low) = (words.next().unwrap(), words.next().unwrap());
        let whole = i64::from(high) << 32 | i64::from(low);
        numbers.push(whole >> (numbers.len() % 63));
    }
    // Through the word of the low half: `- 60` is the exponent of the unit.
    let given: Vec<_> = numbers
        .iter()
        .map(|number| [*number as u32, (*number >> 32) as u32, 0, 0])
        .collect();
    let results = computed("nearest_f32(x.xy, -60)", given);
    let unit = (-60_f32).exp2();
    for (number, result) in numbers.into_iter().zip(results) {
        let expected = number as f32 * unit;
        assert_eq!(result, expected.to_bits(), "{number}");
    }
}
