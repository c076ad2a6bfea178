//! Windows by number of rows of a key, tumbling and sliding.
//!
//! A pane is the rows of a key between two window boundaries: `slide` rows, or in turns `slide - size mod slide` and
//! `size mod slide` rows if that is not 0. A key keeps a ring of the panes of one window. A window that is not full when the input
//! ends emits no result. A sliding window emits results from the first `slide` rows on, of the rows so far if they are less than
//! `size`.

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt64Array};
use arrow_schema::{DataType, Field};

use super::aggregate::Times;
use super::aggregator::{Accumulators, Aggregator, LazyColumns};
use super::gathered::Gathered;
use super::measured::Measured;
use super::pane::{Accumulated, NEVER, rows_of};
use super::plan::{Added, Held, NewRows, PANES, Plan, ResultKind, WindowSpan, WindowState};
use super::rounds::{Every, rounds};
use super::stored::{self, LATEST, SINCE};
use crate::dataflow::batch::Batch;
use crate::dataflow::checkpoint::state::{SlotName, StateVisitor};
use flowgate_base::error::{Error, Result};
use flowgate_base::time::EventTime;
use flowgate_connect::limits::BATCH_ROWS_DEFAULT;
use flowgate_state::bytes::{at_end, take_array, take_int};
use flowgate_state::snapshot::{Change, Extent, mark_field, time_mark_field};
use flowgate_state::store::{SlotKind, StateStore};
use flowgate_state::table::{Table, Values};
use flowgate_state::tables::Prototype;
use flowgate_state::values::Columns;

/// Results are emitted when their accumulators take more memory than this: those of one key may be large.
const RESULT_BYTES_MAX: usize = 4 << 20;

/// The number of results after which their memory is measured again.
const RESULTS_BETWEEN_MEASUREMENTS: usize = 64;

/// The column of the number of full panes since the beginning: the current one is at this place of the ring, modulo its length.
const PANES_FULL: &str = "full_panes";

/// The panes of keys: accumulators `key * ring + place`.
///
/// Encoding in the spill file: the number of full panes so far (8 bytes), the rows since the last result (8 bytes), the time of the latest row
/// (8 bytes), and each place's accumulators.
struct Rings {
    aggregates: Vec<Accumulators>,
    /// The names of the aggregates.
    names: Arc<[String]>,
    /// The places of a ring.
    ring: usize,
    /// By key: the number of full panes since the beginning.
    panes: Vec<u64>,
    /// By key: the rows since the last result.
    since: Vec<u64>,
    /// By key: the time of the latest row.
    latest: Vec<i64>,
    measured: Measured,
}

impl Rings {
    /// Returns the position of a key's current pane in the accumulators.
    fn place(&self, key: u32) -> usize {
        key as usize * self.ring + (self.panes[key as usize] % self.ring as u64) as usize
    }

    /// Returns the places of the rings of keys, in order.
    fn places(&self, keys: &[u32]) -> Vec<u32> {
        let ring = self.ring as u32;
        keys.iter().flat_map(|key| key * ring..(key + 1) * ring).collect()
    }

    /// Returns the keys as columns of [`Values::fields`].
    fn stored(&self, keys: &[u32]) -> Result<Vec<ArrayRef>> {
        let accumulators = stored::columns(&self.aggregates, &self.places(keys))?;
        let mut columns: Vec<ArrayRef> =
            accumulators.into_iter().map(|values| stored::lists(values, self.ring)).collect::<Result<_>>()?;
        let numbers = |of: &[u64]| Arc::new(UInt64Array::from_iter_values(keys.iter().map(|key| of[*key as usize])));
        columns.push(numbers(&self.panes));
        columns.push(numbers(&self.since));
        columns.push(stored::times(keys.iter().map(|key| self.latest[*key as usize])));
        Ok(columns)
    }
}

impl Values for Rings {
    fn grow(&mut self, rows: usize) {
        self.aggregates.iter_mut().for_each(|a| a.grow(rows * self.ring));
        self.panes.resize(rows, 0);
        self.since.resize(rows, 0);
        self.latest.resize(rows, NEVER);
    }

    fn clear(&mut self, row: u32) {
        let row = row as usize;
        for place in row * self.ring..(row + 1) * self.ring {
            self.aggregates.iter_mut().for_each(|a| a.clear(place));
        }
        (self.panes[row], self.since[row], self.latest[row]) = (0, 0, NEVER);
    }

    fn encode(&self, row: u32, out: &mut Vec<u8>) {
        let row = row as usize;
        out.extend_from_slice(&self.panes[row].to_le_bytes());
        out.extend_from_slice(&self.since[row].to_le_bytes());
        out.extend_from_slice(&self.latest[row].to_le_bytes());
        for place in row * self.ring..(row + 1) * self.ring {
            self.aggregates.iter().for_each(|a| a.encode(place, out));
        }
    }

