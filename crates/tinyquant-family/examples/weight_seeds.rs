//! Writes stored tensors of each method and layout, and files of tensors, to a folder, as seeds for fuzzing.

use std::path::Path;
use tinyquant_codec::Control;
use tinyquant_family::weights::{
    Dtype, Layout, Method, StoreOptions, Tensor, TensorValues, compress_tensor, write_tensors,
};
use tinyquant_testkit::seeded;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or("usage: weight_seeds FOLDER")?;
    let codebook = |by_row| Method::Codebook {
        bits: 3,
        by_row,
        keep_gain: false,
    };
    let methods = [
        Method::Lossless,
        Method::Grid { qmax: 31, group: 0 },
        Method::Grid { qmax: 7, group: 4 },
        codebook(false),
        codebook(true),
    ];
    let folder = Path::new(&folder);
    let mut tensors = Vec::new();
    for (at, method) in methods.into_iter().enumerate() {
        for (layout, level) in [(Layout::Bytes, 0), (Layout::Packed, 0), (Layout::Bytes, 3)] {
            let tensor = Tensor {
                dtype: Dtype::F32,
                shape: vec![2, 3, 5],
                values: TensorValues::Floats(seeded::normal(at as u64, 30, 1.0)),
            };
            let options = StoreOptions {
                method: method.clone(),
                layout,
                level,
            };
            let bytes = compress_tensor(&tensor, &options, &Control::default())?;
            let name = format!("{at}-{layout:?}-{level}");
            std::fs::write(folder.join(&name), &bytes)?;
            if tensors.len() < 2 {
                tensors.push((name, bytes));
            }
        }
    }
    write_tensors(&folder.join("file"), &tensors, &Control::default())?;
    let head = r#"{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}"#;
    let mut safe = (head.len() as u64).to_le_bytes().to_vec();
    safe.extend(head.as_bytes());
    safe.extend([0; 10]);
    std::fs::write(folder.join("safetensors"), safe)?;
    Ok(())
}
