//! The bytes of index files, read by what docs/format.md says and nothing else.

mod common;

use common::image::{Section, Sections};
use common::index::{add, plain, remove, skewed};
use tinyquant_codec::Control;
use tinyquant_index::{
    BuildOptions, IdKind, Ids, Index, IndexConfig, Metric, Originals, Partitions,
};
use tinyquant_store::index_to_bytes;

const UNIT: usize = 64;
const BLOCK: usize = 16;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().unwrap())
}

fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_bits(u32_at(bytes, at))
}

fn section(sections: &[Section], kind: u32) -> &[u8] {
    let mut found = sections.iter().filter(|section| section.kind == kind);
    found.next().map_or(&[], |section| &section.bytes)
}

/// Signs and Walsh-Hadamard transforms, undone.
fn undo_signs(seed: u64, values: &mut [f64]) {
    let len = values.len();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let words: Vec<u64> = (0..3 * len / 64).map(|_| next()).collect();
    let block = 1 << len.ilog2();
    for round in (0..3).rev() {
        if block < len {
            hadamard(&mut values[len - block..]);
        }
        hadamard(&mut values[..block]);
        for (at, value) in values.iter_mut().enumerate() {
            let bit = round * len + at;
            if words[bit / 64] >> (bit % 64) & 1 == 1 {
                *value = -*value;
            }
        }
    }
}

fn hadamard(values: &mut [f64]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let root = (values.len() as f64).sqrt();
    for value in values {
        *value /= root;
    }
}

/// Lloyd-Max levels of the standard normal distribution, found by iteration, the largest as 127.
fn levels(bits: u32) -> Vec<f64> {
    let count = 1 << bits;
    let mut levels: Vec<f64> = (0..count)
        .map(|code| 6.0 * (f64::from(code) + 0.5) / f64::from(count) - 3.0)
        .collect();
    let grid: Vec<(f64, f64)> = (-6000..6000)
        .map(|at| (f64::from(at) + 0.5) / 1000.0)
        .map(|x| (x, (-0.5 * x * x).exp()))
        .collect();
    for _ in 0..4000 {
        let mut sums = vec![(0.0, 0.0); levels.len()];
        let mut code = 0;
        for (x, mass) in &grid {
            while code + 1 < levels.len() && *x > 0.5 * (levels[code] + levels[code + 1]) {
                code += 1;
            }
            sums[code].0 += mass * x;
            sums[code].1 += mass;
        }
        for (level, (moment, mass)) in levels.iter_mut().zip(sums) {
            *level = moment / mass;
        }
    }
    let largest = levels[levels.len() - 1];
    let whole = |level: f64| (level * 127.0 / largest).round();
    levels.into_iter().map(whole).collect()
}

/// A model, field by field.
struct Model {
    has_axes: bool,
    lead: usize,
    partitions: usize,
    /// Bits and segment of each unit that has bits.
    units: Vec<(u32, usize)>,
    /// Base and shift of each factor.
    factors: Vec<(u32, u32)>,
    mean: Vec<f32>,
    axes: Vec<i16>,
}

impl Model {
    fn read(bytes: &[u8], dim: usize) -> Self {
        assert_eq!(bytes[1..4], [0; 3]);
        let [segments, coded, lead, partitions] =
            [4, 8, 12, 16].map(|at| u32_at(bytes, at) as usize);
        assert_eq!(f32_at(bytes, 20) > 0.0, partitions > 1);
        let mut at = 24;
        let mut units = Vec::new();
        let mut all = 0;
        for segment in 0..segments {
            let (count, bits) = (u32_at(bytes, at), u32_at(bytes, at + 4));
            assert_eq!(bits > 0, segment < coded);
            all += count as usize;
            if bits > 0 {
                units.extend((0..count).map(|_| (bits, segment)));
            }
            at += 8;
        }
        assert_eq!(all, dim.div_ceil(UNIT));
        let pair = |segment| {
            (
                u32_at(bytes, at + 8 * segment),
                u32_at(bytes, at + 8 * segment + 4),
            )
        };
        let factors = (0..coded).map(pair).collect();
        at += 8 * coded;
        let i16s = |from: usize, count: usize| -> Vec<i16> {
            let bytes = bytes[from..from + 2 * count].as_chunks().0;
            bytes
                .iter()
                .map(|bytes| i16::from_le_bytes(*bytes))
                .collect()
        };
        let has_axes = bytes[0] == 1;
        let (mut mean, mut axes) = (vec![0.0; dim], Vec::new());
        if has_axes {
            mean = (0..dim).map(|i| f32_at(bytes, at + 4 * i)).collect();
            at += 4 * dim;
            axes = i16s(at, units.len() * UNIT * dim.next_multiple_of(2));
            at += 2 * axes.len();
        }
        if partitions > 1 {
            let coded = units.len() * UNIT;
            let columns = if has_axes { coded.min(192) } else { coded };
            at += 2 * partitions * columns;
        }
        assert_eq!(at, bytes.len());
        Self {
            has_axes,
            lead,
            partitions,
            units,
            factors,
            mean,
            axes,
        }
    }

