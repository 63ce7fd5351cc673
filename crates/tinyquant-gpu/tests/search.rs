//! Shortlists of a device against exact scores. Run by `npm test -- gpu`, which brings a software device.

mod device;

use device::{backend, backend_of};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tinyquant_codec::{
    Codebook, CodecConfig, Control, Error as CodecError, TrainMethod, compress_batch,
    decompress_batch,
};
use tinyquant_gpu::{Backend, Error, Options, Preference, Prepared, Queries, UnitPlan};
use tinyquant_kernels::{CodeTable, FactorCode};
use tinyquant_testkit::seeded;

const CONTROL: Control = Control {
    cancelled: None,
    progress: None,
};

/// The cosine as the CPU computes it: three sums of f32 in index order.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let sum = |x: &[f32], y: &[f32]| x.iter().zip(y).fold(0.0_f32, |sum, (x, y)| sum + x * y);
    sum(a, b) / (sum(a, a) * sum(b, b)).sqrt()
}

/// Fails unless a list has every row that reaches the k-th best score, and few that do not.
fn judge(list: &[u32], scores: &[f32], k: usize, what: &str) {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let bound = sorted[k - 1];
    assert!(list.is_sorted_by(|a, b| a < b), "{what}");
    let mut wanted = 0;
    for (row, score) in (0_u32..).zip(scores) {
        if *score >= bound {
            wanted += 1;
            assert!(
                list.contains(&row),
                "{what}: row {row} with {score} is missing"
            );
        }
    }
    let most = wanted + k + 20;
    assert!(
        list.len() <= most,
        "{what}: {} rows, not {most}",
        list.len()
    );
}

