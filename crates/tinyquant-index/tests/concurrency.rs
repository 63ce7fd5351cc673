//! Searches, adds and removals at the same time: a search sees all of a call or none of it.

mod common;

use common::{PLAIN, add, best, build, bytes_of, config, exact, partitioned, search, whole};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_index::{IdRef, Ids, Index, Metric, Originals};
use tinyquant_testkit::seeded;

const DIM: usize = 32;

/// Rows of each batch: small ones, and one that is a part at once.
const BATCHES: [usize; 5] = [1, 70, 300, 1100, 37];

/// Hits of each batch; the ids of batch b begin at `b << 20`.
fn batches(ids: &[u64]) -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    for id in ids {
        *counts.entry(id >> 20).or_insert(0) += 1;
    }
    counts
}

fn ids_of(batch: u64) -> impl Iterator<Item = u64> {
    let count = BATCHES[batch as usize % BATCHES.len()] as u64;
    (0..count).map(move |i| batch << 20 | i)
}

fn add_batch(index: &Index, batch: u64) {
    let ids: Vec<u64> = ids_of(batch).collect();
    let values = seeded::normal(batch, ids.len() * DIM, 1.0);
    index
        .add(&values, Ids::Whole(ids), &Control::default())
        .unwrap();
}

fn remove_batch(index: &Index, batch: u64) {
    let ids: Vec<_> = ids_of(batch).map(IdRef::Whole).collect();
    assert_eq!(index.remove(&ids).unwrap(), ids.len());
}

/// Every batch is there whole or not at all, and each row once.
fn check_whole(ids: &[u64]) -> HashSet<u64> {
    let counts = batches(ids);
    for (batch, count) in &counts {
        assert_eq!(
            *count,
            BATCHES[*batch as usize % BATCHES.len()],
            "batch {batch}"
        );
    }
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    counts.into_keys().collect()
}

#[test]
fn a_search_sees_whole_adds_in_their_order() {
    for (fit, partitions) in [(false, 1), (false, 9)] {
        let config = config(DIM, 2, Metric::Cosine);
        let first = seeded::normal(0, 1000 * DIM, 1.0);
        let index = build(config, &partitioned(fit, partitions), &first);
        let ids: Vec<_> = (0..1000).map(IdRef::Whole).collect();
        index.remove(&ids).unwrap();
        let is_done = AtomicBool::new(false);
        let searches = AtomicUsize::new(0);
        thread::scope(|scope| {
            for seed in 0..3 {
                let (index, is_done, searches) = (&index, &is_done, &searches);
                scope.spawn(move || {
                    let query = seeded::normal(1000 + seed, DIM, 1.0);
                    let mut before = 0;
                    loop {
                        let was_done = is_done.load(Ordering::Acquire);
                        let options = if seed == 0 {
                            exact(1 << 20)
                        } else {
                            best(1 << 20)
                        };
                        let hits = search(index, &query, &options);
                        let seen = check_whole(&whole(&hits[0]));
                        // Batches from 1 on, without a gap, and never fewer than before.
                        let count = seen.len() as u64;
                        assert!((1..=count).all(|batch| seen.contains(&batch)));
                        assert!(count >= before);
                        before = count;
                        searches.fetch_add(1, Ordering::Relaxed);
                        if was_done {
                            assert_eq!(count, 40);
                            break;
                        }
                    }
                });
            }
            for batch in 1..=40 {
                add_batch(&index, batch);
            }
            is_done.store(true, Ordering::Release);
        });
        assert!(searches.into_inner() >= 6);
    }
}

#[test]
fn a_search_sees_whole_removals() {
    let index = Index::new(config(DIM, 1, Metric::Dot)).unwrap();
    (1..=30).for_each(|batch| add_batch(&index, batch));
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..2 {
            let (index, is_done) = (&index, &is_done);
            scope.spawn(move || {
                let query = seeded::normal(1000 + seed, DIM, 1.0);
                while !is_done.load(Ordering::Acquire) {
                    let hits = search(index, &query, &best(1 << 20));
                    check_whole(&whole(&hits[0]));
                }
            });
        }
        scope.spawn(|| {
            // Batches that come again under the same ids, while others go and parts are merged.
            for batch in (1..=30).filter(|batch| batch % 3 != 0) {
                remove_batch(&index, batch);
                if batch % 2 == 0 {
                    add_batch(&index, batch);
                }
            }
            is_done.store(true, Ordering::Release);
        });
    });
    let left: HashSet<u64> = (1..=30)
        .filter(|batch| batch % 3 == 0 || batch % 2 == 0)
        .collect();
    let hits = search(&index, &seeded::normal(1, DIM, 1.0), &exact(1 << 20));
    assert_eq!(check_whole(&whole(&hits[0])), left);
    let rows: usize = left.iter().map(|batch| ids_of(*batch).count()).sum();
    assert_eq!((index.len(), index.stats().live), (rows, rows as u64));
}

