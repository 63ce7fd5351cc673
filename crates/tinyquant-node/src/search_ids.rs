//! Ids of a search index on their way from and to JavaScript.

use crate::error::Failure;
use crate::number;
use napi::bindgen_prelude::{BigInt, BigUint64Array, Either3, Float64Array};
use std::sync::Arc;
use tinyquant_index::{Id, IdImage, IdKind, IdList, IdRef, Ids, Image, Index};

/// Ids from JavaScript: numbers, bigints or texts.
pub(crate) type GivenIds<'a> = Either3<&'a [f64], &'a [u64], Vec<String>>;

/// One id from JavaScript: a number, a bigint or a text.
pub(crate) type GivenId = Either3<f64, BigInt, String>;

/// Ids for JavaScript: numbers, bigints or texts.
pub(crate) type TakenIds = Either3<Float64Array, BigUint64Array, Vec<String>>;

/// Ids that a caller lists.
pub(crate) fn list_of(given: GivenIds<'_>) -> Result<IdList, Failure> {
    Ok(match given {
        Either3::A(numbers) => {
            let ids = numbers.iter().map(|id| number::integer(*id, "id", None));
            IdList::Whole(ids.collect::<Result<_, _>>()?)
        }
        Either3::B(bigints) => IdList::Whole(bigints.to_vec()),
        Either3::C(texts) => IdList::Text(texts.into_iter().map(Arc::from).collect()),
    })
}

/// Ids of rows that are added; without any, the numbers that follow the largest so far.
pub(crate) fn ids_of(list: Option<IdList>) -> Ids {
    match list {
        None => Ids::Next,
        Some(IdList::Whole(ids)) => Ids::Whole(ids),
        Some(IdList::Text(ids)) => Ids::Text(ids),
    }
}

/// One id.
pub(crate) fn id_of(given: GivenId) -> Result<Id, Failure> {
    Ok(match given {
        Either3::A(number) => Id::Whole(number::integer(number, "id", None)?),
        Either3::B(bigint) => Id::Whole(number::whole(&bigint, "id")?),
        Either3::C(text) => Id::Text(text.into()),
    })
}

/// The same id, borrowed.
pub(crate) fn reference(id: &Id) -> IdRef<'_> {
    match id {
        Id::Whole(id) => IdRef::Whole(*id),
        Id::Text(id) => IdRef::Text(id),
    }
}

/// The same ids, borrowed.
pub(crate) fn references(ids: &IdList) -> Vec<IdRef<'_>> {
    match ids {
        IdList::Whole(ids) => ids.iter().copied().map(IdRef::Whole).collect(),
        IdList::Text(ids) => ids.iter().map(|id| IdRef::Text(id)).collect(),
    }
}

/// The same ids, one by one.
pub(crate) fn separate(ids: IdList) -> Vec<Id> {
    match ids {
        IdList::Whole(ids) => ids.into_iter().map(Id::Whole).collect(),
        IdList::Text(ids) => ids.into_iter().map(Id::Text).collect(),
    }
}

/// Ids of an index whose ids are of this kind.
pub(crate) fn taken(ids: IdList, kind: IdKind) -> TakenIds {
    match (ids, kind) {
        (IdList::Text(ids), _) => Either3::C(ids.iter().map(ToString::to_string).collect()),
        (IdList::Whole(ids), IdKind::Bigint) => Either3::B(ids.into()),
        (IdList::Whole(ids), _) => {
            let numbers: Vec<f64> = ids.into_iter().map(|id| id as f64).collect();
            Either3::A(numbers.into())
        }
    }
}

/// The ids of the rows that were not removed, in order of adding.
pub(crate) fn live_ids(index: &Index) -> Result<IdList, Failure> {
    let Image {
        rows,
        dead,
        ids,
        config,
        ..
    } = index.image()?;
    let is_live = |row: &u64| {
        let word = dead.get(*row as usize / 64).copied().unwrap_or_default();
        word >> (row % 64) & 1 == 0
    };
    let live = (0..rows).filter(is_live);
    let (mut wholes, mut texts) = (vec![], vec![]);
    match ids {
        IdImage::Rows => wholes.extend(live),
        IdImage::Listed { stored, later } => {
            let first = stored.as_ref().map_or(0, |ids| ids.rows());
            for row in live {
                let id = match &stored {
                    Some(stored) if row < u64::from(first) => stored.id(row as u32)?,
                    _ => later_id(&later, (row - u64::from(first)) as usize)?,
                };
                match id {
                    Id::Whole(id) => wholes.push(id),
                    Id::Text(id) => texts.push(id),
                }
            }
        }
    }
    Ok(if config.id_kind() == IdKind::Text {
        IdList::Text(texts)
    } else {
        IdList::Whole(wholes)
    })
}

fn later_id(later: &Ids, row: usize) -> Result<Id, Failure> {
    let id = match later {
        Ids::Next => None,
        Ids::Whole(ids) => ids.get(row).copied().map(Id::Whole),
        Ids::Text(ids) => ids.get(row).cloned().map(Id::Text),
    };
    id.ok_or_else(|| Failure::internal(format!("row {row} has no id")))
}
