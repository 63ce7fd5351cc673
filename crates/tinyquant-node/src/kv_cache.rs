//! Quantized keys and values of attention.

use crate::error::{Failure, guard};
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::memory::External;
use crate::number;
use crate::turboquant::{bits_of, method_of, wait};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Float32Array, Object, ObjectFinalize};
use napi_derive::napi;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tinyquant_codec::Control;
use tinyquant_family::turboquant::{Attend, KvCache, KvCacheConfig, KvTokens};

/// What a cache is made for.
#[napi(object, object_to_js = false)]
pub struct NativeKvCacheConfig {
    /// Heads of keys and values.
    pub heads: f64,
    /// Components of a key and of a value.
    pub head_dim: f64,
    /// How keys are quantized.
    #[napi(ts_type = "'mse' | 'unbiased' | 'gaussian' | 'rotation'")]
    pub keys: String,
    /// Bits of a component of a key.
    pub key_bits: f64,
    /// Bits of a component of a value.
    pub value_bits: f64,
    /// Seed of the keys' codec.
    pub key_seed: BigInt,
    /// Seed of the values' codec.
    pub value_seed: BigInt,
    /// What scores are multiplied with.
    pub scale: Option<f64>,
}

/// A cache as it is now; a job that reads it keeps it as it was.
type Shared = Arc<Mutex<Arc<KvCache>>>;

/// A key-value cache.
#[napi(custom_finalize)]
pub struct NativeKvCache {
    inner: Shared,
    external: External,
}

#[napi]
impl NativeKvCache {
    /// A cache without tokens.
    #[napi(constructor)]
    pub fn new(env: Env, config: NativeKvCacheConfig) -> napi::Result<Self> {
        guard(env, || {
            let cache = KvCache::new(KvCacheConfig {
                heads: number::size(config.heads, "heads", None)?,
                head_dim: number::size(config.head_dim, "headDim", None)?,
                keys: method_of(&config.keys)?,
                key_bits: bits_of(config.key_bits, "keyBits")?,
                value_bits: bits_of(config.value_bits, "valueBits")?,
                key_seed: number::seed(&config.key_seed)?,
                value_seed: number::seed(&config.value_seed)?,
                scale: config.scale.map(|scale| scale as f32),
            })?;
            let external = External::new(env, cache.memory());
            Ok(Self {
                inner: Arc::new(Mutex::new(Arc::new(cache))),
                external,
            })
        })
    }

    /// Tokens of each head.
    #[napi]
    pub fn length(&self) -> f64 {
        lock(&self.inner).len() as f64
    }

    /// Bytes of keys and values.
    #[napi]
    pub fn nbytes(&self) -> f64 {
        lock(&self.inner).nbytes() as f64
    }

    /// What scores are multiplied with.
    #[napi]
    pub fn scale(&self) -> f64 {
        f64::from(lock(&self.inner).scale())
    }

    /// Adds tokens of `[heads, tokens, head_dim]` and waits for it; returns the new length.
    #[napi]
    pub fn append_sync(&mut self, env: Env, keys: &[f32], values: &[f32]) -> napi::Result<f64> {
        guard(env, || {
            let cache = snapshot(&self.inner);
            let rows = keys.len() / cache.config().head_dim;
            let work = || Ok(cache.encode(keys, values, &Control::default())?);
            let tokens = wait(rows, work)?;
            drop(cache);
            let len = push(&self.inner, &tokens)?;
            self.report(env);
            Ok(len)
        })
    }

    /// Quantizes tokens on the pool and adds them when that is done. They are copied before this returns.
    #[napi(
        ts_args_type = "keys: Float32Array, values: Float32Array, abort: NativeAbort | null",
        ts_return_type = "Promise<number>"
    )]
    pub fn append<'env>(
        &self,
        env: &'env Env,
        keys: &[f32],
        values: &[f32],
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let shared = Arc::clone(&self.inner);
            let (keys, values) = (InputCopy::new(keys)?, InputCopy::new(values)?);
            let work = move |control: &Control<'_>| {
                let tokens = snapshot(&shared).encode(&keys, &values, control)?;
                Ok((shared, tokens))
            };
            let request = Request {
                abort,
                on_progress: None,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, (shared, tokens)| {
                push(&shared, &tokens)
            })
        })
    }

    /// Drops the tokens from `len` on.
    #[napi]
    pub fn truncate(&mut self, env: Env, len: f64) -> napi::Result<()> {
        guard(env, || {
            let len = number::size(len, "length", None)?;
            Arc::make_mut(&mut lock(&self.inner)).truncate(len)?;
            self.report(env);
            Ok(())
        })
    }

    /// Attends and waits for it.
    #[napi]
    pub fn attend_sync(
        &self,
        env: Env,
        queries: &[f32],
        query_heads: f64,
        causal: bool,
        mask: Option<&[u8]>,
    ) -> napi::Result<Float32Array> {
        guard(env, || {
            let cache = snapshot(&self.inner);
            let attend = Attend {
                query_heads: number::size(query_heads, "queryHeads", None)?,
                causal,
                mask,
            };
            let rows = queries.len() / cache.config().head_dim;
            let work = || Ok(cache.attend(queries, &attend, &Control::default())?);
            Ok(wait(rows.saturating_mul(cache.len()), work)?.into())
        })
    }

    /// Attends on the pool, to the tokens that there are now. Queries and mask are copied before this returns.
    #[napi(
        ts_args_type = "queries: Float32Array, queryHeads: number, causal: boolean, mask: Uint8Array | null, abort: NativeAbort | null",
        ts_return_type = "Promise<Float32Array>"
    )]
    pub fn attend<'env>(
        &self,
        env: &'env Env,
        queries: &[f32],
        query_heads: f64,
        causal: bool,
        mask: Option<&[u8]>,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let cache = snapshot(&self.inner);
            let query_heads = number::size(query_heads, "queryHeads", None)?;
            let (queries, mask) = (InputCopy::new(queries)?, mask.map(<[u8]>::to_vec));
            let work = move |control: &Control<'_>| {
                let attend = Attend {
                    query_heads,
                    causal,
                    mask: mask.as_deref(),
                };
                Ok(cache.attend(&queries, &attend, control)?)
            };
            let request = Request {
                abort,
                on_progress: None,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, values| {
                Ok(Float32Array::from(values))
            })
        })
    }

    /// Tells the garbage collector what the cache keeps after a job has changed it.
    #[napi]
    pub fn report_memory(&mut self, env: Env) {
        self.report(env);
    }

    fn report(&mut self, env: Env) {
        let bytes = lock(&self.inner).memory();
        self.external.set(env, bytes);
    }
}

/// The cache as it is now.
fn snapshot(shared: &Shared) -> Arc<KvCache> {
    Arc::clone(&lock(shared))
}

/// Adds tokens; a job that reads the cache keeps its own.
fn push(shared: &Shared, tokens: &KvTokens) -> Result<f64, Failure> {
    Ok(Arc::make_mut(&mut lock(shared)).push(tokens)? as f64)
}

fn lock(shared: &Shared) -> MutexGuard<'_, Arc<KvCache>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ObjectFinalize for NativeKvCache {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
