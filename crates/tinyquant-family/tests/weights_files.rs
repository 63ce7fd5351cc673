//! Files of named tensors, and `.safetensors` files.

use std::fs;
use tinyquant_codec::{Control, Error as CodecError, ErrorCode};
use tinyquant_family::Error;
use tinyquant_family::weights::{
    Dtype, Layout, Method, StoreOptions, Tensor, TensorFile, TensorValues, compress_tensor,
    decompress_tensor, write_tensors,
};
use tinyquant_testkit::seeded;

const MAX: usize = 1 << 24;

fn tensor(shape: &[usize], values: Vec<f32>) -> Tensor {
    Tensor {
        dtype: Dtype::F32,
        shape: shape.to_vec(),
        values: TensorValues::Floats(values),
    }
}

fn floats(tensor: &Tensor) -> &[f32] {
    match &tensor.values {
        TensorValues::Floats(values) => values,
        other => panic!("expected floats, got {other:?}"),
    }
}

fn named(names: &[&str]) -> Vec<(String, Vec<u8>)> {
    let options = StoreOptions {
        method: Method::Lossless,
        layout: Layout::Bytes,
        level: 3,
    };
    let images = names.iter().enumerate().map(|(at, name)| {
        let values = seeded::normal(at as u64, 12, 1.0);
        (
            (*name).to_owned(),
            compress_tensor(&tensor(&[3, 4], values), &options, &Control::default()).unwrap(),
        )
    });
    images.collect()
}

#[test]
fn a_file_holds_named_tensors_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.tqw");
    for names in [&[][..], &["b", "a", "", "größe/0"]] {
        let tensors = named(names);
        let len = write_tensors(&path, &tensors, &Control::default()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), len);
        let file = TensorFile::open(&path).unwrap();
        let found: Vec<&str> = file.tensors().map(|info| info.name.as_str()).collect();
        assert_eq!(found, names);
        for (name, image) in &tensors {
            assert_eq!(
                file.read(name, MAX).unwrap(),
                decompress_tensor(image, MAX).unwrap()
            );
            assert_eq!(&file.read_stored(name, MAX).unwrap(), image);
        }
        assert_eq!(
            file.read("missing", MAX).unwrap_err().code(),
            ErrorCode::IdNotFound
        );
    }
    // Nothing is left beside the file.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.tqw");
    write_tensors(&path, &named(&["a"]), &Control::default()).unwrap();
    let before = fs::read(&path).unwrap();
    let mut broken = named(&["a", "b"]);
    broken[1].1.pop();
    let stop = std::sync::atomic::AtomicBool::new(true);
    let stopped = Control {
        cancelled: Some(&stop),
        progress: None,
    };
    for (tensors, control, expected) in [
        (
            named(&["a", "a"]),
            Control::default(),
            ErrorCode::InvalidArg,
        ),
        (broken, Control::default(), ErrorCode::Format),
        (
            vec![("c".to_owned(), vec![])],
            Control::default(),
            ErrorCode::Truncated,
        ),
        (named(&["d"]), stopped, ErrorCode::Aborted),
    ] {
        assert_eq!(
            write_tensors(&path, &tensors, &control).unwrap_err().code(),
            expected
        );
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let nowhere = folder.path().join("no/such/folder/file");
    assert_eq!(
        write_tensors(&nowhere, &[], &Control::default())
            .unwrap_err()
            .code(),
        ErrorCode::Io
    );
    assert_eq!(
        TensorFile::open(&nowhere).unwrap_err().code(),
        ErrorCode::Io
    );
}

