//! Output rows of a process function: what passes through along the selection, what the key gives, and what was made.

use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::DataType;

use crate::dataflow::batch::{Batch, Column};
use crate::job::graph::{PairColumn, PairOutput};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_wall::{RowsOut, Selection};

/// The rows that an answer is about.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    /// Rows of this input.
    Rows(usize, &'a Batch),
    /// Timers; the columns are those of their keys.
    Timers(&'a Batch),
}

/// How one output is assembled.
pub struct Arrangement {
    /// Position among the node's outputs.
    pub output: usize,
    columns: Vec<Place>,
}

/// One column of the output.
struct Place {
    origin: Origin,
    data_type: DataType,
    /// Rows without a value, as many as were needed so far.
    absent: Option<ArrayRef>,
}

#[derive(Debug, Clone, Copy)]
enum Origin {
    /// A column of an input.
    Input { input: usize, column: usize },
    /// A column of the key, by its position in it and by its column on each input.
    Key { position: usize, columns: [usize; 2] },
    /// Made by the function.
    Made(usize),
}

impl Arrangement {
    /// Of an output with this schema, when the key's columns are at these positions of each input.
    pub fn new(output: &PairOutput, schema: &Schema, keys: &[Vec<usize>]) -> Result<Self> {
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
        let place = |(column, field): (&PairColumn, &flowgate_base::schema::Field)| {
            Ok(Place { origin: origin(column)?, data_type: field.data_type.arrow(), absent: None })
        };
        let columns = output.columns.iter().zip(&schema.fields).map(place).collect::<Result<_>>()?;
        Ok(Arrangement { output: output.output, columns })
    }

    /// The output rows: with the event time and the place of the given ones.
    pub fn rows(&mut self, given: Given<'_>, rows: RowsOut) -> Result<Batch> {
        let (Given::Rows(_, batch) | Given::Timers(batch)) = given;
        let kept = match rows.selection {
            Selection::All => batch.clone(),
            Selection::Rows(selected) => batch.select(&selected.into()),
        };
        let row_count = kept.row_count();
        let mut columns = Vec::with_capacity(self.columns.len());
        for place in &mut self.columns {
            let column = match (place.origin, given) {
                (Origin::Made(made), _) => rows.columns.get(made).cloned().map(Column::from),
                (Origin::Input { input, column }, Given::Rows(of, _)) if input == of => {
                    kept.columns().get(column).cloned()
                }
                (Origin::Input { .. }, _) => Some(place.absent(row_count).into()),
                (Origin::Key { columns, .. }, Given::Rows(input, _)) => {
                    columns.get(input).and_then(|column| kept.columns().get(*column)).cloned()
                }
                (Origin::Key { position, .. }, Given::Timers(_)) => kept.columns().get(position).cloned(),
            };
            columns.push(column.ok_or_else(|| Error::internal("an output lacks a column"))?);
        }
        Ok(kept.with_columns(columns))
    }
}

impl Place {
    fn absent(&mut self, row_count: usize) -> ArrayRef {
        match &self.absent {
            Some(array) if array.len() >= row_count => array.slice(0, row_count),
            _ => {
                let array = new_null_array(&self.data_type, row_count);
                self.absent = Some(array.clone());
                array
            }
        }
    }
}
