//! Random lives of an index, held against a list of vectors.

mod common;

use common::{ID_KINDS, METRICS, as_ref, bitmap, exact, id, ids, is_descending, listed, score};
use proptest::prelude::*;
use std::collections::HashMap;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{
    Filter, Id, IdImage, IdKind, IdRef, Ids, Index, IndexConfig, Metric, Originals, SearchOptions,
};
use tinyquant_testkit::seeded;

const DIM: usize = 8;
/// Keys of ids that a life uses.
const KEYS: u64 = 40;

#[derive(Debug, Clone)]
enum Op {
    /// Adds rows under the ids of keys.
    Add(Vec<u64>),
    /// Adds rows that are numbered by themselves.
    AddNext(usize),
    /// Adds so many rows that they are sorted in, and removes them.
    Pass(usize),
    Remove(Vec<u64>),
    Search {
        k: usize,
        exact: bool,
        effort: f32,
        /// Keys, or every so many rows.
        filter: Option<Result<Vec<u64>, usize>>,
    },
    /// Goes on with the index of an image.
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let keys = || prop::collection::vec(0..KEYS, 0..12);
    let filter = prop::option::of(prop_oneof![keys().prop_map(Ok), (1_usize..5).prop_map(Err)]);
    let search = (1_usize..60, any::<bool>(), 0.01_f32..2.0, filter);
    prop_oneof![
        6 => keys().prop_map(Op::Add),
        2 => (0_usize..20).prop_map(Op::AddNext),
        1 => (1_usize..1300).prop_map(Op::Pass),
        5 => keys().prop_map(Op::Remove),
        6 => search.prop_map(|(k, exact, effort, filter)| Op::Search { k, exact, effort, filter }),
        1 => Just(Op::Reopen),
    ]
}

/// An index and what it should hold.
struct Life {
    index: Index,
    kind: IdKind,
    metric: Metric,
    /// Id and vector of each row ever added; none once it was removed.
    rows: Vec<Option<(Id, Vec<f32>)>>,
    next: u64,
    seed: u64,
}

impl Life {
    fn new(kind: IdKind, metric: Metric, partitions: usize) -> Self {
        let originals = Originals::F32;
        let config = IndexConfig::new(DIM, 4, metric, 3, kind, originals).unwrap();
        // Partitions of rows that are removed again.
        let options = common::partitioned(false, partitions);
        let values = seeded::normal(1, 60 * DIM, 1.0);
        let given = ids(kind, 1000..1060);
        let index = Index::build(config, &options, &values, given, &Control::default()).unwrap();
        let mut life = Self {
            index,
            kind,
            metric,
            rows: vec![None; 60],
            next: 0,
            seed: 10,
        };
        for key in 1000..1060 {
            let id = id(kind, key);
            life.given(&id);
            assert_eq!(life.index.remove(&[as_ref(&id)]), Ok(1));
        }
        life
    }

    fn given(&mut self, id: &Id) {
        if let Id::Whole(id) = id {
            self.next = self.next.max(id.saturating_add(1));
        }
    }

    fn live(&self) -> impl Iterator<Item = &(Id, Vec<f32>)> {
        self.rows.iter().flatten()
    }

    fn has(&self, id: &Id) -> bool {
        self.live().any(|(other, _)| other == id)
    }

    fn vectors(&mut self, count: usize) -> Vec<f32> {
        self.seed += 1;
        seeded::normal(self.seed, count * DIM, 1.0)
    }

    fn add(&mut self, names: &[Id], given: Ids) -> Result<(), TestCaseError> {
        let values = self.vectors(names.len());
        let control = Control::default();
        let taken = (0..names.len())
            .find(|row| self.has(&names[*row]) || names[..*row].contains(&names[*row]));
        let result = self.index.add(&values, given, &control);
        if taken.is_some() {
            prop_assert_eq!(result.unwrap_err().code(), ErrorCode::IdExists);
            return Ok(());
        }
        prop_assert_eq!(result, Ok(()));
        for (id, values) in names.iter().zip(values.chunks_exact(DIM)) {
            self.given(id);
            self.rows.push(Some((id.clone(), values.to_vec())));
        }
        Ok(())
    }

    fn remove(&mut self, names: &[Id]) -> Result<(), TestCaseError> {
        let refs: Vec<IdRef<'_>> = names.iter().map(as_ref).collect();
        let before = self.live().count();
        for row in &mut self.rows {
            if row.as_ref().is_some_and(|(id, _)| names.contains(id)) {
                *row = None;
            }
        }
        let gone = before - self.live().count();
        prop_assert_eq!(self.index.remove(&refs), Ok(gone));
        Ok(())
    }

