//! The type of a column, by its values.

use std::cell::RefCell;

use serde::de::DeserializeSeed;

use super::column::Column;
use super::csv_record::{Found, Record};
use super::json::ValueSeed;
use super::json_span;
use crate::schema::{DataType, Field};

/// Whole numbers up to here are exact in a float64.
const EXACT_MAX: u64 = 1 << 53;

/// What a column may be, by the values that it has had: the first of the types that take each of them, and lose nothing of it.
/// Whether a type takes a value is the decoders' word.
pub(crate) struct Guess {
    /// In order of preference.
    candidates: Vec<Column>,
    has_null: bool,
    /// CSV: an empty field in quotes, a value to a text column alone.
    has_empty: bool,
    /// A value that is a number, or neither; `NaN` alone makes no column of numbers.
    has_other: bool,
}

impl Guess {
    /// Of a column without values.
    pub(crate) fn new(types: &[DataType]) -> Self {
        let candidates = types.iter().map(|data_type| Column::new(Field::new("", *data_type))).collect();
        Guess { candidates, has_null: false, has_empty: false, has_other: false }
    }

    /// CSV: these, from the narrowest to the widest.
    pub(crate) fn of_csv() -> Self {
        Self::new(&[DataType::Boolean, DataType::Int64, DataType::Float64, DataType::Timestamp, DataType::Text])
    }

    /// JSON: as CSV, and any value.
    pub(crate) fn of_json() -> Self {
        let mut guess = Self::of_csv();
        guess.candidates.push(Column::new(Field::new("", DataType::Json)));
        guess
    }

    /// A row without a value.
    pub(crate) fn null(&mut self) {
        self.has_null = true;
    }

    /// A field of CSV that has a value.
    pub(crate) fn csv(&mut self, text: &str) {
        if text.is_empty() {
            self.has_empty = true;
            return;
        }
        self.has_other |= !["NaN", "inf", "-inf"].contains(&text);
        self.retain(|column| {
            let is_right = match column.field().data_type {
                DataType::Int64 => is_whole(text),
                DataType::Float64 => !is_code(text),
                DataType::Timestamp => text.parse::<i64>().is_err(),
                _ => true,
            };
            is_right && column.push_csv(text).is_ok()
        });
    }

    /// A value of JSON, as it is written; not `null`.
    pub(crate) fn json(&mut self, raw: &str) {
        self.has_other = true;
        self.retain(|column| {
            let is_right = match column.field().data_type {
                DataType::Json => return true,
                DataType::Int64 => is_whole(raw),
                DataType::Float64 => !is_code(raw),
                DataType::Timestamp => raw.starts_with('"'),
                _ => true,
            };
            let problem = RefCell::new(None);
            let seed = ValueSeed { column, problem: &problem };
            is_right && seed.deserialize(&mut serde_json::Deserializer::from_str(raw)).is_ok()
        });
    }

    fn retain(&mut self, mut takes: impl FnMut(&mut Column) -> bool) {
        self.candidates.retain_mut(|column| {
            let takes = takes(column);
            column.truncate(0);
            takes
        });
    }

    /// The type, and whether rows may lack a value.
    pub(crate) fn column(&self, name: &str) -> Field {
        let narrowest = self.candidates.first().filter(|_| self.has_other);
        let data_type = narrowest.map_or(DataType::Text, |column| column.field().data_type);
        let nullable = self.has_null || (self.has_empty && data_type != DataType::Text);
        Field { name: name.into(), data_type, nullable }
    }
}

/// A number that an int64 keeps as it is written: without zeros or a plus before it.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number && (text == "0" || !digits.starts_with('0'))
}

/// Digits of which a float64 would lose some (an id of 20 digits, a code with zeros or a plus before it), or a word that
/// happens to be a number in Rust.
fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if ["NaN", "inf", "-inf"].contains(&text) {
        return false;
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return true;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return (digits.len() > 1 && digits.starts_with('0')) || digits.parse::<u64>().map_or(true, |n| n > EXACT_MAX);
    }
    digits.len() > 1 && digits.starts_with('0') && !digits[1..].starts_with(['.', 'e', 'E'])
}

/// The names of the members of a JSON object; none where the line is no object.
pub(crate) fn json_names(line: &str) -> Vec<String> {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
    let object = Some(line).filter(|line| is_json && line.trim_ascii_start().starts_with('{'));
    object.into_iter().flat_map(json_span::members).map(|(name, _)| name.into_owned()).collect()
}

/// The fields of the first record of CSV, as the decoder takes a header.
pub(crate) fn csv_header(bytes: &[u8], delimiter: u8) -> Option<Vec<String>> {
    let mut record = Record::default();
    let mut at = 0;
    loop {
        let Found::Whole { bytes: length, .. } = record.read(&bytes[at..], delimiter, true) else { return None };
        if !record.is_blank() {
            let name = |i| String::from_utf8_lossy(record.field(i).0).trim().to_string();
            return Some((0..record.len()).map(name).collect());
        }
        at += length;
        if at >= bytes.len() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(values: &[&str]) -> String {
        let mut guess = Guess::of_csv();
        // `-` stands for a field without a value.
        values.iter().for_each(|value| if *value == "-" { guess.null() } else { guess.csv(value) });
        guess.column("x").type_name()
    }

    fn json(values: &[&str]) -> String {
        let mut guess = Guess::of_json();
        values.iter().for_each(|value| if *value == "null" { guess.null() } else { guess.json(value) });
        guess.column("x").type_name()
    }

    #[test]
    fn the_narrowest_type_that_takes_all() {
        assert_eq!(csv(&["1", "-7", "0"]), "int64");
        assert_eq!(csv(&["1", "-", "2"]), "int64?");
        assert_eq!(csv(&["1", "2.5", "1e3", "NaN"]), "float64");
        assert_eq!(csv(&["true", "false"]), "boolean");
        assert_eq!(csv(&["2026-01-01T00:00:00Z", "2026-01-01T01:00:00.5+01:00"]), "timestamp");
        assert_eq!(csv(&["1", "a"]), "text");
        assert_eq!(csv(&["a", ""]), "text");
        assert_eq!(csv(&["1", ""]), "int64?");
        assert_eq!(csv(&["-"]), "text?");
        assert_eq!(csv(&[]), "text");
        assert_eq!(json(&["1", "2"]), "int64");
        assert_eq!(json(&["1.0", "2"]), "float64");
        assert_eq!(json(&["true", "null"]), "boolean?");
        assert_eq!(json(&["\"2026-01-01T00:00:00Z\""]), "timestamp");
        assert_eq!(json(&["\"a\"", "\"\""]), "text");
        assert_eq!(json(&["\"a\"", "1"]), "json");
        assert_eq!(json(&["[1]", "{\"a\":2}"]), "json");
    }

    /// Goal: what looks like a number and is none keeps all of its characters.
    #[test]
    fn codes_are_texts() {
        assert_eq!(csv(&["00501", "10001"]), "text");
        assert_eq!(csv(&["+491234"]), "text");
        assert_eq!(csv(&["18446744073709551616"]), "text");
        assert_eq!(csv(&["9007199254740993", "0.5"]), "text");
        assert_eq!(csv(&["NaN"]), "text");
        assert_eq!(csv(&["infinity", "1.5"]), "text");
        assert_eq!(json(&["18446744073709551615"]), "json");
        // An integer would lose the sign.
        assert_eq!(json(&["-0"]), "float64");
    }
}
