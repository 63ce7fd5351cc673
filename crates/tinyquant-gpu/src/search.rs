//! Shortlists of rows.

use crate::backend::dispatch;
use crate::memory::Buffer;
use crate::pipelines::Pipelines;
use crate::prepared::{BLOCK, Chunk, Prepared, Scheme, TOGETHER, is_plain};
use crate::{Backend, Error};
use bytemuck::{Pod, Zeroable};
use tinyquant_codec::{Control, check_finite, rotate, rows_of};
use tinyquant_kernels::UNIT;
use wgpu::BindGroup;

/// Queries of one submission.
const MOST_QUERIES: usize = 64;

/// Rows that a shortlist of the device has room for beside twice those that are wanted.
const ROOM: usize = 256;

/// Groups that share the rows of a query.
const GROUPS: usize = 1024;

/// Queries in the form that the rows want.
#[derive(Debug, Clone, Copy)]
pub enum Queries<'a> {
    /// Vectors of the dimension of the configuration.
    Vectors(&'a [f32]),
    /// Whole numbers, [`UNIT`] a unit; the scale of each segment; and base, slope and bend of each query.
    Units {
        /// From -127 to 127.
        codes: &'a [i8],
        /// One a segment.
        scales: &'a [f32],
        /// Three a query.
        terms: &'a [f32],
    },
}

/// The rows that may be among the best of a query, in order; none where any row may be.
pub type Shortlist = Option<Vec<u32>>;

