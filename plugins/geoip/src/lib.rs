#![doc = include_str!("../README.md")]

mod address;
#[cfg(test)]
mod address_tests;
mod database;
mod metadata;
#[cfg(test)]
mod synthetic;
mod value;

pub use address::{Address, Countries, Country, CountryConfig, Invalid, country};
pub use database::Database;
pub use value::Malformed;

flowgate_sdk::plugin! { transforms: [country] }
