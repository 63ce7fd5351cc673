//! Bodies that score codes.
//!
//! Sums of products of whole numbers are exact, so that their order does not matter; what follows them is the same
//! sequence of f32 operations at every level.
//!
//! # Safety
//! As in [`crate::bodies`].

use crate::QuantTable;
use crate::bodies::entry;
use crate::code_plan::{CodePlan, CodeQuery, FactorCode, LANES, PlanUnit, UNIT};
use crate::codes::Codes;
use crate::simd::Simd;

/// What a scan reads and writes; the lengths are those of `count` blocks.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a> {
    pub(crate) lead: *const u8,
    pub(crate) factors: *const u8,
    /// What is read next.
    pub(crate) next: &'a [u8],
    pub(crate) count: usize,
    /// A score for each row and query, query by query.
    pub(crate) scores: *mut f32,
    /// A bit for each row whose score reaches the threshold, a number for each block and query.
    pub(crate) masks: *mut u16,
}

/// `S` sums a query: each dot product waits for the one before it in the same sum.
type Sums<V, const Q: usize, const S: usize> = [[<V as Simd>::I; S]; Q];

/// Scores `Q` queries against the lead of blocks.
#[inline(always)]
pub(crate) unsafe fn scan<V: Codes, const Q: usize, const S: usize, const VECS: usize>(
    plan: &CodePlan,
    queries: &[&CodeQuery; Q],
    thresholds: &[f32; Q],
    scan: Scan,
) {
    let segments = plan.factors.len();
    let units = &plan.units[..plan.lead_units()];
    let coarse = plan.coarse[usize::from(V::BIAS > 0)].as_slice();
    // Each block asks for as much of what is next.
    let mut next = scan.next.chunks(plan.lead_bytes().max(1));
    for block in 0..scan.count {
        for line in next.next().unwrap_or_default().iter().step_by(64) {
            // SAFETY: any address may be asked for.
            unsafe { V::prefetch(line) };
        }
        let mut masks = [0; Q];
        for vec in 0..VECS {
            // SAFETY: blocks, rows and queries stay within the counts that the callers checked, and segments within
            // those that a query has.
            unsafe {
                let mut at = scan
                    .lead
                    .add(block * plan.lead_bytes() + vec * 4 * V::S_LANES);
                let factors = scan.factors.add(block * plan.factor_bytes());
                let mut totals = [V::s_splat(0.0); Q];
                let mut sums = [[V::i_splat(0); S]; Q];
                let mut segment = 0;
                for (index, unit) in units.iter().enumerate() {
                    let mut codes = [std::ptr::null(); Q];
                    for q in 0..Q {
                        codes[q] = queries[q].codes.as_ptr().add(index * UNIT);
                    }
                    let levels = coarse[usize::from(unit.width)].as_ptr();
                    sums = match unit.top {
                        4 => lines::<V, Q, S, 4>(sums, at, levels, codes),
                        3 => lines3::<V, Q, S>(sums, at, levels, codes),
                        2 => lines::<V, Q, S, 2>(sums, at, levels, codes),
                        1 => lines::<V, Q, S, 1>(sums, at, levels, codes),
                        _ => lines8::<V, Q, S>(sums, at, codes),
                    };
                    at = at.add(LANES * UNIT / 8 * usize::from(unit.top));
                    if unit.ends_segment || index + 1 == units.len() {
                        let bytes = factors.add(segment * LANES + vec * V::S_LANES);
                        let code = *plan.factors.as_ptr().add(segment);
                        let factor = decode::<V>(code, V::i_load_u8(bytes));
                        for q in 0..Q {
                            let mut sum = sums[q][0];
                            for more in &sums[q][1..] {
                                sum = V::i_add(sum, *more);
                            }
                            if V::BIAS > 0 {
                                let bias = *queries[q].lead_bias.as_ptr().add(segment);
                                sum = V::i_add(sum, V::i_splat(bias));
                            }
                            let scale = *queries[q].scales.as_ptr().add(segment);
                            let sum = V::s_mul(V::i_to_s(sum), V::s_splat(scale));
                            totals[q] = V::s_add(totals[q], V::s_mul(sum, factor));
                        }
                        sums = [[V::i_splat(0); S]; Q];
                        segment += 1;
                    }
                }
                for q in 0..Q {
                    let mut score = totals[q];
                    if plan.has_norms {
                        let norms = factors.add(segments * LANES + vec * 4 * V::S_LANES);
                        let norm = V::i_as_s(V::i_load(norms));
                        let straight = V::s_mul(V::s_splat(queries[q].slope), score);
                        let bent = V::s_mul(V::s_splat(queries[q].bend), norm);
                        score = V::s_mul(norm, V::s_add(straight, bent));
                    }
                    score = V::s_add(score, V::s_splat(queries[q].base));
                    let row = (q * scan.count + block) * LANES + vec * V::S_LANES;
                    V::s_store(scan.scores.add(row), score);
                    masks[q] |=
                        V::s_not_less(score, V::s_splat(thresholds[q])) << (vec * V::S_LANES);
                }
            }
        }
        for (q, mask) in masks.into_iter().enumerate() {
            // SAFETY: one mask for each query and block.
            unsafe { scan.masks.add(q * scan.count + block).write(mask as u16) };
        }
    }
}

