//! The n-gram cache.

use crate::error::{Failure, guard};
use crate::job::{self, NativeAbort, Request};
use crate::memory::External;
use crate::number;
use napi::Env;
use napi::bindgen_prelude::{Float64Array, Object, ObjectFinalize};
use napi_derive::napi;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tinyquant_codec::Control;
use tinyquant_family::weights::{Mixed, NgramCache};

/// What a cache holds.
#[napi(object, object_from_js = false)]
pub struct NativeNgramStats {
    /// Tokens that were counted.
    pub tokens: f64,
    /// Contexts that were seen.
    pub contexts: f64,
    /// Bytes of memory.
    pub bytes: f64,
}

/// Counts of the tokens that followed each context.
#[napi(custom_finalize)]
pub struct NativeNgramCache {
    /// Locked by a job for as long as it runs.
    inner: Arc<Mutex<NgramCache>>,
    external: External,
}

#[napi]
impl NativeNgramCache {
    /// An empty cache.
    #[napi(constructor)]
    pub fn new(env: Env, order: f64, vocab: u32, lambda: f64) -> napi::Result<Self> {
        guard(env, || {
            let order = number::size(order, "order", None)?;
            let cache = NgramCache::new(order, vocab, lambda)?;
            let external = External::new(env, cache.bytes());
            Ok(Self {
                inner: Arc::new(Mutex::new(cache)),
                external,
            })
        })
    }

    /// What the cache holds; the garbage collector is told, too.
    #[napi]
    pub fn stats(&mut self, env: Env) -> NativeNgramStats {
        let cache = lock(&self.inner);
        let stats = NativeNgramStats {
            tokens: cache.tokens() as f64,
            contexts: cache.contexts() as f64,
            bytes: cache.bytes() as f64,
        };
        let bytes = cache.bytes();
        drop(cache);
        self.external.set(env, bytes);
        stats
    }

    /// Natural logarithm of a token's probability.
    #[napi]
    pub fn log_prob(&self, env: Env, context: &[u32], next: u32) -> napi::Result<f64> {
        guard(env, || Ok(lock(&self.inner).log_prob(context, next)?))
    }

    /// Probabilities of all tokens.
    #[napi]
    pub fn probabilities(&self, env: Env, context: &[u32]) -> napi::Result<Float64Array> {
        guard(env, || Ok(lock(&self.inner).probabilities(context)?.into()))
    }

    /// Counts a token; the garbage collector is told of the memory that this takes.
    #[napi]
    pub fn update(&mut self, env: Env, context: &[u32], next: u32) -> napi::Result<()> {
        guard(env, || {
            let mut cache = lock(&self.inner);
            cache.update(context, next)?;
            let bytes = cache.bytes();
            drop(cache);
            self.external.set(env, bytes);
            Ok(())
        })
    }

    /// Scores tokens and counts each after its score, and waits.
    #[napi(
        ts_args_type = "context: Uint32Array, tokens: Uint32Array, model: Float64Array | null, alpha: number"
    )]
    pub fn score_sync(
        &self,
        env: Env,
        context: &[u32],
        tokens: &[u32],
        model: Option<&[f64]>,
        alpha: f64,
    ) -> napi::Result<Float64Array> {
        guard(env, || {
            let model = model.map(|log_probs| Mixed { log_probs, alpha });
            let control = Control::default();
            let scores = lock(&self.inner).score_and_update(context, tokens, model, &control)?;
            Ok(scores.into())
        })
    }

    /// Scores tokens and counts each after its score, on the pool. All arrays are copied before this returns.
    #[napi(
        ts_args_type = "context: Uint32Array, tokens: Uint32Array, model: Float64Array | null, alpha: number, abort: NativeAbort | null",
        ts_return_type = "Promise<Float64Array>"
    )]
    #[allow(
        clippy::too_many_arguments,
        reason = "what to score, with what, and how to watch it"
    )]
    pub fn score<'env>(
        &self,
        env: &'env Env,
        context: &[u32],
        tokens: &[u32],
        model: Option<&[f64]>,
        alpha: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inner = Arc::clone(&self.inner);
            let (context, tokens) = (context.to_vec(), tokens.to_vec());
            let model = model.map(<[f64]>::to_vec);
            let work = move |control: &Control<'_>| -> Result<Vec<f64>, Failure> {
                let model = model.as_deref().map(|log_probs| Mixed { log_probs, alpha });
                Ok(lock(&inner).score_and_update(&context, &tokens, model, control)?)
            };
            let request = Request {
                abort,
                on_progress: None,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, scores| {
                Ok(Float64Array::from(scores))
            })
        })
    }

    /// Forgets everything.
    #[napi]
    pub fn clear(&self) {
        lock(&self.inner).clear();
    }
}

fn lock(cache: &Mutex<NgramCache>) -> MutexGuard<'_, NgramCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ObjectFinalize for NativeNgramCache {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
