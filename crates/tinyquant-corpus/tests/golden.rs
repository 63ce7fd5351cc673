//! Recorded results of TinyQuant 1.1.0: records and vectors of corpora, scores and orders of searches.

use serde_json::Value;
use tinyquant_codec::{Codebook, CodecConfig};
use tinyquant_corpus::{
    BruteForce, CompressionPolicy, Corpus, CorpusEvent, Error, Hit, Rows, Timestamp,
};
use tinyquant_testkit::golden::{f32s, from_f32s, json};
use tinyquant_testkit::sha256;

const DIMENSION: usize = 64;
const NOW: Timestamp = Timestamp::from_nanos(1_000_000);

fn digest(values: &[f32]) -> String {
    sha256(&from_f32s(values))
}

fn codec() -> (CodecConfig, Codebook) {
    let config = CodecConfig::new(4, 42, DIMENSION as u32, true).unwrap();
    (
        config,
        Codebook::from_entries(&f32s("train/codebook_d64_bw4.f32.bin"), 4).unwrap(),
    )
}

/// The recorded corpora hold three neighbouring rows of the d64 vectors.
fn vector_of(id: &str) -> Vec<f32> {
    let row = match id {
        "a" => 30,
        "b" => 31,
        _ => 32,
    };
    f32s("d64/vectors_n200.f32.bin")[row * DIMENSION..][..DIMENSION].to_vec()
}

