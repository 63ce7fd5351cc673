//! NEON: two lanes of f64, four of f32; with and without the instruction for dot products of bytes.

use crate::codes::Codes;
use crate::half::{f16_to_f32, f32_to_f16};
use crate::simd::{Simd, simd_ops};
use std::arch::aarch64::*;

/// What every such CPU has.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// With `sdot`.
#[derive(Clone, Copy)]
pub(crate) struct NeonDot;

macro_rules! neon {
    ($name:ty, $($own:tt)*) => {
impl Simd for $name {
    type D = float64x2_t;
    type S = float32x4_t;
    type I = int32x4_t;
    type Table = *const f32;

    const D_LANES: usize = 2;
    const S_LANES: usize = 4;
    const FUSED: bool = true;

    simd_ops! {
        d_splat(value: f64) -> float64x2_t = vdupq_n_f64(value);
        d_load(from: *const f64) -> float64x2_t = vld1q_f64(from);
        d_store(to: *mut f64, value: float64x2_t) = vst1q_f64(to, value);
        d_mul(a: float64x2_t, b: float64x2_t) -> float64x2_t = vmulq_f64(a, b);
        d_add(a: float64x2_t, b: float64x2_t) -> float64x2_t = vaddq_f64(a, b);
        d_store_f32(to: *mut f32, value: float64x2_t) = vst1_f32(to, vcvt_f32_f64(value));
        d_fma(a: float64x2_t, b: float64x2_t, c: float64x2_t) -> float64x2_t = vfmaq_f64(c, a, b);
        d_doubt(value: float64x2_t, error: float64x2_t) -> u32 = {
            let low = vcvt_f32_f64(vsubq_f64(value, error));
            let high = vcvt_f32_f64(vaddq_f64(value, error));
            let equal = vceq_f32(low, high);
            u32::from(vget_lane_u32::<0>(equal) == 0) | u32::from(vget_lane_u32::<1>(equal) == 0) << 1
        };
        s_splat(value: f32) -> float32x4_t = vdupq_n_f32(value);
        s_load(from: *const f32) -> float32x4_t = vld1q_f32(from);
        s_store(to: *mut f32, value: float32x4_t) = vst1q_f32(to, value);
        s_mul(a: float32x4_t, b: float32x4_t) -> float32x4_t = vmulq_f32(a, b);
        s_add(a: float32x4_t, b: float32x4_t) -> float32x4_t = vaddq_f32(a, b);
        s_sub(a: float32x4_t, b: float32x4_t) -> float32x4_t = vsubq_f32(a, b);
        s_fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t = vfmaq_f32(c, a, b);
        s_any_reaches(value: float32x4_t, limit: float32x4_t) -> bool = vmaxvq_u32(vcageq_f32(value, limit)) != 0;
        s_store_f16(to: *mut u8, value: float32x4_t) = {
            let lanes: [f32; 4] = std::mem::transmute(value);
            to.cast::<[[u8; 2]; 4]>().write(lanes.map(|lane| f32_to_f16(lane).to_le_bytes()));
        };
        s_load_f16(from: *const u8) -> float32x4_t = {
            let lanes = from.cast::<[[u8; 2]; 4]>().read().map(|half| f16_to_f32(u16::from_le_bytes(half)));
            vld1q_f32(lanes.as_ptr())
        };
        i_splat(value: i32) -> int32x4_t = vdupq_n_s32(value);
        i_add(a: int32x4_t, b: int32x4_t) -> int32x4_t = vaddq_s32(a, b);
        i_load_u8(from: *const u8) -> int32x4_t = vld1q_s32(from.cast::<[u8; 4]>().read().map(i32::from).as_ptr());
        i_store_u8(to: *mut u8, value: int32x4_t) = {
            let lanes: [i32; 4] = std::mem::transmute(value);
            to.cast::<[u8; 4]>().write(lanes.map(|lane| lane as u8));
        };
        i_select_ge(value: float32x4_t, threshold: float32x4_t, yes: int32x4_t, no: int32x4_t) -> int32x4_t =
            vbslq_s32(vcgeq_f32(value, threshold), yes, no);
        table(from: *const f32) -> *const f32 = from;
        lookup(table: *const f32, index: int32x4_t) -> float32x4_t = Self::gather(table, index);
        gather(from: *const f32, index: int32x4_t) -> float32x4_t = {
            let lanes: [i32; 4] = std::mem::transmute(index);
            vld1q_f32(lanes.map(|lane| from.add(lane as usize).read()).as_ptr())
        };
    }
}

impl Codes for $name {
    type Bytes16 = uint8x16_t;
    type Bytes64 = [uint8x16_t; 4];

    const BIAS: u8 = 0;

    simd_ops! {
        s_div(a: float32x4_t, b: float32x4_t) -> float32x4_t = vdivq_f32(a, b);
        s_sqrt(a: float32x4_t) -> float32x4_t = vsqrtq_f32(a);
        s_max(a: float32x4_t, b: float32x4_t) -> float32x4_t = vmaxq_f32(a, b);
        s_min(a: float32x4_t, b: float32x4_t) -> float32x4_t = vminq_f32(a, b);
        s_select_ge(value: float32x4_t, threshold: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t =
            vbslq_f32(vcgeq_f32(value, threshold), yes, no);
        s_not_less(a: float32x4_t, b: float32x4_t) -> u32 = {
            let bits = vandq_u32(vmvnq_u32(vcltq_f32(a, b)), vld1q_u32([1, 2, 4, 8].as_ptr()));
            vaddvq_u32(bits)
        };
        s_columns(from: *const f32, stride: usize) -> [float32x4_t; 4] = {
            let row = |r: usize| vld1q_f32(from.add(r * stride));
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let even = (vtrn1q_f32(a, b), vtrn1q_f32(c, d));
            let even = (vreinterpretq_f64_f32(even.0), vreinterpretq_f64_f32(even.1));
            let odd = (vtrn2q_f32(a, b), vtrn2q_f32(c, d));
            let odd = (vreinterpretq_f64_f32(odd.0), vreinterpretq_f64_f32(odd.1));
            [
                vreinterpretq_f32_f64(vtrn1q_f64(even.0, even.1)),
                vreinterpretq_f32_f64(vtrn1q_f64(odd.0, odd.1)),
                vreinterpretq_f32_f64(vtrn2q_f64(even.0, even.1)),
                vreinterpretq_f32_f64(vtrn2q_f64(odd.0, odd.1)),
            ]
        };
        s_round(a: float32x4_t) -> int32x4_t = vcvtnq_s32_f32(a);
        i_load(from: *const u8) -> int32x4_t = vreinterpretq_s32_u8(vld1q_u8(from));
        i_store(to: *mut u8, value: int32x4_t) = vst1q_u8(to, vreinterpretq_u8_s32(value));
        i_and(a: int32x4_t, b: int32x4_t) -> int32x4_t = vandq_s32(a, b);
        i_or(a: int32x4_t, b: int32x4_t) -> int32x4_t = vorrq_s32(a, b);
        i_values(codes: int32x4_t) -> int32x4_t =
            vreinterpretq_s32_s8(vmaxq_s8(vreinterpretq_s8_s32(codes), vdupq_n_s8(-127)));
        i_shr(a: int32x4_t, by: u32) -> int32x4_t =
            vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-(by as i32))));
        i_shl(a: int32x4_t, by: u32) -> int32x4_t = vshlq_s32(a, vdupq_n_s32(by as i32));
        i_to_s(a: int32x4_t) -> float32x4_t = vcvtq_f32_s32(a);
        i_as_s(a: int32x4_t) -> float32x4_t = vreinterpretq_f32_s32(a);
        i_unless_zero(test: int32x4_t, value: int32x4_t) -> int32x4_t =
            vandq_s32(vreinterpretq_s32_u32(vtstq_s32(test, test)), value);
        i_sum(a: int32x4_t) -> i32 = vaddvq_s32(a);
        i_dot16(acc: int32x4_t, a: int32x4_t, b: int32x4_t) -> int32x4_t = {
            let (a, b) = (vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
            let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
            vaddq_s32(acc, vpaddq_s32(low, vmull_high_s16(a, b)))
        };
        bytes16(from: *const u8) -> uint8x16_t = vld1q_u8(from);
        i_lookup(table: uint8x16_t, index: int32x4_t) -> int32x4_t =
            vreinterpretq_s32_u8(vqtbl1q_u8(table, vreinterpretq_u8_s32(index)));
        u_load(from: *const u8) -> [uint8x16_t; 4] = [0, 16, 32, 48].map(|at| vld1q_u8(from.add(at)));
        u_plane4(from: *const u8) -> [uint8x16_t; 4] = {
            let (a, b, mask) = (vld1q_u8(from), vld1q_u8(from.add(16)), vdupq_n_u8(15));
            [vandq_u8(a, mask), vandq_u8(b, mask), vshrq_n_u8::<4>(a), vshrq_n_u8::<4>(b)]
        };
        u_plane2(from: *const u8) -> [uint8x16_t; 4] = {
            let (bytes, mask) = (vld1q_u8(from), vdupq_n_u8(3));
            [
                vandq_u8(bytes, mask),
                vandq_u8(vshrq_n_u8::<2>(bytes), mask),
                vandq_u8(vshrq_n_u8::<4>(bytes), mask),
                vshrq_n_u8::<6>(bytes),
            ]
        };
        u_plane1(from: *const u8) -> [uint8x16_t; 4] = {
            let bytes = vld1_u8(from);
            let (bytes, mask) = (vcombine_u8(bytes, bytes), vdupq_n_u8(1));
            [0_i8, 2, 4, 6].map(|by| {
                let shifts = vcombine_s8(vdup_n_s8(-by), vdup_n_s8(-by - 1));
                vandq_u8(vshlq_u8(bytes, shifts), mask)
            })
        };
        u_join(high: [uint8x16_t; 4], by: u32, low: [uint8x16_t; 4]) -> [uint8x16_t; 4] =
            [0, 1, 2, 3].map(|i| vorrq_u8(vshlq_u8(high[i], vdupq_n_s8(by as i8)), low[i]));
        u_lookup16(table: *const u8, index: [uint8x16_t; 4]) -> [uint8x16_t; 4] =
            index.map(|index| vqtbl1q_u8(vld1q_u8(table), index));
        u_lookup64(table: *const u8, index: [uint8x16_t; 4]) -> [uint8x16_t; 4] =
            index.map(|index| vqtbl4q_u8(vld1q_u8_x4(table), index));
        u_values(codes: [uint8x16_t; 4]) -> [uint8x16_t; 4] =
            [value(codes[0]), value(codes[1]), value(codes[2]), value(codes[3])];
        u_dot8(acc: int32x4_t, values: [uint8x16_t; 4], query: *const i8) -> int32x4_t = {
            let mut acc = acc;
            for (i, values) in values.into_iter().enumerate() {
                let query = vreinterpretq_s32_s8(vld1q_s8(query.add(16 * i)));
                acc = Self::i_dot8(acc, vreinterpretq_s32_u8(values), query);
            }
            acc
        };
        prefetch(_at: *const u8) = ();
        $($own)*
    }
}
    };
}

