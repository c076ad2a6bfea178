//! A simulation of the engine, for tests: every order in which messages can arrive, instead of the one that a run happens to see.
//!
//! Operators form no circle, so that what an operator does follows from the order in which it takes the messages of its
//! channels, and nothing else. [`explore`] goes through a job operator by operator and worker by worker, and through all such
//! orders for each. Operators, shells and the merging of signals are the real ones; only [`stage`], the engine, and the
//! sources, which follow a script, are made for it.

pub(super) mod explore;
mod job_tests;
mod random_tests;
pub(super) mod script;
mod stage;
