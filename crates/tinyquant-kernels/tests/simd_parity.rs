//! Every level that this CPU has gives the bits of the scalar level.

use proptest::prelude::*;
use tinyquant_kernels::{Kernels, Level, PANEL, QuantTable, STRIP, TILE, fused_error, sums_error};

fn scalar() -> &'static Kernels {
    Kernels::of(Level::Scalar).unwrap()
}

fn others() -> impl Iterator<Item = &'static Kernels> {
    Level::supported()
        .into_iter()
        .filter(|level| *level != Level::Scalar)
        .filter_map(Kernels::of)
}

/// Numbers from a seed: mostly like rotated embeddings, some of other sizes.
fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f32 / (1_u64 << 31) as f32 - 0.5
    };
    (0..count)
        .map(|i| match i % 97 {
            13 => 0.0,
            29 => next() * 1e-20,
            53 => next() * 1e3,
            _ => next() * 0.1,
        })
        .collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// Columns of length one, as those of a rotation are.
fn unit_panel(seed: u64, k: usize) -> Vec<f64> {
    let mut panel = wide(&values(seed, k * PANEL));
    for column in 0..PANEL {
        let norm = panel
            .iter()
            .skip(column)
            .step_by(PANEL)
            .map(|v| v * v)
            .sum::<f64>()
            .sqrt();
        panel
            .iter_mut()
            .skip(column)
            .step_by(PANEL)
            .for_each(|v| *v /= norm.max(1e-300));
    }
    panel
}

