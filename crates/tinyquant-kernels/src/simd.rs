//! What an instruction set must offer to the kernel bodies.

/// Vectors of f64, f32 and i32 and the few operations that the bodies use.
///
/// # Safety
/// All methods are `unsafe`: the caller runs on a CPU that has the level's instructions, inside a function
/// compiled for them, and passes pointers that are valid for the lanes read or written. No alignment is
/// needed. The methods are always inlined and carry no target feature of their own, since such a function
/// could not be inlined into a generic body; the shell around the body carries it.
pub(crate) trait Simd: Copy {
    /// `D_LANES` values of f64.
    type D: Copy;
    /// `S_LANES` values of f32.
    type S: Copy;
    /// `S_LANES` values of i32.
    type I: Copy;
    /// Sixteen f32 values that can be looked up by lane.
    type Table: Copy;

    const D_LANES: usize;
    const S_LANES: usize;
    /// Whether the level has a fused multiply-add that is faster than two operations.
    const FUSED: bool;

    unsafe fn d_splat(value: f64) -> Self::D;
    unsafe fn d_load(from: *const f64) -> Self::D;
    unsafe fn d_store(to: *mut f64, value: Self::D);
    unsafe fn d_mul(a: Self::D, b: Self::D) -> Self::D;
    unsafe fn d_add(a: Self::D, b: Self::D) -> Self::D;
    /// Rounds each lane to f32 and stores `D_LANES` of them.
    unsafe fn d_store_f32(to: *mut f32, value: Self::D);
    /// `a * b + c` rounded once; only called where [`Simd::FUSED`] is set.
    unsafe fn d_fma(a: Self::D, b: Self::D, c: Self::D) -> Self::D;
    /// One bit a lane, the first lane lowest: set where `value - error` and `value + error` round to different
    /// f32, or to a NaN.
    unsafe fn d_doubt(value: Self::D, error: Self::D) -> u32;

    unsafe fn s_splat(value: f32) -> Self::S;
    unsafe fn s_load(from: *const f32) -> Self::S;
    unsafe fn s_store(to: *mut f32, value: Self::S);
    unsafe fn s_mul(a: Self::S, b: Self::S) -> Self::S;
    unsafe fn s_add(a: Self::S, b: Self::S) -> Self::S;
    unsafe fn s_sub(a: Self::S, b: Self::S) -> Self::S;
    /// `a * b + c` rounded once; only called where [`Simd::FUSED`] is set.
    unsafe fn s_fma(a: Self::S, b: Self::S, c: Self::S) -> Self::S;
    /// Whether any lane's magnitude is at least `limit`.
    unsafe fn s_any_reaches(value: Self::S, limit: Self::S) -> bool;
    /// Rounds to f16 (nearest, ties to even) and stores `2 * S_LANES` bytes, little endian.
    unsafe fn s_store_f16(to: *mut u8, value: Self::S);
    /// Widens `S_LANES` little-endian f16 values.
    unsafe fn s_load_f16(from: *const u8) -> Self::S;

    unsafe fn i_splat(value: i32) -> Self::I;
    unsafe fn i_add(a: Self::I, b: Self::I) -> Self::I;
    /// Widens `S_LANES` bytes.
    unsafe fn i_load_u8(from: *const u8) -> Self::I;
    /// Stores the low byte of each lane.
    unsafe fn i_store_u8(to: *mut u8, value: Self::I);
    /// Lane by lane: `yes` where `value >= threshold`, else `no`.
    unsafe fn i_select_ge(value: Self::S, threshold: Self::S, yes: Self::I, no: Self::I)
    -> Self::I;

    unsafe fn table(from: *const f32) -> Self::Table;
    /// `table[index]` lane by lane; indices are below 16.
    unsafe fn lookup(table: Self::Table, index: Self::I) -> Self::S;
    /// `from[index]` lane by lane.
    unsafe fn gather(from: *const f32, index: Self::I) -> Self::S;
}

/// Defines trait methods that are one unsafe expression each.
macro_rules! simd_ops {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $body:expr;)*) => {$(
        #[inline(always)]
        unsafe fn $name($($arg: $type),*) $(-> $result)? {
            #[allow(unused_unsafe, reason = "arithmetic of the scalar level is safe")]
            // SAFETY: the obligations are those of the trait: the CPU has the instructions, and pointers are
            // valid for the lanes read or written; the loads and stores used are unaligned ones.
            unsafe { $body }
        }
    )*};
}
pub(crate) use simd_ops;
