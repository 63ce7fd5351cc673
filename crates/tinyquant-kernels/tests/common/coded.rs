//! Coded rows and queries, scored by the definition of their format.

use super::{Random, in_block, place_in_plane};
use tinyquant_kernels::{CodePlan, CodeQuery, CodedBlocks, CodedRows, FactorCode, LANES, UNIT};

/// Rows of random codes under some segments.
pub struct Sample {
    segments: Vec<(usize, u8)>,
    /// Width and segment of each unit that has bits.
    units: Vec<(u8, usize)>,
    pub plan: CodePlan,
    pub lead: Vec<u8>,
    pub factors: Vec<u8>,
    pub tails: Vec<u8>,
    pub rows: usize,
}

impl Sample {
    pub fn new(
        segments: &[(usize, u8)],
        lead: usize,
        has_norms: bool,
        rows: usize,
        seed: u64,
    ) -> Self {
        let mut random = Random(seed);
        let factor = |i: usize| FactorCode {
            base: 0x3a00_0000 + (i as u32) * 0x0012_3456,
            shift: 14 + i as u32 % 5,
        };
        let coded = segments.iter().filter(|(_, bits)| *bits > 0).count();
        let plan = CodePlan::new(segments, (0..coded).map(factor).collect(), lead, has_norms);
        let blocks = rows.div_ceil(LANES);
        let mut codes = random.bytes(blocks * plan.lead_bytes() + rows * plan.tail_bytes());
        let tails = codes.split_off(blocks * plan.lead_bytes());
        let mut factors = random.bytes(blocks * plan.factor_bytes());
        if has_norms {
            for block in factors.chunks_exact_mut(plan.factor_bytes()) {
                for norm in block[coded * LANES..].as_chunks_mut::<4>().0 {
                    *norm = random.value().to_le_bytes();
                }
            }
        }
        let coded = segments.iter().filter(|(_, bits)| *bits > 0);
        let units = coded
            .enumerate()
            .flat_map(|(segment, (units, bits))| vec![(*bits, segment); *units]);
        Self {
            segments: segments.to_vec(),
            units: units.collect(),
            plan,
            lead: codes,
            factors,
            tails,
            rows,
        }
    }

    /// Gives a row of a block another norm.
    pub fn set_norm(&mut self, row: usize, norm: f32) {
        let (block, lane) = (row / LANES, row % LANES);
        let at = block * self.plan.factor_bytes() + self.plan.factors().len() * LANES;
        self.factors[at + 4 * lane..at + 4 * lane + 4].copy_from_slice(&norm.to_le_bytes());
    }

