//! Divides the rows of a batch by pane.

use std::collections::BTreeMap;

use super::aggregate::Times;
use super::shape::{Shape, TIME_LIMIT_MS};
use crate::dataflow::batch::Batch;

/// Some rows of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RowSubset {
    /// All rows.
    All,
    /// Adjacent rows: the first row and the number of rows.
    Range(usize, usize),
    /// Rows by number.
    Rows(Vec<u32>),
}

/// The times of some rows of a batch.
pub(crate) enum SubsetTimes<'a> {
    /// The times of the whole batch.
    Same,
    /// The times of adjacent rows.
    Range(&'a [i64]),
    /// A copy of the times of selected rows.
    Rows(Vec<i64>),
}

impl RowSubset {
    /// Returns the number of rows.
    pub(crate) fn row_count(&self, batch: &Batch) -> usize {
        match self {
            RowSubset::All => batch.row_count(),
            RowSubset::Range(_, length) => *length,
            RowSubset::Rows(rows) => rows.len(),
        }
    }

    /// Returns these rows of a batch.
    pub(crate) fn of(&self, batch: &Batch) -> Batch {
        match self {
            RowSubset::All => batch.clone(),
            RowSubset::Range(start, length) => batch.slice(*start, *length),
            RowSubset::Rows(rows) => batch.select(&rows.clone().into()),
        }
    }

    /// Returns the times of these rows, of the times of the whole batch.
    pub(crate) fn times<'a>(&self, times: Times<'a>) -> SubsetTimes<'a> {
        match (self, times) {
            (RowSubset::All, _) | (_, Times::One(_)) => SubsetTimes::Same,
            (RowSubset::Range(start, length), Times::Each(times)) => {
                SubsetTimes::Range(&times[*start..*start + *length])
            }
            (RowSubset::Rows(rows), Times::Each(times)) => {
                SubsetTimes::Rows(rows.iter().map(|row| times[*row as usize]).collect())
            }
        }
    }

    /// Returns the row number in the whole batch.
    pub(crate) fn in_batch(&self, row: u32) -> u32 {
        match self {
            RowSubset::All => row,
            RowSubset::Range(start, _) => *start as u32 + row,
            RowSubset::Rows(rows) => rows[row as usize],
        }
    }
}

impl SubsetTimes<'_> {
    /// Borrows the times; `whole` are the times of the whole batch.
    pub(crate) fn as_times<'a>(&'a self, whole: Times<'a>) -> Times<'a> {
        match self {
            SubsetTimes::Same => whole,
            SubsetTimes::Range(times) => Times::Each(times),
            SubsetTimes::Rows(times) => Times::Each(times),
        }
    }
}

/// The rows of a batch, by pane.
#[derive(Debug, Default)]
pub(crate) struct Divided {
    /// The start of each pane and its rows, in the order of panes.
    pub parts: Vec<(i64, RowSubset)>,
    /// Rows that are late.
    pub late: Vec<u32>,
    /// Rows whose time is out of range.
    pub out_of_range: Vec<u32>,
}

/// Divides the rows of a batch; `fired_to` is the watermark up to which windows have fired.
pub(crate) fn divide(shape: &Shape, times: Times<'_>, row_count: usize, fired_to: Option<i64>) -> Divided {
    let mut divided = Divided::default();
    if row_count == 0 {
        return divided;
    }
    let (least, greatest) = match times {
        Times::One(time) => (time, time),
        Times::Each(times) => times.iter().fold((i64::MAX, i64::MIN), |(l, g), t| (l.min(*t), g.max(*t))),
    };
    let in_range = least >= -TIME_LIMIT_MS && greatest <= TIME_LIMIT_MS;
    let on_time = in_range && fired_to.is_none_or(|w| !shape.is_late(least, w));
    if on_time && shape.pane_of(least) == shape.pane_of(greatest) {
        divided.parts.push((shape.pane_of(least), RowSubset::All));
        return divided;
    }
    // For each pane, ranges of rows: start and length.
    let mut stretches: BTreeMap<i64, Vec<(usize, usize)>> = BTreeMap::new();
    let mut row = 0;
    while row < row_count {
        let time = times.at(row);
        if !(-TIME_LIMIT_MS..=TIME_LIMIT_MS).contains(&time) {
            divided.out_of_range.push(row as u32);
            row += 1;
            continue;
        }
        if fired_to.is_some_and(|w| shape.is_late(time, w)) {
            divided.late.push(row as u32);
            row += 1;
            continue;
        }
        // Adjacent rows are mostly in the same pane, which is late for all of them or for none.
        let (pane, end) = shape.pane(time);
        let start = row;
        row += 1;
        while row < row_count && (pane..end).contains(&times.at(row)) {
            row += 1;
        }
        stretches.entry(pane).or_default().push((start, row - start));
    }
    let part = |stretches: Vec<(usize, usize)>| match stretches[..] {
        [(start, length)] => RowSubset::Range(start, length),
        _ => RowSubset::Rows(
            stretches.iter().flat_map(|(start, length)| *start as u32..(*start + *length) as u32).collect(),
        ),
    };
    divided.parts = stretches.into_iter().map(|(pane, stretches)| (pane, part(stretches))).collect();
    divided
}
