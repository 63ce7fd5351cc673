//! Search indexes.

use crate::error::{Failure, guard};
use crate::index_config::NativeIndexConfig;
use crate::index_hits::{JoinedHits, NativeIndexHits};
use crate::index_stats::NativeIndexStats;
use crate::index_view::NativeIndexView;
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::memory::External;
use crate::progress::{self, OnProgress};
use crate::search_ids::{self, GivenId, GivenIds, TakenIds};
use crate::{number, pool};
use napi::Env;
use napi::bindgen_prelude::{Either, Float32Array, Object, ObjectFinalize, Uint8Array};
use napi_derive::napi;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tinyquant_codec::Control;
use tinyquant_index::{BuildOptions, Filter, Index, Partitions, SearchOptions};
use tinyquant_store::{IndexFile, IndexLink, Probe, Source};

/// Rows that one thread adds sooner than others could be woken for them.
const FEW_ROWS: usize = 64;

/// Rows that a search may return: a bitmap by row, lowest bit first, or ids.
type GivenFilter<'a> = Either<&'a [u8], GivenIds<'a>>;

/// Quantized vectors under ids, and search over them.
#[napi(custom_finalize)]
pub struct NativeSearchIndex {
    /// Shared with the jobs that are under way. None once closed.
    inner: Option<Arc<Index>>,
    /// The file that it was opened from or saved to last.
    link: Arc<Mutex<Option<IndexLink>>>,
    external: External,
}

#[napi]
impl NativeSearchIndex {
    /// An empty index.
    #[napi(constructor)]
    pub fn new(env: Env, config: NativeIndexConfig) -> napi::Result<Self> {
        guard(env, || {
            Ok(Self::wrap(env, (Index::new(config.parse()?)?, None)))
        })
    }

    /// Opens an index file on this thread.
    #[napi(factory)]
    pub fn open_sync(env: Env, path: String, mmap: bool, verify: bool) -> napi::Result<Self> {
        guard(env, || {
            let opened = pool::wait(|| open(&path, mmap, verify, &Control::default()))?;
            Ok(Self::wrap(env, opened))
        })
    }

    /// An index from the bytes of a file.
    #[napi(factory)]
    pub fn from_bytes(env: Env, bytes: &[u8]) -> napi::Result<Self> {
        guard(env, || {
            let file = IndexFile::from_source(Source::from_bytes(bytes.to_vec()))?;
            Ok(Self::wrap(env, file.into_index()?))
        })
    }

    /// What the index is made for.
    #[napi]
    pub fn config(&self, env: Env) -> napi::Result<NativeIndexConfig> {
        guard(env, || Ok(self.open()?.config().into()))
    }

    /// How many vectors there are.
    #[napi]
    pub fn size(&self, env: Env) -> napi::Result<f64> {
        guard(env, || Ok(self.open()?.len() as f64))
    }

    /// Whether segments are fitted.
    #[napi]
    pub fn is_fitted(&self, env: Env) -> napi::Result<bool> {
        guard(env, || Ok(self.open()?.is_fitted()))
    }

    /// What the index consists of.
    #[napi]
    pub fn stats(&self, env: Env) -> napi::Result<NativeIndexStats> {
        guard(env, || Ok(self.open()?.stats().into()))
    }

