//! Corpus files: what `verify` lets pass can be read, and every id leads to its row.
#![no_main]

mod frame;

use libfuzzer_sys::fuzz_target;
use tinyquant_codec::Control;
use tinyquant_store::{CorpusFile, Source};

/// Larger rotations take longer to build than everything else.
const DECODED_DIMENSION: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let Some(file) = frame::file(bytes) else {
        return;
    };
    let Ok(file) = CorpusFile::from_source(Source::from_bytes(file)) else {
        return;
    };
    let is_valid = file.verify(&Control::default()).is_ok();
    let live = file.live();
    let corpus = file.into_corpus();
    let page = corpus.page(0, u64::MAX, 1000);
    if is_valid {
        let items = &page.as_ref().unwrap().items;
        assert_eq!(items.len() as u64, live.min(1000));
        for entry in items {
            assert_eq!(corpus.get(entry.id()).unwrap().record(), entry.record());
        }
    }
    if corpus.config().dimension() <= DECODED_DIMENSION {
        for entry in page.iter().flat_map(|page| &page.items).take(2) {
            let _ = corpus.decompress(entry.id());
        }
    }
});
