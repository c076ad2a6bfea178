//! The stage on which the operators of one worker are connected.

use std::cell::Cell;
use std::rc::Rc;

use super::operator::{Operator, Route, Tick};
use super::wake::Wake;
use crate::dataflow::checkpoint::state::Owned;
use crate::dataflow::source::SourceOperator;
use flowgate_base::error::Result;
use flowgate_base::id::Worker;

/// Makes an operator, given its wake.
pub(crate) type MakeOperator<'a> = Box<dyn FnOnce(Wake) -> Box<dyn Operator> + 'a>;

/// Makes a source, given its seat.
pub(crate) type MakeSource<'a> = Box<dyn FnOnce(SourceSeat) -> Result<SourceOperator> + 'a>;

/// A source's access to the engine.
pub(crate) struct SourceSeat {
    /// Schedules the source.
    pub wake: Wake,
    /// Whether rows of this tick are still in flight somewhere in the job.
    pub is_in_flight: Rc<dyn Fn(Tick) -> bool>,
    /// Set by the source while it waits for rows in flight: it is woken when some are done.
    pub waits: Rc<Cell<bool>>,
}

/// The engine, as far as building a dataflow needs it. In tests, a simulation takes its place.
pub(crate) trait Stage {
    /// A stream of messages.
    type Edge: Clone;

    /// The number of workers of the job.
    fn workers(&self) -> usize;

    /// This worker.
    fn worker(&self) -> Worker;

    /// Adds an operator behind its inputs. `name` is unique; `owned` is the state that this worker has of it. Returns the streams of its
    /// outputs, one for each route.
    ///
    /// # Errors
    /// The state of the checkpoint from which the job continues cannot be read.
    fn add(
        &mut self,
        name: &str,
        inputs: Vec<(Self::Edge, Route)>,
        outputs: &[Route],
        owned: &Owned,
        make: MakeOperator<'_>,
    ) -> Result<Vec<Self::Edge>>;

    /// Adds a source. Returns its main output and its dead letters.
    ///
    /// # Errors
    /// Those of `make`.
    fn source(&mut self, name: &str, make: MakeSource<'_>) -> Result<Vec<Self::Edge>>;

    /// Ends the dataflow at a sink: rows are in flight until they are done here.
    fn finish(&mut self, edge: &Self::Edge);
}
