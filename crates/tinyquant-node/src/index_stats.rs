//! What a search index consists of, in JavaScript's terms.

use napi_derive::napi;
use tinyquant_index::Stats;

/// Coordinates that share a bit width.
#[napi(object, object_from_js = false)]
pub struct NativeIndexSegment {
    /// How many coordinates.
    pub coordinates: u32,
    /// Bits of each.
    pub bits: u32,
}

/// What an index consists of.
#[napi(object, object_from_js = false)]
pub struct NativeIndexStats {
    /// Rows that were not removed.
    pub size: f64,
    /// Rows ever added.
    pub rows: f64,
    /// Runs of rows.
    pub parts: f64,
    /// Partitions; 1 without any.
    pub partitions: f64,
    /// Whether segments are fitted.
    pub fitted: bool,
    /// Runs of coordinates.
    pub segments: Vec<NativeIndexSegment>,
    /// Bytes of a row: codes, factors and row number.
    pub bytes_per_row: f64,
    /// Memory of its own, in bytes.
    pub heap_bytes: f64,
    /// Mapped bytes of a file.
    pub mapped_bytes: f64,
}

impl From<Stats> for NativeIndexStats {
    fn from(stats: Stats) -> Self {
        let segments = stats.segments.iter();
        let segments = segments.map(|&(coordinates, bits)| NativeIndexSegment {
            coordinates: coordinates as u32,
            bits: bits.into(),
        });
        Self {
            size: stats.live as f64,
            rows: stats.rows as f64,
            parts: stats.parts as f64,
            partitions: stats.partitions as f64,
            fitted: stats.fitted,
            segments: segments.collect(),
            bytes_per_row: stats.bytes_per_row as f64,
            heap_bytes: stats.heap_bytes as f64,
            mapped_bytes: stats.mapped_bytes as f64,
        }
    }
}
