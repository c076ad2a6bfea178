#![doc = include_str!("../README.md")]

mod cursor;
mod escapes;
mod request;
#[cfg(test)]
mod request_tests;
mod time;

pub use request::{Line, ParseConfig, Query, Request, parse};

flowgate_sdk::plugin! { transforms: [parse] }
