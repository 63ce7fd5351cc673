//! A cache of n-grams that is scored before it learns: probabilities of tokens from counts of what followed the same
//! context so far, interpolated over the lengths of the context (Jelinek and Mercer, 1980; counts with one prior weight).
//!
//! With `h_k` the last `k` tokens, `c` the counts and `V` the vocabulary, the probability of a token `w` is 1/V for no
//! counts, and for `k` from 0 to `order - 1` in turn `(c(h_k, w) + lambda * p) / (c(h_k) + lambda)`. A context that was
//! not seen ends that: it and the longer ones would leave `p` as it is.

use super::ngram_table::Table;
use crate::Error;
use tinyquant_codec::{Control, Error as CodecError, ErrorCode};

/// Longest context and the token after it.
const MAX_ORDER: usize = 64;
/// Tokens between two looks at whether the caller has cancelled.
const STRETCH: usize = 1 << 12;

/// Counts of the tokens that followed each context of up to `order - 1` tokens.
#[derive(Debug, Clone)]
pub struct NgramCache {
    order: usize,
    vocab: u32,
    lambda: f64,
    /// From a context and the token before it to the context longer by that token. Contexts are numbered; 0 is the empty
    /// one.
    longer: Table,
    /// From a context and a token to how often the token followed.
    counts: Table,
    /// How often each context was seen.
    totals: Vec<u32>,
    tokens: u64,
}

/// Probabilities of a model, to be mixed with those of the cache.
#[derive(Debug, Clone, Copy)]
pub struct Mixed<'a> {
    /// Natural logarithms of the model's probabilities, one for each token.
    pub log_probs: &'a [f64],
    /// Share of the cache, 0 to 1.
    pub alpha: f64,
}

impl NgramCache {
    /// An empty cache of n-grams of up to `order` tokens below `vocab`.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for an order outside 1 to 64, a vocabulary of less than 2 or a `lambda` that is not a finite
    /// number above 0.
    pub fn new(order: usize, vocab: u32, lambda: f64) -> Result<Self, Error> {
        if !(1..=MAX_ORDER).contains(&order) {
            return Err(Error::invalid(format!(
                "order must be from 1 to {MAX_ORDER}, got {order}"
            )));
        }
        if vocab < 2 {
            return Err(Error::invalid(format!(
                "vocab must be at least 2, got {vocab}"
            )));
        }
        if !(lambda > 0.0 && lambda.is_finite()) {
            return Err(Error::invalid(format!(
                "lambda must be a finite number above 0, got {lambda}"
            )));
        }
        Ok(Self {
            order,
            vocab,
            lambda,
            longer: Table::default(),
            counts: Table::default(),
            totals: vec![0],
            tokens: 0,
        })
    }

    /// Tokens of the longest n-gram.
    pub fn order(&self) -> usize {
        self.order
    }

    /// Tokens are below this.
    pub fn vocab(&self) -> u32 {
        self.vocab
    }

