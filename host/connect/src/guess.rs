//! Infers the type of a column from its values.

use arrow_array::{Array, StringArray};

use super::decode::{BatchCounter, Cursor, DecodeSettings};
use crate::error::SettingsError;
use crate::problem;
use crate::settings::{Format, StdinSource};
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field};

/// Whole numbers up to this one are exact in a float64.
const EXACT_MAX: u64 = 1 << 53;

/// From the narrowest to the widest.
const TYPES: [DataType; 6] =
    [DataType::Boolean, DataType::Int64, DataType::Float64, DataType::Timestamp, DataType::Text, DataType::Json];

/// The possible types of a column, by its values so far: the narrowest type that accepts each of them and loses nothing of it.
/// The decoder decides whether a type accepts a value.
pub(super) struct Guess {
    format: Format,
    candidates: Vec<DataType>,
    has_null: bool,
    /// CSV: whether there is an empty field in quotes, which is a value of a text column alone.
    has_empty: bool,
    /// Whether there is a value other than `NaN` and the infinities, which alone do not make a column of numbers.
    has_other: bool,
}

impl Guess {
    /// Creates the guess of a column without values.
    pub(super) fn new(format: Format) -> Self {
        let candidates = TYPES.into_iter().filter(|t| *t != DataType::Json || format == Format::Json).collect();
        Guess { format, candidates, has_null: false, has_empty: false, has_other: false }
    }

    /// Learns from the values of some rows: texts of CSV fields, or texts of JSON values.
    pub(super) fn learn(&mut self, values: &StringArray) -> Result<()> {
        self.has_null |= values.null_count() > 0;
        let values: Vec<&str> = values.iter().flatten().collect();
        let is_empty = |value: &&&str| self.format == Format::Csv && value.is_empty();
        self.has_empty |= values.iter().any(|value| is_empty(&value));
        let values: Vec<&str> = values.iter().filter(|value| !is_empty(value)).copied().collect();
        self.has_other |= values.iter().any(|value| !is_not_finite(value));
        let lines = self.lines(&values);
        let mut candidates = std::mem::take(&mut self.candidates);
        let mut failed = Ok(());
        candidates.retain(|data_type| {
            let right = values.iter().all(|value| self.keeps(*data_type, value));
            right
                && self.takes(*data_type, &lines).unwrap_or_else(|error| {
                    failed = Err(error);
                    false
                })
        });
        self.candidates = candidates;
        failed
    }

    /// Returns the values as rows of one column, `v`.
    fn lines(&self, values: &[&str]) -> Vec<u8> {
        let line = |value: &&str| match self.format {
            Format::Csv => format!("\"{}\"\n", value.replace('"', "\"\"")),
            _ => format!("{{\"v\":{value}}}\n"),
        };
        values.iter().map(line).collect::<String>().into_bytes()
    }

    /// Whether a column of this type keeps all of the text.
    fn keeps(&self, data_type: DataType, text: &str) -> bool {
        match data_type {
            DataType::Int64 => is_whole(text),
            DataType::Float64 => !is_code(text),
            DataType::Timestamp if self.format == Format::Json => text.starts_with('"'),
            DataType::Timestamp => text.parse::<i64>().is_err(),
            _ => true,
        }
    }

    /// Whether a column of this type accepts every row.
    fn takes(&self, data_type: DataType, lines: &[u8]) -> Result<bool> {
        let widest = if self.format == Format::Csv { DataType::Text } else { DataType::Json };
        if data_type == widest {
            return Ok(true);
        }
        let columns = [Field::new("v", data_type)];
        let mut decoder = settings(self.format, &columns, false, b',')?.decoder("the sample");
        let (mut cursor, mut rest) = (Cursor::start(), lines);
        while !rest.is_empty() {
            let mut batch = BatchCounter::new(rest.len());
            let done = decoder.decode(rest, true, &mut cursor, &mut batch)?;
            decoder.take_columns()?;
            let (_, _, failures) = batch.take();
            if !failures.is_empty() || done == 0 {
                return Ok(false);
            }
            cursor.offset += done as u64;
            rest = &rest[done..];
        }
        Ok(true)
    }

    /// Returns the column: its type, and whether rows may lack a value.
    pub(super) fn column(&self, name: &str) -> Field {
        let data_type = self.candidates.first().copied().filter(|_| self.has_other).unwrap_or(DataType::Text);
        let nullable = self.has_null || (self.has_empty && data_type != DataType::Text);
        Field { name: name.into(), data_type, nullable }
    }
}

/// Returns the decoding of rows with these columns.
pub(super) fn settings(format: Format, columns: &[Field], header: bool, delimiter: u8) -> Result<DecodeSettings> {
    let columns: serde_json::Map<_, _> = columns.iter().map(|f| (f.name.clone(), f.type_name().into())).collect();
    let mut spec = serde_json::json!({ "format": format, "columns": columns });
    if format == Format::Csv {
        spec["header"] = header.into();
        spec["delimiter"] = char::from(delimiter).to_string().into();
    }
    let spec: StdinSource = serde_json::from_value(spec).map_err(|e| Error::internal(e.to_string()))?;
    DecodeSettings::of_stdin(&spec).map_err(|wrong| Error::from(SettingsError(problem::listed(&wrong))))
}

fn is_not_finite(text: &str) -> bool {
    ["NaN", "inf", "-inf"].contains(&text)
}

/// Whether an int64 keeps the number's text: without leading zeros or a plus.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number && (text == "0" || !digits.starts_with('0'))
}

/// Whether a float64 would lose digits (of an id of 20 digits, a code with leading zeros or a plus), or the word happens to be a
/// number in Rust.
fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if is_not_finite(text) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `-` stands for a row without a value.
    fn guess(format: Format, values: &[&str]) -> String {
        let mut guess = Guess::new(format);
        // One by one: what was learned must not be forgotten.
        for value in values {
            guess.learn(&StringArray::from(vec![Some(*value).filter(|value| *value != "-")])).unwrap();
        }
        guess.column("x").type_name()
    }

    fn csv(values: &[&str]) -> String {
        guess(Format::Csv, values)
    }

    fn json(values: &[&str]) -> String {
        guess(Format::Json, values)
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
        assert_eq!(json(&["true", "-"]), "boolean?");
        assert_eq!(json(&["\"2026-01-01T00:00:00Z\""]), "timestamp");
        assert_eq!(json(&["\"a\"", "\"\""]), "text");
        assert_eq!(json(&["\"a\"", "1"]), "json");
        assert_eq!(json(&["[1]", "{\"a\":2}"]), "json");
    }

    /// Goal: a text that looks like a number but is none keeps all of its characters.
    #[test]
    fn codes_are_texts() {
        assert_eq!(csv(&["00501", "10001"]), "text");
        assert_eq!(csv(&["+491234"]), "text");
        assert_eq!(csv(&["18446744073709551616"]), "text");
        assert_eq!(csv(&["9007199254740993", "0.5"]), "text");
        assert_eq!(csv(&["NaN"]), "text");
        assert_eq!(csv(&["infinity", "1.5"]), "text");
        assert_eq!(csv(&["1700000000000", "2026-01-01T00:00:00Z"]), "text");
        assert_eq!(json(&["18446744073709551615"]), "json");
        // An integer would lose the sign.
        assert_eq!(json(&["-0"]), "float64");
    }
}
