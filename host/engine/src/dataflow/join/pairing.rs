//! The rows of a join's results: pairs, or the rows that a plugin's function returns for pairs.

use std::sync::Arc;

use arrow_array::{ArrayRef, new_null_array};

use super::layout::Layout;
use super::side::{Joined, LEFT, RIGHT};
use crate::dataflow::batch::{Batch, Column, repeat_timestamp};
use crate::dataflow::canary::beside::Given;
use crate::dataflow::canary::point::CanaryPoint;
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::expansion::Expansion;
use crate::dataflow::portions;
use crate::dataflow::slot::columns_for;
use crate::job::graph::{PairColumn, PairOutput, Read};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Schema};
use flowgate_wall::{Answer, CallContext, Function, RowsOut, Selection};

/// The columns of result rows. Positions are those of the sides' layouts.
pub(crate) struct Pairing {
    columns: Vec<PairColumn>,
    /// The types of the columns of each side's layout.
    types: [Vec<DataType>; 2],
    /// The length of a window.
    size_ms: i64,
    function: Option<PairFunction>,
    canary: Option<Arc<CanaryPoint>>,
    expansion: Option<Expansion>,
}

/// A plugin's function over pairs.
pub(crate) struct PairFunction {
    function: Function,
    reads: [Vec<Read>; 2],
    outputs: Vec<PairOutput>,
}

impl PairFunction {
    /// Creates it for sides of these layouts. Positions are those of the sides' schemas.
    pub(crate) fn new(
        function: Function,
        reads: [&[Read]; 2],
        outputs: &[PairOutput],
        layouts: &[Layout; 2],
    ) -> Result<Self> {
        let place = |side: usize| {
            let read = |read: &Read| Ok(Read { column: layouts[side].place(read.column)?, ..*read });
            reads[side].iter().map(read).collect::<Result<Vec<_>>>()
        };
        let outputs = outputs
            .iter()
            .map(|output| Ok(PairOutput { output: output.output, columns: placed(&output.columns, layouts)? }))
            .collect::<Result<Vec<_>>>()?;
        Ok(PairFunction { function, reads: [place(LEFT)?, place(RIGHT)?], outputs })
    }
}

/// Result rows for one output of the node.
pub(crate) struct OutputRows {
    /// The position of the output among those of the node.
    pub output: usize,
    /// The rows.
    pub rows: Batch,
}

/// Returns the layouts of both sides for results of these columns. `reads` are the columns that a function reads, by side.
pub(crate) fn layouts(columns: &[&[PairColumn]], reads: [&[Read]; 2], keys: &[(usize, usize)]) -> [Layout; 2] {
    let all = || columns.iter().flat_map(|columns| columns.iter());
    let left = all().filter_map(|column| match column {
        PairColumn::Left(l) | PairColumn::Key(l, _) => Some(*l),
        _ => None,
    });
    let right = all().filter_map(|column| match column {
        PairColumn::Right(r) | PairColumn::Key(_, r) => Some(*r),
        _ => None,
    });
    let read = |side: usize| reads[side].iter().map(|read| read.column);
    let key = |side: usize| keys.iter().map(|(l, r)| if side == LEFT { *l } else { *r }).collect::<Vec<_>>();
    [Layout::new(left.chain(read(LEFT)), &key(LEFT)), Layout::new(right.chain(read(RIGHT)), &key(RIGHT))]
}

/// Returns columns of the sides' schemas as those of their layouts.
pub(crate) fn placed(columns: &[PairColumn], layouts: &[Layout; 2]) -> Result<Vec<PairColumn>> {
    let place = |column: &PairColumn| {
        Ok(match column {
            PairColumn::Left(l) => PairColumn::Left(layouts[LEFT].place(*l)?),
            PairColumn::Right(r) => PairColumn::Right(layouts[RIGHT].place(*r)?),
            PairColumn::Key(l, r) => PairColumn::Key(layouts[LEFT].place(*l)?, layouts[RIGHT].place(*r)?),
            other => *other,
        })
    };
    columns.iter().map(place).collect()
}

/// Rows for pairs, without columns.
fn frame(joined: &Joined) -> Batch {
    let times = joined.event_time.clone().map(Column::from);
    Batch::new(Vec::new(), joined.row_count).with_event_time(times)
}

impl Pairing {
    /// Creates a pairing for results with these columns. Positions are those of the sides' schemas; `size_ms` is the length of a
    /// window.
    pub(crate) fn new(
        columns: &[PairColumn],
        layouts: &[Layout; 2],
        schemas: [&Schema; 2],
        size_ms: i64,
    ) -> Result<Self> {
        let types = [LEFT, RIGHT].map(|side| layouts[side].types(schemas[side]));
        Ok(Pairing {
            columns: placed(columns, layouts)?,
            types,
            size_ms,
            function: None,
            canary: None,
            expansion: None,
        })
    }

    /// Sets the function that makes the results.
    pub(crate) fn set_function(&mut self, function: PairFunction) {
        self.function = Some(function);
    }

    /// Sets how many rows the function may emit.
    pub(crate) fn within(self, expansion: Option<Expansion>) -> Self {
        Pairing { expansion, ..self }
    }

