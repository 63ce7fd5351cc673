//! LNMP records against what lnmp-codec 0.5.13 and lnmp-embedding 0.5.16 wrote.

mod common;

use common::{cases, hex, manifest, slice, slice_f32s, slice_text};
use serde_json::Value as Json;
use tinyquant_codec::ErrorCode;
use tinyquant_family::lnmp::{
    self, Container, ContainerMode, Delta, Dims, Embedding, Omitted, Record, Strategy, TextOptions,
    Value, decode, decode_text, encode, encode_nested, encode_text, semantic_checksum, varint,
};
use tinyquant_family::scalar::{Mode, QuantizedVector, Scheme, quantize};
use tinyquant_testkit::golden;

const README: [f32; 3] = [0.12, -0.45, 0.33];
const HINTS: TextOptions = TextOptions {
    hints: true,
    checksums: false,
    inline: false,
    exact: false,
};
const CHECKED: TextOptions = TextOptions {
    checksums: true,
    ..HINTS
};

fn quantized(values: &[f32], scheme: Scheme) -> Value {
    Value::Quantized(quantize(values, scheme, Mode::Compat).unwrap())
}

fn one(id: u16, value: Value) -> Record {
    [(id, value)].into_iter().collect()
}

/// The vector of the only field.
fn vector_of(record: &Record) -> &QuantizedVector {
    match &record.fields[..] {
        [field] => match &field.value {
            Value::Quantized(vector) => vector,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn record_entry(name: &str) -> &'static Json {
    let records = manifest()["records"].as_array().unwrap();
    records.iter().find(|entry| entry["name"] == name).unwrap()
}

fn five_fields() -> Record {
    [
        (600, quantized(&README, Scheme::Binary)),
        (514, Value::Int(3)),
        (513, Value::Text("m-1".to_owned())),
        (512, quantized(&README, Scheme::QInt8)),
        (
            601,
            Value::Embedding(Embedding::from_values(&README).unwrap()),
        ),
    ]
    .into_iter()
    .collect()
}

#[test]
fn frames_and_texts_of_every_golden_result() {
    let schemes = [
        ("qint8", Scheme::QInt8),
        ("qint4", Scheme::QInt4),
        ("binary", Scheme::Binary),
        ("fp16", Scheme::Fp16),
    ];
    let mut count = 0;
    for case in cases() {
        for (name, scheme) in schemes {
            let (golden, what) = (&case.schemes[name], format!("{} {name}", case.name));
            let value = quantized(&case.input, scheme);
            let record = one(512, value.clone());
            // Which NaN arithmetic makes depends on the processor, and so do the bytes of the header.
            let has_nan =
                golden["scale"]["display"] == "NaN" || golden["min_val"]["display"] == "NaN";

            let frame = encode(&record).unwrap();
            if !has_nan {
                assert_eq!(frame, slice(&golden["frame_f512"]), "{what}");
            }
            assert_eq!(encode(&decode(&frame).unwrap()).unwrap(), frame, "{what}");
            let upstream = decode(&slice(&golden["frame_f512"])).unwrap();
            assert_eq!(
                vector_of(&upstream).data(),
                slice(&golden["codes"]),
                "{what}"
            );

            let text = encode_text(&record, TextOptions::default()).unwrap();
            assert_eq!(text, slice_text(&golden["text_f512"]), "{what}");
            let suffix = golden["text_f512_hint_checksum_suffix"].as_str().unwrap();
            let checked = encode_text(&record, CHECKED).unwrap();
            assert_eq!(
                checked,
                format!("{}{suffix}", text.replace("F512=", "F512:qv=")),
                "{what}"
            );
            let checksum = semantic_checksum(512, &value).unwrap().unwrap();
            assert_eq!(format!("#{checksum:08X}"), suffix, "{what}");

            let dims = Dims::from([(512, case.input.len() as u32)]);
            for text in [&text, &checked] {
                let back = decode_text(text, &dims).unwrap();
                assert_eq!(encode_text(&back, CHECKED).unwrap(), checked, "{what}");
                assert_eq!(vector_of(&back).data(), slice(&golden["codes"]), "{what}");
                assert_eq!(vector_of(&back).dim() as usize, case.input.len(), "{what}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 212);
}

#[test]
fn the_record_of_five_fields() {
    let golden = record_entry("five_field_record");
    let record = five_fields();
    let frame = encode(&record).unwrap();
    assert_eq!(frame, hex(&golden["frame_hex"]));
    assert_eq!(frame, slice(&golden["frame"]));
    for (options, name) in [
        (TextOptions::default(), "text"),
        (HINTS, "text_hints"),
        (CHECKED, "text_hints_checksums"),
    ] {
        let text = golden[name].as_str().unwrap();
        assert_eq!(encode_text(&record, options).unwrap(), text, "{name}");
        let back = decode_text(text, &Dims::from([(512, 3), (600, 3)])).unwrap();
        assert_eq!(back.get(600), record.get(600), "{name}");
        assert_eq!(
            back.get(601),
            Some(&Value::Omitted(Omitted::Embedding(3))),
            "{name}"
        );
        assert_eq!(back.fields.len(), 5);
    }
    let back = decode(&frame).unwrap();
    let ids: Vec<_> = back.fields.iter().map(|field| field.id).collect();
    assert_eq!(ids, [512, 513, 514, 600, 601]);
    for id in ids {
        assert_eq!(back.get(id), record.get(id));
    }
}

#[test]
fn nested_records_and_containers() {
    let nested = one(512, quantized(&README, Scheme::QInt4));
    let bytes = encode_nested(&nested).unwrap();
    assert_eq!(bytes, hex(&record_entry("nested_record_qint4")["hex"]));
    assert_eq!(decode(&bytes).unwrap(), nested);

    let record = one(512, quantized(&README, Scheme::QInt8));
    for (name, mode) in [
        ("container_Text", ContainerMode::Text),
        ("container_Binary", ContainerMode::Binary),
        ("container_Embedding", ContainerMode::Embedding),
    ] {
        let container = Container::new(&record, mode, false, vec![]).unwrap();
        let bytes = container.to_bytes();
        assert_eq!(bytes, hex(&record_entry(name)["hex"]), "{name}");
        let back = Container::from_bytes(&bytes).unwrap();
        assert_eq!(back, container, "{name}");
        assert_eq!(back.record(&Dims::new()).unwrap(), record, "{name}");
    }
    let checked = Container::new(&record, ContainerMode::Text, true, vec![7]).unwrap();
    let back = Container::from_bytes(&checked.to_bytes()).unwrap();
    assert!(back.is_checked() && back.metadata() == [7]);
    assert_eq!(back.record(&Dims::new()).unwrap(), record);
}

#[test]
fn embeddings_and_their_similarities() {
    let embedding = Embedding::from_values(&README).unwrap();
    let mut bytes = Vec::new();
    embedding.write(&mut bytes);
    assert_eq!(bytes, hex(&record_entry("embedding_body")["hex"]));
    assert_eq!(Embedding::from_bytes(&bytes).unwrap(), embedding);

    let golden = &manifest()["similarity"];
    let (a, b) = (slice_f32s(&golden["a"]), slice_f32s(&golden["b"]));
    common::assert_same_float(lnmp::cosine(&a, &b).unwrap(), &golden["cosine"], "cosine");
    common::assert_same_float(lnmp::dot(&a, &b).unwrap(), &golden["dot"], "dot");
    common::assert_same_float(
        lnmp::euclidean(&a, &b).unwrap(),
        &golden["euclidean"],
        "euclidean",
    );
    let zero = lnmp::cosine(&a, &vec![0.0; a.len()]).unwrap();
    common::assert_same_float(zero, &golden["cosine_with_zero_vector"], "zero");
    assert_eq!(
        lnmp::dot(&a, &b[1..]).unwrap_err().code(),
        ErrorCode::DimMismatch
    );
}

#[test]
fn changes_of_embeddings() {
    for golden in manifest()["delta"].as_array().unwrap() {
        let name = golden["name"].as_str().unwrap();
        if name == "dim_mismatch" {
            assert_eq!(golden["error_is_string"], true);
            let error = Delta::between(&[1.0], &[1.0, 2.0], 0, Mode::Compat).unwrap_err();
            assert_eq!(error.code(), ErrorCode::DimMismatch);
            continue;
        }
        let floats = |key: &str| golden::to_f32s(&hex(&golden[key]));
        let (old, new) = (floats("old_hex"), floats("new_hex"));
        let base = golden["base_id"].as_u64().unwrap() as u16;
        let delta = Delta::between(&old, &new, base, Mode::Compat).unwrap();
        assert_eq!(
            delta.changes.len() as u64,
            golden["changes"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(
            delta.to_bytes().unwrap(),
            hex(&golden["encoded_hex"]),
            "{name}"
        );
        assert_eq!(
            Delta::from_bytes(&hex(&golden["encoded_hex"])).unwrap(),
            delta,
            "{name}"
        );
        let applied = delta.apply(&old).unwrap();
        assert_eq!(
            golden::from_f32s(&applied),
            hex(&golden["applied_hex"]),
            "{name}"
        );
        let uses = Strategy::default().uses_delta(&delta, new.len());
        assert_eq!(
            uses,
            golden["adaptive30_uses_delta"].as_bool().unwrap(),
            "{name}"
        );
        let whole = Embedding::from_values(&new).unwrap().encoded_len();
        let is_shorter = delta.encoded_len() < whole;
        assert_eq!(
            is_shorter,
            golden["beneficial_vs_full"].as_bool().unwrap(),
            "{name}"
        );
    }
    let exact = Delta::between(&[0.0, 1.0], &[1e-9, 1.0], 0, Mode::Accurate).unwrap();
    assert_eq!(exact.changes, [(0, 1e-9)]);
    let error = Delta::between(&[0.0], &[f32::NAN], 0, Mode::Accurate).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NonFinite);
    let error = Delta::between(&[f32::MIN], &[f32::MAX], 0, Mode::Accurate).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Limit);
    assert_eq!(exact.apply(&[]).unwrap_err().code(), ErrorCode::Format);
    assert!(
        Strategy::AlwaysDelta.uses_delta(&exact, 1) && !Strategy::AlwaysFull.uses_delta(&exact, 1)
    );
}

#[test]
fn varints() {
    for golden in manifest()["varint"].as_array().unwrap() {
        let value = golden["value"].as_i64().unwrap();
        let mut bytes = Vec::new();
        varint::write(value, &mut bytes);
        assert_eq!(bytes, hex(&golden["hex"]), "{value}");
    }
    let shifts = (0..64).flat_map(|shift| [1_i64 << shift, -1 << shift, (1 << shift) - 1]);
    for value in shifts.chain([i64::MIN, i64::MAX, 0]) {
        let mut bytes = Vec::new();
        varint::write(value, &mut bytes);
        assert_eq!(varint::len(value), bytes.len(), "{value}");
        assert_eq!(
            varint::read(&bytes),
            Ok(Some((value, bytes.len()))),
            "{value}"
        );
        assert_eq!(varint::read(&bytes[..bytes.len() - 1]), Ok(None), "{value}");
    }
    for bytes in [
        &[0x80, 0][..],
        &[0xff, 0x7f],
        &[0xc0, 0x80, 0],
        &[0x80; 10],
        &[0xff; 11],
    ] {
        assert!(varint::read(bytes).is_err(), "{bytes:?}");
    }
    let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert!(varint::read(&beyond).is_err());
}

/// A record with a value of every type that a frame can hold.
fn everything() -> Record {
    let inner: Record = [
        (1, Value::Text("F12".to_owned())),
        (7, quantized(&[1.0, 2.0, 4.0, 8.0, 16.0], Scheme::Fp16)),
        (2, Value::Record(one(9, Value::Bool(false)))),
        (
            3,
            Value::Delta(Delta::between(&[1.0, 2.0], &[3.0, 2.0], 9, Mode::Accurate).unwrap()),
        ),
    ]
    .into_iter()
    .collect();
    [
        (1, Value::Int(i64::MIN)),
        (2, Value::Float(-1.5e-300)),
        (3, Value::Bool(true)),
        (
            4,
            Value::Text("line\n\"quoted\" \\ tab\t \r ; # F1=2 é".to_owned()),
        ),
        (
            5,
            Value::Texts(vec![
                "a".to_owned(),
                String::new(),
                "5".to_owned(),
                "x,y]".to_owned(),
            ]),
        ),
        (6, Value::Record(inner.clone())),
        (7, Value::Records(vec![inner, Record::default()])),
        (
            8,
            Value::Embedding(Embedding::from_values(&[1.0, -0.0]).unwrap()),
        ),
        (9, quantized(&README, Scheme::Binary)),
        (10, Value::Ints(vec![1, -64, i64::MAX])),
        (11, Value::Floats(vec![0.5, 1e20, -0.0])),
        (12, Value::Bools(vec![true, false])),
        (13, Value::Text(String::new())),
        (14, Value::Texts(vec![])),
        (15, Value::Records(vec![])),
        (16, Value::Float(3.0)),
        (16, Value::Int(1)),
        (65535, Value::Text("yes".to_owned())),
    ]
    .into_iter()
    .collect()
}

/// The record with the fields of all its records sorted.
fn sorted(record: &Record) -> Record {
    let fields = record.sorted().into_iter().map(|field| {
        let value = match &field.value {
            Value::Record(record) => Value::Record(sorted(record)),
            Value::Records(records) => Value::Records(records.iter().map(sorted).collect()),
            value => value.clone(),
        };
        (field.id, value)
    });
    fields.collect()
}

/// The same as text keeps it.
fn as_text(record: &Record) -> Record {
    let fields = record.fields.iter().map(|field| {
        let value = match &field.value {
            Value::Record(record) => Value::Record(as_text(record)),
            Value::Records(records) => Value::Records(records.iter().map(as_text).collect()),
            Value::Embedding(embedding) => {
                Value::Omitted(Omitted::Embedding(embedding.dim().into()))
            }
            Value::Delta(delta) => Value::Omitted(Omitted::Delta(delta.changes.len() as u64)),
            value => value.clone(),
        };
        (field.id, value)
    });
    fields.collect()
}

#[test]
fn every_type_comes_back_from_bytes_and_from_text() {
    let record = sorted(&everything());
    let frame = encode(&everything()).unwrap();
    assert_eq!(frame[0], 5);
    assert_eq!(decode(&frame).unwrap(), record);
    let nested = encode_nested(&everything()).unwrap();
    assert_eq!(decode(&nested).unwrap(), record);
    for inline in [false, true] {
        let options = TextOptions {
            inline,
            exact: true,
            ..CHECKED
        };
        let text = encode_text(&everything(), options).unwrap();
        let back = decode_text(&text, &Dims::new()).unwrap();
        assert_eq!(back, as_text(&record), "{text}");
        assert_eq!(
            encode_text(&back, HINTS).unwrap(),
            encode_text(&record, HINTS).unwrap()
        );
    }
}

#[test]
fn numbers_of_the_compact_type_are_read() {
    for (flags, bytes, value) in [
        (
            0,
            vec![1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            Value::Ints(vec![1, -1]),
        ),
        (
            1,
            [5_i64.to_le_bytes(), (-6_i64).to_le_bytes()].concat(),
            Value::Ints(vec![5, -6]),
        ),
        (
            2,
            golden::from_f32s(&[1.0, 0.5]),
            Value::Floats(vec![1.0, 0.5]),
        ),
        (
            3,
            [1.5_f64.to_le_bytes(), 2.5_f64.to_le_bytes()].concat(),
            Value::Floats(vec![1.5, 2.5]),
        ),
    ] {
        let mut frame = vec![4, 0, 1, 7, 0, 9, flags, 2];
        frame.extend(bytes);
        assert_eq!(decode(&frame).unwrap(), one(7, value));
    }
}

#[test]
fn text_of_other_writers_is_read() {
    let text = "# a comment\r\n\r\n F7 = 1 ; F8:b=yes;;F9=-1.5e3\nF10=[1, 2]\nF11=[1,2.5]\nF12=[a,\"5\"]\nF13={F2=x;F1=[{F1=1},{}];}\nF14:s=5\nF15=F16\nF17=QVx\nF18:f=3\nF19=NaN\n";
    let record = decode_text(text, &Dims::new()).unwrap();
    let text = |value: &str| Value::Text(value.to_owned());
    let expected: [(u16, Value); 12] = [
        (7, Value::Int(1)),
        (8, Value::Bool(true)),
        (9, Value::Float(-1500.0)),
        (10, Value::Ints(vec![1, 2])),
        (11, Value::Floats(vec![1.0, 2.5])),
        (12, Value::Texts(vec!["a".to_owned(), "5".to_owned()])),
        (
            13,
            Value::Record(
                [
                    (2, text("x")),
                    (
                        1,
                        Value::Records(vec![one(1, Value::Int(1)), Record::default()]),
                    ),
                ]
                .into_iter()
                .collect(),
            ),
        ),
        (14, text("5")),
        (15, text("F16")),
        (17, text("QVx")),
        (18, Value::Float(3.0)),
        (19, Value::Float(f64::NAN)),
    ];
    for (id, value) in expected {
        match (record.get(id), &value) {
            (Some(Value::Float(got)), Value::Float(expected)) if expected.is_nan() => {
                assert!(got.is_nan());
            }
            (got, expected) => assert_eq!(got, Some(expected), "F{id}"),
        }
    }
    assert_eq!(record.fields.len(), 12);
}

#[test]
fn checksums_of_different_vectors() {
    let golden = &manifest()["checksum_qv"];
    let base = quantize(&README, Scheme::QInt8, Mode::Compat).unwrap();
    let with = |scale: f32, min_val: f32| {
        let mut header = base.header();
        (header.scale, header.min_val) = (scale, min_val);
        QuantizedVector::new(base.scheme(), base.dim(), header, base.data().to_vec()).unwrap()
    };
    let checksum = |vector: QuantizedVector| {
        let checksum = semantic_checksum(512, &Value::Quantized(vector))
            .unwrap()
            .unwrap();
        format!("{checksum:08X}")
    };
    let header = base.header();
    assert_eq!(checksum(base.clone()), golden["base"].as_str().unwrap());
    let moved = with(header.scale, 7.0);
    assert_eq!(
        checksum(moved.clone()),
        golden["min_val_changed"].as_str().unwrap()
    );
    assert_ne!(base.view().checksum(), moved.view().checksum());
    assert_ne!(
        checksum(with(0.25, header.min_val)),
        golden["base"].as_str().unwrap()
    );
}
