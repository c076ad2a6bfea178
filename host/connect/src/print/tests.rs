//! Printed rows.

use std::io::Write;
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, StringArray};

use super::{PrintLayout, PrintSink};
use crate::sink::SinkWriter;
use flowgate_base::schema::{DataType, Field, Schema};

/// A writer whose bytes can be inspected.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("path", DataType::Text), Field::nullable("size", DataType::Int64)])
}

fn batch(rows: &[(&str, Option<i64>)]) -> Vec<ArrayRef> {
    vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.0))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|r| r.1))),
    ]
}

fn printed(layout: PrintLayout, batches: &[&[(&str, Option<i64>)]]) -> String {
    let screen = Screen::default();
    let mut sink = PrintSink::new(Box::new(screen.clone()), layout, &schema());
    for rows in batches {
        sink.write(&batch(rows), rows.len()).unwrap();
    }
    assert_eq!(sink.prepare(true).unwrap(), None);
    let bytes = screen.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_table_has_one_header_and_grows() {
    let table = printed(
        PrintLayout::Table { width: None },
        &[&[], &[("/", Some(5)), ("/a", None)], &[("/longer", Some(123_456)), ("/", Some(1))]],
    );
    let expected = "\
path  size
────  ────
/        5
/a
/longer  123456
/             1
";
    assert_eq!(table, expected);
}

/// Returns rows of texts, as a terminal of that width shows them.
fn texts(width: u16, names: &[&str], rows: &[&[&str]]) -> String {
    let screen = Screen::default();
    let schema = Schema::new(names.iter().map(|name| Field::new(*name, DataType::Text)).collect());
    let mut sink = PrintSink::new(Box::new(screen.clone()), PrintLayout::Table { width: Some(width) }, &schema);
    let column = |i: usize| Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[i]))) as ArrayRef;
    let columns: Vec<ArrayRef> = (0..names.len()).map(column).collect();
    sink.write(&columns, rows.len()).unwrap();
    assert_eq!(sink.prepare(true).unwrap(), None);
    let bytes = screen.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[track_caller]
fn fits(text: &str, width: usize) {
    for line in text.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= width, "{line}");
    }
}

#[test]
fn long_values_are_wrapped_within_their_column() {
    let rows: &[(&str, Option<i64>)] =
        &[("/a/very/long/path/to/the/first", Some(12_345_678)), ("漢字漢字漢字漢字漢字漢字", Some(1))];
    let table = printed(PrintLayout::Table { width: Some(30) }, &[rows]);
    let expected = "\
path                      size
────────────────────  ────────
/a/very/long/path/to  12345678
/the/first
漢字漢字漢字漢字漢字         1
漢字
";
    assert_eq!(table, expected);
}

/// Goal: two rows that differ can be distinguished, wherever they differ.
#[test]
fn what_differs_is_shown() {
    let (a, b) = (format!("{}a", "x".repeat(5_000)), format!("{}b", "x".repeat(5_000)));
    let table = texts(80, &["url", "by"], &[&[&a, "me"], &[&b, "me"]]);
    fits(&table, 80);
    assert!(table.contains("xa  ") || table.contains("xa\n"), "{table}");
    assert!(table.contains("xb  ") || table.contains("xb\n"), "{table}");
    assert!(!table.contains('…'));
}

/// Goal: a row of forty columns can be read on a terminal of 80 cells: each column has a line with its name.
#[test]
fn many_columns_become_records() {
    let names: Vec<String> = (1..=40).map(|n| format!("column_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let long = "v".repeat(100);
    let mut row = vec!["value"; 40];
    row[39] = &long;
    let records = texts(80, &names, &[&row, &row]);
    fits(&records, 80);
    let lines: Vec<&str> = records.lines().collect();
    assert_eq!(lines.len(), 2 * (1 + 39 + 2));
    assert!(lines[0].starts_with("── row 1 ──") && lines[42].starts_with("── row 2 ──"), "{records}");
    assert_eq!(lines[1], "column_1   value");
    assert_eq!(lines[40], format!("column_40  {}", "v".repeat(69)));
    assert_eq!(lines[41], format!("           {}", "v".repeat(31)));
}

/// Goal: a value that widens a column too much turns the rest into records, and no row is lost.
#[test]
fn a_table_that_no_longer_fits_goes_on_as_records() {
    let short: &[(&str, Option<i64>)] = &[("/", Some(1))];
    let long: &[(&str, Option<i64>)] = &[("/a/very/long/path", Some(i64::MAX)), ("/", None)];
    let table = printed(PrintLayout::Table { width: Some(30) }, &[short, long, short]);
    let expected = "\
path  size
────  ────
/        1
── row 2 ─────────────────────
path  /a/very/long/path
size  9223372036854775807
── row 3 ─────────────────────
path  /
size
── row 4 ─────────────────────
path  /
size  1
";
    assert_eq!(table, expected);
}

#[test]
fn a_narrow_terminal_still_gets_every_row() {
    let table = printed(PrintLayout::Table { width: Some(1) }, &[&[("/abc", Some(1))]]);
    assert!(table.contains("path  /abc\n") && table.contains("size  1\n"), "{table}");
}

/// A row cannot move the cursor, ring the bell or break its line.
#[test]
fn control_characters_have_no_power() {
    let table = printed(PrintLayout::Table { width: None }, &[&[("a\n\u{1b}[2J\u{202e}\t", Some(1))]]);
    assert_eq!(table.lines().nth(2), Some("a\\n\\u{1b}[2J\\u{202e}\\t     1"));
}

#[test]
fn json_lines_for_programs() {
    let json = printed(PrintLayout::JsonLines, &[&[("/", None)], &[("/a", Some(1))]]);
    assert_eq!(json, "{\"path\":\"/\",\"size\":null}\n{\"path\":\"/a\",\"size\":1}\n");
}

#[test]
fn rows_appear_with_a_flush() {
    let screen = Screen::default();
    let mut sink = PrintSink::new(Box::new(screen.clone()), PrintLayout::JsonLines, &schema());
    sink.write(&batch(&[("/", None)]), 1).unwrap();
    sink.flush().unwrap();
    assert!(!screen.0.lock().unwrap().is_empty());
}

#[test]
fn a_reader_that_went_away_is_told_apart() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut sink = PrintSink::new(Box::new(writer), PrintLayout::JsonLines, &schema());
    sink.write(&batch(&[("/", None)]), 1).unwrap();
    let error = sink.flush().unwrap_err();
    assert!(error.is_reader_gone(), "{error}");
    assert!(error.message.starts_with("cannot write to standard output: "));
}
