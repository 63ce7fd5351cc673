//! The steps that compressing and decompressing share: rows to whole numbers, and their product with a rotation.

use crate::backend::dispatch;
use crate::matrix::Matrix;
use crate::memory::Buffer;
use crate::pipelines::Pipelines;
use crate::{Backend, Error};
use bytemuck::{Pod, Zeroable};
use wgpu::{BindGroup, CommandEncoder};

/// Products of a submission: enough to keep a device busy, few enough to be waited for.
const PRODUCTS: usize = 1 << 31;

/// Rows of a submission, a multiple of [`TOGETHER`], that the bounds allow.
const MOST_ROWS: usize = 32_768;

/// Rows that the product takes at a time.
const TOGETHER: usize = 4;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct WholeShape {
    rows: u32,
    columns: u32,
    stride: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct RotateShape {
    rows: u32,
    stride: u32,
    start: u32,
    count: u32,
}

/// Constants of a shader that its own stage adds the rest to.
pub(crate) struct Rotated {
    /// Sums of products, `rows * stride`.
    pub(crate) sums: Buffer,
    /// Exponent field of each row.
    pub(crate) fields: Buffer,
    whole: Buffer,
    rows: usize,
    stride: usize,
    parts: Vec<(BindGroup, Buffer)>,
}

/// Rows of one submission, for rows that take `row_bytes` on the device beside what the rotation takes, of which
/// no buffer has more than `widest` bytes a row.
pub(crate) fn rows_together(
    backend: &Backend,
    stride: usize,
    row_bytes: usize,
    widest: usize,
    rows: usize,
) -> Result<usize, Error> {
    let limits = backend.limits();
    let each = 12 * stride + 4 + row_bytes;
    let affordable = backend.budget.free() / 8 * 7 / each as u64;
    let widest = widest.max(8 * stride);
    let bound = limits.max_binding_size / widest as u64;
    if bound < TOGETHER as u64 {
        return Err(Error::AdapterLimit {
            what: "a binding of four rows",
            needed: (TOGETHER * widest) as u64,
            limit: limits.max_binding_size,
        });
    }
    let most =
        affordable.min(bound).min(u64::from(limits.max_workgroups)) as usize / TOGETHER * TOGETHER;
    if most == 0 {
        return Err(Error::MemoryBound {
            needed: (TOGETHER * each) as u64,
            used: backend.budget.used(),
            limit: backend.budget.limit(),
        });
    }
    let busy = (PRODUCTS / (stride * stride)).clamp(64, MOST_ROWS);
    Ok(most.min(busy).min(rows.next_multiple_of(TOGETHER)))
}

impl Rotated {
    /// Buffers for up to `rows` rows, a multiple of 4.
    pub(crate) fn new(
        backend: &Backend,
        pipelines: &Pipelines,
        matrix: &Matrix,
        rows: usize,
    ) -> Result<Self, Error> {
        let stride = matrix.stride;
        let values = (rows * stride) as u64;
        let whole = backend.storage("whole numbers", 4 * values)?;
        let sums = backend.storage("sums", 8 * values)?;
        let fields = backend.storage("exponents", 4 * rows as u64)?;
        let mut parts = Vec::with_capacity(matrix.parts.len());
        for (start, count, part) in &matrix.parts {
            let shape = backend.uniform(
                "shape of a product",
                &RotateShape {
                    rows: rows as u32,
                    stride: stride as u32,
                    start: *start as u32,
                    count: *count as u32,
                },
            )?;
            let buffers = [(0, &shape), (1, &whole), (2, part), (3, &sums)];
            let group = backend.bind(&pipelines.rotate, &buffers);
            parts.push((group, shape));
        }
        Ok(Self {
            sums,
            fields,
            whole,
            rows,
            stride,
            parts,
        })
    }

    /// What turns the rows of `values` into whole numbers.
    pub(crate) fn source(
        &self,
        backend: &Backend,
        pipelines: &Pipelines,
        values: &Buffer,
        rows: usize,
        columns: usize,
    ) -> Result<(BindGroup, Buffer), Error> {
        let shape = backend.uniform(
            "shape of rows",
            &WholeShape {
                rows: rows as u32,
                columns: columns as u32,
                stride: self.stride as u32,
            },
        )?;
        let buffers = [
            (0, &shape),
            (1, values),
            (2, &self.whole),
            (3, &self.fields),
        ];
        Ok((backend.bind(&pipelines.whole, &buffers), shape))
    }

    /// Rotates the rows of a source.
    pub(crate) fn record(
        &self,
        pipelines: &Pipelines,
        encoder: &mut CommandEncoder,
        source: &BindGroup,
    ) {
        dispatch(encoder, &pipelines.whole, source, self.rows as u32, 1);
        let x = self.stride.div_ceil(4 * 8) as u32;
        let y = self.rows.div_ceil(4 * 8) as u32;
        for (group, _) in &self.parts {
            dispatch(encoder, &pipelines.rotate, group, x, y);
        }
    }
}
