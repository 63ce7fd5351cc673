//! Search indexes as they were, for searches that begin elsewhere.

use crate::corpus_view::lists;
use crate::error::{Failure, guard};
use crate::index_hits::{JoinedHits, NativeIndexHits};
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::{number, pool};
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Int8Array, Object, Uint8Array, Uint32Array};
use napi_derive::napi;
use rayon::prelude::*;
use std::sync::Arc;
use tinyquant_codec::Control;
use tinyquant_index::{Hits, View};

/// The rows of an index as they were, numbered from 0 on.
#[napi]
pub struct NativeIndexView {
    view: Arc<View>,
}

/// How rows are coded.
#[napi(object, object_from_js = false)]
pub struct NativeUnitPlan {
    /// Bits of the codes of each unit of 64 components.
    pub widths: Uint8Array,
    /// Units of each segment.
    pub segment_units: Uint32Array,
    /// Bits of the f32 below the smallest factor of each segment.
    pub factor_bases: Uint32Array,
    /// By how many bits a byte of a factor is shifted, for each segment.
    pub factor_shifts: Uint32Array,
    /// Whether rows have lengths.
    pub has_norms: bool,
}

/// Codes of some rows.
#[napi(object, object_from_js = false)]
pub struct NativeCodedPage {
    /// A byte for each code.
    pub codes: Uint8Array,
    /// A byte for the factor of each segment.
    pub factors: Uint8Array,
    /// Lengths, where rows have them.
    pub norms: Float32Array,
}

/// Queries as whole numbers.
#[napi(object, object_from_js = false)]
pub struct NativeUnitQueries {
    /// From -127 to 127.
    pub codes: Int8Array,
    /// What they were divided by, for each segment.
    pub scales: Float32Array,
    /// Base, slope and bend of each query.
    pub terms: Float32Array,
}

#[napi]
impl NativeIndexView {
    /// How many rows there are.
    #[napi(getter)]
    pub fn rows(&self) -> f64 {
        self.view.len() as f64
    }

    /// How rows are coded.
    #[napi]
    pub fn plan(&self) -> NativeUnitPlan {
        let segments = self.view.segments();

        NativeUnitPlan {
            widths: self.view.widths().into(),
            segment_units: segments
                .iter()
                .map(|(units, _)| *units as u32)
                .collect::<Vec<_>>()
                .into(),
            factor_bases: segments
                .iter()
                .map(|(_, factor)| factor.base)
                .collect::<Vec<_>>()
                .into(),
            factor_shifts: segments
                .iter()
                .map(|(_, factor)| factor.shift)
                .collect::<Vec<_>>()
                .into(),
            has_norms: self.view.has_norms(),
        }
    }

    /// The codes of at most `count` rows from `first` on.
    #[napi(
        ts_args_type = "first: number, count: number, abort: NativeAbort | null",
        ts_return_type = "Promise<NativeCodedPage>"
    )]
    pub fn page<'env>(
        &self,
        env: &'env Env,
        first: f64,
        count: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let view = Arc::clone(&self.view);
            let first = number::size(first, "first", None)?;
            let count = number::size(count, "count", None)?;
            let work = move |_: &Control<'_>| Ok(view.page(first..first.saturating_add(count)));
            let request = Request {
                abort,
                ..Request::default()
            };
            job::start(env, request, Box::new(work), |_, page| {
                Ok(NativeCodedPage {
                    codes: page.codes.into(),
                    factors: page.factors.into(),
                    norms: page.norms.into(),
                })
            })
        })
    }

    /// Rows of the dimension as whole numbers.
    #[napi]
    pub fn queries(&self, env: Env, values: &[f32]) -> napi::Result<NativeUnitQueries> {
        guard(env, || {
            let queries = self.view.queries(values)?;
            Ok(NativeUnitQueries {
                codes: queries.codes.into(),
                scales: queries.scales.into(),
                terms: queries.terms.into(),
            })
        })
    }

    /// How many of the best rows by codes decide the `k` best.
    #[napi]
    pub fn candidates(&self, env: Env, k: f64, rescore: bool) -> napi::Result<f64> {
        guard(env, || {
            let k = number::size(k, "k", None)?;
            Ok(self.view.candidates(k, rescore) as f64)
        })
    }

    /// For each row of the queries the `k` best of some rows: those of the next `counts[i]` of the `rows`, or any
    /// where that is 2^32 - 1.
    #[napi(
        ts_args_type = "queries: Float32Array, rows: Uint32Array, counts: Uint32Array, k: number, rescore: boolean, abort: NativeAbort | null",
        ts_return_type = "Promise<NativeIndexHits>"
    )]
    #[allow(
        clippy::too_many_arguments,
        reason = "each property of an options object would cost a look-up"
    )]
    pub fn search_among<'env>(
        &self,
        env: &'env Env,
        queries: &[f32],
        rows: &[u32],
        counts: &[u32],
        k: f64,
        rescore: bool,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let view = Arc::clone(&self.view);
            let k = number::size(k, "k", None)?;
            let queries = InputCopy::new(queries)?;
            let lists = lists(rows, counts)?;
            let work = move |control: &Control<'_>| {
                let dim = view.config().dim();
                let queries: Vec<_> = queries.chunks_exact(dim).zip(lists).collect();
                let search = |(query, list): (&[f32], Option<Vec<u32>>)| {
                    Ok(view.search_among(query, list.as_deref(), k, rescore, control)?)
                };
                let found: Result<Vec<Hits>, Failure> =
                    pool::pool()?.install(|| queries.into_par_iter().map(search).collect());
                Ok(JoinedHits::new(found?, view.config().id_kind()))
            };
            let request = Request {
                abort,
                ..Request::default()
            };
            job::start(env, request, Box::new(work), |_, hits| {
                Ok(NativeIndexHits::from(hits))
            })
        })
    }

    pub(crate) fn new(view: View) -> Self {
        let view = Arc::new(view);
        Self { view }
    }
}
