//! What can go wrong with a file.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error as ThisError;
use tinyquant_codec::{Detail, Details, Error as CodecError, ErrorCode};
use tinyquant_corpus::Error as CorpusError;
use tinyquant_index::Error as IndexError;

/// A failed operation on a file. Nothing that was there before has changed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}: {source} ({})", path.display(), errno(source))]
    Io {
        /// What was tried: `open`, `read`, `write`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Another writer has the file open.
    #[error("{} is being written by another writer", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file was replaced or extended since it was opened.
    #[error("{} has changed since it was opened", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file ends before its content does.
    #[error("{}needed {needed} bytes, got {got}", prefix(path.as_deref()))]
    Truncated {
        /// The file; none for bytes in memory.
        path: Option<PathBuf>,
        /// Bytes needed up to and including the part that is missing.
        needed: u64,
        /// Bytes present.
        got: u64,
    },
    /// A file whose writer stopped before it was complete.
    #[error("{}the file was never finished: its writer stopped before the end", prefix(path.as_deref()))]
    Unfinished {
        /// The file; none for bytes in memory.
        path: Option<PathBuf>,
    },
    /// A format version or feature that is not read.
    #[error("{}unknown format version {got}", prefix(path.as_deref()))]
    UnknownVersion {
        /// The file; none for bytes in memory.
        path: Option<PathBuf>,
        /// The version found.
        got: u64,
    },
    /// Bytes that do not follow their format.
    #[error("{}{reason} at offset {offset}", prefix(path.as_deref()))]
    Malformed {
        /// The file; none for bytes in memory.
        path: Option<PathBuf>,
        /// Short name of the rule that is broken.
        kind: &'static str,
        /// Where the offending field stands.
        offset: u64,
        /// What was found and what was expected.
        reason: String,
    },
    /// A stored and a computed checksum differ.
    #[error("{}checksum of {section} is {got:#010x}, expected {expected:#010x}; it starts at offset {offset}", prefix(path.as_deref()))]
    Checksum {
        /// The file; none for bytes in memory.
        path: Option<PathBuf>,
        /// Name of the section.
        section: &'static str,
        /// Where it starts.
        offset: u64,
        /// The stored checksum.
        expected: u32,
        /// That of the bytes.
        got: u32,
    },
    /// An operation that does not go with the policy of the file.
    #[error("{reason}")]
    Policy {
        /// What was tried, and the policy.
        reason: String,
    },
    /// A size beyond what the format can hold.
    #[error("{reason}")]
    Limit {
        /// What was too large, and the limit.
        reason: String,
    },
    /// The writer failed before and takes no more.
    #[error("the writer of {} was closed", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// The corpus or its ids.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The index or its ids.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The codec.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

fn prefix(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!("{}: ", path.display()))
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io {
            action,
            path,
            source,
        }
    }

    /// The error for memory that the system refuses.
    pub(crate) fn no_memory(bytes: u64) -> Self {
        let reason = format!("not enough memory: {bytes} bytes were refused");
        Self::Limit { reason }
    }

    /// The stable code of this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Io { .. } | Self::Locked { .. } | Self::Changed { .. } => ErrorCode::Io,
            Self::Truncated { .. } | Self::Unfinished { .. } => ErrorCode::Truncated,
            Self::UnknownVersion { .. } => ErrorCode::Version,
            Self::Malformed { .. } => ErrorCode::Format,
            Self::Checksum { .. } => ErrorCode::Checksum,
            Self::Policy { .. } => ErrorCode::Policy,
            Self::Limit { .. } => ErrorCode::Limit,
            Self::Closed { .. } => ErrorCode::Closed,
            Self::Corpus(error) => error.code(),
            Self::Index(error) => error.code(),
            Self::Codec(error) => error.code(),
        }
    }

    /// The fields as named values; `errno` is the system's symbolic name, for example `ENOSPC`.
    pub fn details(&self) -> Details {
        let text = |name, value: &str| (name, Detail::Text(value.to_owned()));
        let int = |name, value: u64| (name, Detail::Int(value as i64));
        let at = |path: &Path| text("path", &path.to_string_lossy());
        let maybe = |path: &Option<PathBuf>| path.as_deref().map(at);
        match self {
            Self::Io {
                action,
                path,
                source,
            } => vec![
                text("errno", &errno(source)),
                at(path),
                text("action", action),
            ],
            Self::Locked { path } => vec![text("kind", "Locked"), at(path)],
            Self::Changed { path } => vec![text("kind", "Changed"), at(path)],
            Self::Truncated { path, needed, got } => [
                text("kind", "Truncated"),
                int("needed", *needed),
                int("got", *got),
            ]
            .into_iter()
            .chain(maybe(path))
            .collect(),
            Self::Unfinished { path } => std::iter::once(text("kind", "Truncated"))
                .chain(maybe(path))
                .collect(),
            Self::UnknownVersion { path, got } => {
                [text("kind", "UnknownVersion"), int("got", *got)]
                    .into_iter()
                    .chain(maybe(path))
                    .collect()
            }
            Self::Malformed {
                path, kind, offset, ..
            } => [text("kind", kind), int("offset", *offset)]
                .into_iter()
                .chain(maybe(path))
                .collect(),
            Self::Checksum {
                path,
                section,
                offset,
                ..
            } => [text("section", section), int("offset", *offset)]
                .into_iter()
                .chain(maybe(path))
                .collect(),
            Self::Closed { path } => vec![at(path)],
            Self::Policy { .. } | Self::Limit { .. } => vec![],
            Self::Corpus(error) => error.details(),
            Self::Index(error) => error.details(),
            Self::Codec(error) => error.details(),
        }
    }
}

