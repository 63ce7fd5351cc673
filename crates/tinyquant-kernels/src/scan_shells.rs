//! The kernels of the search index: one table of functions a level, and the checked entry points.

use crate::QuantTable;
use crate::code_plan::{CodePlan, CodeQuery, LANES, UNIT};
use crate::code_table::CodeTable;
use crate::level::{Level, active};
use crate::scan::{self, Rows, Scan};
use crate::tile;

/// The kernels of one level for the search index. A reference to it is a proof that the CPU has the level.
pub struct ScanKernels {
    level: Level,
    dot_panels: unsafe fn(*const i16, usize, *const i16, usize, usize, *mut i32),
    hadamard: unsafe fn(*mut f32, usize, usize, *const f32, f32),
    hadamard_one: unsafe fn(*mut f32, usize, f32),
    tile_of: unsafe fn(*const f32, usize, *mut f32),
    tile_peaks: unsafe fn(*const f32, usize, *mut f32),
    tile_affine: unsafe fn(*mut f32, usize, *const f32, *const f32, *mut f32),
    tile_signs: unsafe fn(*mut f32, usize, *const f32),
    tile_to_panel: unsafe fn(*const f32, usize, *const f32, *mut i16),
    tile_from_i32: unsafe fn(*const i32, usize, *const f32, *mut f32),
    tile_codes: unsafe fn(&CodeTable, *const f32, usize, *mut u8, *mut f32, *mut f32),
    pack_lines: unsafe fn(*const u8, u32, u32, *mut u8),
    scan1: unsafe fn(&CodePlan, &[&CodeQuery; 1], &[f32; 1], Scan),
    scan4: unsafe fn(&CodePlan, &[&CodeQuery; 4], &[f32; 4], Scan),
    score_rows: unsafe fn(&CodePlan, &CodeQuery, Rows, &[u32], *mut f32),
    entry_dots1: unsafe fn(&QuantTable, *const u8, usize, usize, *const f32, *mut f32),
    entry_dots4: unsafe fn(&QuantTable, *const u8, usize, usize, *const f32, *mut f32),
    pair_sums_f16: unsafe fn(*const f32, usize, *const u8) -> [f32; 3],
    pair_sums_f32: unsafe fn(*const f32, usize, *const u8) -> [f32; 3],
}

