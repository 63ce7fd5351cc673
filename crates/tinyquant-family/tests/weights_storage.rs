//! Packed codes, zstd frames and stored tensors.

mod weights_data;

use proptest::prelude::*;
use tinyquant_codec::{Control, ErrorCode};
use tinyquant_family::Error;
use tinyquant_family::weights::{
    Curvature, Dtype, GptqOptions, GridCodes, Layout, Method, StoreOptions, Tensor, TensorHead,
    TensorValues, compress_bytes, compress_grid, compress_tensor, decompress_bytes,
    decompress_tensor, gptq, pack, packed_len, unpack,
};
use tinyquant_testkit::seeded;
use weights_data::{laplace, normals};

const MAX: usize = 1 << 24;

fn tensor(shape: &[usize], values: Vec<f32>) -> Tensor {
    Tensor {
        dtype: Dtype::F32,
        shape: shape.to_vec(),
        values: TensorValues::Floats(values),
    }
}

fn stored(method: Method, layout: Layout, level: i32) -> StoreOptions {
    StoreOptions {
        method,
        layout,
        level,
    }
}

fn floats(tensor: &Tensor) -> &[f32] {
    match &tensor.values {
        TensorValues::Floats(values) => values,
        other => panic!("expected floats, got {other:?}"),
    }
}

fn store(tensor: &Tensor, options: &StoreOptions) -> Vec<u8> {
    compress_tensor(tensor, options, &Control::default()).unwrap()
}

const CODEBOOK: Method = Method::Codebook {
    bits: 4,
    by_row: false,
    keep_gain: false,
};

#[test]
fn codes_lie_lowest_bits_first() {
    // Four codes of six bits are three bytes.
    let codes = [31_i8, -31, 0, 1].map(i8::cast_unsigned);
    let packed = pack(&codes, 6, true).unwrap();
    let word = 0b01_1111_u32 | (0b10_0001 << 6) | (1 << 18);
    assert_eq!(packed, word.to_le_bytes()[..3]);
    assert_eq!(unpack(&packed, 6, 4, true).unwrap(), codes);
    assert_eq!(unpack(&packed, 6, 4, false).unwrap(), [31, 33, 0, 1]);
    assert_eq!(
        pack(&[1, 0, 1, 1, 0, 0, 0, 0, 1], 1, false).unwrap(),
        [0b1101, 1]
    );
    assert_eq!(packed_len(4_000, 6).unwrap() * 4, 4_000 * 3);
}

#[test]
fn codes_and_bytes_that_do_not_fit_are_refused() {
    let code = |result: Result<Vec<u8>, Error>| result.unwrap_err().code();
    for bits in [0, 9, 255] {
        assert_eq!(code(pack(&[0], bits, false)), ErrorCode::InvalidArg);
        assert_eq!(code(unpack(&[0], bits, 1, false)), ErrorCode::InvalidArg);
    }
    for (codes, signed) in [
        ([0, 8], false),
        ([0, 4], true),
        ([0, (-5_i8).cast_unsigned()], true),
    ] {
        let error = pack(&codes, 3, signed).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArg);
        assert!(error.to_string().contains("position 1"), "{error}");
    }
    assert_eq!(code(unpack(&[0; 2], 3, 6, false)), ErrorCode::Truncated);
    assert_eq!(code(unpack(&[0; 4], 3, 6, false)), ErrorCode::Format);
    assert_eq!(code(unpack(&[0, 0, 0x04], 3, 6, false)), ErrorCode::Format);
    assert_eq!(code(unpack(&[], 8, usize::MAX, false)), ErrorCode::Limit);
    assert!(unpack(&[], 5, 0, true).unwrap().is_empty());
}