fn rows<S: AsRef<str>>(ids: &[S], vectors: &[Vec<f32>], run: impl FnOnce(&Rows<'_, S>)) {
    let values = vectors.concat();
    let lengths: Vec<u32> = vectors.iter().map(|vector| vector.len() as u32).collect();
    run(&Rows::new(ids, &values, &lengths).unwrap());
}

fn ingest<S: AsRef<str>>(
    index: &mut BruteForce,
    ids: &[S],
    vectors: &[Vec<f32>],
) -> Result<(), Error> {
    let mut result = Ok(());
    rows(ids, vectors, |rows| result = index.ingest(rows));
    result
}

fn ids(corpus: &Corpus) -> Vec<String> {
    let page = corpus.page_ids(0, u64::MAX, usize::MAX).unwrap();
    page.items.iter().map(ToString::to_string).collect()
}

/// Each recorded policy, with a corpus of the recorded vectors: b, then a, then c.
fn recorded_corpora() -> Vec<(String, Value, Corpus)> {
    let recorded = json("corpus/scenarios.json");
    let corpora = ["COMPRESS", "PASSTHROUGH", "FP16"].map(|name| {
        let case = recorded[name].clone();
        let policy = CompressionPolicy::from_kind(case["value"].as_str().unwrap()).unwrap();
        assert_eq!(policy.requires_codec(), case["requires_codec"], "{name}");
        let (config, codebook) = codec();
        let mut corpus = Corpus::new("corp", config, codebook, policy, None, NOW);
        for id in ["b", "a", "c"] {
            corpus.insert(id, &vector_of(id), None, NOW).unwrap();
        }
        (name.to_owned(), case, corpus)
    });
    corpora.into()
}

#[test]
fn corpora_hold_the_recorded_bytes_under_every_policy() {
    for (name, case, corpus) in recorded_corpora() {
        let (entry, expected) = (corpus.get("c").unwrap(), &case["entry"]);
        let record = entry.record();
        assert_eq!(record.config_hash(), expected["config_hash"], "{name}");
        assert_eq!(entry.dimension(), expected["dimension"], "{name}");
        assert_eq!(
            record.dimension(),
            expected["compressed_dimension"],
            "{name}"
        );
        assert_eq!(
            record.bit_width(),
            expected["compressed_bit_width"],
            "{name}"
        );
        assert_eq!(record.has_residual(), expected["has_residual"], "{name}");
        assert_eq!(record.size_bytes(), expected["size_bytes"], "{name}");
        assert_eq!(
            sha256(&record.to_bytes()),
            expected["to_bytes_sha256"],
            "{name}"
        );
    }
}

#[test]
fn corpora_decompress_to_the_recorded_values() {
    for (name, case, mut corpus) in recorded_corpora() {
        corpus.drain_events();
        // TinyQuant sorts by id here; this corpus keeps its insertion order.
        let all = corpus.decompress_all(NOW, None).unwrap();
        let noted = events(&mut corpus);
        assert_eq!(
            &noted,
            case["events_after_decompress_all"].as_array().unwrap(),
            "{name}"
        );
        for (id, vector) in ["b", "a", "c"].iter().zip(all.chunks_exact(DIMENSION)) {
            assert_eq!(
                digest(vector),
                case["decompressed_sha256"][id],
                "{name} {id}"
            );
            assert_eq!(corpus.decompress(id).unwrap(), vector, "{name} {id}");
        }
        assert_eq!(
            corpus.drain_events().len(),
            case["events_after_single"],
            "{name}"
        );
    }
}

#[test]
fn corpora_refuse_and_forget_as_recorded() {
    for (name, case, mut corpus) in recorded_corpora() {
        let message = |error: &Error| Value::from(error.to_string());
        let duplicate = corpus.insert("a", &vector_of("b"), None, NOW).unwrap_err();
        assert_eq!(message(&duplicate), case["duplicate"]["message"], "{name}");
        let short = corpus
            .insert("new", &vector_of("b")[1..], None, NOW)
            .unwrap_err();
        assert_eq!(message(&short), case["dim"]["message"], "{name}");
        let both = corpus
            .insert("a", &vector_of("b")[1..], None, NOW)
            .unwrap_err();
        assert_eq!(
            message(&both),
            case["dim_and_duplicate"]["message"],
            "{name}"
        );
        let unknown = corpus.decompress("zz").unwrap_err();
        assert_eq!(
            format!("'{unknown}'"),
            case["unknown_decompress"]["message"],
            "{name}"
        );
        assert_eq!(corpus.get("zz").unwrap_err(), unknown, "{name}");

        assert_eq!(
            &events(&mut corpus),
            case["events"].as_array().unwrap(),
            "{name}"
        );
        assert_eq!(corpus.drain_events().len(), case["events_again"], "{name}");

        assert!(corpus.remove("a").unwrap() && !corpus.remove("zz").unwrap());
        assert_eq!(corpus.len(), case["after_remove"]["count"], "{name}");
        assert_eq!(
            corpus.drain_events().len(),
            case["after_remove"]["events"],
            "{name}"
        );
        assert_eq!(
            corpus.contains("a").unwrap(),
            case["after_remove"]["contains"],
            "{name}"
        );
        assert_eq!(ids(&corpus), ["b", "c"], "{name}");
        corpus.insert("a", &vector_of("a"), None, NOW).unwrap();
        assert_eq!(ids(&corpus), ["b", "c", "a"], "{name}");
    }
}

/// Events in the notation of the recording: all times are 0 and policies have their upper-case names.
fn events(corpus: &mut Corpus) -> Vec<Value> {
    let events = corpus.drain_events().into_iter().map(|event| {
        let kind = event.name();
        match event {
            CorpusEvent::Created { corpus_id, config, policy, .. } => serde_json::json!({
                "type": kind, "corpus_id": corpus_id.as_ref(), "timestamp": 0,
                "codec_config": config.config_hash(), "compression_policy": policy.kind().to_uppercase(),
            }),
            CorpusEvent::VectorsInserted { corpus_id, vector_ids, .. } => serde_json::json!({
                "type": kind, "corpus_id": corpus_id.as_ref(), "timestamp": 0, "count": vector_ids.len(),
                "vector_ids": vector_ids.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            }),
            CorpusEvent::Decompressed { corpus_id, vector_count, .. } => serde_json::json!({
                "type": kind, "corpus_id": corpus_id.as_ref(), "timestamp": 0, "vector_count": vector_count,
            }),
        }
    });
    events.collect()
}

#[test]
fn a_codebook_of_another_width_fails_at_the_first_insert() {
    let recorded = json("corpus/scenarios.json");
    assert!(recorded["bit_width_mismatch_at_construction"].is_null());
    let config = CodecConfig::new(2, 42, DIMENSION as u32, true).unwrap();
    let corpus = |policy| Corpus::new("corp", config.clone(), codec().1, policy, None, NOW);
    let mut compressing = corpus(CompressionPolicy::Compress);
    let error = compressing
        .insert("a", &vector_of("a"), None, NOW)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        recorded["bit_width_mismatch_at_insert"]["message"]
    );
    assert_eq!(error.code().as_str(), "ERR_TQ_CODEBOOK_MISMATCH");
    assert!(compressing.is_empty());
    corpus(CompressionPolicy::Passthrough)
        .insert("a", &vector_of("a"), None, NOW)
        .unwrap();
}

#[test]
fn an_empty_corpus_decompresses_to_nothing() {
    let recorded = json("corpus/scenarios.json");
    let (config, codebook) = codec();
    let mut corpus = Corpus::new("", config, codebook, CompressionPolicy::Compress, None, NOW);
    corpus.drain_events();
    assert_eq!(corpus.decompress_all(NOW, None).unwrap(), [0.0_f32; 0]);
    assert_eq!(
        corpus.drain_events().len(),
        recorded["empty_decompress_all"]["events"]
    );
}

