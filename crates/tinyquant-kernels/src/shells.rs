//! One table of functions a level, and the checked entry points in front of them.

use crate::bodies;
use crate::level::{Level, active};
use crate::scalar::Scalar;
use crate::{PANEL, QuantTable, STRIP, TILE};
use std::ops::Range;

/// The kernels of one level. A reference to it is a proof that the CPU has the level: [`Kernels::active`]
/// and [`Kernels::of`] are the only sources.
pub struct Kernels {
    level: Level,
    strip_add: unsafe fn(*const f64, usize, *const f64, usize, *mut f64),
    tile_round: unsafe fn(*const f64, *const f64, usize, *const f64, *mut f32, usize, usize),
    matvec: unsafe fn(*const f64, usize, *const f64, usize, *mut f32),
    tile_sums: unsafe fn(*const f32, *const f32, usize, *mut f32, usize),
    widen_tile: unsafe fn(*const f32, usize, usize, *mut f64),
    fill_tile: unsafe fn(*const f32, usize, usize, *mut f32),
    fused: bool,
    quantize: unsafe fn(&QuantTable, *const f32, usize, *mut u8),
    residual: unsafe fn(&QuantTable, *const f32, *const u8, usize, *mut u8) -> bool,
    dequantize: unsafe fn(&QuantTable, *const u8, Option<*const u8>, usize, *mut f32),
    widen_f16: unsafe fn(*const u8, usize, *mut f32),
    pack: unsafe fn(u8, &[u8], &mut [u8]),
    unpack: unsafe fn(u8, &[u8], &mut [u8]),
    dot_blocks: unsafe fn(*const f32, usize, *const f32, usize, *mut f32),
}

/// Functions that carry the features of a level around bodies that do not.
macro_rules! shells {
    (#[$feature:meta] $($op:tt)*) => { shells! { @each [#[$feature]] $($op)* } };
    (@each [$($feature:tt)*]) => {};
    (@each [$($feature:tt)*]
     fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $body:expr; $($rest:tt)*) => {
        $($feature)*
        unsafe fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: this function is compiled with the level's features, and its callers are the checked
            // methods of `Kernels`, which exist only where the CPU has the level.
            #[allow(unused_unsafe, reason = "some bodies are safe")]
            unsafe { $body }
        }
        shells! { @each [$($feature)*] $($rest)* }
    };
    ($($op:tt)*) => { shells! { @each [] $($op)* } };
}

