//! From vectors to codes.

use crate::centroids::Assign;
use crate::model::{Model, Rotation};
use crate::rotation::Scratch;
use crate::rows::Rows;
use crate::{Error, Metric};
use rayon::prelude::*;
use tinyquant_codec::{Control, Error as CodecError};
use tinyquant_kernels::{LANES, ScanKernels, UNIT};

/// Rows that a thread codes at a time.
const STRIP: usize = 256;

/// Largest magnitude of a component where lengths matter: squares and their sums stay finite.
const LARGEST: f32 = 1e15;

/// Fails for values that squares of would overflow, where the length of a vector is kept.
pub(crate) fn check_range(model: &Model, values: &[f32]) -> Result<(), Error> {
    if model.metric() == Metric::Cosine {
        return Ok(());
    }
    match values.iter().position(|value| value.abs() > LARGEST) {
        None => Ok(()),
        Some(at) => Err(Error::TooLarge {
            row: at / model.dim(),
            column: at % model.dim(),
        }),
    }
}

/// Rows and the partition of each.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) rows: Rows,
    pub(crate) lists: Vec<u32>,
}

/// Codes rows of finite values, on the current pool if this is one of its threads.
pub(crate) fn encode(model: &Model, values: &[f32], control: &Control) -> Result<Encoded, Error> {
    let (dim, plan) = (model.dim(), model.plan());
    let len = values.len() / dim;
    let mut rows = Rows::zeroed(plan, len);
    let mut lists = vec![0; len];
    let mut strips = Vec::with_capacity(len.div_ceil(STRIP));
    let (mut lead, mut factors, mut tails) = (
        rows.lead.as_mut(),
        rows.factors.as_mut(),
        rows.tails.as_mut(),
    );
    let mut rest = lists.as_mut_slice();
    for values in values.chunks(STRIP * dim) {
        let count = values.len() / dim;
        let blocks = count.div_ceil(LANES);
        strips.push(Strip {
            values,
            lead: lead
                .split_off_mut(..blocks * plan.lead_bytes())
                .unwrap_or_default(),
            factors: factors
                .split_off_mut(..blocks * plan.factor_bytes())
                .unwrap_or_default(),
            tails: tails
                .split_off_mut(..count * plan.tail_bytes())
                .unwrap_or_default(),
            lists: rest.split_off_mut(..count).unwrap_or_default(),
        });
    }
    let done = std::sync::atomic::AtomicUsize::new(0);
    let each = |encoder: &mut Encoder, mut strip: Strip| -> Result<(), CodecError> {
        control.check()?;
        let count = strip.lists.len();
        encoder.strip(&mut strip);
        let before = done.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        control.report(before + count, len);
        Ok(())
    };
    if strips.len() < 2 || rayon::current_thread_index().is_none() {
        let mut encoder = Encoder::new(model);
        strips
            .into_iter()
            .try_for_each(|strip| each(&mut encoder, strip))?;
    } else {
        strips
            .into_par_iter()
            .try_for_each_init(|| Encoder::new(model), each)?;
    }
    Ok(Encoded { rows, lists })
}

/// Some rows and where their codes go.
struct Strip<'a> {
    values: &'a [f32],
    lead: &'a mut [u8],
    factors: &'a mut [u8],
    tails: &'a mut [u8],
    lists: &'a mut [u32],
}

/// Rotates and codes tiles of [`LANES`] vectors.
pub(crate) struct Encoder<'a> {
    model: &'a Model,
    kernels: &'static ScanKernels,
    /// Vectors side by side.
    tile: Vec<f32>,
    /// The same, rotated.
    rotated: Vec<f32>,
    codes: Vec<u8>,
    lines: Vec<u8>,
    zeros: Vec<f32>,
    scratch: Scratch,
    assign: Assign,
    /// Products and sums of squares of the last tile, segment by segment.
    sums: Vec<([f32; LANES], [f32; LANES])>,
}