#[test]
fn packing_makes_zstd_worse() {
    let ratio = |values: &[f32], rows: usize, cols: usize| {
        let grid = GridCodes::round(values, rows, cols, 31, 0).unwrap();
        let codes: Vec<u8> = grid.codes.iter().map(|code| code.cast_unsigned()).collect();
        let bytes = compress_bytes(&codes, 19).unwrap().len() as f64;
        let packed = pack(&codes, 6, true).unwrap();
        assert_eq!(packed.len() * 4, codes.len() * 3);
        compress_bytes(&packed, 19).unwrap().len() as f64 / bytes
    };
    let (heavy, normal) = (
        ratio(&laplace(1, 512 * 512), 512, 512),
        ratio(&normals(2, 512 * 512), 512, 512),
    );
    assert!((1.12..=1.18).contains(&heavy), "{heavy}");
    assert!((1.05..=1.11).contains(&normal), "{normal}");
}

#[test]
fn frames_come_back_at_every_level() {
    let bytes: Vec<u8> = (0..20_000_u32).map(|i| ((i * i) >> 7) as u8).collect();
    for level in [1, 3, 19, 22] {
        let frame = compress_bytes(&bytes, level).unwrap();
        assert_eq!(decompress_bytes(&frame, bytes.len()).unwrap(), bytes);
        let error = decompress_bytes(&frame, bytes.len() - 1).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Limit);
    }
    let empty = compress_bytes(&[], 19).unwrap();
    assert!(decompress_bytes(&empty, 0).unwrap().is_empty());
    for level in [i32::MIN, -1, 0, 23] {
        assert_eq!(
            compress_bytes(&bytes, level).unwrap_err().code(),
            ErrorCode::InvalidArg
        );
    }
}

#[test]
fn what_is_no_frame_is_refused() {
    let bytes = seeded::normal(3, 5_000, 1.0)
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect::<Vec<_>>();
    let frame = compress_bytes(&bytes, 3).unwrap();
    let code = |frame: &[u8]| decompress_bytes(frame, MAX).unwrap_err().code();
    for len in 0..frame.len() {
        assert_eq!(code(&frame[..len]), ErrorCode::Truncated, "cut to {len}");
    }
    assert_eq!(code(b"certainly no frame of zstd"), ErrorCode::Format);
    assert_eq!(code(&[&frame[..], &[0]].concat()), ErrorCode::Format);
    // A frame of one run of zeros that claims a gigabyte.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    bomb.extend((1_u32 << 30).to_le_bytes());
    bomb.extend([0x03, 0, 0x10, 0]);
    assert_eq!(
        decompress_bytes(&bomb, usize::MAX).unwrap_err().code(),
        ErrorCode::Format
    );
}

#[test]
fn lossless_tensors_come_back_bit_for_bit() {
    let mut values = seeded::normal(4, 24, 1.0);
    values[3] = f32::NAN;
    values[5] = f32::NEG_INFINITY;
    values[7] = -0.0;
    for level in [0, 3] {
        let options = stored(Method::Lossless, Layout::Bytes, level);
        for shape in [&[24][..], &[4, 6], &[1, 2, 3, 4, 1], &[24, 1]] {
            let back =
                decompress_tensor(&store(&tensor(shape, values.clone()), &options), MAX).unwrap();
            assert_eq!(back.shape, shape);
            assert!(
                floats(&back)
                    .iter()
                    .zip(&values)
                    .all(|(a, b)| a.to_bits() == b.to_bits())
            );
        }
        for (shape, count) in [(&[][..], 1), (&[0], 0), (&[3, 0], 0)] {
            let back =
                decompress_tensor(&store(&tensor(shape, vec![2.5; count]), &options), MAX).unwrap();
            assert_eq!((back.shape.as_slice(), back.len()), (shape, count));
        }
        for dtype in [Dtype::F16, Dtype::Bf16, Dtype::I8, Dtype::U8] {
            let bytes: Vec<u8> = (0..=255).collect();
            // Without what would be a NaN.
            let bytes = &bytes[..if dtype.size() == 2 { 120 } else { 256 }];
            let given =
                Tensor::from_le_bytes(dtype, vec![bytes.len() / dtype.size()], bytes).unwrap();
            let image = store(&given, &options);
            assert_eq!(decompress_tensor(&image, MAX).unwrap(), given);
            assert_eq!(TensorHead::parse(&image).unwrap().dtype(), dtype);
            if level == 0 {
                assert!(image.ends_with(bytes), "{dtype:?}");
            }
        }
    }
}