    pub fn blocks(&self) -> CodedBlocks<'_> {
        CodedBlocks {
            lead: &self.lead,
            factors: &self.factors,
            next: &self.lead,
        }
    }

    pub fn coded(&self) -> CodedRows<'_> {
        CodedRows {
            lead: &self.lead,
            factors: &self.factors,
            tails: &self.tails,
            rows: self.rows,
        }
    }

    /// The top bits and the whole codes of a unit of a row, as the format lays them out. Rows without a tail have none.
    fn codes(&self, unit: usize, row: usize) -> ([u8; UNIT], [u8; UNIT]) {
        let units = &self.units;
        let top_of = |width: u8| if width == 8 { 8 } else { width.min(4) };
        let (mut lead_at, mut tail_at) = (0, 0);
        for (index, (width, _)) in units[..unit].iter().enumerate() {
            let in_lead = if index < self.plan.lead_units() {
                top_of(*width)
            } else {
                0
            };
            lead_at += 128 * usize::from(in_lead);
            tail_at += 8 * usize::from(width - in_lead);
        }
        let width = units[unit].0;
        let (block, lane) = (row / LANES, row % LANES);
        let lead = &self.lead[block * self.plan.lead_bytes()..][..self.plan.lead_bytes()];
        let tail = (self.tails.get(row * self.plan.tail_bytes()..)).unwrap_or_default();
        let (mut top, mut whole) = ([0; UNIT], [0; UNIT]);
        let mut left = width;
        let mut planes = Vec::new();
        for bits in [8, 4, 2, 1].into_iter().filter(|bits| width & bits != 0) {
            left -= bits;
            let in_lead =
                unit < self.plan.lead_units() && left >= width.saturating_sub(top_of(width));
            planes.push((bits, left, in_lead, if in_lead { lead_at } else { tail_at }));
            for component in 0..UNIT {
                let (at, bit) = place_in_plane(bits, component);
                let byte = if in_lead {
                    lead[lead_at + in_block(at, lane)]
                } else {
                    tail.get(tail_at + at).copied().unwrap_or(0)
                };
                let part = byte >> bit & (0xff >> (8 - bits));
                whole[component] |= part << left;
                if in_lead {
                    top[component] |= part << (left - (width - top_of(width)));
                }
            }
            let bytes = 8 * usize::from(bits);
            if in_lead {
                lead_at += 16 * bytes;
            } else {
                tail_at += bytes;
            }
        }
        assert_eq!(self.plan.planes(unit), planes);
        (top, whole)
    }

    /// The score of a row, of its lead or of all of it.
    pub fn score(&self, query: &Given, row: usize, is_lead: bool) -> f32 {
        let (block, lane) = (row / LANES, row % LANES);
        let factors = &self.factors[block * self.plan.factor_bytes()..][..self.plan.factor_bytes()];
        let units = &self.units;
        let last = if is_lead {
            self.plan.lead_units()
        } else {
            units.len()
        };
        let (mut total, mut sum) = (0.0_f32, 0_i32);
        for (unit, (width, segment)) in units[..last].iter().enumerate() {
            let table = self.plan.table(unit);
            let (top, whole) = self.codes(unit, row);
            for component in 0..UNIT {
                let value = if is_lead && *width != 8 {
                    // The mean of the levels with the same top bits.
                    let below = width.saturating_sub(4);
                    let same = (0..1 << below).map(|low| top[component] << below | low);
                    let mean = same.map(|code| f32::from(table.value(code))).sum::<f32>();
                    (mean / f32::from(1_u8 << below)).round_ties_even() as i32
                } else {
                    i32::from(table.value(whole[component]))
                };
                sum += value * query.codes[unit * UNIT + component];
            }
            if unit + 1 == last || units[unit + 1].1 != *segment {
                let factor = self.plan.factors()[*segment].decode(factors[segment * LANES + lane]);
                total += (sum as f32 * query.scales[*segment]) * factor;
                sum = 0;
            }
        }
        let norm_at = self.plan.factors().len() * LANES + 4 * lane;
        match factors.get(norm_at..norm_at + 4) {
            Some(norm) => {
                let norm = f32::from_le_bytes(norm.try_into().unwrap());
                query.base + norm * (query.slope * total + query.bend * norm)
            }
            None => query.base + total,
        }
    }
}

/// A query and the whole numbers that it becomes.
pub struct Given {
    pub query: CodeQuery,
    pub codes: Vec<i32>,
    scales: Vec<f32>,
    base: f32,
    slope: f32,
    bend: f32,
}

impl Given {
    pub fn new(sample: &Sample, values: &[f32], [base, slope, bend]: [f32; 3]) -> Self {
        let query = CodeQuery::new(&sample.plan, values, base, slope, bend);
        let (mut codes, mut scales, mut at) = (Vec::new(), Vec::new(), 0);
        for (units, _) in sample.segments.iter().filter(|(_, bits)| *bits > 0) {
            let segment = &values[at..at + units * UNIT];
            let peak = segment.iter().fold(0.0_f32, |peak, v| peak.max(v.abs()));
            scales.push(if peak > 0.0 { peak / 127.0 } else { 0.0 });
            let inverse = if peak > 0.0 { 127.0 / peak } else { 0.0 };
            let code = |value: &f32| (value * inverse).round_ties_even().clamp(-127.0, 127.0);
            codes.extend(segment.iter().map(|value| code(value) as i32));
            at += units * UNIT;
        }
        Self {
            query,
            codes,
            scales,
            base,
            slope,
            bend,
        }
    }
}
