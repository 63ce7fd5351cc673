//! Bodies over tiles: sixteen vectors side by side, the first components of all of them, then the second ones.
//!
//! # Safety
//! As in [`crate::bodies`].

use crate::code_plan::LANES;
use crate::code_table::{CodeTable, STEPS, TOP};
use crate::codes::Codes;

/// `out[p][r][lane] = sum of rows[r][i] * panels[p][i][lane]` over all i, in pairs: a panel holds for each pair of
/// components that of the first vector, that of the second one, up to the sixteenth.
#[inline(always)]
pub(crate) unsafe fn dot_panels<
    V: Codes,
    const ROWS: usize,
    const PANELS: usize,
    const VECS: usize,
>(
    rows: *const i16,
    row_count: usize,
    panels: *const i16,
    panel_count: usize,
    pairs: usize,
    out: *mut i32,
) {
    let mut panel = 0;
    while panel < panel_count {
        let step = if panel + PANELS <= panel_count {
            PANELS
        } else {
            1
        };
        let mut row = 0;
        while row < row_count {
            // SAFETY: rows and panels stay within their counts.
            unsafe {
                let from = rows.add(row * 2 * pairs);
                let panels = panels.add(panel * 2 * pairs * LANES);
                let out = out.add((panel * row_count + row) * LANES);
                let whole = row + ROWS <= row_count;
                let stride = row_count * LANES;
                match (whole, step == PANELS) {
                    (true, true) => {
                        products::<V, ROWS, PANELS, VECS>(from, panels, pairs, out, stride);
                    }
                    (true, false) => products::<V, ROWS, 1, VECS>(from, panels, pairs, out, stride),
                    (false, true) => {
                        products::<V, 1, PANELS, VECS>(from, panels, pairs, out, stride);
                    }
                    (false, false) => products::<V, 1, 1, VECS>(from, panels, pairs, out, stride),
                }
                row += if whole { ROWS } else { 1 };
            }
        }
        panel += step;
    }
}

