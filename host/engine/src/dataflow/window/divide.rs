//! Divides the rows of a batch by pane.

use std::collections::BTreeMap;

use super::aggregate::Times;
use super::shape::{Shape, TIME_LIMIT_MS};
use crate::dataflow::batch::Batch;

/// Rows of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them.
    All,
    /// One after another: the first, and how many.
    Range(usize, usize),
    /// These.
    Rows(Vec<u32>),
}

/// The times of a part.
pub enum PartTimes<'a> {
    /// As those of the whole.
    Same,
    /// A stretch of those of the whole.
    Range(&'a [i64]),
    /// Picked out.
    Rows(Vec<i64>),
}

impl Part {
    /// How many.
    pub fn row_count(&self, batch: &Batch) -> usize {
        match self {
            Part::All => batch.row_count(),
            Part::Range(_, length) => *length,
            Part::Rows(rows) => rows.len(),
        }
    }

    /// The rows.
    pub fn of(&self, batch: &Batch) -> Batch {
        match self {
            Part::All => batch.clone(),
            Part::Range(start, length) => batch.slice(*start, *length),
            Part::Rows(rows) => batch.select(&rows.clone().into()),
        }
    }

    /// Their times.
    pub fn times<'a>(&self, times: Times<'a>) -> PartTimes<'a> {
        match (self, times) {
            (Part::All, _) | (_, Times::One(_)) => PartTimes::Same,
            (Part::Range(start, length), Times::Each(times)) => PartTimes::Range(&times[*start..*start + *length]),
            (Part::Rows(rows), Times::Each(times)) => {
                PartTimes::Rows(rows.iter().map(|row| times[*row as usize]).collect())
            }
        }
    }

    /// The place in the whole batch of a row of the part.
    pub fn outside(&self, row: u32) -> u32 {
        match self {
            Part::All => row,
            Part::Range(start, _) => *start as u32 + row,
            Part::Rows(rows) => rows[row as usize],
        }
    }
}

impl PartTimes<'_> {
    /// As times; `whole` are those of the whole batch.
    pub fn as_times<'a>(&'a self, whole: Times<'a>) -> Times<'a> {
        match self {
            PartTimes::Same => whole,
            PartTimes::Range(times) => Times::Each(times),
            PartTimes::Rows(times) => Times::Each(times),
        }
    }
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub struct Divided {
    /// By pane, in the order of panes.
    pub parts: Vec<(i64, Part)>,
    /// Rows that are late.
    pub late: Vec<u32>,
    /// Rows whose time is out of range.
    pub out_of_range: Vec<u32>,
}

/// Divides the rows of a batch; `fired_to` is the time up to which windows have fired.
pub fn divide(shape: &Shape, times: Times<'_>, row_count: usize, fired_to: Option<i64>) -> Divided {
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
        divided.parts.push((shape.pane_of(least), Part::All));
        return divided;
    }
    // For each pane, stretches of rows: start and length.
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
        // Times of neighbouring rows are mostly in the same pane, which is late for all or for none.
        let (pane, end) = shape.pane(time);
        let start = row;
        row += 1;
        while row < row_count && (pane..end).contains(&times.at(row)) {
            row += 1;
        }
        stretches.entry(pane).or_default().push((start, row - start));
    }
    let part = |stretches: Vec<(usize, usize)>| match stretches[..] {
        [(start, length)] => Part::Range(start, length),
        _ => {
            Part::Rows(stretches.iter().flat_map(|(start, length)| *start as u32..(*start + *length) as u32).collect())
        }
    };
    divided.parts = stretches.into_iter().map(|(pane, stretches)| (pane, part(stretches))).collect();
    divided
}
