//! What can go wrong on a device.

use tinyquant_codec::{Detail, Details, Error as CodecError, ErrorCode};

/// A failed operation of the backend. Nothing that fails has changed anything but the device itself.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter is like what was asked for.
    #[error("no GPU for the preference '{preference}': {reason}")]
    NoAdapter {
        /// Name of the preference.
        preference: &'static str,
        /// What was found instead, or what the drivers say.
        reason: String,
    },
    /// The adapter gave no device.
    #[error("the adapter {adapter} gave no device: {reason}")]
    NoDevice {
        /// Name of the adapter.
        adapter: String,
        /// The adapter's words.
        reason: String,
    },
    /// The device is gone.
    #[error("the GPU device was lost: {reason}")]
    Lost {
        /// The adapter's words.
        reason: String,
    },
    /// The device has too little memory.
    #[error("the GPU is out of memory: {reason}")]
    OutOfMemory {
        /// The adapter's words.
        reason: String,
    },
    /// More device memory would be needed than this backend may take.
    #[error(
        "{needed} bytes of GPU memory are needed, but {used} of the {limit} that maxMemory allows are in use"
    )]
    MemoryBound {
        /// Bytes asked for.
        needed: u64,
        /// Bytes that buffers take.
        used: u64,
        /// Bytes that they may take.
        limit: u64,
    },
    /// What is needed exceeds a limit of the adapter.
    #[error("{what} needs {needed}, but the limit of the adapter is {limit}")]
    AdapterLimit {
        /// What needs it.
        what: &'static str,
        /// Bytes or groups needed.
        needed: u64,
        /// The adapter's limit.
        limit: u64,
    },
    /// A shader was refused.
    #[error("the GPU driver refused the shader {shader}: {reason}")]
    Shader {
        /// Name of the shader.
        shader: &'static str,
        /// The words of the validation.
        reason: String,
    },
    /// A command or a buffer was refused.
    #[error("the GPU driver reported: {reason}")]
    Device {
        /// The driver's words.
        reason: String,
    },
    /// An argument that does not fit.
    #[error("{reason}")]
    InvalidArgument {
        /// What was given and what was expected.
        reason: String,
    },
    /// What the codec says about input.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Error {
    /// The stable code of this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Codec(error) => error.code(),
            Self::InvalidArgument { .. } => ErrorCode::InvalidArg,
            _ => ErrorCode::Gpu,
        }
    }

    /// The fields as named values. `kind` names the failure.
    pub fn details(&self) -> Details {
        let kind = |name: &str| ("kind", Detail::Text(name.to_owned()));
        let int = |name, value: u64| (name, Detail::Int(value as i64));
        match self {
            Self::NoAdapter { preference, .. } => vec![
                kind("NoAdapter"),
                ("preference", Detail::Text((*preference).to_owned())),
            ],
            Self::NoDevice { adapter, .. } => {
                vec![kind("NoDevice"), ("adapter", Detail::Text(adapter.clone()))]
            }
            Self::Lost { .. } => vec![kind("Lost")],
            Self::OutOfMemory { .. } => vec![kind("OutOfMemory")],
            Self::MemoryBound {
                needed,
                used,
                limit,
            } => vec![
                kind("MemoryBound"),
                int("needed", *needed),
                int("used", *used),
                int("limit", *limit),
            ],
            Self::AdapterLimit { needed, limit, .. } => vec![
                kind("AdapterLimit"),
                int("needed", *needed),
                int("limit", *limit),
            ],
            Self::Shader { shader, .. } => vec![
                kind("Shader"),
                ("shader", Detail::Text((*shader).to_owned())),
            ],
            Self::Device { .. } => vec![kind("Device")],
            Self::InvalidArgument { .. } => vec![],
            Self::Codec(error) => error.details(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_a_device_have_one_code_and_a_kind_each() {
        let reason = || "the words".to_owned();
        let (needed, used, limit) = (3, 2, 1);
        let failures = [
            (
                "NoAdapter",
                Error::NoAdapter {
                    preference: "auto",
                    reason: reason(),
                },
            ),
            (
                "NoDevice",
                Error::NoDevice {
                    adapter: "GPU".to_owned(),
                    reason: reason(),
                },
            ),
            ("Lost", Error::Lost { reason: reason() }),
            ("OutOfMemory", Error::OutOfMemory { reason: reason() }),
            (
                "Shader",
                Error::Shader {
                    shader: "main",
                    reason: reason(),
                },
            ),
            ("Device", Error::Device { reason: reason() }),
            (
                "MemoryBound",
                Error::MemoryBound {
                    needed,
                    used,
                    limit,
                },
            ),
            (
                "AdapterLimit",
                Error::AdapterLimit {
                    what: "the words",
                    needed,
                    limit,
                },
            ),
        ];
        for (kind, error) in failures {
            assert_eq!(error.code(), ErrorCode::Gpu);
            let named = ("kind", Detail::Text(kind.to_owned()));
            assert_eq!(error.details().first(), Some(&named));
            let has_words = error.to_string().contains("the words");
            assert!(has_words || kind == "MemoryBound", "{error}");
        }
    }
}
