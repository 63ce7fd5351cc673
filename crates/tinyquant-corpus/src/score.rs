//! Cosine similarity.

/// The squared length, summed in f32 in index order.
pub(crate) fn squared_norm(vector: &[f32]) -> f32 {
    vector.iter().fold(0.0, |sum, &x| sum + x * x)
}

/// `dot / sqrt(na * nb)` as TinyQuant computes it, from three sums in f32; `None` where a squared norm
/// or their product leaves the range in which f32 keeps its precision.
pub(crate) fn cosine_in_range(dot: f32, na: f32, nb: f32) -> Option<f32> {
    let product = na * nb;
    (na.is_normal() && nb.is_normal() && product.is_normal()).then(|| dot / product.sqrt())
}

/// The cosine of two vectors of any finite scale: between -1 and 1, and 0 if one of them is zero.
///
/// f64 holds the squares and the products of all finite f32 values, so nothing over- or underflows.
pub(crate) fn cosine_any_scale(pairs: impl Iterator<Item = (f32, f32)>) -> f32 {
    let (mut dot, mut na, mut nb) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (a, b) in pairs {
        let (a, b) = (f64::from(a), f64::from(b));
        dot += a * b;
        na += a * a;
        nb += b * b;
    }
    let norms = na.sqrt() * nb.sqrt();
    if norms > 0.0 {
        (dot / norms).clamp(-1.0, 1.0) as f32
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::{cosine_any_scale, cosine_in_range, squared_norm};

    fn score(a: &[f32], b: &[f32]) -> f32 {
        cosine_any_scale(a.iter().copied().zip(b.iter().copied()))
    }

    #[test]
    fn every_scale_gives_the_same_cosine() {
        let (a, b) = ([3.0_f32, 4.0, 0.0], [4.0_f32, 3.0, 0.0]);
        for exponent in [-148, -120, -75, -1, 0, 60, 100, 124] {
            let scale = 2.0_f64.powi(exponent);
            let scaled = a.map(|x| (f64::from(x) * scale) as f32);
            assert!((score(&scaled, &b) - 0.96).abs() < 1e-6, "2^{exponent}");
            assert!((score(&scaled, &scaled) - 1.0).abs() < 1e-6, "2^{exponent}");
        }
        let huge = [f32::MAX; 5];
        assert!((score(&huge, &huge.map(|x| -x)) + 1.0).abs() < 1e-6);
        let tiny = [f32::from_bits(1); 3];
        assert!((score(&tiny, &huge[..3]) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn zero_vectors_score_zero() {
        assert_eq!(score(&[0.0, -0.0], &[1.0, 2.0]).to_bits(), 0);
        assert_eq!(score(&[], &[]).to_bits(), 0);
    }

    #[test]
    fn the_exact_rule_stops_at_the_edges_of_the_range() {
        assert!(cosine_in_range(1.0, 1.0, 1.0).is_some());
        for (na, nb) in [
            (0.0, 1.0),
            (f32::INFINITY, 1.0),
            (1e-39, 1.0),
            (1e-20, 1e-20),
            (1e20, 1e20),
        ] {
            assert_eq!(cosine_in_range(0.0, na, nb), None, "{na} {nb}");
        }
    }

    #[test]
    fn norms_are_summed_in_order() {
        // 1e8 swallows each 1 that comes after it, but not the sum of eight that come before it.
        let ones_last = squared_norm(&[1e4, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let ones_first = squared_norm(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1e4]);
        assert_eq!(
            (ones_last.to_bits(), ones_first.to_bits()),
            (1e8_f32.to_bits(), 100_000_008_f32.to_bits())
        );
    }
}
