//! Searches among some vectors of a corpus.

use tinyquant_codec::{Codebook, CodecConfig, Control, TrainMethod};
use tinyquant_corpus::{CompressionPolicy, Corpus, Error, Rows, Timestamp};
use tinyquant_testkit::seeded;

const CONTROL: Control = Control {
    cancelled: None,
    progress: None,
};

#[test]
fn all_numbers_give_what_a_search_gives_and_some_give_a_part_of_it() {
    let (rows, dimension) = (300, 24);
    let values = seeded::normal(3, rows * dimension, 0.3);
    let config = CodecConfig::new(4, 42, dimension as u32, true).unwrap();
    let codebook = Codebook::train(&values, &config, TrainMethod::LloydMax, &CONTROL).unwrap();
    let now = Timestamp::from_millis(0.0).unwrap();
    let policy = CompressionPolicy::Compress;
    let mut corpus = Corpus::new("c", config, codebook, policy, None, now);
    let ids: Vec<String> = (0..rows).map(|i| format!("v{i}")).collect();
    let lengths = vec![dimension as u32; rows];
    let given = Rows::new(&ids, &values, &lengths).unwrap();
    let none: &[Option<String>] = &[];
    corpus.insert_batch(&given, none, now, None).unwrap();
    corpus.remove("v7").unwrap();
    let numbers = corpus.numbers().unwrap();
    assert_eq!(numbers.len(), rows - 1);
    assert!(!numbers.contains(&7) && numbers.is_sorted());
    let query = &values[9 * dimension..10 * dimension];
    let all = corpus.search(query, 20, None, &CONTROL).unwrap().remove(0);
    assert_eq!(
        corpus.search_among(query, &numbers, 20, &CONTROL).unwrap(),
        all
    );
    // Backwards, and only the even ones.
    let even: Vec<u64> = numbers
        .iter()
        .rev()
        .copied()
        .filter(|n| n % 2 == 0)
        .collect();
    let found = corpus.search_among(query, &even, 5, &CONTROL).unwrap();
    let every = corpus
        .search(query, rows, None, &CONTROL)
        .unwrap()
        .remove(0);
    let is_even = |id: &str| id[1..].parse::<u64>().unwrap() % 2 == 0;
    let expected: Vec<_> = every.into_iter().filter(|hit| is_even(&hit.id)).collect();
    assert_eq!(found, expected[..5]);

    let page = corpus.page_payloads(0, u64::MAX, 3).unwrap();
    assert_eq!(page.items[1].0, corpus.get("v1").unwrap().record().packed());
    for (numbers, k) in [(&[7_u64][..], 1), (&[u64::MAX], 1), (&[1], 0)] {
        let refused = corpus.search_among(query, numbers, k, &CONTROL);
        let code = refused.map_err(|error: Error| error.code().as_str());
        assert_eq!(code.unwrap_err(), "ERR_TQ_INVALID_ARG");
    }
    assert!(corpus.search_among(&query[1..], &[1], 1, &CONTROL).is_err());
    let bad = [f32::NAN; 24];
    assert!(corpus.search_among(&bad, &[1], 1, &CONTROL).is_err());
    assert!(
        corpus
            .search_among(query, &[], 3, &CONTROL)
            .unwrap()
            .is_empty()
    );
}
