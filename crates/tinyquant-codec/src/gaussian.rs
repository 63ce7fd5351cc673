//! The random stream behind a rotation: `ChaCha20` and Box-Muller.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::f64::consts::TAU;

/// Standard normal numbers, two at a time.
///
/// Logarithm, sine and cosine are those of the `libm` crate: the functions of the platform differ from
/// them in the last bit of some samples, and every bit of the matrix depends on them.
pub(crate) struct Gaussian {
    rng: ChaCha20Rng,
    spare: Option<f64>,
}

impl Gaussian {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha20Rng::from_seed(expand(seed)),
            spare: None,
        }
    }

    pub(crate) fn sample(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let u1 = self.uniform();
            let u2 = self.uniform();
            if u1 > 0.0 {
                let radius = (-2.0 * libm::log(u1)).sqrt();
                let angle = TAU * u2;
                self.spare = Some(radius * libm::sin(angle));
                return radius * libm::cos(angle);
            }
        }
    }

    /// 53 random bits in [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }
}

/// Key of the stream: eight outputs of a PCG32 generator that starts from the seed, as `rand_core` 0.6 expands
/// a u64 seed.
fn expand(seed: u64) -> [u8; 32] {
    const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
    const INCREMENT: u64 = 11_634_580_027_462_260_723;
    let mut state = seed;
    let mut key = [0; 32];
    for word in key.as_chunks_mut::<4>().0 {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        let shifted = (((state >> 18) ^ state) >> 27) as u32;
        *word = shifted.rotate_right((state >> 59) as u32).to_le_bytes();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinyquant_testkit::golden;

    const SEEDS: [u64; 4] = [0, 7, 42, u64::MAX];

    #[test]
    fn stream_equals_the_golden_words() {
        for seed in [0, 7, 42, u64::MAX] {
            let mut rng = ChaCha20Rng::from_seed(expand(seed));
            for expected in golden::u64s(&format!("rng/chacha20_seed{seed}_first64.u64.bin")) {
                assert_eq!(rng.next_u64(), expected, "seed {seed}");
            }
        }
    }

    #[test]
    fn samples_equal_the_golden_bits() {
        for seed in SEEDS {
            let mut gaussian = Gaussian::new(seed);
            for expected in golden::f64s(&format!("rng/gauss_seed{seed}_first256.f64.bin")) {
                assert_eq!(
                    gaussian.sample().to_bits(),
                    expected.to_bits(),
                    "seed {seed}"
                );
            }
        }
    }
}
