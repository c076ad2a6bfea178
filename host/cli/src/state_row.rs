//! The rows of a slot: which columns are what, and how a row is shown.

use std::fmt::Write;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use serde_json::{Map, Value, json};

use super::state_cell;
use flowgate_base::shown;
use flowgate_checkpoint::Slot;

/// The kind of state of windows. Its bytes are accumulators in their own encoding, except in columns with a field of the aggregate.
const WINDOW: &str = "window";

/// The columns of a slot's merged rows.
pub(super) struct SlotRows<'a> {
    slot: &'a Slot,
    pane: Option<usize>,
    key: Range<usize>,
    entry: Range<usize>,
}

impl<'a> SlotRows<'a> {
    /// Returns the columns of a slot, as `docs/checkpoint-format.md` lists them.
    pub(super) fn of(slot: &'a Slot) -> Self {
        let pane = slot.pane.then_some(1);
        let key_from = 1 + usize::from(slot.pane);
        let entry_from = key_from + slot.keys as usize;
        let entry_end = entry_from + slot.entries as usize;
        SlotRows { slot, pane, key: key_from..entry_from, entry: entry_from..entry_end }
    }

    /// Returns the key of a row as `--key` names it: the texts of its columns, with commas between them.
    pub(super) fn key_text(&self, rows: &RecordBatch, row: usize) -> String {
        let texts = rows.columns()[self.key.clone()].iter().map(|column| state_cell::text(column, row));
        texts.map(|text| text.unwrap_or_else(|| "null".into())).collect::<Vec<_>>().join(",")
    }

    /// Describes the columns of the key.
    pub(super) fn key_columns(&self, rows: &RecordBatch) -> String {
        let fields = &rows.schema_ref().fields()[self.key.clone()];
        fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(",")
    }

    /// Returns the names of the columns that are shown: all but the key group.
    pub(super) fn head(&self, rows: &RecordBatch) -> Vec<String> {
        rows.schema_ref().fields()[1..].iter().map(|field| field.name().clone()).collect()
    }

