//! What lnmp-quant 0.5.16 returned.

#![allow(dead_code, reason = "each test file uses a part")]

use serde_json::Value;
use std::sync::LazyLock;
use tinyquant_testkit::golden;

/// One input and what became of it under each scheme.
pub struct Case {
    pub name: String,
    pub input: Vec<f32>,
    pub schemes: Value,
}

/// The list of everything.
pub fn manifest() -> &'static Value {
    static MANIFEST: LazyLock<Value> =
        LazyLock::new(|| golden::json("../lnmp-quant/manifest.json"));
    &MANIFEST
}

/// The bytes that an entry of the manifest stands for.
pub fn slice(entry: &Value) -> Vec<u8> {
    let file = golden::bytes(&format!(
        "../lnmp-quant/{}",
        entry["file"].as_str().unwrap()
    ));
    let number = |name: &str| entry[name].as_u64().unwrap() as usize;
    file[number("offset")..][..number("bytes")].to_vec()
}

pub fn slice_f32s(entry: &Value) -> Vec<f32> {
    golden::to_f32s(&slice(entry))
}

pub fn slice_text(entry: &Value) -> String {
    String::from_utf8(slice(entry)).unwrap()
}

pub fn hex(value: &Value) -> Vec<u8> {
    golden::unhex(value.as_str().unwrap())
}

pub fn cases() -> Vec<Case> {
    let case = |case: &Value| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        input: slice_f32s(&case["input"]),
        schemes: case["schemes"].clone(),
    };
    manifest()["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(case)
        .collect()
}

/// Fails unless a number has the bits of the manifest; any NaN is as good as another.
pub fn assert_same_float(got: f32, golden: &Value, what: &str) {
    let bits = golden["bits"].as_str().unwrap().trim_start_matches("0x");
    let expected = f32::from_bits(u32::from_str_radix(bits, 16).unwrap());
    assert!(
        got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan()),
        "{what}: {got:e} for {expected:e}"
    );
}
