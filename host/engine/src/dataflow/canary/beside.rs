//! The thread of a canary: it calls the new version with what the job's was called with, and compares.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::compare::{Answered, Made, Verdicts, compare, same};
use super::groups::{Groups, GroupsBeside};
use super::keys::{Keyed, KeysBeside};
use super::pairs::PairsBeside;
use super::point::{Call, Canary};
use super::report::{
    CanaryDifference, CanaryReport, ColumnDifference, DIFFERENCES_MAX, DifferenceOf, STATE_DIFFERENCES_MAX, Said,
};
use super::rows::RowsBeside;
use super::shape::ComparedOutput;
use crate::dataflow::batch::Batch;
use crate::dataflow::join::side::Joined;
use flowgate_base::error::{Error, Fault, Result};
use flowgate_base::schema::Schema;
use flowgate_connect::encode::{json_row, json_value};
use flowgate_wall::{Answer, RowsOut};

/// How often a canary without calls looks whether it goes on.
const LOOK: Duration = Duration::from_millis(50);

/// What the job's version was called with.
pub(crate) enum Given {
    /// Rows, of a transform.
    Rows(Batch),
    /// Pairs, of a join.
    Pairs(Box<Joined>),
    /// Accumulators and rows, of an aggregate.
    Groups(Box<Groups>),
    /// Rows or timers of keys, with their state, of a process function.
    Keyed(Box<Keyed>),
}

/// The new version, by kind of function.
pub(super) enum Beside {
    /// Of a transform.
    Rows(Box<RowsBeside>),
    /// Of a join.
    Pairs(Box<PairsBeside>),
    /// Of aggregates.
    Groups(GroupsBeside),
    /// Of a process function.
    Keys(Box<KeysBeside>),
}

impl Beside {
    /// The aggregates that are compared, by position.
    pub(super) fn aggregates(&self) -> BTreeSet<usize> {
        match self {
            Beside::Groups(beside) => beside.members.keys().copied().collect(),
            Beside::Rows(_) | Beside::Pairs(_) | Beside::Keys(_) => BTreeSet::new(),
        }
    }

    /// Calls the new version with what the job's was called with.
    ///
    /// # Errors
    /// A mistake of ours.
    fn run(&mut self, call: &mut Call) -> Result<Outcome<'_>> {
        match self {
            Beside::Rows(beside) => beside.run(call),
            Beside::Pairs(beside) => beside.run(call),
            Beside::Groups(beside) => beside.run(call),
            Beside::Keys(beside) => beside.run(call),
        }
    }
}

/// What both versions made of the same.
pub(super) struct Outcome<'a> {
    /// The outputs that are compared.
    pub(super) outputs: &'a [ComparedOutput],
    /// The number of given rows.
    pub(super) given: usize,
    /// What the version of the job made.
    pub(super) old: Answered,
    /// What the new one made.
    pub(super) new: Answered,
    /// The rows of its call, and its time.
    pub(super) new_took: (u64, Duration),
    /// Shows a given row.
    pub(super) shows: Shows,
    /// What both wrote to state.
    pub(super) states: Option<States>,
}

/// What both versions wrote to the state of keys.
pub(super) struct States {
    /// Shows a key.
    pub(super) keys: Shows,
    /// The keys.
    pub(super) count: u64,
    /// Where it differs, key by key.
    pub(super) differ: Vec<KeyDifference>,
}

/// What differs for one key.
pub(super) struct KeyDifference {
    /// Its number.
    pub(super) key: u32,
    /// The slot, or timers.
    pub(super) of: DifferenceOf,
    /// What differs of it.
    pub(super) columns: Vec<ColumnDifference>,
}

/// Rows of which one can be shown.
pub(super) struct Shows {
    pub(super) schema: Schema,
    pub(super) rows: Batch,
    /// For each given row, its row in the batch; `None`: it is that row.
    pub(super) places: Option<Vec<u32>>,
}

