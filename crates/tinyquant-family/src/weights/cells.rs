//! Cells of a sorted sample: runs of neighbouring values that one level stands for.

use crate::Error;
use tinyquant_codec::Control;

/// Bins of a histogram.
const BINS: usize = 256;

/// Neighbouring values of a sorted sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Cell {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// Sorted values with running sums of them and of their squares, about their mean.
pub(crate) struct Sample<'a> {
    sorted: &'a [f32],
    centre: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

/// Where an iteration ended.
pub(crate) struct Descent {
    /// Ascending levels, one for each cell.
    pub(crate) levels: Vec<f64>,
    /// Mean squared error at the start and after each round.
    pub(crate) history: Vec<f64>,
}

impl<'a> Sample<'a> {
    /// A sample of ascending finite values, at least one.
    pub(crate) fn new(sorted: &'a [f32]) -> Self {
        let total: f64 = sorted.iter().map(|value| f64::from(*value)).sum();
        let centre = total / sorted.len() as f64;
        let mut sums = Vec::with_capacity(sorted.len() + 1);
        let mut squares = Vec::with_capacity(sorted.len() + 1);
        let (mut sum, mut square) = (0.0, 0.0);
        sums.push(sum);
        squares.push(square);
        for value in sorted {
            let value = f64::from(*value) - centre;
            sum += value;
            square += value * value;
            sums.push(sum);
            squares.push(square);
        }
        Self {
            sorted,
            centre,
            sums,
            squares,
        }
    }

    fn len(&self) -> usize {
        self.sorted.len()
    }

    fn mean(&self, cell: Cell) -> f64 {
        let mean = (self.sums[cell.end] - self.sums[cell.start]) / cell.len() as f64;
        // Rounding must not carry a mean out of its cell: levels of different cells would coincide.
        let (least, most) = (self.sorted[cell.start], self.sorted[cell.end - 1]);
        (mean + self.centre).clamp(least.into(), most.into())
    }

    /// Squared distance of a cell's values from their mean.
    fn error(&self, cell: Cell) -> f64 {
        let sum = self.sums[cell.end] - self.sums[cell.start];
        let squares = self.squares[cell.end] - self.squares[cell.start];
        (squares - sum * sum / cell.len() as f64).max(0.0)
    }

    fn total_error(&self, cells: &[Cell]) -> f64 {
        cells.iter().map(|cell| self.error(*cell)).sum()
    }

    /// Where the values of at least `edge` begin.
    fn position(&self, edge: f64) -> usize {
        self.sorted
            .partition_point(|value| f64::from(*value) < edge)
    }

    /// Distinct values in order, unless there are more than `most`.
    pub(crate) fn distinct(&self, most: usize) -> Option<Vec<f32>> {
        let mut distinct = Vec::new();
        let mut at = 0;
        while let Some(value) = self.sorted.get(at) {
            if distinct.len() == most {
                return None;
            }
            distinct.push(*value);
            at += self.sorted[at..].partition_point(|other| other <= value);
        }
        Some(distinct)
    }

    /// Cells of equal numbers of values, as far as equal values let them.
    pub(crate) fn quantile_cells(&self, count: usize) -> Vec<Cell> {
        let edges = (1..count).map(|k| self.first_of(k * self.len() / count));
        self.cells_between(edges.collect())
    }

    /// The `count` cells of least error whose edges are among those of many narrow ones.
    ///
    /// The narrow cells lie in equal steps of the cube root of the density, where the edges of the best cells lie as
    /// their number grows (Panter and Dite, Quantization distortion in pulse-count modulation, 1951). Among them the
    /// best are found exactly, by dynamic programming (Bruce, Optimum quantization, 1965).
    pub(crate) fn best_cells(&self, count: usize, control: &Control) -> Result<Vec<Cell>, Error> {
        let narrow = self.narrow_cells((16 * count).clamp(256, 1024));
        if narrow.len() <= count {
            return Ok(self.with_count(narrow, count));
        }
        let chosen = Partition::new(self, &narrow).solve(count, control)?;
        Ok(chosen)
    }

