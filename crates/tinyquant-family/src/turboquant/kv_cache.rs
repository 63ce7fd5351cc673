//! A quantized cache of the keys and values of attention.

use super::attention::{self, Attend};
use super::codec::{RowCodec, check_rows};
use super::rows::{Method, QuantizedRows, RowsSpec};
use super::sketch::SketchKind;
use crate::Error;
use std::sync::Arc;
use tinyquant_codec::{Control, Detail, ErrorCode};

/// Most heads of a cache.
const MAX_HEADS: usize = 65_536;

/// What a [`KvCache`] is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KvCacheConfig {
    /// Heads of keys and values, 1 to 65536.
    pub heads: usize,
    /// Components of a key and of a value, 2 to 16384 (8192 for keys with a Gaussian sketch).
    pub head_dim: usize,
    /// How keys are quantized: with a sketch as in the paper, or with levels alone and unbiased norms, which is as right on
    /// average, less noisy and smaller.
    pub keys: Method,
    /// Bits of a component of a key.
    pub key_bits: u8,
    /// Bits of a component of a value, 1 to 8.
    pub value_bits: u8,
    /// Seed of the keys' codec.
    pub key_seed: u64,
    /// Seed of the values' codec.
    pub value_seed: u64,
    /// What scores are multiplied with; none for `1 / sqrt(head_dim)`.
    pub scale: Option<f32>,
}

impl KvCacheConfig {
    /// Keys with a Gaussian sketch, the seeds 0 and 1, and the usual scale.
    pub fn new(heads: usize, head_dim: usize, key_bits: u8, value_bits: u8) -> Self {
        Self {
            heads,
            head_dim,
            keys: Method::Prod {
                sketch: SketchKind::Gaussian,
            },
            key_bits,
            value_bits,
            key_seed: 0,
            value_seed: 1,
            scale: None,
        }
    }
}

/// Quantized keys and values of tokens, for attention over them: `softmax(scale * q k^T) v`. Each row is coded alone, so that
/// appending touches no older row. A clone shares the codecs and copies the rows.
#[derive(Debug, Clone)]
pub struct KvCache {
    config: KvCacheConfig,
    pub(crate) keys_codec: Arc<RowCodec>,
    pub(crate) values_codec: Arc<RowCodec>,
    /// Rows of each head.
    pub(crate) keys: Vec<QuantizedRows>,
    pub(crate) values: Vec<QuantizedRows>,
    len: usize,
}

/// Tokens that are quantized and not in a cache yet.
#[derive(Debug)]
pub struct KvTokens {
    keys: QuantizedRows,
    values: QuantizedRows,
}

impl KvCache {
    /// A cache without tokens.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG`, `ERR_TQ_LIMIT`.
    pub fn new(config: KvCacheConfig) -> Result<Self, Error> {
        if !(1..=MAX_HEADS).contains(&config.heads) {
            return Err(Error::invalid(format!(
                "heads must be from 1 to {MAX_HEADS}, got {}",
                config.heads
            )));
        }
        if let Some(scale) = config.scale
            && !(scale.is_finite() && scale > 0.0)
        {
            return Err(Error::invalid(format!(
                "scale must be a number above 0, got {scale}"
            )));
        }
        let dim = config.head_dim;
        let keys = RowsSpec::new(dim, config.key_bits, config.key_seed, config.keys)?;
        let method = Method::Mse { unbiased: false };
        let values = RowsSpec::new(dim, config.value_bits, config.value_seed, method)?;
        Ok(Self {
            config,
            keys_codec: Arc::new(RowCodec::new(keys)?),
            values_codec: Arc::new(RowCodec::new(values)?),
            keys: vec![QuantizedRows::empty(keys); config.heads],
            values: vec![QuantizedRows::empty(values); config.heads],
            len: 0,
        })
    }

    /// What the cache is made for.
    pub fn config(&self) -> &KvCacheConfig {
        &self.config
    }

    /// Tokens of each head.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of keys and values.
    pub fn nbytes(&self) -> usize {
        let rows = self.keys.iter().chain(&self.values);
        rows.map(QuantizedRows::nbytes).sum()
    }

    /// Bytes of keys, values and codecs.
    pub fn memory(&self) -> usize {
        self.nbytes() + self.keys_codec.nbytes() + self.values_codec.nbytes()
    }

    /// What scores are multiplied with.
    pub fn scale(&self) -> f32 {
        let usual = 1.0 / (self.config.head_dim as f64).sqrt();
        self.config.scale.unwrap_or(usual as f32)
    }

