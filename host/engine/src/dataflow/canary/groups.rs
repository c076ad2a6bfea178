//! Aggregates beside those of a job: each n-th call that counts rows in.
//!
//! Accumulators are the plugin's own bytes, which two versions may write differently. So both versions count the same rows into copies of
//! the same accumulators, and what is compared are their results.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::ArrayRef;

use super::beside::{Given, Outcome, Shows, gave_up};
use super::compare::{Answered, Made};
use super::point::Call;
use super::shape::{ComparedColumn, ComparedOutput};
use crate::dataflow::batch::Batch;
use crate::dataflow::window::aggregator::PluginAggregator;
use flowgate_base::clock;
use flowgate_base::error::{Error, Fault, Result};
use flowgate_base::schema::{Field, Schema};
use flowgate_wall::{RowFailure, Selection, Updated, VarValues};

/// A call that counted rows into accumulators.
pub(crate) struct Groups {
    /// Which aggregate of the window.
    pub(crate) aggregate: usize,
    /// The accumulators before.
    pub(crate) before: VarValues,
    /// The accumulator of each row.
    pub(crate) groups: Vec<u32>,
    /// The rows.
    pub(crate) rows: Batch,
    /// What the version of the job made of them.
    pub(crate) updated: Updated,
}

/// The new version of the aggregates of a window that differ.
pub(crate) struct GroupsBeside {
    /// The columns of the given rows.
    schema: Schema,
    /// By position in the window.
    pub(super) members: BTreeMap<usize, Member>,
}

/// One aggregate.
pub(super) struct Member {
    outputs: [ComparedOutput; 1],
    /// The version of the job, opened once more: its results must not count as calls of the job.
    old: PluginAggregator,
    new: PluginAggregator,
}

impl Member {
    /// Of the columns that each version's results have.
    pub(super) fn new(old: (PluginAggregator, &[Field]), new: (PluginAggregator, &[Field])) -> Member {
        let columns = old.1.iter().enumerate().filter_map(|(at, field)| {
            let new_at = new.1.iter().position(|of| of.name == field.name && of.data_type == field.data_type)?;
            Some(ComparedColumn { field: field.clone(), at: [at, new_at] })
        });
        let outputs = [ComparedOutput { name: String::new(), at: [0, 0], columns: columns.collect() }];
        Member { outputs, old: old.0, new: new.0 }
    }

    /// What is not compared.
    pub(super) fn notes(&self, aggregate: &str, fields: [&[Field]; 2]) -> Vec<String> {
        let compared = |field: &&Field| self.outputs[0].columns.iter().any(|column| column.field.name == field.name);
        let of = fields.into_iter().flatten().filter(|field| !compared(field)).map(|field| field.name.as_str());
        let names: BTreeSet<&str> = of.collect();
        names
            .into_iter()
            .map(|name| format!("only one version of `{aggregate}` has the column `{name}` of this type"))
            .collect()
    }
}

impl GroupsBeside {
    /// Of a window whose input has these columns.
    pub(super) fn new(schema: Schema, members: BTreeMap<usize, Member>) -> Self {
        GroupsBeside { schema, members }
    }

    pub(super) fn run(&mut self, call: &mut Call) -> Result<Outcome<'_>> {
        let Given::Groups(groups) = &call.given else {
            return Err(Error::internal("an aggregate is compared with another kind of function"));
        };
        let Member { outputs, old, new } = self
            .members
            .get_mut(&groups.aggregate)
            .ok_or_else(|| Error::internal("an aggregate is compared that does not change"))?;
        let (given, rows) = (groups.before.len(), groups.rows.row_count());
        let began = clock::monotonic();
        let updated = new.count_in(groups.before.clone(), &groups.groups, &groups.rows, &call.context);
        let took = began.elapsed();
        let results = |version: usize, columns: Vec<ArrayRef>| {
            let columns = outputs[0].columns.iter().map(|column| columns.get(column.at[version]).cloned());
            let columns =
                columns.collect::<Option<Vec<_>>>().ok_or_else(|| Error::internal("a result lacks a column"))?;
            Ok::<_, Error>(vec![Made { of: Selection::All, columns }])
        };
        let old_results = old.results(&groups.updated.accumulators);
        let mut ours = match old_results {
            Ok(columns) => Answered { outputs: results(0, columns)?, failures: Vec::new() },
            Err(error) => gave_up(given, error)?,
        };
        let finished = updated.and_then(|updated| Ok((new.results(&updated.accumulators)?, updated.failures)));
        let theirs = match finished {
            Ok((columns, failures)) => {
                let failed = by_group(&groups.groups, [&groups.updated.failures, &failures]);
                // Where the version of the job cannot say its results, it has failed all of them.
                if !ours.outputs.is_empty() {
                    ours.failures.clone_from(&failed[0]);
                }
                Answered { outputs: results(1, columns)?, failures: failed[1].clone() }
            }
            Err(error) if error.fault() == Fault::Internal => return Err(error),
            Err(error) => gave_up(given, error)?,
        };
        let mut places = vec![0; given];
        groups.groups.iter().enumerate().for_each(|(row, group)| places[*group as usize] = row as u32);
        let shows = Shows { schema: self.schema.clone(), rows: groups.rows.clone(), places: Some(places) };
        Ok(Outcome { outputs, given, old: ours, new: theirs, new_took: (rows as u64, took), shows, states: None })
    }
}

/// Returns the groups of which a version has failed rows that the other one has counted, and why.
fn by_group(groups: &[u32], failures: [&[RowFailure]; 2]) -> [Vec<(u32, String)>; 2] {
    [0, 1].map(|version| {
        let others: BTreeSet<u32> = failures[1 - version].iter().map(|failure| failure.row).collect();
        let mut failed: BTreeMap<u32, String> = BTreeMap::new();
        for failure in failures[version].iter().filter(|failure| !others.contains(&failure.row)) {
            if let Some(group) = groups.get(failure.row as usize) {
                failed.entry(*group).or_insert_with(|| failure.message.clone());
            }
        }
        failed.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_failed_where_only_one_version_failed_a_row_of_it() {
        let failed = |rows: &[u32]| -> Vec<RowFailure> {
            rows.iter().map(|row| RowFailure { row: *row, message: format!("no {row}") }).collect()
        };
        let groups = [0, 1, 0, 2, 1];
        let found = by_group(&groups, [&failed(&[0, 3]), &failed(&[0, 2, 4])]);
        assert_eq!(found[0], [(2, "no 3".to_string())]);
        assert_eq!(found[1], [(0, "no 2".to_string()), (1, "no 4".to_string())]);
    }
}