    /// Sets where a canary of the function is found.
    pub(crate) fn watched(self, canary: Arc<CanaryPoint>) -> Self {
        Pairing { canary: Some(canary), ..self }
    }

    /// Returns the result rows, and dead letters for the pairs that a function fails.
    pub(crate) fn assemble(
        &mut self,
        joined: Joined,
        context: &CallContext,
        dead_letters: &DeadLetters,
    ) -> Result<(Vec<OutputRows>, Batch)> {
        if self.function.is_none() {
            return Ok((vec![OutputRows { output: 0, rows: self.pairs(&joined)? }], Batch::default()));
        }
        let beside = self.canary.as_ref().and_then(|canary| canary.next_batch());
        let answer = self.call(&joined, context)?;
        if let Some(beside) = beside {
            let took = (joined.row_count, beside.took());
            beside.offer(Given::Pairs(Box::new(joined.clone())), Some(answer.clone()), *context, took);
        }
        let (mut results, mut rows_out) = (Vec::new(), 0);
        for (rows, shape) in answer.outputs.into_iter().zip(self.outputs()) {
            let rows = self.made(&joined, rows, &shape.columns)?;
            rows_out += rows.row_count();
            results.extend(portions::cut(rows).into_iter().map(|(rows, _)| OutputRows { output: shape.output, rows }));
        }
        if let Some(expansion) = &mut self.expansion {
            expansion.note(joined.row_count, rows_out)?;
        }
        let failures: Vec<(u32, String)> = answer.failures.into_iter().map(|f| (f.row, f.message)).collect();
        let letters = match failures.is_empty() {
            true => Batch::default(),
            false => dead_letters.of(&self.pairs(&joined)?, failures)?,
        };
        Ok((results, letters))
    }

    /// Calls the function over pairs.
    pub(crate) fn call(&mut self, joined: &Joined, context: &CallContext) -> Result<Answer> {
        let pairs = self.function.as_mut().ok_or_else(|| Error::internal("a function that is not there"))?;
        let mut inputs = Vec::with_capacity(2);
        for (side, rows) in [(LEFT, &joined.left), (RIGHT, &joined.right)] {
            inputs.push(columns_for(&pairs.reads[side], |column| match rows {
                Some(rows) => rows.columns()[column].gather(),
                None => Ok(new_null_array(&self.types[side][column].arrow(), joined.row_count)),
            })?);
        }
        pairs.function.join(&inputs[LEFT], &inputs[RIGHT], joined.row_count, context)
    }

    /// The outputs of the function.
    pub(crate) fn outputs(&self) -> &[PairOutput] {
        self.function.as_ref().map_or(&[], |pairs| &pairs.outputs)
    }

    /// Returns the rows of one output, of these columns, that a function made of pairs.
    pub(crate) fn made(&self, joined: &Joined, rows: RowsOut, columns: &[PairColumn]) -> Result<Batch> {
        let chosen = match rows.selection {
            Selection::All => joined.clone(),
            Selection::Rows(selected) => {
                let rows = selected.into();
                let select = |side: &Option<Batch>| side.as_ref().map(|batch| batch.select(&rows));
                let event_time = frame(joined).select(&rows).event_time().map(Column::gather).transpose()?;
                let (left, right) = (select(&joined.left), select(&joined.right));
                Joined { left, right, row_count: rows.len(), event_time, window: joined.window }
            }
        };
        Ok(frame(&chosen).with_columns(self.columns_of(columns, &chosen, &rows.columns)?))
    }

    /// Returns the columns of pairs.
    pub(crate) fn pairs(&self, joined: &Joined) -> Result<Batch> {
        Ok(frame(joined).with_columns(self.columns_of(&self.columns, joined, &[])?))
    }

    fn columns_of(&self, columns: &[PairColumn], joined: &Joined, made: &[ArrayRef]) -> Result<Vec<Column>> {
        let missing = || Error::internal("a join lacks a column of its result");
        let of = |side: usize, rows: &Option<Batch>, column: usize| match rows {
            Some(rows) => rows.columns().get(column).cloned().ok_or_else(missing),
            None => Ok(new_null_array(&self.types[side][column].arrow(), joined.row_count).into()),
        };
        let time = |offset: i64| {
            let window = joined.window.ok_or_else(missing)?;
            Ok(Column::from(repeat_timestamp(window.saturating_add(offset), joined.row_count)))
        };
        columns
            .iter()
            .map(|column| match column {
                PairColumn::Left(l) => of(LEFT, &joined.left, *l),
                PairColumn::Right(r) => of(RIGHT, &joined.right, *r),
                PairColumn::Key(l, _) if joined.left.is_some() => of(LEFT, &joined.left, *l),
                PairColumn::Key(_, r) => of(RIGHT, &joined.right, *r),
                PairColumn::Made(m) => made.get(*m).cloned().map(Column::from).ok_or_else(missing),
                PairColumn::WindowStart => time(0),
                PairColumn::WindowEnd => time(self.size_ms),
            })
            .collect()
    }
}
