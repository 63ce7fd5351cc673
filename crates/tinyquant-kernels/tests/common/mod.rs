//! What the tests of the kernels of the search index share.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod coded;

use std::panic::{AssertUnwindSafe, catch_unwind};
use tinyquant_kernels::{LANES, Level, ScanKernels};

pub const WIDTHS: [u8; 7] = [1, 2, 3, 4, 5, 6, 8];

/// The kernels of every level that this CPU has.
pub fn every() -> impl Iterator<Item = &'static ScanKernels> {
    Level::supported().into_iter().filter_map(ScanKernels::of)
}

/// Whether a call panics.
pub fn refused<T>(call: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

/// Numbers from a seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 31
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// From -1 to 1, with some zeros of either sign and some much smaller ones.
    pub fn value(&mut self) -> f32 {
        let value = (self.next() % (1 << 24)) as f32 / (1 << 23) as f32 - 1.0;
        match self.next() % 61 {
            0 => 0.0,
            1 => -0.0,
            2 => value * 1e-20,
            _ => value,
        }
    }

    pub fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.value() * scale).collect()
    }

    pub fn i16s(&mut self, count: usize, most: i32) -> Vec<i16> {
        let span = 2 * most as usize + 1;
        (0..count)
            .map(|_| (self.below(span) as i32 - most) as i16)
            .collect()
    }
}

/// Bits of numbers; everything that is none looks the same.
pub fn bits(values: &[f32]) -> Vec<u32> {
    let number = |value: &f32| if value.is_nan() { f32::NAN } else { *value };
    (values.iter())
        .map(|value| number(value).to_bits())
        .collect()
}

/// The values of one vector of a tile.
pub fn lane_of<T: Copy>(tile: &[T], lane: usize) -> Vec<T> {
    tile.iter().skip(lane).step_by(LANES).copied().collect()
}

/// Byte of a plane of `bits` bits where a component is, and its lowest bit there.
pub fn place_in_plane(bits: u8, component: usize) -> (usize, usize) {
    let bytes = 8 * usize::from(bits);
    (component % bytes, component / bytes * usize::from(bits))
}

/// Where byte `at` of a plane of one row is in the lines of a block.
pub fn in_block(at: usize, lane: usize) -> usize {
    at / 4 * 64 + 4 * lane + at % 4
}
