//! Printed rows.

use std::io::Write;
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, StringArray};

use super::{PrintLayout, PrintSink};
use crate::connector::sink::SinkWriter;
use crate::schema::{DataType, Field, Schema};

/// A writer whose bytes can be looked at.
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
    sink.finish().unwrap();
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

#[test]
fn a_table_is_no_wider_than_the_terminal() {
    let rows: &[(&str, Option<i64>)] = &[("/a/very/long/path", Some(12_345_678)), ("漢字漢字漢字漢字", Some(1))];
    let table = printed(PrintLayout::Table { width: Some(20) }, &[rows]);
    let expected = "\
path            size
──────────  ────────
/a/very/l…  12345678
漢字漢字…          1
";
    assert_eq!(table, expected);
}

#[test]
fn a_narrow_terminal_still_gets_every_row() {
    let table = printed(PrintLayout::Table { width: Some(1) }, &[&[("/abc", Some(1))]]);
    assert_eq!(table.lines().count(), 3);
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
    assert!(error.closed_pipe, "{error}");
    assert!(error.message.starts_with("cannot write to standard output: "));
}
