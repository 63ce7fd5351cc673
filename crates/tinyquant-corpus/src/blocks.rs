//! Vectors of one length in the order that the dot-product kernel reads.

use tinyquant_kernels::{Kernels, PANEL};

/// Blocks of a segment. Segments bound what growing the store copies, and what one kernel call writes.
const SEGMENT_BLOCKS: usize = 64;

/// Vectors of a segment.
pub(crate) const SEGMENT: usize = SEGMENT_BLOCKS * PANEL;

/// A list of vectors of one length in blocks of [`PANEL`]: component 0 of the block's vectors, then
/// component 1, and so on. The places of a block that hold no vector are zero.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    dimension: usize,
    len: usize,
    /// All full but the last; none is empty.
    segments: Vec<Vec<f32>>,
}

impl Blocks {
    /// An empty list of vectors of `dimension` components.
    pub(crate) fn new(dimension: usize) -> Self {
        Self {
            dimension,
            len: 0,
            segments: Vec::new(),
        }
    }

    /// Components of a vector.
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Bytes kept on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| segment.capacity() * size_of::<f32>())
            .sum()
    }

    /// Adds a vector at the end.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        if self.len.is_multiple_of(SEGMENT) {
            self.segments.push(Vec::new());
        }
        if self.len.is_multiple_of(PANEL)
            && let Some(segment) = self.segments.last_mut()
        {
            segment.resize(segment.len() + self.dimension * PANEL, 0.0);
        }
        self.len += 1;
        self.set(self.len - 1, vector);
    }

    /// Replaces a vector.
    pub(crate) fn set(&mut self, at: usize, vector: &[f32]) {
        let (segment, from) = self.place(at);
        let column = self.segments[segment].iter_mut().skip(from).step_by(PANEL);
        for (value, &component) in column.zip(vector) {
            *value = component;
        }
    }

    /// The components of a vector.
    pub(crate) fn column(&self, at: usize) -> impl Iterator<Item = f32> {
        let (segment, from) = self.place(at);
        self.segments[segment]
            .iter()
            .skip(from)
            .step_by(PANEL)
            .take(self.dimension)
            .copied()
    }

    /// Removes a vector; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, at: usize) {
        let last = self.len - 1;
        if at != last {
            let moved: Vec<f32> = self.column(last).collect();
            self.set(at, &moved);
        }
        if last.is_multiple_of(PANEL) {
            if let Some(segment) = self.segments.last_mut() {
                segment.truncate(segment.len() - self.dimension * PANEL);
                // Half of a segment is given back at a time, so that a vector coming and going at the
                // border of a block does not reallocate.
                if segment.capacity() > 4 * segment.len() {
                    segment.shrink_to(2 * segment.len());
                }
            }
        } else {
            let (segment, from) = self.place(last);
            let column = self.segments[segment].iter_mut().skip(from).step_by(PANEL);
            column.take(self.dimension).for_each(|value| *value = 0.0);
        }
        self.len = last;
        if last.is_multiple_of(SEGMENT) {
            self.segments.pop();
        }
    }

    /// Calls `visit` with the position of the first vector and the dot products of the query with up to
    /// [`SEGMENT`] vectors, segment by segment. Each product is summed in index order.
    pub(crate) fn dots(&self, query: &[f32], mut visit: impl FnMut(usize, &[f32])) {
        let kernels = Kernels::active();
        let mut out = vec![0.0; SEGMENT.min(self.len.next_multiple_of(PANEL))];
        for (index, segment) in self.segments.iter().enumerate() {
            let first = index * SEGMENT;
            let count = (self.len - first).min(SEGMENT);
            let out = &mut out[..count.next_multiple_of(PANEL)];
            kernels.dot_blocks(query, segment, out);
            visit(first, &out[..count]);
        }
    }

    /// Segment of a vector, and where its first component stands there.
    fn place(&self, at: usize) -> (usize, usize) {
        let within = at % SEGMENT;
        (
            at / SEGMENT,
            within / PANEL * self.dimension * PANEL + within % PANEL,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Blocks, PANEL, SEGMENT};

    fn vector(seed: usize, dimension: usize) -> Vec<f32> {
        (0..dimension)
            .map(|i| ((seed * 31 + i * 7) % 101) as f32 - 50.0)
            .collect()
    }

    #[test]
    fn vectors_come_back_after_pushes_and_removals() {
        for dimension in [0, 1, 3, 17] {
            let mut blocks = Blocks::new(dimension);
            let mut model: Vec<Vec<f32>> = Vec::new();
            for seed in 0..SEGMENT + 40 {
                blocks.push(&vector(seed, dimension));
                model.push(vector(seed, dimension));
            }
            for step in 0..model.len() {
                let at = step * 13 % model.len();
                blocks.swap_remove(at);
                model.swap_remove(at);
                if step % 50 == 0 {
                    let query = vector(step, dimension);
                    let mut seen = 0;
                    blocks.dots(&query, |first, dots| {
                        for (at, dot) in (first..).zip(dots) {
                            let expected: f32 =
                                query.iter().zip(&model[at]).map(|(a, b)| a * b).sum();
                            assert!((dot - expected).abs() < 0.5);
                            assert!(blocks.column(at).eq(model[at].iter().copied()));
                        }
                        seen += dots.len();
                    });
                    assert_eq!(seen, model.len());
                }
            }
            assert!(blocks.segments.is_empty());
            assert_eq!(blocks.heap_bytes(), 0);
        }
    }

    #[test]
    fn memory_follows_the_number_of_vectors() {
        let mut blocks = Blocks::new(8);
        for seed in 0..4 * SEGMENT {
            blocks.push(&vector(seed, 8));
        }
        let full = blocks.heap_bytes();
        for _ in 0..4 * SEGMENT - PANEL {
            blocks.swap_remove(0);
        }
        assert!(blocks.heap_bytes() <= full / 16);
    }
}
