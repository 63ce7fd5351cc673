//! Lloyd-Max levels of the rotated training data.

use crate::{CodecConfig, Control, Error, check_finite, codec};

/// Iterations of one descent, and descents after which the levels are good enough. Each only lowers the error.
const MAX_ITERATIONS: usize = 20_000;
const MAX_DESCENTS: usize = 32;

/// Ascending levels for the coordinates of the rotated vectors. Fewer than `2^bit_width` if the data have fewer
/// distinct values.
pub(crate) fn train(
    vectors: &[f32],
    config: &CodecConfig,
    control: &Control,
) -> Result<Vec<f32>, Error> {
    let mut values = codec::rotate(vectors, config, control)?;
    if let Err(Error::NonFinite { row, column, .. }) = check_finite(&values, config.dimension()) {
        return Err(Error::RotationOverflow { row, column });
    }
    values.sort_unstable_by(f32::total_cmp);
    control.check()?;
    let mut distinct = values.clone();
    distinct.dedup();
    let count = config.num_codebook_entries();
    if distinct.len() <= count {
        return Ok(distinct);
    }
    let mut levels = initial(&distinct, count);
    drop(distinct);
    let sample = Sample::new(&values);
    let mut cells = Vec::new();
    for _ in 0..MAX_DESCENTS {
        sample.descend(&mut levels, &mut cells, control)?;
        if cells.iter().all(|cell| cell.len() > 0) {
            break;
        }
        sample.split_instead_of_empty(&mut cells);
        levels.clear();
        levels.extend(cells.iter().map(|cell| sample.mean(*cell)));
    }
    Ok(levels.into_iter().map(|level| level as f32).collect())
}

/// Levels in equal steps of the cube root of the density, which is where the best levels lie as their number
/// grows (Panter and Dite, 1951). The density is taken from equally filled cells of the distinct values.
fn initial(distinct: &[f32], levels: usize) -> Vec<f64> {
    let last = distinct.len() - 1;
    let cells = (8 * levels).min(last);
    let edge = |cell: usize| f64::from(distinct[cell * last / cells]);
    // A cell of mass 1 and width w has density 1/w, whose cube root over the cell sums to w^(2/3).
    let weight = |cell: usize| libm::cbrt(edge(cell + 1) - edge(cell)).powi(2);
    let weights: Vec<f64> = (0..cells).map(weight).collect();
    let total: f64 = weights.iter().sum();
    let mut out = Vec::with_capacity(levels);
    let (mut cell, mut before) = (0, 0.0);
    for k in 0..levels {
        let target = total * (k as f64 + 0.5) / levels as f64;
        // The last target lies half a level below the sum of all weights: the last cell is never passed.
        while before + weights[cell] < target {
            before += weights[cell];
            cell += 1;
        }
        let share = ((target - before) / weights[cell]).clamp(0.0, 1.0);
        out.push(edge(cell) + share * (edge(cell + 1) - edge(cell)));
    }
    out
}

/// Neighbouring values of a sorted sample: those that one level stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    start: usize,
    end: usize,
}

