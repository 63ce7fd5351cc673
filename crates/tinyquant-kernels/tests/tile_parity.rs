//! Kernels over tiles: every level that this CPU has gives the bits of naive definitions, and so of the scalar level.

mod common;

use common::{Random, WIDTHS, bits, every, in_block, lane_of, place_in_plane, refused};
use proptest::prelude::*;
use tinyquant_kernels::{CodeTable, FactorCode, LANES, QuantTable, ScanKernels, UNIT, f16_to_f32};

/// Largest Lloyd-Max level of each width up to 6 for the standard normal distribution (Max, 1960).
const LARGEST: [f32; 7] = [
    1.0,
    0.797_884_6,
    1.510_417_6,
    2.151_945_7,
    2.732_589_6,
    3.260_732_5,
    3.744_101_3,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_of_rows_and_panels(seed: u64, rows in 0_usize..27, panels in 0_usize..10, pairs in 1_usize..70) {
        let mut random = Random(seed);
        let row_values = random.i16s(rows * 2 * pairs, 3000);
        let panel_values = random.i16s(panels * 2 * pairs * LANES, 3000);
        let mut expected = Vec::new();
        for panel in panel_values.chunks(2 * pairs * LANES) {
            for row in row_values.chunks(2 * pairs) {
                for lane in 0..LANES {
                    let products = row.iter().enumerate().map(|(i, value)| {
                        i32::from(*value) * i32::from(panel[(i / 2 * LANES + lane) * 2 + i % 2])
                    });
                    expected.push(products.sum::<i32>());
                }
            }
        }
        for kernels in every() {
            let mut got = vec![7; panels * rows * LANES];
            kernels.dot_panels(&row_values, &panel_values, pairs, &mut got);
            prop_assert_eq!(&got, &expected, "{:?}", kernels.level());
        }
    }

    #[test]
    fn transforms_of_a_tile_and_of_one_vector(seed: u64, power in 0_u32..11, exponent in -60_i32..60) {
        let len = 1_usize << power;
        let (mut random, scale) = (Random(seed), 1.0 / (len as f32).sqrt());
        let tile = random.values(len * LANES, (exponent as f32).exp2());
        let signs: Vec<f32> = (0..len).map(|_| if random.below(2) == 0 { 1.0 } else { -1.0 }).collect();
        let mut expected = tile.clone();
        for lane in 0..LANES {
            let mut values = lane_of(&tile, lane);
            let mut half = 1;
            while half < len {
                for i in (0..len).filter(|i| i & half == 0) {
                    let (a, b) = (values[i], values[i + half]);
                    (values[i], values[i + half]) = (a + b, a - b);
                }
                half *= 2;
            }
            for (i, value) in values.iter().enumerate() {
                expected[i * LANES + lane] = value * scale;
            }
        }
        for kernels in every() {
            let mut got = tile.clone();
            kernels.hadamard(&mut got, None, scale);
            prop_assert_eq!(bits(&got), bits(&expected), "{:?}", kernels.level());
            let mut turned = tile.clone();
            kernels.tile_signs(&mut turned, &signs);
            kernels.hadamard(&mut turned, Some(&signs), scale);
            prop_assert_eq!(bits(&turned), bits(&expected), "{:?}", kernels.level());
            for lane in 0..LANES {
                let mut one = lane_of(&tile, lane);
                kernels.hadamard_one(&mut one, scale);
                prop_assert_eq!(bits(&one), bits(&lane_of(&expected, lane)), "{:?}", kernels.level());
            }
        }
    }

    #[test]
    fn tiles_of_vectors(seed: u64, dim in 1_usize..70, missing in 0_usize..LANES) {
        let vectors = Random(seed).values(dim * LANES, 1.0);
        for kernels in every() {
            for count in [LANES, LANES - missing] {
                let mut tile = vec![7.0; vectors.len()];
                kernels.tile_of(&vectors[..dim * count], &mut tile);
                for (i, value) in tile.iter().enumerate() {
                    let (lane, at) = (i % LANES, i / LANES);
                    let expected = if lane < count { vectors[lane * dim + at] } else { 0.0 };
                    prop_assert_eq!(value.to_bits(), expected.to_bits(), "{:?}", kernels.level());
                }
            }
        }
    }

    #[test]
    fn peaks_scales_and_signs(seed: u64, len in 0_usize..90, exponent in -100_i32..60) {
        let mut random = Random(seed);
        let mut tile = random.values(len * LANES, (exponent as f32).exp2());
        tile.iter_mut().step_by(LANES).for_each(|value| *value = 0.0);
        let scale: [f32; LANES] = std::array::from_fn(|lane| if lane == 3 { 0.0 } else { random.value() * 3.0 });
        let shift = random.values(len, 0.3);
        let signs: Vec<f32> = (0..len).map(|_| if random.below(2) == 0 { 1.0 } else { -1.0 }).collect();
        for kernels in every() {
            let peaks = kernels.tile_peaks(&tile);
            let mut moved = tile.clone();
            let squares = kernels.tile_affine(&mut moved, &scale, &shift);
            let mut turned = tile.clone();
            kernels.tile_signs(&mut turned, &signs);
            for lane in 0..LANES {
                let (mut peak, mut square) = (0.0_f32, 0.0_f32);
                for i in 0..len {
                    let at = i * LANES + lane;
                    peak = if tile[at].abs() > peak { tile[at].abs() } else { peak };
                    let value = tile[at] * scale[lane] - shift[i];
                    square += value * value;
                    prop_assert_eq!(moved[at].to_bits(), value.to_bits());
                    prop_assert_eq!(turned[at].to_bits(), (tile[at] * signs[i]).to_bits());
                }
                prop_assert_eq!(peaks[lane].to_bits(), peak.to_bits(), "{:?}", kernels.level());
                prop_assert_eq!(squares[lane].to_bits(), square.to_bits(), "{:?}", kernels.level());
            }
        }
    }

    #[test]
    fn products_with_the_entries_of_indices(seed: u64, runs in 1_usize..9, rows in 0_usize..9, queries in 0_usize..10, bits_of in prop::sample::select(vec![2_u8, 4, 8])) {
        let (mut random, len) = (Random(seed), runs * LANES);
        let mut entries = random.values(1 << bits_of, 3.0);
        entries.sort_by(f32::total_cmp);
        let table = QuantTable::new(bits_of, &entries, &entries);
        let indices: Vec<u8> = (0..rows * len).map(|_| random.below(entries.len()) as u8).collect();
        let values = random.values(queries * len, 1.0);
        let mut expected = Vec::new();
        for query in values.chunks(len) {
            for row in indices.chunks(len) {
                let mut sum = [0.0_f32; LANES];
                for (i, (index, value)) in row.iter().zip(query).enumerate() {
                    sum[i % LANES] += value * entries[usize::from(*index)];
                }
                for width in [8, 4, 2, 1] {
                    (0..width).for_each(|i| sum[i] += sum[i + width]);
                }
                expected.push(sum[0]);
            }
        }
        for kernels in every() {
            let mut got = vec![7.0; rows * queries];
            kernels.entry_dots(&table, len, &indices, &values, &mut got);
            prop_assert_eq!(bits(&got), bits(&expected), "{:?}", kernels.level());
        }
    }

    #[test]
    fn panels_from_tiles_and_tiles_from_sums(seed: u64, pairs in 0_usize..50) {
        let mut random = Random(seed);
        let mut tile = random.values(2 * pairs * LANES, 1.0);
        // Halves, which round to even.
        tile.iter_mut().step_by(7).for_each(|value| *value = (*value * 9.0).round() + 0.5);
        let scale: [f32; LANES] = std::array::from_fn(|lane| if lane % 2 == 0 { 1.0 } else { random.value() * 3000.0 });
        let sums: Vec<i32> = (0..2 * pairs * LANES).map(|_| random.next() as i32).collect();
        for kernels in every() {
            let mut panel = vec![7; tile.len()];
            kernels.tile_to_panel(&tile, &scale, &mut panel);
            let mut out = vec![7.0; sums.len()];
            kernels.tile_from_i32(&sums, &scale, &mut out);
            for (at, value) in tile.iter().enumerate() {
                let (i, lane) = (at / LANES, at % LANES);
                let whole = (value * scale[lane]).round_ties_even() as i16;
                prop_assert_eq!(panel[(i / 2 * LANES + lane) * 2 + i % 2], whole, "{:?}", kernels.level());
                prop_assert_eq!(out[at].to_bits(), (sums[at] as f32 * scale[lane]).to_bits());
            }
        }
    }

    #[test]
    fn codes(seed: u64, units in 1_usize..4, exponent in -120_i32..62, width in prop::sample::select(WIDTHS.to_vec())) {
        let len = units * UNIT;
        let (mut random, table) = (Random(seed), CodeTable::new(width));
        let mut tile = random.values(len * LANES, (exponent as f32).exp2());
        for i in 0..len {
            let row = &mut tile[i * LANES..(i + 1) * LANES];
            // Zeros, all alike, one large component, squares that overflow and squares that vanish.
            (row[0], row[1], row[2]) = (0.0, -0.75, if i == 5 { 1e9 } else { 0.0 });
            (row[3], row[4]) = (row[5] / row[5].abs().max(1e-30) * 1e30, 1e-40 * i as f32);
        }
        let mut expected = None;
        for kernels in every() {
            let mut codes = vec![255; tile.len()];
            let (squares, products) = kernels.tile_codes(&table, &tile, &mut codes);
            for lane in 0..LANES {
                check_codes(&table, &lane_of(&tile, lane), &lane_of(&codes, lane), squares[lane], products[lane])?;
            }
            let got = (codes, bits(&squares), bits(&products));
            let expected = expected.get_or_insert_with(|| got.clone());
            prop_assert_eq!(&got, &*expected, "{:?}", kernels.level());
        }
    }

    #[test]
    fn planes(seed: u64, plane in prop::sample::select(vec![1_u8, 2, 4, 8]), shift in 0_u8..8) {
        let codes = Random(seed).bytes(UNIT * LANES);
        let mut expected = vec![0; UNIT * LANES / 8 * usize::from(plane)];
        for component in 0..UNIT {
            for lane in 0..LANES {
                let part = codes[component * LANES + lane] >> shift & (0xff >> (8 - plane));
                let (at, bit) = place_in_plane(plane, component);
                expected[in_block(at, lane)] |= part << bit;
            }
        }
        for kernels in every() {
            let mut got = vec![255; expected.len()];
            kernels.pack_lines(&codes, plane, shift, &mut got);
            prop_assert_eq!(&got, &expected, "{:?}", kernels.level());
        }
    }

    #[test]
    fn sums_over_pairs(seed: u64, len in 0_usize..200, exponent in -40_i32..40) {
        let mut random = Random(seed);
        let query = random.values(len, (exponent as f32).exp2());
        let singles = random.values(len, (exponent as f32).exp2());
        let halves: Vec<u16> = (0..len).map(|_| random.next() as u16 & 0xbfff).collect();
        let widened: Vec<f32> = halves.iter().map(|half| f16_to_f32(*half)).collect();
        let single_bytes: Vec<u8> = singles.iter().flat_map(|value| value.to_le_bytes()).collect();
        let half_bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let expected = |values: &[f32]| {
            let mut sums = [[0.0_f32; LANES]; 3];
            for (i, (q, x)) in query.iter().zip(values).enumerate() {
                for (sum, product) in sums.iter_mut().zip([q * x, x * x, (q - x) * (q - x)]) {
                    sum[i % LANES] += product;
                }
            }
            sums.map(|mut sum| {
                for width in [8, 4, 2, 1] {
                    (0..width).for_each(|i| sum[i] += sum[i + width]);
                }
                sum[0]
            })
        };
        for kernels in every() {
            prop_assert_eq!(bits(&kernels.pair_sums_f32(&query, &single_bytes)), bits(&expected(&singles)));
            prop_assert_eq!(bits(&kernels.pair_sums_f16(&query, &half_bytes)), bits(&expected(&widened)));
        }
    }

    #[test]
    fn factors_round_trip(base in 0x0080_0000_u32..0x6000_0000, shift in 0_u32..=20, byte: u8, share in 0.0_f32..1.0) {
        let code = FactorCode { base, shift };
        let factor = code.decode(byte);
        prop_assert_eq!(code.encode(factor), byte);
        let (least, most) = (code.decode(1), code.decode(255));
        let between = least + (most - least) * share;
        let near = code.decode(code.encode(between));
        let apart = i64::from(near.to_bits()) - i64::from(between.to_bits());
        prop_assert!(apart.abs() <= 1 << shift >> 1, "{} became {}", between, near);
        prop_assert_eq!((code.encode(least / 3.0), code.encode(f32::INFINITY)), (1, 255));
        for nothing in [0.0, -0.0, -1.0, f32::NAN] {
            prop_assert_eq!((code.encode(nothing), code.decode(0).to_bits()), (0, 0));
        }
    }
}

