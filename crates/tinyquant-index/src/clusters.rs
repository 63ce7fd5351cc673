//! Finding partitions: k-means on a sample.

use crate::Error;
use crate::centroids::{Assign, Centroids};
use crate::encoder::Encoder;
use crate::fit::sample;
use crate::model::Model;
use crate::rotation::Random;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tinyquant_codec::Control;
use tinyquant_kernels::{LANES, ScanKernels};

/// Rows of the sample for each partition.
const ROWS_EACH: usize = 24;
/// Rounds of assigning and averaging.
const ROUNDS: usize = 5;

/// Rows below which partitions cost more than they save.
const FEW: usize = 8_192;
/// Most partitions that are made by themselves.
const MOST: usize = 16_384;

/// Rows that a partition of many has, or up to half as many.
const CROWD: usize = 128;

/// Partitions for so many rows: at least three times their square root.
pub(crate) fn auto(rows: usize) -> usize {
    if rows < FEW {
        return 1;
    }
    let least = (3 * rows.isqrt()).max(rows / CROWD);
    least.next_power_of_two().min(MOST)
}

/// Splits the space of a model into `count` partitions by the rows of a sample.
pub(crate) fn find(
    model: &Model,
    values: &[f32],
    count: usize,
    seed: u64,
    control: &Control,
) -> Result<Centroids, Error> {
    let (dim, columns) = (model.dim(), model.partition_columns());
    let sample = sample(values, dim, count * ROWS_EACH, model.metric());
    let tiles = rotate(model, &sample, control)?;
    let rows = sample.len() / dim;
    drop(sample);
    let mut centres = Vec::with_capacity(count * columns);
    let mut random = Random::new(seed ^ 0x7061_7274_6974_696f);
    for i in 0..count {
        // One of each stretch of the sample.
        let (from, to) = (
            i * rows / count,
            ((i + 1) * rows / count).max(i * rows / count + 1),
        );
        let row = from + random.below(to - from);
        centres.extend(tiles.row(row.min(rows - 1), columns));
    }
    let mut centroids = Centroids::round(columns, &centres);
    for _ in 0..ROUNDS {
        control.check()?;
        let lists = assign(&tiles, &centroids, rows, columns);
        average(&tiles, &lists, columns, &mut centres, &mut random);
        centroids = Centroids::round(columns, &centres);
    }
    Ok(centroids)
}

/// Rotated vectors, tile by tile, and the lengths of each tile.
struct Tiles {
    values: Vec<f32>,
    norms: Vec<[f32; LANES]>,
    times: Vec<[f32; LANES]>,
}

impl Tiles {
    fn row(&self, row: usize, columns: usize) -> impl Iterator<Item = f32> {
        let (tile, lane) = (row / LANES, row % LANES);
        let values = &self.values[tile * columns * LANES..(tile + 1) * columns * LANES];
        let times = self.times[tile][lane];
        values
            .iter()
            .skip(lane)
            .step_by(LANES)
            .map(move |value| value * times)
    }
}

fn rotate(model: &Model, sample: &[f32], control: &Control) -> Result<Tiles, Error> {
    let (dim, columns) = (model.dim(), model.partition_columns());
    let count = (sample.len() / dim).div_ceil(LANES);
    let mut values = vec![0.0; count * columns * LANES];
    let lengths: Vec<_> = values
        .par_chunks_mut(columns * LANES)
        .zip(sample.par_chunks(LANES * dim))
        .map_init(
            || Encoder::new(model),
            |encoder, (to, rows)| {
                let lengths = encoder.rotate(rows);
                to.copy_from_slice(&encoder.rotated()[..columns * LANES]);
                lengths
            },
        )
        .collect();
    control.check()?;
    Ok(Tiles {
        values,
        norms: lengths.iter().map(|lengths| lengths.coded).collect(),
        times: lengths.iter().map(|lengths| lengths.times).collect(),
    })
}

fn assign(tiles: &Tiles, centroids: &Centroids, rows: usize, columns: usize) -> Vec<u32> {
    let kernels = ScanKernels::active();
    let lengths = tiles.norms.par_iter().zip(&tiles.times);
    let nearest: Vec<_> = tiles
        .values
        .par_chunks(columns * LANES)
        .zip(lengths)
        .map_init(Assign::default, |scratch, (tile, (norms, times))| {
            centroids.nearest(kernels, tile, norms, times, scratch)
        })
        .collect();
    nearest.into_iter().flatten().take(rows).collect()
}

/// Replaces centres by the means of their rows; those without rows go near the centre of the most rows.
fn average(tiles: &Tiles, lists: &[u32], columns: usize, centres: &mut [f32], random: &mut Random) {
    let count = centres.len() / columns;
    let mut sums = vec![0.0_f64; centres.len()];
    let mut sizes = vec![0_usize; count];
    for (row, list) in lists.iter().enumerate() {
        let list = *list as usize;
        sizes[list] += 1;
        let sum = &mut sums[list * columns..(list + 1) * columns];
        for (sum, value) in sum.iter_mut().zip(tiles.row(row, columns)) {
            *sum += f64::from(value);
        }
    }
    for ((centre, sum), size) in centres
        .chunks_exact_mut(columns)
        .zip(sums.chunks_exact(columns))
        .zip(&sizes)
    {
        if *size > 0 {
            for (value, sum) in centre.iter_mut().zip(sum) {
                *value = (sum / *size as f64) as f32;
            }
        }
    }
    if sizes.iter().all(|size| *size > 0) {
        return;
    }
    let mut members = vec![Vec::new(); count];
    for (row, list) in (0_u32..).zip(lists) {
        members[*list as usize].push(row);
    }
    // What is left of each centre's rows; the first one of as many comes first.
    let left = (0..count).map(|list| (sizes[list], Reverse(list)));
    let mut most: BinaryHeap<_> = left.collect();
    for (empty, _) in sizes.iter().enumerate().filter(|(_, size)| **size == 0) {
        let Some((size, Reverse(list))) = most.pop() else {
            return;
        };
        let row = members[list][random.below(members[list].len())];
        for (value, of_row) in centres[empty * columns..]
            .iter_mut()
            .zip(tiles.row(row as usize, columns))
        {
            *value = of_row;
        }
        most.push((size - size / 2, Reverse(list)));
        if size < 2 {
            return;
        }
    }
}