    /// Returns the texts of a row; null has `null`.
    pub(super) fn texts(&self, rows: &RecordBatch, row: usize, null: &str) -> Vec<String> {
        let text = |at: usize| match self.json(rows, at, row) {
            Value::Null => null.into(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        (1..rows.num_columns()).map(text).collect()
    }

    /// Returns a row as a line of JSON.
    pub(super) fn json_line(&self, rows: &RecordBatch, row: usize) -> String {
        let object = |columns: Range<usize>| -> Value {
            let fields = rows.schema_ref().fields();
            columns.map(|at| (fields[at].name().clone(), self.json(rows, at, row))).collect::<Map<_, _>>().into()
        };
        let mut line = Map::new();
        line.insert("kind".into(), json!(self.slot.kind));
        line.insert("slot".into(), json!(self.slot.slot));
        if let Some(pane) = self.pane {
            line.insert("pane".into(), self.json(rows, pane, row));
        }
        line.insert("key".into(), object(self.key.clone()));
        if !self.entry.is_empty() {
            line.insert("entry".into(), object(self.entry.clone()));
        }
        line.insert("value".into(), object(self.entry.end..rows.num_columns()));
        format!("{}\n", shown::json(&Value::Object(line).to_string()))
    }

    fn json(&self, rows: &RecordBatch, at: usize, row: usize) -> Value {
        let column: &ArrayRef = rows.column(at);
        if column.is_null(row) {
            return Value::Null;
        }
        let name = rows.schema_ref().field(at).name();
        let is_clock = self.slot.kind == "timers" && name == "clock" && self.entry.contains(&at);
        let is_encoded = self.slot.kind == WINDOW && !name.contains('.') && at >= self.entry.end;
        match column.data_type() {
            // A pane begins at a time.
            DataType::Int64 if self.pane == Some(at) => {
                json!(state_cell::time(column.as_primitive::<Int64Type>().value(row)))
            }
            DataType::UInt8 if is_clock => match column.as_primitive::<UInt8Type>().value(row) {
                0 => json!("event time"),
                _ => json!("processing time"),
            },
            DataType::Binary if is_encoded => {
                json!(state_cell::hex(column.as_binary::<i32>().value(row)))
            }
            _ => state_cell::json(column, row),
        }
    }
}

/// Returns cells as a line of CSV.
pub(super) fn csv_line(cells: &[String]) -> String {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        let cell = shown::lines(cell);
        let separator = if at == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = match cell.contains([',', '"', '\n', '\r']) || cell.starts_with(' ') || cell.ends_with(' ') {
            true => write!(line, "{separator}\"{}\"", cell.replace('"', "\"\"")),
            false => write!(line, "{separator}{cell}"),
        };
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Int64Array, StringArray, TimestampMillisecondArray, UInt8Array, UInt16Array};

    use super::*;

    fn slot(kind: &str, pane: bool, keys: u32, entries: u32) -> Slot {
        Slot { operator: "op".into(), kind: kind.into(), slot: "s".into(), pane, keys, entries }
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        let groups: ArrayRef = Arc::new(UInt16Array::from(vec![3; columns[0].1.len()]));
        RecordBatch::try_from_iter([("key_group", groups)].into_iter().chain(columns)).unwrap()
    }

    #[test]
    fn a_key_is_matched_by_the_texts_of_its_columns() {
        let slot = slot("value", false, 2, 0);
        let rows = batch(vec![
            ("city", Arc::new(StringArray::from(vec![Some("a,b"), None])) as ArrayRef),
            ("n", Arc::new(Int64Array::from(vec![7, -1]))),
            ("value", Arc::new(BinaryArray::from(vec![&b"x"[..], b"\0"]))),
        ]);
        let of = SlotRows::of(&slot);
        assert_eq!([of.key_text(&rows, 0), of.key_text(&rows, 1)], ["a,b,7", "null,-1"]);
        assert_eq!(of.key_columns(&rows), "city,n");
        assert_eq!(of.head(&rows), ["city", "n", "value"]);
        assert_eq!(of.texts(&rows, 1, "-"), ["-", "-1", "0x00"]);
    }

    #[test]
    fn encoded_accumulators_are_hexadecimal_and_panes_are_times() {
        let slot = slot("window", true, 1, 0);
        let rows = batch(vec![
            ("pane", Arc::new(Int64Array::from(vec![60])) as ArrayRef),
            ("word", Arc::new(StringArray::from(vec!["\u{1b}[2J"]))),
            ("top", Arc::new(BinaryArray::from(vec![&b"ab"[..]]))),
            ("last.value", Arc::new(BinaryArray::from(vec![&b"ab"[..]]))),
        ]);
        let line = SlotRows::of(&slot).json_line(&rows, 0);
        let expected = r#"{"key":{"word":"\u001b[2J"},"kind":"window","pane":"1970-01-01T00:00:00.060Z","slot":"s",
                "value":{"top":"0x6162","last.value":"ab"}}"#;
        let (line, expected): (Value, Value) =
            (serde_json::from_str(&line).unwrap(), serde_json::from_str(expected).unwrap());
        assert_eq!(line, expected);
    }

    #[test]
    fn timers_have_their_clock_and_time() {
        let slot = slot("timers", false, 1, 3);
        let rows = batch(vec![
            ("k", Arc::new(Int64Array::from(vec![1, 1])) as ArrayRef),
            ("clock", Arc::new(UInt8Array::from(vec![0, 1]))),
            ("time", Arc::new(TimestampMillisecondArray::from(vec![0, 1_000]))),
            ("tag", Arc::new(arrow_array::UInt64Array::from(vec![0, 9]))),
            ("sequence", Arc::new(Int64Array::from(vec![1, 2]))),
        ]);
        let of = SlotRows::of(&slot);
        assert_eq!(of.texts(&rows, 0, "-").join(" "), "1 event time 1970-01-01T00:00:00Z 0 1");
        assert_eq!(of.texts(&rows, 1, "-").join(" "), "1 processing time 1970-01-01T00:00:01Z 9 2");
    }

    #[test]
    fn csv_is_quoted_where_it_has_to_be() {
        let cells = ["a", "b,c", "say \"x\"", "two\nlines", "\u{1b}"].map(String::from);
        assert_eq!(csv_line(&cells), "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",\\u{1b}\n");
    }
}
