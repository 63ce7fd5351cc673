//! How many bits each part of the spectrum gets.

use tinyquant_kernels::UNIT;

/// Mean squared error of the Lloyd-Max codes of 0 to 6 bits for the standard normal distribution (Max, 1960, and from
/// the levels of the code tables for the later ones).
pub(crate) const DISTORTION: [f64; 7] = [
    1.0, 0.363_38, 0.117_48, 0.034_54, 0.009_497, 0.002_499, 0.000_640,
];

/// Bits above which a unit gets no more.
const MOST: u8 = 6;

/// Units of a segment share a rotation and a factor; beyond so many, the first ones lose what sets them apart.
const LONGEST: usize = 2;

/// Weight of the energy of a unit. An error of a code counts as often as queries have energy there too: the energy
/// of a query and of a vector would give the exponent 2, but what is left out altogether is not independent of what is
/// kept. What is between the exponents 1 and 2 finds most on the embeddings that it was tried with.
const EXPONENT: f64 = 1.75;

/// Bytes that a row may take beside the codes of `bits` a component: a factor a unit and two.
pub(crate) fn budget(units: usize, bits: u8) -> usize {
    units * UNIT * usize::from(bits) / 8 + units + 2
}

/// Bytes that the number of a row takes of the budget.
const NUMBER: usize = 4;

/// Bits for each unit, given its energy in the sample; energies descend. Codes, factors and the number of a row stay
/// within [`budget`].
pub(crate) fn allocate(energies: &[f64], bits: u8) -> Vec<u8> {
    let room = budget(energies.len(), bits) - NUMBER;
    let mut widths = vec![0_u8; energies.len()];
    loop {
        let mut best: Option<(f64, usize)> = None;
        for unit in 0..widths.len() {
            let width = widths[unit];
            if width == MOST || (unit > 0 && widths[unit - 1] <= width) {
                continue;
            }
            widths[unit] += 1;
            let fits = bytes(&widths) <= room;
            widths[unit] -= 1;
            let [now, then] = [0, 1].map(|more| DISTORTION[usize::from(width) + more]);
            let gain = libm::pow(energies[unit].max(0.0), EXPONENT) * (now - then);
            if fits && best.is_none_or(|(most, _)| gain > most) {
                best = Some((gain, unit));
            }
        }
        match best {
            Some((_, unit)) => widths[unit] += 1,
            None => return widths,
        }
    }
}

/// Bytes of the codes and factors of a row.
fn bytes(widths: &[u8]) -> usize {
    let codes: usize = widths
        .iter()
        .map(|width| UNIT / 8 * usize::from(*width))
        .sum();
    codes
        + segments(widths)
            .iter()
            .filter(|(_, width)| *width > 0)
            .count()
}

/// Units that follow each other and have the same width, as (units, width).
pub(crate) fn segments(widths: &[u8]) -> Vec<(usize, u8)> {
    let longest = LONGEST.max(widths.len() / 12);
    let mut segments: Vec<(usize, u8)> = Vec::new();
    for width in widths {
        match segments.last_mut() {
            Some((units, last)) if last == width && (*units < longest || *width == 0) => {
                *units += 1;
            }
            _ => segments.push((1, *width)),
        }
    }
    segments
}

/// Expected error of a score, with the weights that [`allocate`] uses.
pub(crate) fn expected_error(energies: &[f64], widths: &[u8]) -> f64 {
    let terms = energies.iter().zip(widths);
    terms
        .map(|(energy, width)| {
            let distortion = DISTORTION.get(usize::from(*width)).copied().unwrap_or(1e-4);
            libm::pow(energy.max(0.0), EXPONENT) * distortion
        })
        .sum()
}
