//! The algorithms, once each, generic over the instruction set.
//!
//! # Safety
//! Every function here is `unsafe` for two reasons: it calls [`Simd`] methods, so it must be inlined into a
//! function compiled for the level and run on a CPU that has it; and it takes raw pointers, so the slices
//! that the shells got them from must have the lengths that the shells check.

use crate::simd::Simd;
use crate::{CHUNK, F16_OVERFLOW, PANEL, QuantTable, STRIP, TILE};

/// `sums[m][c] += x[i * stride + m] * panel[i * PANEL + c]`, `i` ascending. Unless `FUSED`, product and sum
/// are rounded separately: then a lane's result does not depend on the level.
#[inline(always)]
unsafe fn accumulate<V: Simd, const ROWS: usize, const VECS: usize, const FUSED: bool>(
    sums: &mut [[V::D; VECS]; ROWS],
    x: *const f64,
    stride: usize,
    panel: *const f64,
    k: usize,
) {
    for i in 0..k {
        // SAFETY: `x` has k rows of `stride`, `panel` k rows of `PANEL` columns; see the module.
        unsafe {
            let mut columns = [V::d_splat(0.0); VECS];
            for (c, column) in columns.iter_mut().enumerate() {
                *column = V::d_load(panel.add(i * PANEL + c * V::D_LANES));
            }
            for (m, row) in sums.iter_mut().enumerate() {
                let value = V::d_splat(*x.add(i * stride + m));
                for (sum, column) in row.iter_mut().zip(columns) {
                    *sum = if FUSED {
                        V::d_fma(value, column, *sum)
                    } else {
                        V::d_add(*sum, V::d_mul(value, column))
                    };
                }
            }
        }
    }
}

/// Adds the product of a strip and a panel to `acc` (`STRIP` rows of `PANEL`).
#[inline(always)]
pub(crate) unsafe fn strip_add<V: Simd, const ROWS: usize, const VECS: usize>(
    x: *const f64,
    stride: usize,
    panel: *const f64,
    k: usize,
    acc: *mut f64,
) {
    for first_row in (0..STRIP).step_by(ROWS) {
        for first_column in (0..PANEL).step_by(VECS * V::D_LANES) {
            // SAFETY: as the module says; rows and columns stay inside the strip and the panel.
            unsafe {
                let acc = acc.add(first_row * PANEL + first_column);
                let mut sums = [[V::d_splat(0.0); VECS]; ROWS];
                for (m, row) in sums.iter_mut().enumerate() {
                    for (c, sum) in row.iter_mut().enumerate() {
                        *sum = V::d_load(acc.add(m * PANEL + c * V::D_LANES));
                    }
                }
                accumulate::<V, ROWS, VECS, false>(
                    &mut sums,
                    x.add(first_row),
                    stride,
                    panel.add(first_column),
                    k,
                );
                for (m, row) in sums.iter().enumerate() {
                    for (c, sum) in row.iter().enumerate() {
                        V::d_store(acc.add(m * PANEL + c * V::D_LANES), *sum);
                    }
                }
            }
        }
    }
}

/// Doubtful results of one block from which the block is computed anew rather than one by one.
const MANY_DOUBTS: u32 = 12;

/// Writes the product of a tile and a panel, rounded to f32, to `TILE` rows that lie `out_stride` apart.
///
/// The result is that of the strict sum in index order. Where the level has a fused multiply-add, the sums
/// are first taken with it, which is faster but rounds otherwise: `error[m]` bounds the distance of a fused
/// and a strict sum of row `m`. A sum that rounds to one f32 all over that distance is proved right; the few
/// others are computed anew.
#[inline(always)]
pub(crate) unsafe fn tile_round<V: Simd, const ROWS: usize, const VECS: usize>(
    x: *const f64,
    panel: *const f64,
    k: usize,
    error: *const f64,
    out: *mut f32,
    out_stride: usize,
    used: usize,
) {
    for first_row in (0..TILE).step_by(ROWS) {
        for first_column in (0..PANEL).step_by(VECS * V::D_LANES) {
            // SAFETY: as the module says; rows and columns stay inside the tile and the panel.
            unsafe {
                let x = x.add(first_row);
                let panel = panel.add(first_column);
                let out = out.add(first_row * out_stride + first_column);
                if V::FUSED {
                    let mut doubts = round_block::<V, ROWS, VECS, true>(
                        x,
                        panel,
                        k,
                        error.add(first_row),
                        out,
                        out_stride,
                    );
                    // The zeros of padding columns are always in doubt.
                    let padding = !0 << used.saturating_sub(first_column).min(PANEL);
                    for row in &mut doubts {
                        *row &= !padding;
                    }
                    let count: u32 = doubts.iter().map(|row| row.count_ones()).sum();
                    if count < MANY_DOUBTS {
                        repair(&doubts, x, panel, k, out, out_stride);
                        continue;
                    }
                }
                round_block::<V, ROWS, VECS, false>(
                    x,
                    panel,
                    k,
                    error.add(first_row),
                    out,
                    out_stride,
                );
            }
        }
    }
}

