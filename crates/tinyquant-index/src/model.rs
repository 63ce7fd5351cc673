//! Rotation, segments and partitions of an index: everything that a row's bytes depend on.

mod file;

use crate::centroids::Centroids;
use crate::rotation::{Matrix, Scratch, SignRotation};
use crate::segments::DISTORTION;
use crate::{IndexConfig, Metric};
use std::sync::Arc;
use tinyquant_kernels::{
    CodePlan, CodeQuery, CodeTable, CodedRows, FactorCode, LANES, ScanKernels, UNIT,
};

/// Axes that partitions look at, at most.
const PARTITION_COLUMNS: usize = 192;

/// How a vector is turned before it is coded.
#[derive(Debug, Clone)]
pub(crate) enum Rotation {
    /// Signs and Walsh-Hadamard transforms, for vectors that nothing is known about.
    Signs(SignRotation),
    /// Principal axes of a sample, rotated within segments.
    Axes(Matrix),
}

/// Rotation, segments and partitions of an index. It never changes.
///
/// A vector x is coded as `v = x / |x| - mean` for the cosine, else as the direction of `v = x - mean` and its
/// length. The rotated v is cut into segments; the coordinates of a segment, scaled to unit mean square, become
/// Lloyd-Max codes, and the segment's factor `|y|^2 / <y, y^>` makes the inner product of its codes with any query
/// unbiased (`RaBitQ`, arXiv 2405.12497, section 3.2; segments as in SAQ, arXiv 2509.12086).
#[derive(Debug)]
pub struct Model {
    /// Shared by models whose codes are the same.
    family: Arc<()>,
    dim: usize,
    metric: Metric,
    /// One value a component; all 0 where nothing is fitted.
    mean: Vec<f32>,
    rotation: Rotation,
    /// (units, bits), those without bits included.
    segments: Vec<(usize, u8)>,
    plan: CodePlan,
    centroids: Option<Centroids>,
    /// What is taken off the product of a query with a centre.
    offsets: Vec<f32>,
}

/// A query that is ready for any part.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) code: CodeQuery,
    rotated: Vec<f32>,
    norm: f32,
}

/// Length of a vector, in f64 in order.
pub(crate) fn length(values: &[f32]) -> f32 {
    let square: f64 = values
        .iter()
        .map(|value| f64::from(*value) * f64::from(*value))
        .sum();
    libm::sqrt(square) as f32
}

impl Model {
    /// The model of an index that was never fitted: one segment, one random rotation.
    pub(crate) fn unfitted(config: &IndexConfig) -> Self {
        let padded = config.dim().next_multiple_of(UNIT);
        let rotation = Rotation::Signs(SignRotation::new(padded, config.seed()));
        let segments = vec![(padded / UNIT, config.bits())];
        let factor = nominal_factor(padded, config.bits());
        Self::assemble(
            config,
            vec![0.0; config.dim()],
            rotation,
            segments,
            vec![factor],
            padded / UNIT,
        )
    }

    /// A model of its parts; `lead` units are scanned first.
    pub(crate) fn assemble(
        config: &IndexConfig,
        mean: Vec<f32>,
        rotation: Rotation,
        segments: Vec<(usize, u8)>,
        factors: Vec<FactorCode>,
        lead: usize,
    ) -> Self {
        let has_norms = config.metric() != Metric::Cosine;
        let plan = CodePlan::new(&segments, factors, lead, has_norms);
        Self {
            family: Arc::default(),
            dim: config.dim(),
            metric: config.metric(),
            mean,
            rotation,
            segments,
            plan,
            centroids: None,
            offsets: Vec::new(),
        }
    }

    /// The same with partitions.
    pub(crate) fn with_centroids(&self, centroids: Centroids) -> Self {
        let offsets = match self.metric {
            Metric::Dot => Vec::new(),
            Metric::L2 => centroids.halves().to_vec(),
            Metric::Cosine => {
                let mean = (self.mean.clone(), length(&self.mean));
                let mean = self.rotate(ScanKernels::active(), &[mean], &mut Scratch::default());
                let mean = mean.concat();
                let products = (0..centroids.len()).map(|centre| {
                    let products = centroids
                        .centre(centre)
                        .zip(&mean)
                        .map(|(a, b)| f64::from(a) * f64::from(*b));
                    products.sum::<f64>() as f32
                });
                products
                    .zip(centroids.halves())
                    .map(|(product, half)| product + half)
                    .collect()
            }
        };
        Self {
            centroids: Some(centroids),
            offsets,
            ..self.without_centroids()
        }
    }

    /// The same without partitions.
    pub(crate) fn without_centroids(&self) -> Self {
        Self {
            family: Arc::clone(&self.family),
            mean: self.mean.clone(),
            rotation: self.rotation.clone(),
            segments: self.segments.clone(),
            plan: self.plan.clone(),
            centroids: None,
            offsets: Vec::new(),
            ..*self
        }
    }

