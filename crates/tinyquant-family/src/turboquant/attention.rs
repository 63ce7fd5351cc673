//! Attention over quantized keys and values.

use super::codec::check_rows;
use super::decoder::{Decoder, Queries};
use super::kv_cache::{KvCache, mismatch};
use super::packing::unpack_rows;
use super::parallel;
use super::rows::QuantizedRows;
use super::tile::Tile;
use crate::Error;
use crate::memory::zeros;
use tinyquant_codec::Control;
use tinyquant_kernels::{LANES, PANEL};

/// Tokens whose weighted values are summed before the sums are.
const TOKENS: usize = 64;

/// Whose attention is asked for, and which tokens it may see.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attend<'a> {
    /// Heads of the queries, a multiple of the heads of the cache; 0 for as many.
    pub query_heads: usize,
    /// Whether the queries are those of the last tokens and see none after their own.
    pub causal: bool,
    /// For each of the `l` queries of a head and each token a byte, 0 where the query may not see it.
    pub mask: Option<&'a [u8]>,
}

/// Some queries of a head.
struct Task<'a> {
    head: usize,
    /// Place of the first one among the queries that read this head.
    first: usize,
    queries: &'a [f32],
    out: &'a mut [f32],
}

pub(crate) fn attend(
    cache: &KvCache,
    queries: &[f32],
    options: &Attend<'_>,
    control: &Control<'_>,
) -> Result<Vec<f32>, Error> {
    let config = cache.config();
    let (heads, dim, len) = (config.heads, config.head_dim, cache.len());
    let query_heads = match options.query_heads {
        0 => heads,
        given => given,
    };
    if !query_heads.is_multiple_of(heads) {
        return Err(Error::invalid(format!(
            "query heads must be a multiple of the {heads} heads of the cache, got {query_heads}"
        )));
    }
    let each = query_heads.saturating_mul(dim);
    if !queries.len().is_multiple_of(each) {
        let message = format!(
            "queries have {} numbers, expected a multiple of {query_heads} heads of {dim}",
            queries.len()
        );
        return Err(mismatch(message, each, queries.len()));
    }
    check_rows(queries, dim)?;
    if cache.is_empty() {
        return Err(Error::invalid(
            "the cache is empty: there is nothing to attend to",
        ));
    }
    let count = queries.len() / each;
    if options.causal && count > len {
        return Err(Error::invalid(format!(
            "causal queries are those of the last tokens: got {count} a head for {len} tokens"
        )));
    }
    if let Some(mask) = options.mask
        && mask.len() != count.saturating_mul(len)
    {
        return Err(Error::invalid(format!(
            "the mask must have {count} x {len} bytes, one for each query and token, got {}",
            mask.len()
        )));
    }
    let mut out = zeros(queries.len())?;
    if out.is_empty() {
        return Ok(out);
    }
    let group = query_heads / heads * count;
    let by_head = queries.chunks(group * dim).zip(out.chunks_mut(group * dim));
    let mut tasks = Vec::new();
    for (head, (queries, out)) in by_head.enumerate() {
        let tiles = queries.chunks(LANES * dim).zip(out.chunks_mut(LANES * dim));
        tasks.extend(tiles.enumerate().map(|(at, (queries, out))| Task {
            head,
            first: at * LANES,
            queries,
            out,
        }));
    }
    let total = queries.len() / dim;
    let init = || Attention::new(cache);
    parallel::each(tasks, total, control, init, |attention, mut task| {
        let rows = task.queries.len() / dim;
        attention.run(&mut task, count, options);
        (rows, ())
    })?;
    Ok(out)
}

/// Attends for up to [`LANES`] queries, on one thread.
struct Attention<'a> {
    cache: &'a KvCache,
    keys: Decoder<'a>,
    /// A weight for each query and token.
    weights: Vec<f32>,
    tile: Tile,
    /// Codes of up to [`TOKENS`] values, row after row and in panels of columns.
    rows: Vec<u8>,
    codes: Vec<u8>,
    levels: Vec<f32>,
    sums: Vec<f32>,
}