    fn decode(&mut self, row: u32, mut bytes: &[u8]) -> Result<()> {
        let row = row as usize;
        self.measured.note(1);
        self.panes[row] = u64::from_le_bytes(take_array(&mut bytes)?);
        self.since[row] = u64::from_le_bytes(take_array(&mut bytes)?);
        self.latest[row] = take_int(&mut bytes)?;
        for place in row * self.ring..(row + 1) * self.ring {
            self.aggregates.iter_mut().try_for_each(|a| a.decode(place, &mut bytes))?;
        }
        at_end(bytes)
    }

    fn bytes(&self) -> usize {
        let aggregates = || self.aggregates.iter().map(Accumulators::bytes).sum();
        self.measured.bytes(self.panes.len(), aggregates) + self.panes.capacity() * 24
    }

    fn fields(&self) -> Vec<Field> {
        let mut fields: Vec<Field> =
            stored::fields(&self.names, &self.aggregates).into_iter().map(stored::list_field).collect();
        fields.extend([mark_field(PANES_FULL, DataType::UInt64), mark_field(SINCE, DataType::UInt64)]);
        fields.push(time_mark_field(LATEST));
        fields
    }

    fn columns(&self, rows: &[u32], _rows_max: usize, _extent: Extent) -> Result<Columns> {
        Columns::of_rows(rows, &self.fields(), |rows| self.stored(rows))
    }

    fn set_columns(&mut self, rows: &[u32], _changes: &[Change], columns: &[ArrayRef]) -> Result<()> {
        let (lists, mut marks) =
            columns.split_at_checked(columns.len().saturating_sub(3)).ok_or_else(stored::lacking)?;
        let accumulators = lists.iter().map(|list| stored::values_of(list, self.ring)).collect::<Result<Vec<_>>>()?;
        let places = self.places(rows);
        if !stored::restore(&mut self.aggregates, &places, &accumulators)?.is_empty() {
            return Err(stored::lacking());
        }
        let (panes, since) = (stored::take_numbers(&mut marks)?, stored::take_numbers(&mut marks)?);
        let latest = stored::take_times(&mut marks)?;
        for (i, row) in rows.iter().enumerate() {
            let row = *row as usize;
            (self.panes[row], self.since[row], self.latest[row]) = (panes[i], since[i], latest[i]);
        }
        self.measured.note(rows.len());
        Ok(())
    }
}

/// Windows by number of rows on one worker.
pub(crate) struct RowWindows {
    /// Where panes end.
    every: Every,
    /// The number of panes between results.
    slide: u64,
    table: Table<Rings>,
    scratch: Vec<u32>,
}

impl RowWindows {
    /// Creates windows without keys. `size` and `slide` are numbers of rows, greater than 0, with `slide` at most `size`.
    pub(crate) fn new(plan: &Plan, store: &StateStore, size: u64, slide: u64) -> Self {
        let (slides, rest) = (size / slide, size % slide);
        let (every, panes, ring) = match rest {
            0 => (Every { rows: slide, cut: 0 }, 1, slides),
            // The window begins with the last part of a slide.
            rest => (Every { rows: slide, cut: slide - rest }, 2, 2 * slides + 1),
        };
        let aggregates = plan.aggregators.iter().map(Aggregator::accumulators).collect();
        let rings = Rings {
            aggregates,
            names: Arc::clone(&plan.aggregate_names),
            ring: ring as usize,
            panes: Vec::new(),
            since: Vec::new(),
            latest: Vec::new(),
            measured: Measured::default(),
        };
        RowWindows {
            every,
            slide: panes,
            table: Table::in_store(rings, store, PANES, SlotKind::Window),
            scratch: Vec::new(),
        }
    }

    /// Adds the results of keys whose current pane is full, and begins their next panes.
    fn full(&mut self, plan: &mut Plan, keys: &[u32], results: &mut Results) -> Result<()> {
        let (_, rings) = self.table.parts_mut();
        keys.iter().for_each(|key| rings.panes[*key as usize] += 1);
        let due: Vec<u32> =
            keys.iter().copied().filter(|key| rings.panes[*key as usize].is_multiple_of(self.slide)).collect();
        if !due.is_empty() {
            let first = results.keys.len() as u32;
            results.keys.extend(&due);
            results.latest.extend(due.iter().map(|key| rings.latest[*key as usize]));
            results.merged.grow(results.keys.len());
            // From the oldest pane to the latest.
            for back in (0..rings.ring).rev() {
                let pairs = due.iter().zip(first..).filter_map(|(key, group)| {
                    let pane = rings.panes[*key as usize].checked_sub(1 + back as u64)?;
                    let place = *key as usize * rings.ring + (pane % rings.ring as u64) as usize;
                    Some((place as u32, group))
                });
                let pairs: Vec<(u32, u32)> = pairs.collect();
                for (i, aggregator) in plan.aggregators.iter_mut().enumerate() {
                    aggregator.merge(&mut results.merged.aggregates[i], &rings.aggregates[i], &pairs)?;
                }
            }
        }
        // The next pane takes the place of the oldest.
        for key in keys {
            let place = rings.place(*key);
            rings.aggregates.iter_mut().for_each(|a| a.clear(place));
        }
        Ok(())
    }