/// Lengths of the vectors of a tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    /// Of the rotated vectors as they are coded.
    pub(crate) coded: [f32; LANES],
    /// What they stand for, times their coded length.
    pub(crate) times: [f32; LANES],
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(model: &'a Model) -> Self {
        Self {
            model,
            kernels: ScanKernels::active(),
            tile: vec![0.0; model.columns() * LANES],
            rotated: vec![0.0; model.coded().max(model.columns()) * LANES],
            codes: vec![0; model.coded() * LANES],
            lines: vec![0; UNIT * LANES],
            zeros: vec![0.0; model.coded().max(model.dim())],
            scratch: Scratch::default(),
            assign: Assign::default(),
            sums: Vec::new(),
        }
    }

    /// The rotated tile.
    pub(crate) fn rotated(&self) -> &[f32] {
        &self.rotated
    }

    fn strip(&mut self, strip: &mut Strip<'_>) {
        let (dim, plan) = (self.model.dim(), self.model.plan());
        let blocks = strip
            .values
            .chunks(LANES * dim)
            .zip(strip.lists.chunks_mut(LANES));
        for (block, (values, lists)) in blocks.enumerate() {
            let lengths = self.rotate(values);
            if let Some(centroids) = self.model.centroids() {
                let tile = &self.rotated[..centroids.columns() * LANES];
                let (norms, times) = (&lengths.coded, &lengths.times);
                if let [list] = lists {
                    let one: Vec<f32> = tile.iter().step_by(LANES).copied().collect();
                    let (norm, times) = (norms[0], times[0]);
                    *list =
                        centroids.nearest_one(self.kernels, &one, norm, times, &mut self.scratch);
                } else {
                    let nearest =
                        centroids.nearest(self.kernels, tile, norms, times, &mut self.assign);
                    lists.copy_from_slice(&nearest[..lists.len()]);
                }
            }
            self.code();
            let lead = &mut strip.lead[block * plan.lead_bytes()..][..plan.lead_bytes()];
            let factors = &mut strip.factors[block * plan.factor_bytes()..][..plan.factor_bytes()];
            let tails = &mut strip.tails[block * LANES * plan.tail_bytes()..];
            self.write(lists.len(), &lengths.times, lead, factors, tails);
        }
    }

    /// Takes up to [`LANES`] vectors and rotates them; those that are missing are zero vectors.
    pub(crate) fn rotate(&mut self, values: &[f32]) -> Lengths {
        let (model, kernels) = (self.model, self.kernels);
        let dim = model.dim();
        self.tile[dim * LANES..].fill(0.0);
        let tile = &mut self.tile[..dim * LANES];
        kernels.tile_of(values, tile);
        let lengths = if model.metric() == Metric::Cosine {
            // A power of two first, so that no square overflows or vanishes.
            let scale = kernels.tile_peaks(tile).map(inverse_power);
            let squares = kernels.tile_affine(tile, &scale, &self.zeros[..dim]);
            let scale = squares.map(|square| {
                if square > 0.0 {
                    1.0 / square.sqrt()
                } else {
                    0.0
                }
            });
            let squares = kernels.tile_affine(tile, &scale, model.mean());
            Lengths {
                coded: squares.map(f32::sqrt),
                times: [1.0; LANES],
            }
        } else {
            let squares = kernels.tile_affine(tile, &[1.0; LANES], model.mean());
            let norms = squares.map(f32::sqrt);
            Lengths {
                coded: norms,
                times: norms,
            }
        };
        let rotated = &mut self.rotated;
        match model.rotation() {
            Rotation::Signs(rotation) => {
                rotation.tile(kernels, &mut self.tile);
                std::mem::swap(rotated, &mut self.tile);
            }
            Rotation::Axes(matrix) if values.len() == dim => {
                let one: Vec<f32> = self.tile.iter().step_by(LANES).copied().collect();
                let one = [(one, lengths.coded[0])];
                let out = matrix.many(kernels, &one, &mut self.scratch);
                let rows = rotated.as_chunks_mut::<LANES>().0.iter_mut();
                for (row, value) in rows.zip(out.into_iter().flatten()) {
                    *row = [0.0; LANES];
                    row[0] = value;
                }
            }
            Rotation::Axes(matrix) => {
                let out = &mut rotated[..matrix.len() * LANES];
                matrix.tile(kernels, &self.tile, &lengths.coded, &mut self.scratch, out);
            }
        }
        if model.metric() == Metric::Cosine {
            return lengths;
        }
        // Directions are coded, lengths are kept.
        let inverse = lengths
            .coded
            .map(|norm| if norm > 0.0 { 1.0 / norm } else { 0.0 });
        kernels.tile_affine(
            &mut rotated[..model.coded() * LANES],
            &inverse,
            &self.zeros[..model.coded()],
        );
        Lengths {
            coded: [1.0; LANES],
            ..lengths
        }
    }

    /// Codes the rotated tile.
    pub(crate) fn code(&mut self) {
        let plan = self.model.plan();
        self.sums.clear();
        let mut start = 0;
        for unit in 0..plan.units() {
            let ends =
                unit + 1 == plan.units() || plan.segment_of(unit + 1) != plan.segment_of(unit);
            if ends {
                let range = start * UNIT * LANES..(unit + 1) * UNIT * LANES;
                let (values, codes) = (&self.rotated[range.clone()], &mut self.codes[range]);
                self.sums
                    .push(self.kernels.tile_codes(plan.table(unit), values, codes));
                start = unit + 1;
            }
        }
    }

    /// The factors of the coded tile, segment by segment.
    pub(crate) fn factors(&self) -> impl Iterator<Item = [f32; LANES]> {
        let plan = self.model.plan();
        let mut lens = vec![0; plan.factors().len()];
        for unit in 0..plan.units() {
            lens[plan.segment_of(unit)] += UNIT;
        }
        self.sums
            .iter()
            .zip(lens)
            .map(|((squares, products), len)| {
                // |y|^2 / <y, value>, where the products are with y scaled to |y|^2 = len.
                std::array::from_fn(|lane| {
                    if products[lane] > 0.0 {
                        (squares[lane] * len as f32).sqrt() / products[lane]
                    } else {
                        0.0
                    }
                })
            })
    }

    /// Writes the first `count` vectors of the coded tile.
    fn write(
        &mut self,
        count: usize,
        norms: &[f32; LANES],
        lead: &mut [u8],
        factors: &mut [u8],
        tails: &mut [u8],
    ) {
        let plan = self.model.plan();
        let codes: Vec<_> = self.factors().collect();
        for ((bytes, values), code) in factors
            .chunks_exact_mut(LANES)
            .zip(codes)
            .zip(plan.factors())
        {
            for (byte, value) in bytes.iter_mut().zip(values) {
                *byte = code.encode(value);
            }
        }
        for (bytes, norm) in factors[plan.factors().len() * LANES..]
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .zip(norms)
        {
            *bytes = norm.to_le_bytes();
        }
        for unit in 0..plan.units() {
            let codes = &self.codes[unit * UNIT * LANES..(unit + 1) * UNIT * LANES];
            for (bits, shift, in_lead, at) in plan.planes(unit) {
                let len = UNIT * LANES / 8 * usize::from(bits);
                if in_lead {
                    self.kernels
                        .pack_lines(codes, bits, shift, &mut lead[at..at + len]);
                    continue;
                }
                let lines = &mut self.lines[..len];
                self.kernels.pack_lines(codes, bits, shift, lines);
                for (line, dwords) in lines.as_chunks::<64>().0.iter().enumerate() {
                    let dwords = dwords.as_chunks::<4>().0.iter().take(count);
                    for (tail, dword) in tails.chunks_exact_mut(plan.tail_bytes()).zip(dwords) {
                        tail[at + 4 * line..at + 4 * line + 4].copy_from_slice(dword);
                    }
                }
            }
        }
    }
}

/// A power of two that brings a magnitude near 1, or 0 for 0.
fn inverse_power(peak: f32) -> f32 {
    if peak == 0.0 {
        return 0.0;
    }
    let exponent = (libm::ilogbf(peak)).clamp(-120, 120);
    libm::ldexpf(1.0, -exponent)
}