/// Compiles every body for one level: its instruction set, its CPU features, registers to sixteen lanes, and how many
/// rows and panels of a product are in registers.
macro_rules! level {
    ($name:ident, $level:expr, $simd:ty, $(#[$feature:meta])* lanes $vecs:literal, products $rows:literal x $panels:literal) => {
        mod $name {
            use super::{CodePlan, CodeQuery, CodeTable, Level, QuantTable, Rows, Scan, ScanKernels, scan, tile};

            shells! { $(#[$feature])*
                fn dot_panels(rows: *const i16, count: usize, panels: *const i16, panel_count: usize, pairs: usize, out: *mut i32) =
                    tile::dot_panels::<$simd, $rows, $panels, $vecs>(rows, count, panels, panel_count, pairs, out);
                fn hadamard(values: *mut f32, len: usize, width: usize, signs: *const f32, scale: f32) =
                    tile::hadamard::<$simd>(values, len, width, signs, scale);
                fn hadamard_one(values: *mut f32, len: usize, scale: f32) = tile::hadamard_one::<$simd>(values, len, scale);
                fn tile_of(vectors: *const f32, dim: usize, tile: *mut f32) = tile::tile_of::<$simd>(vectors, dim, tile);
                fn tile_peaks(tile: *const f32, len: usize, out: *mut f32) = tile::tile_peaks::<$simd>(tile, len, out);
                fn tile_affine(tile: *mut f32, len: usize, scale: *const f32, shift: *const f32, squares: *mut f32) =
                    tile::tile_affine::<$simd>(tile, len, scale, shift, squares);
                fn tile_signs(tile: *mut f32, len: usize, signs: *const f32) = tile::tile_signs::<$simd>(tile, len, signs);
                fn tile_to_panel(tile: *const f32, len: usize, scale: *const f32, panel: *mut i16) =
                    tile::tile_to_panel::<$simd>(tile, len, scale, panel);
                fn tile_from_i32(values: *const i32, len: usize, scale: *const f32, out: *mut f32) =
                    tile::tile_from_i32::<$simd>(values, len, scale, out);
                fn tile_codes(table: &CodeTable, tile: *const f32, len: usize, codes: *mut u8, squares: *mut f32, products: *mut f32) =
                    tile::tile_codes::<$simd>(table, tile, len, codes, squares, products);
                fn pack_lines(codes: *const u8, bits: u32, shift: u32, out: *mut u8) =
                    tile::pack_lines::<$simd>(codes, bits, shift, out);
                fn scan1(plan: &CodePlan, queries: &[&CodeQuery; 1], thresholds: &[f32; 1], blocks: Scan) =
                    scan::scan::<$simd, 1, 4, $vecs>(plan, queries, thresholds, blocks);
                fn scan4(plan: &CodePlan, queries: &[&CodeQuery; 4], thresholds: &[f32; 4], blocks: Scan) =
                    scan::scan::<$simd, 4, 2, $vecs>(plan, queries, thresholds, blocks);
                fn score_rows(plan: &CodePlan, query: &CodeQuery, from: Rows, rows: &[u32], out: *mut f32) =
                    scan::score_rows::<$simd>(plan, query, from, rows, out);
                fn entry_dots1(table: &QuantTable, indices: *const u8, count: usize, len: usize, queries: *const f32, out: *mut f32) =
                    scan::entry_dots::<$simd, 1, $vecs>(table, indices, count, len, queries, out);
                fn entry_dots4(table: &QuantTable, indices: *const u8, count: usize, len: usize, queries: *const f32, out: *mut f32) =
                    scan::entry_dots::<$simd, 4, $vecs>(table, indices, count, len, queries, out);
                fn pair_sums_f16(query: *const f32, len: usize, halves: *const u8) -> [f32; 3] =
                    scan::pair_sums_f16::<$simd, $vecs>(query, len, halves);
                fn pair_sums_f32(query: *const f32, len: usize, values: *const u8) -> [f32; 3] =
                    scan::pair_sums_f32::<$simd, $vecs>(query, len, values);
            }

            pub(super) static KERNELS: ScanKernels = ScanKernels {
                level: $level,
                dot_panels,
                hadamard,
                hadamard_one,
                tile_of,
                tile_peaks,
                tile_affine,
                tile_signs,
                tile_to_panel,
                tile_from_i32,
                tile_codes,
                pack_lines,
                scan1,
                scan4,
                score_rows,
                entry_dots1,
                entry_dots4,
                pair_sums_f16,
                pair_sums_f32,
            };
        }
    };
}

level!(scalar, Level::Scalar, crate::scalar::Scalar, lanes 16, products 1 x 1);
#[cfg(target_arch = "x86_64")]
level!(avx2, Level::Avx2, crate::x86::Avx2, #[target_feature(enable = "avx2,fma,f16c")] lanes 2, products 3 x 2);
#[cfg(target_arch = "x86_64")]
level!(avx512, Level::Avx512, crate::x86::Avx512,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")] lanes 1, products 6 x 4);
#[cfg(target_arch = "x86_64")]
level!(avx512vnni, Level::Avx512Vnni, crate::x86::Avx512Vnni,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx2,fma,f16c")]
    lanes 1, products 6 x 4);
#[cfg(target_arch = "aarch64")]
level!(neon, Level::Neon, crate::aarch64::Neon, #[target_feature(enable = "neon")] lanes 4, products 4 x 1);
#[cfg(target_arch = "aarch64")]
level!(neondot, Level::NeonDot, crate::aarch64::NeonDot,
    #[target_feature(enable = "neon,dotprod")] lanes 4, products 4 x 1);

/// The lead lines, factors and tails of rows in blocks of [`LANES`].
#[derive(Debug, Clone, Copy)]
pub struct CodedRows<'a> {
    /// [`CodePlan::lead_bytes`] a block.
    pub lead: &'a [u8],
    /// [`CodePlan::factor_bytes`] a block.
    pub factors: &'a [u8],
    /// [`CodePlan::tail_bytes`] a row.
    pub tails: &'a [u8],
    /// Rows.
    pub rows: usize,
}

/// The lead lines and factors of whole blocks.
#[derive(Debug, Clone, Copy)]
pub struct CodedBlocks<'a> {
    /// [`CodePlan::lead_bytes`] a block.
    pub lead: &'a [u8],
    /// [`CodePlan::factor_bytes`] a block.
    pub factors: &'a [u8],
    /// Bytes that will be read after these, and are asked for meanwhile; none is fine.
    pub next: &'a [u8],
}

impl CodedRows<'_> {
    fn check(&self, plan: &CodePlan) {
        let blocks = self.rows.div_ceil(LANES);
        assert!(
            self.lead.len() == blocks * plan.lead_bytes()
                && self.factors.len() == blocks * plan.factor_bytes()
                && self.tails.len() == self.rows * plan.tail_bytes(),
            "lengths of coded rows"
        );
    }
}

impl ScanKernels {
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
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Some(&avx512::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => Some(&avx512vnni::KERNELS),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => Some(&neon::KERNELS),
            #[cfg(target_arch = "aarch64")]
            Level::NeonDot => Some(&neondot::KERNELS),
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

    /// Products of rows and panels of i16, exact: `out[p][r][lane]`, with `pairs` pairs of components in each. A panel
    /// holds for each pair that of the first of [`LANES`] vectors, that of the second one, and so on.
    ///
    /// The sum over components of the products of magnitudes must stay below 2^31 for each row and vector: it does where
    /// the product of their Euclidean lengths does.
    ///
    /// # Panics
    /// If the lengths do not fit each other.
    pub fn dot_panels(&self, rows: &[i16], panels: &[i16], pairs: usize, out: &mut [i32]) {
        assert!(pairs > 0, "no components");
        let (count, panel_count) = (rows.len() / (2 * pairs), panels.len() / (2 * pairs * LANES));
        assert!(
            rows.len() == count * 2 * pairs
                && panels.len() == panel_count * 2 * pairs * LANES
                && out.len() == panel_count * count * LANES,
            "shapes of a product"
        );
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe {
            (self.dot_panels)(
                rows.as_ptr(),
                count,
                panels.as_ptr(),
                panel_count,
                pairs,
                out.as_mut_ptr(),
            );
        }
    }

    /// Walsh-Hadamard transform of the rows of a tile, a power of two, times `scale`; row `i` times `signs[i]` first
    /// where signs are given.
    ///
    /// # Panics
    /// If the rows of [`LANES`] are no power of two, or there is not a sign for each.
    pub fn hadamard(&self, tile: &mut [f32], signs: Option<&[f32]>, scale: f32) {
        let len = tile_len(tile.len());
        assert!(len.is_power_of_two(), "a power of two");
        let fits = signs.is_none_or(|signs| signs.len() == len);
        assert!(fits, "a sign for each row");
        let signs = signs.map_or(std::ptr::null(), <[f32]>::as_ptr);
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.hadamard)(tile.as_mut_ptr(), len, LANES, signs, scale) }
    }

    /// The same transform of one vector; its values are those that it has in a tile.
    ///
    /// # Panics
    /// If the length is no power of two.
    pub fn hadamard_one(&self, values: &mut [f32], scale: f32) {
        assert!(values.len().is_power_of_two(), "a power of two");
        // SAFETY: the CPU has the level; the length was checked.
        unsafe { (self.hadamard_one)(values.as_mut_ptr(), values.len(), scale) }
    }

    /// Puts up to [`LANES`] vectors, one after another, side by side as a tile; those that are missing are zero.
    ///
    /// # Panics
    /// If the tile has no whole rows, or there are more vectors or parts of one.
    pub fn tile_of(&self, vectors: &[f32], tile: &mut [f32]) {
        let dim = tile_len(tile.len());
        if vectors.len() == tile.len() {
            // SAFETY: the CPU has the level; the lengths were checked.
            return unsafe { (self.tile_of)(vectors.as_ptr(), dim, tile.as_mut_ptr()) };
        }
        let is_whole = dim > 0 && vectors.len().is_multiple_of(dim);
        assert!(is_whole && vectors.len() < tile.len(), "whole vectors");
        tile.fill(0.0);
        for (lane, vector) in vectors.chunks_exact(dim).enumerate() {
            for (to, value) in tile[lane..].iter_mut().step_by(LANES).zip(vector) {
                *to = *value;
            }
        }
    }

    /// Largest magnitude of each vector of a tile of finite values.
    ///
    /// # Panics
    /// If it has no whole rows.
    pub fn tile_peaks(&self, tile: &[f32]) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        // SAFETY: the CPU has the level; the length was checked.
        unsafe { (self.tile_peaks)(tile.as_ptr(), tile_len(tile.len()), out.as_mut_ptr()) }
        out
    }

    /// Replaces each value by `value * scale[vector] - shift[component]`; returns the sums of the squares.
    ///
    /// # Panics
    /// If `shift` is not a value for each row.
    pub fn tile_affine(
        &self,
        tile: &mut [f32],
        scale: &[f32; LANES],
        shift: &[f32],
    ) -> [f32; LANES] {
        let len = tile_len(tile.len());
        assert_eq!(shift.len(), len, "a shift for each row");
        let mut out = [0.0; LANES];
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe {
            (self.tile_affine)(
                tile.as_mut_ptr(),
                len,
                scale.as_ptr(),
                shift.as_ptr(),
                out.as_mut_ptr(),
            );
        }
        out
    }

    /// Multiplies row `i` of a tile by `signs[i]`.
    ///
    /// # Panics
    /// If there is not a sign for each row.
    pub fn tile_signs(&self, tile: &mut [f32], signs: &[f32]) {
        let len = tile_len(tile.len());
        assert_eq!(signs.len(), len, "a sign for each row");
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.tile_signs)(tile.as_mut_ptr(), len, signs.as_ptr()) }
    }

    /// Rounds `value * scale[vector]` to i16 and stores a tile as a panel.
    ///
    /// # Panics
    /// If the rows are not even in number or the panel has another length. Values beyond i16 are stored wrong.
    pub fn tile_to_panel(&self, tile: &[f32], scale: &[f32; LANES], panel: &mut [i16]) {
        let len = tile_len(tile.len());
        assert!(
            len.is_multiple_of(2) && panel.len() == tile.len(),
            "an even number of rows"
        );
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.tile_to_panel)(tile.as_ptr(), len, scale.as_ptr(), panel.as_mut_ptr()) }
    }

    /// `out = value * scale[vector]` of whole numbers.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn tile_from_i32(&self, values: &[i32], scale: &[f32; LANES], out: &mut [f32]) {
        let len = tile_len(values.len());
        assert_eq!(out.len(), values.len(), "shapes of tiles");
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.tile_from_i32)(values.as_ptr(), len, scale.as_ptr(), out.as_mut_ptr()) }
    }

    /// Codes of the rows of a tile, one byte each, of values that are scaled so that their mean square is 1. Returns
    /// for each vector the sum of the squares and the sum of the products of the scaled values with the levels.
    ///
    /// # Panics
    /// If the lengths differ, or the table is of width 0.
    pub fn tile_codes(
        &self,
        table: &CodeTable,
        tile: &[f32],
        codes: &mut [u8],
    ) -> ([f32; LANES], [f32; LANES]) {
        let len = tile_len(tile.len());
        assert!(
            codes.len() == tile.len() && table.width() > 0,
            "a code for each value"
        );
        let (mut squares, mut products) = ([0.0; LANES], [0.0; LANES]);
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe {
            (self.tile_codes)(
                table,
                tile.as_ptr(),
                len,
                codes.as_mut_ptr(),
                squares.as_mut_ptr(),
                products.as_mut_ptr(),
            );
        }
        (squares, products)
    }

    /// Packs `bits` bits (1, 2, 4 or 8) of the codes of a unit of a tile, from bit `shift` on, as the lines of a plane
    /// (see [`CodePlan`]).
    ///
    /// # Panics
    /// If the lengths are not those of a unit and a plane.
    pub fn pack_lines(&self, codes: &[u8], bits: u8, shift: u8, out: &mut [u8]) {
        assert!(
            matches!(bits, 1 | 2 | 4 | 8)
                && shift < 8
                && codes.len() == UNIT * LANES
                && out.len() == UNIT * LANES / 8 * usize::from(bits),
            "a unit and its plane"
        );
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.pack_lines)(codes.as_ptr(), bits.into(), shift.into(), out.as_mut_ptr()) }
    }

    /// Scores the lead of whole blocks against each query: the scores and masks of the first query come first. A bit of
    /// a mask is set where the score reaches the query's threshold, or is no number.
    ///
    /// # Panics
    /// If the lengths do not fit each other or the plan.
    pub fn scan(
        &self,
        plan: &CodePlan,
        blocks: CodedBlocks<'_>,
        queries: &[(&CodeQuery, f32)],
        scores: &mut [f32],
        masks: &mut [u16],
    ) {
        let count = blocks
            .factors
            .len()
            .checked_div(plan.factor_bytes())
            .unwrap_or(0);
        assert!(
            blocks.lead.len() == count * plan.lead_bytes()
                && blocks.factors.len() == count * plan.factor_bytes()
                && scores.len() == queries.len() * count * LANES
                && masks.len() == queries.len() * count,
            "shapes of a scan"
        );
        assert!(
            queries.iter().all(|(query, _)| fits(plan, query)),
            "queries of this plan"
        );
        let mut at = 0;
        while at < queries.len() {
            let blocks = Scan {
                lead: blocks.lead.as_ptr(),
                factors: blocks.factors.as_ptr(),
                next: if at == 0 { blocks.next } else { &[] },
                count,
                scores: scores[at * count * LANES..].as_mut_ptr(),
                masks: masks[at * count..].as_mut_ptr(),
            };
            if let Some(four) = queries[at..].first_chunk::<4>() {
                let (queries, thresholds) = (four.map(|query| query.0), four.map(|query| query.1));
                // SAFETY: the CPU has the level; the lengths and queries were checked.
                unsafe { (self.scan4)(plan, &queries, &thresholds, blocks) }
                at += 4;
            } else {
                let (query, threshold) = queries[at];
                // SAFETY: the CPU has the level; the lengths and queries were checked.
                unsafe { (self.scan1)(plan, &[query], &[threshold], blocks) }
                at += 1;
            }
        }
    }

    /// The whole scores of some rows.
    ///
    /// # Panics
    /// If the lengths do not fit each other or the plan, or a row is not one.
    pub fn score_rows(
        &self,
        plan: &CodePlan,
        query: &CodeQuery,
        from: CodedRows<'_>,
        rows: &[u32],
        out: &mut [f32],
    ) {
        from.check(plan);
        assert!(
            rows.len() == out.len() && rows.iter().all(|row| (*row as usize) < from.rows),
            "rows to score"
        );
        assert!(fits(plan, query), "a query of this plan");
        let pointers = Rows {
            lead: from.lead.as_ptr(),
            factors: from.factors.as_ptr(),
            tails: from.tails.as_ptr(),
        };
        // SAFETY: the CPU has the level; the lengths, the rows and the query were checked.
        unsafe { (self.score_rows)(plan, query, pointers, rows, out.as_mut_ptr()) }
    }

    /// Products of queries of `len` values with rows of as many indices, each of which stands for its entry of the table:
    /// sixteen sums each in f32, added up pairwise. The products of the first query with each row come first.
    ///
    /// # Panics
    /// If `len` is 0 or no multiple of [`LANES`], or there are not as many results as pairs of a query and a row. An index
    /// beyond the table gives some entry of it, or zero.
    pub fn entry_dots(
        &self,
        table: &QuantTable,
        len: usize,
        indices: &[u8],
        queries: &[f32],
        out: &mut [f32],
    ) {
        assert!(len > 0 && len.is_multiple_of(LANES), "padded rows");
        let (count, query_count) = (indices.len() / len, queries.len() / len);
        assert!(
            indices.len() == count * len
                && queries.len() == query_count * len
                && out.len() == count * query_count,
            "shapes of products"
        );
        if count == 0 {
            return;
        }
        let mut left = out;
        let mut at = 0;
        while at < query_count {
            let step = if at + 4 <= query_count { 4 } else { 1 };
            let (out, rest) = left.split_at_mut(step * count);
            let queries = queries[at * len..].as_ptr();
            let kernel = if step == 4 {
                self.entry_dots4
            } else {
                self.entry_dots1
            };
            // SAFETY: the CPU has the level; the lengths were checked.
            unsafe {
                kernel(
                    table,
                    indices.as_ptr(),
                    count,
                    len,
                    queries,
                    out.as_mut_ptr(),
                );
            }
            (left, at) = (rest, at + step);
        }
    }

    /// `<q, x>`, `<x, x>` and `|q - x|^2`, where `x` are little-endian f16 values: sixteen sums each in f32, added up
    /// pairwise.
    ///
    /// # Panics
    /// If there are not two bytes for each value of the query.
    pub fn pair_sums_f16(&self, query: &[f32], halves: &[u8]) -> [f32; 3] {
        assert_eq!(halves.len(), 2 * query.len(), "two bytes a value");
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.pair_sums_f16)(query.as_ptr(), query.len(), halves.as_ptr()) }
    }

    /// As [`ScanKernels::pair_sums_f16`], of little-endian f32 values.
    ///
    /// # Panics
    /// If there are not four bytes for each value of the query.
    pub fn pair_sums_f32(&self, query: &[f32], values: &[u8]) -> [f32; 3] {
        assert_eq!(values.len(), 4 * query.len(), "four bytes a value");
        // SAFETY: the CPU has the level; the lengths were checked.
        unsafe { (self.pair_sums_f32)(query.as_ptr(), query.len(), values.as_ptr()) }
    }
}

fn fits(plan: &CodePlan, query: &CodeQuery) -> bool {
    let segments = plan.factors().len();
    query.codes.len() == plan.units() * UNIT
        && [query.sums.len(), query.lead_bias.len(), query.scales.len()] == [segments; 3]
}

fn tile_len(values: usize) -> usize {
    assert!(values.is_multiple_of(LANES), "whole rows of a tile");
    values / LANES
}
