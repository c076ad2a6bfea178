#![doc = include_str!("../README.md")]

mod alert;
#[cfg(test)]
mod alert_tests;
mod config;
mod rule;

pub use alert::{Alert, AlertState, Notice};
pub use config::{AlertConfig, RuleConfig, Span};
pub use rule::Active;

flowgate_sdk::plugin! { processes: [Alert] }
