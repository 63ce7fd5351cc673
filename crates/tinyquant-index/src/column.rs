//! Bytes of rows, in memory of their own or in memory of somebody else.

use bytemuck::{Pod, Zeroable};
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Bytes that do not change, such as a mapped file.
pub trait Bytes: AsRef<[u8]> + Send + Sync {}

impl<T: AsRef<[u8]> + Send + Sync> Bytes for T {}

/// A cache line; columns in memory begin at one.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([[u8; 32]; 2]);

/// Bytes of a line.
pub(crate) const LINE: usize = size_of::<Line>();

/// A growing run of bytes that begins at a cache line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// So many zero bytes.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self {
            lines: vec![Line::default(); len.div_ceil(LINE)],
            len,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Grows with zeros, or becomes shorter.
    pub(crate) fn resize(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(LINE), Line::default());
        self.len = len;
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

/// A range of shared bytes.
#[derive(Clone)]
pub struct Column {
    owner: Arc<dyn Bytes>,
    range: Range<usize>,
    is_owned: bool,
}

impl Column {
    /// The bytes of `range`, or none if the owner does not have them.
    pub fn new(owner: Arc<dyn Bytes>, range: Range<usize>) -> Option<Self> {
        (*owner).as_ref().get(range.clone())?;
        Some(Self {
            owner,
            range,
            is_owned: false,
        })
    }

    /// The same for an owner that keeps the bytes in memory for this column and its like.
    pub fn owned(owner: Arc<dyn Bytes>, range: Range<usize>) -> Option<Self> {
        let column = Self::new(owner, range)?;
        Some(Self {
            is_owned: true,
            ..column
        })
    }

    /// Whether the bytes are memory of its own.
    pub fn is_owned(&self) -> bool {
        self.is_owned
    }

    /// A copy of bytes, at the beginning of a cache line.
    pub fn copied(bytes: &[u8]) -> Self {
        let mut buffer = Buffer::zeroed(bytes.len());
        buffer.as_mut().copy_from_slice(bytes);
        buffer.into()
    }
}

impl From<Buffer> for Column {
    fn from(buffer: Buffer) -> Self {
        let range = 0..buffer.len;
        Self {
            owner: Arc::new(buffer),
            range,
            is_owned: true,
        }
    }
}

impl Deref for Column {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // `new` has checked the range, and the bytes do not change.
        (*self.owner)
            .as_ref()
            .get(self.range.clone())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({} bytes)", self.range.len())
    }
}
