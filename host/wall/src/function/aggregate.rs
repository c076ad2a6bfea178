//! Calls of aggregates.

use std::time::Duration;

use arrow_array::ArrayRef;

use super::opened::Function;
use super::rows::row_number;
use crate::columns_in::columns_in;
use crate::columns_out;
use crate::columns_out::Updated;
use crate::host_state::CallContext;
use crate::pieces;
use crate::recorded::Given;
use crate::search::Stop;
use crate::wire::VarValues;
use flowgate_base::error::{Error, Result};

impl Function {
    /// Adds row `i` of the input to accumulator `groups[i]`, for each of `row_count` rows. `input` as in
    /// [`Function::transform`]. Rows that fail or trap are among the failures and in no accumulator.
    pub fn update(
        &mut self,
        accumulators: VarValues,
        groups: &[u32],
        input: &[ArrayRef],
        row_count: usize,
        context: &CallContext,
    ) -> Result<Updated> {
        let updated = self.update_all(accumulators, groups, input, row_count, context);
        self.tell_trap();
        updated
    }

    fn update_all(
        &mut self,
        accumulators: VarValues,
        groups: &[u32],
        input: &[ArrayRef],
        row_count: usize,
        context: &CallContext,
    ) -> Result<Updated> {
        let limits = self.plugin.wall.limits.clone();
        let greatest = groups.iter().fold(0, |max, &group| max.max(group)) as usize;
        if groups.len() != row_count || (row_count > 0 && greatest >= accumulators.len()) {
            return Err(Error::internal(format!("{} groups for {row_count} rows", groups.len())));
        }
        if row_count == 0 {
            return Ok(Updated { accumulators, failures: Vec::new() });
        }
        if accumulators.data.len() > limits.input_bytes_max && accumulators.len() > 1 {
            return self.update_by_groups(&accumulators, groups, input, context);
        }
        let trapped = match self.update_once(&accumulators, groups, input, row_count, context, limits.deadline()) {
            Ok(updated) => return Ok(updated),
            Err(Stop::Operator(error) | Stop::GaveUp(error)) => return Err(error),
            Err(Stop::Trapped(trapped)) => trapped,
        };
        let mut accumulators = accumulators;
        let mut failed = Vec::new();
        let searched = self.search(row_count, trapped, |function, rows, deadline| {
            let part = pieces::slice(input, &rows);
            let groups = groups.get(rows.clone()).unwrap_or_default();
            let updated = function.update_once(&accumulators, groups, &part, rows.len(), context, deadline)?;
            accumulators = updated.accumulators;
            failed.extend(pieces::shifted(updated.failures, rows.start));
            Ok(())
        })?;
        if let Some(error) = searched.gave_up {
            return Err(error);
        }
        failed.extend(searched.failures);
        failed.sort_by_key(|failure| failure.row);
        Ok(Updated { accumulators, failures: failed })
    }

    /// Merges accumulators: number `i` of the answer stands for the rows of `left[i]` and `right[i]`.
    pub fn merge(&mut self, left: &VarValues, right: &VarValues) -> Result<VarValues> {
        if left.len() != right.len() {
            return Err(Error::internal(format!("{} accumulators to merge with {}", left.len(), right.len())));
        }
        let limits = self.plugin.wall.limits.clone();
        let mut merged = VarValues::empty(0);
        for part in pieces::by_bytes(&[left, right], limits.input_bytes_max) {
            let (l, r) = (left.slice(part.start, part.end), right.slice(part.start, part.end));
            let raw = self.call(limits.deadline(), &CallContext::default(), |guest, store| guest.merge(store, &l, &r));
            let values = raw
                .and_then(|raw| self.accept(columns_out::accumulators(raw, part.len(), limits.accumulator_bytes_max)));
            let given = |_: &Function| Ok(Some(Given::Merge { left: l, right: r }));
            let values = self.note_trap(values, &CallContext::default(), given);
            self.tell_trap();
            merged.append(&values.map_err(|stop| self.stopped("merge accumulators", stop))?)?;
        }
        Ok(merged)
    }

    /// Returns the results: one row for each accumulator, columns as in the binding's output.
    pub fn finish(&mut self, accumulators: &VarValues) -> Result<Vec<ArrayRef>> {
        let limits = self.plugin.wall.limits.clone();
        let makes = self.makes.clone();
        let fields = makes.first().map(Vec::as_slice).unwrap_or_default();
        let mut parts = Vec::new();
        for part in pieces::by_bytes(&[accumulators], limits.input_bytes_max) {
            let values = accumulators.slice(part.start, part.end);
            let raw =
                self.call(limits.deadline(), &CallContext::default(), |guest, store| guest.finish(store, &values));
            let columns = raw.and_then(|raw| self.accept(columns_out::columns(raw, fields, part.len())));
            let given = |_: &Function| Ok(Some(Given::Finish { accumulators: values }));
            let columns = self.note_trap(columns, &CallContext::default(), given);
            self.tell_trap();
            parts.push(columns.map_err(|stop| self.stopped("finish accumulators", stop))?);
        }
        pieces::concat(&parts, fields)
    }

    fn update_once(
        &mut self,
        accumulators: &VarValues,
        groups: &[u32],
        input: &[ArrayRef],
        row_count: usize,
        context: &CallContext,
        deadline: Duration,
    ) -> std::result::Result<Updated, Stop> {
        let columns = columns_in(input, self.reads_of(0), row_count).map_err(Stop::Operator)?;
        let rows = row_number(row_count)?;
        let raw =
            self.call(deadline, context, |guest, store| guest.update(store, accumulators, groups, rows, &columns));
        let (accumulator_bytes, message_bytes) =
            (self.plugin.wall.limits.accumulator_bytes_max, self.plugin.wall.limits.message_bytes_max);
        let count = accumulators.len();
        let updated = raw
            .and_then(|raw| self.accept(columns_out::updated(raw, count, row_count, accumulator_bytes, message_bytes)));
        self.note_trap(updated, context, |function| {
            // With fewer accumulators, it would be another call.
            let is_small = accumulators.data.len() <= function.plugin.wall.limits.recorded_state_bytes_max;
            Ok(is_small.then(|| Given::Update {
                accumulators: accumulators.clone(),
                groups: groups.to_vec(),
                input: function.rows_of(0, input, row_count),
            }))
        })
    }

    /// For accumulators that are too much for one call: some groups at a time, with the rows that belong to them.
    fn update_by_groups(
        &mut self,
        accumulators: &VarValues,
        groups: &[u32],
        input: &[ArrayRef],
        context: &CallContext,
    ) -> Result<Updated> {
        let max = self.plugin.wall.limits.input_bytes_max;
        let mut all = Updated { accumulators: VarValues::empty(0), failures: Vec::new() };
        for part in pieces::by_bytes(&[accumulators], max) {
            let rows: Vec<u32> = (0_u32..)
                .zip(groups)
                .filter(|(_, group)| part.contains(&(**group as usize)))
                .map(|(row, _)| row)
                .collect();
            let own: Vec<u32> = groups
                .iter()
                .filter(|group| part.contains(&(**group as usize)))
                .map(|group| group - part.start as u32)
                .collect();
            let columns = pieces::take(input, &rows)?;
            let updated =
                self.update_all(accumulators.slice(part.start, part.end), &own, &columns, rows.len(), context)?;
            all.accumulators.append(&updated.accumulators)?;
            for mut failure in updated.failures {
                failure.row = rows.get(failure.row as usize).copied().unwrap_or(failure.row);
                all.failures.push(failure);
            }
        }
        all.failures.sort_by_key(|failure| failure.row);
        Ok(all)
    }
}