/// One block of [`tile_round`]; returns a bit for each result that is in doubt, if the sums are `FUSED`.
#[inline(always)]
unsafe fn round_block<V: Simd, const ROWS: usize, const VECS: usize, const FUSED: bool>(
    x: *const f64,
    panel: *const f64,
    k: usize,
    error: *const f64,
    out: *mut f32,
    out_stride: usize,
) -> [u32; ROWS] {
    // SAFETY: as the module says; the caller's rows and columns stay inside the tile and the panel.
    unsafe {
        let mut doubts = [0; ROWS];
        let mut sums = [[V::d_splat(0.0); VECS]; ROWS];
        accumulate::<V, ROWS, VECS, FUSED>(&mut sums, x, TILE, panel, k);
        for (m, row) in sums.iter().enumerate() {
            let error = V::d_splat(*error.add(m));
            for (c, sum) in row.iter().enumerate() {
                if FUSED {
                    doubts[m] |= V::d_doubt(*sum, error) << (c * V::D_LANES);
                }
                V::d_store_f32(out.add(m * out_stride + c * V::D_LANES), *sum);
            }
        }
        doubts
    }
}

/// Computes the results in doubt as strict sums.
#[inline(always)]
unsafe fn repair(
    doubts: &[u32],
    x: *const f64,
    panel: *const f64,
    k: usize,
    out: *mut f32,
    out_stride: usize,
) {
    for (m, row) in doubts.iter().enumerate() {
        let mut left = *row;
        while left != 0 {
            let c = left.trailing_zeros() as usize;
            left &= left - 1;
            let mut sum = 0.0;
            for i in 0..k {
                // SAFETY: as the module says: rows of the tile and the panel.
                unsafe { sum += *x.add(i * TILE + m) * *panel.add(i * PANEL + c) };
            }
            // SAFETY: as the module says: `out` has the row and the column.
            unsafe { *out.add(m * out_stride + c) = sum as f32 };
        }
    }
}

/// Product of one vector and `PANELS` neighbouring panels, rounded to f32.
#[inline(always)]
unsafe fn matvec_group<V: Simd, const PANELS: usize, const VECS: usize>(
    x: *const f64,
    panels: *const f64,
    k: usize,
    out: *mut f32,
) {
    // SAFETY: as the module says: `panels` holds PANELS panels of k rows, `out` as many columns.
    unsafe {
        let mut sums = [[V::d_splat(0.0); VECS]; PANELS];
        for i in 0..k {
            let value = V::d_splat(*x.add(i));
            for (p, row) in sums.iter_mut().enumerate() {
                let columns = panels.add((p * k + i) * PANEL);
                for (c, sum) in row.iter_mut().enumerate() {
                    *sum = V::d_add(
                        *sum,
                        V::d_mul(value, V::d_load(columns.add(c * V::D_LANES))),
                    );
                }
            }
        }
        for (p, row) in sums.iter().enumerate() {
            for (c, sum) in row.iter().enumerate() {
                V::d_store_f32(out.add(p * PANEL + c * V::D_LANES), *sum);
            }
        }
    }
}

/// Product of one vector and `count` panels of `k` rows, rounded to f32. `PANELS` of them are read side by
/// side, which hides the latency of the additions.
#[inline(always)]
pub(crate) unsafe fn matvec<V: Simd, const PANELS: usize, const VECS: usize>(
    x: *const f64,
    k: usize,
    panels: *const f64,
    count: usize,
    out: *mut f32,
) {
    let grouped = count - count % PANELS;
    for first in (0..grouped).step_by(PANELS) {
        // SAFETY: as the module says; `first + PANELS <= count`.
        unsafe {
            matvec_group::<V, PANELS, VECS>(
                x,
                panels.add(first * k * PANEL),
                k,
                out.add(first * PANEL),
            );
        }
    }
    for panel in grouped..count {
        // SAFETY: as the module says; `panel < count`.
        unsafe {
            matvec_group::<V, 1, VECS>(x, panels.add(panel * k * PANEL), k, out.add(panel * PANEL));
        }
    }
}