#[test]
fn floats_are_rounded_to_the_half_that_is_nearest() {
    let values = [
        1.0,
        f32::from_bits(0x3f80_8000),
        f32::from_bits(0x3f81_8000),
        f32::from_bits(0x3f80_8001),
        f32::NEG_INFINITY,
        f32::MAX,
        f32::from_bits(0x7f80_0001),
    ];
    let given = Tensor {
        dtype: Dtype::Bf16,
        shape: vec![values.len()],
        values: TensorValues::Floats(values.to_vec()),
    };
    let image = store(&given, &stored(Method::Lossless, Layout::Bytes, 0));
    let back = decompress_tensor(&image, MAX).unwrap();
    let bits: Vec<u32> = floats(&back)
        .iter()
        .map(|value| value.to_bits() >> 16)
        .collect();
    assert_eq!(
        bits,
        [0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xff80, 0x7f80, 0x7fc0]
    );
}

#[test]
fn quantized_tensors_decode_to_their_codes() {
    let values = seeded::normal(5, 6 * 50, 1.0);
    let given = tensor(&[2, 3, 50], values.clone());
    let mse = |back: &Tensor| {
        let pairs = floats(back).iter().zip(&values);
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / values.len() as f64
    };
    for layout in [Layout::Bytes, Layout::Packed] {
        for level in [0, 19] {
            for (qmax, group) in [(127, 0), (31, 0), (7, 16), (1, 50), (7, 1000)] {
                let options = stored(Method::Grid { qmax, group }, layout, level);
                let back = decompress_tensor(&store(&given, &options), MAX).unwrap();
                let rounded = GridCodes::round(&values, 6, 50, qmax, group).unwrap();
                assert_eq!(
                    floats(&back),
                    rounded.decode().unwrap(),
                    "qmax {qmax}, group {group}"
                );
            }
            for (bits, by_row, most) in [
                (1, false, 0.4),
                (4, false, 0.012),
                (4, true, 0.01),
                (8, false, 1e-4),
            ] {
                let method = Method::Codebook {
                    bits,
                    by_row,
                    keep_gain: false,
                };
                let image = store(&given, &stored(method, layout, level));
                let back = decompress_tensor(&image, MAX).unwrap();
                assert!(mse(&back) < most, "{bits} bits: {}", mse(&back));
                let head = TensorHead::parse(&image).unwrap();
                assert_eq!(
                    (head.method(), head.bits(), head.layout()),
                    ("codebook", bits, layout)
                );
            }
        }
    }
}

#[test]
fn weights_of_gptq_keep_their_order() {
    let weights = seeded::normal(6, 8 * 40, 1.0);
    let mut inputs = seeded::normal(7, 200 * 40, 1.0);
    for (at, value) in inputs.iter_mut().enumerate() {
        *value *= (at * 7 % 40) as f32;
    }
    let options = GptqOptions {
        act_order: true,
        group: 8,
        ..GptqOptions::default()
    };
    let found = gptq(
        &weights,
        8,
        40,
        Curvature::Inputs(&inputs),
        &options,
        &Control::default(),
    )
    .unwrap();
    for layout in [Layout::Bytes, Layout::Packed] {
        let image = compress_grid(
            &found.codes,
            &stored(Method::Lossless, layout, 19),
            &Control::default(),
        )
        .unwrap();
        let back = decompress_tensor(&image, MAX).unwrap();
        assert_eq!(floats(&back), found.codes.decode().unwrap());
    }
}