    /// Whether a row has the same codes under both.
    pub(crate) fn is_akin(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.family, &other.family)
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    pub(crate) fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    pub(crate) fn plan(&self) -> &CodePlan {
        &self.plan
    }

    pub(crate) fn centroids(&self) -> Option<&Centroids> {
        self.centroids.as_ref()
    }

    /// Components, padded to what the rotation takes.
    pub(crate) fn columns(&self) -> usize {
        match &self.rotation {
            Rotation::Signs(rotation) => rotation.len(),
            Rotation::Axes(matrix) => matrix.columns(),
        }
    }

    /// Rotated components that have bits.
    pub(crate) fn coded(&self) -> usize {
        self.plan.units() * UNIT
    }

    /// (components, bits) of each segment.
    pub fn segments(&self) -> Vec<(usize, u8)> {
        self.segments
            .iter()
            .map(|(units, bits)| (units * UNIT, *bits))
            .collect()
    }

    /// Whether its segments follow a sample.
    pub fn is_fitted(&self) -> bool {
        matches!(self.rotation, Rotation::Axes(_))
    }

    /// Partitions; 1 if there are none.
    pub fn partitions(&self) -> usize {
        self.centroids.as_ref().map_or(1, Centroids::len)
    }

    /// Bytes of 16 rows in the blocks of a part.
    pub fn block_bytes(&self) -> usize {
        self.plan.lead_bytes() + self.plan.factor_bytes()
    }

    /// Bytes of one row in the tails of a part.
    pub fn tail_bytes(&self) -> usize {
        self.plan.tail_bytes()
    }

    /// Bytes that a row takes: its codes, factors, norm and number.
    pub fn code_bytes_per_row(&self) -> usize {
        self.block_bytes() / LANES + self.tail_bytes() + 4
    }