    /// Planes of a unit: bits, and how many bits lie below them.
    fn planes(bits: u32) -> Vec<(u32, u32)> {
        let mut left = bits;
        let mut planes = Vec::new();
        for plane in [8, 4, 2, 1] {
            if left >= plane {
                left -= plane;
                planes.push((plane, left));
            }
        }
        planes
    }

    /// Whether a plane of a unit stands in the lead.
    fn is_lead(&self, unit: usize, bits: u32, (plane, low): (u32, u32)) -> bool {
        let top = if bits == 8 { 8 } else { bits.min(4) };
        unit < self.lead && bits - low - plane < top
    }
}

/// The vectors of a part, with their numbers: each as its rows stand for it.
fn decode(
    sections: &[Section],
    model: &Model,
    dim: usize,
    seed: u64,
    metric: Metric,
) -> Vec<(u32, Vec<f64>)> {
    let [blocks, tails, numbers, starts] = [3, 4, 5, 6].map(|kind| section(sections, kind));
    let rows = numbers.len() / 4;
    let count = rows.div_ceil(BLOCK);
    let (mut lead_bytes, mut tail_bytes) = (0, 0);
    for (unit, (bits, _)) in model.units.iter().enumerate() {
        for plane in Model::planes(*bits) {
            let size = 8 * plane.0 as usize;
            if model.is_lead(unit, *bits, plane) {
                lead_bytes += BLOCK * size;
            } else {
                tail_bytes += size;
            }
        }
    }
    let norms = if metric == Metric::Cosine { 0 } else { 4 };
    let factor_bytes = BLOCK * (model.factors.len() + norms);
    assert_eq!(blocks.len(), count * (lead_bytes + factor_bytes));
    assert_eq!(tails.len(), rows * tail_bytes);
    assert_eq!(starts.len(), 4 * (model.partitions + 1));
    assert_eq!(
        (u32_at(starts, 0), u32_at(starts, 4 * model.partitions)),
        (0, rows as u32)
    );
    let tables: Vec<Vec<f64>> = (0..=6)
        .map(|bits| {
            if model.units.iter().any(|(width, _)| *width == bits) {
                levels(bits)
            } else {
                Vec::new()
            }
        })
        .collect();
    let decode = |row: usize| {
        let (block, lane) = (row / BLOCK, row % BLOCK);
        let lead = &blocks[block * lead_bytes..][..lead_bytes];
        let factors = &blocks[count * lead_bytes + block * factor_bytes..][..factor_bytes];
        let tail = &tails[row * tail_bytes..][..tail_bytes];
        let (mut in_lead, mut in_tail) = (0, 0);
        let mut values = Vec::new();
        for (unit, (bits, segment)) in model.units.iter().enumerate() {
            let mut codes = [0_u32; UNIT];
            for (plane, low) in Model::planes(*bits) {
                let size = 8 * plane as usize;
                let is_lead = model.is_lead(unit, *bits, (plane, low));
                for (component, code) in codes.iter_mut().enumerate() {
                    let (s, k) = (component / size, component % size);
                    let byte = if is_lead {
                        lead[in_lead + 64 * (k / 4) + 4 * lane + k % 4]
                    } else {
                        tail[in_tail + k]
                    };
                    let mask = (1 << plane) - 1;
                    *code |= (u32::from(byte) >> (s * plane as usize) & mask) << low;
                }
                if is_lead {
                    in_lead += BLOCK * size;
                } else {
                    in_tail += size;
                }
            }
            let (base, shift) = model.factors[*segment];
            let factor = match factors[BLOCK * segment + lane] {
                0 => 0.0,
                byte => f64::from(f32::from_bits(base + (u32::from(byte) << shift))),
            };
            let level = |code: u32| match *bits {
                8 => f64::from(code as u8 as i8),
                bits => tables[bits as usize][code as usize],
            };
            values.extend(codes.map(|code| factor * level(code)));
        }
        let mut vector = if model.has_axes {
            let columns = dim.next_multiple_of(2);
            let mut vector = vec![0.0; columns];
            for (axis, value) in model.axes.chunks(columns).zip(values) {
                for (to, part) in vector.iter_mut().zip(axis) {
                    *to += value * f64::from(*part) / 32000.0;
                }
            }
            vector
        } else {
            undo_signs(seed, &mut values);
            values
        };
        vector.truncate(dim);
        let length = match norms {
            0 => 1.0,
            _ => f64::from(f32_at(factors, BLOCK * model.factors.len() + 4 * lane)),
        };
        for (value, mean) in vector.iter_mut().zip(&model.mean) {
            *value = *value * length + f64::from(*mean);
        }
        (u32_at(numbers, 4 * row), vector)
    };
    (0..rows).map(decode).collect()
}

