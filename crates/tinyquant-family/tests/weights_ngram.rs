//! The n-gram cache: probabilities that sum to one, scores before counts, the gain of longer contexts on a text.

use std::f64::consts::LN_2;
use std::path::Path;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::weights::{Mixed, NgramCache};

/// Bytes of the texts of the demo.
fn text(len: usize) -> Vec<u32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo/texts.json");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let texts = json["texts"].as_array().unwrap();
    let lines = texts.iter().flat_map(|text| [text.as_str().unwrap(), "\n"]);
    let bytes: Vec<u32> = lines
        .flat_map(str::bytes)
        .map(u32::from)
        .take(len)
        .collect();
    assert_eq!(bytes.len(), len);
    bytes
}

fn score(cache: &mut NgramCache, tokens: &[u32]) -> f64 {
    let scores = cache
        .score_and_update(&[], tokens, None, &Control::default())
        .unwrap();
    -scores.iter().sum::<f64>() / LN_2 / tokens.len() as f64
}

#[test]
fn probabilities_sum_to_one_at_any_time() {
    let tokens: Vec<u32> = (0..400_u32).map(|i| i * i * 7 % 11 % 6).collect();
    for (order, lambda) in [(1, 1.0), (3, 0.3), (7, 5.0)] {
        let mut cache = NgramCache::new(order, 6, lambda).unwrap();
        for at in 0..tokens.len() {
            let context = &tokens[..at];
            if at % 23 == 0 {
                let all = cache.probabilities(context).unwrap();
                assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                for (next, p) in all.iter().enumerate() {
                    let log = cache.log_prob(context, next as u32).unwrap();
                    assert!((log.exp() - p).abs() < 1e-12);
                }
            }
            cache.update(context, tokens[at]).unwrap();
        }
        assert_eq!(cache.tokens(), 400);
    }
}

#[test]
fn an_empty_cache_knows_the_vocabulary_alone() {
    let cache = NgramCache::new(7, 8192, 1.0).unwrap();
    for context in [&[][..], &[1, 2, 3], &[8191; 20]] {
        let log = cache.log_prob(context, 17).unwrap();
        assert!((log + 9.010_913_347).abs() < 1e-9, "{log}");
    }
    assert_eq!((cache.contexts(), cache.tokens()), (0, 0));
}

#[test]
fn counts_are_interpolated_as_the_formula_says() {
    let mut cache = NgramCache::new(3, 4, 2.0).unwrap();
    for (context, next) in [(&[1, 2][..], 3), (&[1, 2], 0), (&[3, 2], 3), (&[2], 1)] {
        cache.update(context, next).unwrap();
    }
    let step = |count: f64, total: f64, p: f64| (count + 2.0 * p) / (total + 2.0);
    let empty = step(2.0, 4.0, 0.25);
    let one = step(2.0, 4.0, empty);
    let two = step(1.0, 2.0, one);
    let p = |context: &[u32]| cache.log_prob(context, 3).unwrap().exp();
    assert!((p(&[]) - empty).abs() < 1e-12);
    assert!((p(&[2]) - one).abs() < 1e-12);
    assert!((p(&[1, 2]) - two).abs() < 1e-12);
    // Tokens before the last two do not count, nor does a context that was not seen.
    assert!((p(&[0, 0, 1, 2]) - two).abs() < 1e-12);
    assert!((p(&[0, 2]) - one).abs() < 1e-12);
    assert!((p(&[0]) - empty).abs() < 1e-12);
}

#[test]
fn longer_contexts_help_on_text() {
    let tokens = text(200_000);
    let found =
        [1, 3, 5, 7].map(|order| score(&mut NgramCache::new(order, 256, 1.0).unwrap(), &tokens));
    // The figures of another text are 4.59, 2.72, 2.30 and 2.45: the same order, and the same turn after five tokens.
    assert!(found[1] < found[0] - 1.0 && found[2] < found[1] && found[3] > found[2]);
    assert!(found[3] < found[0]);
}

#[test]
fn scores_are_taken_before_the_token_is_counted() {
    let tokens = text(20_000);
    let honest = score(&mut NgramCache::new(7, 256, 1.0).unwrap(), &tokens);
    let mut cache = NgramCache::new(7, 256, 1.0).unwrap();
    let mut cheating = 0.0;
    for at in 0..tokens.len() {
        cache.update(&tokens[..at], tokens[at]).unwrap();
        cheating -= cache.log_prob(&tokens[..at], tokens[at]).unwrap();
    }
    cheating /= LN_2 * tokens.len() as f64;
    assert!(honest > 2.5, "{honest}");
    assert!(cheating < 0.5, "{cheating}");

    let mut step = NgramCache::new(7, 256, 1.0).unwrap();
    let mut total = 0.0;
    for at in 0..tokens.len() {
        total += step.log_prob(&tokens[..at], tokens[at]).unwrap();
        step.update(&tokens[..at], tokens[at]).unwrap();
    }
    assert!((-total / LN_2 / tokens.len() as f64 - honest).abs() < 1e-9);
}

