//! K-means on short vectors: the parts of a product quantizer, the stages of a residual one.

use crate::Error;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use tinyquant_codec::Control;
use tinyquant_kernels::{Kernels, PANEL};

/// Points that one task works on. Sums are taken chunk by chunk, so that they do not depend on the number of threads.
const CHUNK: usize = 1024;

/// What training needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Values of a point.
    pub(crate) width: usize,
    /// Centroids, 1 to 256; no more than points.
    pub(crate) count: usize,
    pub(crate) rounds: usize,
    /// Fall of the error, as a share of it, that ends training.
    pub(crate) tolerance: f64,
    pub(crate) seed: u64,
}

/// Centroids and how the error fell.
pub(crate) struct Trained {
    /// `count` rows of `width` values.
    pub(crate) centroids: Vec<f32>,
    /// Sum of squared errors at the start and after each round.
    pub(crate) history: Vec<f64>,
}

/// Finds the nearest of some centroids.
pub(crate) struct Nearest {
    width: usize,
    count: usize,
    /// The mean of the centroids: distances are taken about it, where rounding is smallest.
    shift: Vec<f32>,
    /// A power of two that brings the centroids to about 1.
    scale: f32,
    /// Blocks of [`PANEL`] centroids, component by component, and minus half their squared length as a last component.
    blocks: Vec<f32>,
}

/// Room for one search.
#[derive(Default)]
pub(crate) struct Scratch {
    query: Vec<f32>,
    scores: Vec<f32>,
}

/// A power of two that brings a magnitude to between 1 and 2.
fn scale_of(values: impl Iterator<Item = f32>) -> f32 {
    let most = values.fold(0.0_f32, |most, value| most.max(value.abs()));
    if most == 0.0 {
        return 1.0;
    }
    let exponent = libm::ilogb(most.into()).clamp(-126, 126);
    libm::ldexp(1.0, -exponent) as f32
}

impl Nearest {
    /// Prepares centroids of `width` values.
    pub(crate) fn new(centroids: &[f32], width: usize) -> Self {
        let count = centroids.len() / width;
        let rows = || centroids.chunks_exact(width);
        let mean = |i: usize| rows().map(|row| f64::from(row[i])).sum::<f64>() / count as f64;
        let shift: Vec<f32> = (0..width).map(|i| mean(i) as f32).collect();
        let centred = |row: &[f32], i: usize| row[i] - shift[i];
        let scale = scale_of(rows().flat_map(|row| {
            (0..width)
                .map(move |i| row[i])
                .zip(&shift)
                .map(|(a, b)| a - b)
        }));
        let mut blocks = vec![0.0; count.div_ceil(PANEL) * (width + 1) * PANEL];
        for (k, block) in blocks.chunks_exact_mut((width + 1) * PANEL).enumerate() {
            for lane in 0..PANEL {
                let Some(row) = rows().nth(k * PANEL + lane) else {
                    block[width * PANEL + lane] = f32::NEG_INFINITY;
                    continue;
                };
                let mut square = 0.0;
                for i in 0..width {
                    let value = centred(row, i) * scale;
                    block[i * PANEL + lane] = value;
                    square += f64::from(value) * f64::from(value);
                }
                block[width * PANEL + lane] = (-0.5 * square) as f32;
            }
        }
        Self {
            width,
            count,
            shift,
            scale,
            blocks,
        }
    }

    /// Index of the centroid nearest to a point, the lowest of several.
    pub(crate) fn find(&self, kernels: &Kernels, point: &[f32], scratch: &mut Scratch) -> u8 {
        let Scratch { query, scores } = scratch;
        query.clear();
        let centred = point.iter().zip(&self.shift);
        query.extend(centred.map(|(value, shift)| (value - shift) * self.scale));
        query.push(1.0);
        scores.resize(self.count.next_multiple_of(PANEL), 0.0);
        kernels.dot_blocks(query, &self.blocks, scores);
        best(&scores[..]) as u8
    }

