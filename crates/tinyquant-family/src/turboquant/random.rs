//! Numbers from a seed, the same on every machine.

use std::f64::consts::TAU;

/// What a stream of numbers is for: streams of one seed do not repeat each other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Signs = 1,
    Orders = 2,
    Sketch = 3,
}

/// splitmix64 (Steele, Lea and Flood, 2014), and standard normal numbers by Box and Muller (1958) with the functions of
/// the `libm` crate.
#[derive(Debug)]
pub(crate) struct Random {
    state: u64,
    spare: Option<f64>,
}

impl Random {
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        Self {
            state: mix(mix(purpose as u64) ^ seed),
            spare: None,
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    /// A standard normal number.
    pub(crate) fn normal(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // Above 0 and up to 1, so that the logarithm is finite.
        let first = ((self.next() >> 11) + 1) as f64 * UNIT;
        let angle = TAU * ((self.next() >> 11) as f64 * UNIT);
        let radius = (-2.0 * libm::log(first)).sqrt();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }
}

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