    /// Fits an empty index to rows on the pool. Nothing may write to them until the promise settles.
    #[napi(
        ts_args_type = "sample: Float32Array, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<void>"
    )]
    pub fn fit<'env>(
        &self,
        env: &'env Env,
        sample: Float32Array,
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let index = Arc::clone(self.open()?);
            let sample = Arc::new(sample);
            let request = Request {
                abort,
                on_progress,
                input: Some(Arc::clone(&sample)),
            };
            let work = move |control: &Control<'_>| {
                let rows = sample.len() / index.config().dim();
                progress::scaled(control, rows, |control| Ok(index.fit(&sample, control)?))
            };
            job::start(env, request, Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Adds rows or none of them on the pool. Nothing may write to them until the promise settles. With `replace` their
    /// ids may be taken: they name these rows then.
    #[napi(
        ts_args_type = "vectors: Float32Array, ids: Float64Array | BigUint64Array | Array<string> | null, replace: boolean, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<void>"
    )]
    pub fn add<'env>(
        &self,
        env: &'env Env,
        vectors: Float32Array,
        ids: Option<GivenIds<'_>>,
        replace: bool,
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let index = Arc::clone(self.open()?);
            let ids = ids.map(search_ids::list_of).transpose()?;
            let vectors = Arc::new(vectors);
            let request = Request {
                abort,
                on_progress,
                input: Some(Arc::clone(&vectors)),
            };
            let work = move |control: &Control<'_>| {
                let ids = search_ids::ids_of(ids);
                let rows = vectors.len() / index.config().dim();
                progress::scaled(control, rows, |control| {
                    let write = if replace { Index::replace } else { Index::add };
                    Ok(write(&index, &vectors, ids, control)?)
                })
            };
            job::start(env, request, Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Adds rows or none of them on this thread's time.
    #[napi(
        ts_args_type = "vectors: Float32Array, ids: Float64Array | BigUint64Array | Array<string> | null"
    )]
    pub fn add_sync(
        &mut self,
        env: Env,
        vectors: &[f32],
        ids: Option<GivenIds<'_>>,
    ) -> napi::Result<()> {
        guard(env, || {
            let index = self.open()?;
            let ids = search_ids::ids_of(ids.map(search_ids::list_of).transpose()?);
            let add = || Ok(index.add(vectors, ids, &Control::default())?);
            if vectors.len() / index.config().dim() <= FEW_ROWS {
                add()?;
            } else {
                pool::wait(add)?;
            }
            self.report(env);
            Ok(())
        })
    }

    /// Removes vectors and returns how many there were; unknown ids are passed over.
    #[napi(ts_args_type = "ids: Float64Array | BigUint64Array | Array<string>")]
    pub fn remove(&mut self, env: Env, ids: GivenIds<'_>) -> napi::Result<f64> {
        guard(env, || {
            let ids = search_ids::list_of(ids)?;
            let removed = self.open()?.remove(&search_ids::references(&ids))?;
            self.report(env);
            Ok(removed as f64)
        })
    }

    /// Removes all vectors and returns how many there were.
    #[napi]
    pub fn clear(&mut self, env: Env) -> napi::Result<f64> {
        guard(env, || {
            let removed = self.open()?.clear();
            self.report(env);
            Ok(removed as f64)
        })
    }

    /// Whether there is a vector with this id.
    #[napi(ts_args_type = "id: number | bigint | string")]
    pub fn has(&self, env: Env, id: GivenId) -> napi::Result<bool> {
        guard(env, || {
            let id = search_ids::id_of(id)?;
            Ok(self.open()?.has(search_ids::reference(&id))?)
        })
    }

    /// The ids in order of adding.
    #[napi(ts_return_type = "Float64Array | BigUint64Array | Array<string>")]
    pub fn ids(&self, env: Env) -> napi::Result<TakenIds> {
        guard(env, || {
            let index = self.open()?;
            Ok(search_ids::taken(index.ids()?, index.config().id_kind()))
        })
    }

    /// The components of one vector.
    #[napi(ts_args_type = "id: number | bigint | string")]
    pub fn reconstruct(&self, env: Env, id: GivenId) -> napi::Result<Float32Array> {
        guard(env, || {
            let id = search_ids::id_of(id)?;
            let vector = self.open()?.reconstruct(search_ids::reference(&id))?;
            Ok(vector.into())
        })
    }

    /// For each row of the queries the `k` best vectors, on the pool. The queries are copied before this returns.
    #[napi(
        ts_args_type = "queries: Float32Array, k: number, effort: number, exact: boolean, rescore: boolean | null, filter: Uint8Array | Float64Array | BigUint64Array | Array<string> | null, abort: NativeAbort | null",
        ts_return_type = "Promise<NativeIndexHits>"
    )]
    #[allow(
        clippy::too_many_arguments,
        reason = "each property of an options object would cost a look-up"
    )]
    pub fn search<'env>(
        &self,
        env: &'env Env,
        queries: &[f32],
        k: f64,
        effort: f64,
        exact: bool,
        rescore: Option<bool>,
        filter: Option<GivenFilter<'_>>,
        abort: Option<&NativeAbort>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let index = Arc::clone(self.open()?);
            let options = search_options(k, effort, exact, rescore, filter)?;
            let queries = InputCopy::new(queries)?;
            let request = Request {
                abort,
                on_progress: None,
                input: None,
            };
            let work = move |control: &Control<'_>| search(&index, &queries, &options, control);
            job::start(env, request, Box::new(work), |_, hits| {
                Ok(NativeIndexHits::from(hits))
            })
        })
    }

    /// For each row of the queries the `k` best vectors; one query is answered by this thread alone.
    #[napi(
        ts_args_type = "queries: Float32Array, k: number, effort: number, exact: boolean, rescore: boolean | null, filter: Uint8Array | Float64Array | BigUint64Array | Array<string> | null"
    )]
    #[allow(
        clippy::too_many_arguments,
        reason = "each property of an options object would cost a look-up"
    )]
    pub fn search_sync(
        &self,
        env: Env,
        queries: &[f32],
        k: f64,
        effort: f64,
        exact: bool,
        rescore: Option<bool>,
        filter: Option<GivenFilter<'_>>,
    ) -> napi::Result<NativeIndexHits> {
        guard(env, || {
            let index = self.open()?;
            let options = search_options(k, effort, exact, rescore, filter)?;
            let control = Control::default();
            let hits = if queries.len() == index.config().dim() {
                search(index, queries, &options, &control)?
            } else {
                pool::wait(|| search(index, queries, &options, &control))?
            };
            Ok(hits.into())
        })
    }

    /// Writes the index as it is when the job begins to a file on the pool, all of it or, with `append`, what the file
    /// that it was opened from or saved to lacks. Saves of one index wait for each other.
    #[napi(
        ts_args_type = "path: string, append: boolean, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<void>"
    )]
    pub fn save<'env>(
        &self,
        env: &'env Env,
        path: String,
        append: bool,
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (index, link) = (Arc::clone(self.open()?), Arc::clone(&self.link));
            let work = move |control: &Control<'_>| {
                progress::scaled(control, index.len(), |control| {
                    save(&index, &mut lock(&link), &path, append, control)
                })
            };
            let request = Request {
                abort,
                on_progress,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Writes the index to a file on this thread.
    #[napi]
    pub fn save_sync(&self, env: Env, path: String) -> napi::Result<()> {
        guard(env, || {
            let (index, control) = (self.open()?, Control::default());
            save(index, &mut lock(&self.link), &path, false, &control)
        })
    }

    /// The bytes of a file of the index.
    #[napi]
    pub fn to_bytes(&self, env: Env) -> napi::Result<Uint8Array> {
        guard(env, || {
            Ok(tinyquant_store::index_to_bytes(self.open()?)?.into())
        })
    }

    /// Tells the garbage collector what the index keeps after a job has changed it.
    #[napi]
    pub fn report_memory(&mut self, env: Env) {
        self.report(env);
    }

    /// The rows as they are now, for a search elsewhere.
    #[napi]
    pub fn view(&self, env: Env) -> napi::Result<NativeIndexView> {
        guard(env, || Ok(NativeIndexView::new(self.open()?.view()?)))
    }

    /// Lets go of memory and file.
    #[napi]
    pub fn close(&mut self, env: Env) {
        self.inner = None;
        self.link = Arc::default();
        self.external.release(env);
    }

    fn wrap(env: Env, (index, link): (Index, Option<IndexLink>)) -> Self {
        let external = External::new(env, index.stats().heap_bytes);
        Self {
            inner: Some(Arc::new(index)),
            link: Arc::new(Mutex::new(link)),
            external,
        }
    }

    fn open(&self) -> Result<&Arc<Index>, Failure> {
        self.inner
            .as_ref()
            .ok_or_else(|| Failure::closed("SearchIndex"))
    }

    fn report(&mut self, env: Env) {
        let bytes = self.inner.as_ref();
        let bytes = bytes.map_or(0, |index| index.stats().heap_bytes);
        self.external.set(env, bytes);
    }
}

