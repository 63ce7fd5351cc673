//! One state of an index, which searches share while writers make the next one.

use crate::encoder::Encoded;
use crate::model::Model;
use crate::names::is_set;
use crate::originals::{NewVectors, Vectors};
use crate::part::{Part, Run, compose};
use crate::rows::Rows;
use std::sync::{Arc, OnceLock};
use tinyquant_kernels::CodedRows;

/// Rows from which new ones become a part at once.
const PART: usize = 1024;
/// Bytes that the newest rows may take before they become a part; they are copied when a search meets an add.
const TAIL_BYTES: usize = 1 << 19;

/// The newest rows, in order of adding.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    pub(crate) rows: Rows,
    pub(crate) numbers: Vec<u32>,
    pub(crate) lists: Vec<u32>,
}

/// Everything that a search looks at.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) model: Arc<Model>,
    pub(crate) parts: Vec<Arc<Part>>,
    pub(crate) tail: Arc<Tail>,
    /// Bit `r % 64` of word `r / 64` is set where row `r` was removed.
    pub(crate) dead: Arc<Vec<u64>>,
    /// Rows ever added.
    pub(crate) rows: u64,
    pub(crate) live: u64,
    pub(crate) originals: Vectors,
    /// Rows ever added when partitions were last looked at.
    pub(crate) reviewed: u64,
    /// Where each row is, once somebody asked.
    places: OnceLock<Arc<Vec<Place>>>,
}

/// Rows that are about to be appended.
#[derive(Debug)]
pub(crate) struct Added<'a> {
    encoded: &'a Encoded,
    /// Many rows are a part of their own.
    part: Option<Part>,
    vectors: NewVectors<'a>,
}

/// Part and row in it; the part after the last one is the tail.
pub(crate) type Place = (u32, u32);

impl State {
    pub(crate) fn new(model: Arc<Model>, originals: Vectors) -> Self {
        Self {
            model,
            parts: Vec::new(),
            tail: Arc::default(),
            dead: Arc::default(),
            rows: 0,
            live: 0,
            originals,
            reviewed: 0,
            places: OnceLock::new(),
        }
    }