    /// Weight of the shorter contexts, in counts.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// Tokens that were counted.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Contexts that were seen, the empty one included once there is a token.
    pub fn contexts(&self) -> usize {
        if self.tokens == 0 {
            0
        } else {
            self.totals.len()
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.longer.bytes() + self.counts.bytes() + self.totals.len() * size_of::<u32>()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.longer = Table::default();
        self.counts = Table::default();
        self.totals = vec![0];
        self.tokens = 0;
    }

    /// Natural logarithm of the probability that `next` follows a context, of which the last `order - 1` tokens count.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for a token of `vocab` or more.
    pub fn log_prob(&self, context: &[u32], next: u32) -> Result<f64, Error> {
        self.check(context, "context")?;
        self.check(&[next], "next")?;
        Ok(libm::log(self.probability(context, next)))
    }

    /// Probabilities of all tokens after a context; they sum to 1.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for a token of `vocab` or more, `ERR_TQ_LIMIT` for more tokens than memory has room for.
    pub fn probabilities(&self, context: &[u32]) -> Result<Vec<f64>, Error> {
        self.check(context, "context")?;
        let mut all = Vec::new();
        let bytes = u64::from(self.vocab) * size_of::<f64>() as u64;
        all.try_reserve_exact(self.vocab as usize)
            .map_err(|_| CodecError::OutOfMemory { bytes })?;
        all.extend((0..self.vocab).map(|next| self.probability(context, next)));
        Ok(all)
    }

    /// Counts that `next` followed a context.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for a token of `vocab` or more, `ERR_TQ_LIMIT` for more than 2^32 contexts or tokens.
    pub fn update(&mut self, context: &[u32], next: u32) -> Result<(), Error> {
        self.check(context, "context")?;
        self.check(&[next], "next")?;
        self.check_room(1)?;
        self.count(context, next);
        Ok(())
    }

    /// Scores tokens one after another and counts each after its score was taken: natural logarithms of their
    /// probabilities, mixed with those of a model where there are any. What precedes the first token is `context`.
    ///
    /// # Errors
    /// `ERR_TQ_INVALID_ARG` for a token of `vocab` or more, a share outside 0 to 1 or a logarithm above 0,
    /// `ERR_TQ_DIM_MISMATCH` for another number of the model's logarithms than tokens, `ERR_TQ_LIMIT`, cancelled before
    /// anything was counted.
    pub fn score_and_update(
        &mut self,
        context: &[u32],
        tokens: &[u32],
        model: Option<Mixed<'_>>,
        control: &Control,
    ) -> Result<Vec<f64>, Error> {
        self.check(context, "context")?;
        self.check(tokens, "tokens")?;
        self.check_room(tokens.len())?;
        if let Some(model) = model {
            check_model(&model, tokens.len())?;
        }
        control.check()?;
        let kept = context.len().min(self.order - 1);
        let mut text = context[context.len() - kept..].to_vec();
        text.extend(tokens);
        let mut scores = Vec::with_capacity(tokens.len());
        for (at, next) in tokens.iter().enumerate() {
            if at % STRETCH == 0 {
                control.report(at, tokens.len());
            }
            let context = &text[..kept + at];
            let own = self.probability(context, *next);
            scores.push(match model {
                None => libm::log(own),
                Some(model) => mix(model.log_probs[at], libm::log(own), model.alpha),
            });
            self.count(context, *next);
        }
        Ok(scores)
    }

    fn probability(&self, context: &[u32], next: u32) -> f64 {
        let mut p = 1.0 / f64::from(self.vocab);
        let mut node = 0;
        for k in 0..self.order {
            let total = self.totals[node as usize];
            if total == 0 {
                break;
            }
            let count = self.counts.get(key(node, next)).unwrap_or(0);
            p = (f64::from(count) + self.lambda * p) / (f64::from(total) + self.lambda);
            let Some(before) = before(context, k) else {
                break;
            };
            match self.longer.get(key(node, before)) {
                Some(longer) => node = longer,
                None => break,
            }
        }
        p
    }

    fn count(&mut self, context: &[u32], next: u32) {
        let mut node = 0;
        for k in 0..self.order {
            self.totals[node as usize] += 1;
            *self.counts.entry(key(node, next), 0) += 1;
            if k + 1 == self.order {
                break;
            }
            let Some(before) = before(context, k) else {
                break;
            };
            let new = self.totals.len() as u32;
            node = *self.longer.entry(key(node, before), new);
            if node == new {
                self.totals.push(0);
            }
        }
        self.tokens += 1;
    }

    fn check(&self, tokens: &[u32], what: &str) -> Result<(), Error> {
        match tokens.iter().position(|token| *token >= self.vocab) {
            None => Ok(()),
            Some(at) => Err(Error::invalid(format!(
                "token {} at position {at} of {what} must be below the vocabulary of {}",
                tokens[at], self.vocab
            ))),
        }
    }

    /// Fails unless as many tokens can be counted: each may add `order - 1` contexts.
    fn check_room(&self, tokens: usize) -> Result<(), Error> {
        let contexts = (tokens as u64).saturating_mul(self.order as u64 - 1);
        let contexts = contexts.saturating_add(self.totals.len() as u64);
        let tokens = self.tokens.saturating_add(tokens as u64);
        if contexts < u64::from(u32::MAX) && tokens < u64::from(u32::MAX) {
            return Ok(());
        }
        Err(Error::data(
            ErrorCode::Limit,
            format!(
                "the cache counts fewer than 2^32 tokens and contexts, this would be {tokens} and {contexts}"
            ),
        ))
    }
}

/// The token `k + 1` places before the end of a context.
fn before(context: &[u32], k: usize) -> Option<u32> {
    context.len().checked_sub(k + 1).map(|at| context[at])
}

/// A context and a token. Contexts are below 2^32 - 1, so that no key is the largest.
fn key(node: u32, token: u32) -> u64 {
    u64::from(node) << 32 | u64::from(token)
}

/// `log((1 - alpha) * exp(model) + alpha * exp(own))`.
fn mix(model: f64, own: f64, alpha: f64) -> f64 {
    let (model, own) = (model + libm::log(1.0 - alpha), own + libm::log(alpha));
    let most = model.max(own);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + libm::log(libm::exp(model - most) + libm::exp(own - most))
}

fn check_model(model: &Mixed<'_>, tokens: usize) -> Result<(), Error> {
    let Mixed { log_probs, alpha } = *model;
    if !(0.0..=1.0).contains(&alpha) {
        return Err(Error::invalid(format!(
            "alpha must be from 0 to 1, got {alpha}"
        )));
    }
    if log_probs.len() != tokens {
        let got = log_probs.len();
        return Err(Error::data(
            ErrorCode::DimMismatch,
            format!("{got} logarithms of the model for {tokens} tokens"),
        ));
    }
    let is_bad = |value: &f64| value.is_nan() || *value > 1e-6;
    if let Some(at) = log_probs.iter().position(is_bad) {
        let value = log_probs[at];
        return Err(Error::invalid(format!(
            "the logarithm of a probability must be 0 or less, got {value} at position {at}"
        )));
    }
    Ok(())
}