neon! { Neon,
    i_dot8(acc: int32x4_t, values: int32x4_t, query: int32x4_t) -> int32x4_t = {
        let (values, query) = (vreinterpretq_s8_s32(values), vreinterpretq_s8_s32(query));
        let low = vmull_s8(vget_low_s8(values), vget_low_s8(query));
        let high = vmull_high_s8(values, query);
        vaddq_s32(acc, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
    };
}

neon! { NeonDot,
    i_dot8(acc: int32x4_t, values: int32x4_t, query: int32x4_t) -> int32x4_t = {
        // The intrinsic for this instruction is not stable yet.
        let mut acc = acc;
        std::arch::asm!(
            "sdot {acc:v}.4s, {values:v}.16b, {query:v}.16b",
            acc = inout(vreg) acc, values = in(vreg) values, query = in(vreg) query,
            options(pure, nomem, nostack, preserves_flags)
        );
        acc
    };
}

/// Codes of 8 bits as their values; -128 counts as -127.
#[inline(always)]
unsafe fn value(codes: uint8x16_t) -> uint8x16_t {
    // SAFETY: the callers have the instructions.
    unsafe { vreinterpretq_u8_s8(vmaxq_s8(vreinterpretq_s8_u8(codes), vdupq_n_s8(-127))) }
}
