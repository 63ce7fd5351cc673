//! Data of the tests of weights.
#![allow(dead_code, reason = "each test uses some of these")]

/// Standard normal values by the polar method: the same in every run.
pub fn normals(seed: u64, count: usize) -> Vec<f32> {
    let uniform = uniforms(seed, 4 * count);
    let mut out = Vec::with_capacity(count);
    for pair in uniform.as_chunks::<2>().0 {
        let (x, y) = (2.0 * pair[0] - 1.0, 2.0 * pair[1] - 1.0);
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            let factor = (-2.0 * square.ln() / square).sqrt();
            out.extend([(x * factor) as f32, (y * factor) as f32]);
        }
        if out.len() >= count {
            break;
        }
    }
    out.truncate(count);
    assert_eq!(out.len(), count);
    out
}

/// Values between 0 and 1 (xorshift).
pub fn uniforms(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        })
        .collect()
}

/// Values of the density `exp(-|x|) / 2`.
pub fn laplace(seed: u64, count: usize) -> Vec<f32> {
    let uniform = uniforms(seed, count);
    let value = |u: f64| {
        if u < 0.5 {
            (2.0 * u).ln()
        } else {
            -(2.0 - 2.0 * u).ln()
        }
    };
    uniform.into_iter().map(|u| value(u) as f32).collect()
}