/// Writes approximate products of a tile and a panel of f32 to `TILE` rows that lie `out_stride` apart: fused
/// sums of [`CHUNK`] products, added up in f32.
#[inline(always)]
pub(crate) unsafe fn tile_sums<V: Simd, const ROWS: usize, const VECS: usize>(
    x: *const f32,
    panel: *const f32,
    k: usize,
    out: *mut f32,
    out_stride: usize,
) {
    for first_row in (0..TILE).step_by(ROWS) {
        for first_column in (0..PANEL).step_by(VECS * V::S_LANES) {
            for first in (0..k).step_by(CHUNK) {
                // SAFETY: as the module says; rows and columns stay inside the tile and the panel.
                unsafe {
                    let mut sums = [[V::s_splat(0.0); VECS]; ROWS];
                    for i in first..k.min(first + CHUNK) {
                        let mut columns = [V::s_splat(0.0); VECS];
                        for (c, column) in columns.iter_mut().enumerate() {
                            *column =
                                V::s_load(panel.add(i * PANEL + first_column + c * V::S_LANES));
                        }
                        for (m, row) in sums.iter_mut().enumerate() {
                            let value = V::s_splat(*x.add(i * TILE + first_row + m));
                            for (sum, column) in row.iter_mut().zip(columns) {
                                *sum = V::s_fma(value, column, *sum);
                            }
                        }
                    }
                    for (m, row) in sums.iter().enumerate() {
                        let out = out.add((first_row + m) * out_stride + first_column);
                        for (c, sum) in row.iter().enumerate() {
                            let out = out.add(c * V::S_LANES);
                            let before = if first == 0 {
                                V::s_splat(0.0)
                            } else {
                                V::s_load(out)
                            };
                            V::s_store(out, V::s_add(before, *sum));
                        }
                    }
                }
            }
        }
    }
}

/// Transposes `TILE` rows of f32, `row_stride` apart, into a tile of f64 or f32.
#[inline(always)]
pub(crate) unsafe fn fill_tile<T: From<f32>>(
    rows: *const f32,
    row_stride: usize,
    k: usize,
    tile: *mut T,
) {
    for i in 0..k {
        for m in 0..TILE {
            // SAFETY: as the module says: every row has k values and the tile k * TILE.
            unsafe { *tile.add(i * TILE + m) = (*rows.add(m * row_stride + i)).into() };
        }
    }
}

/// Index of each value: the number of thresholds that it reaches, by binary search in every lane at once.
/// The first sixteen-way choice of an 8-bit search runs in registers, the second in memory.
#[inline(always)]
pub(crate) unsafe fn quantize<V: Simd>(
    table: &QuantTable,
    values: *const f32,
    len: usize,
    out: *mut u8,
) {
    // SAFETY: as the module says; `len` is a multiple of PANEL, hence of the lanes, and a lookup's index is
    // below 16, a gather's below 256.
    unsafe {
        let wide = table.bits == 8;
        let first = V::table(if wide {
            table.coarse.as_ptr()
        } else {
            table.thresholds.as_ptr()
        });
        let top = if table.bits == 2 { 2 } else { 8 };
        for start in (0..len).step_by(V::S_LANES) {
            let value = V::s_load(values.add(start));
            let mut index = V::i_splat(0);
            let mut step = top;
            while step > 0 {
                let candidate = V::i_add(index, V::i_splat(step));
                index = V::i_select_ge(value, V::lookup(first, candidate), candidate, index);
                step /= 2;
            }
            if wide {
                for _ in 0..4 {
                    index = V::i_add(index, index);
                }
                for step in [8, 4, 2, 1] {
                    let candidate = V::i_add(index, V::i_splat(step));
                    let threshold = V::gather(table.thresholds.as_ptr(), candidate);
                    index = V::i_select_ge(value, threshold, candidate, index);
                }
            }
            V::i_store_u8(out.add(start), index);
        }
    }
}

/// `entries[index]` lane by lane; `small` are the first sixteen.
#[inline(always)]
pub(crate) unsafe fn entry<V: Simd>(table: &QuantTable, small: V::Table, index: V::I) -> V::S {
    // SAFETY: indices are below 2^bits, as every caller makes sure.
    unsafe {
        if table.bits == 8 {
            V::gather(table.entries.as_ptr(), index)
        } else {
            V::lookup(small, index)
        }
    }
}

/// Writes `values - entries[indices]` as f16; true if one of them is beyond its range.
#[inline(always)]
pub(crate) unsafe fn residual<V: Simd>(
    table: &QuantTable,
    values: *const f32,
    indices: *const u8,
    len: usize,
    out: *mut u8,
) -> bool {
    // SAFETY: as the module says; `len` is a multiple of the lanes.
    unsafe {
        let small = V::table(table.entries.as_ptr());
        let limit = V::s_splat(F16_OVERFLOW);
        let mut overflow = false;
        for start in (0..len).step_by(V::S_LANES) {
            let index = V::i_load_u8(indices.add(start));
            let difference = V::s_sub(
                V::s_load(values.add(start)),
                entry::<V>(table, small, index),
            );
            overflow |= V::s_any_reaches(difference, limit);
            V::s_store_f16(out.add(2 * start), difference);
        }
        overflow
    }
}

