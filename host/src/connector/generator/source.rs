//! The `generator` source: blocks of rows, dealt out to its splits in turn.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::rows::Generator;
use crate::clock;
use crate::connector::source::{Poll, Position, Source, Split, SplitReader, Waker};
use crate::error::{Error, Result};
use crate::job::spec;
use crate::schema::SchemaRef;

/// Makes rows. Split `i` of `n` makes blocks `i`, `i + n`, `i + 2n` and on, so that splits that are equally fast keep the order
/// of the rows roughly.
///
/// With a `rate`, block `b` is due `b` blocks' time after the start: rows that were not taken in time are not given up but
/// come as fast as they are taken.
#[derive(Debug)]
pub(crate) struct GeneratorSource {
    generator: Arc<Generator>,
    rate: Option<u64>,
    /// When the first reader was opened: all splits count from there.
    start_ms: OnceLock<i64>,
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Kept {
    block: u64,
    block_rows: u64,
}

impl GeneratorSource {
    /// The source of a spec; everything that is wrong with it at once.
    pub(crate) fn new(spec: &spec::Generator) -> std::result::Result<Self, Vec<String>> {
        Ok(GeneratorSource { generator: Arc::new(Generator::new(spec)?), rate: spec.rate, start_ms: OnceLock::new() })
    }
}

impl Source for GeneratorSource {
    fn schema(&self) -> SchemaRef {
        self.generator.schema()
    }

    fn splits(&self, parallelism: usize) -> Result<Vec<Split>> {
        let count = parallelism.max(1);
        Ok((0..count).map(|i| Split(format!("{i}/{count}"))).collect())
    }

    fn open(&self, split: &Split, position: Option<&Position>, _waker: Waker) -> Result<Box<dyn SplitReader>> {
        let share = split.0.split_once('/').and_then(|(i, n)| Some((i.parse::<u64>().ok()?, n.parse::<u64>().ok()?)));
        let Some((index, count)) = share.filter(|(i, n)| i < n) else {
            return Err(Error::internal(format!("`{}` is not a split of a generator", split.0)));
        };
        let block_rows = self.generator.block_rows();
        let block = match position {
            None => index,
            Some(position) => {
                let kept: Kept = serde_json::from_value(position.0.clone())
                    .map_err(|e| Error::internal(format!("{} is not a generator's position: {e}", position.0)))?;
                if kept.block_rows != block_rows {
                    return Err(Error::user(format!(
                        "the generator had blocks of {} rows and now has blocks of {block_rows}: it cannot go on where it \
                         stood; `batch_rows` and `rate` must stay",
                        kept.block_rows
                    )));
                }
                kept.block
            }
        };
        let pace = self.rate.map(|rate| Pace {
            start_ms: *self.start_ms.get_or_init(clock::now_ms),
            first_block: block - block % count,
            block_rows,
            rate,
        });
        Ok(Box::new(GeneratorReader { generator: self.generator.clone(), block, step: count, pace }))
    }
}

/// When blocks are due.
#[derive(Debug)]
struct Pace {
    start_ms: i64,
    /// Due at the start.
    first_block: u64,
    block_rows: u64,
    rate: u64,
}

impl Pace {
    fn due_ms(&self, block: u64) -> i64 {
        let rows = u128::from(block - self.first_block) * u128::from(self.block_rows);
        let after_ms = rows * 1_000 / u128::from(self.rate);
        self.start_ms.saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX))
    }
}

struct GeneratorReader {
    generator: Arc<Generator>,
    /// The next one.
    block: u64,
    step: u64,
    pace: Option<Pace>,
}

impl SplitReader for GeneratorReader {
    fn poll(&mut self) -> Result<Poll> {
        if let Some(pace) = &self.pace
            && self.generator.blocks().is_none_or(|blocks| self.block < blocks)
        {
            let due_ms = pace.due_ms(self.block);
            if clock::now_ms() < due_ms {
                return Ok(Poll::PendingUntil(due_ms));
            }
        }
        let Some(rows) = self.generator.fill(self.block) else { return Ok(Poll::End) };
        self.block = self.block.saturating_add(self.step);
        Ok(Poll::Rows(rows))
    }

    fn position(&self) -> Position {
        let kept = Kept { block: self.block, block_rows: self.generator.block_rows() };
        // Two numbers: always representable.
        Position(serde_json::to_value(kept).unwrap_or_default())
    }
}
