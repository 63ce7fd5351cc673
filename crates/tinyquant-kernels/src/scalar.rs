//! The portable level: one lane, and the definition of every result.

use crate::codes::Codes;
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

impl Codes for Scalar {
    type Bytes16 = [u8; 16];
    type Bytes64 = [u8; 64];

    const BIAS: u8 = 0;

    simd_ops! {
        s_div(a: f32, b: f32) -> f32 = a / b;
        s_sqrt(a: f32) -> f32 = a.sqrt();
        s_max(a: f32, b: f32) -> f32 = a.max(b);
        s_min(a: f32, b: f32) -> f32 = a.min(b);
        s_select_ge(value: f32, threshold: f32, yes: f32, no: f32) -> f32 = if value >= threshold { yes } else { no };
        s_columns(from: *const f32, _stride: usize) -> [f32; 4] = from.cast::<[f32; 4]>().read();
        s_not_less(a: f32, b: f32) -> u32 = u32::from(a >= b || a.is_nan() || b.is_nan());
        s_round(a: f32) -> i32 = a.round_ties_even() as i32;
        i_load(from: *const u8) -> i32 = i32::from_le_bytes(from.cast::<[u8; 4]>().read());
        i_store(to: *mut u8, value: i32) = to.cast::<[u8; 4]>().write(value.to_le_bytes());
        i_and(a: i32, b: i32) -> i32 = a & b;
        i_or(a: i32, b: i32) -> i32 = a | b;
        i_values(codes: i32) -> i32 = i32::from_le_bytes(codes.to_le_bytes().map(value));
        i_shr(a: i32, by: u32) -> i32 = (a as u32 >> by) as i32;
        i_shl(a: i32, by: u32) -> i32 = a << by;
        i_to_s(a: i32) -> f32 = a as f32;
        i_as_s(a: i32) -> f32 = f32::from_bits(a as u32);
        i_unless_zero(test: i32, value: i32) -> i32 = if test == 0 { 0 } else { value };
        i_sum(a: i32) -> i32 = a;
        i_dot16(acc: i32, a: i32, b: i32) -> i32 = {
            let (low, high) = (i32::from(a as i16) * i32::from(b as i16), (a >> 16) * (b >> 16));
            acc.wrapping_add(low).wrapping_add(high)
        };
        i_dot8(acc: i32, values: i32, query: i32) -> i32 = {
            let (values, query) = (values.to_le_bytes(), query.to_le_bytes());
            let products = values.iter().zip(query).map(|(value, query)| i32::from(*value as i8) * i32::from(query as i8));
            acc + products.sum::<i32>()
        };
        bytes16(from: *const u8) -> [u8; 16] = from.cast::<[u8; 16]>().read();
        i_lookup(table: [u8; 16], index: i32) -> i32 =
            i32::from_le_bytes(index.to_le_bytes().map(|index| table[usize::from(index & 15)]));
        u_load(from: *const u8) -> [u8; 64] = from.cast::<[u8; 64]>().read();
        u_plane4(from: *const u8) -> [u8; 64] = std::array::from_fn(|i| from.add(i % 32).read() >> (i / 32 * 4) & 15);
        u_plane2(from: *const u8) -> [u8; 64] = std::array::from_fn(|i| from.add(i % 16).read() >> (i / 16 * 2) & 3);
        u_plane1(from: *const u8) -> [u8; 64] = std::array::from_fn(|i| from.add(i % 8).read() >> (i / 8) & 1);
        u_join(high: [u8; 64], by: u32, low: [u8; 64]) -> [u8; 64] =
            std::array::from_fn(|i| high[i] << by | low[i]);
        u_lookup16(table: *const u8, index: [u8; 64]) -> [u8; 64] =
            index.map(|index| table.add(usize::from(index)).read());
        u_lookup64(table: *const u8, index: [u8; 64]) -> [u8; 64] =
            index.map(|index| table.add(usize::from(index)).read());
        u_values(codes: [u8; 64]) -> [u8; 64] = codes.map(value);
        u_dot8(acc: i32, values: [u8; 64], query: *const i8) -> i32 = {
            let products = values.iter().enumerate().map(|(i, value)| i32::from(*value as i8) * i32::from(query.add(i).read()));
            acc + products.sum::<i32>()
        };
    }

    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}
}

/// A code of 8 bits as its value; -128 counts as -127.
fn value(code: u8) -> u8 {
    (code as i8).max(-127) as u8
}
