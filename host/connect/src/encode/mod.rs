//! Rows to text: JSON lines and CSV.

mod cell;
mod csv;
mod json;

#[cfg(test)]
mod round_trip_tests;
#[cfg(test)]
mod tests;

pub(crate) use cell::Cells;
pub use csv::CsvEncoder;
pub use json::{JsonEncoder, encode_json_lines, json_row, json_value};
