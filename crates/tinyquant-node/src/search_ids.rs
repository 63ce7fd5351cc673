//! Ids of a search index on their way from and to JavaScript.

use crate::error::Failure;
use crate::number;
use napi::bindgen_prelude::{BigInt, BigUint64Array, Either3, Float64Array};
use std::sync::Arc;
use tinyquant_index::{Id, IdKind, IdList, IdRef, Ids};

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
