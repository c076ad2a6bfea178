//! A transform beside that of a job: each n-th of its batches.

use super::beside::{Given, Outcome, Shows, answered};
use super::point::Call;
use super::shape::{Compared, compared};
use crate::dataflow::slot::{assemble, columns_for, gather};
use crate::dataflow::swap::fresh::FreshTransform;
use crate::job::graph::{ColumnOrigin, Node, PairColumn, PairOutput, TransformOutput};
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// A transform's new version.
pub(crate) struct RowsBeside {
    compared: Compared,
    /// The columns of the given rows.
    schema: Schema,
    /// The outputs of the version of the job.
    outputs: Vec<TransformOutput>,
    new: FreshTransform,
}

/// Returns outputs as those of a function with two inputs, of which it has the first.
fn as_pairs(outputs: &[TransformOutput]) -> Vec<PairOutput> {
    let column = |origin: &ColumnOrigin| match origin {
        ColumnOrigin::Input(column) => PairColumn::Left(*column),
        ColumnOrigin::Made(made) => PairColumn::Made(*made),
    };
    let output =
        |of: &TransformOutput| PairOutput { output: of.output, columns: of.columns.iter().map(column).collect() };
    outputs.iter().map(output).collect()
}

impl RowsBeside {
    /// Of a node as it runs, with these outputs, and as it is checked with the new version. `schema` is that of its input.
    pub(super) fn new(nodes: [&Node; 2], outputs: &[TransformOutput], schema: Schema, new: FreshTransform) -> Self {
        let compared = compared(nodes, [&as_pairs(outputs), &as_pairs(&new.outputs)]);
        RowsBeside { compared, schema, outputs: outputs.to_vec(), new }
    }

    /// What is not compared.
    pub(super) fn notes(&self) -> &[String] {
        &self.compared.notes
    }

    pub(super) fn run(&mut self, call: &mut Call) -> Result<Outcome<'_>> {
        let (Given::Rows(batch), Some(old)) = (&call.given, call.answer.take()) else {
            return Err(Error::internal("a transform is compared with another kind of function"));
        };
        let given = batch.row_count();
        let outputs = &self.compared.outputs;
        let shape = |outputs: &[TransformOutput], at: usize, rows| {
            assemble(batch, rows, &outputs.get(at).ok_or_else(missing)?.columns)
        };
        let old = answered(outputs, 0, given, Ok(old), |at, rows| shape(&self.outputs, at, rows))?;
        let input = columns_for(&self.new.reads, |column| gather(batch, column))?;
        let began = clock::monotonic();
        let answer = self.new.function.transform(&input, given, &call.context);
        let took = began.elapsed();
        let new = answered(outputs, 1, given, answer, |at, rows| shape(&self.new.outputs, at, rows))?;
        let shows = Shows { schema: self.schema.clone(), rows: batch.clone(), places: None };
        Ok(Outcome { outputs, given, old, new, new_took: (given as u64, took), shows, states: None })
    }
}

fn missing() -> Error {
    Error::internal("an answer lacks an output")
}
