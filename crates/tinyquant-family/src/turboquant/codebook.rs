//! Optimal levels of one rotated coordinate.
//!
//! A coordinate of a uniformly rotated vector of length `sqrt(dim)` has a density on `[-sqrt(dim), sqrt(dim)]` that is
//! proportional to `(1 - x^2 / dim)^((dim - 3) / 2)` and approaches the standard normal one (arXiv 2504.19874, lemma 1).
//! The levels of least squared error are the means of their cells, whose boundaries are the midpoints (Lloyd, 1982;
//! Max, 1960).

use crate::Error;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI};

/// Dimension from which the normal density stands for the exact one: it costs 0.1 % of the error there, and less above.
const NORMAL_FROM: usize = 128;

/// Points of a Gauss-Legendre rule, and the widest interval in standard deviations that it is used for.
const POINTS: usize = 16;
const STEP: f64 = 1.0;

/// Cells of the histogram that the first levels are taken from.
const GRID: usize = 4096;
/// Where that histogram ends for the normal density.
const FAR: f64 = 12.0;

/// Rounds of Lloyd's iteration before Newton's, and the most of Newton's.
const LLOYD: usize = 20;
const NEWTON: usize = 60;

/// The levels of a coordinate of deviation 1, and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Codebook {
    bits: u8,
    centroids: Vec<f64>,
    boundaries: Vec<f64>,
    distortion: f64,
}

