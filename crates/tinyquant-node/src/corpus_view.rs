//! Corpora as they were, for searches that begin elsewhere.

use crate::batch::NativeBatchParts;
use crate::error::{Failure, guard};
use crate::hits::NativeHits;
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::{number, pool};
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Object};
use napi_derive::napi;
use rayon::prelude::*;
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_corpus::{Corpus, Hit};

/// In place of the length of a list of rows: any row.
pub(crate) const ANY: u32 = u32::MAX;

/// A corpus as it was, with the vectors numbered from 0 on.
#[napi]
pub struct NativeCorpusView {
    corpus: Arc<Corpus>,
    /// Number of each vector in the corpus.
    numbers: Arc<Vec<u64>>,
}

#[napi]
impl NativeCorpusView {
    /// How many vectors there are.
    #[napi(getter)]
    pub fn rows(&self) -> f64 {
        self.numbers.len() as f64
    }

    /// The records of at most `count` vectors from `first` on.
    #[napi(
        ts_args_type = "first: number, count: number, abort: NativeAbort | null",
        ts_return_type = "Promise<NativeBatchParts>"
    )]
    pub fn page<'env>(
        &self,
        env: &'env Env,
        first: f64,
        count: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (corpus, numbers) = (Arc::clone(&self.corpus), Arc::clone(&self.numbers));
            let first = number::size(first, "first", None)?;
            let count = number::size(count, "count", None)?;
            let work = move |_: &Control<'_>| {
                let (mut packed, mut residuals) = (Vec::new(), Vec::new());
                if let Some(from) = numbers.get(first) {
                    let page = corpus.page_payloads(*from, u64::MAX, count)?;
                    for (codes, residual) in page.items {
                        packed.extend_from_slice(&codes);
                        residuals.extend_from_slice(&residual);
                    }
                }
                Ok((packed, residuals))
            };
            let request = Request {
                abort,
                ..Request::default()
            };
            job::start(env, request, Box::new(work), |_, (packed, residuals)| {
                Ok(NativeBatchParts {
                    packed: packed.into(),
                    residuals: residuals.into(),
                })
            })
        })
    }

    /// For each row of the queries the `topK` best of some vectors: those of the next `counts[i]` of the `rows`, or
    /// any where that is 2^32 - 1.
    #[napi(
        ts_args_type = "queries: Float32Array, rows: Uint32Array, counts: Uint32Array, topK: number, abort: NativeAbort | null",
        ts_return_type = "Promise<Array<NativeHits>>"
    )]
    pub fn search_among<'env>(
        &self,
        env: &'env Env,
        queries: Float32Array,
        rows: &[u32],
        counts: &[u32],
        top_k: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (corpus, numbers) = (Arc::clone(&self.corpus), Arc::clone(&self.numbers));
            let top_k = number::size(top_k, "topK", Some("InvalidTopK"))?;
            let queries = InputCopy::new(&queries)?;
            let lists = lists(rows, counts)?;
            let work = move |control: &Control<'_>| {
                let dimension = corpus.config().dimension();
                let queries: Vec<_> = queries.chunks_exact(dimension).zip(lists).collect();
                let search = |(query, list): (&[f32], Option<Vec<u32>>)| {
                    let Some(list) = list else {
                        let found = corpus.search(query, top_k, None, control)?;
                        return Ok(found.into_iter().flatten().collect());
                    };
                    let rows = list
                        .into_iter()
                        .map(|row| numbers.get(row as usize).copied());
                    let rows: Vec<u64> = rows.flatten().collect();
                    Ok(corpus.search_among(query, &rows, top_k, control)?)
                };
                let found: Result<Vec<Vec<Hit>>, Failure> =
                    pool::pool()?.install(|| queries.into_par_iter().map(search).collect());
                found
            };
            let request = Request {
                abort,
                ..Request::default()
            };
            job::start(env, request, Box::new(work), |_, hits| {
                let hits = hits.iter().map(|hits| NativeHits::from(hits.as_slice()));
                Ok(hits.collect::<Vec<_>>())
            })
        })
    }

    pub(crate) fn new(corpus: Arc<Corpus>) -> Result<Self, Failure> {
        let numbers = Arc::new(corpus.numbers()?);
        Ok(Self { corpus, numbers })
    }
}

/// The list of rows of each query; none where that is any row.
pub(crate) fn lists(rows: &[u32], counts: &[u32]) -> Result<Vec<Option<Vec<u32>>>, Failure> {
    let mut rest = rows;
    let lists = counts.iter().map(|count| {
        if *count == ANY {
            return Some(None);
        }
        let (list, after) = rest.split_at_checked(*count as usize)?;
        rest = after;
        Some(Some(list.to_vec()))
    });
    let lists: Option<Vec<_>> = lists.collect();
    lists.ok_or_else(|| {
        let message = format!("{} rows are fewer than the counts say", rows.len());
        Failure::invalid_arg(message, None)
    })
}
