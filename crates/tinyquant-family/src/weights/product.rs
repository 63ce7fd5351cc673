//! Product quantization (Jégou, Douze and Schmid, Product quantization for nearest neighbor search, 2011).

use super::byte_reader::{ByteReader, malformed, seal, unseal};
use super::kmeans::{self, Nearest, Plan};
use super::levels::check_codes;
use super::matrix::{check_rows, check_values};
use crate::Error;
use crate::memory::zeros;
use rayon::prelude::*;
use tinyquant_codec::{Control, Error as CodecError, ErrorCode};

const MAGIC: [u8; 4] = *b"TQPQ";
const VERSION: u8 = 1;

/// What a score table measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Inner products.
    Dot,
    /// Squared Euclidean distances.
    SquaredDistance,
}

/// How a product quantizer is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductOptions {
    /// Parts that a vector is cut into; divides its length.
    pub parts: usize,
    /// Centroids of a part, 2 to 256; no more than training vectors.
    pub centroids: usize,
    /// Most rounds of k-means.
    pub rounds: usize,
    /// Fall of the error, as a share of it, that ends training; 0 or more.
    pub tolerance: f64,
    /// Seed of the random choices.
    pub seed: u64,
}

/// Codebooks for the parts of vectors: each part is replaced by the index of its nearest centroid.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductQuantizer {
    dim: usize,
    parts: usize,
    count: usize,
    /// `parts` codebooks of `count` rows of `dim / parts` values.
    codebooks: Vec<f32>,
    /// Mean squared error a value at the start and after each round of training; empty after reading.
    history: Vec<f64>,
}

