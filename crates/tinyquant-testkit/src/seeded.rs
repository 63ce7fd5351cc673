//! Vectors that are the same in every run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// `count` values, close to normal with deviation `scale`: sums of twelve uniform ones.
pub fn normal(seed: u64, count: usize, scale: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut value = || {
        (0..12)
            .map(|_| f64::from(rng.next_u32()) / 4_294_967_296.0)
            .sum::<f64>()
            - 6.0
    };
    (0..count)
        .map(|_| (value() * f64::from(scale)) as f32)
        .collect()
}
