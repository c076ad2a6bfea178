//! Blocks of generated rows.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;

use super::column::ColumnMaker;
use crate::decode::checked_batch_rows;
use crate::limits;
use crate::problem::Problem;
use crate::settings as spec;
use crate::source::{Origin, Positions, SourceRows};
use flowgate_base::schema::{Field, Schema, SchemaRef};

/// Makes rows by number. A row follows from the seed, the column's position and the row's number alone (and the clock, for `now`
/// columns), so that rows are the same however they are divided.
#[derive(Debug)]
pub struct Generator {
    schema: SchemaRef,
    makers: Vec<ColumnMaker>,
    rows: Option<u64>,
    block_rows: u64,
    name: Arc<str>,
}

impl Generator {
    /// Creates the generator of a spec; the error lists all problems.
    ///
    /// A block has `batch_rows` rows, but at most the rows of 10 ms, where a `rate` is set, and at most 16 MiB of text in one
    /// column.
    pub fn new(spec: &spec::Generator) -> Result<Self, Vec<Problem>> {
        let mut wrong = Vec::new();
        let mut fields = Vec::new();
        let mut makers = Vec::new();
        if spec.columns.is_empty() {
            let message = "`columns` is empty: a generator needs at least one column, like { n: { sequence: {} } }";
            wrong.push(Problem::of("columns", message));
        }
        let of_column = |name: &str, what| Problem::of_entry("columns", name, format!("column `{name}`: {what}"));
        for (position, (name, column)) in spec.columns.iter().enumerate() {
            match ColumnMaker::new(column, spec.seed, position as u64) {
                Ok(maker) => {
                    let beyond = spec.rows.and_then(|rows| maker.beyond(rows));
                    wrong.extend(beyond.map(|what| of_column(name, what)));
                    fields.push(Field::new(name, maker.data_type()));
                    makers.push(maker);
                }
                Err(what) => wrong.push(of_column(name, what)),
            }
        }
        if spec.rate == Some(0) {
            wrong.push(Problem::of("rate", "`rate` is 0; it must be at least 1 row a second"));
        }
        let batch_rows = checked_batch_rows(spec.batch_rows, &mut wrong) as u64;
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let row_bytes = makers.iter().map(ColumnMaker::text_bytes_max).max().unwrap_or(0).max(1);
        let batch_rows = batch_rows.min(limits::GENERATED_BLOCK_BYTES_MAX / row_bytes).max(1);
        let block_rows = spec.rate.map_or(batch_rows, |rate| (rate / 100).clamp(1, batch_rows));
        let schema = Arc::new(Schema::new(fields));
        Ok(Generator { schema, makers, rows: spec.rows, block_rows, name: "generator".into() })
    }

    /// Returns the columns.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Returns the number of rows in every block but the last.
    pub fn block_rows(&self) -> u64 {
        self.block_rows
    }

    /// Returns the number of blocks, if there is an end.
    pub fn blocks(&self) -> Option<u64> {
        self.rows.map(|rows| rows.div_ceil(self.block_rows))
    }

    /// Returns the rows of a block, from row `block * block_rows` on. `None` behind the last one.
    pub fn fill(&self, block: u64) -> Option<SourceRows> {
        let first = block.checked_mul(self.block_rows)?;
        let end = first.checked_add(self.block_rows)?.min(self.rows.unwrap_or(u64::MAX));
        (first < end).then(|| self.range(first..end))
    }

    fn range(&self, rows: Range<u64>) -> SourceRows {
        let columns: Vec<ArrayRef> = self.makers.iter().map(|maker| maker.make(rows.clone())).collect();
        let origin = Origin { name: self.name.clone(), positions: Positions::From(rows.start) };
        SourceRows { columns, row_count: (rows.end - rows.start) as usize, origin, failures: Vec::new() }
    }
}