    /// Rows of a part, or of the tail.
    pub(crate) fn coded(&self, part: usize) -> CodedRows<'_> {
        match self.parts.get(part) {
            Some(part) => part.coded(self.model.plan()),
            None => self.tail.rows.coded(),
        }
    }

    /// Number of a row of a part, or of the tail.
    pub(crate) fn number(&self, part: usize, row: usize) -> u32 {
        match self.parts.get(part) {
            Some(part) => part.number(row),
            None => self.tail.numbers.get(row).copied().unwrap_or(u32::MAX),
        }
    }

    /// Rows in parts and tail, removed ones that are still there included.
    pub(crate) fn stored(&self) -> usize {
        self.parts.iter().map(|part| part.rows()).sum::<usize>() + self.tail.rows.len
    }

    /// Where a row is. The first call takes time for all rows.
    pub(crate) fn place(&self, number: u32) -> Option<Place> {
        let places = self.places.get_or_init(|| {
            let mut places = vec![(u32::MAX, 0); self.rows as usize];
            for part in 0..=self.parts.len() {
                for row in 0..self.coded(part).rows {
                    if let Some(place) = places.get_mut(self.number(part, row) as usize) {
                        *place = (part as u32, row as u32);
                    }
                }
            }
            Arc::new(places)
        });
        places
            .get(number as usize)
            .copied()
            .filter(|(part, _)| *part != u32::MAX)
    }

    /// Makes ready what [`State::push`] appends, which for many rows takes time.
    pub(crate) fn prepare<'a>(&self, encoded: &'a Encoded, values: &'a [f32]) -> Added<'a> {
        let (first, count) = (self.rows as u32, encoded.rows.len);
        let part = (count >= PART).then(|| {
            let numbers: Vec<u32> = (first..first + count as u32).collect();
            let lists = self.model.partitions();
            let run = by_list(encoded.rows.coded(), &numbers, &encoded.lists, lists);
            compose(&self.model, &[run], &[])
        });
        Added {
            encoded,
            part,
            vectors: self.originals.prepare(values),
        }
    }

    /// Appends rows; their numbers follow those that are there.
    pub(crate) fn push(&mut self, added: Added<'_>) {
        let Added {
            encoded,
            part,
            vectors,
        } = added;
        let (first, count) = (self.rows as u32, encoded.rows.len);
        self.rows += count as u64;
        self.live += count as u64;
        if self.reviewed == 0 {
            self.reviewed = self.rows;
        }
        self.originals.push(vectors);
        if let Some(part) = part {
            self.parts.push(Arc::new(part));
            self.places = OnceLock::new();
            return;
        }
        let (at, plan) = (self.tail.rows.len, self.model.plan());
        let tail = Arc::make_mut(&mut self.tail);
        tail.rows.resize(plan, at + count);
        for row in 0..count {
            tail.rows.copy(plan, at + row, encoded.rows.coded(), row);
        }
        tail.numbers.extend(first..first + count as u32);
        tail.lists.extend(&encoded.lists);
        let part = self.parts.len() as u32;
        match self.places.get_mut() {
            None => {}
            Some(places) => match Arc::get_mut(places) {
                Some(places) => places.extend((at..at + count).map(|row| (part, row as u32))),
                None => self.places = OnceLock::new(),
            },
        }
    }

    /// Bytes of memory, those of parts and of runs of vectors left out.
    pub(crate) fn heap_bytes(&self) -> usize {
        let places = self.places.get().map_or(0, |places| places.len());
        self.tail.rows.heap_bytes()
            + self.originals.heap_bytes()
            + 8 * self.dead.len()
            + size_of::<Place>() * places
    }

    /// Whether the tail should become a part.
    pub(crate) fn is_tail_full(&self) -> bool {
        let rows = self.tail.rows.len;
        rows >= PART || self.tail.rows.heap_bytes() >= TAIL_BYTES && rows >= 64
    }

    /// Makes the tail a part.
    pub(crate) fn seal(&mut self) {
        if self.tail.rows.len == 0 {
            return;
        }
        let tail = std::mem::take(&mut self.tail);
        let lists = self.model.partitions();
        let run = by_list(tail.rows.coded(), &tail.numbers, &tail.lists, lists);
        let part = compose(&self.model, &[run], &self.dead);
        self.places = OnceLock::new();
        if part.rows() > 0 {
            self.parts.push(Arc::new(part));
        }
    }

    /// The last parts that should become one: those that are not much smaller than what follows them. All of them
    /// where more rows are dead than alive.
    pub(crate) fn to_merge(&self) -> usize {
        let stored = self.stored() as u64;
        if stored > 2 * self.live.max(PART as u64 / 2) {
            return self.parts.len();
        }
        let mut count = 1;
        let mut rows = self.parts.last().map_or(0, |part| part.rows());
        for part in self.parts.iter().rev().skip(1) {
            if part.rows() > 2 * rows {
                break;
            }
            rows += part.rows();
            count += 1;
        }
        if count > 1 { count } else { 0 }
    }

    /// The last `count` parts as one, without removed rows.
    pub(crate) fn merged(&self, count: usize) -> Part {
        let plan = self.model.plan();
        let parts = &self.parts[self.parts.len() - count..];
        let runs: Vec<_> = parts.iter().map(|part| part.run(plan)).collect();
        compose(&self.model, &runs, &self.dead)
    }

    /// Puts a part in the place of the `count` parts from `first` on.
    pub(crate) fn replace(&mut self, first: usize, count: usize, part: Part) {
        let part = (part.rows() > 0).then(|| Arc::new(part));
        self.parts.splice(first..first + count, part);
        self.places = OnceLock::new();
    }

    /// Marks a row as removed.
    pub(crate) fn remove(&mut self, number: u32) {
        if is_set(&self.dead, number) {
            return;
        }
        let dead = Arc::make_mut(&mut self.dead);
        let word = number as usize / 64;
        if dead.len() <= word {
            dead.resize(word + 1, 0);
        }
        dead[word] |= 1 << (number % 64);
        self.live = self.live.saturating_sub(1);
    }

    /// Marks all rows as removed, and returns how many were not.
    pub(crate) fn clear(&mut self) -> u64 {
        let mut dead = vec![u64::MAX; self.rows.div_ceil(64) as usize];
        if let (Some(last), rest @ 1..) = (dead.last_mut(), self.rows % 64) {
            *last = (1 << rest) - 1;
        }
        self.dead = Arc::new(dead);
        std::mem::take(&mut self.live)
    }
}

/// Rows as a run that is sorted by partition.
pub(crate) fn by_list<'a>(
    rows: CodedRows<'a>,
    numbers: &'a [u32],
    lists: &[u32],
    partitions: usize,
) -> Run<'a> {
    let mut starts = vec![0_u32; partitions + 1];
    for list in lists {
        starts[*list as usize + 1] += 1;
    }
    for list in 0..partitions {
        starts[list + 1] += starts[list];
    }
    let mut next = starts.clone();
    let mut order = vec![0; lists.len()];
    for (row, list) in (0_u32..).zip(lists) {
        let place = &mut next[*list as usize];
        order[*place as usize] = row;
        *place += 1;
    }
    Run::listed(rows, numbers, order, starts)
}
