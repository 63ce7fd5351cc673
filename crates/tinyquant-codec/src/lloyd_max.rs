//! Lloyd-Max levels of the rotated training data.

use crate::{CodecConfig, Control, Error, codec};

/// Rounds after which the levels are good enough: each only lowers the error.
const MAX_ROUNDS: usize = 20_000;

/// Levels for the coordinates of the rotated vectors. Fewer than `2^bit_width` if the data have fewer distinct
/// values.
pub(crate) fn train(
    vectors: &[f32],
    config: &CodecConfig,
    control: &Control,
) -> Result<Vec<f32>, Error> {
    let mut values = codec::rotate(vectors, config, control)?;
    values.sort_unstable_by(f32::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    let levels = config.num_codebook_entries();
    if distinct.len() < levels {
        return Ok(distinct);
    }
    let start = initial(&distinct, levels);
    drop(distinct);
    control.check()?;
    let levels = refine(&values, start, control)?;
    Ok(levels.into_iter().map(|level| level as f32).collect())
}

/// Levels in equal steps of the cube root of the density, which is where the best levels lie as their number
/// grows (Panter and Dite, 1951). The density is taken from equally filled cells of the distinct values.
fn initial(distinct: &[f32], levels: usize) -> Vec<f64> {
    let cells = (8 * levels).min(distinct.len() - 1);
    let edge = |cell: usize| f64::from(distinct[cell * (distinct.len() - 1) / cells]);
    // A cell of mass 1 and width w has density 1/w, whose cube root over the cell sums to w^(2/3).
    let weights: Vec<f64> = (0..cells)
        .map(|cell| libm::cbrt(edge(cell + 1) - edge(cell)))
        .map(|w| w * w)
        .collect();
    let total: f64 = weights.iter().sum();
    let mut out = Vec::with_capacity(levels);
    let (mut cell, mut before) = (0, 0.0);
    for k in 0..levels {
        let target = total * (k as f64 + 0.5) / levels as f64;
        while cell + 1 < cells && before + weights[cell] < target {
            before += weights[cell];
            cell += 1;
        }
        let share = ((target - before) / weights[cell]).clamp(0.0, 1.0);
        out.push(edge(cell) + share * (edge(cell + 1) - edge(cell)));
    }
    out
}

/// Lloyd's iteration on sorted values: each level becomes the mean of the values nearest to it, until none
/// changes. A level without values stays where it is.
fn refine(sorted: &[f32], mut levels: Vec<f64>, control: &Control) -> Result<Vec<f64>, Error> {
    let mut sums = Vec::with_capacity(sorted.len() + 1);
    let mut sum = 0.0;
    sums.push(sum);
    for value in sorted {
        sum += f64::from(*value);
        sums.push(sum);
    }
    let mut edges = vec![0; levels.len() + 1];
    for _ in 0..MAX_ROUNDS {
        control.check()?;
        let mut moved = false;
        for k in 1..=levels.len() {
            let edge = match levels.get(k) {
                Some(level) => {
                    let middle = f64::midpoint(levels[k - 1], *level);
                    sorted.partition_point(|value| f64::from(*value) < middle)
                }
                None => sorted.len(),
            };
            moved |= std::mem::replace(&mut edges[k], edge) != edge;
        }
        if !moved {
            break;
        }
        for (level, edge) in levels.iter_mut().zip(edges.windows(2)) {
            if edge[1] > edge[0] {
                *level = (sums[edge[1]] - sums[edge[0]]) / (edge[1] - edge[0]) as f64;
            }
        }
    }
    Ok(levels)
}
