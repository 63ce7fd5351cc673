//! Rows on a device, and searches among them.

use crate::backend::NativeGpu;
use crate::coding::NativeCoding;
use crate::error::{Failure, guard};
use crate::job::{self, NativeAbort, Request, Work};
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Object, Uint8Array, Uint32Array};
use napi_derive::napi;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tinyquant_codec::{Control, ErrorCode, copy_into};
use tinyquant_gpu::{FactorCode, Prepared, Queries, Shortlist, UnitPlan};

/// In place of the length of a list of rows: any row.
const ANY: u32 = u32::MAX;

/// Rows on a device.
#[napi]
pub struct NativePrepared {
    /// Shared with the jobs that are under way. None once closed.
    inner: Option<Arc<Mutex<Prepared>>>,
}

/// How the rows of a search index are coded.
#[napi(object, object_to_js = false)]
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

/// The rows that may be among the best of each query, one query after another.
#[napi(object, object_from_js = false)]
pub struct NativeShortlists {
    /// Rows.
    pub rows: Uint32Array,
    /// How many of them belong to each query; 2^32 - 1 where any row may be among the best.
    pub counts: Uint32Array,
}

#[napi]
impl NativeGpu {
    /// Makes room for records, which are pushed later.
    #[napi(
        ts_args_type = "coding: NativeCoding, rows: number",
        ts_return_type = "Promise<NativePrepared>"
    )]
    pub fn prepare_records<'env>(
        &self,
        env: &'env Env,
        coding: NativeCoding,
        rows: f64,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let backend = Arc::clone(self.open()?);
            let (config, codebook) = coding.parse()?;
            let work = move |_: &Control<'_>| {
                Ok(Prepared::codebook(
                    backend,
                    config,
                    codebook,
                    rows as usize,
                )?)
            };
            start(env, Box::new(work))
        })
    }

    /// Makes room for rows of a search index, which are pushed later.
    #[napi(
        ts_args_type = "plan: NativeUnitPlan, rows: number",
        ts_return_type = "Promise<NativePrepared>"
    )]
    pub fn prepare_units<'env>(
        &self,
        env: &'env Env,
        plan: NativeUnitPlan,
        rows: f64,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let backend = Arc::clone(self.open()?);
            let factors = plan.factor_bases.iter().zip(plan.factor_shifts.iter());
            let factors = factors.map(|(base, shift)| FactorCode {
                base: *base,
                shift: *shift,
            });
            let units = plan.segment_units.iter().map(|units| *units as usize);
            let plan = UnitPlan {
                widths: plan.widths.to_vec(),
                segments: units.zip(factors).collect(),
                has_norms: plan.has_norms,
            };
            let work = move |_: &Control<'_>| Ok(Prepared::units(backend, plan, rows as usize)?);
            start(env, Box::new(work))
        })
    }
}

#[napi]
impl NativePrepared {
    /// Bytes of device memory that the rows take.
    #[napi]
    pub fn bytes(&self, env: Env) -> napi::Result<f64> {
        guard(env, || Ok(lock(self.open()?).bytes() as f64))
    }

    /// Appends records, which are copied before this returns.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn push_records<'env>(
        &self,
        env: &'env Env,
        packed: &[u8],
        residuals: &[u8],
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inner = Arc::clone(self.open()?);
            let (packed, residuals) = (packed.to_vec(), residuals.to_vec());
            let work = move |_: &Control<'_>| Ok(lock(&inner).push_records(&packed, &residuals)?);
            job::start(env, Request::default(), Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Appends rows of a search index, which are copied before this returns.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn push_units<'env>(
        &self,
        env: &'env Env,
        codes: &[u8],
        factors: &[u8],
        norms: &[f32],
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inner = Arc::clone(self.open()?);
            let (codes, factors, norms) = (codes.to_vec(), factors.to_vec(), norms.to_vec());
            let work =
                move |_: &Control<'_>| Ok(lock(&inner).push_units(&codes, &factors, &norms)?);
            job::start(env, Request::default(), Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Shortlists of rows for queries of records.
    #[napi(
        ts_args_type = "queries: Float32Array, k: number, abort: NativeAbort | null",
        ts_return_type = "Promise<NativeShortlists>"
    )]
    pub fn search_vectors<'env>(
        &self,
        env: &'env Env,
        queries: &[f32],
        k: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inner = Arc::clone(self.open()?);
            let queries = copy_into(Vec::new(), queries)?;
            let work = move |control: &Control<'_>| {
                let queries = Queries::Vectors(&queries);
                Ok(lock(&inner).search(queries, k as usize, control)?)
            };
            shortlists(env, abort, Box::new(work))
        })
    }

    /// Shortlists of rows for queries of a search index.
    #[napi(
        ts_args_type = "codes: Int8Array, scales: Float32Array, terms: Float32Array, k: number, abort: NativeAbort | null",
        ts_return_type = "Promise<NativeShortlists>"
    )]
    pub fn search_units<'env>(
        &self,
        env: &'env Env,
        codes: &[i8],
        scales: &[f32],
        terms: Float32Array,
        k: f64,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let inner = Arc::clone(self.open()?);
            let (codes, scales, terms) = (codes.to_vec(), scales.to_vec(), terms.to_vec());
            let work = move |control: &Control<'_>| {
                let queries = Queries::Units {
                    codes: &codes,
                    scales: &scales,
                    terms: &terms,
                };
                Ok(lock(&inner).search(queries, k as usize, control)?)
            };
            shortlists(env, abort, Box::new(work))
        })
    }

    /// Lets go of the rows once the calls that were made before are done.
    #[napi]
    pub fn close(&mut self) {
        self.inner = None;
    }

    fn open(&self) -> Result<&Arc<Mutex<Prepared>>, Failure> {
        let closed = || {
            Failure::new(
                ErrorCode::Closed,
                "the PreparedCorpus has been closed".to_owned(),
            )
        };
        self.inner.as_ref().ok_or_else(closed)
    }
}

/// Queues what makes room for rows.
fn start(env: &Env, work: Work<Prepared>) -> Result<Object<'_>, Failure> {
    job::start(env, Request::default(), work, |_, prepared| {
        let inner = Some(Arc::new(Mutex::new(prepared)));
        Ok(NativePrepared { inner })
    })
}

/// Queues a search.
fn shortlists<'env>(
    env: &'env Env,
    abort: Option<&NativeAbort>,
    work: Work<Vec<Shortlist>>,
) -> Result<Object<'env>, Failure> {
    let request = Request {
        abort,
        ..Request::default()
    };
    job::start(env, request, work, |_, lists| {
        let counts = lists
            .iter()
            .map(|list| list.as_ref().map_or(ANY, |list| list.len() as u32));
        let counts: Vec<u32> = counts.collect();
        let rows: Vec<u32> = lists.into_iter().flatten().flatten().collect();
        Ok(NativeShortlists {
            rows: rows.into(),
            counts: counts.into(),
        })
    })
}

fn lock(prepared: &Mutex<Prepared>) -> MutexGuard<'_, Prepared> {
    prepared.lock().unwrap_or_else(PoisonError::into_inner)
}
