//! Hits of searches in an index.

use crate::search_ids::{TakenIds, taken};
use napi::bindgen_prelude::{Float32Array, Uint32Array};
use napi_derive::napi;
use tinyquant_index::{Hits, IdKind, IdList};

/// Hits of the queries of a call, those of a query best first, one query after another.
#[napi(object, object_from_js = false)]
pub struct NativeIndexHits {
    /// Ids of the vectors.
    #[napi(ts_type = "Float64Array | BigUint64Array | Array<string>")]
    pub ids: TakenIds,
    /// The score of each.
    pub scores: Float32Array,
    /// Hits of each query; absent for one query.
    pub counts: Option<Uint32Array>,
}

/// The hits of a call before they become JavaScript's.
pub(crate) struct JoinedHits {
    kind: IdKind,
    ids: IdList,
    scores: Vec<f32>,
    counts: Option<Vec<u32>>,
}

impl JoinedHits {
    /// Joins the hits of queries in an index whose ids are of this kind.
    pub(crate) fn new(hits: Vec<Hits>, kind: IdKind) -> Self {
        let counts =
            (hits.len() != 1).then(|| hits.iter().map(|hits| hits.scores.len() as u32).collect());
        let mut hits = hits.into_iter();
        let (mut ids, mut scores) = match hits.next() {
            Some(Hits { ids, scores }) => (ids, scores),
            None if kind == IdKind::Text => (IdList::Text(vec![]), vec![]),
            None => (IdList::Whole(vec![]), vec![]),
        };
        for more in hits {
            scores.extend(more.scores);
            match (&mut ids, more.ids) {
                (IdList::Whole(ids), IdList::Whole(more)) => ids.extend(more),
                (IdList::Text(ids), IdList::Text(more)) => ids.extend(more),
                // An index has ids of one kind.
                _ => {}
            }
        }
        Self {
            kind,
            ids,
            scores,
            counts,
        }
    }
}

impl From<JoinedHits> for NativeIndexHits {
    fn from(hits: JoinedHits) -> Self {
        Self {
            ids: taken(hits.ids, hits.kind),
            scores: hits.scores.into(),
            counts: hits.counts.map(Into::into),
        }
    }
}