/// Mean squared error of decoded rows, relative to the vectors.
fn error(decoded: &[(u32, Vec<f64>)], values: &[f32], metric: Metric) -> f64 {
    let (mut wrong, mut all) = (0.0, 0.0);
    for (number, decoded) in decoded {
        let dim = decoded.len();
        let vector = &values[*number as usize * dim..][..dim];
        let square = |values: &mut dyn Iterator<Item = f64>| -> f64 { values.map(|x| x * x).sum() };
        let length = match metric {
            Metric::Cosine => square(&mut vector.iter().map(|x| f64::from(*x))).sqrt(),
            Metric::Dot | Metric::L2 => 1.0,
        };
        let vector = || vector.iter().map(|x| f64::from(*x) / length);
        all += square(&mut vector());
        wrong += square(&mut vector().zip(decoded).map(|(x, y)| x - y));
    }
    wrong / all
}

/// The bounds are somewhat above what codes of so many bits leave; a byte that is read from a wrong place leaves far more.
#[test]
fn vectors_come_back_by_the_description() {
    for (dim, bits, fit, bound) in [
        (64, 1, false, 0.66),
        (70, 2, false, 0.16),
        (130, 3, false, 0.045),
        (192, 4, false, 0.013),
        (65, 8, false, 0.001),
        (256, 2, true, 0.08),
        (259, 4, true, 0.02),
    ] {
        for metric in [Metric::Cosine, Metric::L2] {
            let kind = IdKind::Number;
            let config = IndexConfig::new(dim, bits, metric, 77, kind, Originals::None).unwrap();
            let options = BuildOptions {
                fit,
                partitions: Partitions::Count(3),
            };
            let values = skewed(5, 333, dim);
            let control = Control::default();
            let index = Index::build(config, &options, &values, Ids::Next, &control).unwrap();
            let sections = Sections::of(&index_to_bytes(&index).unwrap()).0;
            let model = Model::read(section(&sections, 2), dim);
            assert_eq!((model.has_axes, model.partitions), (fit, 3));
            let decoded = decode(&sections, &model, dim, 77, metric);
            assert_eq!(decoded.len(), 333);
            let found = error(&decoded, &values, metric);
            assert!(found < bound, "{dim} {bits} {fit} {metric:?}: {found}");
        }
    }
}

#[test]
fn head_ids_and_originals_stand_where_the_description_says() {
    let text = IndexConfig::new(12, 2, Metric::L2, 9, IdKind::Text, Originals::F32).unwrap();
    let names: Vec<_> = ["a", "", "ü"].map(Into::into).into();
    let index = Index::new(text).unwrap();
    let values = skewed(1, 3, 12);
    index
        .add(&values, Ids::Text(names), &Control::default())
        .unwrap();
    let sections = Sections::of(&index_to_bytes(&index).unwrap()).0;
    let kinds: Vec<u32> = sections.iter().map(|section| section.kind).collect();
    assert_eq!(kinds, [1, 2, 3, 5, 6, 7, 9, 10, 11]);
    let head = section(&sections, 1);
    assert_eq!(
        (u32_at(head, 0), &head[4..8], u64_at(head, 8)),
        (12, &[2, 2, 2, 2][..], 9)
    );
    assert_eq!(
        (u64_at(head, 16), &head[24..]),
        (0, &[1, 0, 0, 0, 0, 0, 0, 0][..])
    );
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    assert_eq!(section(&sections, 7), bytes);
    assert_eq!(section(&sections, 9), common::image::words(&[1, 1, 3]));
    assert_eq!(section(&sections, 10), "aü".as_bytes());
    assert_eq!(
        section(&sections, 11),
        common::image::id_table(&["a", "", "ü"])
    );

    let index = Index::new(plain(IdKind::Bigint, Originals::None)).unwrap();
    add(&index, 0..70);
    remove(&index, [3, 64, 65]);
    let sections = Sections::of(&index_to_bytes(&index).unwrap()).0;
    let kinds: Vec<u32> = sections.iter().map(|section| section.kind).collect();
    assert_eq!(kinds, [1, 2, 3, 5, 6, 8, 11, 12]);
    let head = section(&sections, 1);
    assert_eq!(
        (&head[4..8], u64_at(head, 16)),
        (&[4, 0, 1, 0][..], u64::MAX)
    );
    let ids: Vec<u64> = (0..70).map(|key| u64::MAX - key * 1_000_003).collect();
    assert_eq!(section(&sections, 8), common::image::longs(&ids));
    assert_eq!(section(&sections, 12), common::image::longs(&[1 << 3, 3]));
    assert_eq!(u64_at(section(&sections, 11), 0), (3_u64 * 67).div_ceil(2));
}
