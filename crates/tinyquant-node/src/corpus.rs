//! Corpora.

use crate::codebook::NativeCodebook;
use crate::config::NativeConfig;
use crate::corpus_view::NativeCorpusView;
use crate::entry::{NativeEntry, NativeEvent};
use crate::error::{Failure, guard};
use crate::hits::NativeHits;
use crate::input_copy::InputCopy;
use crate::job::{self, NativeAbort, Request};
use crate::memory::External;
use crate::progress::OnProgress;
use crate::{number, pool};
use napi::Env;
use napi::bindgen_prelude::{Float32Array, Float32ArraySlice, Object, ObjectFinalize};
use napi_derive::napi;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tinyquant_codec::Control;
use tinyquant_corpus::{CompressionPolicy, Corpus, Page, Rows};
use tinyquant_store::{CorpusFile, Link, Probe};

/// Vectors under ids, in insertion order. Times are milliseconds since the epoch.
#[napi(custom_finalize)]
pub struct NativeCorpus {
    /// Shared with saves and searches that are under way; a change meanwhile copies it. None once closed.
    inner: Option<Arc<Corpus>>,
    /// The file that it was opened from or saved to last.
    link: Arc<Mutex<Option<Link>>>,
    external: External,
}

/// A page of a walk through a corpus.
#[napi(object, object_from_js = false)]
pub struct NativeIdPage {
    /// Ids in insertion order.
    pub ids: Vec<String>,
    /// Where the walk goes on.
    pub next: f64,
}