#[test]
fn damage_to_a_stored_tensor_is_found() {
    let given = tensor(&[4, 8], seeded::normal(8, 32, 1.0));
    for method in [
        Method::Lossless,
        Method::Grid { qmax: 7, group: 4 },
        CODEBOOK,
    ] {
        for level in [0, 3] {
            let image = store(&given, &stored(method.clone(), Layout::Bytes, level));
            for len in 0..image.len() {
                let code = decompress_tensor(&image[..len], MAX).unwrap_err().code();
                assert_eq!(code, ErrorCode::Truncated, "{method:?} cut to {len}");
            }
            for at in 0..image.len() {
                let mut bytes = image.clone();
                bytes[at] ^= 0x10;
                let code = decompress_tensor(&bytes, MAX).unwrap_err().code();
                let expected = match at {
                    4 => ErrorCode::Version,
                    // The magic, and the number of dimensions.
                    0..4 | 9 => ErrorCode::Format,
                    _ => ErrorCode::Checksum,
                };
                assert_eq!(code, expected, "{method:?} byte {at}");
            }
            let long = [&image[..], &[0]].concat();
            assert_eq!(
                decompress_tensor(&long, MAX).unwrap_err().code(),
                ErrorCode::Format
            );
            assert_eq!(
                decompress_tensor(&image, 127).unwrap_err().code(),
                ErrorCode::Limit
            );
        }
    }
}

/// An image with one field of the head changed and the checksum made good again.
fn forged(image: &[u8], at: usize, field: &[u8]) -> Vec<u8> {
    let mut bytes = image.to_vec();
    bytes[at..at + field.len()].copy_from_slice(field);
    let rank = usize::from(bytes[9]);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[..36]);
    sum.update(&bytes[40..40 + 8 * rank]);
    bytes[36..40].copy_from_slice(&sum.finalize().to_le_bytes());
    bytes
}

#[test]
fn forged_heads_are_refused_without_their_memory() {
    let given = tensor(&[4, 8], seeded::normal(9, 32, 1.0));
    let lossless = store(&given, &stored(Method::Lossless, Layout::Bytes, 3));
    let grid = store(
        &given,
        &stored(Method::Grid { qmax: 7, group: 4 }, Layout::Packed, 0),
    );
    let codebook = store(&given, &stored(CODEBOOK, Layout::Bytes, 0));
    let huge = u64::MAX.to_le_bytes();
    let large = (1_u64 << 40).to_le_bytes();
    for (image, at, field, expected) in [
        (&lossless, 5, &[9][..], ErrorCode::Format),
        (&lossless, 6, &[3], ErrorCode::Format),
        (&lossless, 7, &[0x80], ErrorCode::Format),
        (&lossless, 8, &[1], ErrorCode::Format),
        (&lossless, 16, &large, ErrorCode::Format),
        (&lossless, 24, &large, ErrorCode::Truncated),
        (&lossless, 24, &huge, ErrorCode::Limit),
        (&lossless, 40, &huge, ErrorCode::Limit),
        (&lossless, 40, &large, ErrorCode::Format),
        (&grid, 5, &[3], ErrorCode::Format),
        (&grid, 7, &[0], ErrorCode::Format),
        (&grid, 8, &[0], ErrorCode::Format),
        (&grid, 8, &[128], ErrorCode::Format),
        (&grid, 12, &[0; 4], ErrorCode::Format),
        (&codebook, 8, &[0], ErrorCode::Format),
        (&codebook, 8, &[9], ErrorCode::Format),
        (&codebook, 10, &[0, 0], ErrorCode::Format),
        (&codebook, 10, &[17, 0], ErrorCode::Format),
        (&codebook, 12, &[2, 0, 0, 0], ErrorCode::Format),
    ] {
        let error = decompress_tensor(&forged(image, at, field), usize::MAX).unwrap_err();
        assert_eq!(error.code(), expected, "byte {at}: {error}");
    }
    // Shape and payload agree, and both are beyond what is allowed or what the frame could hold.
    let both = forged(
        &forged(&lossless, 40, &(1_u64 << 20).to_le_bytes()),
        16,
        &(1_u64 << 25).to_le_bytes(),
    );
    assert_eq!(
        decompress_tensor(&both, MAX).unwrap_err().code(),
        ErrorCode::Limit
    );
    assert_eq!(
        decompress_tensor(&both, usize::MAX).unwrap_err().code(),
        ErrorCode::Format
    );
    // A code without a level.
    let mut bytes = codebook.clone();
    let last = bytes.len() - 1;
    bytes[last] = 16;
    let sum = crc32fast::hash(&bytes[56..]);
    let bytes = forged(&bytes, 32, &sum.to_le_bytes());
    assert_eq!(
        decompress_tensor(&bytes, MAX).unwrap_err().code(),
        ErrorCode::Format
    );
}

