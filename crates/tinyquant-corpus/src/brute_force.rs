//! Exact search over plain vectors.

use crate::blocks::Blocks;
use crate::score::{cosine_any_scale, cosine_in_range, squared_norm};
use crate::top_k::TopK;
use crate::{Error, Hit, Rows};
use std::collections::HashMap;
use std::sync::Arc;
use tinyquant_codec::check_finite;

/// Plain vectors under ids, ranked by cosine similarity with a query.
///
/// All vectors have one length, that of the first; it is free again once no vector is left.
#[derive(Debug, Default)]
pub struct BruteForce {
    vectors: Blocks,
    ids: Vec<Arc<str>>,
    squared_norms: Vec<f32>,
    /// Position of each id.
    index: HashMap<Arc<str>, usize>,
    id_bytes: usize,
}

/// Bytes around a vector besides its components: the index entry, the norm, the id's own bookkeeping.
const PER_VECTOR: usize = 96;

/// Room for vectors below which memory is not given back.
const SHRINK_AT: usize = 1024;

impl BruteForce {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Components of every vector; `None` while there are no vectors.
    pub fn dimension(&self) -> Option<usize> {
        (!self.is_empty()).then(|| self.vectors.dimension())
    }

    /// Bytes this index keeps on the heap, roughly.
    pub fn heap_bytes(&self) -> usize {
        self.vectors.heap_bytes() + self.id_bytes + self.len() * PER_VECTOR
    }

    /// Adds all rows or none of them. A row whose id is taken replaces that vector in place; of rows with
    /// the same id the last one stays.
    ///
    /// Complexity: O(components).
    ///
    /// # Errors
    /// For the first row that fails: `DimensionMismatch` (`ERR_TQ_DIM_MISMATCH`), then `NonFinite`
    /// (`ERR_TQ_NON_FINITE`).
    pub fn ingest<S: AsRef<str>>(&mut self, rows: &Rows<'_, S>) -> Result<(), Error> {
        let Some(first) = rows.iter().next() else {
            return Ok(());
        };
        let dimension = self.dimension().unwrap_or(first.values.len());
        for row in rows.iter() {
            row.check_length(dimension, true)?;
            row.check_finite()?;
        }
        if self.is_empty() {
            self.vectors = Blocks::new(dimension);
        }
        for row in rows.iter() {
            let squared_norm = squared_norm(row.values);
            if let Some(&at) = self.index.get(row.id) {
                self.vectors.set(at, row.values);
                self.squared_norms[at] = squared_norm;
            } else {
                let id: Arc<str> = row.id.into();
                self.id_bytes += id.len();
                self.index.insert(Arc::clone(&id), self.ids.len());
                self.ids.push(id);
                self.vectors.push(row.values);
                self.squared_norms.push(squared_norm);
            }
        }
        Ok(())
    }

    /// The `top_k` vectors most similar to the query, or all if there are fewer: highest score first, and
    /// among equal scores in the order of the ids' UTF-8 bytes.
    ///
    /// The score is the cosine; 0 if either vector is zero. It equals TinyQuant's bit for bit while the
    /// squared lengths and their product stay in the normal range of f32 (and may then exceed 1 by a
    /// rounding error); beyond that range it is computed in f64 and lies between -1 and 1.
    ///
    /// Complexity: O(n * dimension + n * log `top_k`); memory for `top_k` results.
    ///
    /// # Errors
    /// `InvalidTopK` (`ERR_TQ_INVALID_ARG`) if `top_k` is 0, even with no vectors. Unless there are no
    /// vectors: `DimensionMismatch` (`ERR_TQ_DIM_MISMATCH`). `NonFinite` (`ERR_TQ_NON_FINITE`).
    pub fn search(&self, query: &[f32], top_k: usize) -> Result<Vec<Hit>, Error> {
        if top_k == 0 {
            return Err(Error::InvalidTopK);
        }
        if let Some(expected) = self.dimension().filter(|&expected| expected != query.len()) {
            return Err(Error::DimensionMismatch {
                expected,
                got: query.len(),
                row: None,
            });
        }
        check_finite(query, query.len().max(1))?;
        let mut best = TopK::new(top_k.min(self.len()));
        if self.is_empty() {
            return Ok(best.into_hits());
        }
        let query_norm = squared_norm(query);
        self.vectors.dots(query, |first, dots| {
            let norms = &self.squared_norms[first..];
            let ids = &self.ids[first..];
            for (at, ((&dot, &norm), id)) in dots.iter().zip(norms).zip(ids).enumerate() {
                let score = cosine_in_range(dot, query_norm, norm).unwrap_or_else(|| {
                    cosine_any_scale(query.iter().copied().zip(self.vectors.column(first + at)))
                });
                best.offer(score, id);
            }
        });
        Ok(best.into_hits())
    }

    /// Removes the vectors with these ids and returns how many there were; unknown ids are passed over.
    ///
    /// Complexity: O(dimension) for each vector removed.
    pub fn remove<S: AsRef<str>>(&mut self, ids: &[S]) -> usize {
        let before = self.len();
        for id in ids {
            let Some(at) = self.index.remove(id.as_ref()) else {
                continue;
            };
            let id = self.ids.swap_remove(at);
            self.id_bytes -= id.len();
            self.squared_norms.swap_remove(at);
            self.vectors.swap_remove(at);
            if let Some(place) = self.ids.get(at).and_then(|moved| self.index.get_mut(moved)) {
                *place = at;
            }
        }
        if self.ids.capacity() > SHRINK_AT.max(4 * self.len()) {
            let room = 2 * self.len();
            self.ids.shrink_to(room);
            self.squared_norms.shrink_to(room);
            self.index.shrink_to(room);
        }
        before - self.len()
    }

    /// Removes everything and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}
