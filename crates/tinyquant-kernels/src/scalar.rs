//! The portable level: one lane, and the definition of every result.

use crate::half::{f16_to_f32, f32_to_f16};
use crate::simd::{Simd, simd_ops};

#[derive(Clone, Copy)]
pub(crate) struct Scalar;

impl Simd for Scalar {
    type D = f64;
    type S = f32;
    type I = i32;
    type Table = *const f32;

    const D_LANES: usize = 1;
    const S_LANES: usize = 1;
    const FUSED: bool = false;

    simd_ops! {
        d_splat(value: f64) -> f64 = value;
        d_load(from: *const f64) -> f64 = from.read();
        d_store(to: *mut f64, value: f64) = to.write(value);
        d_mul(a: f64, b: f64) -> f64 = a * b;
        d_add(a: f64, b: f64) -> f64 = a + b;
        d_store_f32(to: *mut f32, value: f64) = to.write(value as f32);
        d_fma(a: f64, b: f64, c: f64) -> f64 = a.mul_add(b, c);
        d_doubt(value: f64, error: f64) -> u32 = {
            let (low, high) = ((value - error) as f32, (value + error) as f32);
            u32::from(low.to_bits() != high.to_bits() || low.is_nan())
        };
        s_splat(value: f32) -> f32 = value;
        s_load(from: *const f32) -> f32 = from.read();
        s_store(to: *mut f32, value: f32) = to.write(value);
        s_mul(a: f32, b: f32) -> f32 = a * b;
        s_add(a: f32, b: f32) -> f32 = a + b;
        s_sub(a: f32, b: f32) -> f32 = a - b;
        s_fma(a: f32, b: f32, c: f32) -> f32 = a.mul_add(b, c);
        s_any_reaches(value: f32, limit: f32) -> bool = value.abs() >= limit;
        s_store_f16(to: *mut u8, value: f32) = to.cast::<[u8; 2]>().write(f32_to_f16(value).to_le_bytes());
        s_load_f16(from: *const u8) -> f32 = f16_to_f32(u16::from_le_bytes(from.cast::<[u8; 2]>().read()));
        i_splat(value: i32) -> i32 = value;
        i_add(a: i32, b: i32) -> i32 = a + b;
        i_load_u8(from: *const u8) -> i32 = i32::from(from.read());
        i_store_u8(to: *mut u8, value: i32) = to.write(value as u8);
        i_select_ge(value: f32, threshold: f32, yes: i32, no: i32) -> i32 = if value >= threshold { yes } else { no };
        table(from: *const f32) -> *const f32 = from;
        lookup(table: *const f32, index: i32) -> f32 = table.add(index as usize).read();
        gather(from: *const f32, index: i32) -> f32 = from.add(index as usize).read();
    }
}
