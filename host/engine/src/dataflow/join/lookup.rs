//! Joins of a stream with a table in the dataflow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::key_lists::Walk;
use super::layout::Layout;
use super::pairing::Pairing;
use super::side::{Joined, ROWS_AT_ONCE};
use super::table::{SharedTable, Table};
use crate::dataflow::batch::{Batch, Column};
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Tick};
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::pending::Pending;
use crate::dataflow::watermark::Signal;
use crate::job::spec::JoinType;
use flowgate_base::error::Result;
use flowgate_wall::CallContext;

/// Position of the main output.
const MAIN: usize = 0;

/// A join with a table on one worker. Rows stay on their worker: each has the whole table.
pub struct LookupOperator {
    table: Arc<SharedTable>,
    join: JoinType,
    /// Of the stream.
    layout: Layout,
    pairing: Pairing,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    parts: VecDeque<Part>,
    pending: Pending,
}

/// Rows of a result that are still to be given.
enum Part {
    Pairs { rows: Batch, table: Arc<Table>, walk: Walk },
    Alone(Batch),
}

impl LookupOperator {
    /// With this table. `dead_letters` is for the pairing, which here fails none.
    pub fn new(
        table: Arc<SharedTable>,
        join: JoinType,
        layout: Layout,
        pairing: Pairing,
        dead_letters: DeadLetters,
        metrics: Arc<NodeMetrics>,
    ) -> Self {
        let (parts, pending) = (VecDeque::new(), Pending::default());
        LookupOperator { table, join, layout, pairing, dead_letters, metrics, parts, pending }
    }

    fn count_failures(&self) {
        let failures = self.table.take_failures();
        if let Some(first) = failures.first() {
            self.metrics.dead_letters(failures.len(), || first.clone());
        }
    }

    fn next(&mut self) -> Result<Option<Joined>> {
        while let Some(part) = self.parts.front_mut() {
            let (left, right) = match part {
                Part::Pairs { rows, table, walk } => {
                    let (here, there) = walk.pairs(&table.lists, ROWS_AT_ONCE);
                    if here.is_empty() {
                        self.parts.pop_front();
                        continue;
                    }
                    (rows.select(&here.into()), Some(table.rows.select(&there.into())))
                }
                Part::Alone(rows) => {
                    let rows = rows.clone();
                    self.parts.pop_front();
                    (rows, None)
                }
            };
            let event_time = left.event_time().map(Column::gather).transpose()?;
            return Ok(Some(Joined { row_count: left.row_count(), left: Some(left), right, event_time, window: None }));
        }
        Ok(None)
    }

    fn give(&mut self, out: &mut Outputs) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.emit(out, |out| {
            let Some(joined) = self.next()? else { return Ok(None) };
            let (given, _) = self.pairing.put_together(joined, &CallContext::default(), &self.dead_letters)?;
            for given in given {
                self.metrics.rows_out.fetch_add(given.rows.row_count() as u64, Relaxed);
                out.emit(MAIN, given.rows);
            }
            Ok(Some(1))
        })?;
        self.pending = pending;
        Ok(())
    }
}

impl Operator for LookupOperator {
    fn batch(&mut self, _input: usize, batch: Batch, _tick: Tick, out: &mut Outputs) -> Result<()> {
        self.metrics.rows_in.fetch_add(batch.row_count() as u64, Relaxed);
        self.count_failures();
        let table = self.table.current();
        let columns = self.layout.gather(&batch)?;
        let walk = Walk::new(&table.lists, &self.layout.keys(&columns, batch.row_count())?);
        let rows = batch.with_columns(columns.into_iter().map(Column::from).collect());
        match self.join {
            JoinType::Semi | JoinType::Anti => {
                let chosen = walk.hit(self.join == JoinType::Semi);
                if !chosen.is_empty() {
                    self.parts.push_back(Part::Alone(rows.select(&chosen.into())));
                }
            }
            _ => {
                let without = if self.join == JoinType::Left { walk.hit(false) } else { Vec::new() };
                let alone = (!without.is_empty()).then(|| Part::Alone(rows.select(&without.into())));
                self.parts.push_back(Part::Pairs { rows, table, walk });
                self.parts.extend(alone);
            }
        }
        self.give(out)
    }

    fn signal(&mut self, signal: Signal, _out: &mut Outputs) -> Result<()> {
        signal.known_watermark().into_iter().for_each(|watermark| self.metrics.set_watermark(watermark));
        Ok(())
    }

    fn promise(&self, inputs: Signal) -> Signal {
        inputs
    }

    fn flush(&mut self, _out: &mut Outputs) -> Result<()> {
        Ok(())
    }

    fn end(&mut self, _complete: bool, _tick: Tick, _out: &mut Outputs) -> Result<()> {
        self.count_failures();
        Ok(())
    }

    fn has_yielded(&self) -> bool {
        self.pending.has_yielded()
    }

    fn resume(&mut self, out: &mut Outputs) -> Result<()> {
        self.give(out)
    }
}
