//! Scalar embeddings against what lnmp-quant 0.5.16 returned.

mod common;

use common::{Case, assert_same_float, cases, manifest, slice, slice_f32s};
use serde_json::Value;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::Error;
use tinyquant_family::scalar::compat::{self, Dtype, RawVector};
use tinyquant_family::scalar::{
    Accuracy, Compression, Header, Mode, QuantizedVector, Reading, Scheme, quantize, quantize_batch,
};
use tinyquant_testkit::golden::from_f32s;

fn scheme(name: &str) -> Scheme {
    match name {
        "qint8" => Scheme::QInt8,
        "qint4" => Scheme::QInt4,
        "binary" => Scheme::Binary,
        "fp16" => Scheme::Fp16,
        _ => panic!("{name}"),
    }
}

#[test]
fn every_golden_result_comes_out_again() {
    let mut count = 0;
    for Case {
        name,
        input,
        schemes,
    } in cases()
    {
        for (scheme_name, golden) in schemes.as_object().unwrap() {
            let what = format!("{name} {scheme_name}");
            let quantized = quantize(&input, scheme(scheme_name), Mode::Compat).unwrap();
            assert_eq!(
                quantized.scheme() as u64,
                golden["scheme_byte"].as_u64().unwrap(),
                "{what}"
            );
            assert_eq!(
                u64::from(quantized.dim()),
                golden["dim"].as_u64().unwrap(),
                "{what}"
            );
            let header = quantized.header();
            assert_same_float(header.scale, &golden["scale"], &what);
            assert_same_float(header.min_val, &golden["min_val"], &what);
            assert_eq!(header.zero_point, 0, "{what}");
            assert_same_float(
                quantized.view().compression_ratio(),
                &golden["compression_ratio"],
                &what,
            );
            assert_eq!(quantized.data(), slice(&golden["codes"]), "{what}");

            let expected = slice_f32s(&golden["dequant"]);
            let decoded = quantized.dequantize().unwrap();
            assert_eq!(decoded.len(), expected.len(), "{what}");
            for (got, expected) in decoded.iter().zip(&expected) {
                assert!(
                    got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan()),
                    "{what}: {got:e} for {expected:e}"
                );
            }
            count += 1;
        }
    }
    assert_eq!(count, 212);
}

/// An embedding of the values that upstream's `from_f32` gives it: its dimension wraps at 2^16.
fn wrapped(values: &[f32], scheme: Scheme) -> Result<RawVector, Error> {
    compat::quantize(Dtype::F32, values.len() as u16, &from_f32s(values), scheme)
}

fn ramp(count: usize) -> Vec<f32> {
    (0..count).map(|i| i as f32 / count as f32 - 0.5).collect()
}

/// What one probe gives, as the golden file writes it.
fn probe(scheme: Scheme, what: &str) -> Result<String, Error> {
    let quantized = |values: &[f32]| wrapped(values, scheme);
    let coded = |vector: RawVector| format!("dim {} codes {}", vector.dim, vector.data.len());
    let raw = |dim: u16, data: &[u8]| compat::quantize(Dtype::F32, dim, data, scheme).map(coded);
    let decoded = |vector: &RawVector| {
        let values = compat::dequantize(vector)?;
        Ok(format!("dim {} values {}", values.len(), values.len()))
    };
    let ten = || quantized(&ramp(10)).unwrap();
    let cut = |change: fn(&mut RawVector)| {
        let mut vector = ten();
        change(&mut vector);
        decoded(&vector)
    };
    match what {
        "empty vector" => quantized(&[]).map(coded),
        "dtype F16" => compat::quantize(Dtype::F16, 2, &[0; 4], scheme).map(coded),
        "dtype I8" => compat::quantize(Dtype::I8, 4, &[0; 4], scheme).map(coded),
        "F32 with 7 bytes, dim 2" => raw(2, &[0; 7]),
        "F32 dim 10 but 3 values" => raw(10, &from_f32s(&[0.1, 0.2, 0.3])),
        "F32 dim 3 but no bytes" => raw(3, &[]),
        "65535 values" => quantized(&ramp(65535)).map(coded),
        "65536 values (u16 wraps to 0)" => quantized(&ramp(65536)).map(coded),
        "65537 values (u16 wraps to 1)" => quantized(&ramp(65537)).map(coded),
        "the 65537-value result" => {
            let values = compat::dequantize(&quantized(&ramp(65537))?)?;
            Ok(format!("dim {} bytes {}", values.len(), 4 * values.len()))
        }
        "dim 0" => cut(|vector| vector.dim = 0),
        "one byte short, dim 10" => cut(|vector| vector.data.truncate(vector.data.len() - 1)),
        "one byte long, dim 10" => cut(|vector| vector.data.push(0)),
        "no data, dim 10" => cut(|vector| vector.data.clear()),
        "dim 11 over 10 coded values" => cut(|vector| vector.dim = 11),
        "zero_point 5 instead of 0 changes the values" => {
            let (vector, mut moved) = (ten(), ten());
            moved.header.zero_point = 5;
            let same = compat::dequantize(&vector)? == compat::dequantize(&moved)?;
            Ok((!same).to_string())
        }
        _ => panic!("{what}"),
    }
}

