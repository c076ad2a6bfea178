//! Sources whose rows are in numbered blocks. Each block can be made without those before it.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::source::{Poll, Position, Progress, Source, SourceRows, Split, SplitReader, Waker};
use crate::error::SourceError;
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::SchemaRef;

/// Rows by the number of their block: the same ones at every call, on any thread.
pub(crate) trait Blocks: Send + Sync + 'static {
    /// The connector's name in a job file.
    const NAME: &'static str;
    /// The unit of a block's size and of the rate: `rows`.
    const UNIT: &'static str;

    /// Returns the columns.
    fn schema(&self) -> SchemaRef;

    /// Prepares what the first block needs. Called often; the first call may take long.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    /// Returns the size of every block but the last; at least 1.
    fn block_size(&self) -> u64;

    /// Returns the number of blocks, if there is an end.
    fn blocks(&self) -> Option<u64>;

    /// Returns the rows of a block; `None` behind the last one.
    fn fill(&self, block: u64) -> Option<SourceRows>;
}

/// Distributes blocks over splits. Split `i` of `n` returns blocks `i`, `i + n`, `i + 2n` and so on: splits of equal speed
/// roughly keep the order of the rows.
///
/// With a `rate`, block `b` is due `b` blocks' time after the start. Blocks that were not read when they were due are not
/// dropped; they follow as fast as they are read.
#[derive(Debug)]
pub(crate) struct BlockSource<B> {
    blocks: Arc<B>,
    /// Units a second, at least 1.
    rate: Option<u64>,
    /// When the first reader was opened: all splits count from there.
    start_ms: OnceLock<i64>,
}

/// The position of a reader.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Kept {
    block: u64,
    #[serde(rename = "block_rows")]
    block_size: u64,
}

impl<B: Blocks> BlockSource<B> {
    /// Creates a source of these blocks, as fast as they are read or at `rate` units a second.
    pub(crate) fn new(blocks: B, rate: Option<u64>) -> Self {
        BlockSource { blocks: Arc::new(blocks), rate, start_ms: OnceLock::new() }
    }

    fn kept_block(&self, position: &Position) -> Result<u64> {
        let kept: Kept = serde_json::from_value(position.0.clone())
            .map_err(|e| Error::internal(format!("{} is not a position of a {} source: {e}", position.0, B::NAME)))?;
        let now = self.blocks.block_size();
        if kept.block_size != now {
            return Err(Error::from(SourceError::Position(format!(
                "the {} source had blocks of {} {unit} and now has blocks of {now}: it cannot go on where it stood; \
                 `batch_rows` and `rate` must stay",
                B::NAME,
                kept.block_size,
                unit = B::UNIT,
            ))));
        }
        Ok(kept.block)
    }
}

impl<B: Blocks> Source for BlockSource<B> {
    fn schema(&self) -> SchemaRef {
        self.blocks.schema()
    }

    fn ends(&self) -> bool {
        self.blocks.blocks().is_some()
    }

    fn splits(&self, parallelism: usize) -> Result<Vec<Split>> {
        self.blocks.prepare()?;
        let count = parallelism.max(1);
        Ok((0..count).map(|i| Split(format!("{i}/{count}"))).collect())
    }

    fn open(&self, split: &Split, position: Option<&Position>, _waker: Waker) -> Result<Box<dyn SplitReader>> {
        self.blocks.prepare()?;
        let share = split.0.split_once('/').and_then(|(i, n)| Some((i.parse::<u64>().ok()?, n.parse::<u64>().ok()?)));
        let Some((index, count)) = share.filter(|(i, n)| i < n) else {
            return Err(Error::internal(format!("`{}` is not a split of a {} source", split.0, B::NAME)));
        };
        let block = position.map_or(Ok(index), |position| self.kept_block(position))?;
        let schedule = self.rate.map(|rate| Schedule {
            start_ms: *self.start_ms.get_or_init(clock::now_ms),
            first_block: block - block % count,
            block_size: self.blocks.block_size(),
            rate,
        });
        Ok(Box::new(BlockReader { blocks: self.blocks.clone(), block, step: count, schedule }))
    }
}

/// The times at which blocks are due.
#[derive(Debug)]
struct Schedule {
    start_ms: i64,
    /// The block that is due at the start.
    first_block: u64,
    block_size: u64,
    rate: u64,
}

impl Schedule {
    fn due_ms(&self, block: u64) -> i64 {
        let units = u128::from(block - self.first_block) * u128::from(self.block_size);
        let after_ms = units * 1_000 / u128::from(self.rate);
        self.start_ms.saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX))
    }
}

struct BlockReader<B> {
    blocks: Arc<B>,
    /// The next block.
    block: u64,
    step: u64,
    schedule: Option<Schedule>,
}

impl<B: Blocks> SplitReader for BlockReader<B> {
    fn poll(&mut self) -> Result<Poll> {
        if let Some(schedule) = &self.schedule
            && self.blocks.blocks().is_none_or(|blocks| self.block < blocks)
        {
            let due_ms = schedule.due_ms(self.block);
            if clock::now_ms() < due_ms {
                return Ok(Poll::PendingUntil(due_ms));
            }
        }
        let Some(rows) = self.blocks.fill(self.block) else { return Ok(Poll::End) };
        self.block = self.block.saturating_add(self.step);
        Ok(Poll::Rows(rows))
    }

    fn position(&self) -> Position {
        let kept = Kept { block: self.block, block_size: self.blocks.block_size() };
        // Two numbers can always be represented.
        Position::of(&kept)
    }

    /// Counts blocks of this split: `index`, `index + step` and so on.
    fn progress(&self) -> Option<Progress> {
        let index = self.block % self.step;
        let total = self.blocks.blocks()?.saturating_add(self.step - 1 - index) / self.step;
        Some(Progress { done: (self.block / self.step).min(total), total })
    }
}
