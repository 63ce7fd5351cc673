//! Bytes and text that no LNMP writer makes: coded errors with offsets, bounded depth and memory.

use proptest::prelude::*;
use tinyquant_codec::{Detail, ErrorCode};
use tinyquant_family::Error;
use tinyquant_family::lnmp::{
    Container, ContainerMode, Delta, Dims, Dtype, Embedding, Field, MAX_DEPTH, Record, TextOptions,
    Value, decode, decode_text, encode, encode_nested, encode_text,
};
use tinyquant_family::scalar::{Mode, Scheme, quantize};

fn offset_of(error: &Error) -> Option<i64> {
    error
        .details()
        .into_iter()
        .find_map(|(name, value)| match value {
            Detail::Int(offset) if name == "offset" => Some(offset),
            _ => None,
        })
}

fn text(text: &str) -> Result<Record, Error> {
    decode_text(text, &Dims::new())
}

fn one(id: u16, value: Value) -> Record {
    [(id, value)].into_iter().collect()
}

#[test]
fn broken_frames() {
    use ErrorCode::{Format, Truncated, Version};
    for (bytes, code, offset) in [
        (&[][..], Truncated, None),
        (&[3], Version, Some(0)),
        (&[0x46], Version, Some(0)),
        (&[4], Truncated, None),
        (&[4, 1, 0], Format, Some(1)),
        (&[4, 0, 0x7f], Format, Some(2)),
        (&[4, 0, 0x80, 0x00], Format, Some(2)),
        (&[4, 0, 1], Truncated, None),
        (&[4, 0, 1, 1, 0], Truncated, None),
        (&[4, 0, 1, 1, 0, 0], Format, Some(5)),
        (&[4, 0, 1, 1, 0, 14], Format, Some(5)),
        (&[4, 0, 1, 1, 0, 3, 2], Format, Some(6)),
        (&[4, 0, 1, 1, 0, 4, 2, b'a'], Truncated, None),
        (&[4, 0, 1, 1, 0, 4, 2, b'a', 0xff], Format, Some(8)),
        (&[4, 0, 1, 1, 0, 4, 0x7f], Format, Some(6)),
        // A count of nearly 2^63 must not be allocated.
        (
            &[
                4, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,
            ],
            Truncated,
            None,
        ),
        (
            &[
                4, 0, 1, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,
            ],
            Truncated,
            None,
        ),
        (
            &[
                4, 0, 1, 1, 0, 12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,
            ],
            Truncated,
            None,
        ),
        (
            &[
                4, 0, 1, 1, 0, 9, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,
            ],
            Truncated,
            None,
        ),
        (&[4, 0, 1, 1, 0, 9, 4, 0], Format, Some(6)),
        (&[4, 0, 1, 1, 0, 7, 1, 5], Format, Some(7)),
        (&[4, 0, 1, 1, 0, 8, 4, 1, 0, 1, 1], Format, Some(11)),
        (&[4, 0, 1, 1, 0, 8, 4, 0, 0, 6, 1], Format, Some(9)),
        (&[4, 0, 1, 1, 0, 10, 9], Format, Some(6)),
        (&[4, 0, 0, 0], Format, Some(3)),
        (&[6, 1, 0x80, 0x80, 4, 1, 0], Format, Some(2)),
        (&[6, 1, 0x7f, 1, 0], Format, Some(2)),
    ] {
        let error = decode(bytes).unwrap_err();
        assert_eq!(error.code(), code, "{bytes:?}: {error}");
        assert_eq!(offset_of(&error), offset, "{bytes:?}: {error}");
    }
}

#[test]
fn a_frame_cut_anywhere_is_refused() {
    let vector = quantize(&[0.5, -1.0, 0.25], Scheme::QInt4, Mode::Accurate).unwrap();
    let delta = Delta::between(&[1.0], &[2.0], 3, Mode::Accurate).unwrap();
    let inner: Record = [(1, Value::Quantized(vector)), (2, Value::Delta(delta))]
        .into_iter()
        .collect();
    let record: Record = [
        (1, Value::Texts(vec!["ab".to_owned(), "c".to_owned()])),
        (2, Value::Records(vec![inner])),
        (3, Value::Ints(vec![300, -5])),
    ]
    .into_iter()
    .collect();
    for bytes in [encode(&record).unwrap(), encode_nested(&record).unwrap()] {
        assert_eq!(decode(&bytes).unwrap(), record);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
    }
}

