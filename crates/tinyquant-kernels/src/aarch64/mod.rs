//! NEON: two lanes of f64, four of f32.

use crate::half::{f16_to_f32, f32_to_f16};
use crate::simd::{Simd, simd_ops};
use std::arch::aarch64::*;

#[derive(Clone, Copy)]
pub(crate) struct Neon;

impl Simd for Neon {
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