/// Builds an index of rows on the pool. Nothing may write to them until the promise settles. `partitions` is 0 for as
/// many as their number asks for, 1 for none. Rotation and segments are those of `like`, if there is one.
#[napi(
    ts_args_type = "config: NativeIndexConfig, vectors: Float32Array, ids: Float64Array | BigUint64Array | Array<string> | null, fit: boolean, like: NativeSearchIndex | null, partitions: number, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
    ts_return_type = "Promise<NativeSearchIndex>"
)]
#[allow(clippy::too_many_arguments, reason = "what to build, of what, and how")]
pub fn build_index<'env>(
    env: &'env Env,
    config: NativeIndexConfig,
    vectors: Float32Array,
    ids: Option<GivenIds<'_>>,
    fit: bool,
    like: Option<&NativeSearchIndex>,
    partitions: f64,
    abort: Option<&NativeAbort>,
    on_progress: Option<OnProgress<'_>>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let config = config.parse()?;
        let ids = search_ids::ids_of(ids.map(search_ids::list_of).transpose()?);
        let partitions = match number::size(partitions, "partitions", None)? {
            0 => Partitions::Auto,
            count => Partitions::Count(count),
        };
        let like = like.map(NativeSearchIndex::open).transpose()?;
        let like = like.map(Arc::clone);
        let vectors = Arc::new(vectors);
        let request = Request {
            abort,
            on_progress,
            input: Some(Arc::clone(&vectors)),
        };
        let work = move |control: &Control<'_>| {
            let options = BuildOptions { fit, partitions };
            progress::scaled(control, vectors.len() / config.dim(), |control| {
                Ok(match &like {
                    Some(like) => {
                        Index::build_like(config, like, partitions, &vectors, ids, control)?
                    }
                    None => Index::build(config, &options, &vectors, ids, control)?,
                })
            })
        };
        job::start(env, request, Box::new(work), |env, index| {
            Ok(NativeSearchIndex::wrap(env, (index, None)))
        })
    })
}