impl Codebook {
    /// The `2^bits` optimal levels for vectors of `dim` components: those of the normal density from 128 dimensions up,
    /// those of the exact density below. Solved by Newton's method on "level minus mean of its cell".
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` unless `dim` is at least 2 and `bits` is from 1 to 8.
    pub fn new(dim: usize, bits: u8) -> Result<Self, Error> {
        if dim < 2 {
            return Err(Error::invalid(format!("dim must be at least 2, got {dim}")));
        }
        if dim < NORMAL_FROM {
            Self::exact(dim, bits)
        } else {
            Self::solve(&Density::Normal, bits)
        }
    }

    /// The levels of the exact density of any dimension.
    ///
    /// # Errors
    /// As [`Codebook::new`].
    pub fn exact(dim: usize, bits: u8) -> Result<Self, Error> {
        if dim < 2 {
            return Err(Error::invalid(format!("dim must be at least 2, got {dim}")));
        }
        Self::solve(&Density::sphere(dim), bits)
    }

    fn solve(density: &Density, bits: u8) -> Result<Self, Error> {
        if !(1..=8).contains(&bits) {
            return Err(Error::invalid(format!(
                "bits of a codebook must be from 1 to 8, got {bits}"
            )));
        }
        let half = positive_levels(density, 1 << (bits - 1));
        let mut centroids: Vec<f64> = half.iter().rev().map(|level| -level).collect();
        centroids.extend(&half);
        let boundaries = centroids
            .windows(2)
            .map(|pair| f64::midpoint(pair[0], pair[1]))
            .collect();
        let (mut mass, mut kept) = (0.0, 0.0);
        for (k, level) in half.iter().enumerate() {
            let (from, to) = cell(&half, k, density.end());
            let share = density.mass(from, to);
            mass += share;
            kept += share * level * level;
        }
        Ok(Self {
            bits,
            centroids,
            boundaries,
            distortion: 1.0 - kept / mass,
        })
    }

    /// Bits of an index.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The `2^bits` levels, ascending and symmetric about 0.
    pub fn centroids(&self) -> &[f64] {
        &self.centroids
    }

    /// The midpoints between levels.
    pub fn boundaries(&self) -> &[f64] {
        &self.boundaries
    }

    /// Mean squared error of a coordinate, which is also that of a unit vector: `1 - E[level^2]`, since optimal levels have
    /// `E[level * x] = E[level^2]`.
    pub fn distortion(&self) -> f64 {
        self.distortion
    }
}

/// A symmetric density of variance 1, up to a factor.
#[derive(Debug)]
enum Density {
    Normal,
    /// A coordinate of a vector of this length squared; nodes and weights of the quadrature rule on `[-1, 1]`.
    Sphere {
        dim: f64,
        rule: Vec<(f64, f64)>,
    },
}

impl Density {
    fn sphere(dim: usize) -> Self {
        Self::Sphere {
            dim: dim as f64,
            rule: gauss_legendre(),
        }
    }

    /// Where the density ends.
    fn end(&self) -> f64 {
        match self {
            Self::Normal => f64::INFINITY,
            Self::Sphere { dim, .. } => dim.sqrt(),
        }
    }

    fn at(&self, x: f64) -> f64 {
        match self {
            Self::Normal => libm::exp(-0.5 * x * x),
            Self::Sphere { dim, .. } => libm::pow(1.0 - x * x / dim, 0.5 * (dim - 3.0)),
        }
    }

    /// The integral between two points that are not negative.
    fn mass(&self, from: f64, to: f64) -> f64 {
        match self {
            Self::Normal => {
                let above = |x: f64| libm::erfc(x * FRAC_1_SQRT_2);
                FRAC_PI_2.sqrt() * (above(from) - above(to))
            }
            // With x = sqrt(dim) sin(angle) the density is a power of the cosine, smooth up to the end.
            Self::Sphere { dim, rule } => {
                let (from, to) = (self.angle(from), self.angle(to));
                let pieces = ((to - from) * dim.sqrt() / STEP).ceil().max(1.0);
                let width = (to - from) / pieces;
                let mut sum = 0.0;
                for piece in 0..pieces as usize {
                    let middle = from + (piece as f64 + 0.5) * width;
                    for (node, weight) in rule {
                        let angle = middle + 0.5 * width * node;
                        sum += weight * libm::pow(libm::cos(angle).max(0.0), dim - 2.0);
                    }
                }
                0.5 * width * dim.sqrt() * sum
            }
        }
    }

    /// The integral of `x` times the density between two points.
    fn moment(&self, from: f64, to: f64) -> f64 {
        match self {
            Self::Normal => self.at(from) - self.at(to),
            Self::Sphere { dim, .. } => {
                let power = |x: f64| libm::pow((1.0 - x * x / dim).max(0.0), 0.5 * (dim - 1.0));
                dim / (dim - 1.0) * (power(from) - power(to))
            }
        }
    }

    fn angle(&self, x: f64) -> f64 {
        match self {
            Self::Normal => x,
            Self::Sphere { dim, .. } => libm::asin((x / dim.sqrt()).min(1.0)),
        }
    }
}

/// The cell of a level of the positive half.
fn cell(levels: &[f64], k: usize, end: f64) -> (f64, f64) {
    let from = match k.checked_sub(1) {
        Some(below) => f64::midpoint(levels[below], levels[k]),
        None => 0.0,
    };
    let to = levels
        .get(k + 1)
        .map_or(end, |above| f64::midpoint(levels[k], *above));
    (from, to)
}

/// The positive half of the optimal levels.
fn positive_levels(density: &Density, count: usize) -> Vec<f64> {
    let end = density.end();
    let mut levels = first_levels(density, count);
    let mean = |(from, to): (f64, f64)| density.moment(from, to) / density.mass(from, to);
    for _ in 0..LLOYD {
        levels = (0..count).map(|k| mean(cell(&levels, k, end))).collect();
    }
    for _ in 0..NEWTON {
        let step = newton_step(density, &levels);
        // A step that would change the order of the levels is shortened.
        let mut share = 1.0;
        loop {
            let next: Vec<f64> = levels
                .iter()
                .zip(&step)
                .map(|(level, step)| level - share * step)
                .collect();
            let is_ordered = next.iter().all(|level| *level > 0.0 && *level < end)
                && next.windows(2).all(|pair| pair[0] < pair[1]);
            if is_ordered {
                levels = next;
                break;
            }
            share *= 0.5;
        }
        if step.iter().all(|step| step.abs() < 1e-14) {
            break;
        }
    }
    levels
}

/// Levels in equal steps of the cube root of the density, near which the best ones lie (Panter and Dite, 1951).
fn first_levels(density: &Density, count: usize) -> Vec<f64> {
    let width = density.end().min(FAR) / GRID as f64;
    let weights: Vec<f64> = (0..GRID)
        .map(|i| libm::cbrt(density.at((i as f64 + 0.5) * width)))
        .collect();
    let total: f64 = weights.iter().sum();
    let (mut i, mut before) = (0, 0.0);
    let level = |k: usize| {
        let target = total * (k as f64 + 0.5) / count as f64;
        while i + 1 < GRID && before + weights[i] < target {
            before += weights[i];
            i += 1;
        }
        (i as f64 + (target - before) / weights[i]) * width
    };
    (0..count).map(level).collect()
}

/// What Newton's method takes off the levels: solves the tridiagonal system of the derivatives of "level minus mean of
/// its cell", each of which depends on the level and its neighbours.
fn newton_step(density: &Density, levels: &[f64]) -> Vec<f64> {
    let count = levels.len();
    let end = density.end();
    let (mut upper, mut step) = (vec![0.0; count], vec![0.0; count]);
    for k in 0..count {
        let (from, to) = cell(levels, k, end);
        let mass = density.mass(from, to);
        let mean = density.moment(from, to) / mass;
        let below = if k > 0 {
            -0.5 * density.at(from) * (mean - from) / mass
        } else {
            0.0
        };
        let above = if k + 1 < count {
            -0.5 * density.at(to) * (to - mean) / mass
        } else {
            0.0
        };
        let mut diagonal = 1.0 + below + above;
        let mut value = levels[k] - mean;
        if k > 0 {
            diagonal -= below * upper[k - 1];
            value -= below * step[k - 1];
        }
        upper[k] = above / diagonal;
        step[k] = value / diagonal;
    }
    for k in (0..count - 1).rev() {
        step[k] -= upper[k] * step[k + 1];
    }
    step
}

/// Nodes and weights of the Gauss-Legendre rule on `[-1, 1]`: the roots of the Legendre polynomial, by Newton's method.
fn gauss_legendre() -> Vec<(f64, f64)> {
    let count = POINTS as f64;
    let node = |i: usize| {
        let mut x = libm::cos(PI * (i as f64 + 0.75) / (count + 0.5));
        let mut slope = 1.0;
        for _ in 0..20 {
            let (mut before, mut value) = (1.0, x);
            for n in 2..=POINTS {
                let n = n as f64;
                (before, value) = (
                    value,
                    ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n,
                );
            }
            slope = count * (x * value - before) / (x * x - 1.0);
            x -= value / slope;
        }
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..POINTS).map(node).collect()
}
