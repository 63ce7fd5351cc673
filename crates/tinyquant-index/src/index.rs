//! The index: writers and searches over shared states.

use crate::encoder::{check_range, encode};
use crate::model::Model;
use crate::names::{Names, is_set};
use crate::options::{Filter, Hits, IdList, SearchOptions, Stats};
use crate::originals::Vectors;
use crate::search::Searcher;
use crate::shortlist::Candidate;
use crate::split::{apply, split};
use crate::state::State;
use crate::view::View;
use crate::want::Want;
use crate::{Error, Id, IdKind, IdRef, Ids, Image, IndexConfig, Originals, fit};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tinyquant_codec::{Control, Error as CodecError, ErrorCode, check_finite, rows_of};
use tinyquant_kernels::F16_OVERFLOW;

/// Queries that a thread has in hand at a time, and the bytes that their candidates may take.
const CHUNK: usize = 1024;
const CHUNK_BYTES: usize = 1 << 26;

/// Vectors as codes of 1 to 8 bits, and search over them.
///
/// Searches share a state that does not change; writers make the next one. A search sees all of an add or none of it.
#[derive(Debug)]
pub struct Index {
    config: IndexConfig,
    state: Mutex<Arc<State>>,
    names: RwLock<Names>,
    /// Held by whoever adds rows or merges parts.
    writer: Mutex<()>,
}

impl Index {
    /// An empty index.
    ///
    /// # Errors
    /// None as yet.
    pub fn new(config: IndexConfig) -> Result<Self, Error> {
        let model = Arc::new(Model::unfitted(&config));
        Ok(Self::of(
            config,
            State::new(model, Vectors::new(config.originals(), config.dim())),
            Names::Rows,
        ))
    }

    fn of(config: IndexConfig, state: State, names: Names) -> Self {
        Self {
            config,
            state: Mutex::new(Arc::new(state)),
            names: RwLock::new(names),
            writer: Mutex::new(()),
        }
    }

    /// Fits the segments of an empty index to a sample of rows of `dim` values. The sample should be like what is added
    /// later: the scores of rows far longer in some segment than all of the sample come out too small.
    ///
    /// # Errors
    /// `InvalidArgument` (`ERR_TQ_INVALID_ARG`) if rows were ever added; the errors of [`Index::add`] about values.
    pub fn fit(&self, sample: &[f32], control: &Control) -> Result<(), Error> {
        if self.check(sample)? == 0 {
            return Err(Error::invalid("fit needs at least one vector"));
        }
        self.check_new()?;
        self.set_model(fit::fit(&self.config, sample, control)?)
    }

    fn check_new(&self) -> Result<(), Error> {
        match self.snapshot().rows {
            0 => Ok(()),
            rows => Err(Error::invalid(format!(
                "fit comes before the first add, but {rows} vectors were added"
            ))),
        }
    }

    pub(crate) fn set_model(&self, model: Model) -> Result<(), Error> {
        let _writer = lock(&self.writer);
        self.check_new()?;
        let originals = Vectors::new(self.config.originals(), self.config.dim());
        *lock(&self.state) = Arc::new(State::new(Arc::new(model), originals));
        Ok(())
    }

    /// Number of rows; an error for values that cannot be added.
    pub(crate) fn check(&self, values: &[f32]) -> Result<usize, Error> {
        let dim = self.config.dim();
        let rows = rows_of(values, dim)?;
        check_finite(values, dim)?;
        let state = self.snapshot();
        check_range(&state.model, values)?;
        if self.config.originals() == Originals::F16
            && let Some(at) = values.iter().position(|value| value.abs() >= F16_OVERFLOW)
        {
            return Err(CodecError::HalfOverflow {
                row: at / dim,
                column: at % dim,
                value: values[at],
            }
            .into());
        }
        Ok(rows)
    }

    /// Appends rows of `dim` values, all of them or none. Coding runs on the current pool, and searches go on.
    ///
    /// # Errors
    /// `RaggedRows` (`ERR_TQ_DIM_MISMATCH`), `NonFinite` (`ERR_TQ_NON_FINITE`), `TooLarge` and `HalfOverflow`
    /// (`ERR_TQ_LIMIT`), `InvalidArgument` for ids that do not belong to the rows or the index, [`Error::IdExists`]
    /// (`ERR_TQ_ID_EXISTS`), `ERR_TQ_ID_RANGE`, `Cancelled`.
    pub fn add(&self, values: &[f32], ids: Ids, control: &Control) -> Result<(), Error> {
        self.write(values, ids, false, control)
    }