#[inline(always)]
unsafe fn decode<V: Codes>(code: FactorCode, bytes: V::I) -> V::S {
    // SAFETY: as the module says.
    unsafe {
        let bits = V::i_add(V::i_splat(code.base as i32), V::i_shl(bytes, code.shift));
        V::i_as_s(V::i_unless_zero(bytes, bits))
    }
}

/// Adds the products of a unit whose top bits are one plane.
#[inline(always)]
unsafe fn lines<V: Codes, const Q: usize, const S: usize, const BITS: u32>(
    mut sums: Sums<V, Q, S>,
    at: *const u8,
    levels: *const u8,
    codes: [*const i8; Q],
) -> Sums<V, Q, S> {
    let count = 2 * BITS as usize;
    // SAFETY: a unit has `count` lines and 64 codes.
    unsafe {
        let levels = V::bytes16(levels);
        for line in 0..count {
            let word = V::i_load(at.add(line * 4 * LANES));
            for s in 0..8 / BITS {
                let values = V::i_lookup_low(levels, BITS, V::i_shr(word, s * BITS));
                let sum = (line * (8 / BITS) as usize + s as usize) % S;
                add::<V, Q, S>(&mut sums, sum, values, codes, s as usize * count + line);
            }
        }
    }
    sums
}

/// Adds the products of a unit of three bits: four lines of two and two lines of one.
#[inline(always)]
unsafe fn lines3<V: Codes, const Q: usize, const S: usize>(
    mut sums: Sums<V, Q, S>,
    at: *const u8,
    levels: *const u8,
    codes: [*const i8; Q],
) -> Sums<V, Q, S> {
    // SAFETY: a unit has six lines and 64 codes.
    unsafe {
        let levels = V::bytes16(levels);
        let (two, one) = (V::i_splat(0x0303_0303), V::i_splat(0x0101_0101));
        let low = [
            V::i_load(at.add(4 * 4 * LANES)),
            V::i_load(at.add(5 * 4 * LANES)),
        ];
        for line in 0..4_usize {
            let word = V::i_load(at.add(line * 4 * LANES));
            for s in 0..4_usize {
                // Group 4s + line of four components; the plane of one bit has it in line `line % 2`.
                let bit = V::i_and(V::i_shr(low[line % 2], (2 * s + line / 2) as u32), one);
                let pair = V::i_and(V::i_shr(word, 2 * s as u32), two);
                let values = V::i_lookup(levels, V::i_or(V::i_add(pair, pair), bit));
                add::<V, Q, S>(&mut sums, s % S, values, codes, 4 * s + line);
            }
        }
    }
    sums
}

/// Adds the products of a unit whose codes are its values.
#[inline(always)]
unsafe fn lines8<V: Codes, const Q: usize, const S: usize>(
    mut sums: Sums<V, Q, S>,
    at: *const u8,
    codes: [*const i8; Q],
) -> Sums<V, Q, S> {
    // SAFETY: a unit has sixteen lines and 64 codes.
    unsafe {
        // Four lines at a time, so that the loops unroll.
        for four in 0..4 {
            for line in 4 * four..4 * four + 4_usize {
                let values = V::i_values(V::i_load(at.add(line * 4 * LANES)));
                add::<V, Q, S>(&mut sums, line % S, values, codes, line);
            }
        }
    }
    sums
}

/// Adds the products of four values of each row and four codes of each query.
#[inline(always)]
unsafe fn add<V: Codes, const Q: usize, const S: usize>(
    sums: &mut Sums<V, Q, S>,
    sum: usize,
    values: V::I,
    codes: [*const i8; Q],
    four: usize,
) {
    for q in 0..Q {
        // SAFETY: the callers point at as many codes.
        unsafe {
            let query = V::i_splat(codes[q].add(4 * four).cast::<i32>().read_unaligned());
            sums[q][sum] = V::i_dot8(sums[q][sum], values, query);
        }
    }
}

