//! What indexes are made for, and what is asked of them.

use crate::calls::answer;
use crate::failure::Failure;
use crate::pointers::Caller;
use crate::status::TqStatus;
use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use tinyquant_index::{
    BuildOptions, Filter, Id, IdKind, IndexConfig, Metric, Originals, Partitions, SearchOptions,
};

/// The cosine of query and vector, as their codes tell it: it may come out a little above 1.
pub const TQ_METRIC_COSINE: u32 = 0;
/// Their dot product.
pub const TQ_METRIC_DOT: u32 = 1;
/// Minus the square of their distance.
pub const TQ_METRIC_L2: u32 = 2;

/// Ids are whole numbers below 2^53, as JavaScript's numbers.
pub const TQ_ID_NUMBER: u32 = 0;
/// Ids are whole numbers below 2^64, JavaScript's bigints.
pub const TQ_ID_BIGINT: u32 = 1;
/// Ids are texts.
pub const TQ_ID_TEXT: u32 = 2;

/// The vectors are not kept beside their codes.
pub const TQ_ORIGINALS_NONE: u32 = 0;
/// They are kept, rounded to f16.
pub const TQ_ORIGINALS_F16: u32 = 1;
/// They are kept as they come.
pub const TQ_ORIGINALS_F32: u32 = 2;

/// Every row may be a hit.
pub const TQ_FILTER_NONE: u32 = 0;
/// The rows of `allowed_rows` may.
pub const TQ_FILTER_ROWS: u32 = 1;
/// The numbers of `allowed_numbers` may; unknown ones are passed over.
pub const TQ_FILTER_NUMBERS: u32 = 2;
/// The texts of `allowed_texts` may; unknown ones are passed over.
pub const TQ_FILTER_TEXTS: u32 = 3;

/// The last candidates are scored by the vectors where these are kept.
pub const TQ_RESCORE_AUTO: u32 = 0;
/// As `TQ_RESCORE_AUTO`.
pub const TQ_RESCORE_ON: u32 = 1;
/// They are scored by their codes.
pub const TQ_RESCORE_OFF: u32 = 2;

/// What an index is made for. `tq_index_options_init` sets all of it.
#[repr(C)]
pub struct TqIndexOptions {
    /// Components of a vector, 2 to 16384.
    pub dim: usize,
    /// Seed of the rotations; 42.
    pub seed: u64,
    /// Bits a component: 1, 2, 3, 4 or 8; 4.
    pub bits: u32,
    /// One of `TQ_METRIC_`; `TQ_METRIC_COSINE`.
    pub metric: u32,
    /// One of `TQ_ID_`; `TQ_ID_NUMBER`.
    pub id_kind: u32,
    /// One of `TQ_ORIGINALS_`; `TQ_ORIGINALS_NONE`.
    pub originals: u32,
    /// Of `tq_index_build` and its like: 0 for one random rotation, any other value for one that follows the vectors; 1.
    pub fit: u32,
    /// Of `tq_index_build` and its like: 0 for as many as suit the number of rows, else 1 (none) to 65536; 0.
    pub partitions: u32,
}

/// What is asked of an index. `tq_search_options_init` sets all of it.
#[repr(C)]
pub struct TqSearchOptions {
    /// Hits wanted, at least 1; 10.
    pub k: usize,
    /// How many candidates each stage keeps, relative to the default; finite and above 0; 1.
    pub effort: f32,
    /// 0, or any other value to score every row; 0.
    pub exact: u32,
    /// One of `TQ_RESCORE_`; `TQ_RESCORE_AUTO`.
    pub rescore: u32,
    /// One of `TQ_FILTER_`; `TQ_FILTER_NONE`.
    pub filter: u32,
    /// With `TQ_FILTER_ROWS`: one bit a row in order of adding, lowest first; those beyond the end are not set.
    pub allowed_rows: *const u8,
    /// With `TQ_FILTER_NUMBERS`: ids.
    pub allowed_numbers: *const u64,
    /// With `TQ_FILTER_TEXTS`: ids.
    pub allowed_texts: *const *const c_char,
    /// Bytes, numbers or texts of the filter.
    pub allowed_len: usize,
}

