//! Where the codes of a row lie, and a query in the form that scans want.

use crate::CodeTable;
use crate::code_table::TOP;

/// Vectors of a block and of a tile.
pub const LANES: usize = 16;

/// Components of a unit: the smallest run that has a width of its own.
pub const UNIT: usize = 64;

/// How a factor is stored in a byte: as bits of an f32, `base + (byte << shift)`; byte 0 is the factor 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactorCode {
    /// Bits of the f32 below the smallest factor.
    pub base: u32,
    /// 0 to 23; 23 - shift bits of the byte refine each power of two.
    pub shift: u32,
}

impl FactorCode {
    /// The factor of a byte.
    pub fn decode(self, byte: u8) -> f32 {
        if byte == 0 {
            0.0
        } else {
            f32::from_bits(self.base.wrapping_add(u32::from(byte) << self.shift))
        }
    }

    /// The byte whose factor is nearest in bits. Factors beyond the range get its ends; 0, negative ones and NaN get 0.
    pub fn encode(self, factor: f32) -> u8 {
        if factor <= 0.0 || factor.is_nan() {
            return 0;
        }
        let above = u64::from(factor.to_bits().saturating_sub(self.base));
        ((above + (1 << self.shift) / 2) >> self.shift).clamp(1, 255) as u8
    }
}

/// A unit of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlanUnit {
    pub(crate) width: u8,
    /// Bits of a code that are in the lead, if the unit is.
    pub(crate) top: u8,
    /// Offset of its top bits in the lead lines of a block, if it is in the lead.
    pub(crate) lead_at: Option<usize>,
    /// Offset of its other bits in the tail of a row.
    pub(crate) tail_at: usize,
    /// Whether the next unit is of another segment.
    pub(crate) ends_segment: bool,
}

/// Where the codes of a row lie.
///
/// A row is a run of units of [`UNIT`] components; units that follow each other and share a factor are a segment.
/// Units of the lead have their top bits (up to 4, or 8) in lines of a block of [`LANES`] rows; everything else is in
/// the tail of the row. Bits of a unit are split in planes of 8, 4, 2 and 1 bits, as the width is the sum of these.
/// A plane of p bits is `8 * p` bytes: byte `k` has at bit `s * p` the bits of component `8 * p * s + k`. In a block a
/// plane is `2 * p` lines of 64 bytes, four of each row.
#[derive(Debug, Clone)]
pub struct CodePlan {
    pub(crate) units: Vec<PlanUnit>,
    pub(crate) factors: Vec<FactorCode>,
    pub(crate) tables: Vec<CodeTable>,
    /// Levels by width and code, as they are and with 128 added; the same of the top bits, over and over.
    pub(crate) levels: [Vec<[u8; 64]>; 2],
    pub(crate) coarse: [Vec<[u8; 16]>; 2],
    lead_units: usize,
    lead_bytes: usize,
    tail_bytes: usize,
    pub(crate) has_norms: bool,
}

impl CodePlan {
    /// A plan of segments of (units, bits) with a factor each, of which the first `lead` units are scanned first.
    /// Segments of 0 bits have no factor; they come last. `has_norms` adds an f32 to each row.
    ///
    /// # Panics
    /// If a segment has no units, or bits other than 0 to 6 and 8, the factors are not one for each segment with bits,
    /// or a shift is above 23.
    pub fn new(
        segments: &[(usize, u8)],
        factors: Vec<FactorCode>,
        lead: usize,
        has_norms: bool,
    ) -> Self {
        let coded = segments.iter().filter(|(_, bits)| *bits > 0).count();
        assert!(
            coded == factors.len()
                && segments[..coded]
                    .iter()
                    .all(|(units, bits)| *bits > 0 && *units > 0)
                && factors.iter().all(|factor| factor.shift <= 23),
            "one factor for each segment with bits"
        );
        let tables: Vec<_> = (0..=8)
            .map(|width| CodeTable::new(if width == 7 { 0 } else { width }))
            .collect();
        let (mut units, mut lead_bytes, mut tail_bytes) = (Vec::new(), 0, 0);
        for (count, width) in &segments[..coded] {
            assert!(*width != 7 && *width <= 8, "bits of a segment");
            let top = tables[usize::from(*width)].top();
            for unit in 0..*count {
                let is_lead = units.len() < lead;
                units.push(PlanUnit {
                    width: *width,
                    top,
                    lead_at: is_lead.then_some(lead_bytes),
                    tail_at: tail_bytes,
                    ends_segment: unit + 1 == *count,
                });
                if is_lead {
                    lead_bytes += LANES * UNIT / 8 * usize::from(top);
                    tail_bytes += UNIT / 8 * usize::from(width - top);
                } else {
                    tail_bytes += UNIT / 8 * usize::from(*width);
                }
            }
        }
        let lead_units = lead.min(units.len());
        let biases = [0, 128];
        let levels = biases.map(|bias| {
            let levels = tables.iter().map(|table| table.values);
            levels
                .map(|levels| levels.map(|level| level as u8 ^ bias))
                .collect()
        });
        let coarse = biases.map(|bias| {
            let levels = tables.iter().map(|table| {
                let repeat = (1 << table.top()).min(16);
                std::array::from_fn(|index| table.coarse[index % repeat] as u8 ^ bias)
            });
            levels.collect()
        });
        Self {
            units,
            factors,
            tables,
            levels,
            coarse,
            lead_units,
            lead_bytes,
            tail_bytes,
            has_norms,
        }
    }