/// The symbolic name of a system error.
fn errno(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    let name = match error.kind() {
        Kind::NotFound => "ENOENT",
        Kind::PermissionDenied if error.raw_os_error() == Some(1) => "EPERM",
        Kind::PermissionDenied => "EACCES",
        Kind::AlreadyExists => "EEXIST",
        Kind::StorageFull => "ENOSPC",
        Kind::QuotaExceeded => "EDQUOT",
        Kind::FileTooLarge => "EFBIG",
        Kind::ReadOnlyFilesystem => "EROFS",
        Kind::IsADirectory => "EISDIR",
        Kind::NotADirectory => "ENOTDIR",
        Kind::InvalidFilename => "ENAMETOOLONG",
        Kind::InvalidInput => "EINVAL",
        Kind::OutOfMemory => "ENOMEM",
        Kind::ResourceBusy => "EBUSY",
        Kind::ExecutableFileBusy => "ETXTBSY",
        Kind::BrokenPipe => "EPIPE",
        _ => match error.raw_os_error() {
            Some(23) => "ENFILE",
            Some(24) => "EMFILE",
            Some(40) => "ELOOP",
            Some(number) if number != 5 => return format!("errno {number}"),
            _ => "EIO",
        },
    };
    name.to_owned()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn system_errors_have_their_symbolic_names() {
        for (number, name) in [
            (1, "EPERM"),
            (2, "ENOENT"),
            (5, "EIO"),
            (12, "ENOMEM"),
            (13, "EACCES"),
            (16, "EBUSY"),
            (17, "EEXIST"),
            (20, "ENOTDIR"),
            (21, "EISDIR"),
            (22, "EINVAL"),
            (23, "ENFILE"),
            (24, "EMFILE"),
            (26, "ETXTBSY"),
            (27, "EFBIG"),
            (28, "ENOSPC"),
            (30, "EROFS"),
            (32, "EPIPE"),
            (36, "ENAMETOOLONG"),
            (40, "ELOOP"),
            (71, "errno 71"),
            (122, "EDQUOT"),
        ] {
            assert_eq!(errno(&io::Error::from_raw_os_error(number)), name);
        }
        assert_eq!(errno(&io::Error::other("no number")), "EIO");
    }
}