/// Opens an index file on the pool.
#[napi(
    ts_args_type = "path: string, mmap: boolean, verify: boolean, abort: NativeAbort | null",
    ts_return_type = "Promise<NativeSearchIndex>"
)]
pub fn open_index<'env>(
    env: &'env Env,
    path: String,
    mmap: bool,
    verify: bool,
    abort: Option<&NativeAbort>,
) -> napi::Result<Object<'env>> {
    guard(*env, || {
        let work = move |control: &Control<'_>| open(&path, mmap, verify, control);
        let request = Request {
            abort,
            on_progress: None,
            input: None,
        };
        job::start(env, request, Box::new(work), |env, opened| {
            Ok(NativeSearchIndex::wrap(env, opened))
        })
    })
}

fn open(
    path: &str,
    mmap: bool,
    verify: bool,
    control: &Control<'_>,
) -> Result<(Index, Option<IndexLink>), Failure> {
    let file = IndexFile::open(Path::new(path), mmap)?;
    if verify {
        file.verify(control)?;
    }
    Ok(file.into_index()?)
}

fn save(
    index: &Index,
    link: &mut Option<IndexLink>,
    path: &str,
    append: bool,
    control: &Control<'_>,
) -> Result<(), Failure> {
    let path = Path::new(path);
    let saved = match &*link {
        Some(link) if append && path.exists() => {
            tinyquant_store::sync_index(index, link, path, control, Probe::default())?
        }
        _ => tinyquant_store::save_index(index, path, control, Probe::default())?,
    };
    *link = Some(saved);
    Ok(())
}

fn search(
    index: &Index,
    queries: &[f32],
    options: &SearchOptions,
    control: &Control<'_>,
) -> Result<JoinedHits, Failure> {
    let hits = index.search(queries, options, control)?;
    Ok(JoinedHits::new(hits, index.config().id_kind()))
}

fn search_options(
    k: f64,
    effort: f64,
    exact: bool,
    rescore: Option<bool>,
    filter: Option<GivenFilter<'_>>,
) -> Result<SearchOptions, Failure> {
    let filter = match filter {
        None => None,
        Some(Either::A(rows)) => Some(Filter::Rows(rows.to_vec())),
        Some(Either::B(ids)) => {
            let ids = search_ids::list_of(ids)?;
            Some(Filter::Ids(search_ids::separate(ids)))
        }
    };
    Ok(SearchOptions {
        k: number::size(k, "k", None)?,
        effort: (effort as f32).clamp(f32::MIN_POSITIVE, f32::MAX),
        exact,
        rescore,
        filter,
    })
}

fn lock(link: &Mutex<Option<IndexLink>>) -> MutexGuard<'_, Option<IndexLink>> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ObjectFinalize for NativeSearchIndex {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