impl Cell {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// Sorted values with running sums of them and of their squares.
struct Sample<'a> {
    sorted: &'a [f32],
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl<'a> Sample<'a> {
    fn new(sorted: &'a [f32]) -> Self {
        let running = |power: i32| {
            let mut sum = 0.0;
            let mut sums = Vec::with_capacity(sorted.len() + 1);
            sums.push(sum);
            sums.extend(sorted.iter().map(|value| {
                sum += f64::from(*value).powi(power);
                sum
            }));
            sums
        };
        Self {
            sorted,
            sums: running(1),
            squares: running(2),
        }
    }

    fn mean(&self, cell: Cell) -> f64 {
        (self.sums[cell.end] - self.sums[cell.start]) / cell.len() as f64
    }

    /// Squared distance of a cell's values from their mean.
    fn error(&self, cell: Cell) -> f64 {
        let squares = self.squares[cell.end] - self.squares[cell.start];
        squares - self.mean(cell).powi(2) * cell.len() as f64
    }

    /// Lloyd's iteration: each level becomes the mean of the values nearest to it, until no value changes its
    /// level. A level without values stays where it is. `cells` receives the cells of the levels.
    fn descend(
        &self,
        levels: &mut [f64],
        cells: &mut Vec<Cell>,
        control: &Control,
    ) -> Result<(), Error> {
        for _ in 0..MAX_ITERATIONS {
            control.check()?;
            let mut start = 0;
            let mut next = Vec::with_capacity(levels.len());
            for k in 0..levels.len() {
                let end = levels.get(k + 1).map_or(self.sorted.len(), |above| {
                    let middle = f64::midpoint(levels[k], *above);
                    self.sorted
                        .partition_point(|value| f64::from(*value) < middle)
                });
                next.push(Cell { start, end });
                start = end;
            }
            if next == *cells {
                break;
            }
            *cells = next;
            for (level, cell) in levels.iter_mut().zip(cells.iter()) {
                if cell.len() > 0 {
                    *level = self.mean(*cell);
                }
            }
        }
        Ok(())
    }

    /// Drops empty cells and, for each, cuts the cell of the largest error in two. There are more distinct values
    /// than cells, so one of them can always be cut.
    fn split_instead_of_empty(&self, cells: &mut Vec<Cell>) {
        let wanted = cells.len();
        cells.retain(|cell| cell.len() > 0);
        while cells.len() < wanted {
            let can_be_cut = |cell: &Cell| self.sorted[cell.start] < self.sorted[cell.end - 1];
            let candidates = (0..cells.len()).filter(|at| can_be_cut(&cells[*at]));
            let Some(worst) =
                candidates.max_by(|a, b| self.error(cells[*a]).total_cmp(&self.error(cells[*b])))
            else {
                return;
            };
            let Cell { start, end } = cells[worst];
            let (mean, least) = (self.mean(cells[worst]), self.sorted[start]);
            let values = &self.sorted[start..end];
            // Values are ascending and not all equal, so neither part is empty.
            let after_least = values.partition_point(|value| *value <= least);
            let at_mean = values.partition_point(|value| f64::from(*value) < mean);
            let is_inside = at_mean < values.len();
            let cut = start
                + if is_inside {
                    at_mean.max(after_least)
                } else {
                    after_least
                };
            cells[worst].end = cut;
            cells.insert(worst + 1, Cell { start: cut, end });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrainMethod::{LloydMax, TinyQuant};
    use crate::gaussian::Gaussian;
    use crate::{Codebook, TrainMethod};
    use tinyquant_testkit::seeded;

    #[test]
    fn first_levels_are_equal_steps_of_the_cube_root_of_the_density() {
        let even: Vec<f32> = (0..=64_u8).map(f32::from).collect();
        let close = |got: Vec<f64>, expected: &[f64]| {
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-9, "{got} {expected}");
            }
        };
        close(initial(&even, 4), &[8.0, 24.0, 40.0, 56.0]);
        // Two cells of widths 1 and 8, which weigh 1 and 4.
        close(initial(&[0.0, 1.0, 9.0], 1), &[1.0 + 8.0 * 1.5 / 4.0]);
        close(initial(&[0.0, 1.0, 9.0], 2), &[1.5, 6.5]);
        // Of many values only every second one is the edge of a cell: 8 cells a level.
        let uneven: Vec<f32> = (0..=16_u8).map(|i| f32::from(i).powi(2)).collect();
        let edges: Vec<f64> = (0..=8).map(|i| f64::from(4 * i * i)).collect();
        let weights: Vec<f64> = edges
            .windows(2)
            .map(|e| (e[1] - e[0]).powf(2.0 / 3.0))
            .collect();
        let half = weights.iter().sum::<f64>() / 2.0;
        let (mut cell, mut before) = (0, 0.0);
        while before + weights[cell] < half {
            before += weights[cell];
            cell += 1;
        }
        let share = (half - before) / weights[cell];
        let expected = edges[cell] + share * (edges[cell + 1] - edges[cell]);
        close(initial(&uneven, 1), &[expected]);
    }

    const fn cell(start: usize, end: usize) -> Cell {
        Cell { start, end }
    }

    #[test]
    fn a_cell_knows_its_mean_and_error() {
        let sample = Sample::new(&[1.0, 2.0, 4.0, 8.0]);
        assert_eq!(sample.mean(cell(1, 3)).to_bits(), 3.0_f64.to_bits());
        assert_eq!(sample.error(cell(1, 3)).to_bits(), 2.0_f64.to_bits());
        assert_eq!(sample.error(cell(0, 1)).to_bits(), 0.0_f64.to_bits());
    }

    /// Levels and cells after a descent.
    fn descended(values: &[f32], mut levels: Vec<f64>) -> (Vec<f64>, Vec<Cell>) {
        let mut cells = Vec::new();
        Sample::new(values)
            .descend(&mut levels, &mut cells, &Control::default())
            .unwrap();
        (levels, cells)
    }

    #[test]
    fn levels_descend_to_the_means_of_their_cells() {
        assert_eq!(
            descended(&[1.0, 2.0, 3.0, 9.0, 10.0, 11.0], vec![0.0, 4.0]),
            (vec![2.0, 10.0], vec![cell(0, 3), cell(3, 6)])
        );
        // A value in the middle goes to the upper level.
        assert_eq!(
            descended(&[0.0, 1.0, 2.0], vec![0.0, 2.0]),
            (vec![0.0, 1.5], vec![cell(0, 1), cell(1, 3)])
        );
        assert_eq!(
            descended(&[1.0, 2.0, 3.0], vec![2.0, 100.0, 200.0]),
            (
                vec![2.0, 100.0, 200.0],
                vec![cell(0, 3), cell(3, 3), cell(3, 3)]
            )
        );
    }

    /// Cells after the empty ones were replaced.
    fn split(values: &[f32], cells: &[Cell]) -> Vec<Cell> {
        let mut cells = cells.to_vec();
        Sample::new(values).split_instead_of_empty(&mut cells);
        cells
    }

    #[test]
    fn the_worst_cell_is_cut_at_its_mean_for_each_empty_one() {
        let values = [0.0, 1.0, 2.0, 10.0, 20.0];
        assert_eq!(
            split(&values, &[cell(0, 3), cell(3, 5), cell(5, 5)]),
            [cell(0, 3), cell(3, 4), cell(4, 5)]
        );
        assert_eq!(
            split(&values, &[cell(0, 3), cell(3, 3), cell(3, 5), cell(5, 5)]),
            [cell(0, 1), cell(1, 3), cell(3, 4), cell(4, 5)]
        );
        assert_eq!(split(&[5.0; 4], &[cell(0, 4), cell(4, 4)]), [cell(0, 4)]);
    }

    /// Running sums round: next to a huge value, the mean of small ones may lie outside them.
    #[test]
    fn a_cell_is_cut_within_its_values_wherever_its_mean_lies() {
        let below = [-1e30, 1.0, 2.0];
        assert!(Sample::new(&below).mean(cell(1, 3)) < 1.0);
        assert_eq!(
            split(&below, &[cell(0, 1), cell(1, 3), cell(3, 3)]),
            [cell(0, 1), cell(1, 2), cell(2, 3)]
        );
        let above = [-(2.0_f32.powi(55)), 7.0, 7.5];
        assert!(Sample::new(&above).mean(cell(1, 3)) > 7.5);
        assert_eq!(
            split(&above, &[cell(0, 1), cell(1, 3), cell(3, 3)]),
            [cell(0, 1), cell(1, 2), cell(2, 3)]
        );
    }

    /// Mean squared error of one-dimensional data, which the rotation leaves as they are or negates.
    fn error(data: &[f32], bits: u8, method: TrainMethod) -> f64 {
        let config = CodecConfig::new(bits, 0, 1, false).unwrap();
        let codebook = Codebook::train(data, &config, method, &Control::default()).unwrap();
        let batch =
            crate::compress_batch(data, &config, &codebook, None, &Control::default()).unwrap();
        let decoded =
            crate::decompress_batch(&batch, &config, &codebook, None, &Control::default()).unwrap();
        let squares = data
            .iter()
            .zip(&decoded)
            .map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>() / data.len() as f64
    }

    #[test]
    fn as_many_distinct_values_as_levels_are_kept_exactly() {
        let cubes: Vec<f32> = (0..16_u8).map(|i| f32::from(i).powi(3)).collect();
        let neighbours: Vec<f32> = (0..16).map(|i| f32::from_bits(0x3f7f_fff8 + i)).collect();
        for (values, bits) in [
            (vec![1.0, 2.0, 3.0, 1000.0], 2),
            (cubes, 4),
            (neighbours, 4),
        ] {
            let data = values.repeat(50);
            assert!(error(&data, bits, LloydMax) == 0.0, "{values:?}");
        }
    }

    #[test]
    fn outliers_do_not_take_the_levels_of_the_rest() {
        for outlier in [1e3, 1e6, 1e30] {
            let mut data = seeded::normal(5, 10_000, 1.0);
            data.push(outlier);
            for (bits, most) in [(2, 0.6), (4, 0.02), (8, 2e-4)] {
                let error = error(&data, bits, LloydMax);
                assert!(error < most, "{bits} bits, outlier {outlier:e}: {error:e}");
            }
        }
    }

    #[test]
    fn the_error_is_that_of_the_theory() {
        // Max, Quantizing for minimum distortion (1960), table I: a normal variable of variance 1.
        let mut gaussian = Gaussian::new(6);
        let data: Vec<f32> = (0..200_000).map(|_| gaussian.sample() as f32).collect();
        for (bits, expected) in [(2, 0.1175), (4, 0.009_497)] {
            let error = error(&data, bits, LloydMax);
            assert!(
                (error / expected - 1.0).abs() < 0.03,
                "{bits} bits: {error:e}"
            );
        }
    }

    #[test]
    fn never_worse_than_quantiles() {
        for (seed, bits) in (0..40).zip([2, 4, 8].into_iter().cycle()) {
            let mut data = seeded::normal(seed, 3_000, 1.0);
            for value in &mut data {
                *value = value.powi(1 + 2 * (seed as i32 % 3));
            }
            assert!(
                error(&data, bits, LloydMax) <= error(&data, bits, TinyQuant),
                "{seed} {bits}"
            );
        }
    }

    #[test]
    fn rotated_values_beyond_f32_are_refused_by_name() {
        let config = CodecConfig::new(4, 42, 64, true).unwrap();
        let result = Codebook::train(&vec![3.4e38; 6400], &config, LloydMax, &Control::default());
        assert!(
            matches!(result, Err(Error::RotationOverflow { row: 0, .. })),
            "{result:?}"
        );
    }
}
