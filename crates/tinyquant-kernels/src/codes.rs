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
    /// Rounds to nearest, ties to even; magnitudes are below 2^31.
    unsafe fn s_round(a: Self::S) -> Self::I;

    /// Loads `S_LANES` i32.
    unsafe fn i_load(from: *const u8) -> Self::I;
    /// Stores `S_LANES` i32.
    unsafe fn i_store(to: *mut u8, value: Self::I);
    unsafe fn i_and(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn i_or(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn i_xor(a: Self::I, b: Self::I) -> Self::I;
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

    /// Loads 64 bytes.
    unsafe fn u_load(from: *const u8) -> Self::Bytes64;
    /// From 32 bytes their low halves, then their high halves.
    unsafe fn u_plane4(from: *const u8) -> Self::Bytes64;
    /// From 16 bytes their lowest two bits, then the next ones, up to the highest.
    unsafe fn u_plane2(from: *const u8) -> Self::Bytes64;
    /// From 8 bytes their lowest bits, then the next ones, up to the highest.
    unsafe fn u_plane1(from: *const u8) -> Self::Bytes64;
    /// `high << by | low`, byte by byte; nothing is shifted out of a byte.
    unsafe fn u_join(high: Self::Bytes64, by: u32, low: Self::Bytes64) -> Self::Bytes64;
    /// `table[index]` byte by byte, where the table has 16 entries.
    unsafe fn u_lookup16(table: *const u8, index: Self::Bytes64) -> Self::Bytes64;
    /// `table[index]` byte by byte, where the table has 64 entries.
    unsafe fn u_lookup64(table: *const u8, index: Self::Bytes64) -> Self::Bytes64;
    /// Adds [`Codes::BIAS`] to each byte.
    unsafe fn u_bias(values: Self::Bytes64) -> Self::Bytes64;
    /// Adds the 64 products to the lanes of `acc` in some way, with the terms of [`Codes::i_dot8`].
    unsafe fn u_dot8(acc: Self::I, values: Self::Bytes64, query: *const i8) -> Self::I;
    /// Asks for the cache line of an address, which need not be valid.
    unsafe fn prefetch(at: *const u8);
}