#[test]
fn broken_texts() {
    use ErrorCode::{Checksum, Format, Truncated};
    for (given, code, offset) in [
        ("x", Format, Some(0)),
        ("F", Format, Some(1)),
        ("F65536=1", Format, Some(1)),
        ("F1", Truncated, None),
        ("F1=", Truncated, None),
        ("F1:zz=1", Format, Some(3)),
        ("F1:i=x", Format, Some(5)),
        ("F1:i=\"5\"", Format, Some(5)),
        ("F1:sa=[{F1=1}]", Format, Some(6)),
        ("F1:qv=3", Format, Some(6)),
        ("F1=99999999999999999999", Format, Some(3)),
        ("F1=1 2", Format, Some(5)),
        ("F1=\"abc", Truncated, None),
        ("F1=\"a\\x\"", Format, Some(5)),
        ("F1=[1,", Truncated, None),
        ("F1=[1;2]", Format, Some(5)),
        ("F1={F1=1", Truncated, None),
        ("F1={F1=1,F2=2}", Format, Some(8)),
        ("F1=3#2777BEB", Format, Some(5)),
        ("F1=3#00000000", Checksum, Some(5)),
        ("F2=1\nF1=QV[QInt9,1,0,0,00]", Format, Some(11)),
        ("F1=QV[QInt8,x,0,0,00]", Format, Some(12)),
        ("F1=QV[QInt8,1,128,0,00]", Format, Some(14)),
        ("F1=QV[QInt8,1,0,y,00]", Format, Some(16)),
        ("F1=QV[QInt8,1,0,0,0]", Format, Some(18)),
        ("F1=QV[QInt8,1,0,0,0g]", Format, Some(18)),
        ("F1=QV[QInt8,1,0,0,]", Format, Some(18)),
        ("F1=QV[QInt8,1,0,0]", Format, Some(17)),
        ("F1=QV[QInt8,1,0,0,00,1]", Format, Some(20)),
        ("F1=QV[FP16Passthrough,1,0,0,000000]", Format, Some(28)),
        ("F1=QVD[QInt4,1,0,0,01,1]", Format, Some(19)),
        ("F1=QVD[QInt4,1,0,0,10,4294967296]", Format, Some(22)),
        ("F1=QVD[QInt4,1,0,0,10,0]", Format, Some(19)),
        ("F1=QV[QInt8,1,0,0,00", Truncated, None),
        ("F1=[vector dim=]", Format, Some(15)),
        ("é", Format, Some(0)),
    ] {
        let error = text(given).unwrap_err();
        assert_eq!(error.code(), code, "{given}: {error}");
        assert_eq!(offset_of(&error), offset, "{given}: {error}");
    }
    let dims = Dims::from([(1, 5)]);
    let error = decode_text("F1=QV[QInt8,1,0,0,00]", &dims).unwrap_err();
    assert_eq!((error.code(), offset_of(&error)), (Format, Some(18)));
}

#[test]
fn nesting_ends_at_its_limit() {
    let nest = |levels: usize| {
        (0..levels).fold(one(1, Value::Int(1)), |inner, _| {
            one(1, Value::Record(inner))
        })
    };
    let deepest = nest(MAX_DEPTH);
    assert_eq!(decode(&encode(&deepest).unwrap()).unwrap(), deepest);
    let written = encode_text(&deepest, TextOptions::default()).unwrap();
    assert_eq!(text(&written).unwrap(), deepest);
    let beyond = nest(MAX_DEPTH + 1);
    assert_eq!(encode(&beyond).unwrap_err().code(), ErrorCode::Limit);
    let error = encode_text(&beyond, TextOptions::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Limit);
    // Deep input must neither be taken nor overflow the stack.
    let deep = format!("F1={}", "{F1=".repeat(1_000_000));
    assert_eq!(text(&deep).unwrap_err().code(), ErrorCode::Limit);
    let lists = format!("F1={}", "[{F1=".repeat(1_000_000));
    assert_eq!(text(&lists).unwrap_err().code(), ErrorCode::Limit);
    let bytes: Vec<u8> = [4, 0, 1, 1, 0]
        .into_iter()
        .chain([6, 1, 1].repeat(1_000_000))
        .collect();
    assert_eq!(decode(&bytes).unwrap_err().code(), ErrorCode::Limit);
}

#[test]
fn values_without_a_form() {
    let delta = Value::Delta(Delta::between(&[1.0], &[2.0], 3, Mode::Accurate).unwrap());
    assert_eq!(
        encode(&one(1, delta.clone())).unwrap_err().code(),
        ErrorCode::InvalidArg
    );
    let nested = encode_nested(&one(1, delta.clone())).unwrap();
    assert_eq!(decode(&nested).unwrap(), one(1, delta));
    let omitted = text("F1=[vector dim=3]\nF2=[vector_delta changes=1]").unwrap();
    assert_eq!(encode(&omitted).unwrap_err().code(), ErrorCode::InvalidArg);
    let again = encode_text(&omitted, TextOptions::default()).unwrap();
    assert_eq!(again, "F1=[vector dim=3]\nF2=[vector_delta changes=1]");
    let error = Embedding::from_values(&vec![0.0; 65536]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Limit);
    assert!(Embedding::new(Dtype::Binary, 9, vec![0; 2]).is_ok());
    assert!(Embedding::new(Dtype::Binary, 9, vec![0; 9]).is_ok());
    let error = Embedding::new(Dtype::F16, 2, vec![0; 3]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Format);
    assert_eq!(
        Delta::from_bytes(&[0, 0, 1, 0, 0]).unwrap_err().code(),
        ErrorCode::Truncated
    );
    assert_eq!(
        Delta::from_bytes(&[0; 5]).unwrap_err().code(),
        ErrorCode::Format
    );
}

