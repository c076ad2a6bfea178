//! Operators in the engine.
//!
//! [`Operator`] is what the rest of the dataflow implements; [`shell::Shell`] is what every operator is in: it merges
//! signals, keeps what arrives while the operator is busy or its receivers are behind, and passes signals on. Both are
//! pure. [`timely`] is the engine that runs them.

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
