//! Joins of a stream with a table in the dataflow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::key_lists::Walk;
use super::layout::Layout;
use super::pairing::Pairing;
use super::side::{Joined, ROWS_AT_ONCE};
use super::table::{LookupTable, SharedTable};
use crate::dataflow::batch::{Batch, Column};
use crate::dataflow::checkpoint::state::StateVisitor;
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

/// A join with a table on one worker. Rows stay on their worker, since each worker has the whole table.
pub(crate) struct LookupOperator {
    table: Arc<SharedTable>,
    join: JoinType,
    /// The layout of the stream.
    layout: Layout,
    pairing: Pairing,
    dead_letters: DeadLetters,
    metrics: Arc<NodeMetrics>,
    results: VecDeque<LookupResult>,
    pending: Pending,
}

/// Rows of a result that have still to be emitted.
enum LookupResult {
    Pairs { rows: Batch, table: Arc<LookupTable>, walk: Walk },
    Alone(Batch),
}

impl LookupOperator {
    /// Creates a join with this table. `dead_letters` is for the pairing, which fails no row here.
    pub(crate) fn new(
        table: Arc<SharedTable>,
        join: JoinType,
        layout: Layout,
        pairing: Pairing,
        dead_letters: DeadLetters,
        metrics: Arc<NodeMetrics>,
    ) -> Self {
        let (results, pending) = (VecDeque::new(), Pending::default());
        LookupOperator { table, join, layout, pairing, dead_letters, metrics, results, pending }
    }

    fn count_failures(&self) {
        let failures = self.table.take_failures();
        if let Some(first) = failures.first() {
            self.metrics.dead_letters(failures.len(), || first.clone());
        }
    }

    fn next(&mut self) -> Result<Option<Joined>> {
        while let Some(part) = self.results.front_mut() {
            let (left, right) = match part {
                LookupResult::Pairs { rows, table, walk } => {
                    let (here, there) = walk.pairs(&table.lists, ROWS_AT_ONCE);
                    if here.is_empty() {
                        self.results.pop_front();
                        continue;
                    }
                    (rows.select(&here.into()), Some(table.rows.select(&there.into())))
                }
                LookupResult::Alone(rows) => {
                    let rows = rows.clone();
                    self.results.pop_front();
                    (rows, None)
                }
            };
            let event_time = left.event_time().map(Column::gather).transpose()?;
            return Ok(Some(Joined { row_count: left.row_count(), left: Some(left), right, event_time, window: None }));
        }
        Ok(None)
    }

    fn emit(&mut self, out: &mut Outputs) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.emit(out, |out| {
            let Some(joined) = self.next()? else { return Ok(None) };
            let (results, _) = self.pairing.assemble(joined, &CallContext::default(), &self.dead_letters)?;
            for result in results {
                self.metrics.emits(result.rows.row_count());
                out.emit(MAIN, result.rows);
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
                    self.results.push_back(LookupResult::Alone(rows.select(&chosen.into())));
                }
            }
            _ => {
                let without = if self.join == JoinType::Left { walk.hit(false) } else { Vec::new() };
                let alone = (!without.is_empty()).then(|| LookupResult::Alone(rows.select(&without.into())));
                self.results.push_back(LookupResult::Pairs { rows, table, walk });
                self.results.extend(alone);
            }
        }
        self.emit(out)
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

    /// The table is a file, which is read again.
    fn state(&mut self, _visit: &mut dyn StateVisitor) -> Result<()> {
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
        self.emit(out)
    }
}