    /// Units that have bits.
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// Units that are scanned first.
    pub fn lead_units(&self) -> usize {
        self.lead_units
    }

    /// Whether scanning the lead gives the whole score.
    pub fn is_all_lead(&self) -> bool {
        self.lead_units == self.units.len() && self.tail_bytes == 0
    }

    /// Bytes of the lead lines of a block.
    pub fn lead_bytes(&self) -> usize {
        self.lead_bytes
    }

    /// Bytes of the factors and norms of a block.
    pub fn factor_bytes(&self) -> usize {
        LANES * (self.factors.len() + if self.has_norms { 4 } else { 0 })
    }

    /// Bytes of the tail of a row.
    pub fn tail_bytes(&self) -> usize {
        self.tail_bytes
    }

    /// How the factors of each segment are stored.
    pub fn factors(&self) -> &[FactorCode] {
        &self.factors
    }

    /// The table of a unit.
    pub fn table(&self, unit: usize) -> &CodeTable {
        &self.tables[usize::from(self.units[unit].width)]
    }

    /// The segment of each unit.
    pub fn segment_of(&self, unit: usize) -> usize {
        self.units[..unit]
            .iter()
            .filter(|unit| unit.ends_segment)
            .count()
    }

    /// Planes of a unit, as (bits, lowest bit of the code, whether in the lead, offset there): offsets are those of the
    /// lead lines of a block and of the tail of a row.
    pub fn planes(&self, unit: usize) -> Vec<(u8, u8, bool, usize)> {
        let PlanUnit {
            width,
            lead_at,
            tail_at,
            ..
        } = self.units[unit];
        let mut planes = Vec::new();
        let (mut left, mut tail) = (width, tail_at);
        let (mut lead, mut lead_left) = (
            lead_at.unwrap_or(0),
            if lead_at.is_some() {
                self.table(unit).top()
            } else {
                0
            },
        );
        for bits in [8, 4, 2, 1] {
            if left >= bits {
                left -= bits;
                if lead_left >= bits {
                    lead_left -= bits;
                    planes.push((bits, left, true, lead));
                    lead += LANES * UNIT / 8 * usize::from(bits);
                } else {
                    planes.push((bits, left, false, tail));
                    tail += UNIT / 8 * usize::from(bits);
                }
            }
        }
        planes
    }
}

/// A query against codes: whole numbers, a scale for each segment, and how a sum becomes a score.
///
/// With `t` the sum over segments of `scale * factor * (sum of code values * query values)`, the score is
/// `base + t`, or where rows have norms `base + n * (slope * t + bend * n)`.
#[derive(Debug, Clone)]
pub struct CodeQuery {
    /// [`UNIT`] values a unit, from -127 to 127.
    pub(crate) codes: Vec<i8>,
    pub(crate) scales: Vec<f32>,
    /// Sum of the values of each segment.
    pub(crate) sums: Vec<i32>,
    /// What 128 added to each code of the lead adds to the sum of a segment, negative.
    pub(crate) lead_bias: Vec<i32>,
    pub(crate) base: f32,
    pub(crate) slope: f32,
    pub(crate) bend: f32,
}

impl CodeQuery {
    /// Its whole numbers, [`UNIT`] a unit, and the scale of each segment.
    pub fn parts(&self) -> (&[i8], &[f32]) {
        (&self.codes, &self.scales)
    }

    /// Base, slope and bend.
    pub fn terms(&self) -> [f32; 3] {
        [self.base, self.slope, self.bend]
    }

    /// Rounds a rotated query, [`UNIT`] values for each unit of the plan and more that are not looked at.
    ///
    /// # Panics
    /// If there are fewer values than units have.
    pub fn new(plan: &CodePlan, values: &[f32], base: f32, slope: f32, bend: f32) -> Self {
        let segments = plan.factors.len();
        let mut query = Self {
            codes: Vec::with_capacity(plan.units.len() * UNIT),
            scales: Vec::with_capacity(segments),
            sums: Vec::with_capacity(segments),
            lead_bias: Vec::with_capacity(segments),
            base,
            slope,
            bend,
        };
        let mut start = 0;
        for (unit, PlanUnit { ends_segment, .. }) in plan.units.iter().enumerate() {
            if !ends_segment {
                continue;
            }
            let segment = &values[start * UNIT..(unit + 1) * UNIT];
            let peak = segment
                .iter()
                .fold(0.0_f32, |peak, value| peak.max(value.abs()));
            let (scale, inverse) = if peak > 0.0 {
                (peak / 127.0, 127.0 / peak)
            } else {
                (0.0, 0.0)
            };
            let lead = plan.lead_units.saturating_sub(start) * UNIT;
            let (mut sum, mut lead_sum) = (0, 0);
            for (i, value) in segment.iter().enumerate() {
                // What is added leaves no room for a fraction: rounds to nearest, ties to even.
                let code = ((value * inverse + SHIFT) - SHIFT).clamp(-127.0, 127.0) as i8;
                query.codes.push(code);
                sum += i32::from(code);
                if i < lead {
                    lead_sum += i32::from(code);
                }
            }
            query.scales.push(scale);
            query.sums.push(sum);
            query.lead_bias.push(-128 * lead_sum);
            start = unit + 1;
        }
        query
    }
}

/// 1.5 * 2^23.
const SHIFT: f32 = 12_582_912.0;

const _: () = assert!(TOP == 4, "the lead of wider codes is a plane of four bits");
