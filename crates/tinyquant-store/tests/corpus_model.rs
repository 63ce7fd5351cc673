//! Random lives of a corpus and its files, held against a list.

mod common;

use common::{DIMENSION, POLICIES, Row, coding, content, listing, memory_folder, values};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_corpus::{CompressionPolicy, Corpus, Rows, Timestamp};
use tinyquant_store::{CorpusFile, CorpusWriter, Link, NewRows, Probe, append, save};

#[derive(Debug, Clone)]
enum Op {
    /// Inserts a batch: ids are numbers below 30.
    Insert(Vec<u8>),
    Remove(u8),
    /// Saves everything to one of two files.
    Save(bool),
    /// Adds what changed to one of them.
    Append(bool),
    Reopen {
        second: bool,
        is_mapped: bool,
    },
    /// A writer adds rows to one of them, numbered or under ids.
    Write {
        second: bool,
        named: Option<Vec<u8>>,
        rows: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let ids = || prop::collection::vec(0_u8..30, 0..6);
    prop_oneof![
        4 => ids().prop_map(Op::Insert),
        3 => (0_u8..30).prop_map(Op::Remove),
        1 => any::<bool>().prop_map(Op::Save),
        4 => any::<bool>().prop_map(Op::Append),
        2 => any::<(bool, bool)>().prop_map(|(second, is_mapped)| Op::Reopen { second, is_mapped }),
        1 => (any::<bool>(), prop::option::of(ids()), 0_usize..4)
            .prop_map(|(second, named, rows)| Op::Write { second, named, rows }),
    ]
}

/// A file, what it should hold, and how many rows it has, removed ones counted.
#[derive(Debug)]
struct File {
    path: PathBuf,
    rows: Option<(Vec<Row>, u64)>,
}

impl File {
    fn check(&self) {
        let Some((rows, _)) = &self.rows else {
            assert!(!self.path.exists());
            return;
        };
        for is_mapped in [true, false] {
            let file = CorpusFile::open(&self.path, is_mapped).unwrap();
            file.verify(&Control::default()).unwrap();
            assert_eq!(file.live(), rows.len() as u64);
            let corpus = file.into_corpus();
            assert_eq!(content(&corpus), *rows);
            for id in 0..30 {
                let id = id.to_string();
                let found = corpus.get(&id).ok().map(|entry| entry.record().to_bytes());
                let expected = rows.iter().find(|row| row.0 == id).map(|row| row.1.clone());
                assert_eq!(found, expected, "{id}");
            }
        }
    }
}

struct World {
    policy: CompressionPolicy,
    has_residual: bool,
    corpus: Corpus,
    rows: Vec<Row>,
    /// The file that the corpus belongs to, and whether it still holds what the corpus brought there.
    link: Option<(Link, bool)>,
    files: [File; 2],
    seed: u64,
}

impl World {
    fn new(folder: &Path, policy: CompressionPolicy, has_residual: bool) -> Self {
        let coding = coding(policy, has_residual);
        let (config, codebook) = (coding.config, coding.codebook);
        let created = Timestamp::default();
        let file = |name| File {
            path: folder.join(name),
            rows: None,
        };
        Self {
            policy,
            has_residual,
            corpus: Corpus::new("c", config, codebook, policy, None, created),
            rows: Vec::new(),
            link: None,
            files: [file("1.tq"), file("2.tq")],
            seed: 0,
        }
    }

    /// New vectors, the times and metadata that go with them, and the rows that they give.
    fn batch(&mut self, ids: &[String]) -> (Vec<f32>, Vec<Option<String>>, Timestamp, Vec<Row>) {
        self.seed += 1;
        let vectors = values(self.seed, ids.len());
        let time = Timestamp::from_nanos((self.seed % 3) as i64);
        let metadata: Vec<_> = (0..ids.len())
            .map(|row| {
                (row as u64 + self.seed)
                    .is_multiple_of(3)
                    .then(|| format!("\"{}\"", self.seed))
            })
            .collect();
        let coding = coding(self.policy, self.has_residual);
        let encoded = coding.encode(&vectors, None, &Control::default()).unwrap();
        let residual_len = coding.residual_len();
        let row = |(row, id): (usize, &String)| {
            let packed = encoded.packed.chunks(coding.packed_len()).nth(row).unwrap();
            let residual = &encoded.residuals[row * residual_len..][..residual_len];
            let record = coding.record(packed, residual).unwrap();
            (
                id.clone(),
                record.to_bytes(),
                time.as_nanos(),
                metadata[row].clone(),
            )
        };
        let rows = ids.iter().enumerate().map(row).collect();
        (vectors, metadata, time, rows)
    }