impl Shows {
    fn show(&self, given: u32) -> Result<String> {
        let row = self.places.as_ref().map_or(Some(given), |places| places.get(given as usize).copied());
        let row = row.ok_or_else(|| Error::internal("a given row that is not there"))?;
        Ok(json_row(&self.schema, &self.rows.select(&vec![row].into()).gather()?, 0))
    }
}

/// Returns what a version made of given rows, by its answer; `made` returns the rows of an output, by its position, with all of their columns.
/// `version` is 0 for that of the job, 1 for the new one. One that cannot go on has failed every row.
///
/// # Errors
/// The mistake is ours.
pub(super) fn answered(
    outputs: &[ComparedOutput],
    version: usize,
    given: usize,
    answer: Result<Answer>,
    mut made: impl FnMut(usize, RowsOut) -> Result<Batch>,
) -> Result<Answered> {
    let answer = match answer {
        Ok(Answer { gave_up: Some(error), .. }) | Err(error) => return gave_up(given, error),
        Ok(answer) => answer,
    };
    let of = |output: &ComparedOutput| {
        let at = output.at[version];
        let rows = answer.outputs.get(at).ok_or_else(|| Error::internal("an answer lacks an output"))?;
        let made = made(at, rows.clone())?;
        let column =
            |at: usize| made.columns().get(at).ok_or_else(|| Error::internal("an output lacks a column"))?.gather();
        let columns = output.columns.iter().map(|of| column(of.at[version])).collect::<Result<Vec<_>>>()?;
        Ok(Made { of: rows.selection.clone(), columns })
    };
    let outputs = outputs.iter().map(of).collect::<Result<Vec<_>>>()?;
    let failures = answer.failures.into_iter().map(|failure| (failure.row, failure.message)).collect();
    Ok(Answered { outputs, failures })
}

/// Returns the answer of a version that cannot go on: it has failed every given row.
///
/// # Errors
/// The mistake is ours.
pub(super) fn gave_up(given: usize, error: Error) -> Result<Answered> {
    if error.fault() == Fault::Internal {
        return Err(error);
    }
    let failures = (0..given as u32).map(|row| (row, error.message.clone())).collect();
    Ok(Answered { outputs: Vec::new(), failures })
}

