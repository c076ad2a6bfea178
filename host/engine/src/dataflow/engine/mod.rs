//! Operators in the engine.
//!
//! The rest of the dataflow implements [`Operator`]. A [`shell::Shell`] wraps every operator: it merges and forwards signals,
//! and keeps messages that arrive after the operator has yielded or while its outputs are full. Both are pure. [`timely`] is
//! the engine that runs them.

mod load;
mod operator;
mod outputs;
mod shell;
mod snapshot;
mod stage;
mod timely;
mod wake;

pub(crate) use self::timely::TimelyStage;
pub(crate) use load::{Load, Ticket};
pub use operator::Tick;
pub(crate) use operator::{Forward, Operator, Route};
pub(crate) use outputs::Outputs;
pub(crate) use shell::Ports;
#[cfg(test)]
pub(super) use shell::{Next, Seat, Shell};
pub(crate) use stage::{MakeOperator, MakeSource, SourceSeat, Stage};
pub(crate) use wake::Wake;