    fn narrow_cells(&self, count: usize) -> Vec<Cell> {
        if let Some(distinct) = self.distinct(count) {
            let edges = distinct[1..]
                .iter()
                .map(|value| self.position((*value).into()));
            return self.cells_between(edges.collect());
        }
        let steps = (1..count).map(|k| k as f64 / count as f64);
        let edges = self.density_steps(4 * count, steps);
        self.cells_between(edges.into_iter().map(|edge| self.position(edge)).collect())
    }

    /// Cells of levels in equal steps of the cube root of a histogram.
    pub(crate) fn density_cells(&self, count: usize) -> Vec<Cell> {
        let low = f64::from(self.sorted[0]);
        let width = (f64::from(self.sorted[self.len() - 1]) - low) / BINS as f64;
        let edge = |bin: usize| low + bin as f64 * width;
        let mut start = 0;
        let roots: Vec<f64> = (1..=BINS)
            .map(|bin| {
                let end = if bin == BINS {
                    self.len()
                } else {
                    self.position(edge(bin))
                };
                let filled = end.saturating_sub(start);
                start = end;
                libm::cbrt(filled as f64)
            })
            .collect();
        let total: f64 = roots.iter().sum();
        let (mut bin, mut before) = (0, 0.0);
        let levels = (0..count).map(|k| {
            let target = total * (k as f64 + 0.5) / count as f64;
            while bin + 1 < BINS && before + roots[bin] < target {
                before += roots[bin];
                bin += 1;
            }
            let share = ((target - before) / roots[bin].max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
            edge(bin) + share * width
        });
        let levels: Vec<f64> = levels.collect();
        self.with_count(self.nearest(&levels), count)
    }

    /// Values below which ascending shares of the cube root of the density lie, as far as `parts` equally filled parts
    /// tell it.
    fn density_steps(&self, parts: usize, steps: impl Iterator<Item = f64>) -> Vec<f64> {
        let parts = parts.min(self.len() - 1);
        let edge = |part: usize| f64::from(self.sorted[part * (self.len() - 1) / parts]);
        // A part of mass 1 and width w has density 1/w, whose cube root over the part sums to w^(2/3).
        let weights: Vec<f64> = (0..parts)
            .map(|part| {
                let root = libm::cbrt(edge(part + 1) - edge(part));
                root * root
            })
            .collect();
        let total: f64 = weights.iter().sum();
        let (mut part, mut before) = (0, 0.0);
        let values = steps.map(|step| {
            let target = total * step;
            while part + 1 < parts && before + weights[part] < target {
                before += weights[part];
                part += 1;
            }
            let share = ((target - before) / weights[part].max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
            edge(part) + share * (edge(part + 1) - edge(part))
        });
        values.collect()
    }

    /// Where the run of values equal to the one at a position begins.
    fn first_of(&self, at: usize) -> usize {
        self.position(self.sorted[at].into())
    }

    /// The cells that ascending edges leave, without empty ones.
    fn cells_between(&self, mut edges: Vec<usize>) -> Vec<Cell> {
        edges.push(self.len());
        let mut start = 0;
        let mut cells = Vec::with_capacity(edges.len());
        for end in edges {
            if end > start {
                cells.push(Cell { start, end });
                start = end;
            }
        }
        cells
    }

    /// Cells of the values nearest to each level; a level that no value is nearest to has none.
    fn nearest(&self, levels: &[f64]) -> Vec<Cell> {
        let edges = levels.windows(2).map(|pair| {
            let middle = f64::midpoint(pair[0], pair[1]);
            // A value in the middle belongs to the lower level.
            self.sorted
                .partition_point(|value| f64::from(*value) <= middle)
        });
        self.cells_between(edges.collect())
    }

    /// Cuts the cell of the largest error in two until there are `count`, or until no cell can be cut.
    pub(crate) fn with_count(&self, mut cells: Vec<Cell>, count: usize) -> Vec<Cell> {
        while cells.len() < count {
            let can_be_cut = |cell: &Cell| self.sorted[cell.start] < self.sorted[cell.end - 1];
            let candidates = (0..cells.len()).filter(|at| can_be_cut(&cells[*at]));
            let error = |at: usize| self.error(cells[at]);
            let Some(worst) = candidates.max_by(|a, b| error(*a).total_cmp(&error(*b))) else {
                break;
            };
            let Cell { start, end } = cells[worst];
            let least = f64::from(self.sorted[start]);
            let above = self
                .sorted
                .partition_point(|value| f64::from(*value) <= least);
            // Values ascend and are not all equal, so that neither part is empty.
            let cut = self
                .position(self.mean(cells[worst]))
                .clamp(above, self.first_of(end - 1));
            cells[worst].end = cut;
            cells.insert(worst + 1, Cell { start: cut, end });
        }
        cells
    }

    /// Lloyd's iteration (Least squares quantization in PCM, 1982): values go to the nearest level, levels to the mean
    /// of their values. It ends after `rounds`, or when the error falls by no more than its share `tolerance`. A level
    /// that no value is nearest to moves into the cell of the largest error.
    pub(crate) fn descend(
        &self,
        start: Vec<Cell>,
        rounds: usize,
        tolerance: f64,
        control: &Control,
    ) -> Result<Descent, Error> {
        let count = start.len();
        let means =
            |cells: &[Cell]| -> Vec<f64> { cells.iter().map(|cell| self.mean(*cell)).collect() };
        let mut error = self.total_error(&start);
        let mut cells = start;
        let mut history = vec![error / self.len() as f64];
        for _ in 0..rounds {
            control.check()?;
            let next = self.with_count(self.nearest(&means(&cells)), count);
            let next_error = self.total_error(&next);
            // A rise can only be rounding.
            if next == cells || next_error > error {
                break;
            }
            let is_done = error - next_error <= tolerance * error;
            (cells, error) = (next, next_error);
            history.push(error / self.len() as f64);
            if is_done {
                break;
            }
        }
        Ok(Descent {
            levels: means(&cells),
            history,
        })
    }
}

/// The choice of cells whose edges are among given ones.
struct Partition<'a> {
    sample: &'a Sample<'a>,
    /// Edges of the narrow cells, the outer ones included.
    edges: Vec<usize>,
    /// Least error of the values below an edge, in one cell less than is being looked for.
    before: Vec<f64>,
    after: Vec<f64>,
    /// For each number of cells and each edge, the edge before it.
    from: Vec<Vec<u16>>,
}

impl<'a> Partition<'a> {
    fn new(sample: &'a Sample<'a>, narrow: &[Cell]) -> Self {
        let mut edges = vec![0];
        edges.extend(narrow.iter().map(|cell| cell.end));
        let error = |end: &usize| match *end {
            0 => 0.0,
            end => sample.error(Cell { start: 0, end }),
        };
        let before: Vec<f64> = edges.iter().map(error).collect();
        Self {
            sample,
            after: before.clone(),
            edges,
            before,
            from: Vec::new(),
        }
    }