/// Compares ids and the bits of scores.
fn assert_hits(hits: &[Hit], recorded: &Value, what: &str) {
    let recorded = recorded.as_array().unwrap();
    assert_eq!(hits.len(), recorded.len(), "{what}");
    for (rank, (hit, expected)) in hits.iter().zip(recorded).enumerate() {
        assert_eq!(hit.id.as_ref(), expected[0], "{what}, rank {rank}");
        assert_eq!(
            format!("{:08x}", hit.score.to_bits()),
            expected[1],
            "{what}, rank {rank}"
        );
    }
}

/// The one vector that is so small that TinyQuant takes its cosines for 0.
const TINY: &str = "v004";

#[test]
fn searches_give_the_recorded_ids_and_score_bits() {
    let vectors: Vec<Vec<f32>> = f32s("d64/vectors_n200.f32.bin")
        .chunks_exact(DIMENSION)
        .map(<[f32]>::to_vec)
        .collect();
    let ids: Vec<String> = (0..vectors.len()).map(|row| format!("v{row:03}")).collect();
    let queries = f32s("search/queries_n10.f32.bin");
    let mut index = BruteForce::new();
    ingest(&mut index, &ids, &vectors).unwrap();
    let cases = json("search/d64_bruteforce.json");
    for case in cases.as_array().unwrap() {
        let query = case["query"].as_u64().unwrap() as usize;
        let top_k = case["top_k"].as_u64().unwrap() as usize;
        let what = format!("query {query}, top {top_k}");
        let query = &queries[query * DIMENSION..][..DIMENSION];

        let hits = index.search(query, ids.len()).unwrap();
        let tiny = hits.iter().find(|hit| hit.id.as_ref() == TINY).unwrap();
        let magnified = vectors[4]
            .iter()
            .map(|value| value * 1e30)
            .collect::<Vec<_>>();
        let mut alone = BruteForce::new();
        ingest(&mut alone, &[TINY], &[magnified]).unwrap();
        let expected = alone.search(query, 1).unwrap()[0].score;
        assert!(
            (tiny.score - expected).abs() < 1e-6,
            "{what}: {} is not {expected}",
            tiny.score
        );

        let recorded = case["results"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|hit| hit[0] != TINY);
        let recorded: Vec<_> = recorded.cloned().collect();
        let others = hits.into_iter().filter(|hit| hit.id.as_ref() != TINY);
        let others: Vec<_> = others.take(recorded.len()).collect();
        assert!(recorded.len() + 1 >= top_k.min(ids.len()), "{what}");
        assert_hits(&others, &Value::from(recorded), &what);

        let top = index.search(query, top_k).unwrap();
        assert_eq!(
            top,
            index.search(query, ids.len()).unwrap()[..top_k.min(ids.len())],
            "{what}"
        );
    }
}

/// Scores of two recorded vectors, both scaled, against the first of them.
fn scaled_scores(scale: f32) -> Vec<Hit> {
    let vectors = f32s("d64/vectors_n200.f32.bin");
    let row = |row: usize| -> Vec<f32> {
        vectors[row * DIMENSION..][..DIMENSION]
            .iter()
            .map(|value| value * scale)
            .collect()
    };
    let mut index = BruteForce::new();
    ingest(&mut index, &["a", "b"], &[row(20), row(21)]).unwrap();
    index.search(&row(20), 2).unwrap()
}

#[test]
fn scores_are_tinyquants_in_range_and_right_beyond_it() {
    let recorded = json("search/edge_cases.json");
    let cases = recorded["scale_cases"].as_object().unwrap();
    for (scale, expected) in cases {
        let hits = scaled_scores(scale.parse().unwrap());
        if ["1.0", "1e-09", "1e-10"].contains(&scale.as_str()) {
            assert_hits(&hits, expected, scale);
            continue;
        }
        // TinyQuant gives 0 where the squares overflow, and 1.028 for a tiny vector and itself.
        assert_eq!(hits[0].id.as_ref(), "a", "{scale}");
        assert!(
            (0.999_999..=1.0).contains(&hits[0].score),
            "{scale}: {}",
            hits[0].score
        );
        assert!(
            (hits[1].score - 0.063_310_7).abs() < 1e-6,
            "{scale}: {}",
            hits[1].score
        );
    }
    assert_eq!(cases.len(), 8);
}