/// Codes, sum of squares and sum of products of one vector, by the definition.
fn check_codes(
    table: &CodeTable,
    values: &[f32],
    codes: &[u8],
    square: f32,
    product: f32,
) -> Result<(), TestCaseError> {
    let squares = (values.iter()).fold(0.0_f32, |sum, value| sum + value * value);
    prop_assert_eq!(square.to_bits(), squares.to_bits());
    let scale = (values.len() as f32 / squares.max(1e-35)).sqrt();
    let width = table.width();
    let to_level = match width {
        8 => 31.75,
        _ => 127.0 / LARGEST[usize::from(width)],
    };
    let mut products = 0.0_f32;
    for (value, code) in values.iter().zip(codes) {
        let scaled = value * scale;
        let level = f32::from(table.value(*code));
        products += scaled * level;
        let all = 0..if width == 8 { 255_u8 } else { 1 << width };
        let nearest = all
            .map(|code| {
                if width == 8 {
                    code.wrapping_sub(127)
                } else {
                    code
                }
            })
            .map(|code| (scaled * to_level - f32::from(table.value(code))).abs())
            .fold(f32::INFINITY, f32::min);
        // Levels are rounded to whole numbers, each by half of one at most.
        prop_assert!((scaled * to_level - level).abs() <= nearest + 1.001);
        prop_assert!(width == 8 || usize::from(*code) < 1 << width);
    }
    prop_assert_eq!(product.to_bits(), products.to_bits());
    Ok(())
}

