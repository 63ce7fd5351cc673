//! The software device of the tests.

use tinyquant_gpu::{Backend, Options, Preference};

/// A backend with the defaults.
pub fn backend() -> Backend {
    backend_of(&Options::new(Preference::Software))
}

/// A backend with options.
pub fn backend_of(options: &Options) -> Backend {
    let backend = Backend::new(options).expect("a software device: node scripts/lavapipe.mjs");
    assert_eq!(backend.info().device_type, "software");
    backend
}