    /// Quantizes keys and values of `[heads, tokens, head_dim]`, without adding them.
    ///
    /// # Errors
    /// `ERR_TQ_DIM_MISMATCH` unless both have as many values, those of whole tokens; `ERR_TQ_NON_FINITE` with row and column,
    /// where row `head * tokens + token` is meant; `ERR_TQ_LIMIT`, `ERR_TQ_ABORTED`.
    pub fn encode(
        &self,
        keys: &[f32],
        values: &[f32],
        control: &Control<'_>,
    ) -> Result<KvTokens, Error> {
        let token = self.config.heads * self.config.head_dim;
        if !keys.len().is_multiple_of(token) {
            return Err(self.shape_error("keys", keys.len()));
        }
        if values.len() != keys.len() {
            return Err(mismatch(
                format!(
                    "values have {} numbers, expected as many as the keys, {}",
                    values.len(),
                    keys.len()
                ),
                keys.len(),
                values.len(),
            ));
        }
        check_rows(values, self.config.head_dim)?;
        Ok(KvTokens {
            keys: self.keys_codec.quantize(keys, control)?,
            values: self.values_codec.quantize(values, control)?,
        })
    }

    /// Adds tokens that a cache of the same configuration has quantized; returns the new length.
    ///
    /// # Errors
    /// `ERR_TQ_CONFIG_MISMATCH` for tokens of another cache, `ERR_TQ_LIMIT`.
    pub fn push(&mut self, tokens: &KvTokens) -> Result<usize, Error> {
        tokens.keys.check_made_by(self.keys_codec.spec())?;
        tokens.values.check_made_by(self.values_codec.spec())?;
        let heads = self.config.heads;
        if !tokens.keys.len().is_multiple_of(heads) {
            return Err(self.shape_error("tokens", tokens.keys.len() * self.config.head_dim));
        }
        let count = tokens.keys.len() / heads;
        let pairs = [
            (&mut self.keys, &tokens.keys),
            (&mut self.values, &tokens.values),
        ];
        for (heads, rows) in pairs {
            for (head, own) in heads.iter_mut().enumerate() {
                own.append(rows, head * count, count);
            }
        }
        self.len += count;
        Ok(self.len)
    }

    /// Quantizes and adds tokens: [`KvCache::encode`] and [`KvCache::push`].
    ///
    /// # Errors
    /// Those of both; nothing is added then.
    pub fn append(
        &mut self,
        keys: &[f32],
        values: &[f32],
        control: &Control<'_>,
    ) -> Result<usize, Error> {
        let tokens = self.encode(keys, values, control)?;
        self.push(&tokens)
    }

    /// Drops the tokens from `len` on.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` if there are fewer.
    pub fn truncate(&mut self, len: usize) -> Result<(), Error> {
        if len > self.len {
            return Err(Error::invalid(format!(
                "cannot truncate to {len} tokens: the cache has {}",
                self.len
            )));
        }
        for rows in self.keys.iter_mut().chain(&mut self.values) {
            rows.truncate(len);
        }
        self.len = len;
        Ok(())
    }

    /// Attention of queries of `[query heads, l, head_dim]` over all tokens: the softmax of scaled scores weighs the values.
    /// Query head `h` reads head `h * heads / query heads`. Returns as many values; a query that may see no token gets
    /// zeros.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for an empty cache, query heads that are no multiple of the heads, a mask of another length, or
    /// more causal queries than tokens; `ERR_TQ_DIM_MISMATCH`, `ERR_TQ_NON_FINITE`, `ERR_TQ_LIMIT`, `ERR_TQ_ABORTED`.
    pub fn attend(
        &self,
        queries: &[f32],
        options: &Attend<'_>,
        control: &Control<'_>,
    ) -> Result<Vec<f32>, Error> {
        attention::attend(self, queries, options, control)
    }

    fn shape_error(&self, what: &str, got: usize) -> Error {
        let KvCacheConfig {
            heads, head_dim, ..
        } = self.config;
        mismatch(
            format!(
                "{what} have {got} numbers, expected a multiple of {heads} heads of {head_dim}"
            ),
            heads * head_dim,
            got,
        )
    }
}

/// Numbers that are not those of a shape.
pub(crate) fn mismatch(message: String, expected: usize, got: usize) -> Error {
    Error::Data {
        code: ErrorCode::DimMismatch,
        details: vec![
            ("expected", Detail::Int(expected as i64)),
            ("got", Detail::Int(got as i64)),
        ],
        message,
    }
}