#[test]
fn equal_scores_are_ordered_by_the_bytes_of_the_ids() {
    let recorded = json("search/edge_cases.json");
    let expected: Vec<_> = recorded["tie_order"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str())
        .collect();
    let mut ids: Vec<_> = expected.iter().copied().flatten().collect();
    ids.reverse();
    let mut index = BruteForce::new();
    ingest(&mut index, &ids, &vec![vec![1.0, 2.0]; ids.len()]).unwrap();
    let hits = index.search(&[2.0, 1.0], 100).unwrap();
    assert!(hits.iter().map(|hit| Some(hit.id.as_ref())).eq(expected));
}

/// What TinyQuant does at the edges of a search (second column) and what this index does instead.
#[test]
fn edges_of_a_search() {
    let recorded = json("search/edge_cases.json");
    let mut index = BruteForce::new();
    let code = |result: Result<Vec<Hit>, Error>| result.unwrap_err().code().as_str();
    let message = |error: &Error| Value::from(error.to_string());

    // The same: nothing in an empty index, and no search for nothing, not even there.
    assert_hits(
        &index.search(&[1.0], 5).unwrap(),
        &recorded["empty_search"],
        "empty",
    );
    let error = index.search(&[1.0], 0).unwrap_err();
    assert_eq!(message(&error), recorded["empty_search_top_k_0"]["message"]);
    assert_eq!(error.code().as_str(), "ERR_TQ_INVALID_ARG");
    ingest::<&str>(&mut index, &[], &[]).unwrap();
    assert_eq!(index.len(), recorded["count_after_empty_ingest"]);

    // Vectors without components: kept, and score 0.
    ingest(&mut index, &["first"], &[vec![]]).unwrap();
    assert_hits(
        &index.search(&[], 5).unwrap(),
        &recorded["zero_dim_ingest_then_search"],
        "no components",
    );
    index.clear();
    assert_eq!(index.dimension(), None);

    ingest(
        &mut index,
        &["a", "b"],
        &[vec![1.0, 0.0, 0.0], vec![0.0, 1.0, 0.0]],
    )
    .unwrap();
    assert_eq!(
        message(&index.search(&[0.0; 3], 0).unwrap_err()),
        recorded["top_k_0"]["message"]
    );

    // The same text, without the words in front.
    let error = index.search(&[0.0; 4], 1).unwrap_err();
    assert_eq!(
        format!("adapter error: {error}"),
        recorded["query_dim"]["message"]
    );
    assert_eq!(error.code().as_str(), "ERR_TQ_DIM_MISMATCH");

    // A NaN scores 0 there; here it is refused, with its place.
    let nan = index.search(&[0.0, f32::NAN, 0.0], 1).unwrap_err();
    assert_eq!(
        nan.to_string(),
        "vectors must be finite: found NaN at row 0, column 1"
    );
    assert_eq!(recorded["nan_query"][0][1], "00000000");
    assert_eq!(
        code(index.search(&[0.0, f32::INFINITY, 0.0], 1)),
        "ERR_TQ_NON_FINITE"
    );
    let nan = ingest(
        &mut index,
        &["c", "d"],
        &[vec![1.0; 3], vec![1.0, 1.0, f32::NEG_INFINITY]],
    );
    let nan = nan.unwrap_err();
    assert_eq!(
        nan.to_string(),
        "vectors must be finite: found -Infinity at row 1, column 2"
    );
    assert_eq!(recorded["nan_vector"][1][1], "00000000");

    // A failed ingest there keeps the rows before the bad one; here none.
    let error = ingest(&mut index, &["c", "d"], &[vec![1.0; 3], vec![1.0; 2]]).unwrap_err();
    assert_eq!(
        error.to_string().replace("row 1", "adapter error"),
        recorded["ingest_dim"]["message"].as_str().unwrap()
    );
    assert_eq!(recorded["count_after_failed_ingest"], 2);
    assert_eq!(index.len(), 2);
    assert!(
        index
            .search(&[1.0; 3], 9)
            .unwrap()
            .iter()
            .all(|hit| ["a", "b"].contains(&hit.id.as_ref()))
    );

    // Unknown ids are passed over.
    assert_eq!(index.remove(&["a", "zz", "a"]), 1);
    assert_eq!(index.len(), recorded["count_after_remove"]);

    // The dimension stays locked there; here it is free once no vector is left.
    assert_eq!(index.remove(&["b"]), 1);
    assert_eq!(
        recorded["dim_still_locked_when_empty"]["error"],
        "RuntimeError"
    );
    ingest(&mut index, &["e"], &[vec![1.0; 5]]).unwrap();
    assert_eq!(index.dimension(), Some(5));
}