/// What scoring rows reads: the lead lines, factors and tails of a part.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) lead: *const u8,
    pub(crate) factors: *const u8,
    pub(crate) tails: *const u8,
}

/// Rows between the one that is scored and the one whose bytes are asked for.
const AHEAD: usize = 6;

/// The whole scores of some rows.
#[inline(always)]
pub(crate) unsafe fn score_rows<V: Codes>(
    plan: &CodePlan,
    query: &CodeQuery,
    from: Rows,
    rows: &[u32],
    out: *mut f32,
) {
    let tables = plan.levels[usize::from(V::BIAS > 0)].as_slice();
    for (i, row) in rows.iter().enumerate() {
        // SAFETY: the callers checked the rows; addresses that are only asked for need not be valid.
        unsafe {
            if let Some(next) = rows.get(i + AHEAD) {
                let tail = from.tails.wrapping_add(*next as usize * plan.tail_bytes());
                for line in (0..plan.tail_bytes() + 63).step_by(64) {
                    V::prefetch(tail.wrapping_add(line));
                }
                let block = *next as usize / LANES;
                let lead = from.lead.wrapping_add(block * plan.lead_bytes());
                for line in (0..plan.lead_bytes()).step_by(64) {
                    V::prefetch(lead.wrapping_add(line));
                }
                V::prefetch(from.factors.wrapping_add(block * plan.factor_bytes()));
            }
            let (block, lane) = (*row as usize / LANES, *row as usize % LANES);
            let lead = from.lead.wrapping_add(block * plan.lead_bytes() + 4 * lane);
            let factors = from.factors.add(block * plan.factor_bytes());
            let tail = from.tails.wrapping_add(*row as usize * plan.tail_bytes());
            let (mut total, mut segment) = (0.0, 0);
            let mut sum = V::i_splat(0);
            for (index, unit) in plan.units.iter().enumerate() {
                let values = unit_values::<V>(unit, tables, lead, tail);
                sum = V::u_dot8(sum, values, query.codes.as_ptr().add(index * UNIT));
                if unit.ends_segment {
                    let whole = V::i_sum(sum) - i32::from(V::BIAS) * query.sums[segment];
                    let byte = factors.add(segment * LANES + lane).read();
                    let factor = plan.factors[segment].decode(byte);
                    total += (whole as f32 * query.scales[segment]) * factor;
                    sum = V::i_splat(0);
                    segment += 1;
                }
            }
            if plan.has_norms {
                let at = factors.add(segment * LANES + 4 * lane);
                let norm = f32::from_le_bytes(at.cast::<[u8; 4]>().read());
                total = norm * (query.slope * total + query.bend * norm);
            }
            out.add(i).write(total + query.base);
        }
    }
}

/// The values of a unit of one row, ready for the dot product.
#[inline(always)]
unsafe fn unit_values<V: Codes>(
    unit: &PlanUnit,
    tables: &[[u8; 64]],
    lead: *const u8,
    tail: *const u8,
) -> V::Bytes64 {
    // SAFETY: the plan's offsets lie within a block and a tail.
    unsafe {
        let tail = tail.wrapping_add(unit.tail_at);
        let lead = unit.lead_at.map(|at| lead.wrapping_add(at));
        let step = 4 * LANES;
        match unit.width {
            8 => V::u_values(lead.map_or_else(|| V::u_load(tail), |at| V::u_load_apart(at, step))),
            width @ 4.. => {
                let (top, low) = match lead {
                    Some(at) => (V::u_plane4_apart(at, step), tail),
                    None => (V::u_plane4(tail), tail.add(32)),
                };
                let table = tables[usize::from(width)].as_ptr();
                match width {
                    6 => V::u_lookup64(table, V::u_join(top, 2, V::u_plane2(low))),
                    5 => V::u_lookup64(table, V::u_join(top, 1, V::u_plane1(low))),
                    _ => V::u_lookup16(table, top),
                }
            }
            1 => {
                let index =
                    lead.map_or_else(|| V::u_plane1(tail), |at| V::u_plane1_apart(at, step));
                V::u_lookup16(tables[1].as_ptr(), index)
            }
            width => {
                let top = lead.map_or_else(|| V::u_plane2(tail), |at| V::u_plane2_apart(at, step));
                if width == 2 {
                    return V::u_lookup16(tables[2].as_ptr(), top);
                }
                let low = lead.map_or_else(
                    || V::u_plane1(tail.add(16)),
                    |at| V::u_plane1_apart(at.add(4 * step), step),
                );
                V::u_lookup16(tables[3].as_ptr(), V::u_join(top, 1, low))
            }
        }
    }
}

