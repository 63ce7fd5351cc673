//! Corpus files from the outside: what is written comes back, in every shape.

mod common;

use common::{POLICIES, coding, content, create, names, new_rows, open, values, verified};
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_corpus::{CompressionPolicy, Corpus, Timestamp};
use tinyquant_store::{CorpusFile, CorpusWriter, Link, Probe, append, save};

#[test]
fn rows_come_back_under_every_policy() {
    let folder = tempfile::tempdir().unwrap();
    for policy in POLICIES {
        for has_residual in [false, true] {
            let path = folder.path().join(format!("{policy}-{has_residual}.tq"));
            let coding = coding(policy, has_residual);
            let mut corpus = Corpus::new(
                "c",
                coding.config.clone(),
                coding.codebook.clone(),
                policy,
                Some("{\"a\":1}"),
                Timestamp::default(),
            );
            for (row, id) in names(0..70).iter().enumerate() {
                let metadata = (row % 3 == 0).then(|| format!("{{\"row\":{row}}}"));
                let vector = values(row as u64, 1);
                let time = Timestamp::from_nanos(row as i64 / 10);
                corpus
                    .insert(id, &vector, metadata.as_deref(), time)
                    .unwrap();
            }
            corpus.remove("id-5").unwrap();
            save(&corpus, &path, &Control::default(), Probe::default()).unwrap();
            for is_mapped in [true, false] {
                let file = CorpusFile::open(&path, is_mapped).unwrap();
                file.verify(&Control::default()).unwrap();
                assert_eq!(file.live(), 69);
                let opened = file.into_corpus();
                assert_eq!(content(&opened), content(&corpus));
                assert_eq!(opened.coding(), corpus.coding());
                assert_eq!(opened.metadata(), corpus.metadata());
                assert_eq!(opened.len(), 69);
                assert!(!opened.contains("id-5").unwrap() && opened.contains("id-69").unwrap());
                assert_eq!(
                    opened.decompress("id-7").unwrap(),
                    corpus.decompress("id-7").unwrap()
                );
                let query = values(9, 2);
                let control = Control::default();
                assert_eq!(
                    opened.search(&query, 5, None, &control).unwrap(),
                    corpus.search(&query, 5, None, &control).unwrap()
                );
            }
        }
    }
}

#[test]
fn a_file_grows_by_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    let control = Control::default();
    let coding = coding(CompressionPolicy::Compress, true);
    let mut writer =
        CorpusWriter::create(&path, "c", coding, None, false, Probe::default()).unwrap();
    let first = values(1, 20);
    writer
        .push(&new_rows(&first, None, &[], 0), None, &control)
        .unwrap();
    writer.finish().unwrap();

    let file = CorpusFile::open(&path, true).unwrap();
    let mut link = Link::opened(&path, &file).unwrap();
    let mut corpus = file.into_corpus();
    for step in 0..40_usize {
        let vector = values(100 + step as u64, 1);
        let id = format!("new-{step}");
        corpus
            .insert(&id, &vector, Some("{}"), Timestamp::from_nanos(step as i64))
            .unwrap();
        if step % 3 == 0 {
            assert!(corpus.remove(&step.to_string()).unwrap() == (step < 20));
        }
        if step % 4 == 1 {
            assert!(corpus.remove(&format!("new-{}", step - 1)).unwrap());
            corpus
                .insert(
                    &format!("new-{}", step - 1),
                    &vector,
                    None,
                    Timestamp::default(),
                )
                .unwrap();
        }
        let before = std::fs::metadata(&path).unwrap().len();
        link = append(&corpus, &link, &path, &control, Probe::default()).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > before);
        let file = CorpusFile::open(&path, true).unwrap();
        file.verify(&control).unwrap();
        assert_eq!(file.commits(), step as u64 + 2);
        assert_eq!(
            content(&file.into_corpus()),
            content(&corpus),
            "step {step}"
        );
    }
    // A writer that adds rows of the same names is refused, whether they are numbers or not.
    let mut writer = CorpusWriter::append(&path, Probe::default()).unwrap();
    let row = values(1, 1);
    for id in ["1", "new-4", "new-39"] {
        let ids = [id.to_owned()];
        let pushed = writer.push(&new_rows(&row, Some(&ids), &[], 0), None, &control);
        assert_eq!(pushed.unwrap_err().code(), ErrorCode::IdExists, "{id}");
    }
    let ids = ["3".to_owned()];
    writer
        .push(&new_rows(&row, Some(&ids), &[], 0), None, &control)
        .unwrap();
    writer.finish().unwrap();
    assert!(open(&path).contains("3").unwrap());
    // The corpus does not know of that row.
    let changed = append(&corpus, &link, &path, &control, Probe::default());
    assert_eq!(changed.unwrap_err().code(), ErrorCode::Io);
}

#[test]
fn vectors_of_any_size_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.tq");
    for policy in [CompressionPolicy::Compress, CompressionPolicy::Passthrough] {
        let mut writer = create(&path, coding(policy, false));
        for scale in [0.0, 1e-40, 1e6, 1e30] {
            let values: Vec<f32> = values(1, 1).iter().map(|value| value * scale).collect();
            let rows = new_rows(&values, None, &[], 0);
            writer.push(&rows, None, &Control::default()).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(verified(&path, true).len(), 4);
    }
}
