//! A table that is printed while its rows come in.

use std::fmt::Write as _;

use arrow_array::ArrayRef;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::connector::encode::Cells;
use crate::connector::limits::TABLE_COLUMN_CELLS_MAX;
use crate::schema::{DataType, Schema};
use crate::shown::has_power;

/// Between two columns.
const GAP: &str = "  ";

/// Prints the header once, then rows. Columns are as wide as the widest value so far: the first batch sets the table up,
/// later rows may widen it. Numbers stand to the right. What does not fit into the terminal is cut, the widest columns
/// first, and ends in `…`.
pub(super) struct Table {
    columns: Vec<Column>,
    width: Option<usize>,
    header_printed: bool,
}

struct Column {
    name: String,
    data_type: DataType,
    /// Cells of the widest value so far.
    widest: usize,
}

impl Table {
    pub(super) fn new(schema: &Schema, width: Option<u16>) -> Self {
        let column = |field: &crate::schema::Field| {
            let mut name = String::new();
            escape(&field.name, &mut name);
            let widest = name.width().min(TABLE_COLUMN_CELLS_MAX);
            Column { name, data_type: field.data_type, widest }
        };
        let columns = schema.fields.iter().map(column).collect();
        Table { columns, width: width.map(usize::from), header_printed: false }
    }

    /// Appends these rows as lines, the first time behind a header.
    pub(super) fn rows(&mut self, columns: &[ArrayRef], row_count: usize, out: &mut Vec<u8>) {
        if row_count == 0 {
            return;
        }
        let mut texts: Vec<Vec<String>> = Vec::with_capacity(columns.len());
        for (column, array) in self.columns.iter_mut().zip(columns) {
            let cells = Cells::new(column.data_type, array);
            let column_texts: Vec<String> = (0..row_count).map(|row| shown(&cells, row)).collect();
            let widest = column_texts.iter().map(|t| t.width()).max().unwrap_or(0).min(TABLE_COLUMN_CELLS_MAX);
            column.widest = column.widest.max(widest);
            texts.push(column_texts);
        }
        let wanted: Vec<usize> = self.columns.iter().map(|c| c.widest).collect();
        let widths = fit(&wanted, self.width);
        if !self.header_printed {
            self.header_printed = true;
            self.line(&widths, |i| &self.columns[i].name, out);
            let rules: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
            self.line(&widths, |i| &rules[i], out);
        }
        let mut columns: Vec<_> = texts.iter().map(|texts| texts.iter()).collect();
        for _ in 0..row_count {
            let row: Vec<&String> = columns.iter_mut().filter_map(Iterator::next).collect();
            self.line(&widths, |i| row[i], out);
        }
    }

    fn line<'a>(&self, widths: &[usize], text: impl Fn(usize) -> &'a str, out: &mut Vec<u8>) {
        let mut line = String::new();
        for (i, &width) in widths.iter().enumerate() {
            if i > 0 {
                line.push_str(GAP);
            }
            let cut = cut(text(i), width);
            let pad = width.saturating_sub(cut.width());
            if matches!(self.columns[i].data_type, DataType::Int64 | DataType::Float64) {
                let _ = write!(line, "{:pad$}{cut}", "");
            } else {
                let _ = write!(line, "{cut}{:pad$}", "");
            }
        }
        out.extend_from_slice(line.trim_end().as_bytes());
        out.push(b'\n');
    }
}

/// A value as the table shows it: nothing where there is none.
fn shown(cells: &Cells<'_>, row: usize) -> String {
    let mut plain = Vec::new();
    cells.plain(row, &mut plain);
    // Of a long text, only the head can be seen.
    plain.truncate(8 * TABLE_COLUMN_CELLS_MAX);
    let mut text = String::new();
    escape(&String::from_utf8_lossy(&plain), &mut text);
    text
}

/// Takes the power from characters that would move the cursor, change colours or turn the direction of the text.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if has_power(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
}

/// At most `width` cells of a text.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let mut left = width.saturating_sub(1);
    let mut cut = String::new();
    for c in text.chars() {
        let cells = c.width().unwrap_or(0);
        if cells > left {
            break;
        }
        left -= cells;
        cut.push(c);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// Widths that fit into a line: the widest columns give way first, down to a common width.
fn fit(wanted: &[usize], line: Option<usize>) -> Vec<usize> {
    let total: usize = wanted.iter().sum();
    let gaps = GAP.len() * wanted.len().saturating_sub(1);
    let Some(room) = line.map(|line| line.saturating_sub(gaps)).filter(|room| total > *room) else {
        return wanted.to_vec();
    };
    let mut ascending = wanted.to_vec();
    ascending.sort_unstable();
    let mut left = room;
    let mut cap = 0;
    for (i, &want) in ascending.iter().enumerate() {
        cap = left / (ascending.len() - i);
        if want > cap {
            break;
        }
        left -= want;
    }
    wanted.iter().map(|want| (*want).min(cap)).collect()
}
