//! The functions of the conformance suite, which `guest-sdk/conformance/README.md` describes, in Rust.

mod aggregate;
mod all_types;

mod join;
mod process;
mod rows;
mod settings;

use aggregate::Spread;
use all_types::every_type;
use join::priced;
use process::Visits;
use rows::{halves, parity, shout, traps, warm, words};
use settings::greet;

flowgate_sdk::plugin! {
    transforms: [warm, shout, words, halves, parity, traps, greet, every_type],
    aggregates: [Spread],
    joins: [priced],
    processes: [Visits],
}