#[napi]
impl NativeCorpus {
    /// An empty corpus. `policy` is `compress`, `passthrough` or `fp16`.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        corpus_id: String,
        config: &NativeConfig,
        codebook: &NativeCodebook,
        policy: String,
        metadata_json: Option<String>,
        created_at_ms: f64,
    ) -> napi::Result<Self> {
        guard(env, || {
            let policy = policy_of(&policy)?;
            let created_at = number::timestamp(created_at_ms, "createdAt")?;
            let (config, codebook) = (config.inner.clone(), codebook.inner.clone());
            let metadata = metadata_json.as_deref();
            let inner = Corpus::new(&corpus_id, config, codebook, policy, metadata, created_at);
            Ok(Self::wrap(env, inner, None))
        })
    }

    /// Opens a corpus file on this thread.
    #[napi(factory)]
    pub fn open_sync(env: Env, path: String, mmap: bool, verify: bool) -> napi::Result<Self> {
        guard(env, || {
            let (corpus, link) = open(&path, mmap, verify, &Control::default())?;
            Ok(Self::wrap(env, corpus, Some(link)))
        })
    }

    /// Id of the corpus.
    #[napi]
    pub fn corpus_id(&self, env: Env) -> napi::Result<String> {
        guard(env, || Ok(self.open()?.id().to_string()))
    }

    /// Configuration of the corpus.
    #[napi]
    pub fn config(&self, env: Env) -> napi::Result<NativeConfig> {
        guard(env, || {
            let inner = self.open()?.config().clone();
            Ok(NativeConfig { inner })
        })
    }

    /// Codebook of the corpus.
    #[napi]
    pub fn codebook(&self, env: Env) -> napi::Result<NativeCodebook> {
        guard(env, || {
            Ok(NativeCodebook::new(env, self.open()?.codebook().clone()))
        })
    }

    /// Policy of the corpus.
    #[napi]
    pub fn policy(&self, env: Env) -> napi::Result<&'static str> {
        guard(env, || Ok(self.open()?.policy().kind()))
    }

    /// How many vectors there are.
    #[napi]
    pub fn vector_count(&self, env: Env) -> napi::Result<f64> {
        guard(env, || Ok(self.open()?.len() as f64))
    }

    /// Number of the vector that is inserted next: where a walk over all vectors ends.
    #[napi]
    pub fn next_number(&self, env: Env) -> napi::Result<f64> {
        guard(env, || Ok(self.open()?.next_number() as f64))
    }

    /// The caller's metadata.
    #[napi(ts_return_type = "string | null")]
    pub fn metadata_json(&self, env: Env) -> napi::Result<Option<String>> {
        guard(env, || Ok(self.open()?.metadata().map(ToString::to_string)))
    }

    /// Inserts rows or none of them: row `i` is the next `lengths[i]` of the `vectors`.
    #[napi]
    pub fn insert_batch(
        &mut self,
        env: Env,
        ids: Vec<String>,
        vectors: &[f32],
        lengths: &[u32],
        metadata_json: Vec<Option<String>>,
        inserted_at_ms: f64,
    ) -> napi::Result<Vec<NativeEntry>> {
        guard(env, || {
            let rows = Rows::new(&ids, vectors, lengths)?;
            let inserted_at = number::timestamp(inserted_at_ms, "insertedAt")?;
            let pool = pool::idle_pool()?;
            let corpus = self.open_mut()?;
            let entries = corpus.insert_batch(&rows, &metadata_json, inserted_at, pool)?;
            self.report(env);
            Ok(entries.into_iter().map(NativeEntry::from).collect())
        })
    }

    /// Inserts one vector.
    #[napi]
    pub fn insert(
        &mut self,
        env: Env,
        id: String,
        vector: &[f32],
        metadata_json: Option<String>,
        inserted_at_ms: f64,
    ) -> napi::Result<NativeEntry> {
        guard(env, || {
            let inserted_at = number::timestamp(inserted_at_ms, "insertedAt")?;
            let metadata = metadata_json.as_deref();
            let entry = self
                .open_mut()?
                .insert(&id, vector, metadata, inserted_at)?;
            self.report(env);
            Ok(entry.into())
        })
    }

    /// The vector with this id.
    #[napi]
    pub fn get(&self, env: Env, id: String) -> napi::Result<NativeEntry> {
        guard(env, || Ok(self.open()?.get(&id)?.into()))
    }

    /// Whether there is a vector with this id.
    #[napi]
    pub fn contains(&self, env: Env, id: String) -> napi::Result<bool> {
        guard(env, || Ok(self.open()?.contains(&id)?))
    }

    /// Removes a vector; false if there is none with this id.
    #[napi]
    pub fn remove(&mut self, env: Env, id: String) -> napi::Result<bool> {
        guard(env, || {
            let removed = self.open_mut()?.remove(&id)?;
            self.report(env);
            Ok(removed)
        })
    }

    /// The ids of at most `count` vectors in insertion order whose numbers lie from `from` on and below `until`.
    #[napi]
    pub fn ids(&self, env: Env, from: f64, until: f64, count: f64) -> napi::Result<NativeIdPage> {
        guard(env, || {
            let (from, until, count) = walk(from, until, count)?;
            let page = self.open()?.page_ids(from, until, count)?;
            Ok(NativeIdPage {
                ids: page.items.iter().map(ToString::to_string).collect(),
                next: page.next as f64,
            })
        })
    }

    /// At most `count` vectors; otherwise as `ids`.
    #[napi(ts_return_type = "{ entries: Array<NativeEntry>, next: number }")]
    pub fn entries<'env>(
        &self,
        env: &'env Env,
        from: f64,
        until: f64,
        count: f64,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (from, until, count) = walk(from, until, count)?;
            let Page { items, next } = self.open()?.page(from, until, count)?;
            let entries: Vec<NativeEntry> = items.into_iter().map(NativeEntry::from).collect();
            let mut page = Object::new(env)?;
            page.set("entries", entries)?;
            page.set("next", next as f64)?;
            Ok(page)
        })
    }

    /// The components of at most `count` vectors, one vector after another; otherwise as `ids`. They lie in memory of
    /// the engine: what comes from here is given back only between turns of the event loop, which a walk may not reach.
    #[napi(ts_return_type = "{ ids: Array<string>, values: Float32Array, next: number }")]
    pub fn decompress_page<'env>(
        &self,
        env: &'env Env,
        from: f64,
        until: f64,
        count: f64,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let (from, until, count) = walk(from, until, count)?;
            let (pool, control) = (pool::idle_pool()?, Control::default());
            let corpus = self.open()?;
            let (ids, values) = corpus.page_values(from, until, count, pool, &control)?;
            let mut page = Object::new(env)?;
            let names: Vec<String> = ids.items.iter().map(ToString::to_string).collect();
            page.set("ids", names)?;
            page.set("values", Float32ArraySlice::copy_from(env, &values)?)?;
            page.set("next", ids.next as f64)?;
            Ok(page)
        })
    }

    /// The components of one vector.
    #[napi]
    pub fn decompress(&self, env: Env, id: String) -> napi::Result<Float32Array> {
        guard(env, || Ok(self.open()?.decompress(&id)?.into()))
    }

    /// The components of all vectors, one vector after another, in insertion order.
    #[napi]
    pub fn decompress_all(&mut self, env: Env, now_ms: f64) -> napi::Result<Float32Array> {
        guard(env, || {
            let now = number::timestamp(now_ms, "now")?;
            let pool = pool::idle_pool()?;
            Ok(self.open_mut()?.decompress_all(now, pool)?.into())
        })
    }

    /// Takes the events since the last call.
    #[napi]
    pub fn pending_events(&mut self, env: Env) -> napi::Result<Vec<NativeEvent>> {
        guard(env, || {
            let events = self.open_mut()?.drain_events();
            Ok(events.iter().map(NativeEvent::from).collect())
        })
    }

    /// For each row of the queries the `topK` vectors most similar to it.
    #[napi(
        ts_args_type = "queries: Float32Array, topK: number, abort: NativeAbort | null, onProgress: ((done: number, total: number) => void) | null",
        ts_return_type = "Promise<Array<NativeHits>>"
    )]
    pub fn search<'env>(
        &self,
        env: &'env Env,
        queries: Float32Array,
        top_k: f64,
        abort: Option<&NativeAbort>,
        on_progress: Option<OnProgress<'_>>,
    ) -> napi::Result<Object<'env>> {
        guard(*env, || {
            let corpus = Arc::clone(self.open()?);
            let top_k = number::size(top_k, "topK", Some("InvalidTopK"))?;
            let queries = InputCopy::new(&queries)?;
            let work = move |control: &Control<'_>| {
                let pool = Some(pool::pool()?);
                Ok(corpus.search(&queries, top_k, pool, control)?)
            };
            let request = Request {
                abort,
                on_progress,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, hits| {
                let hits = hits.iter().map(|hits| NativeHits::from(hits.as_slice()));
                Ok(hits.collect::<Vec<_>>())
            })
        })
    }

    /// Writes the corpus as it is now to a file on the pool, all of it or, with `append`, what changed since it was
    /// opened from there or saved to it. Saves of one corpus wait for each other.
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
            let (corpus, link) = (Arc::clone(self.open()?), Arc::clone(&self.link));
            let work = move |control: &Control<'_>| {
                save(&corpus, &mut lock(&link), &path, append, control)
            };
            let request = Request {
                abort,
                on_progress,
                input: None,
            };
            job::start(env, request, Box::new(work), |_, ()| Ok(()))
        })
    }

    /// Writes the corpus to a file on this thread.
    #[napi]
    pub fn save_sync(&self, env: Env, path: String, append: bool) -> napi::Result<()> {
        guard(env, || {
            let Ok(mut link) = self.link.try_lock() else {
                let message = "a save of this corpus is under way: await it first".to_owned();
                return Err(Failure::invalid_arg(message, None));
            };
            save(self.open()?, &mut link, &path, append, &Control::default())
        })
    }

    /// The corpus as it is now, for a search elsewhere.
    #[napi]
    pub fn view(&self, env: Env) -> napi::Result<NativeCorpusView> {
        guard(env, || NativeCorpusView::new(Arc::clone(self.open()?)))
    }

    /// Lets go of memory and file.
    #[napi]
    pub fn close(&mut self, env: Env) {
        self.inner = None;
        self.external.release(env);
    }

    fn wrap(env: Env, corpus: Corpus, link: Option<Link>) -> Self {
        let external = External::new(env, corpus.heap_bytes());
        Self {
            inner: Some(Arc::new(corpus)),
            link: Arc::new(Mutex::new(link)),
            external,
        }
    }

    fn open(&self) -> Result<&Arc<Corpus>, Failure> {
        self.inner.as_ref().ok_or_else(|| Failure::closed("Corpus"))
    }

    fn open_mut(&mut self) -> Result<&mut Corpus, Failure> {
        let inner = self
            .inner
            .as_mut()
            .ok_or_else(|| Failure::closed("Corpus"))?;
        Ok(Arc::make_mut(inner))
    }

    fn report(&mut self, env: Env) {
        let bytes = self.inner.as_ref().map_or(0, |corpus| corpus.heap_bytes());
        self.external.set(env, bytes);
    }
}