fn check_codebook(backend: &Arc<Backend>, config: &CodecConfig, rows: usize) {
    let dimension = config.dimension();
    let mut values = seeded::normal(5, rows * dimension, 0.2);
    // Rows that are equal.
    for row in (7..rows.min(700)).step_by(7) {
        values.copy_within(0..dimension, row * dimension);
    }
    let codebook = Codebook::train(&values, config, TrainMethod::LloydMax, &CONTROL).unwrap();
    let batch = compress_batch(&values, config, &codebook, None, &CONTROL).unwrap();
    let decoded = decompress_batch(&batch, config, &codebook, None, &CONTROL).unwrap();
    let mut prepared =
        Prepared::codebook(Arc::clone(backend), config.clone(), codebook, rows).unwrap();
    let layout = batch.layout().unwrap();
    let (packed, residual) = (layout.packed_len(), layout.residual_len());
    for first in (0..rows).step_by(128) {
        let last = rows.min(first + 128);
        prepared
            .push_records(
                &batch.packed()[first * packed..last * packed],
                &batch.residuals()[first * residual..last * residual],
            )
            .unwrap();
    }
    let mut queries = seeded::normal(6, 5 * dimension, 3.0);
    queries[..dimension].copy_from_slice(&values[..dimension]);
    for k in [1, 10] {
        let lists = prepared
            .search(Queries::Vectors(&queries), k, &CONTROL)
            .unwrap();
        assert_eq!(lists.len(), 5);
        for (q, list) in lists.into_iter().enumerate() {
            let query = &queries[q * dimension..][..dimension];
            let scores: Vec<_> = decoded
                .chunks_exact(dimension)
                .map(|row| cosine(query, row))
                .collect();
            let list = list.unwrap();
            let what = format!("{config:?}, query {q}");
            if q == 0 {
                // The equal rows are all there, whatever k is.
                assert!(
                    (7..rows.min(700))
                        .step_by(7)
                        .all(|row| list.contains(&(row as u32)))
                );
            } else {
                judge(&list, &scores, k, &what);
            }
        }
    }
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn codes_of_every_width_and_dimension() {
    let backend = Arc::new(backend());
    for dimension in [2, 7, 64, 100, 384, 768, 1536] {
        for bits in [2, 4, 8] {
            let residual = bits == 4;
            let config = CodecConfig::new(bits, 42, dimension, residual).unwrap();
            let rows = if dimension > 700 { 200 } else { 1000 };
            if dimension > 7 {
                check_codebook(&backend, &config, rows);
            } else {
                check_small(&backend, &config);
            }
        }
    }
}

/// Few components: so many rows score alike that lists overflow, and their keys are read.
fn check_small(backend: &Arc<Backend>, config: &CodecConfig) {
    let (rows, dimension) = (1500, config.dimension());
    let values = seeded::normal(8, rows * dimension, 0.3);
    let codebook = Codebook::train(&values, config, TrainMethod::LloydMax, &CONTROL).unwrap();
    let batch = compress_batch(&values, config, &codebook, None, &CONTROL).unwrap();
    let decoded = decompress_batch(&batch, config, &codebook, None, &CONTROL).unwrap();
    let mut prepared =
        Prepared::codebook(Arc::clone(backend), config.clone(), codebook, rows).unwrap();
    prepared
        .push_records(batch.packed(), batch.residuals())
        .unwrap();
    let query = &values[..dimension];
    let list = prepared
        .search(Queries::Vectors(query), 3, &CONTROL)
        .unwrap()
        .remove(0)
        .unwrap();
    let mut scores: Vec<_> = decoded
        .chunks_exact(dimension)
        .map(|row| cosine(query, row))
        .collect();
    let each = scores.clone();
    scores.sort_by(|a, b| b.total_cmp(a));
    for (row, score) in (0_u32..).zip(each) {
        assert!(score < scores[2] || list.contains(&row), "row {row}");
    }
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn corpora_are_split_by_bindings_and_bound_by_memory() {
    let mut options = Options::new(Preference::Software);
    options.max_binding = Some(64 * 32 * 4 * 3);
    options.max_memory = 8 << 20;
    let backend = Arc::new(backend_of(&options));
    let config = CodecConfig::new(4, 42, 256, false).unwrap();
    // 192 rows a chunk: three whole ones and a part.
    check_codebook(&backend, &config, 700);
    assert!(backend.memory_used() < 1 << 16, "{}", backend.memory_used());

    let codebook = Codebook::from_entries(&[-1.0, -0.5, 0.5, 1.0], 2).unwrap();
    let config = CodecConfig::new(2, 42, 64, false).unwrap();
    let large = Prepared::codebook(backend, config, codebook, 1 << 20);
    assert!(matches!(large, Err(Error::MemoryBound { .. })));
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn a_corpus_beyond_one_binding_is_found_through() {
    let (rows, dimension) = (88_000, 1536);
    let backend = Arc::new(backend());
    let config = CodecConfig::new(8, 42, dimension, false).unwrap();
    let entries: Vec<f32> = (0..256).map(|i| (i as f32 - 127.5) / 400.0).collect();
    let codebook = Codebook::from_entries(&entries, 8).unwrap();
    let mut prepared =
        Prepared::codebook(Arc::clone(&backend), config.clone(), codebook.clone(), rows).unwrap();
    assert!(prepared.bytes() > backend.limits().max_binding_size);
    // One row is a query's own; the others are noise.
    let values = seeded::normal(3, dimension as usize, 0.08);
    let own = compress_batch(&values, &config, &codebook, None, &CONTROL).unwrap();
    let mut state = 1_u64;
    let mut bytes = vec![0_u8; 4000 * dimension as usize];
    for first in (0..rows).step_by(4000) {
        for word in bytes.as_chunks_mut::<8>().0 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *word = (state ^ state >> 29).to_le_bytes();
        }
        let mut page = bytes[..(rows - first).min(4000) * dimension as usize].to_vec();
        // 4000 is no multiple of 64; 3968 is.
        if first == 84_000 {
            let at = 3_999 * dimension as usize;
            page[at..].copy_from_slice(own.packed());
        }
        push_all(&mut prepared, &page, dimension as usize);
    }
    let list = prepared
        .search(Queries::Vectors(&values), 1, &CONTROL)
        .unwrap();
    assert_eq!(list, [Some(vec![87_999])]);
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn a_corpus_beyond_the_groups_of_a_dispatch_is_found_through() {
    let backend = Arc::new(backend());
    let groups = backend.limits().max_workgroups as usize;
    // So short that a binding holds more rows than a dispatch has groups for.
    let (rows, dimension) = (groups * 64 + 1000, 4);
    let config = CodecConfig::new(8, 42, 4, false).unwrap();
    let entries: Vec<f32> = (0..256).map(|i| (i as f32 - 127.5) / 400.0).collect();
    let codebook = Codebook::from_entries(&entries, 8).unwrap();
    let mut packed = [255, 0, 255, 0].repeat(rows);
    let own = [0.3_f32, 0.1, -0.2, 0.25];
    let record = compress_batch(&own, &config, &codebook, None, &CONTROL).unwrap();
    for row in [5, rows - 1] {
        packed[row * dimension..(row + 1) * dimension].copy_from_slice(record.packed());
    }
    let mut prepared = Prepared::codebook(backend, config, codebook, rows).unwrap();
    let half = rows / 128 * 64 * dimension;
    prepared.push_records(&packed[..half], &[]).unwrap();
    prepared.push_records(&packed[half..], &[]).unwrap();
    let list = prepared.search(Queries::Vectors(&own), 2, &CONTROL);
    assert_eq!(list.unwrap(), [Some(vec![5, rows as u32 - 1])]);
}

/// Pushes rows of a byte a component; a page may end inside a block, and the next one goes on there.
fn push_all(prepared: &mut Prepared, page: &[u8], dimension: usize) {
    thread_local! {
        static REST: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    REST.with_borrow_mut(|rest| {
        rest.extend_from_slice(page);
        let rows = rest.len() / dimension;
        let is_last = prepared.rows() + rows == prepared.total();
        let whole = if is_last { rows } else { rows / 64 * 64 };
        let part: Vec<u8> = rest.drain(..whole * dimension).collect();
        prepared.push_records(&part, &[]).unwrap();
    });
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn units_of_every_width_score_as_their_whole_numbers() {
    let backend = Arc::new(backend());
    let widths = vec![6, 5, 4, 4, 3, 2, 1, 8];
    let factor = FactorCode {
        base: 0.001_f32.to_bits(),
        shift: 16,
    };
    let segments: Vec<_> = [1, 1, 2, 1, 1, 1, 1].map(|units| (units, factor)).to_vec();
    let (rows, components, count) = (3000, 8 * 64, 6);
    let mut random = 7_u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 40) as u32
    };
    let mut codes = vec![0_u8; rows * components];
    for (i, code) in codes.iter_mut().enumerate() {
        *code = next() as u8 & (0xff >> (8 - widths[i % components / 64]));
    }
    let factors: Vec<u8> = (0..rows * 7).map(|_| next() as u8).collect();
    let norms: Vec<f32> = (0..rows).map(|_| next() as f32 / 1e7).collect();
    let numbers: Vec<i8> = (0..count * components)
        .map(|_| (next() % 255) as i32 as i8)
        .map(|code| code.max(-127))
        .collect();
    let scales: Vec<f32> = (0..count * 7).map(|_| next() as f32 / 1e9).collect();
    let terms: Vec<f32> = (0..count).flat_map(|_| [-0.5, 2.0, -1.0]).collect();
    for has_norms in [false, true] {
        let plan = UnitPlan {
            widths: widths.clone(),
            segments: segments.clone(),
            has_norms,
        };
        let mut prepared = Prepared::units(Arc::clone(&backend), plan, rows).unwrap();
        let norms = if has_norms { &norms[..] } else { &[] };
        prepared.push_units(&codes, &factors, norms).unwrap();
        let queries = Queries::Units {
            codes: &numbers,
            scales: &scales,
            terms: &terms,
        };
        let lists = prepared.search(queries, 10, &CONTROL).unwrap();
        for (q, list) in lists.into_iter().enumerate() {
            let score = |row: usize| {
                let (mut total, mut unit) = (0.0_f32, 0);
                for (segment, (units, factor)) in segments.iter().enumerate() {
                    let mut sum = 0_i32;
                    for i in unit * 64..(unit + units) * 64 {
                        let table = CodeTable::new(widths[i / 64]);
                        let value = table.value(codes[row * components + i]);
                        sum += i32::from(value) * i32::from(numbers[q * components + i]);
                    }
                    unit += units;
                    let byte = factors[row * 7 + segment];
                    total += sum as f32 * scales[q * 7 + segment] * factor.decode(byte);
                }
                let norm = norms.get(row).copied();
                norm.map_or(total, |norm| norm * (2.0 * total - norm)) - 0.5
            };
            let scores: Vec<f32> = (0..rows).map(score).collect();
            judge(&list.unwrap(), &scores, 10, &format!("query {q}"));
        }
    }
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn odd_rows_and_odd_queries_are_left_to_the_cpu() {
    let backend = Arc::new(backend());
    let config = CodecConfig::new(2, 42, 16, false).unwrap();
    let codebook = Codebook::from_entries(&[-1.0, 0.0, 1e-30, 1.0], 2).unwrap();
    let mut prepared = Prepared::codebook(Arc::clone(&backend), config, codebook, 100).unwrap();
    let mut packed: Vec<u8> = (0..400_u32).map(|i| (i * 89) as u8 | 3).collect();
    // Row 9 is zero, row 11 all but that.
    packed[36..40].fill(0b0101_0101);
    packed[44..48].fill(0b1010_1010);
    prepared.push_records(&packed, &[]).unwrap();
    let mut queries = seeded::normal(1, 3 * 16, 1.0);
    queries[16..32].fill(0.0);
    for value in &mut queries[32..] {
        *value *= 1e-20;
    }
    let lists = prepared
        .search(Queries::Vectors(&queries), 5, &CONTROL)
        .unwrap();
    let first = lists[0].as_ref().unwrap();
    assert!(first.contains(&9) && first.contains(&11) && first.len() < 40);
    assert_eq!(lists[1..], [None, None]);
    let all = prepared.search(Queries::Vectors(&queries), 100, &CONTROL);
    assert_eq!(all.unwrap(), [None, None, None]);
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn what_does_not_fit_is_refused() {
    let backend = Arc::new(backend());
    let config = CodecConfig::new(4, 42, 8, true).unwrap();
    let entries: Vec<f32> = (0..16).map(|i| i as f32 - 7.5).collect();
    let codebook = Codebook::from_entries(&entries, 4).unwrap();
    let mut prepared = Prepared::codebook(Arc::clone(&backend), config, codebook, 70).unwrap();
    let invalid = |result: Result<(), Error>| {
        assert!(
            matches!(result, Err(Error::InvalidArgument { .. })),
            "{result:?}"
        );
    };
    invalid(prepared.push_records(&[0; 5], &[0; 16]));
    invalid(prepared.push_records(&[0; 4], &[0; 15]));
    invalid(prepared.push_records(&[0; 4 * 71], &[0; 16 * 71]));
    invalid(prepared.push_units(&[0; 64], &[0], &[]));
    let query = [1.0; 8];
    let search = |prepared: &Prepared, queries: &[f32], k| {
        prepared
            .search(Queries::Vectors(queries), k, &CONTROL)
            .map(|_| ())
    };
    invalid(search(&prepared, &query, 1));
    prepared.push_records(&[0; 4 * 10], &[0; 16 * 10]).unwrap();
    // Ten rows are no whole block.
    invalid(prepared.push_records(&[0; 4 * 10], &[0; 16 * 10]));
    let mut prepared = {
        let config = CodecConfig::new(4, 42, 8, true).unwrap();
        let codebook = Codebook::from_entries(&entries, 4).unwrap();
        Prepared::codebook(backend, config, codebook, 70).unwrap()
    };
    prepared
        .push_records(&[0x21; 4 * 70], &[0; 16 * 70])
        .unwrap();
    invalid(search(&prepared, &query, 0));
    assert!(matches!(
        search(&prepared, &query[..7], 1),
        Err(Error::Codec(CodecError::RaggedRows { .. }))
    ));
    assert!(matches!(
        search(&prepared, &[f32::NAN; 8], 1),
        Err(Error::Codec(CodecError::NonFinite { .. }))
    ));
    let units = Queries::Units {
        codes: &[],
        scales: &[],
        terms: &[],
    };
    invalid(prepared.search(units, 1, &CONTROL).map(|_| ()));
    let cancelled = AtomicBool::new(true);
    let control = Control {
        cancelled: Some(&cancelled),
        progress: None,
    };
    let stopped = prepared.search(Queries::Vectors(&query), 1, &control);
    assert_eq!(stopped.unwrap_err(), Error::Codec(CodecError::Cancelled));
    assert!(search(&prepared, &query, 1).is_ok());
}
