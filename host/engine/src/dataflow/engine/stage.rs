//! Where the operators of one worker are connected.

use std::cell::Cell;
use std::rc::Rc;

use super::operator::{Operator, Route, Tick};
use super::wake::Wake;
use crate::dataflow::source::SourceOperator;
use flowgate_base::error::Result;

/// Makes an operator, when it can be woken.
pub type MakeOperator<'a> = Box<dyn FnOnce(Wake) -> Box<dyn Operator> + 'a>;

/// Makes a source, when it has its seat.
pub type MakeSource<'a> = Box<dyn FnOnce(SourceSeat) -> Result<SourceOperator> + 'a>;

/// What a source is told of the engine.
pub struct SourceSeat {
    /// Has the source scheduled.
    pub wake: Wake,
    /// Whether rows of this tick are still in flight somewhere in the job.
    pub is_in_flight: Rc<dyn Fn(Tick) -> bool>,
    /// Set by the source while it waits for rows in flight to be done: it is woken when some are.
    pub waits: Rc<Cell<bool>>,
}

/// The engine, as far as putting a dataflow together needs it. In tests, a simulation takes its place.
pub trait Stage {
    /// A stream of messages.
    type Edge: Clone;

    /// How many workers the job has.
    fn workers(&self) -> usize;

    /// Which of them this is.
    fn worker(&self) -> usize;

    /// Puts an operator behind its inputs. Returns its outputs' streams, one for each route.
    fn add(
        &mut self,
        name: &str,
        inputs: Vec<(Self::Edge, Route)>,
        outputs: &[Route],
        make: MakeOperator<'_>,
    ) -> Vec<Self::Edge>;

    /// Puts a source into the dataflow. Returns its main output and its dead letters.
    ///
    /// # Errors
    /// What `make` returns.
    fn source(&mut self, name: &str, make: MakeSource<'_>) -> Result<Vec<Self::Edge>>;

    /// Says that rows are in flight until they are done here: at a sink.
    fn finish(&mut self, edge: &Self::Edge);
}