#[test]
fn one_writer_at_a_time_and_what_a_killed_one_left_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.tqw");
    let partial = folder.path().join(".weights.tqw.partial");
    let other = fs::File::create(&partial).unwrap();
    other.lock().unwrap();
    let found = write_tensors(&path, &named(&["a"]), &Control::default()).unwrap_err();
    assert_eq!(found.code(), ErrorCode::Io);
    assert!(partial.exists() && !path.exists());
    drop(other);
    fs::write(&partial, vec![7; 5_000]).unwrap();
    let len = write_tensors(&path, &named(&["a"]), &Control::default()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), len);
    TensorFile::open(&path).unwrap().read("a", MAX).unwrap();
    assert!(!partial.exists());
    let found = write_tensors(folder.path(), &named(&["a"]), &Control::default()).unwrap_err();
    assert_eq!(found.code(), ErrorCode::Io);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.tqw");
    write_tensors(&path, &named(&["first", "second"]), &Control::default()).unwrap();
    let image = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| -> Result<(), Error> {
        fs::write(&path, bytes).unwrap();
        let file = TensorFile::open(&path)?;
        for name in ["first", "second"] {
            file.read(name, MAX)?;
        }
        Ok(())
    };
    open(&image).unwrap();
    for len in 0..image.len() {
        let code = open(&image[..len]).unwrap_err().code();
        assert_eq!(code, ErrorCode::Truncated, "cut to {len}");
    }
    for at in 0..image.len() {
        let mut bytes = image.clone();
        bytes[at] ^= 0x20;
        assert!(open(&bytes).is_err(), "byte {at}");
    }
    assert_eq!(
        open(&[&image[..], &[0]].concat()).unwrap_err().code(),
        ErrorCode::Format
    );
}

/// A `.safetensors` file of a JSON text and values.
fn safe(json: &str, values: &[u8]) -> Vec<u8> {
    [
        &(json.len() as u64).to_le_bytes()[..],
        json.as_bytes(),
        values,
    ]
    .concat()
}

#[test]
fn tensors_of_safetensors_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let json = r#"{"__metadata__":{"format":"pt"},
        "w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},
        "h":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},
        "b":{"dtype":"BF16","shape":[1,2],"data_offsets":[20,24]},
        "i":{"dtype":"I8","shape":[3],"data_offsets":[24,27]},
        "u":{"dtype":"U8","shape":[],"data_offsets":[27,28]},
        "n":{"dtype":"I64","shape":[1],"data_offsets":[28,36]}}"#;
    let mut values: Vec<u8> = [1.0_f32, -2.0, 3.5, 0.25]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    values.extend([0x00, 0x3c, 0x00, 0xc0, 0x80, 0x3f, 0x20, 0xc1]);
    values.extend([1, 255, 128, 7]);
    values.extend([0; 8]);
    fs::write(&path, safe(json, &values)).unwrap();
    let file = TensorFile::open(&path).unwrap();
    let names: Vec<_> = file
        .tensors()
        .map(|info| (info.name.as_str(), info.dtype.as_str(), info.bits))
        .collect();
    assert_eq!(
        names,
        [
            ("w", "f32", 32),
            ("h", "f16", 16),
            ("b", "bf16", 16),
            ("i", "i8", 8),
            ("u", "u8", 8),
            ("n", "I64", 0)
        ]
    );
    let read = |name: &str| file.read(name, MAX).unwrap();
    assert_eq!(read("w"), tensor(&[2, 2], vec![1.0, -2.0, 3.5, 0.25]));
    assert_eq!(floats(&read("h")), [1.0, -2.0]);
    assert_eq!(floats(&read("b")), [1.0, -10.0]);
    assert_eq!(read("i").values, TensorValues::Signed(vec![1, -1, -128]));
    assert_eq!(
        (read("u").values, read("u").shape),
        (TensorValues::Bytes(vec![7]), vec![])
    );
    let refused = file.read("n", MAX).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Format);
    assert!(refused.to_string().contains("I64"), "{refused}");
    assert_eq!(file.read("w", 15).unwrap_err().code(), ErrorCode::Limit);
    assert_eq!(
        file.read_stored("w", MAX).unwrap_err().code(),
        ErrorCode::InvalidArg
    );
}

#[test]
fn broken_safetensors_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        TensorFile::open(&path).map(|_| ()).unwrap_err()
    };
    let entry = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    let good = safe(&entry("[2]", 0, 8), &[0; 8]);
    for len in 0..good.len() {
        let error = open(&good[..len]);
        assert!(
            matches!(error.code(), ErrorCode::Truncated | ErrorCode::Format),
            "cut to {len}: {error}"
        );
    }
    for bytes in [
        safe("{", &[]),
        safe("[]", &[]),
        safe(&entry("[3]", 0, 8), &[0; 8]),
        safe(&entry("[2]", 8, 0), &[0; 8]),
        safe(&entry("[18446744073709551615,2]", 0, 8), &[0; 8]),
        b"a text file, and no tensors".to_vec(),
    ] {
        let error = open(&bytes);
        assert_eq!(error.code(), ErrorCode::Format, "{error}");
    }
    assert!(matches!(
        open(&[]),
        Error::Codec(CodecError::Truncated { .. })
    ));
}