impl ProductQuantizer {
    /// Trains on rows of `dim` values: O(rows * centroids * dim) a round.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for parts that do not divide `dim`, centroids outside 2 to 256 or fewer rows than
    /// centroids, `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`, cancelled.
    pub fn train(
        vectors: &[f32],
        dim: usize,
        options: &ProductOptions,
        control: &Control,
    ) -> Result<Self, Error> {
        let &ProductOptions {
            parts,
            centroids: count,
            rounds,
            tolerance,
            seed,
        } = options;
        check_shape(dim, parts, count)?;
        if !(tolerance >= 0.0 && tolerance.is_finite()) {
            return Err(Error::invalid(format!(
                "tolerance must be a finite number of at least 0, got {tolerance}"
            )));
        }
        let rows = check_rows(vectors, dim)?;
        if rows < count {
            return Err(Error::invalid(format!(
                "{count} centroids need at least as many vectors, got {rows}"
            )));
        }
        let width = dim / parts;
        let mut codebooks = Vec::with_capacity(count * dim);
        let mut history: Vec<Vec<f64>> = Vec::with_capacity(parts);
        for part in 0..parts {
            control.report(part, parts);
            let points = part_of(vectors, dim, width, part);
            let plan = Plan {
                width,
                count,
                rounds,
                tolerance,
                // A stream of its own for each part.
                seed: seed.wrapping_add((part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            };
            let trained = kmeans::train(&points, &plan, control)?;
            codebooks.extend(trained.centroids);
            history.push(trained.history);
        }
        control.report(parts, parts);
        if codebooks.iter().any(|value| !value.is_finite()) {
            return Err(CodecError::InvalidArgument {
                reason: "the vectors are too long for centroids of 32-bit floats".to_owned(),
            }
            .into());
        }
        // A part that was done keeps its last error.
        let longest = history.iter().map(Vec::len).max().unwrap_or(0);
        let at = |round: usize| {
            let errors = history.iter().map(|part| part[round.min(part.len() - 1)]);
            errors.sum::<f64>() / vectors.len() as f64
        };
        Ok(Self {
            dim,
            parts,
            count,
            codebooks,
            history: (0..longest).map(at).collect(),
        })
    }

    /// A quantizer of given codebooks: `parts` of them, of `centroids` rows of `dim / parts` values.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG`, `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`.
    pub fn from_codebooks(
        codebooks: Vec<f32>,
        dim: usize,
        parts: usize,
        centroids: usize,
    ) -> Result<Self, Error> {
        check_shape(dim, parts, centroids)?;
        if codebooks.len() != centroids * dim {
            let (got, expected) = (codebooks.len(), centroids * dim);
            return Err(Error::data(
                ErrorCode::DimMismatch,
                format!("the codebooks have {got} values, expected {expected}"),
            ));
        }
        check_values(&codebooks)?;
        Ok(Self {
            dim,
            parts,
            count: centroids,
            codebooks,
            history: Vec::new(),
        })
    }

    /// Values of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Parts of a vector; codes of a vector, too.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Centroids of a part.
    pub fn centroids(&self) -> usize {
        self.count
    }

    /// All centroids: part after part, row after row.
    pub fn codebooks(&self) -> &[f32] {
        &self.codebooks
    }

    /// Mean squared error a value at the start of training and after each of its rounds.
    pub fn history(&self) -> &[f64] {
        &self.history
    }

    fn width(&self) -> usize {
        self.dim / self.parts
    }

    /// Codes of rows: `parts` a row.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`, `ERR_TQ_INVALID_ARG` for no rows, cancelled.
    pub fn encode(&self, vectors: &[f32], control: &Control) -> Result<Vec<u8>, Error> {
        let rows = check_rows(vectors, self.dim)?;
        let width = self.width();
        let mut codes = vec![0; rows * self.parts];
        for (part, codebook) in self.codebooks.chunks_exact(self.count * width).enumerate() {
            control.check()?;
            control.report(part, self.parts);
            let points = part_of(vectors, self.dim, width, part);
            let found = Nearest::new(codebook, width).encode(&points);
            for (code, found) in codes.iter_mut().skip(part).step_by(self.parts).zip(found) {
                *code = found;
            }
        }
        Ok(codes)
    }

    /// Rows that the codes stand for.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH` for codes that are no whole rows, `ERR_TQ_FORMAT` for a code without a centroid, `ERR_TQ_LIMIT`
    /// where memory is refused.
    pub fn decode(&self, codes: &[u8]) -> Result<Vec<f32>, Error> {
        self.check_codes(codes)?;
        let width = self.width();
        let mut vectors = zeros::<f32>(codes.len().saturating_mul(width))?;
        let codes = codes.chunks_exact(self.parts);
        for (row, codes) in vectors.chunks_exact_mut(self.dim).zip(codes) {
            for (part, (values, code)) in row.chunks_exact_mut(width).zip(codes).enumerate() {
                values.copy_from_slice(self.centroid(part, *code));
            }
        }
        Ok(vectors)
    }

    /// For each part, the product of the query's part with each centroid, or its squared distance from it.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`.
    pub fn table(&self, query: &[f32], measure: Measure) -> Result<Vec<f32>, Error> {
        if query.len() != self.dim {
            return Err(CodecError::DimensionMismatch {
                expected: self.dim,
                got: query.len(),
                row: None,
            }
            .into());
        }
        check_values(query)?;
        let width = self.width();
        let mut table = Vec::with_capacity(self.parts * self.count);
        let codebooks = self.codebooks.chunks_exact(self.count * width);
        for (query, codebook) in query.chunks_exact(width).zip(codebooks) {
            table.extend(codebook.chunks_exact(width).map(|centroid| {
                let pairs = query.iter().zip(centroid);
                let pairs = pairs.map(|(a, b)| (f64::from(*a), f64::from(*b)));
                let sum: f64 = match measure {
                    Measure::Dot => pairs.map(|(a, b)| a * b).sum(),
                    Measure::SquaredDistance => pairs.map(|(a, b)| (a - b) * (a - b)).sum(),
                };
                sum as f32
            }));
        }
        Ok(table)
    }

    /// For each row of codes the sum of its entries of a table.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH` for a table of another size or codes that are no whole rows, `ERR_TQ_FORMAT`.
    pub fn score(&self, table: &[f32], codes: &[u8]) -> Result<Vec<f32>, Error> {
        let expected = self.parts * self.count;
        if table.len() != expected {
            let got = table.len();
            return Err(Error::data(
                ErrorCode::DimMismatch,
                format!("the table has {got} entries, expected {expected}"),
            ));
        }
        self.check_codes(codes)?;
        let mut scores = vec![0.0; codes.len() / self.parts];
        scores
            .par_chunks_mut(1 << 12)
            .zip(codes.par_chunks(self.parts << 12))
            .for_each(|(scores, codes)| {
                for (score, codes) in scores.iter_mut().zip(codes.chunks_exact(self.parts)) {
                    let rows = table.chunks_exact(self.count).zip(codes);
                    let sum: f64 = rows
                        .map(|(row, code)| f64::from(row[usize::from(*code)]))
                        .sum();
                    *score = sum as f32;
                }
            });
        Ok(scores)
    }

    /// The quantizer as bytes: magic `TQPQ`, version, three zeros, dimension, parts and centroids as u32, the codebooks
    /// as f32, CRC-32 of all before.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, 0, 0, 0]);
        for field in [self.dim, self.parts, self.count] {
            bytes.extend((field as u32).to_le_bytes());
        }
        bytes.extend(self.codebooks.iter().flat_map(|value| value.to_le_bytes()));
        seal(bytes)
    }

    /// Reads what [`ProductQuantizer::to_bytes`] writes.
    ///
    /// # Errors
    /// `ERR_TQ_FORMAT`, `ERR_TQ_VERSION`, `ERR_TQ_TRUNCATED`, `ERR_TQ_CHECKSUM`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = ByteReader::new(bytes);
        reader.magic(MAGIC, "product quantizer")?;
        reader.version(VERSION)?;
        if reader.take(3)? != [0; 3] {
            return Err(malformed(
                "Reserved",
                5,
                "reserved bytes are not 0".to_owned(),
            ));
        }
        let mut field = || Ok::<_, Error>(reader.u32()? as usize);
        let (dim, parts, count) = (field()?, field()?, field()?);
        check_shape(dim, parts, count).map_err(|error| malformed("Shape", 8, error.to_string()))?;
        let start = reader.offset();
        reader.take(count.saturating_mul(4 * dim))?;
        reader.take(4)?;
        reader.end()?;
        let mut reader = ByteReader::new(unseal(bytes, "the product quantizer")?);
        reader.take(start)?;
        let codebooks = reader.f32s(count * dim)?;
        Self::from_codebooks(codebooks, dim, parts, count)
    }

