//! Rows in scan order.

use crate::names::is_set;
use crate::rows::Rows;
use crate::{Column, Error, Model};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use tinyquant_kernels::{CodePlan, CodedRows, LANES};

static NEXT_UID: AtomicU64 = AtomicU64::new(0);

/// Rows sorted by partition. They never change.
#[derive(Debug)]
pub struct Part {
    uid: u64,
    rows: usize,
    blocks: Column,
    tails: Column,
    numbers: Column,
    starts: Column,
}

impl Part {
    /// A part of `rows` rows: their blocks (16 rows each, the last one filled up), their tails, their numbers in order
    /// of adding (u32), and where each partition starts (u32, one more than there are partitions).
    ///
    /// # Errors
    /// [`Error::Stored`] (`ERR_TQ_FORMAT`) for columns of other lengths, or starts that do not ascend from 0 to `rows`.
    pub fn from_columns(
        model: &Model,
        rows: usize,
        blocks: Column,
        tails: Column,
        numbers: Column,
        starts: Column,
    ) -> Result<Self, Error> {
        let lens = [
            (
                "blocks",
                blocks.len(),
                rows.div_ceil(LANES).checked_mul(model.block_bytes()),
            ),
            ("tails", tails.len(), rows.checked_mul(model.tail_bytes())),
            ("numbers", numbers.len(), rows.checked_mul(4)),
            ("starts", starts.len(), Some(4 * (model.partitions() + 1))),
        ];
        for (name, got, expected) in lens {
            if Some(got) != expected {
                return Err(Error::format(format!(
                    "{name} of {got} bytes for {rows} rows"
                )));
            }
        }
        let part = Self {
            uid: NEXT_UID.fetch_add(1, Ordering::Relaxed),
            rows,
            blocks,
            tails,
            numbers,
            starts,
        };
        let ascend = (0..model.partitions()).all(|list| {
            let range = part.range(list);
            range.start <= range.end
        });
        if !ascend || part.start(0) != 0 || part.start(model.partitions()) != rows {
            return Err(Error::format(
                "the partitions of a part do not follow each other",
            ));
        }
        Ok(part)
    }