/// Compiles every body for one level: its instruction set, its CPU features, and how its registers are
/// filled: rows and vectors of a tile's inner block, panels read side by side for one vector, blocks read
/// side by side for one query, and vectors to sixteen lanes of f64 and of f32.
macro_rules! level {
    ($name:ident, $level:expr, $simd:ty, $(#[$feature:meta])*
     tile $rows:literal x $vecs:literal x $sum_vecs:literal, strip $strip_rows:literal x $strip_vecs:literal, panels $panels:literal, blocks $blocks:literal,
     lanes $f64_vecs:literal $f32_vecs:literal) => {
        mod $name {
            use super::{Kernels, Level, QuantTable, bodies};

            shells! { $(#[$feature])*
                fn strip_add(x: *const f64, stride: usize, panel: *const f64, k: usize, acc: *mut f64) =
                    bodies::strip_add::<$simd, $strip_rows, $strip_vecs>(x, stride, panel, k, acc);
                fn tile_round(x: *const f64, panel: *const f64, k: usize, error: *const f64, out: *mut f32, stride: usize, used: usize) =
                    bodies::tile_round::<$simd, $rows, $vecs>(x, panel, k, error, out, stride, used);
                fn matvec(x: *const f64, k: usize, panels: *const f64, count: usize, out: *mut f32) =
                    bodies::matvec::<$simd, $panels, $f64_vecs>(x, k, panels, count, out);
                fn tile_sums(x: *const f32, panel: *const f32, k: usize, out: *mut f32, stride: usize) =
                    bodies::tile_sums::<$simd, $rows, $sum_vecs>(x, panel, k, out, stride);
                fn widen_tile(rows: *const f32, stride: usize, k: usize, tile: *mut f64) =
                    bodies::fill_tile(rows, stride, k, tile);
                fn fill_tile(rows: *const f32, stride: usize, k: usize, tile: *mut f32) =
                    bodies::fill_tile(rows, stride, k, tile);
                fn quantize(table: &QuantTable, values: *const f32, len: usize, out: *mut u8) =
                    bodies::quantize::<$simd>(table, values, len, out);
                fn residual(table: &QuantTable, values: *const f32, indices: *const u8, len: usize, out: *mut u8) -> bool =
                    bodies::residual::<$simd>(table, values, indices, len, out);
                fn dequantize(table: &QuantTable, indices: *const u8, residual: Option<*const u8>, len: usize, out: *mut f32) =
                    bodies::dequantize::<$simd>(table, indices, residual, len, out);
                fn widen_f16(halves: *const u8, len: usize, out: *mut f32) =
                    bodies::widen_f16::<$simd>(halves, len, out);
                fn pack(bits: u8, indices: &[u8], out: &mut [u8]) = bodies::pack(bits, indices, out);
                fn unpack(bits: u8, packed: &[u8], out: &mut [u8]) = bodies::unpack(bits, packed, out);
                fn dot_blocks(query: *const f32, dimension: usize, blocks: *const f32, count: usize, out: *mut f32) =
                    bodies::dot_blocks::<$simd, $blocks, $f32_vecs>(query, dimension, blocks, count, out);
            }

            pub(super) static KERNELS: Kernels = Kernels {
                level: $level,
                strip_add,
                tile_round,
                matvec,
                tile_sums,
                widen_tile,
                fill_tile,
                fused: <$simd as crate::simd::Simd>::FUSED,
                quantize,
                residual,
                dequantize,
                widen_f16,
                pack,
                unpack,
                dot_blocks,
            };
        }
    };
}

level!(scalar, Level::Scalar, super::Scalar,
    tile 2 x 8 x 8, strip 2 x 8, panels 1, blocks 1, lanes 16 16);
#[cfg(target_arch = "x86_64")]
level!(avx2, Level::Avx2, crate::x86::Avx2, #[target_feature(enable = "avx2,fma,f16c")]
    tile 6 x 2 x 2, strip 4 x 2, panels 2, blocks 4, lanes 4 2);
#[cfg(target_arch = "x86_64")]
level!(avx512, Level::Avx512, crate::x86::Avx512,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
    tile 12 x 2 x 1, strip 8 x 2, panels 4, blocks 8, lanes 2 1);
#[cfg(target_arch = "aarch64")]
level!(neon, Level::Neon, crate::aarch64::Neon, #[target_feature(enable = "neon")]
    tile 6 x 4 x 4, strip 4 x 4, panels 2, blocks 4, lanes 8 4);

impl Kernels {
    /// The kernels of the level in use.
    pub fn active() -> &'static Self {
        Self::of(active()).unwrap_or(&scalar::KERNELS)
    }

    /// The kernels of a level, if this CPU has it.
    pub fn of(level: Level) -> Option<&'static Self> {
        if !level.is_supported() {
            return None;
        }
        match level {
            Level::Scalar => Some(&scalar::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Some(&avx2::KERNELS),
            // What sets their higher levels apart is of no use to these kernels.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Vnni => Some(&avx512::KERNELS),
            #[cfg(target_arch = "aarch64")]
            Level::Neon | Level::NeonDot => Some(&neon::KERNELS),
            #[allow(
                unreachable_patterns,
                reason = "the levels left over depend on the architecture"
            )]
            _ => None,
        }
    }

    /// The level of these kernels.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Adds the product of a strip and a panel to `acc`, in f64, strictly in order of `k`:
    /// `acc[m][c] += x[i * stride + m] * panel[i][c]` for `m < STRIP`, `c < PANEL`.
    ///
    /// # Panics
    /// If `panel` is no whole number of rows, or `x` has fewer than as many rows of `stride`, or `acc` is not
    /// `STRIP * PANEL` values.
    pub fn strip_add(&self, x: &[f64], stride: usize, panel: &[f64], acc: &mut [f64]) {
        let k = panel.len() / PANEL;
        assert!(
            has_shape(panel.len(), k, PANEL) && acc.len() == STRIP * PANEL,
            "panel and strip shapes"
        );
        let last_row = k.saturating_sub(1).checked_mul(stride);
        let end = last_row.and_then(|start| start.checked_add(STRIP));
        assert!(
            k == 0 || (stride >= STRIP && end.is_some_and(|end| end <= x.len())),
            "rows of x"
        );
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.strip_add)(x.as_ptr(), stride, panel.as_ptr(), k, acc.as_mut_ptr()) }
    }

    /// Writes the product of a tile and a panel, rounded to f32, to `columns` of `TILE` rows of
    /// `stride` values; a whole panel is written from their start on.
    ///
    /// The result is that of strict sums in f64 in order of `k`, each product and each sum rounded.
    /// `error[m]` bounds the distance between such a sum of row `m` and the same sum with fused
    /// multiply-adds: [`fused_error`](crate::fused_error) gives it. A bound that is too small makes the result
    /// depend on the level; one that is too large costs time. Beyond `columns`, what is
    /// written may be the fused sum.
    ///
    /// # Panics
    /// If the tile and the panel have different numbers of rows, or `out` is not `TILE` rows with room for
    /// the columns.
    pub fn tile_round(
        &self,
        tile: &[f64],
        panel: &[f64],
        error: &[f64; TILE],
        out: &mut [f32],
        stride: usize,
        columns: Range<usize>,
    ) {
        let k = panel.len() / PANEL;
        assert!(
            has_shape(panel.len(), k, PANEL) && has_shape(tile.len(), k, TILE),
            "tile and panel shapes"
        );
        assert!(
            has_shape(out.len(), TILE, stride)
                && columns
                    .start
                    .checked_add(PANEL)
                    .is_some_and(|end| end <= stride),
            "output shape"
        );
        let (out, error) = (out[columns.start..].as_mut_ptr(), error.as_ptr());
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe {
            (self.tile_round)(
                tile.as_ptr(),
                panel.as_ptr(),
                k,
                error,
                out,
                stride,
                columns.len(),
            );
        }
    }

    /// Product of one vector with panels of `x.len()` rows each, in f64, strictly in order, rounded to f32.
    ///
    /// # Panics
    /// If `panels` does not hold one panel for every `PANEL` values of `out`.
    pub fn matvec(&self, x: &[f64], panels: &[f64], out: &mut [f32]) {
        let count = out.len() / PANEL;
        assert!(
            has_shape(out.len(), count, PANEL) && has_shape(panels.len(), out.len(), x.len()),
            "panel shapes"
        );
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe {
            (self.matvec)(
                x.as_ptr(),
                x.len(),
                panels.as_ptr(),
                count,
                out.as_mut_ptr(),
            );
        }
    }

    /// Writes approximate products of a tile and a panel of f32 to columns `column..column + PANEL` of `TILE` rows
    /// of `stride` values. [`sums_error`](crate::sums_error) bounds their distance from the exact sums; their bits
    /// depend on the level.
    ///
    /// # Panics
    /// As [`Kernels::tile_round`].
    pub fn tile_sums(
        &self,
        tile: &[f32],
        panel: &[f32],
        out: &mut [f32],
        stride: usize,
        column: usize,
    ) {
        let k = panel.len() / PANEL;
        assert!(
            has_shape(panel.len(), k, PANEL) && has_shape(tile.len(), k, TILE),
            "tile and panel shapes"
        );
        assert!(
            has_shape(out.len(), TILE, stride)
                && column.checked_add(PANEL).is_some_and(|end| end <= stride),
            "output shape"
        );
        let out = out[column..].as_mut_ptr();
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.tile_sums)(tile.as_ptr(), panel.as_ptr(), k, out, stride) }
    }

    /// Whether [`Kernels::tile_sums`] is faster than [`Kernels::tile_round`]: it needs a fused multiply-add.
    pub fn has_fast_sums(&self) -> bool {
        self.fused
    }

    /// Transposes the first `tile.len() / TILE` values of `TILE` rows of `stride` into a tile of f64.
    ///
    /// # Panics
    /// If the rows are shorter than that.
    pub fn widen_tile(&self, rows: &[f32], stride: usize, tile: &mut [f64]) {
        let k = tile_rows(rows, stride, tile.len());
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.widen_tile)(rows.as_ptr(), stride, k, tile.as_mut_ptr()) }
    }

    /// Transposes as [`Kernels::widen_tile`], into a tile of f32.
    ///
    /// # Panics
    /// As [`Kernels::widen_tile`].
    pub fn fill_tile(&self, rows: &[f32], stride: usize, tile: &mut [f32]) {
        let k = tile_rows(rows, stride, tile.len());
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.fill_tile)(rows.as_ptr(), stride, k, tile.as_mut_ptr()) }
    }

    /// Index of each value in the codebook.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of [`PANEL`].
    pub fn quantize(&self, table: &QuantTable, values: &[f32], indices: &mut [u8]) {
        assert!(
            values.len() == indices.len() && values.len().is_multiple_of(PANEL),
            "padded rows"
        );
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.quantize)(table, values.as_ptr(), values.len(), indices.as_mut_ptr()) }
    }

    /// What the indices leave of the values, as little-endian f16, two bytes a value. Returns true if a
    /// difference is beyond the range of f16; its bytes are then an infinity.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of [`PANEL`], or an index is not of the table.
    pub fn residual(
        &self,
        table: &QuantTable,
        values: &[f32],
        indices: &[u8],
        out: &mut [u8],
    ) -> bool {
        let len = values.len();
        assert!(
            indices.len() == len && out.len() == 2 * len && len.is_multiple_of(PANEL),
            "padded rows"
        );
        assert!(all_below(indices, table.bits), "index outside the table");
        // SAFETY: the CPU has the level; the lengths and the indices were checked.
        unsafe {
            (self.residual)(
                table,
                values.as_ptr(),
                indices.as_ptr(),
                len,
                out.as_mut_ptr(),
            )
        }
    }

    /// The entry of each index, plus its f16 residual where there is one.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of [`PANEL`], or an index is not of the table.
    pub fn dequantize(
        &self,
        table: &QuantTable,
        indices: &[u8],
        residual: Option<&[u8]>,
        out: &mut [f32],
    ) {
        let len = out.len();
        assert!(
            indices.len() == len && len.is_multiple_of(PANEL),
            "padded rows"
        );
        assert!(
            residual.is_none_or(|bytes| bytes.len() == 2 * len),
            "two bytes of residual a value"
        );
        assert!(all_below(indices, table.bits), "index outside the table");
        let residual = residual.map(<[u8]>::as_ptr);
        // SAFETY: the CPU has the level; the lengths and the indices were checked.
        unsafe { (self.dequantize)(table, indices.as_ptr(), residual, len, out.as_mut_ptr()) }
    }

    /// Widens little-endian f16 values exactly; a NaN stays one.
    ///
    /// # Panics
    /// Unless there are two bytes for each value of `out`.
    pub fn widen_f16(&self, halves: &[u8], out: &mut [f32]) {
        assert_eq!(halves.len(), 2 * out.len(), "two bytes a value");
        let whole = out.len() / PANEL * PANEL;
        // SAFETY: the CPU has the level; `whole` is a multiple of the lanes within both.
        unsafe { (self.widen_f16)(halves.as_ptr(), whole, out.as_mut_ptr()) }
        let tail = halves[2 * whole..].as_chunks().0.iter();
        for (value, half) in out[whole..].iter_mut().zip(tail) {
            *value = crate::f16_to_f32(u16::from_le_bytes(*half));
        }
    }

    /// Packs indices of `bits` bits (2, 4 or 8), least significant bits first.
    ///
    /// # Panics
    /// If `bits` is another number, an index does not fit it, the indices are no multiple of [`PANEL`], or `out` is
    /// not exactly their packed length.
    pub fn pack(&self, bits: u8, indices: &[u8], out: &mut [u8]) {
        assert!(matches!(bits, 2 | 4 | 8), "bits must be 2, 4 or 8");
        assert!(indices.len().is_multiple_of(PANEL), "padded rows");
        assert!(all_below(indices, bits), "index wider than its bits");
        assert_eq!(
            out.len(),
            indices.len() * usize::from(bits) / 8,
            "packed length"
        );
        // SAFETY: the CPU has the level.
        unsafe { (self.pack)(bits, indices, out) }
    }

    /// The inverse of [`Kernels::pack`].
    ///
    /// # Panics
    /// If `bits` is another number, `out` is no multiple of [`PANEL`], or `packed` is not exactly its packed length.
    pub fn unpack(&self, bits: u8, packed: &[u8], out: &mut [u8]) {
        assert!(matches!(bits, 2 | 4 | 8), "bits must be 2, 4 or 8");
        assert!(out.len().is_multiple_of(PANEL), "padded rows");
        assert_eq!(
            packed.len(),
            out.len() * usize::from(bits) / 8,
            "packed length"
        );
        // SAFETY: the CPU has the level.
        unsafe { (self.unpack)(bits, packed, out) }
    }

    /// Dot products of a query with blocks of [`PANEL`] vectors, in f32, strictly in index order. A block
    /// holds component 0 of its vectors, then component 1, and so on.
    ///
    /// # Panics
    /// If `blocks` does not hold one block of `query.len()` components for every `PANEL` values of `out`.
    pub fn dot_blocks(&self, query: &[f32], blocks: &[f32], out: &mut [f32]) {
        let count = out.len() / PANEL;
        assert!(
            has_shape(out.len(), count, PANEL) && has_shape(blocks.len(), out.len(), query.len()),
            "block shapes"
        );
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe {
            (self.dot_blocks)(
                query.as_ptr(),
                query.len(),
                blocks.as_ptr(),
                count,
                out.as_mut_ptr(),
            );
        }
    }
}

/// Whether all indices fit `bits` bits: lookups read without a bounds check.
fn all_below(indices: &[u8], bits: u8) -> bool {
    let mask = ((1_u16 << bits) - 1) as u8;
    indices.iter().fold(0, |all, index| all | index) <= mask
}

/// Whether `len` is `rows * columns`. A product that overflows is no length.
fn has_shape(len: usize, rows: usize, columns: usize) -> bool {
    rows.checked_mul(columns) == Some(len)
}

/// Checks that `rows` are `TILE` rows of `stride` with enough values for a tile, and returns how many it takes.
fn tile_rows(rows: &[f32], stride: usize, tile_len: usize) -> usize {
    let k = tile_len / TILE;
    assert!(
        has_shape(tile_len, k, TILE) && k <= stride && has_shape(rows.len(), TILE, stride),
        "tile shape"
    );
    k
}
