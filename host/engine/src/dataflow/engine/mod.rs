//! Operators in the engine.
//!
//! The rest of the dataflow implements [`Operator`]. A [`shell::Shell`] wraps every operator: it merges and forwards signals,
//! and keeps messages that arrive after the operator has yielded or while its outputs are full. Both are pure. [`timely`] is
//! the engine that runs them.

mod load;
mod operator;
mod outputs;
mod shell;
mod stage;
mod timely;
mod wake;

pub use self::timely::TimelyStage;
pub use load::{Load, Ticket};
pub use operator::{Forward, Operator, Route, Tick};
pub use outputs::Outputs;
pub use shell::Ports;
#[cfg(test)]
pub(super) use shell::{Next, Seat, Shell};
pub use stage::{MakeOperator, MakeSource, SourceSeat, Stage};
pub use wake::Wake;
