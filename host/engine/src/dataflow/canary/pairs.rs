//! A join function beside that of a job: each n-th of the batches of pairs.

use super::beside::{Given, Outcome, Shows, answered};
use super::point::Call;
use super::shape::{Compared, compared};
use crate::dataflow::build::{join_layouts, pair_schema};
use crate::dataflow::join::pairing::{PairFunction, Pairing, placed};
use crate::job::graph::{JoinBound, JoinNode, Node, PairOutput};
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// A join function's new version.
pub(crate) struct PairsBeside {
    compared: Compared,
    /// The columns of a pair, to show it.
    schema: Schema,
    /// The outputs of the version of the job; positions are those of the sides' layouts.
    outputs: Vec<PairOutput>,
    /// Makes rows, with the new version.
    pairing: Pairing,
}

impl PairsBeside {
    /// Of a node as it runs and as it is checked with the new version. `schemas` are those of its inputs.
    pub(super) fn new(nodes: [&Node; 2], of: [&JoinNode; 2], schemas: [&Schema; 2], new: PairFunction) -> Result<Self> {
        let outputs = of.map(|of| of.function.as_ref().map_or(&[][..], |(_, outputs)| outputs));
        let compared = compared(nodes, outputs);
        // Those of both versions are the same: else the rows that the join keeps would not have the columns.
        let (layouts, _) = join_layouts(of[0]);
        let size_ms = match of[0].bound {
            JoinBound::Window { size_ms, .. } => size_ms,
            JoinBound::Interval { .. } | JoinBound::Unbounded { .. } => 0,
        };
        let mut pairing = Pairing::new(&of[0].columns, &layouts, schemas, size_ms)?;
        pairing.set_function(new);
        let output = |of: &PairOutput| Ok(PairOutput { output: of.output, columns: placed(&of.columns, &layouts)? });
        Ok(PairsBeside {
            compared,
            schema: pair_schema(&of[0].columns, schemas)?,
            outputs: outputs[0].iter().map(output).collect::<Result<_>>()?,
            pairing,
        })
    }

    /// What is not compared.
    pub(super) fn notes(&self) -> &[String] {
        &self.compared.notes
    }

    pub(super) fn run(&mut self, call: &mut Call) -> Result<Outcome<'_>> {
        let (Given::Pairs(pairs), Some(old)) = (&call.given, call.answer.take()) else {
            return Err(Error::internal("a join function is compared with another kind of function"));
        };
        let (given, outputs) = (pairs.row_count, &self.compared.outputs);
        let missing = || Error::internal("an answer lacks an output");
        let old = answered(outputs, 0, given, Ok(old), |at, rows| {
            self.pairing.made(pairs, rows, &self.outputs.get(at).ok_or_else(missing)?.columns)
        })?;
        let began = clock::monotonic();
        let answer = self.pairing.call(pairs, &call.context);
        let took = began.elapsed();
        let new = answered(outputs, 1, given, answer, |at, rows| {
            self.pairing.made(pairs, rows, &self.pairing.outputs().get(at).ok_or_else(missing)?.columns)
        })?;
        let shows = Shows { schema: self.schema.clone(), rows: self.pairing.pairs(pairs)?, places: None };
        Ok(Outcome { outputs, given, old, new, new_took: (given as u64, took), shows, states: None })
    }
}