fn table(bits: u8, seed: u64) -> QuantTable {
    let levels = 1 << bits;
    let mut entries = values(seed, levels);
    entries.sort_by(f32::total_cmp);
    let mut thresholds = vec![f32::NEG_INFINITY];
    thresholds.extend(
        entries
            .windows(2)
            .map(|pair| f32::midpoint(pair[0], pair[1])),
    );
    QuantTable::new(bits, &entries, &thresholds)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The definition: strict sums, `TILE` rows of `PANEL`.
fn strict(tile: &[f64], panel: &[f64]) -> Vec<f32> {
    let sum = |m: usize, c: usize| {
        tile.iter()
            .skip(m)
            .step_by(TILE)
            .zip(panel.iter().skip(c).step_by(PANEL))
            .fold(0.0, |sum, (x, p)| sum + x * p)
    };
    (0..TILE * PANEL)
        .map(|i| sum(i / PANEL, i % PANEL) as f32)
        .collect()
}

fn errors_of(tile: &[f64]) -> [f64; TILE] {
    std::array::from_fn(|m| {
        let norm = tile
            .iter()
            .skip(m)
            .step_by(TILE)
            .map(|v| v * v)
            .sum::<f64>()
            .sqrt();
        fused_error(tile.len() / TILE, norm)
    })
}

#[test]
fn the_required_level_is_present() {
    if let Ok(required) = std::env::var("TINYQUANT_REQUIRE_SIMD") {
        let level =
            Level::from_name(&required).unwrap_or_else(|| panic!("unknown level {required}"));
        assert!(level.is_supported(), "this CPU lacks {required}");
    }
}

#[test]
fn forcing_a_level_and_returning() {
    let detected = Level::detect();
    for level in Level::supported() {
        tinyquant_kernels::force(Some(level)).unwrap();
        assert_eq!(tinyquant_kernels::active(), level);
        assert_eq!(Level::from_name(level.name()), Some(level));
    }
    tinyquant_kernels::force(None).unwrap();
    assert_eq!(tinyquant_kernels::active(), detected);
    let foreign = if cfg!(target_arch = "aarch64") {
        Level::Avx2
    } else {
        Level::Neon
    };
    assert!(tinyquant_kernels::force(Some(foreign)).is_err());
    assert_eq!(tinyquant_kernels::active(), detected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn strips(seed: u64, k in 0_usize..70, stride in STRIP..24) {
        let (x, panel) = (wide(&values(seed, k * stride)), wide(&values(!seed, k * PANEL)));
        let start = wide(&values(seed ^ 5, STRIP * PANEL));
        let mut expected = start.clone();
        scalar().strip_add(&x, stride, &panel, &mut expected);
        for kernels in others() {
            let mut got = start.clone();
            kernels.strip_add(&x, stride, &panel, &mut got);
            prop_assert!(got.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }

    #[test]
    fn tiles(seed: u64, k in 1_usize..300, column in 0_usize..2, exponent in -30_i32..30, used in 1..=PANEL) {
        let stride = 3 * PANEL;
        let scale = f64::from(exponent).exp2();
        let tile: Vec<f64> = values(seed, k * TILE).iter().map(|v| f64::from(v * scale as f32)).collect();
        let panel = unit_panel(!seed, k);
        let expected = strict(&tile, &panel);
        for kernels in others().chain([scalar()]) {
            let mut got = vec![7.0; TILE * stride];
            for errors in [errors_of(&tile), [f64::INFINITY; TILE]] {
                kernels.tile_round(&tile, &panel, &errors, &mut got, stride, column * PANEL..column * PANEL + used);
                for (m, row) in got.chunks(stride).enumerate() {
                    let expected = &expected[m * PANEL..][..used];
                    prop_assert_eq!(bits(&row[column * PANEL..][..used]), bits(expected), "{:?}", kernels.level());
                    prop_assert!(row[2 * PANEL..].iter().all(|v| v.to_bits() == 7.0_f32.to_bits()));
                }
            }
        }
    }

    /// Sums that lie where rounding to f32 turns, so that the order of additions decides.
    #[test]
    fn tiles_at_the_turn_of_rounding(seed: u64, k in 2_usize..200) {
        let mut tile = wide(&values(seed, k * TILE));
        let mut panel = unit_panel(!seed, k);
        for value in &mut panel {
            *value *= 0.86;
        }
        panel[(k - 1) * PANEL..].fill(0.5);
        for m in 0..TILE {
            let head = (0..k - 1).fold(0.0, |sum, i| sum + tile[i * TILE + m] * panel[i * PANEL]);
            let near = (head as f32).max(1e-3);
            let middle = f64::midpoint(f64::from(near), f64::from(near.next_up()));
            tile[(k - 1) * TILE + m] = (middle - head) * 2.0;
        }
        let expected = strict(&tile, &panel);
        for kernels in others() {
            let mut got = vec![0.0; TILE * PANEL];
            kernels.tile_round(&tile, &panel, &errors_of(&tile), &mut got, PANEL, 0..PANEL);
            prop_assert_eq!(bits(&got), bits(&expected), "{:?}", kernels.level());
        }
    }

    #[test]
    fn sums_in_f32_stay_within_their_bound(seed: u64, k in 1_usize..700, exponent in -140_i32..90) {
        let scale = exponent as f32;
        let rows: Vec<f32> = values(seed, TILE * k).iter().map(|v| v * scale.exp2()).collect();
        let panel = unit_panel(!seed, k);
        let rounded: Vec<f32> = panel.iter().map(|v| *v as f32).collect();
        for kernels in others().chain([scalar()]) {
            let mut tile = vec![0.0; k * TILE];
            kernels.fill_tile(&rows, k, &mut tile);
            let mut sums = vec![f32::NAN; TILE * PANEL];
            kernels.tile_sums(&tile, &rounded, &mut sums, PANEL, 0);
            for (m, row) in rows.chunks(k).enumerate() {
                prop_assert!(row.iter().enumerate().all(|(i, v)| tile[i * TILE + m].to_bits() == v.to_bits()));
                let norm = row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
                let bound = f64::from(sums_error(k, norm));
                for c in 0..PANEL {
                    let exact = (0..k).fold(0.0, |sum, i| sum + f64::from(row[i]) * panel[i * PANEL + c]);
                    let distance = (f64::from(sums[m * PANEL + c]) - exact).abs();
                    prop_assert!(distance <= bound, "{distance:e} over {bound:e}");
                }
            }
        }
    }

    #[test]
    fn products_with_one_vector(seed: u64, k in 1_usize..130, panels in 1_usize..10) {
        let (x, matrix) = (wide(&values(seed, k)), wide(&values(!seed, k * panels * PANEL)));
        let mut expected = vec![0.0; panels * PANEL];
        scalar().matvec(&x, &matrix, &mut expected);
        for kernels in others() {
            let mut got = vec![0.0; panels * PANEL];
            kernels.matvec(&x, &matrix, &mut got);
            prop_assert_eq!(bits(&got), bits(&expected));
        }
    }

    #[test]
    fn codes_and_residuals(seed: u64, rows in 1_usize..9, width in prop::sample::select(vec![2_u8, 4, 8])) {
        let table = table(width, seed);
        let mut row = values(!seed, rows * PANEL);
        row[0] = f32::INFINITY;
        row[1] = f32::MIN;
        row[2] = -0.0;
        let len = row.len();
        let run = |kernels: &Kernels| {
            let mut indices = vec![0; len];
            kernels.quantize(&table, &row, &mut indices);
            assert!(row.iter().zip(&indices).all(|(value, index)| table.index(*value) == *index));
            let mut packed = vec![0; len * usize::from(width) / 8];
            kernels.pack(width, &indices, &mut packed);
            let mut unpacked = vec![0; len];
            kernels.unpack(width, &packed, &mut unpacked);
            assert_eq!(unpacked, indices);
            let mut residual = vec![0; 2 * len];
            assert!(kernels.residual(&table, &row, &indices, &mut residual));
            assert!(!kernels.residual(&table, &values(seed, len), &indices, &mut vec![0; 2 * len]));
            let (mut plain, mut corrected) = (vec![0.0; len], vec![0.0; len]);
            kernels.dequantize(&table, &indices, None, &mut plain);
            kernels.dequantize(&table, &indices, Some(&residual), &mut corrected);
            (indices, packed, residual, bits(&plain), bits(&corrected))
        };
        let expected = run(scalar());
        for kernels in others() {
            prop_assert_eq!(run(kernels), expected.clone());
        }
    }

    #[test]
    fn tiles_are_transposed(seed: u64, k in 1_usize..40, more in 0_usize..5) {
        let stride = k + more;
        let rows = values(seed, TILE * stride);
        for kernels in others().chain([scalar()]) {
            let mut tile = vec![0.0; k * TILE];
            kernels.widen_tile(&rows, stride, &mut tile);
            for (i, value) in tile.iter().enumerate() {
                prop_assert_eq!(value.to_bits(), f64::from(rows[i % TILE * stride + i / TILE]).to_bits());
            }
        }
    }

    #[test]
    fn dot_products(seed: u64, dimension in 1_usize..130, blocks in 0_usize..19) {
        let (query, stored) = (values(seed, dimension), values(!seed, blocks * dimension * PANEL));
        let expected: Vec<f32> = (0..blocks * PANEL)
            .map(|v| {
                let block = &stored[v / PANEL * dimension * PANEL..][..dimension * PANEL];
                query.iter().zip(block.iter().skip(v % PANEL).step_by(PANEL)).fold(0.0, |sum, (a, b)| sum + a * b)
            })
            .collect();
        for kernels in others().chain([scalar()]) {
            let mut got = vec![0.0; blocks * PANEL];
            kernels.dot_blocks(&query, &stored, &mut got);
            prop_assert_eq!(bits(&got), bits(&expected));
        }
    }
}

#[test]
#[should_panic(expected = "index outside the table")]
fn a_foreign_index_is_refused() {
    scalar().dequantize(&table(2, 1), &[4; PANEL], None, &mut [0.0; PANEL]);
}

#[test]
fn shapes_whose_product_overflows_are_refused() {
    let refused =
        |call: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err();
    let kernels = Kernels::active();
    assert!(refused(&|| kernels.tile_round(
        &[],
        &[],
        &[0.0; TILE],
        &mut [],
        1 << 62,
        0..PANEL
    )));
    assert!(refused(&|| kernels.tile_sums(
        &[],
        &[],
        &mut [],
        1 << 62,
        0
    )));
    assert!(refused(&|| kernels.widen_tile(
        &[],
        1 << 62,
        &mut [0.0; TILE]
    )));
    assert!(refused(&|| kernels.fill_tile(
        &[],
        1 << 62,
        &mut [0.0; TILE]
    )));
    let stride = 0x5555_5555_5555_5556;
    let acc = &mut [0.0; STRIP * PANEL];
    let strip = std::panic::AssertUnwindSafe(|| {
        kernels.strip_add(&[0.0; 16], stride, &[1.0; 4 * PANEL], acc);
    });
    assert!(std::panic::catch_unwind(strip).is_err());
    assert!(refused(&|| kernels.pack(3, &[0; PANEL], &mut [0; 6])));
    assert!(refused(&|| kernels.pack(2, &[4; PANEL], &mut [0; 4])));
    assert!(refused(&|| kernels.unpack(
        16,
        &[0; 2 * PANEL],
        &mut [0; PANEL]
    )));
}
