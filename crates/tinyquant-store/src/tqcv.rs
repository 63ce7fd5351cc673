//! `TinyQuant`'s corpus file: codec records of one layout, without ids.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `TQCV`; `TQCX` while the file is being written |
//! | 4 | 1 | version, 1 |
//! | 5 | 3 | zeros |
//! | 8 | 8 | number of records, u64 |
//! | 16 | 4 | dimension, u32 |
//! | 20 | 1 | bit width |
//! | 21 | 1 | residual flag: 0 or 1 |
//! | 22 | 2 | length H of the config hash, u16 |
//! | 24 | H | config hash |
//! | 24 + H | 4 | length M of the metadata, u32 |
//! | 28 + H | M | metadata, opaque |
//! | 28 + H + M | | zeros to a multiple of 8 |
//! | | | records: each a u32 length and a Level-1 record |
//!
//! All records have one length, because each must have the header's layout; so any of them can be found
//! without reading the others.

mod header;
mod reader;
mod writer;

pub use header::TqcvHeader;
pub use reader::TqcvReader;
pub use writer::TqcvWriter;

/// Largest metadata of a file, in bytes.
pub const TQCV_MAX_METADATA: usize = 16 << 20;

const MAGIC: [u8; 4] = *b"TQCV";
const UNFINISHED: [u8; 4] = *b"TQCX";
const COUNT_AT: u64 = 8;

/// Bytes of the length before each record.
const PREFIX: usize = 4;