/// Compares calls until the canary has ended. `goes_on` says why the job or the operator does not, if so.
pub(super) fn compare_calls(
    canary: &Arc<Canary>,
    mut beside: Beside,
    calls: &Receiver<Call>,
    goes_on: &dyn Fn() -> std::result::Result<(), &'static str>,
) {
    while !canary.is_over() {
        if let Err(why) = goes_on() {
            return canary.end(why);
        }
        let mut call = match calls.recv_timeout(LOOK) {
            Ok(call) => call,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let compared = canary.budget.spend(|| {
            let outcome = beside.run(&mut call)?;
            // What a version said to a canary that has ended may be that it was interrupted.
            if !canary.is_over() {
                note(canary, &call, &outcome)?;
            }
            Ok::<(), Error>(())
        });
        drop(call);
        canary.has_taken();
        if let Err(error) = compared {
            return canary.end(&format!("it cannot go on: {}", error.message));
        }
    }
}

/// Notes how the answers to a call compare.
fn note(canary: &Canary, call: &Call, outcome: &Outcome<'_>) -> Result<()> {
    let verdicts = compare(outcome.given, &outcome.old, &outcome.new);
    let room = canary.note(|report| {
        count(report, call, outcome, &verdicts);
        report.has_room()
    });
    if !room {
        return Ok(());
    }
    let mut found = Vec::new();
    let difference = |row: u32, output: usize, [old, new]: [Option<&String>; 2]| {
        difference(call.worker, outcome, row, output, [old, new])
    };
    for (row, why) in verdicts.new_failed.iter().take(DIFFERENCES_MAX) {
        found.push((*row, difference(*row, 0, [None, Some(why)])?));
    }
    for (row, why) in verdicts.old_failed.iter().take(DIFFERENCES_MAX) {
        found.push((*row, difference(*row, 0, [Some(why), None])?));
    }
    for (row, output) in verdicts.differ.iter().take(DIFFERENCES_MAX) {
        found.push((*row, difference(*row, *output, [None, None])?));
    }
    found.sort_by_key(|(row, _)| *row);
    if let Some(states) = &outcome.states {
        for KeyDifference { key, of, columns } in states.differ.iter().take(STATE_DIFFERENCES_MAX) {
            let (of, columns, given) = (of.clone(), columns.clone(), states.keys.show(*key)?);
            let worker = call.worker;
            found.push((*key, CanaryDifference { worker, of, given, columns, ..CanaryDifference::default() }));
        }
    }
    canary.note(|report| found.into_iter().for_each(|(_, difference)| report.add_difference(difference)));
    Ok(())
}

fn count(report: &mut CanaryReport, call: &Call, outcome: &Outcome<'_>, verdicts: &Verdicts) {
    report.calls += 1;
    report.rows += outcome.given as u64;
    report.equal += verdicts.equal;
    report.differ += verdicts.differ.len() as u64;
    report.old_failed += verdicts.old_failed.len() as u64;
    report.new_failed += verdicts.new_failed.len() as u64;
    verdicts.new_failed.iter().for_each(|(_, why)| report.add_reason(why));
    if let Some(states) = &outcome.states {
        let keys: BTreeSet<u32> = states.differ.iter().map(|of| of.key).collect();
        report.keys += states.count;
        report.state_differs += keys.len() as u64;
    }
    report.old_took.add(call.rows, call.took);
    report.new_took.add(outcome.new_took.0, outcome.new_took.1);
}

/// Returns what is shown of a given row that differs; `failed` is why the versions failed it.
fn difference(
    worker: u32,
    outcome: &Outcome<'_>,
    row: u32,
    output: usize,
    failed: [Option<&String>; 2],
) -> Result<CanaryDifference> {
    let of = outcome.outputs.get(output);
    let made = [&outcome.old, &outcome.new].map(|answered| answered.outputs.get(output));
    let rows = made.map(|made| made.map_or_else(Vec::new, |made| made.rows_of(row)));
    let said = |version: usize| match failed[version] {
        Some(why) => Said::Failed(why.clone()),
        None => Said::Rows(rows[version].len() as u64),
    };
    let columns = match (of, made) {
        (Some(of), [Some(old), Some(new)]) if failed == [None, None] => columns(of, [old, new], &rows),
        _ => Vec::new(),
    };
    Ok(CanaryDifference {
        worker,
        of: DifferenceOf::Output(of.map_or_else(String::new, |of| of.name.clone())),
        given: outcome.shows.show(row)?,
        old: said(0),
        new: said(1),
        columns,
    })
}

/// Returns the columns that differ in the first of the rows that do.
fn columns(of: &ComparedOutput, made: [&Made; 2], rows: &[Vec<u32>; 2]) -> Vec<ColumnDifference> {
    let value = |version: usize, at: usize, row: Option<u32>| {
        row.map(|row| json_value(of.columns[at].field.data_type, &made[version].columns[at], row as usize))
    };
    let is_same = |at: usize, pair: [Option<u32>; 2]| match pair {
        [Some(old), Some(new)] => same(&made[0].columns[at], old, &made[1].columns[at], new),
        _ => false,
    };
    for i in 0..rows[0].len().max(rows[1].len()) {
        let pair = [0, 1].map(|version| rows[version].get(i).copied());
        let differ = (0..of.columns.len()).filter(|at| !is_same(*at, pair)).map(|at| ColumnDifference {
            column: of.columns[at].field.name.clone(),
            old: value(0, at, pair[0]),
            new: value(1, at, pair[1]),
        });
        let differ: Vec<ColumnDifference> = differ.collect();
        if !differ.is_empty() {
            return differ;
        }
    }
    Vec::new()
}
