//! Worker processes as a node starts them: the real program, with an assignment.
#![cfg(target_os = "linux")]

mod checks;
mod fixture;
mod inspections;
mod runs;
mod secrets;
mod taps;