    /// Codes of the rows.
    pub(crate) fn coded(&self, plan: &CodePlan) -> CodedRows<'_> {
        let lead = self.rows.div_ceil(LANES) * plan.lead_bytes();
        let (lead, factors) = self.blocks.split_at_checked(lead).unwrap_or_default();
        CodedRows {
            lead,
            factors,
            tails: &self.tails,
            rows: self.rows,
        }
    }

    /// The part as something to copy from.
    pub(crate) fn run(&self, plan: &CodePlan) -> Run<'_> {
        let [numbers, starts] = [&self.numbers, &self.starts].map(|column| {
            column
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| u32::from_le_bytes(*bytes))
                .collect()
        });
        Run {
            rows: self.coded(plan),
            numbers: Cow::Owned(numbers),
            order: None,
            starts,
        }
    }

    /// The numbers of all rows.
    pub(crate) fn all_numbers(&self) -> Vec<u32> {
        let numbers = self.numbers.as_chunks::<4>().0.iter();
        numbers.map(|bytes| u32::from_le_bytes(*bytes)).collect()
    }

    /// The partition of each row.
    pub(crate) fn lists(&self, partitions: usize) -> Vec<u32> {
        let lists = (0..partitions).flat_map(|list| self.range(list).map(move |_| list as u32));
        lists.collect()
    }

    /// All of its bytes.
    pub(crate) fn columns(&self) -> [&Column; 4] {
        [&self.blocks, &self.tails, &self.numbers, &self.starts]
    }

    /// Told apart from every other part of the process by this.
    pub fn uid(&self) -> u64 {
        self.uid
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Lead codes and factors, 16 rows at a time.
    pub fn blocks(&self) -> &Column {
        &self.blocks
    }

    /// The other codes, row by row.
    pub fn tails(&self) -> &Column {
        &self.tails
    }

    /// Numbers of the rows.
    pub fn numbers(&self) -> &Column {
        &self.numbers
    }

    /// Where partitions start.
    pub fn starts(&self) -> &Column {
        &self.starts
    }

    /// Number of a row.
    pub(crate) fn number(&self, row: usize) -> u32 {
        u32_at(&self.numbers, row)
    }

    fn start(&self, list: usize) -> usize {
        u32_at(&self.starts, list) as usize
    }

    /// Rows of a partition.
    pub(crate) fn range(&self, list: usize) -> Range<usize> {
        self.start(list)..self.start(list + 1)
    }

    /// Checks the numbers of the rows: each below `rows_ever`, and set in no bit of `seen`, where it then is.
    ///
    /// # Errors
    /// [`Error::Stored`] (`ERR_TQ_FORMAT`).
    pub fn verify(&self, rows_ever: u64, seen: &mut [u64]) -> Result<(), Error> {
        for row in 0..self.rows {
            let number = self.number(row);
            let word = seen.get_mut(number as usize / 64);
            match word {
                Some(word) if u64::from(number) < rows_ever && *word >> (number % 64) & 1 == 0 => {
                    *word |= 1 << (number % 64);
                }
                _ => {
                    return Err(Error::format(format!(
                        "row number {number} is not one, or twice"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Rows to copy from, partition by partition.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    rows: CodedRows<'a>,
    numbers: Cow<'a, [u32]>,
    /// The rows in order of partition, where they are not.
    order: Option<Vec<u32>>,
    starts: Vec<u32>,
}

impl<'a> Run<'a> {
    /// Rows that `order` sorts by partition.
    pub(crate) fn listed(
        rows: CodedRows<'a>,
        numbers: &'a [u32],
        order: Vec<u32>,
        starts: Vec<u32>,
    ) -> Self {
        Self {
            rows,
            numbers: Cow::Borrowed(numbers),
            order: Some(order),
            starts,
        }
    }

    /// Rows of a partition, without those that are dead.
    fn list<'b>(&'b self, list: usize, dead: &'b [u64]) -> impl Iterator<Item = usize> + 'b {
        let range = self.starts[list] as usize..self.starts[list + 1] as usize;
        let rows = range.map(|at| self.order.as_ref().map_or(at, |order| order[at] as usize));
        rows.filter(|row| !is_set(dead, self.numbers[*row]))
    }
}

/// A part of the rows of runs, without those that are dead: by partition, and in each as the runs follow each other.
pub(crate) fn compose(model: &Model, runs: &[Run<'_>], dead: &[u64]) -> Part {
    let plan = model.plan();
    let live = |run: &Run| {
        let live = run.numbers.iter().filter(|number| !is_set(dead, **number));
        live.count()
    };
    let room = runs.iter().map(live).sum();
    let mut rows = Rows::zeroed(plan, room);
    let mut numbers = Vec::with_capacity(room);
    let mut starts = Vec::with_capacity(model.partitions() + 1);
    for list in 0..model.partitions() {
        starts.push(numbers.len() as u32);
        for run in runs {
            for row in run.list(list, dead) {
                rows.copy(plan, numbers.len(), run.rows, row);
                numbers.push(run.numbers[row]);
            }
        }
    }
    starts.push(numbers.len() as u32);
    let mut blocks = rows.lead;
    let lead = blocks.len();
    blocks.resize(lead + rows.factors.len());
    blocks.as_mut()[lead..].copy_from_slice(rows.factors.as_ref());
    let bytes = |values: &[u32]| {
        let mut buffer = crate::column::Buffer::zeroed(4 * values.len());
        for (to, value) in buffer
            .as_mut()
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .zip(values)
        {
            *to = value.to_le_bytes();
        }
        Column::from(buffer)
    };
    Part {
        uid: NEXT_UID.fetch_add(1, Ordering::Relaxed),
        rows: numbers.len(),
        blocks: blocks.into(),
        tails: rows.tails.into(),
        numbers: bytes(&numbers),
        starts: bytes(&starts),
    }
}

fn u32_at(column: &Column, index: usize) -> u32 {
    let bytes = column
        .get(4 * index..4 * index + 4)
        .and_then(|bytes| bytes.first_chunk());
    u32::from_le_bytes(*bytes.unwrap_or(&[0; 4]))
}