#[test]
fn every_golden_probe_ends_the_same_way() {
    let probes = manifest()["errors"].as_array().unwrap().clone();
    assert_eq!(probes.len(), 67);
    for golden in probes {
        let what = golden["what"].as_str().unwrap();
        let (call, rest) = what.split_once(": ").unwrap_or((what, ""));
        let outcome = if rest.is_empty() {
            let (module, _) = call.split_once("::").unwrap();
            let given = wrapped(&ramp(10), Scheme::QInt8).unwrap();
            compat::dequantize_as(&given, scheme(module)).map(|_| String::new())
        } else {
            probe(scheme(call.split_once(' ').unwrap().1), rest)
        };
        match (outcome, &golden["error"], &golden["ok"]) {
            (Ok(got), Value::Null, expected) => {
                assert_eq!(got, expected.as_str().unwrap(), "{what}");
            }
            (Err(error), expected, Value::Null) => {
                let (name, kind) = error.details()[0].clone();
                assert_eq!(name, "kind", "{what}");
                let expected = expected.as_str().unwrap().to_owned();
                assert_eq!(kind, tinyquant_codec::Detail::Text(expected), "{what}");
            }
            (outcome, ..) => panic!("{what}: {outcome:?} for {golden}"),
        }
    }
}

#[test]
fn targets_choose_the_golden_schemes() {
    let adaptive = &manifest()["adaptive"];
    let byte = |kind: &str, name: &str| adaptive[kind][name].as_u64().unwrap();
    for (name, target) in [
        ("Maximum", Accuracy::Maximum),
        ("High", Accuracy::High),
        ("Balanced", Accuracy::Balanced),
        ("Compact", Accuracy::Compact),
    ] {
        assert_eq!(target.scheme() as u64, byte("accuracy", name), "{name}");
    }
    for (name, target) in [
        ("Conservative", Compression::Conservative),
        ("Moderate", Compression::Moderate),
        ("Aggressive", Compression::Aggressive),
        ("Maximum", Compression::Maximum),
    ] {
        assert_eq!(target.scheme() as u64, byte("compression", name), "{name}");
    }
}

#[test]
fn a_batch_keeps_its_order_and_goes_on_after_a_failure() {
    let golden = &manifest()["batch"]["qint8"];
    // The fourth vector of the golden batch is no floats; a NaN fails here in its place.
    let values = [0.1, 0.2, 0.3, f32::NAN];
    for pool in [
        None,
        Some(
            rayon::ThreadPoolBuilder::new()
                .num_threads(2)
                .build()
                .unwrap(),
        ),
    ] {
        let batch = quantize_batch(
            &values,
            &[1, 0, 2, 1],
            Scheme::QInt8,
            Mode::Accurate,
            pool.as_ref(),
            &Control::default(),
        )
        .unwrap();
        let stats = batch.stats();
        for (name, count) in [
            ("total", stats.total),
            ("succeeded", stats.succeeded),
            ("failed", stats.failed),
        ] {
            assert_eq!(count as u64, golden[name].as_u64().unwrap(), "{name}");
        }
        for (i, golden) in golden["results"].as_array().unwrap().iter().enumerate() {
            match batch.get(i) {
                Ok(vector) => {
                    assert_eq!(u64::from(vector.dim()), golden["dim"].as_u64().unwrap());
                    let alone = &values[if i == 0 { 0..1 } else { 1..3 }];
                    let alone = quantize(alone, Scheme::QInt8, Mode::Accurate).unwrap();
                    assert_eq!(vector.to_vector(), alone);
                }
                Err(_) => assert!(golden["error"].is_string(), "{i}"),
            }
        }
        let codes: Vec<_> = batch
            .failures()
            .iter()
            .map(|(i, error)| (*i, error.code()))
            .collect();
        assert_eq!(
            codes,
            [(1, ErrorCode::InvalidArg), (3, ErrorCode::NonFinite)]
        );
        assert_eq!(batch.get(4).unwrap_err().code(), ErrorCode::InvalidArg);
    }
    let none = quantize_batch(
        &[],
        &[],
        Scheme::Fp16,
        Mode::Compat,
        None,
        &Control::default(),
    );
    let none = none.unwrap();
    assert!(none.is_empty() && none.stats().total == 0);
}

#[test]
fn a_batch_refuses_lengths_that_do_not_add_up_and_stops_when_told() {
    let run = |lengths: &[usize], control: &Control<'_>| {
        quantize_batch(
            &[0.5; 6],
            lengths,
            Scheme::QInt4,
            Mode::Accurate,
            None,
            control,
        )
    };
    for lengths in [&[5][..], &[7], &[3, usize::MAX], &[]] {
        let error = run(lengths, &Control::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::DimMismatch, "{lengths:?}");
    }
    let control = Control {
        cancelled: Some(&std::sync::atomic::AtomicBool::new(true)),
        progress: None,
    };
    assert_eq!(run(&[6], &control).unwrap_err().code(), ErrorCode::Aborted);
}

