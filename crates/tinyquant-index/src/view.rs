//! The rows of an index at one moment, for scores that are computed elsewhere.

use crate::encoder::check_range;
use crate::rotation::Scratch;
use crate::search::Searcher;
use crate::shortlist::Candidate;
use crate::state::State;
use crate::want::Want;
use crate::{Error, Hits, IdList, IndexConfig, Originals};
use std::ops::Range;
use std::sync::Arc;
use tinyquant_codec::{Control, check_finite, rows_of};
use tinyquant_kernels::{FactorCode, LANES, ScanKernels, UNIT};

/// Where a row is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) number: u32,
    part: u32,
    place: u32,
}

/// The rows of an index as they were. It keeps them, whatever happens to the index.
#[derive(Debug)]
pub struct View {
    config: IndexConfig,
    state: Arc<State>,
    rows: Vec<Row>,
    ids: IdList,
}

/// Codes of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct CodedPage {
    /// A byte for each code, [`UNIT`] a unit, row by row.
    pub codes: Vec<u8>,
    /// A byte for the factor of each segment, row by row.
    pub factors: Vec<u8>,
    /// The length of each row, where lengths are kept.
    pub norms: Vec<f32>,
}

/// Queries as whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitQueries {
    /// [`UNIT`] a unit, from -127 to 127.
    pub codes: Vec<i8>,
    /// What they were divided by, for each segment.
    pub scales: Vec<f32>,
    /// Base, slope and bend of each query.
    pub terms: Vec<f32>,
}

impl View {
    /// The rows of a state that were not removed, as they lie.
    pub(crate) fn live_rows(state: &State) -> Vec<Row> {
        let mut rows = Vec::with_capacity(state.live as usize);
        for part in 0..=state.parts.len() {
            for row in 0..state.coded(part).rows {
                let number = state.number(part, row);
                if !crate::names::is_set(&state.dead, number) {
                    rows.push(Row {
                        number,
                        part: part as u32,
                        place: row as u32,
                    });
                }
            }
        }
        rows
    }

    pub(crate) fn new(config: IndexConfig, state: Arc<State>, rows: Vec<Row>, ids: IdList) -> Self {
        Self {
            config,
            state,
            rows,
            ids,
        }
    }

    /// Dimension, bits, metric, seed and kinds.
    pub fn config(&self) -> &IndexConfig {
        &self.config
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether rows have lengths of their own.
    pub fn has_norms(&self) -> bool {
        self.config.metric() != crate::Metric::Cosine
    }

    /// Bits of the codes of each unit.
    pub fn widths(&self) -> Vec<u8> {
        let plan = self.state.model.plan();
        (0..plan.units())
            .map(|unit| plan.table(unit).width())
            .collect()
    }

    /// Units of each segment, and how its factors are stored.
    pub fn segments(&self) -> Vec<(usize, FactorCode)> {
        let plan = self.state.model.plan();
        let mut segments: Vec<_> = plan.factors().iter().map(|factor| (0, *factor)).collect();
        for unit in 0..plan.units() {
            segments[plan.segment_of(unit)].0 += 1;
        }
        segments
    }

    /// The codes of some rows; those beyond the end are left out.
    pub fn page(&self, range: Range<usize>) -> CodedPage {
        let (model, plan) = (&self.state.model, self.state.model.plan());
        let rows = self
            .rows
            .get(range.start..range.end.min(self.rows.len()))
            .unwrap_or_default();
        let (coded, segments) = (model.coded(), plan.factors().len());
        let mut page = CodedPage {
            codes: vec![0; rows.len() * coded],
            factors: Vec::with_capacity(rows.len() * segments),
            norms: Vec::new(),
        };
        for (at, codes) in rows.iter().zip(page.codes.chunks_exact_mut(coded)) {
            let (rows, row) = (self.state.coded(at.part as usize), at.place as usize);
            model.codes(rows, row, codes);
            let factors = &rows.factors[row / LANES * plan.factor_bytes()..];
            let bytes = factors.iter().skip(row % LANES).step_by(LANES);
            page.factors.extend(bytes.take(segments));
            if self.has_norms() {
                page.norms.push(model.norm(rows, row));
            }
        }
        page
    }

    /// Rows of `dim` finite values as the scores by codes take them.
    ///
    /// # Errors
    /// The errors of [`crate::Index::search`] about values.
    pub fn queries(&self, values: &[f32]) -> Result<UnitQueries, Error> {
        let model = &self.state.model;
        rows_of(values, model.dim())?;
        check_finite(values, model.dim())?;
        check_range(model, values)?;
        let queries: Vec<_> = values.chunks_exact(model.dim()).collect();
        let ready = model.queries(ScanKernels::active(), &queries, &mut Scratch::default());
        let units = model.plan().units() * UNIT;
        let mut all = UnitQueries {
            codes: Vec::with_capacity(queries.len() * units),
            scales: Vec::new(),
            terms: Vec::new(),
        };
        for query in ready {
            let (codes, scales) = query.code.parts();
            all.codes.extend(codes);
            all.scales.extend(scales);
            all.terms.extend(query.code.terms());
        }
        Ok(all)
    }

    /// How many of the best rows by codes decide the `k` best.
    pub fn candidates(&self, k: usize, rescore: bool) -> usize {
        self.want(k, rescore).pool()
    }

    fn want(&self, k: usize, rescore: bool) -> Want<'static> {
        Want {
            k: k.min(self.rows.len()),
            effort: 1.0,
            exact: false,
            rescore: rescore && self.config.originals() != Originals::None,
            allowed: None,
            count: self.rows.len(),
            threads: 1,
        }
    }