    /// The nearest centroid of each point.
    pub(crate) fn encode(&self, points: &[f32]) -> Vec<u8> {
        let mut codes = vec![0; points.len() / self.width];
        codes
            .par_chunks_mut(CHUNK)
            .zip(points.par_chunks(CHUNK * self.width))
            .for_each_init(Scratch::default, |scratch, (codes, points)| {
                let kernels = Kernels::active();
                for (code, point) in codes.iter_mut().zip(points.chunks_exact(self.width)) {
                    *code = self.find(kernels, point, scratch);
                }
            });
        codes
    }
}

/// Index of the greatest score, the lowest of several. Lane by lane first, which vectorises.
fn best(scores: &[f32]) -> usize {
    let mut most = [f32::NEG_INFINITY; PANEL];
    let mut at = [0_u32; PANEL];
    for (block, scores) in scores.as_chunks::<PANEL>().0.iter().enumerate() {
        for lane in 0..PANEL {
            let is_better = scores[lane] > most[lane];
            most[lane] = if is_better { scores[lane] } else { most[lane] };
            at[lane] = if is_better { block as u32 } else { at[lane] };
        }
    }
    let mut best = 0;
    for lane in 1..PANEL {
        let is_better = most[lane] > most[best];
        let is_earlier = most[lane].to_bits() == most[best].to_bits() && at[lane] < at[best];
        if is_better || is_earlier {
            best = lane;
        }
    }
    at[best] as usize * PANEL + best
}

fn squared_distance(left: &[f32], right: &[f32]) -> f64 {
    let pairs = left.iter().zip(right);
    pairs.fold(0.0, |sum, (a, b)| {
        let apart = f64::from(*a) - f64::from(*b);
        sum + apart * apart
    })
}

/// Trains centroids: k-means++ (Arthur and Vassilvitskii, 2007) for the start, then Lloyd's rounds. A centroid without
/// points moves to the point that is farthest from its own.
pub(crate) fn train(points: &[f32], plan: &Plan, control: &Control) -> Result<Trained, Error> {
    let Plan { width, count, .. } = *plan;
    let mut centroids = spread(points, plan, control)?;
    let mut history: Vec<f64> = Vec::new();
    let mut before = centroids.clone();
    for round in 0..=plan.rounds {
        control.check()?;
        let codes = Nearest::new(&centroids, width).encode(points);
        let (apart, error) = distances(points, &centroids, &codes, width);
        if let Some(last) = history.last().copied() {
            if error > last {
                // A rise can only be rounding.
                centroids = before;
                break;
            }
            history.push(error);
            if last - error <= plan.tolerance * last {
                break;
            }
        } else {
            history.push(error);
        }
        if round < plan.rounds {
            before.copy_from_slice(&centroids);
            average(points, &codes, apart, width, count, &mut centroids);
        }
    }
    Ok(Trained { centroids, history })
}

/// Squared distance of each point from its centroid, and their sum.
fn distances(points: &[f32], centroids: &[f32], codes: &[u8], width: usize) -> (Vec<f64>, f64) {
    let mut apart = vec![0.0; codes.len()];
    let sums: Vec<f64> = apart
        .par_chunks_mut(CHUNK)
        .zip(
            points
                .par_chunks(CHUNK * width)
                .zip(codes.par_chunks(CHUNK)),
        )
        .map(|(apart, (points, codes))| {
            let rows = points.chunks_exact(width).zip(codes);
            for (apart, (point, code)) in apart.iter_mut().zip(rows) {
                let centroid = &centroids[usize::from(*code) * width..][..width];
                *apart = squared_distance(point, centroid);
            }
            apart.iter().sum::<f64>()
        })
        .collect();
    (apart, sums.iter().sum())
}

/// Replaces centroids by the means of their points.
fn average(
    points: &[f32],
    codes: &[u8],
    mut apart: Vec<f64>,
    width: usize,
    count: usize,
    centroids: &mut [f32],
) {
    let mut sums = vec![0.0_f64; count * width];
    let mut sizes = vec![0_usize; count];
    for (point, code) in points.chunks_exact(width).zip(codes) {
        let code = usize::from(*code);
        sizes[code] += 1;
        for (sum, value) in sums[code * width..][..width].iter_mut().zip(point) {
            *sum += f64::from(*value);
        }
    }
    let means = sums.chunks_exact(width).zip(&sizes);
    for (centroid, (sums, size)) in centroids.chunks_exact_mut(width).zip(means) {
        if *size > 0 {
            for (value, sum) in centroid.iter_mut().zip(sums) {
                *value = (sum / *size as f64) as f32;
            }
            continue;
        }
        let mut farthest = 0;
        for (at, distance) in apart.iter().enumerate() {
            if *distance > apart[farthest] {
                farthest = at;
            }
        }
        centroid.copy_from_slice(&points[farthest * width..][..width]);
        apart[farthest] = 0.0;
    }
}