    fn apply(&mut self, op: Op) {
        let control = Control::default();
        match op {
            Op::Insert(ids) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let (vectors, metadata, time, rows) = self.batch(&ids);
                let lengths = vec![DIMENSION as u32; ids.len()];
                let batch = Rows::new(&ids, &vectors, &lengths).unwrap();
                let inserted = self.corpus.insert_batch(&batch, &metadata, time, None);
                if has_duplicates(&ids)
                    || ids
                        .iter()
                        .any(|id| self.rows.iter().any(|row| row.0 == *id))
                {
                    assert_eq!(inserted.unwrap_err().code(), ErrorCode::IdExists);
                } else {
                    inserted.unwrap();
                    self.rows.extend(rows);
                }
            }
            Op::Remove(id) => {
                let id = id.to_string();
                let before = self.rows.len();
                self.rows.retain(|row| row.0 != id);
                assert_eq!(self.corpus.remove(&id).unwrap(), self.rows.len() < before);
            }
            Op::Save(second) => {
                let file = &mut self.files[usize::from(second)];
                let link = save(&self.corpus, &file.path, &control, Probe::default()).unwrap();
                file.rows = Some((self.rows.clone(), self.rows.len() as u64));
                self.link = Some((link, second));
            }
            Op::Append(second) => {
                let file = &mut self.files[usize::from(second)];
                let Some((link, of)) = &mut self.link else {
                    return;
                };
                let appended = append(&self.corpus, link, &file.path, &control, Probe::default());
                match (appended, &file.rows) {
                    (Ok(newer), Some(_)) => {
                        assert_eq!(*of, second);
                        *link = newer;
                        let rows = CorpusFile::open(&file.path, true)
                            .unwrap()
                            .into_corpus()
                            .next_number();
                        file.rows = Some((self.rows.clone(), rows));
                    }
                    (Ok(_), None) => panic!("there is no file"),
                    (Err(error), None) => assert_eq!(error.code(), ErrorCode::Io),
                    (Err(error), Some(_)) if *of != second => {
                        assert_eq!(error.code(), ErrorCode::InvalidArg);
                    }
                    // A writer was there in between.
                    (Err(error), Some(_)) => {
                        assert_eq!(common::detail(&error, "kind"), "Changed");
                        self.link = None;
                    }
                }
            }
            Op::Reopen { second, is_mapped } => {
                let file = &self.files[usize::from(second)];
                let opened = CorpusFile::open(&file.path, is_mapped);
                let Some((rows, _)) = &file.rows else {
                    assert_eq!(common::errno(opened), "ENOENT");
                    return;
                };
                let opened = opened.unwrap();
                self.link = Some((Link::opened(&file.path, &opened).unwrap(), second));
                self.corpus = opened.into_corpus();
                self.rows = rows.clone();
            }
            Op::Write {
                second,
                named,
                rows,
            } => self.write(second, named.as_deref(), rows),
        }
    }

    fn write(&mut self, second: bool, named: Option<&[u8]>, rows: usize) {
        let path = self.files[usize::from(second)].path.clone();
        let Some((_, stored)) = self.files[usize::from(second)].rows else {
            return;
        };
        let ids: Vec<String> = match named {
            Some(ids) => ids.iter().map(ToString::to_string).collect(),
            None => (stored..stored + rows as u64)
                .map(|row| row.to_string())
                .collect(),
        };
        let (vectors, metadata, inserted_at, new) = self.batch(&ids);
        let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
        let batch = NewRows {
            values: &vectors,
            ids: named.is_some().then_some(&*ids),
            metadata: &metadata,
            inserted_at,
        };
        let pushed = writer.push(&batch, None, &Control::default());
        let Some((old, stored)) = &mut self.files[usize::from(second)].rows else {
            return;
        };
        if has_duplicates(&ids) || ids.iter().any(|id| old.iter().any(|row| row.0 == *id)) {
            assert_eq!(pushed.unwrap_err().code(), ErrorCode::IdExists);
        } else {
            pushed.unwrap();
            old.extend(new);
            *stored += ids.len() as u64;
        }
        let written = writer.finish().unwrap();
        assert_eq!(written.vectors, old.len() as u64);
    }
}

fn has_duplicates(ids: &[String]) -> bool {
    ids.iter()
        .enumerate()
        .any(|(at, id)| ids[..at].contains(id))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn files_hold_what_a_list_would(
        policy in 0_usize..3,
        has_residual: bool,
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let folder = memory_folder();
        let mut world = World::new(folder.path(), POLICIES[policy], has_residual);
        for op in ops {
            world.apply(op);
            prop_assert_eq!(content(&world.corpus), &*world.rows);
        }
        for file in &world.files {
            file.check();
        }
        prop_assert!(listing(folder.path()).iter().all(|name| name == "1.tq" || name == "2.tq"));
    }
}