impl<'a> Attention<'a> {
    fn new(cache: &'a KvCache) -> Self {
        let dim = cache.config().head_dim;
        let padded = dim.next_multiple_of(PANEL);
        Self {
            cache,
            keys: Decoder::new(&cache.keys_codec),
            weights: vec![0.0; LANES * cache.len()],
            tile: Tile::new(dim),
            rows: vec![0; TOKENS * padded],
            codes: vec![0; TOKENS * padded],
            levels: vec![0.0; TOKENS * padded],
            sums: vec![0.0; padded],
        }
    }

    /// `count` is the number of queries of a query head.
    fn run(&mut self, task: &mut Task<'_>, count: usize, options: &Attend<'_>) {
        let (cache, len) = (self.cache, self.cache.len());
        let queries = Queries::new(&cache.keys_codec, task.queries);
        let rows = queries.len();
        let mut scores: Vec<&mut [f32]> = self.weights.chunks_mut(len).take(rows).collect();
        self.keys
            .score(&queries, &cache.keys[task.head], 0, &mut scores);
        let values = &cache.values[task.head];
        for (at, weights) in scores.into_iter().enumerate() {
            let place = (task.first + at) % count;
            let seen = if options.causal {
                len - count + place + 1
            } else {
                len
            };
            let mask = options.mask.map(|mask| &mask[place * len..][..len]);
            softmax(weights, cache.scale(), seen, mask);
            for (weight, norm) in weights.iter_mut().zip(&values.norms) {
                *weight *= norm;
            }
        }
        self.weigh(values, rows);
        // The sums are in the rotated frame: each goes back once.
        self.tile.backward(&cache.values_codec.rotation);
        let whole = (cache.config().head_dim as f64).sqrt();
        let factors = [(1.0 / whole) as f32; LANES];
        self.tile.store(&factors, cache.config().head_dim, task.out);
    }

    /// Sums the levels of the values of each token times their weights, for each of `rows` queries, into the tile.
    fn weigh(&mut self, values: &QuantizedRows, rows: usize) {
        let len = self.cache.len();
        let codec = &self.cache.values_codec;
        let (dim, bits) = (codec.spec.dim(), codec.spec.code_bits());
        let padded = self.sums.len();
        self.tile.values.fill(0.0);
        for first in (0..len).step_by(TOKENS) {
            let count = TOKENS.min(len - first);
            let (packed, _) = values.packed(first, count);
            let panel = count * PANEL;
            let unpacked = &mut self.rows[..count * padded];
            unpack_rows(self.tile.simd, packed, bits, dim, unpacked);
            for (token, row) in unpacked.chunks_exact(padded).enumerate() {
                let runs = row.as_chunks::<PANEL>().0;
                for (run, panel) in runs.iter().zip(self.codes.chunks_exact_mut(panel)) {
                    panel[token * PANEL..][..PANEL].copy_from_slice(run);
                }
            }
            let levels = &mut self.levels[..count * padded];
            if let Some(table) = &codec.levels {
                table.values(self.tile.simd, &self.codes[..count * padded], levels);
            }
            for (query, weights) in self.weights.chunks(len).take(rows).enumerate() {
                let weights = &weights[first..first + count];
                let sums = &mut self.sums;
                self.tile.simd.codec.dot_blocks(weights, levels, sums);
                let values = self.tile.values.as_chunks_mut::<LANES>().0.iter_mut();
                for (values, sum) in values.zip(sums) {
                    values[query] += *sum;
                }
            }
        }
    }
}

/// Turns the scores of the first `seen` tokens that the mask lets through into weights that sum to 1, and all others into 0.
fn softmax(scores: &mut [f32], scale: f32, seen: usize, mask: Option<&[u8]>) {
    let hidden = |at: usize| at >= seen || mask.is_some_and(|mask| mask[at] == 0);
    let mut most = f32::NEG_INFINITY;
    for (at, score) in scores.iter_mut().enumerate() {
        *score = if hidden(at) {
            f32::NEG_INFINITY
        } else {
            (*score * scale).clamp(f32::MIN, f32::MAX)
        };
        most = most.max(*score);
    }
    if most == f32::NEG_INFINITY {
        scores.fill(0.0);
        return;
    }
    let mut sum = 0.0_f64;
    for score in scores.iter_mut() {
        *score = libm::expf(*score - most);
        sum += f64::from(*score);
    }
    let share = (1.0 / sum) as f32;
    for score in scores {
        *score *= share;
    }
}