#[test]
fn broken_containers() {
    let record = one(1, Value::Int(1));
    let valid = Container::new(&record, ContainerMode::Binary, false, vec![])
        .unwrap()
        .to_bytes();
    for (at, byte, code, offset) in [
        (0, b'M', ErrorCode::Format, Some(0)),
        (4, 2, ErrorCode::Version, Some(4)),
        (5, 5, ErrorCode::Format, Some(5)),
        (5, 3, ErrorCode::Format, Some(8)),
        (7, 2, ErrorCode::Format, Some(6)),
        (11, 200, ErrorCode::Truncated, None),
    ] {
        let mut broken = valid.clone();
        broken[at] = byte;
        let error = Container::from_bytes(&broken).unwrap_err();
        assert_eq!(
            (error.code(), offset_of(&error)),
            (code, offset),
            "byte {at}"
        );
    }
    for end in 0..12 {
        let error = Container::from_bytes(&valid[..end]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Truncated, "{end}");
    }
    // Offsets of the payload are those in the container.
    let mut broken = valid;
    broken[13] = 1;
    let error = Container::from_bytes(&broken)
        .unwrap()
        .record(&Dims::new())
        .unwrap_err();
    assert_eq!(offset_of(&error), Some(13));
    let error = Container::new(&record, ContainerMode::Delta, false, vec![0; 9]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArg);
    let stream = Container::new(&record, ContainerMode::Stream, false, vec![0; 6]).unwrap();
    let back = Container::from_bytes(&stream.to_bytes()).unwrap();
    assert_eq!(back.record(&Dims::new()).unwrap(), record);
}

/// Values whose equality is plain, nested at most twice.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        (-1e300..1e300).prop_map(Value::Float),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(Value::Text),
        proptest::collection::vec(any::<String>(), 0..4).prop_map(Value::Texts),
        proptest::collection::vec(any::<i64>(), 0..4).prop_map(Value::Ints),
        proptest::collection::vec(-1e9..1e9, 0..4).prop_map(Value::Floats),
        proptest::collection::vec(any::<bool>(), 0..4).prop_map(Value::Bools),
        proptest::collection::vec(-2.0_f32..2.0, 1..20).prop_flat_map(|values| {
            let scheme = proptest::sample::select(Scheme::ALL.to_vec());
            scheme.prop_map(move |scheme| {
                Value::Quantized(quantize(&values, scheme, Mode::Accurate).unwrap())
            })
        }),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        let record = || {
            let fields = proptest::collection::vec((any::<u16>(), inner.clone()), 0..3);
            fields.prop_map(sorted)
        };
        prop_oneof![
            record().prop_map(Value::Record),
            proptest::collection::vec(record(), 0..3).prop_map(Value::Records),
        ]
    })
}

fn sorted(mut fields: Vec<(u16, Value)>) -> Record {
    fields.sort_by_key(|(id, _)| *id);
    let field = |(id, value)| Field { id, value };
    Record::new(fields.into_iter().map(field).collect())
}

proptest! {
    #[test]
    fn any_record_comes_back(fields in proptest::collection::vec((any::<u16>(), value()), 0..6)) {
        let record = sorted(fields);
        prop_assert_eq!(&decode(&encode(&record).unwrap()).unwrap(), &record);
        prop_assert_eq!(&decode(&encode_nested(&record).unwrap()).unwrap(), &record);
        let options = TextOptions { hints: true, checksums: true, inline: false, exact: true };
        let written = encode_text(&record, options).unwrap();
        prop_assert_eq!(&text(&written).unwrap(), &record, "{}", written);
    }

    #[test]
    fn any_bytes_give_a_record_or_an_error(
        head in proptest::sample::select(vec![vec![4, 0], vec![5, 0], vec![6]]),
        tail in proptest::collection::vec(0_u8..16, 0..40),
    ) {
        let bytes = [head, tail].concat();
        if let Ok(record) = decode(&bytes) {
            let nested = encode_nested(&record).unwrap();
            let again = encode_nested(&decode(&nested).unwrap()).unwrap();
            prop_assert_eq!(again, nested);
        }
    }

    #[test]
    fn any_text_gives_a_record_or_an_error(given in "[F0-9:=\\[\\]{};,\"#\n QVDa-f.-]{0,40}") {
        if let Ok(record) = text(&given) {
            let written = encode_text(&record, TextOptions::default()).unwrap();
            prop_assert!(text(&written).is_ok(), "{} from {}", written, given);
        }
    }
}