/// Writes `entries[indices]`, plus the f16 residual where there is one.
#[inline(always)]
pub(crate) unsafe fn dequantize<V: Simd>(
    table: &QuantTable,
    indices: *const u8,
    residual: Option<*const u8>,
    len: usize,
    out: *mut f32,
) {
    // SAFETY: as the module says; `len` is a multiple of the lanes.
    unsafe {
        let small = V::table(table.entries.as_ptr());
        for start in (0..len).step_by(V::S_LANES) {
            let mut value = entry::<V>(table, small, V::i_load_u8(indices.add(start)));
            if let Some(residual) = residual {
                value = V::s_add(value, V::s_load_f16(residual.add(2 * start)));
            }
            V::s_store(out.add(start), value);
        }
    }
}

/// Widens little-endian f16 values.
#[inline(always)]
pub(crate) unsafe fn widen_f16<V: Simd>(halves: *const u8, len: usize, out: *mut f32) {
    // SAFETY: as the module says; `len` is a multiple of the lanes.
    unsafe {
        for start in (0..len).step_by(V::S_LANES) {
            V::s_store(out.add(start), V::s_load_f16(halves.add(2 * start)));
        }
    }
}

/// Packs indices least significant bits first: two or four to a byte.
#[inline(always)]
pub(crate) fn pack(bits: u8, indices: &[u8], out: &mut [u8]) {
    match bits {
        2 => {
            for (byte, group) in out.iter_mut().zip(indices.as_chunks::<4>().0) {
                *byte = group[0] | group[1] << 2 | group[2] << 4 | group[3] << 6;
            }
        }
        4 => {
            for (byte, pair) in out.iter_mut().zip(indices.as_chunks::<2>().0) {
                *byte = pair[0] | pair[1] << 4;
            }
        }
        _ => out.copy_from_slice(indices),
    }
}

/// The inverse of [`pack`].
#[inline(always)]
pub(crate) fn unpack(bits: u8, packed: &[u8], out: &mut [u8]) {
    match bits {
        2 => {
            for (byte, group) in packed.iter().zip(out.as_chunks_mut::<4>().0) {
                *group = [byte & 3, byte >> 2 & 3, byte >> 4 & 3, byte >> 6];
            }
        }
        4 => {
            for (byte, pair) in packed.iter().zip(out.as_chunks_mut::<2>().0) {
                *pair = [byte & 15, byte >> 4];
            }
        }
        _ => out.copy_from_slice(packed),
    }
}

/// Dot products of a query with `BLOCKS` neighbouring blocks of `PANEL` vectors, sums in index order.
#[inline(always)]
unsafe fn dot_group<V: Simd, const BLOCKS: usize, const VECS: usize>(
    query: *const f32,
    dimension: usize,
    blocks: *const f32,
    out: *mut f32,
) {
    // SAFETY: as the module says: `blocks` holds BLOCKS blocks of dimension * PANEL values.
    unsafe {
        let mut sums = [[V::s_splat(0.0); VECS]; BLOCKS];
        for i in 0..dimension {
            let value = V::s_splat(*query.add(i));
            for (b, row) in sums.iter_mut().enumerate() {
                let columns = blocks.add((b * dimension + i) * PANEL);
                for (c, sum) in row.iter_mut().enumerate() {
                    *sum = V::s_add(
                        *sum,
                        V::s_mul(value, V::s_load(columns.add(c * V::S_LANES))),
                    );
                }
            }
        }
        for (b, row) in sums.iter().enumerate() {
            for (c, sum) in row.iter().enumerate() {
                V::s_store(out.add(b * PANEL + c * V::S_LANES), *sum);
            }
        }
    }
}

/// Dot products of a query with `count` blocks of `PANEL` vectors.
#[inline(always)]
pub(crate) unsafe fn dot_blocks<V: Simd, const BLOCKS: usize, const VECS: usize>(
    query: *const f32,
    dimension: usize,
    blocks: *const f32,
    count: usize,
    out: *mut f32,
) {
    let grouped = count - count % BLOCKS;
    for first in (0..grouped).step_by(BLOCKS) {
        // SAFETY: as the module says; `first + BLOCKS <= count`.
        unsafe {
            let blocks = blocks.add(first * dimension * PANEL);
            dot_group::<V, BLOCKS, VECS>(query, dimension, blocks, out.add(first * PANEL));
        }
    }
    for block in grouped..count {
        // SAFETY: as the module says; `block < count`.
        unsafe {
            let blocks = blocks.add(block * dimension * PANEL);
            dot_group::<V, 1, VECS>(query, dimension, blocks, out.add(block * PANEL));
        }
    }
}