    fn search(
        &mut self,
        options: &SearchOptions,
        allowed: impl Fn(usize, &Id) -> bool,
    ) -> Result<(), TestCaseError> {
        let query = self.vectors(1);
        let hits = (self.index)
            .search(&query, options, &Control::default())
            .unwrap()
            .remove(0);
        let rows = self.rows.iter().enumerate();
        let allowed: HashMap<&Id, f64> = rows
            .filter_map(|(row, entry)| entry.as_ref().map(|(id, values)| (row, id, values)))
            .filter(|(row, id, _)| allowed(*row, id))
            .map(|(_, id, values)| (id, score(self.metric, &query, values)))
            .collect();
        let ids = listed(&hits);
        prop_assert_eq!(ids.len(), options.k.min(allowed.len()));
        prop_assert!(is_descending(&hits.scores));
        for (at, (id, got)) in ids.iter().zip(&hits.scores).enumerate() {
            prop_assert!(!ids[..at].contains(id));
            let expected = allowed.get(id);
            prop_assert!(expected.is_some_and(|score| (score - f64::from(*got)).abs() < 1e-4));
        }
        let mut best: Vec<f64> = allowed.into_values().collect();
        best.sort_by(|a, b| b.total_cmp(a));
        for (got, best) in hits.scores.iter().zip(best).filter(|_| options.exact) {
            prop_assert!((f64::from(*got) - best).abs() < 1e-4);
        }
        Ok(())
    }

    fn apply(&mut self, op: Op) -> Result<(), TestCaseError> {
        let kind = self.kind;
        let named = |keys: &[u64]| -> Vec<Id> { keys.iter().map(|key| id(kind, *key)).collect() };
        match op {
            Op::Add(keys) => self.add(&named(&keys), ids(kind, keys))?,
            Op::AddNext(count) => {
                let end = self.next.checked_add(count as u64);
                if let Some(end) = end.filter(|_| kind == IdKind::Number) {
                    let numbers: Vec<Id> = (self.next..end).map(Id::Whole).collect();
                    self.add(&numbers, Ids::Next)?;
                }
            }
            Op::Pass(count) => {
                let keys: Vec<u64> = (2000..2000 + count as u64).collect();
                self.add(&named(&keys), ids(kind, keys.iter().copied()))?;
                self.remove(&named(&keys))?;
            }
            Op::Remove(keys) => self.remove(&named(&keys))?,
            Op::Search {
                k,
                exact: is_exact,
                effort,
                filter,
            } => {
                let plain = SearchOptions {
                    effort,
                    exact: is_exact,
                    ..exact(k)
                };
                match filter {
                    None => self.search(&plain, |_, _| true)?,
                    Some(Ok(keys)) => {
                        let names = named(&keys);
                        let filter = Filter::Ids(names.clone());
                        self.search(&common::within(&plain, filter), |_, id| names.contains(id))?;
                    }
                    Some(Err(step)) => {
                        let rows = (0..self.rows.len()).step_by(step);
                        let filter = Filter::Rows(bitmap(rows));
                        self.search(&common::within(&plain, filter), |row, _| {
                            row.is_multiple_of(step)
                        })?;
                    }
                }
            }
            Op::Reopen => {
                let image = self.index.image().unwrap();
                if let IdImage::Listed {
                    later: Ids::Whole(ids),
                    ..
                } = &image.ids
                {
                    prop_assert_eq!(ids.len(), self.rows.len());
                }
                self.index = Index::from_image(image).unwrap();
            }
        }
        let stats = self.index.stats();
        let live = self.live().count();
        prop_assert_eq!(
            (stats.rows, stats.live),
            (self.rows.len() as u64, live as u64)
        );
        prop_assert_eq!(self.index.len(), live);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_life(
        kind in prop::sample::select(ID_KINDS.to_vec()),
        metric in prop::sample::select(METRICS.to_vec()),
        partitions in prop::sample::select(vec![1_usize, 2, 25]),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut life = Life::new(kind, metric, partitions);
        for op in ops {
            life.apply(op)?;
        }
        for key in 0..KEYS {
            let id = id(kind, key);
            prop_assert_eq!(life.index.has(as_ref(&id)), Ok(life.has(&id)));
            let expected = life.live().find(|(other, _)| *other == id);
            let got = life.index.reconstruct(as_ref(&id)).ok();
            prop_assert_eq!(got.as_ref(), expected.map(|(_, values)| values));
        }
        let all = life.rows.len();
        life.search(&exact(all), |_, _| true)?;
    }
}
