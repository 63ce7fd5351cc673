//! From codes to vectors and scores.

use super::codec::RowCodec;
use super::levels::sign_table;
use super::packing::{unpack_rows, unpack_tile};
use super::rows::QuantizedRows;
use super::sketch::{Scratch, Sketch};
use super::tile::Tile;
use tinyquant_kernels::{LANES, QuantTable};

/// Rows that are scored together.
const GROUP: usize = 64;

/// Rotated queries.
#[derive(Debug)]
pub(crate) struct Queries {
    dim: usize,
    /// Values of a row: `dim` and zeros up to a multiple of [`LANES`].
    stride: usize,
    /// Brought to the length `sqrt(dim)`, row after row.
    values: Vec<f32>,
    /// Their projections in rows of the same kind; empty without a sketch.
    projections: Vec<f32>,
    /// The lengths that they had.
    lengths: Vec<f64>,
}

impl Queries {
    /// Rotates finite queries.
    pub(crate) fn new(codec: &RowCodec, queries: &[f32]) -> Self {
        let dim = codec.spec.dim();
        let (count, stride) = (queries.len() / dim, dim.next_multiple_of(LANES));
        let mut values = vec![0.0; count * stride];
        let sketched = if codec.sketch.is_some() { count } else { 0 };
        let mut projections = vec![0.0; sketched * stride];
        let mut lengths = Vec::with_capacity(count);
        let mut tile = Tile::new(dim);
        let mut scratch = Scratch::default();
        for rows in queries.chunks(LANES * dim) {
            let first = lengths.len() * stride;
            let loaded = tile.load(rows, &codec.rotation);
            lengths.extend_from_slice(&loaded[..rows.len() / dim]);
            let part = first..lengths.len() * stride;
            tile.store(&[1.0; LANES], stride, &mut values[part.clone()]);
            if let Some(sketch) = &codec.sketch {
                sketch.project(&mut tile, &mut scratch);
                tile.store(&[1.0; LANES], stride, &mut projections[part]);
            }
        }
        Self {
            dim,
            stride,
            values,
            projections,
            lengths,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lengths.len()
    }
}

/// Decodes tiles of [`LANES`] rows, on one thread.
pub(crate) struct Decoder<'a> {
    codec: &'a RowCodec,
    sign_table: QuantTable,
    tile: Tile,
    /// Codes and signs of a tile, or of up to [`GROUP`] rows.
    codes: Vec<u8>,
    signs: Vec<u8>,
    levels: Vec<f32>,
    /// Products of queries and up to [`GROUP`] rows, with their levels and with their signs.
    products: Vec<f32>,
    sketched: Vec<f32>,
    scratch: Scratch,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(codec: &'a RowCodec) -> Self {
        let dim = codec.spec.dim();
        let size = GROUP * dim.next_multiple_of(LANES);
        Self {
            codec,
            sign_table: sign_table(),
            tile: Tile::new(dim),
            codes: vec![0; size],
            signs: vec![0; if codec.sketch.is_some() { size } else { 0 }],
            levels: vec![0.0; dim * LANES],
            products: vec![],
            sketched: vec![],
            scratch: Scratch::default(),
        }
    }

