//! Devices that fail. Run by `npm test -- gpu`, which brings a software device.

mod device;

use device::{backend, backend_of};
use std::sync::Arc;
use tinyquant_codec::{Codebook, CodecConfig, Control, ErrorCode, compress_batch};
use tinyquant_gpu::{Backend, Error, Options, Preference, Prepared};

fn parts() -> (CodecConfig, Codebook, Vec<f32>) {
    let config = CodecConfig::new(2, 42, 64, false).unwrap();
    let codebook = Codebook::from_entries(&[-1.0, -0.25, 0.25, 1.0], 2).unwrap();
    let values = (0..6400).map(|i| (i % 13) as f32 / 7.0 - 0.9).collect();
    (config, codebook, values)
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn a_lost_device_fails_every_call_and_leaves_the_cpu_alone() {
    let (config, codebook, values) = parts();
    let control = Control::default();
    let lost = backend();
    lost.load_pipelines().unwrap();
    let compressed = lost.compress_batch(&values, &config, &codebook, &control);
    lost.destroy();
    for _ in 0..2 {
        let error = lost
            .compress_batch(&values, &config, &codebook, &control)
            .unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error}");
        assert_eq!(error.code(), ErrorCode::Gpu);
    }
    let cpu = compress_batch(&values, &config, &codebook, None, &control).unwrap();
    assert_eq!(compressed.unwrap(), cpu);
    let again = backend().compress_batch(&values, &config, &codebook, &control);
    assert_eq!(again.unwrap(), cpu);
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn too_little_memory_is_an_error_with_the_numbers() {
    let (config, codebook, values) = parts();
    let mut options = Options::new(Preference::Software);
    options.max_memory = 20_000;
    let backend = backend_of(&options);
    let control = Control::default();
    let compressed = backend.compress_batch(&values, &config, &codebook, &control);
    let error = compressed.map(|batch| batch.len()).unwrap_err();
    assert!(
        matches!(error, Error::MemoryBound { limit: 20_000, .. }),
        "{error}"
    );
    // The matrix alone stays.
    assert!(
        backend.memory_used() <= 64 * 64 * 4,
        "{}",
        backend.memory_used()
    );
}

#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn interfaces_that_a_system_lacks_are_no_adapter() {
    let absent = if cfg!(target_os = "macos") {
        Preference::Dx12
    } else {
        Preference::Metal
    };
    for preference in [Preference::Auto, Preference::Vulkan, absent] {
        match Backend::new(&Options::new(preference)) {
            Err(error @ Error::NoAdapter { .. }) => {
                assert!(error.to_string().contains(preference.name()), "{error}");
            }
            Err(error) => panic!("{error}"),
            Ok(backend) => assert_ne!(backend.info().device_type, "software"),
        }
    }
}

/// Set in the process that may not have much memory.
const LIMITED: &str = "TINYQUANT_TEST_LIMITED";

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs a software Vulkan device: npm test -- gpu"]
fn memory_that_the_driver_does_not_get_is_an_error_with_its_words() {
    const NAME: &str = "memory_that_the_driver_does_not_get_is_an_error_with_its_words";
    if std::env::var_os(LIMITED).is_none() {
        // A shell lowers what this program may map, in KiB, and becomes it.
        let child = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 2500000 && exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--include-ignored", "--exact", NAME, "--test-threads", "1"])
            .env(LIMITED, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{said}"
        );
        return;
    }
    let (config, codebook, values) = parts();
    let control = Control::default();
    let mut options = Options::new(Preference::Software);
    options.max_memory = u64::MAX;
    let full = Arc::new(backend_of(&options));
    let wide = CodecConfig::new(2, 42, 6144, false).unwrap();
    // 6 GB of codes.
    let prepared = Prepared::codebook(Arc::clone(&full), wide, codebook.clone(), 4_000_000);
    let error = prepared.map(|prepared| prepared.bytes()).unwrap_err();
    assert!(
        matches!(&error, Error::OutOfMemory { reason } if !reason.is_empty()),
        "{error}"
    );
    assert_eq!(error.code(), ErrorCode::Gpu);
    assert_eq!(full.memory_used(), 0);
    // Nothing is lost: the CPU and the same device go on.
    let cpu = compress_batch(&values, &config, &codebook, None, &control).unwrap();
    let device = full.compress_batch(&values, &config, &codebook, &control);
    assert_eq!(device.unwrap(), cpu);
}