    /// Appends the results to `emitted`.
    fn emit(&self, plan: &mut Plan, results: &mut Results, emitted: &mut Gathered) -> Result<()> {
        let empty = results.merged.fresh();
        let mut merged = std::mem::replace(&mut results.merged, empty);
        merged.latest = std::mem::take(&mut results.latest);
        let keys = std::mem::take(&mut results.keys);
        results.measured_at = 0;
        emitted.push(plan.results_of(
            self.table.index(),
            &merged,
            Some(&keys),
            None,
            WindowSpan::Latest,
            ResultKind::Final,
        )?)
    }
}

/// Results that will be emitted together.
struct Results {
    /// The accumulators of each result.
    merged: Accumulated,
    /// The key of each result.
    keys: Vec<u32>,
    /// The time of the latest row of each result.
    latest: Vec<i64>,
    /// The number of results when their memory was last measured.
    measured_at: usize,
}

impl Results {
    fn new(plan: &Plan) -> Self {
        Results { merged: Accumulated::new(plan), keys: Vec::new(), latest: Vec::new(), measured_at: 0 }
    }

    /// Whether the results fill a batch, or take more than [`RESULT_BYTES_MAX`].
    fn are_many(&mut self) -> bool {
        if self.keys.len() >= BATCH_ROWS_DEFAULT as usize {
            return true;
        }
        if self.keys.len() < self.measured_at + RESULTS_BETWEEN_MEASUREMENTS {
            return false;
        }
        self.measured_at = self.keys.len();
        self.merged.aggregates.iter().map(Accumulators::bytes).sum::<usize>() > RESULT_BYTES_MAX
    }
}

impl WindowState for RowWindows {
    fn add(&mut self, plan: &mut Plan, rows: &NewRows<'_>) -> Result<Added> {
        let (mut added, mut results, mut emitted) = (Added::default(), Results::new(plan), Gathered::default());
        let mut columns = LazyColumns::of(rows.batch);
        let mut keys_of_rows = std::mem::take(&mut self.scratch);
        rows_of(&mut self.table, &mut columns, &plan.key, rows.batch.row_count(), &mut keys_of_rows)?;
        for round in rounds(&keys_of_rows, &mut self.table.values_mut().since, self.every) {
            let rings = self.table.values_mut();
            rings.measured.note(round.rows.len());
            let some = round.of(rows, &keys_of_rows);
            let places: Vec<u32> = some.keys.iter().map(|key| rings.place(*key) as u32).collect();
            for (key, time) in some.keys.iter().zip(&some.times) {
                rings.latest[*key as usize] = rings.latest[*key as usize].max(*time);
            }
            let (mut columns, times) = (LazyColumns::of(&some.batch), Times::Each(&some.times));
            for (aggregator, accumulators) in plan.aggregators.iter_mut().zip(&mut rings.aggregates) {
                let failed = aggregator.update(accumulators, &places, &mut columns, times, rows.context)?;
                added.failures.extend(round.in_batch(failed));
            }
            self.full(plan, &round.full, &mut results)?;
            if results.are_many() {
                self.emit(plan, &mut results, &mut emitted)?;
            }
        }
        self.emit(plan, &mut results, &mut emitted)?;
        self.scratch = keys_of_rows;
        self.table.settle(0)?;
        Ok(Added { results: emitted.finish()?, ..added })
    }

    fn add_partials(&mut self, _plan: &mut Plan, _partials: &Batch) -> Result<(usize, Vec<Batch>)> {
        Err(Error::internal("windows by number of rows accept no partial aggregates"))
    }

    fn advance(&mut self, _watermark: EventTime) {}

    fn early(&mut self) {}

    fn next(&mut self, _plan: &mut Plan) -> Result<Option<Vec<Batch>>> {
        Ok(None)
    }

    fn next_firing(&self) -> Option<EventTime> {
        None
    }

    fn held(&self) -> Held {
        // A window that is not full when the input ends emits nothing.
        Held::Nothing
    }

    fn state(&mut self, plan: &Plan, visit: &mut dyn StateVisitor) -> Result<()> {
        visit.slot(SlotName { kind: SlotKind::Window, name: PANES }, &mut self.table.snapshots(&plan.key_fields))
    }

    fn open_windows(&self) -> usize {
        self.table.len()
    }

    fn open_groups(&self) -> usize {
        let since = &self.table.values().since;
        let open = self.table.index().live().filter(|key| since[*key as usize] > 0).count();
        // Spilled keys are not read: each counts, because it has had rows, and mostly not a whole number of panes.
        open + self.table.spilled_keys()
    }
}