#[test]
fn the_largest_products() {
    for sign in [1, -1] {
        for kernels in every() {
            let (rows, mut out) = ([32767 * sign; 14], [0; 7 * LANES]);
            kernels.dot_panels(&rows, &[32767; 2 * LANES], 1, &mut out);
            assert_eq!(out, [2 * 32767 * 32767 * i32::from(sign); 7 * LANES]);
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let kernels = ScanKernels::active();
    let [table, none] = [4, 0].map(CodeTable::new);
    assert!(refused(|| kernels.tile_codes(
        &table,
        &[0.0; 32],
        &mut [0; 16]
    )));
    assert!(refused(|| kernels.tile_codes(
        &none,
        &[0.0; 16],
        &mut [0; 16]
    )));
    let unit = [0; UNIT * LANES];
    assert!(refused(|| kernels.pack_lines(&unit, 3, 0, &mut [0; 384])));
    assert!(refused(|| kernels.pack_lines(&unit, 4, 8, &mut [0; 512])));
    assert!(refused(|| kernels.pack_lines(&unit, 4, 0, &mut [0; 511])));
    assert!(refused(|| kernels.hadamard(
        &mut [0.0; 3 * LANES],
        None,
        1.0
    )));
    assert!(refused(|| kernels.hadamard(
        &mut [0.0; LANES],
        Some(&[]),
        1.0
    )));
    assert!(refused(|| kernels.hadamard_one(&mut [0.0; 12], 1.0)));
    assert!(refused(|| kernels.tile_of(&[0.0; 32], &mut [0.0; 16])));
    assert!(refused(|| kernels.tile_of(&[0.0; 17], &mut [0.0; 17])));
    assert!(refused(|| kernels.tile_peaks(&[0.0; 17])));
    assert!(refused(|| kernels.tile_signs(&mut [0.0; 32], &[1.0])));
    let ones = [1.0; LANES];
    assert!(refused(|| kernels.tile_affine(
        &mut [0.0; 32],
        &ones,
        &[1.0]
    )));
    assert!(refused(|| kernels.tile_to_panel(
        &[0.0; 16],
        &ones,
        &mut [0; 16]
    )));
    assert!(refused(|| kernels.tile_from_i32(
        &[0; 16],
        &ones,
        &mut [0.0; 32]
    )));
    assert!(refused(|| kernels.dot_panels(
        &[1; 4],
        &[1; 32],
        1,
        &mut [0; 16]
    )));
    assert!(refused(|| kernels.dot_panels(&[], &[], 0, &mut [])));
    assert!(refused(|| kernels.pair_sums_f16(&[0.0; 3], &[0; 5])));
    assert!(refused(|| kernels.pair_sums_f32(&[0.0; 3], &[0; 13])));
    let table = QuantTable::new(2, &[0.0; 4], &[0.0; 4]);
    for (len, indices, queries, out) in [
        (0, 16, 16, 1),
        (15, 15, 15, 1),
        (16, 17, 16, 1),
        (16, 16, 15, 1),
        (16, 32, 16, 1),
        (16, 16, 32, 1),
    ] {
        let (queries, mut out) = (vec![0.0; queries], vec![0.0; out]);
        assert!(refused(|| {
            kernels.entry_dots(&table, len, &vec![0; indices], &queries, &mut out);
        }));
    }
    assert!(refused(|| CodeTable::new(7)));
}
