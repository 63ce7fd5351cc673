//! From vectors to codes.

use super::codec::RowCodec;
use super::packing::pack_tile;
use super::rows::{Method, Strip};
use super::sketch::Scratch;
use super::tile::{Tile, products};
use tinyquant_kernels::LANES;

/// Codes tiles of [`LANES`] vectors, on one thread.
pub(crate) struct Encoder<'a> {
    codec: &'a RowCodec,
    tile: Tile,
    codes: Vec<u8>,
    levels: Vec<f32>,
    scratch: Scratch,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(codec: &'a RowCodec) -> Self {
        let dim = codec.spec.dim();
        Self {
            codec,
            tile: Tile::new(dim),
            codes: vec![0; dim * LANES],
            levels: vec![0.0; dim * LANES],
            scratch: Scratch::default(),
        }
    }

    pub(crate) fn strip(&mut self, strip: &mut Strip<'_>) {
        let spec = self.codec.spec;
        let (dim, code_bytes, sign_bytes) = (spec.dim(), spec.code_bytes(), spec.sign_bytes());
        for (at, values) in strip.values.chunks(LANES * dim).enumerate() {
            let first = at * LANES;
            let rows = first..first + values.len() / dim;
            let part = |bytes: usize| rows.start * bytes..rows.end * bytes;
            let norms = self.code(values, &mut strip.codes[part(code_bytes)]);
            strip.norms[rows.clone()].copy_from_slice(&norms[..rows.len()]);
            if spec.has_sketch() {
                let lengths = self.sketch(&mut strip.signs[part(sign_bytes)]);
                strip.residual_norms[rows.clone()].copy_from_slice(&lengths[..rows.len()]);
            }
        }
    }

    /// Rotates up to [`LANES`] vectors and packs their codes; returns the norms to keep. They are not finite where a vector is
    /// not, or its length is beyond f32.
    fn code(&mut self, values: &[f32], out: &mut [u8]) -> [f32; LANES] {
        let simd = self.tile.simd;
        let lengths = self.tile.load(values, &self.codec.rotation);
        let Some(levels) = &self.codec.levels else {
            return lengths.map(|length| length as f32);
        };
        levels.codes(simd, &self.tile.values, &mut self.codes);
        pack_tile(&self.codes, self.codec.spec.code_bits(), out);
        if self.codec.spec.method() == (Method::Mse { unbiased: false }) {
            return lengths.map(|length| length as f32);
        }
        levels.values(simd, &self.codes, &mut self.levels);
        if self.codec.spec.has_sketch() {
            return lengths.map(|length| length as f32);
        }
        let dim = self.codec.spec.dim() as f64;
        let products = products(&self.tile.values, &self.levels);
        std::array::from_fn(|lane| {
            let length = lengths[lane];
            if !(length as f32).is_finite() {
                f32::INFINITY
            } else if products[lane] > 0.0 {
                (length * dim / products[lane]).min(f64::from(f32::MAX)) as f32
            } else {
                0.0
            }
        })
    }

    /// Packs the signs of what the levels leave of the tile; returns its lengths.
    fn sketch(&mut self, out: &mut [u8]) -> [f32; LANES] {
        let Some(sketch) = &self.codec.sketch else {
            return [0.0; LANES];
        };
        if self.codec.levels.is_some() {
            for (value, level) in self.tile.values.iter_mut().zip(&self.levels) {
                *value -= level;
            }
        }
        let lengths = self.tile.lengths();
        sketch.signs(&mut self.tile, &lengths, &mut self.scratch, &mut self.codes);
        pack_tile(&self.codes, 1, out);
        let whole = (self.codec.spec.dim() as f64).sqrt();
        lengths.map(|length| (length / whole) as f32)
    }
}