#[test]
fn bad_tensors_are_refused() {
    let code = |tensor: &Tensor, options: &StoreOptions| {
        compress_tensor(tensor, options, &Control::default())
            .unwrap_err()
            .code()
    };
    let given = tensor(&[4, 8], seeded::normal(10, 32, 1.0));
    let lossless = stored(Method::Lossless, Layout::Bytes, 3);
    assert_eq!(
        code(&tensor(&[4, 9], vec![0.0; 32]), &lossless),
        ErrorCode::DimMismatch
    );
    assert_eq!(
        code(&tensor(&[1; 9], vec![0.0]), &lossless),
        ErrorCode::InvalidArg
    );
    assert_eq!(
        code(&tensor(&[0, usize::MAX, 2], vec![]), &lossless),
        ErrorCode::Limit
    );
    for level in [-1, 23] {
        assert_eq!(
            code(&given, &stored(Method::Lossless, Layout::Bytes, level)),
            ErrorCode::InvalidArg
        );
    }
    let grid = |qmax| stored(Method::Grid { qmax, group: 0 }, Layout::Bytes, 0);
    for qmax in [0, 128] {
        assert_eq!(code(&given, &grid(qmax)), ErrorCode::InvalidArg);
    }
    for bits in [0, 9] {
        let method = Method::Codebook {
            bits,
            by_row: false,
            keep_gain: false,
        };
        assert_eq!(
            code(&given, &stored(method, Layout::Bytes, 0)),
            ErrorCode::InvalidArg
        );
    }
    for method in [Method::Grid { qmax: 7, group: 0 }, CODEBOOK] {
        let options = stored(method, Layout::Bytes, 0);
        assert_eq!(
            code(&tensor(&[2], vec![1.0, f32::NAN]), &options),
            ErrorCode::NonFinite
        );
        assert_eq!(code(&tensor(&[0], vec![]), &options), ErrorCode::InvalidArg);
        let bytes = Tensor::from_le_bytes(Dtype::U8, vec![2], &[1, 2]).unwrap();
        assert_eq!(code(&bytes, &options), ErrorCode::InvalidArg);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn packing_comes_back(bits in 1..9_u8, codes in prop::collection::vec(any::<u8>(), 0..70), signed in any::<bool>()) {
        let codes: Vec<u8> = codes
            .iter()
            .map(|code| if signed { (code.cast_signed() >> (8 - bits)).cast_unsigned() } else { code >> (8 - bits) })
            .collect();
        let packed = pack(&codes, bits, signed).unwrap();
        prop_assert_eq!(packed.len(), packed_len(codes.len(), bits).unwrap());
        for (i, code) in codes.iter().enumerate() {
            for k in 0..usize::from(bits) {
                let at = i * usize::from(bits) + k;
                prop_assert_eq!(packed[at / 8] >> (at % 8) & 1, code >> k & 1);
            }
        }
        prop_assert_eq!(unpack(&packed, bits, codes.len(), signed).unwrap(), codes);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), keep in 0..100_usize) {
        let image = store(&tensor(&[2, 9], seeded::normal(1, 18, 1.0)), &stored(CODEBOOK, Layout::Packed, 1));
        let mixed = [&image[..keep.min(image.len())], &bytes[..]].concat();
        let _ = decompress_tensor(&mixed, MAX);
        let _ = decompress_bytes(&mixed, MAX);
    }
}
