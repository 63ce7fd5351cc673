//! Which pages of a mapped index a search reads.

mod common;

use common::index::{open_index, save};
use common::memory_folder;
use std::path::Path;
use tinyquant_codec::Control;
use tinyquant_index::{
    BuildOptions, IdKind, Ids, Index, IndexConfig, Metric, Originals, Partitions, SearchOptions,
};
use tinyquant_testkit::seeded;

const DIM: usize = 256;
const ROWS: usize = 60_000;
/// Bytes that the system may map around a page that is read.
const AROUND: usize = 1 << 16;

/// Bytes of a file that are mapped into this process; none where the system does not tell.
fn mapped(path: &Path) -> Option<usize> {
    let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let mut total = 0;
    let mut is_ours = false;
    for line in maps.lines() {
        if line.split(' ').next()?.contains('-') {
            // The addresses of the next mapping.
            is_ours = line.ends_with(path.to_str()?);
        } else if is_ours && let Some(size) = line.strip_prefix("Rss:") {
            let kib: usize = size.trim().strip_suffix("kB")?.trim().parse().ok()?;
            total += 1024 * kib;
        }
    }
    Some(total)
}

/// Of 61 MB of vectors a search with `rescore` reads those of its last candidates, 50 for 10 hits.
#[test]
fn only_the_last_candidates_are_read() {
    let folder = memory_folder();
    let path = folder.path().join("i.tq");
    let originals = Originals::F32;
    let config = IndexConfig::new(DIM, 1, Metric::Cosine, 7, IdKind::Number, originals).unwrap();
    let options = BuildOptions {
        fit: false,
        partitions: Partitions::Count(1),
    };
    let values = seeded::normal(5, ROWS * DIM, 1.0);
    let index = Index::build(config, &options, &values, Ids::Next, &Control::default()).unwrap();
    save(&index, &path);
    drop(index);
    let (index, _) = open_index(&path, true);
    let search = |rescore| {
        let options = SearchOptions {
            k: 10,
            effort: 1.0,
            exact: false,
            rescore: Some(rescore),
            filter: None,
        };
        let hits = index.search(&values[..DIM], &options, &Control::default());
        assert_eq!(hits.unwrap()[0].scores.len(), 10);
        mapped(&path)
    };
    let (Some(codes), Some(both)) = (search(false), search(true)) else {
        eprintln!("SKIPPED: this system does not tell which pages are mapped");
        return;
    };
    assert!(codes >= ROWS * DIM / 8, "{codes}");
    let (read, row) = (both - codes, 4 * DIM);
    assert!(read >= row && read <= 50 * (AROUND + row), "{read}");
    assert!(8 * read < ROWS * row, "{read}");
}
