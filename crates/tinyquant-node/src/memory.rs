//! Memory that the garbage collector is told about.

use napi::Env;

/// What one JavaScript object keeps outside the JavaScript heap, as reported to the collector. Only the
/// object's own thread touches it; the object's finalizer must call [`External::release`].
#[derive(Debug, Default)]
pub(crate) struct External {
    reported: i64,
}

impl External {
    /// Reports `bytes` for a new object.
    pub(crate) fn new(env: Env, bytes: usize) -> Self {
        let mut external = Self::default();
        external.set(env, bytes);
        external
    }

    /// Reports that the object now keeps `bytes`.
    pub(crate) fn set(&mut self, env: Env, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let change = bytes - self.reported;
        // The report only steers the collector; an environment that refuses it is being torn down.
        if change != 0 && env.adjust_external_memory(change).is_ok() {
            self.reported = bytes;
        }
    }

    /// Takes the report back.
    pub(crate) fn release(&mut self, env: Env) {
        self.set(env, 0);
    }
}