    /// Bytes of memory that it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let rotation = match &self.rotation {
            Rotation::Signs(rotation) => 12 * rotation.len(),
            Rotation::Axes(matrix) => 4 * matrix.rows().len(),
        };
        let centroids = self
            .centroids
            .as_ref()
            .map_or(0, |centroids| 4 * centroids.rows().len());
        rotation + centroids + 4 * self.mean.len()
    }

    /// Rotates vectors of `dim` components and the lengths given; components without bits are left out.
    fn rotate(
        &self,
        kernels: &ScanKernels,
        vectors: &[(Vec<f32>, f32)],
        scratch: &mut Scratch,
    ) -> Vec<Vec<f32>> {
        match &self.rotation {
            Rotation::Signs(rotation) => {
                let each = vectors.iter().map(|(values, _)| {
                    let mut rotated = values.clone();
                    rotated.resize(rotation.len(), 0.0);
                    rotation.one(kernels, &mut rotated);
                    rotated
                });
                each.collect()
            }
            Rotation::Axes(matrix) => matrix.many(kernels, vectors, scratch),
        }
    }

    /// Makes queries of `dim` finite values ready.
    pub(crate) fn queries(
        &self,
        kernels: &ScanKernels,
        queries: &[&[f32]],
        scratch: &mut Scratch,
    ) -> Vec<Query> {
        let product = |values: &[f32]| {
            let products = values
                .iter()
                .zip(&self.mean)
                .map(|(a, b)| f64::from(*a) * f64::from(*b));
            products.sum::<f64>() as f32
        };
        let (mut vectors, mut terms) = (Vec::new(), Vec::new());
        for query in queries {
            let mut values = query.to_vec();
            let (base, slope, bend) = match self.metric {
                Metric::Cosine => {
                    normalize(&mut values);
                    (product(&values), 1.0, 0.0)
                }
                Metric::Dot => (product(&values), 1.0, 0.0),
                Metric::L2 => {
                    for (value, mean) in values.iter_mut().zip(&self.mean) {
                        *value -= mean;
                    }
                    let norm = length(&values);
                    (-norm * norm, 2.0, -1.0)
                }
            };
            let norm = length(&values);
            vectors.push((values, norm));
            terms.push((base, slope, bend));
        }
        let rotated = self.rotate(kernels, &vectors, scratch);
        rotated
            .into_iter()
            .zip(vectors)
            .zip(terms)
            .map(|((rotated, (_, norm)), (base, slope, bend))| Query {
                code: CodeQuery::new(&self.plan, &rotated, base, slope, bend),
                rotated,
                norm,
            })
            .collect()
    }

    /// What each partition promises to each query; higher is better. Nothing where there are no partitions.
    pub(crate) fn promises(
        &self,
        kernels: &ScanKernels,
        queries: &[Query],
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) {
        out.clear();
        if let Some(centroids) = &self.centroids {
            let offsets = (self.metric != Metric::Dot).then_some(self.offsets.as_slice());
            let queries: Vec<_> = queries
                .iter()
                .map(|query| (query.rotated.as_slice(), query.norm))
                .collect();
            centroids.promises(kernels, &queries, offsets, scratch, out);
        }
    }

    /// Rotated components that partitions look at: of axes, those with most of the energy.
    pub(crate) fn partition_columns(&self) -> usize {
        if self.is_fitted() {
            self.coded().min(PARTITION_COLUMNS)
        } else {
            self.coded()
        }
    }

    /// The rotated vector that a row's codes stand for, as it was coded: of length 1 where lengths are kept.
    pub(crate) fn decode(&self, rows: CodedRows<'_>, row: usize) -> Vec<f32> {
        let (block, lane) = (row / LANES, row % LANES);
        let factors = &rows.factors[block * self.plan.factor_bytes()..];
        let mut codes = vec![0; self.coded()];
        self.codes(rows, row, &mut codes);
        let mut values = vec![0.0; self.coded()];
        let units = values
            .chunks_exact_mut(UNIT)
            .zip(codes.chunks_exact(UNIT))
            .enumerate();
        for (unit, (values, codes)) in units {
            let table = self.plan.table(unit);
            let segment = self.plan.segment_of(unit);
            let factor = self.plan.factors()[segment].decode(factors[segment * LANES + lane]);
            let kept = 1.0
                - DISTORTION
                    .get(usize::from(table.width()))
                    .copied()
                    .unwrap_or(0.0) as f32;
            for (value, code) in values.iter_mut().zip(codes) {
                *value = f32::from(table.value(*code)) * factor * kept;
            }
        }
        values
    }

    /// Writes the codes of a row, a byte each, to zeroes.
    pub(crate) fn codes(&self, rows: CodedRows<'_>, row: usize, out: &mut [u8]) {
        let (block, lane) = (row / LANES, row % LANES);
        let lead = &rows.lead[block * self.plan.lead_bytes()..];
        let tail = &rows.tails[row * self.plan.tail_bytes()..];
        for (unit, codes) in out.chunks_exact_mut(UNIT).enumerate() {
            for (bits, shift, in_lead, at) in self.plan.planes(unit) {
                let per = 8 * usize::from(bits);
                for (i, code) in codes.iter_mut().enumerate() {
                    let (s, k) = (i / per, i % per);
                    let byte = if in_lead {
                        lead[at + (k / 4) * 4 * LANES + 4 * lane + k % 4]
                    } else {
                        tail[at + k]
                    };
                    let part = byte >> (s * usize::from(bits)) & (0xff >> (8 - bits));
                    *code |= part << shift;
                }
            }
        }
    }

    /// The length that is kept of a row; 1 for the cosine.
    pub(crate) fn norm(&self, rows: CodedRows<'_>, row: usize) -> f32 {
        if self.metric == Metric::Cosine {
            return 1.0;
        }
        let factors = &rows.factors[row / LANES * self.plan.factor_bytes()..];
        let at = LANES * self.plan.factors().len() + 4 * (row % LANES);
        let bytes = factors
            .get(at..at + 4)
            .and_then(|bytes| bytes.first_chunk());
        bytes.map_or(1.0, |bytes| f32::from_le_bytes(*bytes))
    }

    /// The vector that a row's codes stand for; a unit vector for the cosine.
    pub(crate) fn reconstruct(&self, rows: CodedRows<'_>, row: usize) -> Vec<f32> {
        let values = self.decode(rows, row);
        let mut out = vec![0.0; self.columns()];
        match &self.rotation {
            Rotation::Signs(rotation) => {
                out.copy_from_slice(&values);
                rotation.back(ScanKernels::active(), &mut out);
            }
            Rotation::Axes(matrix) => matrix.back(&values, &mut out),
        }
        out.truncate(self.dim);
        let norm = self.norm(rows, row);
        for (value, mean) in out.iter_mut().zip(&self.mean) {
            *value = *value * norm + mean;
        }
        if self.metric == Metric::Cosine {
            normalize(&mut out);
        }
        out
    }
}

/// Makes the length 1, but leaves a zero vector.
pub(crate) fn normalize(values: &mut [f32]) {
    let square: f64 = values
        .iter()
        .map(|value| f64::from(*value) * f64::from(*value))
        .sum();
    let norm = libm::sqrt(square);
    if norm > 0.0 {
        for value in values {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
}

/// Where the factors of unit vectors in one segment lie: a factor of 2 around what Gaussian coordinates give.
fn nominal_factor(len: usize, bits: u8) -> FactorCode {
    let table = CodeTable::new(bits);
    let largest = if bits == 8 {
        4.0
    } else {
        LARGEST[usize::from(bits)]
    };
    let kept = 1.0 - DISTORTION.get(usize::from(bits)).copied().unwrap_or(0.0);
    // |y|^2 / <y, value> with <y, value> = sqrt(len) * kept * 127 / largest.
    let nominal = largest / (libm::sqrt(len as f64) * kept * 127.0);
    debug_assert_eq!(table.width(), bits);
    FactorCode {
        base: (0.5 * nominal as f32).to_bits(),
        shift: 16,
    }
}

/// Largest Lloyd-Max level of each width, which becomes 127.
const LARGEST: [f64; 5] = [1.0, 0.797_884_6, 1.510_417_6, 2.151_945_7, 2.732_589_6];