impl TqIndexOptions {
    /// The configuration that this stands for.
    pub(crate) fn config(&self) -> Result<IndexConfig, Failure> {
        let metrics = [Metric::Cosine, Metric::Dot, Metric::L2];
        let metric = pick(metrics, self.metric, "metric", "TQ_METRIC_")?;
        let kinds = [IdKind::Number, IdKind::Bigint, IdKind::Text];
        let id_kind = pick(kinds, self.id_kind, "id_kind", "TQ_ID_")?;
        let all = [Originals::None, Originals::F16, Originals::F32];
        let originals = pick(all, self.originals, "originals", "TQ_ORIGINALS_")?;
        let bits = u8::try_from(self.bits).unwrap_or(u8::MAX);
        let (dim, seed) = (self.dim, self.seed);
        Ok(IndexConfig::new(
            dim, bits, metric, seed, id_kind, originals,
        )?)
    }

    /// How the index is built.
    pub(crate) fn build_options(&self) -> BuildOptions {
        BuildOptions {
            fit: self.fit != 0,
            partitions: match self.partitions {
                0 => Partitions::Auto,
                count => Partitions::Count(count as usize),
            },
        }
    }
}

impl TqSearchOptions {
    /// The options that this stands for.
    pub(crate) fn options(&self, caller: &Caller) -> Result<SearchOptions, Failure> {
        let rescore = pick(
            [None, Some(true), Some(false)],
            self.rescore,
            "rescore",
            "TQ_RESCORE_",
        )?;
        Ok(SearchOptions {
            k: self.k,
            effort: self.effort,
            exact: self.exact != 0,
            rescore,
            filter: self.filter(caller)?,
        })
    }

    fn filter(&self, caller: &Caller) -> Result<Option<Filter>, Failure> {
        let len = self.allowed_len;
        Ok(match self.filter {
            TQ_FILTER_NONE => None,
            TQ_FILTER_ROWS => {
                let rows = caller.bytes(self.allowed_rows, len, "allowed_rows")?;
                Some(Filter::Rows(rows.to_vec()))
            }
            TQ_FILTER_NUMBERS => {
                let ids = caller.numbers(self.allowed_numbers, len, "allowed_numbers")?;
                Some(Filter::Ids(ids.iter().map(|id| Id::Whole(*id)).collect()))
            }
            TQ_FILTER_TEXTS => {
                let ids = caller.texts(self.allowed_texts, len, "allowed_texts")?;
                let ids = ids.iter().map(|id| Id::Text(Arc::from(id.0)));
                Some(Filter::Ids(ids.collect()))
            }
            filter => {
                let message = format!("filter must be one of TQ_FILTER_ (0 to 3), got {filter}");
                return Err(Failure::invalid_arg(message));
            }
        })
    }
}

/// The one of `all` that a number stands for.
fn pick<T: Copy>(all: [T; 3], number: u32, name: &str, prefix: &str) -> Result<T, Failure> {
    let found = all.get(number as usize).copied();
    found.ok_or_else(|| {
        Failure::invalid_arg(format!(
            "{name} must be one of {prefix} (0, 1 or 2), got {number}"
        ))
    })
}

/// Sets options to the defaults that their fields name, for vectors of `dim` components.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_index_options_init(
    options: *mut TqIndexOptions,
    dim: usize,
) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        caller.out(options, "options")?.set(TqIndexOptions {
            dim,
            seed: 42,
            bits: 4,
            metric: TQ_METRIC_COSINE,
            id_kind: TQ_ID_NUMBER,
            originals: TQ_ORIGINALS_NONE,
            fit: 1,
            partitions: 0,
        });
        Ok(())
    })
}

/// Sets options to the defaults that their fields name.
///
/// # Errors
/// `TQ_ERR_INVALID_ARG`.
///
/// # Safety
/// The rules on pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tq_search_options_init(options: *mut TqSearchOptions) -> TqStatus {
    // SAFETY: the caller keeps to the rules on pointers.
    let caller = unsafe { Caller::new() };
    answer(|| {
        caller.out(options, "options")?.set(TqSearchOptions {
            k: 10,
            effort: 1.0,
            exact: 0,
            rescore: TQ_RESCORE_AUTO,
            filter: TQ_FILTER_NONE,
            allowed_rows: ptr::null(),
            allowed_numbers: ptr::null(),
            allowed_texts: ptr::null(),
            allowed_len: 0,
        });
        Ok(())
    })
}
