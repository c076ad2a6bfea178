//! A table that is printed while its rows arrive, and records where a table cannot be read.

use std::fmt::Write as _;

use arrow_array::ArrayRef;
use unicode_width::UnicodeWidthStr;

use super::cell::{shown, wrapped};
use super::fit::{Column, widths};
use super::record;
use crate::encode::Cells;
use flowgate_base::schema::{DataType, Schema};

/// Between two columns.
const GAP: &str = "  ";

/// Prints a header once, then rows. A column is as wide as its widest value so far: the first batch sets the widths, later rows
/// may widen them. Numbers are right-aligned.
///
/// Every value is shown whole. Where a line of the terminal does not hold all columns, texts are wrapped within theirs; where
/// that would make the columns too narrow to be read, each row becomes a record: a line for each of its columns. Once rows are
/// records, later ones are, too.
pub(super) struct TablePrinter {
    names: Vec<String>,
    data_types: Vec<DataType>,
    columns: Vec<Column>,
    /// Cells in a line of the terminal.
    line_cells: Option<usize>,
    header_printed: bool,
    /// The number of rows printed so far.
    rows: u64,
    has_records: bool,
}

impl TablePrinter {
    pub(super) fn new(schema: &Schema, line_cells: Option<u16>) -> Self {
        let names: Vec<String> = schema.fields.iter().map(|field| shown(field.name.as_bytes())).collect();
        let data_types: Vec<DataType> = schema.fields.iter().map(|field| field.data_type).collect();
        let columns = names.iter().zip(&data_types).map(|(name, t)| Column::new(name.width(), *t)).collect();
        let line_cells = line_cells.map(usize::from);
        TablePrinter { names, data_types, columns, line_cells, header_printed: false, rows: 0, has_records: false }
    }

    /// Appends these rows as lines, the first time behind a header.
    pub(super) fn rows(&mut self, columns: &[ArrayRef], row_count: usize, out: &mut Vec<u8>) {
        if row_count == 0 {
            return;
        }
        let mut texts: Vec<Vec<String>> = Vec::with_capacity(columns.len());
        for ((column, data_type), array) in self.columns.iter_mut().zip(&self.data_types).zip(columns) {
            let cells = Cells::new(*data_type, array);
            let mut plain = Vec::new();
            let text = |row| {
                plain.clear();
                cells.plain(row, &mut plain);
                shown(&plain)
            };
            let column_texts: Vec<String> = (0..row_count).map(text).collect();
            column.widen(column_texts.iter().map(|text| text.width()).max().unwrap_or(0));
            texts.push(column_texts);
        }
        let widths = if self.has_records { None } else { widths(&self.columns, GAP.len(), self.line_cells) };
        let mut texts: Vec<_> = texts.iter().map(|texts| texts.iter()).collect();
        let rows = (0..row_count).map(|_| texts.iter_mut().filter_map(Iterator::next).map(String::as_str).collect());
        match widths {
            Some(widths) => {
                self.header(&widths, out);
                rows.for_each(|row: Vec<&str>| self.lines(&widths, &row, out));
            }
            None => {
                self.has_records = true;
                let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
                for (row, number) in rows.zip(self.rows + 1..) {
                    record::print(number, &names, &row, self.line_cells, out);
                }
            }
        }
        self.rows += row_count as u64;
    }

    fn header(&mut self, widths: &[usize], out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.header_printed, true) {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let rules: Vec<String> = widths.iter().map(|cells| "─".repeat(*cells)).collect();
            self.lines(widths, &names, out);
            self.lines(widths, &rules.iter().map(String::as_str).collect::<Vec<_>>(), out);
        }
    }

    /// Appends one row: the number of lines that its longest value needs.
    fn lines(&self, widths: &[usize], texts: &[&str], out: &mut Vec<u8>) {
        let cells: Vec<Vec<&str>> = texts.iter().zip(widths).map(|(text, width)| wrapped(text, *width)).collect();
        for number in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for ((cell, width), data_type) in cells.iter().zip(widths).zip(&self.data_types) {
                let piece = cell.get(number).copied().unwrap_or_default();
                let pad = width.saturating_sub(piece.width());
                // Writing to a string cannot fail.
                let _ = match data_type {
                    DataType::Int64 | DataType::Float64 => write!(line, "{:pad$}{piece}{GAP}", ""),
                    _ => write!(line, "{piece}{:pad$}{GAP}", ""),
                };
            }
            out.extend_from_slice(line.trim_end().as_bytes());
            out.push(b'\n');
        }
    }
}