    /// The `k` best of some rows, or of all, by their places in this view: by all their codes, which is what an exact
    /// search does that does not look at vectors. Where vectors are kept and `rescore` is set, the best ones by
    /// codes are put in order by them, as [`crate::Index::search`] does.
    ///
    /// # Errors
    /// The errors of [`crate::Index::search`]; `InvalidArgument` for a place beyond the end.
    pub fn search_among(
        &self,
        query: &[f32],
        places: Option<&[u32]>,
        k: usize,
        rescore: bool,
        control: &Control,
    ) -> Result<Hits, Error> {
        let dim = self.config.dim();
        if query.len() != dim {
            return Err(Error::invalid(format!(
                "a query of {} values, expected {dim}",
                query.len()
            )));
        }
        check_finite(query, dim)?;
        check_range(&self.state.model, query)?;
        if k == 0 {
            return Err(Error::invalid("k must be at least 1, got 0"));
        }
        let want = self.want(k, rescore);
        let candidate = |row: &Row| Candidate::new(0.0, row.number, row.part, row.place);
        let candidates: Vec<_> = match places {
            None => self.rows.iter().map(candidate).collect(),
            Some(places) => {
                let rows = places.iter().map(|place| self.rows.get(*place as usize));
                let rows: Option<Vec<_>> = rows.map(|row| row.map(candidate)).collect();
                rows.ok_or_else(|| {
                    Error::invalid(format!("a place beyond the {} rows", self.rows.len()))
                })?
            }
        };
        let best = Searcher::new(&self.state, want).among(query, &candidates, control)?;
        let places: Vec<usize> = best
            .iter()
            .filter_map(|hit| {
                let place = |row: &Row| (row.part, row.place);
                let found = self.rows.binary_search_by_key(&(hit.part, hit.row), place);
                found.ok()
            })
            .collect();
        let ids = match &self.ids {
            IdList::Whole(ids) => IdList::Whole(places.iter().map(|place| ids[*place]).collect()),
            IdList::Text(ids) => IdList::Text(
                places
                    .iter()
                    .map(|place| Arc::clone(&ids[*place]))
                    .collect(),
            ),
        };
        Ok(Hits {
            ids,
            scores: best.iter().map(Candidate::score).collect(),
        })
    }
}
