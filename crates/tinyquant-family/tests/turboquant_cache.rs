//! The key-value cache: attention beside that of full precision, and its state.

use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::turboquant::{Attend, KvCache, KvCacheConfig, Method, SketchKind};
use tinyquant_kernels::{Level, force};
use tinyquant_testkit::seeded;

const DIM: usize = 128;
const UNBIASED: Method = Method::Mse { unbiased: true };

fn control() -> Control<'static> {
    Control::default()
}

fn cache(heads: usize, dim: usize, bits: u8, keys: Method) -> KvCache {
    KvCache::new(KvCacheConfig {
        keys,
        ..KvCacheConfig::new(heads, dim, bits, bits.min(8))
    })
    .unwrap()
}

fn gaussian() -> Method {
    Method::Prod {
        sketch: SketchKind::Gaussian,
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Attention of one query in f64 over the tokens that it sees.
fn exact(query: &[f32], keys: &[f32], values: &[f32], sees: impl Fn(usize) -> bool) -> Vec<f32> {
    let dim = query.len();
    let scores: Vec<f64> = keys
        .chunks_exact(dim)
        .map(|key| dot(query, key) / (dim as f64).sqrt())
        .collect();
    let seen = || (0..scores.len()).filter(|token| sees(*token));
    let most = seen().map(|token| scores[token]).fold(f64::MIN, f64::max);
    let (mut out, mut sum) = (vec![0.0; dim], 0.0);
    for token in seen() {
        let weight = (scores[token] - most).exp();
        sum += weight;
        for (to, value) in out.iter_mut().zip(&values[token * dim..]) {
            *to += weight * f64::from(*value);
        }
    }
    out.into_iter().map(|value| (value / sum) as f32).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Mean cosine of the outputs of 64 queries with those of full precision.
fn attention_cosine(bits: u8, keys: Method, tokens: usize, sharpness: f32) -> f64 {
    let keys_given = seeded::normal(1, tokens * DIM, 1.0);
    let values = seeded::normal(2, tokens * DIM, 1.0);
    let queries = seeded::normal(3, 64 * DIM, sharpness);
    let mut cache = cache(1, DIM, bits, keys);
    cache.append(&keys_given, &values, &control()).unwrap();
    let out = cache
        .attend(&queries, &Attend::default(), &control())
        .unwrap();
    let pairs = queries.chunks_exact(DIM).zip(out.chunks_exact(DIM));
    let cosines =
        pairs.map(|(query, out)| cosine(out, &exact(query, &keys_given, &values, |_| true)));
    cosines.sum::<f64>() / 64.0
}

#[test]
fn attention_has_the_published_cosines() {
    for tokens in [128, 512, 2048] {
        let four = attention_cosine(4, gaussian(), tokens, 1.0);
        let three = attention_cosine(3, gaussian(), tokens, 1.0);
        println!("prod keys, {tokens} tokens: {four:.4} at 4 bits, {three:.4} at 3");
        assert!(four >= 0.96, "{tokens}: {four}");
        assert!(three >= 0.90, "{tokens}: {three}");
        let four = attention_cosine(4, UNBIASED, tokens, 1.0);
        let three = attention_cosine(3, UNBIASED, tokens, 1.0);
        println!("unbiased keys, {tokens} tokens: {four:.4} at 4 bits, {three:.4} at 3");
        assert!(four >= 0.988, "{tokens}: {four}");
        assert!(three >= 0.96, "{tokens}: {three}");
    }
    // A sharper softmax asks more of the keys.
    let sharp = attention_cosine(4, gaussian(), 512, 3.0);
    println!("queries three times longer: {sharp:.4}");
    assert!((0.82..0.95).contains(&sharp), "{sharp}");
    assert!(attention_cosine(8, UNBIASED, 512, 1.0) > 0.9998);
}

#[test]
fn grouped_queries_masks_and_causality_choose_tokens_as_full_precision_does() {
    let (heads, dim, tokens, count) = (3, 40, 150, 21);
    for keys in [UNBIASED, gaussian()] {
        let mut cache = cache(heads, dim, 8, keys);
        let given = seeded::normal(4, heads * tokens * dim, 1.0);
        let values = seeded::normal(5, heads * tokens * dim, 1.0);
        cache.append(&given, &values, &control()).unwrap();
        let mask: Vec<u8> = (0..count * tokens)
            .map(|at| u8::from(at * 7919 % 11 > 4))
            .collect();
        for query_heads in [3, 6, 12] {
            let queries = seeded::normal(6, query_heads * count * dim, 1.0);
            for (causal, mask) in [
                (false, None),
                (true, None),
                (false, Some(&mask)),
                (true, Some(&mask)),
            ] {
                let options = Attend {
                    query_heads,
                    causal,
                    mask: mask.map(Vec::as_slice),
                };
                let out = cache.attend(&queries, &options, &control()).unwrap();
                for (row, (query, out)) in queries
                    .chunks_exact(dim)
                    .zip(out.chunks_exact(dim))
                    .enumerate()
                {
                    let (head, place) = (row / count * heads / query_heads, row % count);
                    let part = head * tokens * dim..(head + 1) * tokens * dim;
                    let sees = |token: usize| {
                        (!causal || token <= tokens - count + place)
                            && mask.is_none_or(|mask| mask[place * tokens + token] != 0)
                    };
                    let expected = exact(query, &given[part.clone()], &values[part], sees);
                    let cosine = cosine(out, &expected);
                    assert!(cosine > 0.995, "{query_heads} {causal} {row}: {cosine}");
                }
            }
        }
    }
}

#[test]
fn a_query_that_sees_nothing_gets_zeros_and_one_that_sees_one_token_its_value() {
    let (dim, tokens) = (16, 5);
    let mut cache = cache(1, dim, 8, UNBIASED);
    let given = seeded::normal(7, tokens * dim, 1.0);
    let values = seeded::normal(8, tokens * dim, 1.0);
    cache.append(&given, &values, &control()).unwrap();
    let mut mask = vec![0; 2 * tokens];
    mask[tokens + 3] = 1;
    let options = Attend {
        mask: Some(&mask),
        ..Attend::default()
    };
    let out = cache
        .attend(&given[..2 * dim], &options, &control())
        .unwrap();
    assert!(out[..dim].iter().all(|value| *value == 0.0));
    assert!(cosine(&out[dim..], &values[3 * dim..4 * dim]) > 0.9999);
    let sizes =
        dot(&out[dim..], &out[dim..]) / dot(&values[3 * dim..4 * dim], &values[3 * dim..4 * dim]);
    assert!((sizes - 1.0).abs() < 0.01, "{sizes}");
}

#[test]
fn appending_in_parts_is_appending_at_once_and_truncating_undoes_it() {
    let (heads, dim, tokens) = (2, 24, 9);
    for keys in [UNBIASED, gaussian()] {
        let given = seeded::normal(9, heads * tokens * dim, 1.0);
        let values = seeded::normal(10, heads * tokens * dim, 1.0);
        let queries = seeded::normal(11, heads * 4 * dim, 1.0);
        let part = |all: &[f32], from: usize, to: usize| -> Vec<f32> {
            let heads = all.chunks_exact(tokens * dim);
            heads
                .flat_map(|head| head[from * dim..to * dim].to_vec())
                .collect()
        };
        let mut whole = cache(heads, dim, 4, keys);
        assert_eq!(whole.append(&given, &values, &control()).unwrap(), tokens);
        let mut grown = cache(heads, dim, 4, keys);
        let mut after_four = vec![];
        for (from, to) in [(0, 1), (1, 4), (4, 4), (4, 9)] {
            let len = grown
                .append(
                    &part(&given, from, to),
                    &part(&values, from, to),
                    &control(),
                )
                .unwrap();
            assert_eq!(len, to);
            if to == 4 {
                after_four = grown
                    .attend(&queries, &Attend::default(), &control())
                    .unwrap();
            }
        }
        let attend = |cache: &KvCache| {
            cache
                .attend(&queries, &Attend::default(), &control())
                .unwrap()
        };
        assert_eq!(attend(&whole), attend(&grown));
        let bytes = whole.nbytes();
        let key_bytes = match keys {
            Method::Mse { .. } => 12 + 4,
            Method::Prod { .. } => 9 + 3 + 8,
        };
        assert_eq!(bytes, heads * tokens * (key_bytes + 12 + 4));
        let copy = grown.clone();
        grown.truncate(4).unwrap();
        assert_eq!((grown.len(), grown.nbytes()), (4, bytes / tokens * 4));
        assert_eq!(attend(&grown), after_four);
        assert_eq!(attend(&copy), attend(&whole));
        grown
            .append(&part(&given, 4, 9), &part(&values, 4, 9), &control())
            .unwrap();
        assert_eq!(attend(&grown), attend(&whole));
        grown.truncate(0).unwrap();
        assert!(grown.is_empty() && grown.nbytes() == 0);
    }
}

#[test]
fn attention_does_not_depend_on_the_level_or_the_threads() {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .unwrap();
    for keys in [UNBIASED, gaussian()] {
        let run = || {
            let mut cache = cache(2, 72, 3, keys);
            let given = seeded::normal(12, 2 * 333 * 72, 1.0);
            cache.append(&given, &given, &control()).unwrap();
            let options = Attend {
                query_heads: 4,
                causal: true,
                mask: None,
            };
            let queries = seeded::normal(13, 4 * 20 * 72, 1.0);
            cache.attend(&queries, &options, &control()).unwrap()
        };
        force(Some(Level::Scalar)).unwrap();
        let expected = run();
        for level in Level::supported() {
            force(Some(level)).unwrap();
            assert_eq!(run(), expected, "{}", level.name());
        }
        force(None).unwrap();
        assert_eq!(pool.install(run), expected);
    }
}

#[test]
fn bad_configurations_are_refused() {
    let good = KvCacheConfig::new(2, 16, 4, 4);
    let bad = [
        KvCacheConfig { heads: 0, ..good },
        KvCacheConfig {
            heads: 65_537,
            ..good
        },
        KvCacheConfig {
            head_dim: 1,
            ..good
        },
        KvCacheConfig {
            head_dim: 8193,
            ..good
        },
        KvCacheConfig {
            key_bits: 0,
            ..good
        },
        KvCacheConfig {
            key_bits: 10,
            ..good
        },
        KvCacheConfig {
            key_bits: 9,
            keys: UNBIASED,
            ..good
        },
        KvCacheConfig {
            value_bits: 0,
            ..good
        },
        KvCacheConfig {
            value_bits: 9,
            ..good
        },
        KvCacheConfig {
            scale: Some(0.0),
            ..good
        },
        KvCacheConfig {
            scale: Some(-1.0),
            ..good
        },
        KvCacheConfig {
            scale: Some(f32::NAN),
            ..good
        },
        KvCacheConfig {
            scale: Some(f32::INFINITY),
            ..good
        },
    ];
    for config in bad {
        let error = KvCache::new(config).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArg, "{config:?}");
    }
    assert!((KvCache::new(good).unwrap().scale() - 0.25).abs() < 1e-7);
    let scaled = KvCacheConfig {
        scale: Some(0.5),
        ..good
    };
    assert!((KvCache::new(scaled).unwrap().scale() - 0.5).abs() < 1e-7);
}

#[test]
fn refused_calls_say_why_and_change_nothing() {
    let (heads, dim) = (2, 16);
    let mut cache = cache(heads, dim, 4, UNBIASED);
    let token = heads * dim;
    let empty = cache
        .attend(&vec![1.0; token], &Attend::default(), &control())
        .unwrap_err();
    assert_eq!(empty.code(), ErrorCode::InvalidArg);
    assert!(empty.to_string().contains("empty"), "{empty}");
    let rows = seeded::normal(14, 3 * token, 1.0);
    cache.append(&rows, &rows, &control()).unwrap();
    let before = cache.attend(&rows, &Attend::default(), &control()).unwrap();
    let mut nan = rows.clone();
    nan[token + 3] = f32::NAN;
    let mut long = rows.clone();
    long[dim..2 * dim].fill(3e38);
    for (keys, values, code) in [
        (&rows[1..], &rows[1..], ErrorCode::DimMismatch),
        (&rows[dim..], &rows[dim..], ErrorCode::DimMismatch),
        (&rows[..], &rows[token..], ErrorCode::DimMismatch),
        (&nan[..], &rows[..], ErrorCode::NonFinite),
        (&rows[..], &nan[..], ErrorCode::NonFinite),
        (&long[..], &rows[..], ErrorCode::Limit),
        (&rows[..], &long[..], ErrorCode::Limit),
    ] {
        let error = cache.append(keys, values, &control()).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    assert_eq!(cache.truncate(4).unwrap_err().code(), ErrorCode::InvalidArg);
    let attend = |queries: &[f32], options: Attend<'_>| {
        cache.attend(queries, &options, &control()).unwrap_err()
    };
    let heads_of = |query_heads| Attend {
        query_heads,
        ..Attend::default()
    };
    assert_eq!(attend(&rows, heads_of(3)).code(), ErrorCode::InvalidArg);
    assert_eq!(
        attend(&rows, heads_of(usize::MAX - 1)).code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        attend(&rows[1..], Attend::default()).code(),
        ErrorCode::DimMismatch
    );
    assert_eq!(attend(&nan, Attend::default()).code(), ErrorCode::NonFinite);
    for len in [0, 8, 10] {
        let mask = vec![1; len];
        let options = Attend {
            mask: Some(&mask),
            ..Attend::default()
        };
        assert_eq!(attend(&rows, options).code(), ErrorCode::InvalidArg);
    }
    let many = seeded::normal(15, 4 * token, 1.0);
    let causal = Attend {
        causal: true,
        ..Attend::default()
    };
    assert_eq!(attend(&many, causal).code(), ErrorCode::InvalidArg);
    assert_eq!(cache.len(), 3);
    assert_eq!(
        cache.attend(&rows, &Attend::default(), &control()).unwrap(),
        before
    );
    assert_eq!(
        cache.attend(&[], &Attend::default(), &control()).unwrap(),
        [0.0_f32; 0]
    );
    let other = KvCache::new(KvCacheConfig::new(2, 16, 4, 4)).unwrap();
    let tokens = other.encode(&rows, &rows, &control()).unwrap();
    assert_eq!(
        cache.push(&tokens).unwrap_err().code(),
        ErrorCode::ConfigMismatch
    );
}

#[test]
fn keys_and_queries_near_the_end_of_the_range_give_numbers() {
    for keys in [UNBIASED, gaussian()] {
        let mut cache = cache(1, 16, 4, keys);
        let given: Vec<f32> = seeded::normal(16, 20 * 16, 1.0)
            .iter()
            .map(|value| value * 1e36)
            .collect();
        let values = seeded::normal(17, 20 * 16, 1.0);
        cache.append(&given, &values, &control()).unwrap();
        let out = cache
            .attend(&given, &Attend::default(), &control())
            .unwrap();
        assert!(out.iter().all(|value| value.is_finite()));
    }
}