#[test]
fn a_text_may_come_in_pieces() {
    let tokens = text(3_000);
    let mut whole = NgramCache::new(4, 256, 1.0).unwrap();
    let expected = whole
        .score_and_update(&[], &tokens, None, &Control::default())
        .unwrap();
    let mut pieces = NgramCache::new(4, 256, 1.0).unwrap();
    let mut found = Vec::new();
    for start in (0..tokens.len()).step_by(700) {
        let end = (start + 700).min(tokens.len());
        let part = pieces.score_and_update(
            &tokens[..start],
            &tokens[start..end],
            None,
            &Control::default(),
        );
        found.extend(part.unwrap());
    }
    assert_eq!(found, expected);
    whole.clear();
    assert!((whole.log_prob(&[1], 2).unwrap() + f64::ln(256.0)).abs() < 1e-12);
}

#[test]
fn a_model_is_mixed_in() {
    let tokens = [1, 2, 1, 2, 1];
    let model: Vec<f64> = [0.5, 0.25, 0.125, 1.0, 0.0]
        .iter()
        .map(|p: &f64| p.ln())
        .collect();
    let run = |alpha| {
        let mut cache = NgramCache::new(2, 4, 1.0).unwrap();
        let model = Mixed {
            log_probs: &model,
            alpha,
        };
        cache
            .score_and_update(&[], &tokens, Some(model), &Control::default())
            .unwrap()
    };
    let own = NgramCache::new(2, 4, 1.0)
        .unwrap()
        .score_and_update(&[], &tokens, None, &Control::default())
        .unwrap();
    for (at, mixed) in run(0.3).iter().enumerate() {
        let expected = 0.7 * model[at].exp() + 0.3 * own[at].exp();
        assert!((mixed.exp() - expected).abs() < 1e-12);
    }
    assert_eq!(run(0.0), model);
    assert_eq!(run(1.0), own);
}

#[test]
fn bad_input_is_refused_and_counts_nothing() {
    for (order, vocab, lambda) in [
        (0, 10, 1.0),
        (65, 10, 1.0),
        (2, 0, 1.0),
        (2, 1, 1.0),
        (2, 10, 0.0),
        (2, 10, -1.0),
        (2, 10, f64::NAN),
    ] {
        let code = NgramCache::new(order, vocab, lambda).unwrap_err().code();
        assert_eq!(code, ErrorCode::InvalidArg, "{order} {vocab} {lambda}");
    }
    let mut cache = NgramCache::new(3, 10, 1.0).unwrap();
    assert_eq!(
        cache.log_prob(&[10], 0).unwrap_err().code(),
        ErrorCode::InvalidArg
    );
    assert_eq!(
        cache.log_prob(&[0], 10).unwrap_err().code(),
        ErrorCode::InvalidArg
    );
    assert_eq!(
        cache.update(&[0, 99], 1).unwrap_err().code(),
        ErrorCode::InvalidArg
    );
    assert_eq!(
        cache.probabilities(&[u32::MAX]).unwrap_err().code(),
        ErrorCode::InvalidArg
    );
    let mut run = |tokens: &[u32], log_probs: &[f64], alpha| {
        let model = Some(Mixed { log_probs, alpha });
        cache
            .score_and_update(&[], tokens, model, &Control::default())
            .unwrap_err()
            .code()
    };
    for alpha in [-0.1, 1.1, f64::NAN] {
        assert_eq!(run(&[1], &[-1.0], alpha), ErrorCode::InvalidArg);
    }
    assert_eq!(run(&[1, 2], &[-1.0], 0.5), ErrorCode::DimMismatch);
    assert_eq!(run(&[1], &[0.5], 0.5), ErrorCode::InvalidArg);
    assert_eq!(run(&[1], &[f64::NAN], 0.5), ErrorCode::InvalidArg);
    assert_eq!(run(&[1, 10], &[-1.0; 2], 0.5), ErrorCode::InvalidArg);
    let stop = std::sync::atomic::AtomicBool::new(true);
    let control = Control {
        cancelled: Some(&stop),
        progress: None,
    };
    assert_eq!(
        cache
            .score_and_update(&[], &[1], None, &control)
            .unwrap_err()
            .code(),
        ErrorCode::Aborted
    );
    assert_eq!((cache.tokens(), cache.contexts()), (0, 0));
}
