//! What an instruction set must offer to the kernels of the search index.

use crate::simd::Simd;

/// Integer operations on [`Simd::I`], seen as `S_LANES` i32 or four times as many bytes, and on 64 bytes at once.
///
/// # Safety
/// As [`Simd`].
pub(crate) trait Codes: Simd {
    /// A table of sixteen bytes.
    type Bytes16: Copy;
    /// Sixty-four bytes.
    type Bytes64: Copy;

    /// What [`Codes::i_dot8`] and [`Codes::u_dot8`] want added to signed values: 128 where the instruction takes
    /// unsigned ones, else 0.
    const BIAS: u8;

    unsafe fn s_div(a: Self::S, b: Self::S) -> Self::S;
    unsafe fn s_sqrt(a: Self::S) -> Self::S;
    /// The greater one; neither is a NaN.
    unsafe fn s_max(a: Self::S, b: Self::S) -> Self::S;
    /// The lesser one; neither is a NaN.
    unsafe fn s_min(a: Self::S, b: Self::S) -> Self::S;
    /// Lane by lane: `yes` where `value >= threshold`, else `no`.
    unsafe fn s_select_ge(value: Self::S, threshold: Self::S, yes: Self::S, no: Self::S)
    -> Self::S;
    /// One bit a lane, the first lane lowest: set unless `a < b`, and so where either is a NaN.
    unsafe fn s_not_less(a: Self::S, b: Self::S) -> u32;
    /// Four columns of `S_LANES` rows that begin `stride` values apart.
    unsafe fn s_columns(from: *const f32, stride: usize) -> [Self::S; 4];
    /// Rounds to nearest, ties to even; magnitudes are below 2^31.
    unsafe fn s_round(a: Self::S) -> Self::I;

    /// Loads `S_LANES` i32.
    unsafe fn i_load(from: *const u8) -> Self::I;
    /// Stores `S_LANES` i32.
    unsafe fn i_store(to: *mut u8, value: Self::I);
    unsafe fn i_and(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn i_or(a: Self::I, b: Self::I) -> Self::I;
    /// The values of codes of 8 bits for [`Codes::i_dot8`]; -128, which is no code, counts as -127.
    unsafe fn i_values(codes: Self::I) -> Self::I;
    unsafe fn i_shr(a: Self::I, by: u32) -> Self::I;
    unsafe fn i_shl(a: Self::I, by: u32) -> Self::I;
    /// Rounds to f32.
    unsafe fn i_to_s(a: Self::I) -> Self::S;
    /// The bits as f32.
    unsafe fn i_as_s(a: Self::I) -> Self::S;
    /// Lane by lane: `value` where `test` is not 0, else 0.
    unsafe fn i_unless_zero(test: Self::I, value: Self::I) -> Self::I;
    /// The sum of all lanes.
    unsafe fn i_sum(a: Self::I) -> i32;
    /// Adds to each lane the sum of the products of its two i16; no sum overflows i32.
    unsafe fn i_dot16(acc: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// Adds to each lane the sum of the products of its four bytes: `values` are from -127 to 127 with [`Codes::BIAS`]
    /// added, `query` are from -127 to 127.
    unsafe fn i_dot8(acc: Self::I, values: Self::I, query: Self::I) -> Self::I;

    unsafe fn bytes16(from: *const u8) -> Self::Bytes16;
    /// `table[index]` byte by byte; indices are below 16.
    unsafe fn i_lookup(table: Self::Bytes16, index: Self::I) -> Self::I;

    /// `table[index]` of the lowest `bits` (up to 4) of each byte, where the table repeats after as many entries.
    #[inline(always)]
    unsafe fn i_lookup_low(table: Self::Bytes16, bits: u32, index: Self::I) -> Self::I {
        // SAFETY: the caller has the instructions.
        unsafe {
            let mask = Self::i_splat(0x0101_0101 * ((1 << bits) - 1));
            Self::i_lookup(table, Self::i_and(index, mask))
        }
    }

    /// Loads 64 bytes.
    unsafe fn u_load(from: *const u8) -> Self::Bytes64;
    /// From 32 bytes their low halves, then their high halves.
    unsafe fn u_plane4(from: *const u8) -> Self::Bytes64;
    /// From 16 bytes their lowest two bits, then the next ones, up to the highest.
    unsafe fn u_plane2(from: *const u8) -> Self::Bytes64;
    /// From 8 bytes their lowest bits, then the next ones, up to the highest.
    unsafe fn u_plane1(from: *const u8) -> Self::Bytes64;
    /// As [`Codes::u_load`], of runs of four bytes that begin `step` bytes apart.
    #[inline(always)]
    unsafe fn u_load_apart(from: *const u8, step: usize) -> Self::Bytes64 {
        // SAFETY: the callers point at sixteen runs.
        unsafe { Self::u_load(runs::<16>(from, step).as_ptr().cast()) }
    }
    /// As [`Codes::u_plane4`], of runs of four bytes that begin `step` bytes apart.
    #[inline(always)]
    unsafe fn u_plane4_apart(from: *const u8, step: usize) -> Self::Bytes64 {
        // SAFETY: the callers point at eight runs.
        unsafe { Self::u_plane4(runs::<8>(from, step).as_ptr().cast()) }
    }
    /// As [`Codes::u_plane2`], of runs of four bytes that begin `step` bytes apart.
    #[inline(always)]
    unsafe fn u_plane2_apart(from: *const u8, step: usize) -> Self::Bytes64 {
        // SAFETY: the callers point at four runs.
        unsafe { Self::u_plane2(runs::<4>(from, step).as_ptr().cast()) }
    }
    /// As [`Codes::u_plane1`], of runs of four bytes that begin `step` bytes apart.
    #[inline(always)]
    unsafe fn u_plane1_apart(from: *const u8, step: usize) -> Self::Bytes64 {
        // SAFETY: the callers point at two runs.
        let [first, second] = unsafe { runs::<2>(from, step) };
        let both = u64::from(second) << 32 | u64::from(first);
        // SAFETY: eight bytes; every level with SIMD is little-endian, and so is what it reads.
        unsafe { Self::u_plane1(both.to_le_bytes().as_ptr()) }
    }
    /// `high << by | low`, byte by byte; nothing is shifted out of a byte.
    unsafe fn u_join(high: Self::Bytes64, by: u32, low: Self::Bytes64) -> Self::Bytes64;
    /// `table[index]` byte by byte, where the table has 16 entries.
    unsafe fn u_lookup16(table: *const u8, index: Self::Bytes64) -> Self::Bytes64;
    /// `table[index]` byte by byte, where the table has 64 entries.
    unsafe fn u_lookup64(table: *const u8, index: Self::Bytes64) -> Self::Bytes64;
    /// As [`Codes::i_values`].
    unsafe fn u_values(codes: Self::Bytes64) -> Self::Bytes64;
    /// Adds the 64 products to the lanes of `acc` in some way, with the terms of [`Codes::i_dot8`].
    unsafe fn u_dot8(acc: Self::I, values: Self::Bytes64, query: *const i8) -> Self::I;
    /// Asks for the cache line of an address, which need not be valid.
    unsafe fn prefetch(at: *const u8);
}

/// Runs of four bytes that begin `step` bytes apart.
#[inline(always)]
pub(crate) unsafe fn runs<const N: usize>(from: *const u8, step: usize) -> [u32; N] {
    let mut runs = [0; N];
    for (i, run) in runs.iter_mut().enumerate() {
        // SAFETY: the callers point at as many runs.
        *run = unsafe { from.add(i * step).cast::<u32>().read_unaligned() };
    }
    runs
}
