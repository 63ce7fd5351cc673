//! Index files: what `verify` lets pass can be opened, its ids lead to their rows, and a search finds no row that was
//! removed.
#![no_main]

mod frame;

use libfuzzer_sys::fuzz_target;
use tinyquant_codec::Control;
use tinyquant_index::{Error, IdList, IdRef, Index, SearchOptions};
use tinyquant_store::{IndexFile, Source};

/// Larger rotations take longer to build than everything else.
const DIM: usize = 256;
/// Rows that are looked at one by one.
const ROWS: usize = 64;

/// The ids of all rows, best ones for a query first.
fn all(index: &Index, exact: bool) -> Result<IdList, Error> {
    let options = SearchOptions {
        k: index.len().max(1),
        effort: 1.0,
        exact,
        rescore: None,
        filter: None,
    };
    let query: Vec<f32> = (0..index.config().dim())
        .map(|at| 1.0 - at as f32)
        .collect();
    let hits = index.search(&query, &options, &Control::default())?;
    Ok(hits
        .into_iter()
        .next()
        .map_or(IdList::Whole(Vec::new()), |hits| hits.ids))
}

fn check(index: &Index, id: IdRef<'_>, is_valid: bool) {
    let has = index.has(id);
    let vector = index.reconstruct(id);
    if is_valid {
        assert!(has.unwrap());
        assert_eq!(vector.unwrap().len(), index.config().dim());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some(file) = frame::file(bytes) else {
        return;
    };
    let Ok(file) = IndexFile::from_source(Source::from_bytes(file)) else {
        return;
    };
    if file.config().dim() > DIM {
        return;
    }
    let is_valid = file.verify(&Control::default()).is_ok();
    let live = file.live();
    let index = match file.into_index() {
        Ok((index, _)) => index,
        Err(error) => {
            assert!(!is_valid, "{error}");
            return;
        }
    };
    for exact in [true, false] {
        let count = match all(&index, exact) {
            Ok(IdList::Whole(ids)) => {
                for id in ids.iter().take(ROWS) {
                    check(&index, IdRef::Whole(*id), is_valid);
                }
                ids.len()
            }
            Ok(IdList::Text(ids)) => {
                for id in ids.iter().take(ROWS) {
                    check(&index, IdRef::Text(id), is_valid);
                }
                ids.len()
            }
            Err(error) => {
                assert!(!is_valid, "{error}");
                continue;
            }
        };
        // Lengths that no vector has may leave a row without a score.
        assert!(count as u64 <= live);
    }
});