    /// Writes the vectors of rows from `first` on, as many as `out` holds.
    pub(crate) fn reconstruct(&mut self, rows: &QuantizedRows, first: usize, out: &mut [f32]) {
        let dim = self.codec.spec.dim();
        let size = dim * LANES;
        let whole = (dim as f64).sqrt();
        for (at, out) in out.chunks_mut(size).enumerate() {
            let first = first + at * LANES;
            let count = out.len() / dim;
            let (packed, signs) = rows.packed(first, count);
            let simd = self.tile.simd;
            let codes = &mut self.codes[..size];
            if let Some(levels) = &self.codec.levels {
                unpack_tile(packed, self.codec.spec.code_bits(), codes);
                levels.values(simd, codes, &mut self.levels);
            }
            if let Some(sketch) = &self.codec.sketch {
                unpack_tile(signs, 1, codes);
                let values = &mut self.tile.values;
                simd.codec.dequantize(&self.sign_table, codes, None, values);
                sketch.back(&mut self.tile, &mut self.scratch);
                let mut factors = [0.0; LANES];
                for (factor, norm) in factors.iter_mut().zip(&rows.residual_norms[first..]) {
                    *factor = (sketch.weight() * f64::from(*norm)) as f32;
                }
                let values = self.tile.values.as_chunks_mut::<LANES>().0.iter_mut();
                for (values, levels) in values.zip(self.levels.as_chunks::<LANES>().0) {
                    for ((value, level), factor) in values.iter_mut().zip(levels).zip(&factors) {
                        *value = *value * factor + level;
                    }
                }
            } else {
                self.tile.values.copy_from_slice(&self.levels);
            }
            self.tile.backward(&self.codec.rotation);
            let mut factors = [0.0; LANES];
            for (factor, norm) in factors.iter_mut().zip(&rows.norms[first..first + count]) {
                *factor = (f64::from(*norm) / whole) as f32;
            }
            self.tile.store(&factors, dim, out);
        }
    }

    /// Writes the scores of rows from `first` on: for each query as many as its slice holds.
    pub(crate) fn score(
        &mut self,
        queries: &Queries,
        rows: &QuantizedRows,
        first: usize,
        out: &mut [&mut [f32]],
    ) {
        let count = out.first().map_or(0, |scores| scores.len());
        let weight = self.codec.sketch.as_ref().map_or(0.0, Sketch::weight);
        for start in (0..count).step_by(GROUP) {
            let some = GROUP.min(count - start);
            let at = first + start;
            self.multiply(queries, rows, at, some);
            let norms = &rows.norms[at..at + some];
            for (q, scores) in out.iter_mut().enumerate() {
                let scores = &mut scores[start..start + some];
                let scale = queries.lengths[q] / queries.dim as f64;
                let products = &self.products[q * some..][..some];
                if self.codec.sketch.is_none() {
                    for ((score, norm), product) in scores.iter_mut().zip(norms).zip(products) {
                        *score = (scale * f64::from(*norm) * f64::from(*product)) as f32;
                    }
                    continue;
                }
                let sketched = &self.sketched[q * some..][..some];
                let lengths = &rows.residual_norms[at..at + some];
                let terms = norms.iter().zip(lengths).zip(products.iter().zip(sketched));
                for (score, ((norm, length), (product, sketched))) in scores.iter_mut().zip(terms) {
                    let left = weight * f64::from(*length) * f64::from(*sketched);
                    *score = (scale * f64::from(*norm) * (f64::from(*product) + left)) as f32;
                }
            }
        }
    }

    /// Multiplies queries with the levels and the signs of up to [`GROUP`] rows, from their codes.
    fn multiply(&mut self, queries: &Queries, rows: &QuantizedRows, first: usize, count: usize) {
        let (dim, stride) = (queries.dim, queries.stride);
        let (codes, signs) = rows.packed(first, count);
        let simd = self.tile.simd;
        self.products.clear();
        self.products.resize(queries.len() * count, 0.0);
        if let Some(levels) = &self.codec.levels {
            let unpacked = &mut self.codes[..count * stride];
            unpack_rows(simd, codes, self.codec.spec.code_bits(), dim, unpacked);
            levels.products(simd, stride, unpacked, &queries.values, &mut self.products);
        }
        if self.codec.sketch.is_some() {
            let unpacked = &mut self.signs[..count * stride];
            unpack_rows(simd, signs, 1, dim, unpacked);
            self.sketched.resize(queries.len() * count, 0.0);
            let (queries, out) = (&queries.projections, &mut self.sketched);
            simd.scan
                .entry_dots(&self.sign_table, stride, unpacked, queries, out);
        }
    }
}