/// Opens a corpus file on the pool.
#[napi(
    ts_args_type = "path: string, mmap: boolean, verify: boolean, abort: NativeAbort | null",
    ts_return_type = "Promise<NativeCorpus>"
)]
pub fn open_corpus<'env>(
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
        job::start(env, request, Box::new(work), |env, (corpus, link)| {
            Ok(NativeCorpus::wrap(env, corpus, Some(link)))
        })
    })
}

fn open(
    path: &str,
    mmap: bool,
    verify: bool,
    control: &Control<'_>,
) -> Result<(Corpus, Link), Failure> {
    let path = Path::new(path);
    let file = CorpusFile::open(path, mmap)?;
    if verify {
        file.verify(control)?;
    }
    let link = Link::opened(path, &file)?;
    Ok((file.into_corpus(), link))
}

fn save(
    corpus: &Corpus,
    link: &mut Option<Link>,
    path: &str,
    append: bool,
    control: &Control<'_>,
) -> Result<(), Failure> {
    let path = Path::new(path);
    let saved = match (&*link, append && path.exists()) {
        (Some(link), true) => {
            tinyquant_store::append(corpus, link, path, control, Probe::default())?
        }
        (None, true) => return Err(tinyquant_store::not_linked(path).into()),
        (_, false) => tinyquant_store::save(corpus, path, control, Probe::default())?,
    };
    *link = Some(saved);
    Ok(())
}

/// The policy of this name.
pub(crate) fn policy_of(name: &str) -> Result<CompressionPolicy, Failure> {
    CompressionPolicy::from_kind(name).ok_or_else(|| {
        let message = format!("policy must be 'compress', 'passthrough' or 'fp16', got {name:?}");
        Failure::invalid_arg(message, None)
    })
}

fn walk(from: f64, until: f64, count: f64) -> Result<(u64, u64, usize), Failure> {
    Ok((
        number::integer(from, "from", None)?,
        number::integer(until, "until", None)?,
        number::size(count, "count", None)?,
    ))
}

fn lock(link: &Mutex<Option<Link>>) -> MutexGuard<'_, Option<Link>> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ObjectFinalize for NativeCorpus {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.external.release(env);
        Ok(())
    }
}