    fn solve(mut self, count: usize, control: &Control) -> Result<Vec<Cell>, Error> {
        let last = self.edges.len() - 1;
        for cells in 2..=count {
            control.check()?;
            self.from.push(vec![0; last + 1]);
            self.extend(cells, cells, last, cells - 1, last - 1);
            std::mem::swap(&mut self.before, &mut self.after);
        }
        let mut cells = Vec::with_capacity(count);
        let mut edge = last;
        for from in self.from.iter().rev() {
            let before = usize::from(from[edge]);
            cells.push(Cell {
                start: self.edges[before],
                end: self.edges[edge],
            });
            edge = before;
        }
        cells.push(Cell {
            start: 0,
            end: self.edges[edge],
        });
        cells.reverse();
        Ok(cells)
    }

    /// For each edge from `low` to `high` the best edge before it, which is from `first` to `last`: it never moves back
    /// while the edge moves on.
    fn extend(&mut self, cells: usize, low: usize, high: usize, first: usize, last: usize) {
        if low > high {
            return;
        }
        let middle = usize::midpoint(low, high);
        let (mut best, mut least) = (first, f64::INFINITY);
        for before in first..=last.min(middle - 1) {
            let (start, end) = (self.edges[before], self.edges[middle]);
            let error = self.before[before] + self.sample.error(Cell { start, end });
            if error < least {
                (best, least) = (before, error);
            }
        }
        self.after[middle] = least;
        self.from[cells - 2][middle] = best as u16;
        self.extend(cells, low, middle - 1, first, best);
        self.extend(cells, middle + 1, high, best, last);
    }
}