/// A row, and as keys what its score is at least and at most.
type Found = (u32, u32, u32);

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct CodebookShape {
    rows: u32,
    words: u32,
    bits: u32,
    residual_words: u32,
    stride: u32,
    scale: f32,
    margin: f32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct UnitShape {
    rows: u32,
    words: u32,
    units: u32,
    segments: u32,
    extras: u32,
    has_norms: u32,
    stride: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct SelectShape {
    rows: u32,
    stride: u32,
    capacity: u32,
    shift: u32,
}

/// Queries on the device, four at a time.
struct Loaded {
    values: Buffer,
    scales: Buffer,
    /// Queries that f32 cannot score well: any row may be among their best.
    odd: Vec<bool>,
}

/// What a submission writes.
struct Keys {
    least: Buffer,
    most: Buffer,
    counts: Buffer,
    states: Buffer,
    found: Buffer,
    list: Buffer,
    readback: Buffer,
    queries: usize,
    stride: usize,
    capacity: usize,
}

/// How far the cosine on the CPU may be from that on the device: sums of f32 in any order and with any rounding here,
/// in index order there, each at most `2^-23` of the lengths for each product.
fn margin(dimension: usize) -> f32 {
    (2.1 * (dimension + 8) as f64 * f64::from(f32::EPSILON)) as f32
}

impl Prepared {
    /// For each query the rows that may be among the `k` best: all rows whose score on the CPU reaches the `k`-th best
    /// score there, equal ones included, and few others.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for `k` of 0, rows that are missing, or queries in another form than the rows;
    /// `NonFinite`, `RaggedRows`, `Cancelled`, and what the device reports (`ERR_TQ_GPU`).
    pub fn search(
        &self,
        queries: Queries,
        k: usize,
        control: &Control,
    ) -> Result<Vec<Shortlist>, Error> {
        let count = self.check(queries, k)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        control.check()?;
        if k >= self.rows() {
            return Ok(vec![None; count]);
        }
        let pipelines = self.backend.pipelines()?;
        let stride = self.chunk_rows.min(self.rows().next_multiple_of(BLOCK));
        let bytes = self.backend.budget.free() / 4;
        let bound = self.backend.limits().max_binding_size.min(bytes);
        let most = (bound / (4 * stride) as u64) as usize / TOGETHER * TOGETHER;
        let together = most
            .min(MOST_QUERIES)
            .min(count.next_multiple_of(TOGETHER))
            .max(TOGETHER);
        let capacity = (2 * k + ROOM).min(stride);
        let keys = Keys::new(&self.backend, together, stride, capacity)?;
        let mut lists = Vec::with_capacity(count);
        for first in (0..count).step_by(together) {
            let last = count.min(first + together);
            let loaded = self.load(queries, first..last, together, control)?;
            let mut found: Vec<Vec<Found>> = vec![Vec::new(); last - first];
            for (index, chunk) in self.chunks.iter().enumerate() {
                control.check()?;
                self.score(chunk, &loaded, &keys, &pipelines, k)?;
                let before = (index * self.chunk_rows) as u32;
                self.take(chunk, &keys, before, &mut found)?;
            }
            let shortlists = found.into_iter().zip(&loaded.odd);
            lists.extend(shortlists.map(|(found, is_odd)| (!is_odd).then(|| best(found, k))));
            control.report(last, count);
        }
        Ok(lists)
    }

    /// Number of queries; an error for what cannot be searched for.
    fn check(&self, queries: Queries, k: usize) -> Result<usize, Error> {
        let invalid = |reason: String| Err(Error::InvalidArgument { reason });
        if k == 0 {
            return invalid("k must be at least 1, got 0".to_owned());
        }
        if self.rows() != self.total() {
            return invalid(format!(
                "{} of {} rows are there",
                self.rows(),
                self.total()
            ));
        }
        match (queries, &self.scheme) {
            (Queries::Vectors(values), Scheme::Codebook { config, .. }) => {
                let count = rows_of(values, config.dimension())?;
                check_finite(values, config.dimension())?;
                Ok(count)
            }
            (
                Queries::Units {
                    codes,
                    scales,
                    terms,
                },
                Scheme::Units { plan, .. },
            ) => {
                let count = terms.len() / 3;
                let fits = terms.len().is_multiple_of(3)
                    && codes.len() == count * plan.widths.len() * UNIT
                    && scales.len() == count * plan.segments.len();
                if fits {
                    Ok(count)
                } else {
                    invalid("the queries are not those of the plan".to_owned())
                }
            }
            _ => invalid("queries of another kind than the rows".to_owned()),
        }
    }

    /// Brings some queries to the device; those that are missing up to `together` are zero.
    fn load(
        &self,
        queries: Queries,
        range: std::ops::Range<usize>,
        together: usize,
        control: &Control,
    ) -> Result<Loaded, Error> {
        let mut odd = vec![false; range.len()];
        match (queries, &self.scheme) {
            (Queries::Vectors(values), Scheme::Codebook { config, layout, .. }) => {
                let dimension = config.dimension();
                let components = self.words * 32 / usize::from(layout.bit_width());
                let values = &values[range.start * dimension..range.end * dimension];
                let mut out = vec![0.0_f32; together * components];
                let rotated = rotate(values, config, control)?;
                let vectors = values.chunks_exact(dimension);
                for (q, (vector, rotated)) in
                    vectors.zip(rotated.chunks_exact(dimension)).enumerate()
                {
                    let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
                    let length = square.sqrt();
                    odd[q] = !is_plain(length);
                    if odd[q] {
                        continue;
                    }
                    let group = &mut out[q / TOGETHER * TOGETHER * components..];
                    for (i, value) in rotated.iter().enumerate() {
                        group[i * TOGETHER + q % TOGETHER] = (f64::from(*value) / length) as f32;
                    }
                }
                Ok(Loaded {
                    values: self.backend.constant("queries", &out)?,
                    scales: self.backend.constant("scales", &[0.0_f32])?,
                    odd,
                })
            }
            (
                Queries::Units {
                    codes,
                    scales,
                    terms,
                },
                Scheme::Units { plan, .. },
            ) => {
                let (components, segments) = (plan.widths.len() * UNIT, plan.segments.len());
                let mut numbers = vec![0_i32; together * components];
                let mut factors = vec![0.0_f32; together * (segments + 3)];
                for (q, at) in range.enumerate() {
                    let place =
                        |each: usize, i: usize| (q / TOGETHER * each + i) * TOGETHER + q % TOGETHER;
                    for (i, code) in codes[at * components..][..components].iter().enumerate() {
                        numbers[place(components, i)] = i32::from(*code);
                    }
                    let scales = scales[at * segments..][..segments].iter();
                    let terms = terms[3 * at..][..3].iter();
                    for (i, value) in scales.chain(terms).enumerate() {
                        factors[place(segments + 3, i)] = *value;
                    }
                }
                Ok(Loaded {
                    values: self.backend.constant("queries", &numbers)?,
                    scales: self.backend.constant("scales", &factors)?,
                    odd,
                })
            }
            _ => Err(Error::InvalidArgument {
                reason: "queries of another kind than the rows".to_owned(),
            }),
        }
    }

    /// Scores the rows of a chunk and selects those that may be among the `k` best of them.
    fn score(
        &self,
        chunk: &Chunk,
        loaded: &Loaded,
        keys: &Keys,
        pipelines: &Pipelines,
        k: usize,
    ) -> Result<(), Error> {
        let backend = &self.backend;
        let (pipeline, group, _shape) = self.score_group(chunk, loaded, keys, pipelines)?;
        let ranks: Vec<[u32; 2]> = vec![[0, k.min(chunk.rows) as u32]; keys.queries];
        backend
            .queue
            .write_buffer(&keys.states, 0, bytemuck::cast_slice(&ranks));
        let mut encoder = backend.encoder();
        encoder.clear_buffer(&keys.found, 0, None);
        encoder.clear_buffer(&keys.counts, 0, None);
        let queries = keys.queries as u32;
        let blocks = chunk.rows.div_ceil(BLOCK) as u32;
        dispatch(
            &mut encoder,
            pipeline,
            &group,
            blocks,
            queries / TOGETHER as u32,
        );
        let groups = chunk.rows.div_ceil(1024).min(GROUPS) as u32;
        let mut shapes = Vec::new();
        for shift in [24, 16, 8, 0] {
            let shape = backend.uniform(
                "shape of a selection",
                &SelectShape {
                    rows: chunk.rows as u32,
                    stride: keys.stride as u32,
                    capacity: keys.capacity as u32,
                    shift,
                },
            )?;
            let buffers = [
                (0, &shape),
                (1, &keys.least),
                (3, &keys.counts),
                (4, &keys.states),
            ];
            let count = backend.bind(&pipelines.count, &buffers);
            dispatch(&mut encoder, &pipelines.count, &count, groups, queries);
            let pick = backend.bind(
                &pipelines.pick,
                &[(0, &shape), (3, &keys.counts), (4, &keys.states)],
            );
            dispatch(&mut encoder, &pipelines.pick, &pick, queries, 1);
            shapes.push(shape);
        }
        if let Some(shape) = shapes.last() {
            let buffers = [
                (0, shape),
                (1, &keys.least),
                (2, &keys.most),
                (4, &keys.states),
                (5, &keys.found),
                (6, &keys.list),
            ];
            let collect = backend.bind(&pipelines.collect, &buffers);
            dispatch(&mut encoder, &pipelines.collect, &collect, groups, queries);
        }
        let mut at = 0;
        for buffer in [&keys.found, &keys.states, &keys.list] {
            encoder.copy_buffer_to_buffer(buffer, 0, &keys.readback, at, buffer.size());
            at += buffer.size();
        }
        backend.submit(encoder);
        backend.check()
    }

    fn score_group<'p>(
        &self,
        chunk: &Chunk,
        loaded: &Loaded,
        keys: &Keys,
        pipelines: &'p Pipelines,
    ) -> Result<(&'p wgpu::ComputePipeline, BindGroup, Buffer), Error> {
        let (rows, stride) = (chunk.rows as u32, keys.stride as u32);
        let words = self.words as u32;
        let (pipeline, buffers, shape) = match &self.scheme {
            Scheme::Codebook {
                config,
                scale,
                entries,
                ..
            } => {
                let shape = CodebookShape {
                    rows,
                    words,
                    bits: config.bit_width().into(),
                    residual_words: self.extra_words as u32,
                    stride,
                    scale: *scale,
                    margin: margin(config.dimension()),
                };
                let shape = self.backend.uniform("shape of scores", &shape)?;
                let buffers = [
                    (1, &chunk.codes),
                    (2, &chunk.extras),
                    (3, &chunk.inverses),
                    (4, entries),
                    (5, &loaded.values),
                    (6, &keys.least),
                    (7, &keys.most),
                ];
                (&pipelines.score_codebook, buffers.to_vec(), shape)
            }
            Scheme::Units {
                plan,
                units,
                values,
            } => {
                let shape = UnitShape {
                    rows,
                    words,
                    units: plan.widths.len() as u32,
                    segments: plan.segments.len() as u32,
                    extras: self.extra_words as u32,
                    has_norms: plan.has_norms.into(),
                    stride,
                };
                let shape = self.backend.uniform("shape of scores", &shape)?;
                let buffers = [
                    (1, units),
                    (2, &chunk.codes),
                    (3, &chunk.extras),
                    (4, values),
                    (5, &loaded.values),
                    (6, &loaded.scales),
                    (7, &keys.least),
                    (8, &keys.most),
                ];
                (&pipelines.score_units, buffers.to_vec(), shape)
            }
        };
        let all: Vec<_> = [(0, &shape)].into_iter().chain(buffers).collect();
        let group = self.backend.bind(pipeline, &all);
        Ok((pipeline, group, shape))
    }

    /// Waits for the rows selected of a chunk; `before` rows come before it.
    fn take(
        &self,
        chunk: &Chunk,
        keys: &Keys,
        before: u32,
        found: &mut [Vec<Found>],
    ) -> Result<(), Error> {
        let backend = &self.backend;
        let (size, queries, capacity) = (keys.readback.size(), keys.queries, keys.capacity);
        let index = backend.queue.submit([]);
        let words = backend.read(&keys.readback, size, index, words_of)?;
        let (counts, rest) = words.split_at(queries.max(4));
        let (states, lists) = rest.split_at(2 * queries);
        for (q, found) in found.iter_mut().enumerate() {
            let count = counts[q] as usize;
            if count <= capacity {
                let list = lists[3 * q * capacity..][..3 * count].as_chunks::<3>().0;
                found.extend(
                    list.iter()
                        .map(|[row, least, most]| (before + row, *least, *most)),
                );
                continue;
            }
            // More rows than there was room for: their keys are read.
            let (least, most) = self.keys_of(chunk, keys, q)?;
            let rows = least.into_iter().zip(most).zip(before..);
            found.extend(
                rows.map(|((least, most), row)| (row, least, most))
                    .filter(|(_, _, most)| *most >= states[2 * q]),
            );
        }
        Ok(())
    }

    /// All keys of a query.
    fn keys_of(&self, chunk: &Chunk, keys: &Keys, q: usize) -> Result<(Vec<u32>, Vec<u32>), Error> {
        let backend = &self.backend;
        let bytes = 4 * chunk.rows as u64;
        let readback = backend.readback("keys", 2 * bytes)?;
        let mut encoder = backend.encoder();
        let from = (4 * q * keys.stride) as u64;
        encoder.copy_buffer_to_buffer(&keys.least, from, &readback, 0, bytes);
        encoder.copy_buffer_to_buffer(&keys.most, from, &readback, bytes, bytes);
        let index = backend.submit(encoder);
        let mut least = backend.read(&readback, 2 * bytes, index, words_of)?;
        let most = least.split_off(chunk.rows);
        Ok((least, most))
    }
}

impl Keys {
    fn new(
        backend: &Backend,
        queries: usize,
        stride: usize,
        capacity: usize,
    ) -> Result<Self, Error> {
        let keys = (4 * queries * stride) as u64;
        let found = backend.storage("rows found", 4 * queries as u64)?;
        let states = backend.storage("states of selections", 8 * queries as u64)?;
        let list = backend.storage("list", (12 * queries * capacity) as u64)?;
        let readback = backend.readback("list", found.size() + states.size() + list.size())?;
        Ok(Self {
            least: backend.storage("keys", keys)?,
            most: backend.storage("keys", keys)?,
            counts: backend.storage("counts", 1024 * queries as u64)?,
            states,
            found,
            list,
            readback,
            queries,
            stride,
            capacity,
        })
    }
}

fn words_of(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.as_chunks::<4>().0.iter();
    words.map(|word| u32::from_le_bytes(*word)).collect()
}

/// Of the best rows of each chunk those that may be among the best of all, in order.
fn best(mut found: Vec<Found>, k: usize) -> Vec<u32> {
    if found.len() > k {
        let (_, (_, bound, _), _) =
            found.select_nth_unstable_by(k - 1, |a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let bound = *bound;
        found.retain(|(_, _, most)| *most >= bound);
    }
    let mut rows: Vec<u32> = found.into_iter().map(|(row, _, _)| row).collect();
    rows.sort_unstable();
    rows
}