/// `<q, x>`, `<x, x>` and `|q - x|^2` of vectors whose values `load` widens: sixteen sums each, added up pairwise.
#[inline(always)]
pub(crate) unsafe fn pair_sums<V: Codes, const VECS: usize>(
    query: *const f32,
    len: usize,
    load: impl Fn(usize) -> [f32; 16],
) -> [f32; 3] {
    // SAFETY: the query has `len` values.
    unsafe {
        let mut sums = [[V::s_splat(0.0); VECS]; 3];
        for at in (0..len).step_by(LANES) {
            let values = load(at);
            let mut given = [0.0; LANES];
            let count = LANES.min(len - at);
            std::ptr::copy_nonoverlapping(query.add(at), given.as_mut_ptr(), count);
            for v in 0..VECS {
                let q = V::s_load(given.as_ptr().add(v * V::S_LANES));
                let x = V::s_load(values.as_ptr().add(v * V::S_LANES));
                let apart = V::s_sub(q, x);
                for (sum, (a, b)) in sums.iter_mut().zip([(q, x), (x, x), (apart, apart)]) {
                    sum[v] = V::s_add(sum[v], V::s_mul(a, b));
                }
            }
        }
        let mut totals = [0.0; 3];
        for (total, sums) in totals.iter_mut().zip(sums) {
            *total = added::<V, VECS>(sums);
        }
        totals
    }
}

/// The sum of sixteen sums: the first half and the second one are added, and so on.
#[inline(always)]
unsafe fn added<V: Codes, const VECS: usize>(sums: [V::S; VECS]) -> f32 {
    let mut lanes = [0.0; LANES];
    for (v, sum) in sums.into_iter().enumerate() {
        // SAFETY: as many registers as make up sixteen lanes.
        unsafe { V::s_store(lanes.as_mut_ptr().add(v * V::S_LANES), sum) };
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Products of `Q` queries with the entries of `count` rows of `len` indices: sixteen sums each, added up pairwise. A
/// query's values and results lie `len` and `count` after those of the one before.
#[inline(always)]
pub(crate) unsafe fn entry_dots<V: Codes, const Q: usize, const VECS: usize>(
    table: &QuantTable,
    indices: *const u8,
    count: usize,
    len: usize,
    queries: *const f32,
    out: *mut f32,
) {
    // SAFETY: the callers checked the lengths, `len` is a multiple of the lanes, and indices are below 2^bits.
    unsafe {
        let small = V::table(table.entries.as_ptr());
        for row in 0..count {
            let mut sums = [[V::s_splat(0.0); VECS]; Q];
            for at in (0..len).step_by(LANES) {
                for v in 0..VECS {
                    let at = at + v * V::S_LANES;
                    let index = V::i_load_u8(indices.add(row * len + at));
                    let entry = entry::<V>(table, small, index);
                    for (q, sums) in sums.iter_mut().enumerate() {
                        let query = V::s_load(queries.add(q * len + at));
                        sums[v] = V::s_add(sums[v], V::s_mul(query, entry));
                    }
                }
            }
            for (q, sums) in sums.into_iter().enumerate() {
                out.add(q * count + row).write(added::<V, VECS>(sums));
            }
        }
    }
}

/// [`pair_sums`] of little-endian f16 values.
#[inline(always)]
pub(crate) unsafe fn pair_sums_f16<V: Codes, const VECS: usize>(
    query: *const f32,
    len: usize,
    halves: *const u8,
) -> [f32; 3] {
    // SAFETY: there are `len` halves; a short end is copied first.
    unsafe {
        pair_sums::<V, VECS>(query, len, |at| {
            let mut bytes = [0_u8; 2 * LANES];
            let count = LANES.min(len - at);
            std::ptr::copy_nonoverlapping(halves.add(2 * at), bytes.as_mut_ptr(), 2 * count);
            let mut values = [0.0; LANES];
            for v in 0..VECS {
                let wide = V::s_load_f16(bytes.as_ptr().add(2 * v * V::S_LANES));
                V::s_store(values.as_mut_ptr().add(v * V::S_LANES), wide);
            }
            values
        })
    }
}

/// [`pair_sums`] of little-endian f32 values.
#[inline(always)]
pub(crate) unsafe fn pair_sums_f32<V: Codes, const VECS: usize>(
    query: *const f32,
    len: usize,
    values: *const u8,
) -> [f32; 3] {
    // SAFETY: there are `len` values.
    unsafe {
        pair_sums::<V, VECS>(query, len, |at| {
            let mut wide = [0.0_f32; LANES];
            let count = LANES.min(len - at);
            std::ptr::copy_nonoverlapping(values.add(4 * at), wide.as_mut_ptr().cast(), 4 * count);
            wide
        })
    }
}
