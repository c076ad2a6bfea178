//! The names of columns in a sample.

use super::csv_record::{Found, Record};
use super::json_span;

/// Returns the names of the members of a JSON object; none where the line is no object.
pub(crate) fn json_names(line: &str) -> Vec<String> {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
    let object = Some(line).filter(|line| is_json && line.trim_ascii_start().starts_with('{'));
    object.into_iter().flat_map(json_span::members).map(|(name, _)| name.into_owned()).collect()
}

/// Returns the fields of the first record of CSV, as the decoder reads a header.
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
