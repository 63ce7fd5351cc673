//! Coded rows in memory.

use crate::column::Buffer;
use tinyquant_kernels::{CodePlan, CodedRows, LANES};

/// Codes of rows, one after another in blocks of [`LANES`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) lead: Buffer,
    pub(crate) factors: Buffer,
    pub(crate) tails: Buffer,
    pub(crate) len: usize,
}

impl Rows {
    /// So many rows of zeros.
    pub(crate) fn zeroed(plan: &CodePlan, len: usize) -> Self {
        let mut rows = Self::default();
        rows.resize(plan, len);
        rows
    }

    /// Grows with rows of zeros.
    pub(crate) fn resize(&mut self, plan: &CodePlan, len: usize) {
        let blocks = len.div_ceil(LANES);
        self.lead.resize(blocks * plan.lead_bytes());
        self.factors.resize(blocks * plan.factor_bytes());
        self.tails.resize(len * plan.tail_bytes());
        self.len = len;
    }

    pub(crate) fn coded(&self) -> CodedRows<'_> {
        CodedRows {
            lead: self.lead.as_ref(),
            factors: self.factors.as_ref(),
            tails: self.tails.as_ref(),
            rows: self.len,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.lead.len() + self.factors.len() + self.tails.len()
    }

    /// Makes row `to` what row `row` of `from` is.
    pub(crate) fn copy(&mut self, plan: &CodePlan, to: usize, from: CodedRows<'_>, row: usize) {
        let ((to_block, to_lane), (block, lane)) = (place(to), place(row));
        let bytes = plan.lead_bytes();
        let lines = self.lead.as_mut()[to_block * bytes..][..bytes]
            .as_chunks_mut::<64>()
            .0;
        let from_lines = from.lead[block * bytes..][..bytes].as_chunks::<64>().0;
        for (to, from) in lines.iter_mut().zip(from_lines) {
            to[4 * to_lane..4 * to_lane + 4].copy_from_slice(&from[4 * lane..4 * lane + 4]);
        }
        let bytes = plan.factor_bytes();
        let to_factors = &mut self.factors.as_mut()[to_block * bytes..][..bytes];
        let from_factors = &from.factors[block * bytes..][..bytes];
        let norms = LANES * plan.factors().len();
        for segment in 0..plan.factors().len() {
            to_factors[segment * LANES + to_lane] = from_factors[segment * LANES + lane];
        }
        if bytes > norms {
            let (to, from) = (norms + 4 * to_lane, norms + 4 * lane);
            to_factors[to..to + 4].copy_from_slice(&from_factors[from..from + 4]);
        }
        let bytes = plan.tail_bytes();
        self.tails.as_mut()[to * bytes..][..bytes]
            .copy_from_slice(&from.tails[row * bytes..][..bytes]);
    }
}

/// Block and lane of a row.
fn place(row: usize) -> (usize, usize) {
    (row / LANES, row % LANES)
}
