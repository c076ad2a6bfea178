//! The output rows of a process function: columns that pass through, of the key, and made by the function.

use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::DataType;

use crate::dataflow::batch::{Batch, Column};
use crate::job::graph::{PairColumn, PairOutput};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_wall::{RowsOut, Selection};

/// The input of the call that an answer is for.
#[derive(Clone, Copy)]
pub(crate) enum CallInput<'a> {
    /// Rows of an input, by its position.
    Rows(usize, &'a Batch),
    /// Timers, with the columns of their keys.
    Timers(&'a Batch),
}

/// The columns of one output, with their origins.
pub(crate) struct Arrangement {
    /// The position of the output among those of the node.
    pub output: usize,
    columns: Vec<OutputColumn>,
}

/// One column of the output.
struct OutputColumn {
    origin: Origin,
    data_type: DataType,
    /// Nulls, for the greatest number of rows that was needed so far.
    nulls: Option<ArrayRef>,
}

#[derive(Debug, Clone, Copy)]
enum Origin {
    /// A column of an input, which passes through.
    Input { input: usize, column: usize },
    /// A column of the key, by its position in the key and its column on each input.
    Key { position: usize, columns: [usize; 2] },
    /// A column that the function makes, by its position among those.
    Made(usize),
}

impl Arrangement {
    /// Creates the arrangement of an output with this schema. `keys` are the positions of the key columns on each input.
    pub(crate) fn new(output: &PairOutput, schema: &Schema, keys: &[Vec<usize>]) -> Result<Self> {
        let origin = |column: &PairColumn| {
            Ok(match *column {
                PairColumn::Left(column) => Origin::Input { input: 0, column },
                PairColumn::Right(column) => Origin::Input { input: 1, column },
                PairColumn::Made(made) => Origin::Made(made),
                PairColumn::Key(left, right) => {
                    let is = |position: &usize| {
                        let on = |input: usize| keys.get(input).and_then(|key| key.get(*position)).copied();
                        on(0) == Some(left) && on(1).is_none_or(|column| column == right)
                    };
                    let position = (0..keys.first().map_or(0, Vec::len)).find(is);
                    let position = position.ok_or_else(|| Error::internal("a key column that is not in the key"))?;
                    Origin::Key { position, columns: [left, right] }
                }
                PairColumn::WindowStart | PairColumn::WindowEnd => {
                    return Err(Error::internal("a process function without windows has a window's column"));
                }
            })
        };
        let column = |(column, field): (&PairColumn, &flowgate_base::schema::Field)| {
            Ok(OutputColumn { origin: origin(column)?, data_type: field.data_type.arrow(), nulls: None })
        };
        let columns = output.columns.iter().zip(&schema.fields).map(column).collect::<Result<_>>()?;
        Ok(Arrangement { output: output.output, columns })
    }

    /// Returns the output rows, with the event time and the position of the rows of the call.
    pub(crate) fn rows(&mut self, input: CallInput<'_>, rows: RowsOut) -> Result<Batch> {
        let (CallInput::Rows(_, batch) | CallInput::Timers(batch)) = input;
        let kept = match rows.selection {
            Selection::All => batch.clone(),
            Selection::Rows(selected) => batch.select(&selected.into()),
        };
        let row_count = kept.row_count();
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let values = match (column.origin, input) {
                (Origin::Made(made), _) => rows.columns.get(made).cloned().map(Column::from),
                (Origin::Input { input, column }, CallInput::Rows(of, _)) if input == of => {
                    kept.columns().get(column).cloned()
                }
                (Origin::Input { .. }, _) => Some(column.nulls(row_count).into()),
                (Origin::Key { columns, .. }, CallInput::Rows(input, _)) => {
                    columns.get(input).and_then(|column| kept.columns().get(*column)).cloned()
                }
                (Origin::Key { position, .. }, CallInput::Timers(_)) => kept.columns().get(position).cloned(),
            };
            columns.push(values.ok_or_else(|| Error::internal("an output lacks a column"))?);
        }
        Ok(kept.with_columns(columns))
    }
}

impl OutputColumn {
    fn nulls(&mut self, row_count: usize) -> ArrayRef {
        match &self.nulls {
            Some(array) if array.len() >= row_count => array.slice(0, row_count),
            _ => {
                let array = new_null_array(&self.data_type, row_count);
                self.nulls = Some(array.clone());
                array
            }
        }
    }
}