#[test]
fn large_batches_equal_single_vectors() {
    let dim = 33;
    let values = tinyquant_testkit::seeded::normal(3, 1000 * dim, 0.4);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .unwrap();
    for scheme in Scheme::ALL {
        let batch = quantize_batch(
            &values,
            &vec![dim; 1000],
            scheme,
            Mode::Accurate,
            Some(&pool),
            &Control::default(),
        )
        .unwrap();
        for (i, row) in values.chunks_exact(dim).enumerate() {
            let alone = quantize(row, scheme, Mode::Accurate).unwrap();
            assert_eq!(batch.body(i).unwrap(), alone.to_bytes(), "{scheme:?} {i}");
        }
    }
}

#[test]
fn json_of_the_manifest_has_the_same_parts() {
    let golden = &manifest()["serde_json_of_readme_vector"];
    let values = [0.12, -0.45, 0.33];
    // JSON widens the numbers; the parser may miss the last bit of an f64.
    let narrow = |number: &Value| (number.as_f64().unwrap() as f32).to_bits();
    for (scheme, golden) in Scheme::ALL.into_iter().zip(golden.as_array().unwrap()) {
        let quantized = quantize(&values, scheme, Mode::Compat).unwrap();
        let header = quantized.header();
        assert_eq!(golden["scheme"], scheme.name());
        assert_eq!(golden["dim"], quantized.dim());
        assert_eq!(narrow(&golden["scale"]), header.scale.to_bits());
        assert_eq!(golden["zero_point"], header.zero_point);
        assert_eq!(narrow(&golden["min_val"]), header.min_val.to_bits());
        let data: Vec<_> = quantized
            .data()
            .iter()
            .map(|byte| Value::from(*byte))
            .collect();
        assert_eq!(golden["data"], Value::from(data));
    }
}

#[test]
fn bytes_come_back_and_broken_ones_are_refused() {
    for Case { name, input, .. } in cases().into_iter().filter(|case| case.input.len() < 20) {
        for scheme in Scheme::ALL {
            let quantized = quantize(&input, scheme, Mode::Compat).unwrap();
            let bytes = quantized.to_bytes();
            let back = QuantizedVector::from_bytes(&bytes).unwrap();
            assert_eq!(back.to_bytes(), bytes, "{name} {scheme:?}");
            for end in 0..bytes.len() {
                let error = QuantizedVector::from_bytes(&bytes[..end]).unwrap_err();
                assert_eq!(
                    error.code(),
                    ErrorCode::Truncated,
                    "{name} {scheme:?} {end}"
                );
            }
            let mut long = bytes.clone();
            long.push(0);
            assert_eq!(
                QuantizedVector::from_bytes(&long).unwrap_err().code(),
                ErrorCode::Format
            );
        }
    }
    let valid = quantize(&[0.5, -0.5, 0.25], Scheme::QInt4, Mode::Accurate)
        .unwrap()
        .to_bytes();
    // Scheme, dimension 0, another dimension, a dimension that claims gigabytes, a length, a spare half byte.
    for (at, bytes) in [
        (0, &[5][..]),
        (10, &[0, 0, 0, 0]),
        (10, &[5, 0, 0, 0]),
        (10, &[0xff, 0xff, 0xff, 0xff]),
        (14, &[0x42]),
        (16, &[0xf1]),
    ] {
        let mut broken = valid.clone();
        broken[at..at + bytes.len()].copy_from_slice(bytes);
        let error = QuantizedVector::from_bytes(&broken).unwrap_err();
        assert_eq!(
            error.code(),
            ErrorCode::Format,
            "byte {at} as {bytes:?}: {error}"
        );
        assert!(
            error.details().iter().any(|(name, _)| *name == "offset"),
            "{error}"
        );
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let header = Header {
        scale: 1.0,
        zero_point: 0,
        min_val: 0.0,
    };
    let make = |scheme, dim, data: &[u8]| QuantizedVector::new(scheme, dim, header, data.to_vec());
    assert!(make(Scheme::Binary, 9, &[0xff, 1]).is_ok());
    assert_eq!(
        make(Scheme::QInt8, 0, &[]).unwrap_err().code(),
        ErrorCode::InvalidArg
    );
    for (scheme, dim, data) in [
        (Scheme::QInt8, 3, &[0_u8; 2][..]),
        (Scheme::QInt8, 3, &[0; 4]),
        (Scheme::QInt4, 3, &[0, 1]),
        (Scheme::Binary, 9, &[0xff, 2]),
        (Scheme::Fp16, 2, &[0; 3]),
    ] {
        let error = make(scheme, dim, data).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Format, "{scheme:?} {dim}");
    }
    let vector = make(Scheme::QInt8, 2, &[1, 2]).unwrap();
    let error = vector
        .view()
        .dequantize_into(Reading::AsStored, &mut [0.0; 3])
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArg);
}