/// Points far apart, each drawn with a probability that grows with the squared distance from those before.
fn spread(points: &[f32], plan: &Plan, control: &Control) -> Result<Vec<f32>, Error> {
    let Plan { width, count, .. } = *plan;
    let total = points.len() / width;
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut uniform = || (random.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64);
    let mut apart = vec![f64::INFINITY; total];
    let mut chosen = (uniform() * total as f64) as usize;
    let mut centroids = Vec::with_capacity(count * width);
    for k in 0..count {
        control.check()?;
        let centroid = points[chosen.min(total - 1) * width..][..width].to_vec();
        let sums: Vec<f64> = apart
            .par_chunks_mut(CHUNK)
            .zip(points.par_chunks(CHUNK * width))
            .map(|(apart, points)| {
                for (apart, point) in apart.iter_mut().zip(points.chunks_exact(width)) {
                    *apart = apart.min(squared_distance(point, &centroid));
                }
                apart.iter().sum::<f64>()
            })
            .collect();
        centroids.extend(centroid);
        if k + 1 == count {
            break;
        }
        let sum: f64 = sums.iter().sum();
        let target = uniform() * sum;
        chosen = draw(&apart, &sums, target);
    }
    Ok(centroids)
}

/// The first point at which the running sum exceeds `target`; the last one with a distance, where rounding keeps it below.
fn draw(apart: &[f64], sums: &[f64], target: f64) -> usize {
    let mut left = target;
    for (chunk, sum) in sums.iter().enumerate() {
        if left >= *sum {
            left -= sum;
            continue;
        }
        let start = chunk * CHUNK;
        for (at, distance) in apart.iter().enumerate().skip(start).take(CHUNK) {
            if left < *distance {
                return at;
            }
            left -= distance;
        }
    }
    apart
        .iter()
        .rposition(|distance| *distance > 0.0)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinyquant_testkit::seeded;

    #[test]
    fn the_nearest_centroid_is_found_far_from_zero_and_at_any_scale() {
        for (width, count, offset, scale) in [
            (1, 3, 0.0, 1.0),
            (2, 256, 100.0, 1.0),
            (5, 17, -3.0, 1e-20),
            (8, 64, 0.0, 1e18),
        ] {
            let make = |seed, rows: usize| -> Vec<f32> {
                let values = seeded::normal(seed, rows * width, 1.0);
                values
                    .iter()
                    .map(|value| (value + offset) * scale)
                    .collect()
            };
            let (centroids, points) = (make(1, count), make(2, 500));
            let codes = Nearest::new(&centroids, width).encode(&points);
            for (point, code) in points.chunks_exact(width).zip(codes) {
                let apart = |row: &[f32]| squared_distance(point, row).sqrt();
                let least = centroids
                    .chunks_exact(width)
                    .map(apart)
                    .fold(f64::INFINITY, f64::min);
                let found = apart(&centroids[usize::from(code) * width..][..width]);
                // Rounding may choose between centroids that are all but equally near.
                let room = 1e-4 * f64::from(scale);
                assert!(
                    found <= least + room,
                    "{width} {offset} {scale:e}: {found:e} {least:e}"
                );
            }
        }
    }

    #[test]
    fn as_many_centroids_as_distinct_points_leave_no_error() {
        let points: Vec<f32> = [[0.0, 1.0], [5.0, 5.0], [-2.0, 7.0]].concat().repeat(40);
        let plan = Plan {
            width: 2,
            count: 8,
            rounds: 10,
            tolerance: 0.0,
            seed: 3,
        };
        let trained = train(&points, &plan, &Control::default()).unwrap();
        assert!(trained.history.last().is_some_and(|error| *error == 0.0));
    }
}