#[test]
fn many_writers_and_images() {
    let config = common::keeping(DIM, 4, Metric::L2, Originals::F16);
    let index = build(
        config,
        &partitioned(false, 5),
        &seeded::normal(3, 2000 * DIM, 1.0),
    );
    let all: Vec<_> = (0..2000).map(IdRef::Whole).collect();
    thread::scope(|scope| {
        for writer in 0..3 {
            let index = &index;
            scope.spawn(move || {
                for batch in (1 + writer..=30).step_by(3) {
                    add_batch(index, batch);
                }
            });
        }
        scope.spawn(|| {
            for ids in all.chunks(100) {
                assert_eq!(index.remove(ids).unwrap(), 100);
            }
        });
        scope.spawn(|| {
            for _ in 0..15 {
                let image = index.image().unwrap();
                let rows: usize = image.parts.iter().map(|part| part.rows()).sum();
                assert!(image.live <= rows as u64 && rows as u64 <= image.rows);
                let mut seen = vec![0; image.rows.div_ceil(64) as usize];
                for part in &image.parts {
                    part.verify(image.rows, &mut seen).unwrap();
                }
                let bytes: usize = image.originals.iter().map(|run| run.len()).sum();
                assert_eq!(bytes as u64, image.rows * 2 * DIM as u64);
                let reopened = Index::from_image(image).unwrap();
                let hits = search(&reopened, &[0.5; DIM], &best(1 << 20));
                assert_eq!(hits[0].scores.len(), reopened.len());
                let later: Vec<u64> = whole(&hits[0])
                    .into_iter()
                    .filter(|id| *id >= 2000)
                    .collect();
                check_whole(&later);
            }
        });
    });
    let hits = search(&index, &[0.5; DIM], &exact(1 << 20));
    assert_eq!(check_whole(&whole(&hits[0])).len(), 30);
    // What was kept belongs to the ids.
    for batch in 1..=30 {
        let values = seeded::normal(batch, ids_of(batch).count() * DIM, 1.0);
        for (id, row) in ids_of(batch).zip(values.chunks_exact(DIM)) {
            let got = index.reconstruct(IdRef::Whole(id)).unwrap();
            assert!((got[0] - row[0]).abs() <= 1e-3 * row[0].abs() + 1e-6);
        }
    }
}

#[test]
fn an_id_is_given_once_by_many_writers() {
    let index = Index::new(config(DIM, 4, Metric::Cosine)).unwrap();
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for writer in 0..4 {
            let (index, taken) = (&index, &taken);
            scope.spawn(move || {
                for id in 0..200 {
                    let values = seeded::normal(writer * 1000 + id, DIM, 1.0);
                    let added = index.add(&values, Ids::Whole(vec![id]), &Control::default());
                    taken.fetch_add(usize::from(added.is_ok()), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((index.len(), taken.into_inner()), (200, 200));
    let numbered = Index::new(config(DIM, 4, Metric::Cosine)).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let numbered = &numbered;
            scope.spawn(move || {
                for row in 0..100 {
                    add(numbered, &seeded::normal(writer * 1000 + row, 3 * DIM, 1.0));
                }
            });
        }
    });
    let hits = search(&numbered, &[1.0; DIM], &exact(5000));
    let mut ids = whole(&hits[0]);
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..1200));
}

#[test]
fn a_fit_and_adds_exclude_each_other() {
    let sample = common::clustered(1, 400, 100);
    for _ in 0..10 {
        let index = Index::new(config(100, 4, Metric::Cosine)).unwrap();
        let control = Control::default();
        let (fitted, added) = thread::scope(|scope| {
            let fit = scope.spawn(|| index.fit(&sample, &control).is_ok());
            let add = scope.spawn(|| index.add(&sample, Ids::Next, &control).is_ok());
            (fit.join().unwrap(), add.join().unwrap())
        });
        assert_eq!(
            (index.is_fitted(), index.len()),
            (fitted, if added { 400 } else { 0 })
        );
        assert!(fitted || added);
        if added {
            // Codes and model belong together.
            let hits = search(&index, &sample, &best(1));
            let own = hits
                .iter()
                .map(whole)
                .zip(0..)
                .filter(|(ids, row)| ids == &[*row]);
            assert!(own.count() > 380);
        }
    }
}

/// Codes of one model are no rows of another.
#[test]
fn an_add_that_a_fit_overtakes_fails() {
    let sample = common::clustered(1, 400, 100);
    let index = Index::new(config(100, 4, Metric::Cosine)).unwrap();
    let is_fitted = AtomicBool::new(false);
    let fit = |_: usize, _: usize| {
        if !is_fitted.swap(true, Ordering::Relaxed) {
            index.fit(&sample, &Control::default()).unwrap();
        }
    };
    let control = Control {
        cancelled: None,
        progress: Some(&fit),
    };
    let result = index.add(&sample, Ids::Next, &control);
    assert_eq!(common::code(result), ErrorCode::InvalidArg);
    assert!(index.is_fitted() && index.is_empty());
    add(&index, &sample);
    assert_eq!(index.len(), 400);
}

#[test]
fn a_state_that_is_looked_at_does_not_change() {
    let index = build(
        config(DIM, 4, Metric::Dot),
        &PLAIN,
        &seeded::normal(1, 1500 * DIM, 1.0),
    );
    let image = index.image().unwrap();
    let before = bytes_of(&image);
    let dead = image.dead.to_vec();
    add(&index, &seeded::normal(2, 1500 * DIM, 1.0));
    index.remove(&[5, 6, 2000].map(IdRef::Whole)).unwrap();
    add(&index, &seeded::normal(2, 30 * DIM, 1.0));
    assert_eq!(bytes_of(&image), before);
    assert_eq!(
        (image.rows, image.live, image.dead.to_vec()),
        (1500, 1500, dead)
    );
}