#[inline(always)]
unsafe fn products<V: Codes, const ROWS: usize, const PANELS: usize, const VECS: usize>(
    rows: *const i16,
    panels: *const i16,
    pairs: usize,
    out: *mut i32,
    stride: usize,
) {
    // SAFETY: the callers' rows and panels have `pairs` pairs.
    unsafe {
        let mut sums = [[[V::i_splat(0); VECS]; PANELS]; ROWS];
        for pair in 0..pairs {
            let mut columns = [[V::i_splat(0); VECS]; PANELS];
            for (p, column) in columns.iter_mut().enumerate() {
                for (v, values) in column.iter_mut().enumerate() {
                    let at = (p * pairs + pair) * 2 * LANES + v * 2 * V::S_LANES;
                    *values = V::i_load(panels.add(at).cast());
                }
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let row = rows.add((r * pairs + pair) * 2).cast::<[u8; 4]>();
                let row = V::i_splat(i32::from_ne_bytes(row.read()));
                for (sums, column) in sums.iter_mut().zip(columns) {
                    for (sum, values) in sums.iter_mut().zip(column) {
                        *sum = V::i_dot16(*sum, values, row);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (p, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    V::i_store(out.add(p * stride + r * LANES + v * V::S_LANES).cast(), sum);
                }
            }
        }
    }
}

/// Walsh-Hadamard transform of `len` (a power of two) rows of `width` values, row `i` times `signs[i]` first where
/// there are signs, each value scaled at the end. `width` is a multiple of the lanes.
#[inline(always)]
pub(crate) unsafe fn hadamard<V: Codes>(
    values: *mut f32,
    len: usize,
    width: usize,
    signs: *const f32,
    scale: f32,
) {
    // SAFETY: there are `len` rows, and `len` signs unless there are none.
    unsafe {
        let mut half = if signs.is_null() {
            steps::<V, false>(values, len, width, 1, signs, scale)
        } else {
            steps::<V, true>(values, len, width, 1, signs, scale)
        };
        while half < len {
            half = steps::<V, false>(values, len, width, half, signs, scale);
        }
    }
}

/// Up to four steps of the transform, the first of them with rows `half` apart; returns how far apart those of the next
/// one are. Sixteen rows are in registers.
#[inline(always)]
unsafe fn steps<V: Codes, const SIGNED: bool>(
    values: *mut f32,
    len: usize,
    width: usize,
    half: usize,
    signs: *const f32,
    scale: f32,
) -> usize {
    let left = (len / half).trailing_zeros();
    let scale = if left <= 4 { scale } else { 1.0 };
    // SAFETY: rows stay below `len`, columns below `width`.
    unsafe {
        match left {
            0 => butterflies::<V, 1, SIGNED>(values, len, width, half, signs, scale),
            1 => butterflies::<V, 2, SIGNED>(values, len, width, half, signs, scale),
            2 => butterflies::<V, 4, SIGNED>(values, len, width, half, signs, scale),
            3 => butterflies::<V, 8, SIGNED>(values, len, width, half, signs, scale),
            _ => butterflies::<V, 16, SIGNED>(values, len, width, half, signs, scale),
        }
    }
    half << left.min(4)
}

/// The steps of the transform that combine rows `half`, `2 * half`, up to `R / 2 * half` apart.
#[inline(always)]
unsafe fn butterflies<V: Codes, const R: usize, const SIGNED: bool>(
    values: *mut f32,
    len: usize,
    width: usize,
    half: usize,
    signs: *const f32,
    scale: f32,
) {
    for group in (0..len).step_by(R * half) {
        for first in group..group + half {
            for column in (0..width).step_by(V::S_LANES) {
                // SAFETY: `first + (R - 1) * half` is below `len`.
                unsafe {
                    let at = |r: usize| values.add((first + r * half) * width + column);
                    let mut rows = [V::s_splat(0.0); R];
                    for (r, row) in rows.iter_mut().enumerate() {
                        *row = V::s_load(at(r));
                        if SIGNED {
                            let sign = signs.add(first + r * half).read();
                            *row = V::s_mul(*row, V::s_splat(sign));
                        }
                    }
                    let mut apart = 1;
                    while apart < R {
                        for r in 0..R {
                            if r & apart == 0 {
                                let (a, b) = (rows[r], rows[r + apart]);
                                rows[r] = V::s_add(a, b);
                                rows[r + apart] = V::s_sub(a, b);
                            }
                        }
                        apart *= 2;
                    }
                    let factor = V::s_splat(scale);
                    for (r, row) in rows.into_iter().enumerate() {
                        V::s_store(at(r), V::s_mul(row, factor));
                    }
                }
            }
        }
    }
}

/// The same transform of one vector. Where rows are nearer than a register is wide, lane by lane.
#[inline(always)]
pub(crate) unsafe fn hadamard_one<V: Codes>(values: *mut f32, len: usize, scale: f32) {
    let mut half = 1;
    while half < len {
        let factor = if 2 * half == len { scale } else { 1.0 };
        for group in (0..len).step_by(2 * half) {
            // SAFETY: pairs stay below `len`.
            unsafe {
                if half < V::S_LANES {
                    for i in group..group + half {
                        let (a, b) = (values.add(i).read(), values.add(i + half).read());
                        values.add(i).write((a + b) * factor);
                        values.add(i + half).write((a - b) * factor);
                    }
                } else {
                    for i in (group..group + half).step_by(V::S_LANES) {
                        let (a, b) = (V::s_load(values.add(i)), V::s_load(values.add(i + half)));
                        let factor = V::s_splat(factor);
                        V::s_store(values.add(i), V::s_mul(V::s_add(a, b), factor));
                        V::s_store(values.add(i + half), V::s_mul(V::s_sub(a, b), factor));
                    }
                }
            }
        }
        half *= 2;
    }
}

/// Puts [`LANES`] vectors of `dim` components, one after another, side by side.
#[inline(always)]
pub(crate) unsafe fn tile_of<V: Codes>(vectors: *const f32, dim: usize, tile: *mut f32) {
    let whole = dim - dim % 4;
    // SAFETY: there are `LANES` vectors of `dim` values, and as many in the tile.
    unsafe {
        for column in (0..whole).step_by(4) {
            for lane in (0..LANES).step_by(V::S_LANES) {
                let columns = V::s_columns(vectors.add(lane * dim + column), dim);
                for (i, values) in columns.into_iter().enumerate() {
                    V::s_store(tile.add((column + i) * LANES + lane), values);
                }
            }
        }
        for column in whole..dim {
            for lane in 0..LANES {
                let value = vectors.add(lane * dim + column).read();
                tile.add(column * LANES + lane).write(value);
            }
        }
    }
}

/// Largest magnitude of each vector of a tile.
#[inline(always)]
pub(crate) unsafe fn tile_peaks<V: Codes>(tile: *const f32, len: usize, out: *mut f32) {
    for lane in (0..LANES).step_by(V::S_LANES) {
        // SAFETY: the tile has `len` rows of `LANES`.
        unsafe {
            let mut peak = V::s_splat(0.0);
            for i in 0..len {
                let value = V::s_load(tile.add(i * LANES + lane));
                peak = V::s_max(peak, V::s_max(value, V::s_sub(V::s_splat(0.0), value)));
            }
            V::s_store(out.add(lane), peak);
        }
    }
}

/// `tile[i][lane] = tile[i][lane] * scale[lane] - shift[i]`, and the sums of the squares, in order.
#[inline(always)]
pub(crate) unsafe fn tile_affine<V: Codes>(
    tile: *mut f32,
    len: usize,
    scale: *const f32,
    shift: *const f32,
    squares: *mut f32,
) {
    for lane in (0..LANES).step_by(V::S_LANES) {
        // SAFETY: the tile has `len` rows of `LANES`, `shift` has `len` values.
        unsafe {
            let scale = V::s_load(scale.add(lane));
            let mut sum = V::s_splat(0.0);
            for i in 0..len {
                let at = tile.add(i * LANES + lane);
                let value = V::s_sub(
                    V::s_mul(V::s_load(at), scale),
                    V::s_splat(shift.add(i).read()),
                );
                V::s_store(at, value);
                sum = V::s_add(sum, V::s_mul(value, value));
            }
            V::s_store(squares.add(lane), sum);
        }
    }
}

/// Multiplies row `i` of a tile by `signs[i]`.
#[inline(always)]
pub(crate) unsafe fn tile_signs<V: Codes>(tile: *mut f32, len: usize, signs: *const f32) {
    for i in 0..len {
        // SAFETY: the tile has `len` rows of `LANES`, `signs` has `len` values.
        unsafe {
            let sign = V::s_splat(signs.add(i).read());
            for lane in (0..LANES).step_by(V::S_LANES) {
                let at = tile.add(i * LANES + lane);
                V::s_store(at, V::s_mul(V::s_load(at), sign));
            }
        }
    }
}

/// Rounds `tile[i][lane] * scale[lane]` to i16 and stores it as a panel.
#[inline(always)]
pub(crate) unsafe fn tile_to_panel<V: Codes>(
    tile: *const f32,
    len: usize,
    scale: *const f32,
    panel: *mut i16,
) {
    for lane in (0..LANES).step_by(V::S_LANES) {
        // SAFETY: the tile has `len` rows, an even number, and so has the panel.
        unsafe {
            let scale = V::s_load(scale.add(lane));
            let low16 = V::i_splat(0xffff);
            for pair in 0..len / 2 {
                let at = tile.add(2 * pair * LANES + lane);
                let first = V::s_round(V::s_mul(V::s_load(at), scale));
                let second = V::s_round(V::s_mul(V::s_load(at.add(LANES)), scale));
                let both = V::i_or(V::i_and(first, low16), V::i_shl(second, 16));
                V::i_store(panel.add(2 * (pair * LANES + lane)).cast(), both);
            }
        }
    }
}

/// `out[i] = values[i] * scale` for whole numbers, lane by lane of a tile.
#[inline(always)]
pub(crate) unsafe fn tile_from_i32<V: Codes>(
    values: *const i32,
    len: usize,
    scale: *const f32,
    out: *mut f32,
) {
    for lane in (0..LANES).step_by(V::S_LANES) {
        // SAFETY: both have `len` rows of `LANES`.
        unsafe {
            let scale = V::s_load(scale.add(lane));
            for i in 0..len {
                let at = i * LANES + lane;
                let value = V::i_to_s(V::i_load(values.add(at).cast()));
                V::s_store(out.add(at), V::s_mul(value, scale));
            }
        }
    }
}

/// Codes of `len` rows of a tile, whose root mean square is made 1 lane by lane first. Writes one byte a code, the
/// sums of the squares, and the sums of the products of the scaled values with the levels.
#[inline(always)]
pub(crate) unsafe fn tile_codes<V: Codes>(
    table: &CodeTable,
    tile: *const f32,
    len: usize,
    codes: *mut u8,
    squares: *mut f32,
    products: *mut f32,
) {
    let tops = 1_usize << table.top().min(TOP);
    let steps = (1_usize << table.width().saturating_sub(TOP).min(2)) - 1;
    for lane in (0..LANES).step_by(V::S_LANES) {
        // SAFETY: the tile has `len` rows of `LANES`, and so have the codes; tables have 16 entries.
        unsafe {
            let mut square = V::s_splat(0.0);
            for i in 0..len {
                let value = V::s_load(tile.add(i * LANES + lane));
                square = V::s_add(square, V::s_mul(value, value));
            }
            V::s_store(squares.add(lane), square);
            let least = V::s_splat(1e-35);
            let scale = V::s_sqrt(V::s_div(V::s_splat(len as f32), V::s_max(square, least)));
            let mut product = V::s_splat(0.0);
            if table.width() == 8 {
                let (steps, limit) = (V::s_splat(STEPS), V::s_splat(127.0));
                for i in 0..len {
                    let value = V::s_mul(V::s_load(tile.add(i * LANES + lane)), scale);
                    let level =
                        V::s_max(V::s_min(V::s_mul(value, steps), limit), V::s_splat(-127.0));
                    let level = V::s_round(level);
                    product = V::s_add(product, V::s_mul(value, V::i_to_s(level)));
                    V::i_store_u8(
                        codes.add(i * LANES + lane),
                        V::i_and(level, V::i_splat(255)),
                    );
                }
            } else {
                let level = |step: usize| table.levels[step].as_ptr();
                let levels = [
                    V::table(level(0)),
                    V::table(level(1)),
                    V::table(level(2)),
                    V::table(level(3)),
                ];
                let fine = |step: usize| table.fine[step].as_ptr();
                let fine = [V::table(fine(0)), V::table(fine(1)), V::table(fine(2))];
                let thresholds = V::table(table.thresholds.as_ptr());
                for i in 0..len {
                    let value = V::s_mul(V::s_load(tile.add(i * LANES + lane)), scale);
                    let mut top = V::i_splat(0);
                    let mut step = tops / 2;
                    while step > 0 {
                        let next = V::i_add(top, V::i_splat(step as i32));
                        top = V::i_select_ge(value, V::lookup(thresholds, next), next, top);
                        step /= 2;
                    }
                    let mut level = V::lookup(levels[0], top);
                    let mut code = top;
                    if steps > 0 {
                        let first = V::i_shl(top, if steps == 1 { 1 } else { 2 });
                        code = first;
                        for step in 0..steps {
                            let threshold = V::lookup(fine[step], top);
                            let next = V::i_add(first, V::i_splat(step as i32 + 1));
                            code = V::i_select_ge(value, threshold, next, code);
                            let higher = V::lookup(levels[step + 1], top);
                            level = V::s_select_ge(value, threshold, higher, level);
                        }
                    }
                    product = V::s_add(product, V::s_mul(value, level));
                    V::i_store_u8(codes.add(i * LANES + lane), code);
                }
            }
            V::s_store(products.add(lane), product);
        }
    }
}

/// Packs some bits of the codes of 64 rows of a tile: of each code `bits` (1, 2, 4 or 8) from bit `shift` on. A line
/// holds four bytes of each vector; line l has in byte j of a vector the bits of components
/// `4 * (s * lines + l) + j` at bit `s * bits`, for each s.
#[inline(always)]
pub(crate) unsafe fn pack_lines<V: Codes>(codes: *const u8, bits: u32, shift: u32, out: *mut u8) {
    let lines = 2 * bits as usize;
    for line in 0..lines {
        for lane in (0..LANES).step_by(V::S_LANES) {
            // SAFETY: there are 64 rows of codes, and `lines` lines of 64 bytes.
            unsafe {
                let mask = V::i_splat((1 << bits) - 1);
                let mut word = V::i_splat(0);
                for s in 0..8 / bits {
                    for j in 0..4_u32 {
                        let row = 4 * (s as usize * lines + line) + j as usize;
                        let code = V::i_load_u8(codes.add(row * LANES + lane));
                        let part = V::i_and(V::i_shr(code, shift), mask);
                        word = V::i_or(word, V::i_shl(part, 8 * j + s * bits));
                    }
                }
                V::i_store(out.add(4 * (line * LANES + lane)), word);
            }
        }
    }
}