    fn centroid(&self, part: usize, code: u8) -> &[f32] {
        let width = self.width();
        &self.codebooks[(part * self.count + usize::from(code)) * width..][..width]
    }

    fn check_codes(&self, codes: &[u8]) -> Result<(), Error> {
        if !codes.len().is_multiple_of(self.parts) {
            let (got, parts) = (codes.len(), self.parts);
            return Err(Error::data(
                ErrorCode::DimMismatch,
                format!("{got} codes are not whole rows of {parts}"),
            ));
        }
        check_codes(codes, self.count, "centroid")
    }
}

fn check_shape(dim: usize, parts: usize, count: usize) -> Result<(), Error> {
    if dim == 0 || parts == 0 || !dim.is_multiple_of(parts) {
        return Err(Error::invalid(format!(
            "parts must divide the dimension: got {parts} parts of {dim} values"
        )));
    }
    if !(2..=256).contains(&count) {
        return Err(Error::invalid(format!(
            "centroids must be from 2 to 256, got {count}"
        )));
    }
    Ok(())
}

/// One part of each row.
fn part_of(vectors: &[f32], dim: usize, width: usize, part: usize) -> Vec<f32> {
    let rows = vectors.chunks_exact(dim);
    let mut points = Vec::with_capacity(vectors.len() / dim * width);
    for row in rows {
        points.extend_from_slice(&row[part * width..][..width]);
    }
    points
}
