//! The header is what the sources give. `TINYQUANT_WRITE_HEADER=1 cargo test -p tinyquant-capi --test header` writes it.

use std::fs;
use std::path::PathBuf;

/// Modules with something that callers see, in the order of the header.
const MODULES: [&str; 18] = [
    "info",
    "status",
    "last_error",
    "buffers",
    "config",
    "codebook",
    "record",
    "batch",
    "codec",
    "ids",
    "hits",
    "corpus",
    "corpus_read",
    "corpus_file",
    "index_options",
    "index",
    "index_search",
    "index_file",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn source(module: &str) -> PathBuf {
    folder().join("src").join(module).with_extension("rs")
}

fn generate() -> String {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    let builder = cbindgen::Builder::new().with_config(config);
    let builder = MODULES
        .iter()
        .fold(builder, |builder, module| builder.with_src(source(module)));
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_committed_header_is_current() {
    let path = folder().join("include/tinyquant.h");
    let current = generate();
    if std::env::var_os("TINYQUANT_WRITE_HEADER").is_some() {
        fs::write(&path, &current).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(
        committed == current,
        "include/tinyquant.h is not as src gives it; the first comment of this test says how to write it"
    );
}

#[test]
fn every_exported_function_is_declared_and_documented() {
    let header = generate();
    let mut count = 0;
    for entry in fs::read_dir(folder().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if *line != "#[unsafe(no_mangle)]" {
                continue;
            }
            let name = lines[at + 1].split("fn ").nth(1).unwrap();
            let name = name.split('(').next().unwrap();
            assert!(name.starts_with("tq_"), "{name}");
            assert!(header.contains(&format!("{name}(")), "{name}");
            assert!(lines[at - 1].starts_with("///"), "{name} is not documented");
            count += 1;
        }
    }
    let declared = header.matches(");\n").count();
    assert_eq!(
        declared, count,
        "functions of the header and of the sources"
    );
    assert!(count > 80, "{count} functions");
}