    /// As [`Index::add`], in the place of vectors that have these ids: a search sees all of the old ones or all of the
    /// new ones.
    ///
    /// # Errors
    /// As [`Index::add`]; [`Error::IdExists`] only for an id that is given twice.
    pub fn replace(&self, values: &[f32], ids: Ids, control: &Control) -> Result<(), Error> {
        self.write(values, ids, true, control)
    }

    fn write(
        &self,
        values: &[f32],
        ids: Ids,
        replaces: bool,
        control: &Control,
    ) -> Result<(), Error> {
        let rows = self.check(values)?;
        control.check()?;
        let model = Arc::clone(&self.snapshot().model);
        let encoded = encode(&model, values, control)?;
        // From here on only removals come between.
        let _writer = lock(&self.writer);
        let state = self.snapshot();
        if !model.is_akin(&state.model) {
            return Err(Error::invalid(
                "the index was fitted while vectors were being added",
            ));
        }
        if state.rows + rows as u64 >= u64::from(u32::MAX) {
            return Err(Error::Stored {
                code: ErrorCode::Limit,
                details: vec![],
                message: "an index holds up to 2^32 - 2 vectors".to_owned(),
            });
        }
        let kind = self.config.id_kind();
        let (ids, taken) = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            names.check(kind, ids, rows, &state, replaces)?
        };
        let added = state.prepare(&encoded, values);
        drop(state);
        {
            let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
            let mut state = lock(&self.state);
            let state = Arc::make_mut(&mut state);
            for row in taken {
                state.remove(row);
                names.remove(row);
            }
            names.push(kind, ids, state.rows, &state.dead);
            state.push(added);
        }
        self.tidy();
        Ok(())
    }

    /// Sorts in what was added, and merges parts; the writer's lock is held.
    fn tidy(&self) {
        {
            let mut state = lock(&self.state);
            if state.is_tail_full() {
                Arc::make_mut(&mut state).seal();
            }
        }
        loop {
            let state = self.snapshot();
            // When the index has grown by a quarter.
            if 4 * state.rows > 5 * state.reviewed {
                let found = split(&state);
                let mut state = lock(&self.state);
                let state = Arc::make_mut(&mut state);
                state.reviewed = state.rows;
                if let Some((model, part)) = found {
                    apply(state, model, part);
                }
                continue;
            }
            let count = state.to_merge();
            if count == 0
                || (count == 1
                    && state.parts.len() == 1
                    && state.parts[0].rows() as u64 <= state.live)
            {
                return;
            }
            let first = state.parts.len() - count;
            let part = state.merged(count);
            drop(state);
            Arc::make_mut(&mut *lock(&self.state)).replace(first, count, part);
        }
    }

    /// Removes the rows of some ids, and returns how many there were.
    ///
    /// # Errors
    /// [`Error::Stored`] if the ids of a file cannot be read; nothing is removed then.
    pub fn remove(&self, ids: &[IdRef<'_>]) -> Result<usize, Error> {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = lock(&self.state);
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.extend(names.find(*id, state.rows, &state.dead)?);
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let state = Arc::make_mut(&mut state);
        let before = state.live;
        for row in rows {
            state.remove(row);
            names.remove(row);
        }
        Ok((before - state.live) as usize)
    }

    /// Removes all rows, and returns how many there were.
    pub fn clear(&self) -> usize {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let mut state = lock(&self.state);
        names.clear();
        Arc::make_mut(&mut state).clear() as usize
    }

    /// The ids in order of adding.
    ///
    /// # Errors
    /// [`Error::Stored`] if the ids of a file cannot be read.
    pub fn ids(&self) -> Result<IdList, Error> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.snapshot();
        let rows = (0..state.rows as u32).filter(|row| !is_set(&state.dead, *row));
        self.id_list(&names, rows)
    }

    /// Whether there is a row with the id.
    ///
    /// # Errors
    /// [`Error::Stored`].
    pub fn has(&self, id: IdRef<'_>) -> Result<bool, Error> {
        Ok(self.find(id)?.1.is_some())
    }

    fn find(&self, id: IdRef<'_>) -> Result<(Arc<State>, Option<u32>), Error> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.snapshot();
        let row = names.find(id, state.rows, &state.dead)?;
        Ok((state, row))
    }

    /// The vector of an id: itself where vectors are kept, else what its codes stand for, which for the cosine is a unit
    /// vector.
    ///
    /// # Errors
    /// [`Error::IdNotFound`] (`ERR_TQ_ID_NOT_FOUND`), [`Error::Stored`].
    pub fn reconstruct(&self, id: IdRef<'_>) -> Result<Vec<f32>, Error> {
        let (state, row) = self.find(id)?;
        let missing = || Error::IdNotFound { id: id.into() };
        let row = row.ok_or_else(missing)?;
        if let Some(values) = state.originals.get(row) {
            return Ok(values);
        }
        let (part, place) = state.place(row).ok_or_else(missing)?;
        Ok(state
            .model
            .reconstruct(state.coded(part as usize), place as usize))
    }

    /// The hits of each query of `dim` values. A few queries run on this thread, many on the current pool if this is one
    /// of its threads.
    ///
    /// # Errors
    /// `InvalidArgument` for `k` of 0 or an effort that is not finite and above 0, the errors of [`Index::add`] about
    /// values, [`Error::Stored`] if ids cannot be read, `Cancelled`.
    pub fn search(
        &self,
        queries: &[f32],
        options: &SearchOptions,
        control: &Control,
    ) -> Result<Vec<Hits>, Error> {
        control.check()?;
        let dim = self.config.dim();
        rows_of(queries, dim)?;
        check_finite(queries, dim)?;
        if options.k == 0 {
            return Err(Error::invalid("k must be at least 1, got 0"));
        }
        if !(options.effort.is_finite() && options.effort > 0.0) {
            return Err(Error::invalid(format!(
                "effort must be finite and above 0, got {}",
                options.effort
            )));
        }
        let (state, allowed) = self.allowed(options.filter.as_ref())?;
        check_range(&state.model, queries)?;
        let count = match &allowed {
            None => state.live as usize,
            Some(bits) => count_live(bits, &state),
        };
        let has_vectors = self.config.originals() != Originals::None;
        let threads = if rayon::current_thread_index().is_some() {
            rayon::current_num_threads()
        } else {
            1
        };
        let want = Want {
            threads,
            k: options.k.min(count),
            effort: options.effort,
            exact: options.exact,
            rescore: has_vectors && options.rescore.unwrap_or(true),
            allowed: allowed.as_deref(),
            count,
        };
        let queries: Vec<&[f32]> = queries.chunks_exact(dim).collect();
        let most = (CHUNK_BYTES / (2 * size_of::<Candidate>() * want.survivors())).clamp(1, CHUNK);
        let size = queries.len().div_ceil(threads).clamp(1, most);
        let chunks: Vec<_> = queries.chunks(size).collect();
        let search =
            |want, queries: &[&[f32]]| Searcher::new(&state, want).search(queries, control);
        let found: Result<Vec<_>, Error> = if threads == 1 || chunks.len() < 2 {
            chunks.iter().map(|queries| search(want, queries)).collect()
        } else {
            let want = Want { threads: 1, ..want };
            chunks
                .par_iter()
                .map(|queries| search(want, queries))
                .collect()
        };
        let found = found?.into_iter().flatten();
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        found.map(|found| self.hits(&names, &found)).collect()
    }

    /// The state to search, and the rows that a filter allows.
    fn allowed(&self, filter: Option<&Filter>) -> Result<(Arc<State>, Option<Vec<u64>>), Error> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.snapshot();
        let words = state.rows.div_ceil(64) as usize;
        let bits = match filter {
            None => None,
            Some(Filter::Rows(bytes)) => {
                let mut bits = vec![0_u64; words];
                for (word, bytes) in bits.iter_mut().zip(bytes.chunks(8)) {
                    let mut eight = [0; 8];
                    eight[..bytes.len()].copy_from_slice(bytes);
                    *word = u64::from_le_bytes(eight);
                }
                if let (Some(last), rest @ 1..) = (bits.last_mut(), state.rows % 64) {
                    *last &= (1 << rest) - 1;
                }
                Some(bits)
            }
            Some(Filter::Ids(ids)) => {
                let mut bits = vec![0_u64; words];
                for id in ids {
                    let id = match id {
                        Id::Whole(id) => IdRef::Whole(*id),
                        Id::Text(id) => IdRef::Text(id),
                    };
                    if let Some(row) = names.find(id, state.rows, &state.dead)? {
                        bits[row as usize / 64] |= 1 << (row % 64);
                    }
                }
                Some(bits)
            }
        };
        Ok((state, bits))
    }

    fn hits(&self, names: &Names, found: &[Candidate]) -> Result<Hits, Error> {
        Ok(Hits {
            ids: self.id_list(names, found.iter().map(Candidate::number))?,
            scores: found.iter().map(Candidate::score).collect(),
        })
    }

    fn id_list(&self, names: &Names, rows: impl Iterator<Item = u32>) -> Result<IdList, Error> {
        let (mut wholes, mut texts) = (Vec::new(), Vec::new());
        for row in rows {
            match names.id(row)? {
                Id::Whole(id) => wholes.push(id),
                Id::Text(id) => texts.push(id),
            }
        }
        Ok(if self.config.id_kind() == IdKind::Text {
            IdList::Text(texts)
        } else {
            IdList::Whole(wholes)
        })
    }

    /// Rows that were not removed.
    pub fn len(&self) -> usize {
        self.snapshot().live as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimension, bits, metric, seed and kinds.
    pub fn config(&self) -> &IndexConfig {
        &self.config
    }

    /// Whether its segments follow a sample.
    pub fn is_fitted(&self) -> bool {
        self.snapshot().model.is_fitted()
    }

    /// What it consists of.
    pub fn stats(&self) -> Stats {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.snapshot();
        let (mut heap, mut mapped) = (state.model.heap_bytes() + names.heap_bytes(), 0);
        let parts = state.parts.iter().flat_map(|part| part.columns());
        for column in parts.chain(state.originals.columns()) {
            *(if column.is_owned() {
                &mut heap
            } else {
                &mut mapped
            }) += column.len();
        }
        heap += state.heap_bytes();
        Stats {
            rows: state.rows,
            live: state.live,
            parts: state.parts.len() + usize::from(state.tail.rows.len > 0),
            partitions: state.model.partitions(),
            fitted: state.model.is_fitted(),
            segments: state.model.segments(),
            bytes_per_row: state.model.code_bytes_per_row(),
            heap_bytes: heap,
            mapped_bytes: mapped,
        }
    }

    /// The rows as they are now, in the order in which they lie, with their ids.
    ///
    /// # Errors
    /// [`Error::Stored`] if the ids of a file cannot be read.
    pub fn view(&self) -> Result<View, Error> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let state = self.snapshot();
        let rows = View::live_rows(&state);
        let ids = self.id_list(&names, rows.iter().map(|row| row.number))?;
        Ok(View::new(self.config, state, rows, ids))
    }

    /// One consistent state, for a file. The newest rows become a part first.
    ///
    /// # Errors
    /// None as yet.
    pub fn image(&self) -> Result<Image, Error> {
        let _writer = lock(&self.writer);
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let mut state = lock(&self.state);
        if state.tail.rows.len > 0 {
            Arc::make_mut(&mut state).seal();
        }
        Arc::make_mut(&mut state).originals.seal();
        Ok(Image {
            config: self.config,
            model: Arc::clone(&state.model),
            rows: state.rows,
            live: state.live,
            parts: state.parts.clone(),
            dead: Arc::clone(&state.dead),
            originals: state.originals.columns().cloned().collect(),
            ids: names.image(),
        })
    }

    /// The index of an image, in constant time for one whose ids are stored.
    ///
    /// # Errors
    /// [`Error::Stored`] (`ERR_TQ_FORMAT`) for rows and counts that contradict each other.
    pub fn from_image(image: Image) -> Result<Self, Error> {
        let Image {
            config,
            model,
            rows,
            live,
            parts,
            dead,
            originals,
            ids,
        } = image;
        let stored: u64 = parts.iter().map(|part| part.rows() as u64).sum();
        if rows > u64::from(u32::MAX) || live > stored || stored > rows {
            return Err(Error::format(format!(
                "{live} of {rows} vectors in parts of {stored}"
            )));
        }
        let vectors = Vectors::from_runs(config.originals(), config.dim(), originals);
        if config.originals() != Originals::None && vectors.rows() != rows {
            return Err(Error::format(format!(
                "{} vectors for {rows} rows",
                vectors.rows()
            )));
        }
        let names = Names::from_image(config.id_kind(), ids, &dead);
        let mut state = State::new(model, vectors);
        state.parts = parts;
        state.dead = dead;
        state.rows = rows;
        state.reviewed = rows;
        state.live = live;
        Ok(Self::of(config, state, names))
    }

    pub(crate) fn snapshot(&self) -> Arc<State> {
        Arc::clone(&lock(&self.state))
    }
}

/// Rows that are allowed and were not removed.
fn count_live(allowed: &[u64], state: &State) -> usize {
    let dead = state.dead.iter().copied().chain(std::iter::repeat(0));
    allowed
        .iter()
        .zip(dead)
        .map(|(allowed, dead)| (allowed & !dead).count_ones() as usize)
        .sum()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
