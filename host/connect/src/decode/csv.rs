//! CSV with or without a header line.

use arrow_array::ArrayRef;

use super::column::Column;
use super::csv_record::{Found, Record};
use super::epoch;
use super::line::{self, Line};
use super::{BatchCounter, Cursor, DecodeSettings, Decoder};
use crate::error::SourceError;
use crate::limits;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::DataType;

/// Records of RFC 4180. A header names each column once, in any order, and may name others; without one, fields are columns in
/// their order. An empty field is no value (an empty text, where the column is text and must have a value); `""` is an empty
/// text. Empty lines are skipped. A record that is not CSV, or longer than a line may be, fails up to the end of its first line.
pub(crate) struct CsvDecoder {
    columns: Vec<Column>,
    delimiter: u8,
    has_header: bool,
    name: String,
    record: Record,
    layout: Option<Layout>,
}

/// The mapping from the fields of a record to columns.
struct Layout {
    /// The number of fields in a record.
    fields: usize,
    /// The field of each column.
    of_column: Vec<usize>,
}

impl CsvDecoder {
    /// Creates a decoder; `name` is the input's, for messages.
    pub(crate) fn new(settings: &DecodeSettings, name: &str) -> Self {
        CsvDecoder {
            columns: settings.columns(),
            delimiter: settings.delimiter,
            has_header: settings.header,
            name: name.into(),
            record: Record::default(),
            layout: None,
        }
    }

    /// Returns the layout of the cursor's header, `None` before the header was read.
    fn layout(&self, cursor: &Cursor) -> Result<Option<Layout>> {
        if !self.has_header {
            let fields = self.columns.len();
            return Ok(Some(Layout { fields, of_column: (0..fields).collect() }));
        }
        let Some(header) = &cursor.header else { return Ok(None) };
        let of_column = |column: &Column| header.iter().position(|h| *h == column.field().name);
        let missing: Vec<_> =
            self.columns.iter().filter(|c| of_column(c).is_none()).map(|c| &c.field().name[..]).collect();
        if !missing.is_empty() {
            return Err(Error::from(SourceError::Header(format!(
                "{}: the header has no column `{}`; it has {}. Without a header line, set `header: false`",
                self.name,
                missing.join("`, `"),
                header.join(", "),
            ))));
        }
        let twice = |column: &&Column| header.iter().filter(|h| **h == column.field().name).count() > 1;
        if let Some(column) = self.columns.iter().find(twice) {
            return Err(Error::from(SourceError::Header(format!(
                "{}: the header has the column `{}` twice; it has {}. Name the fields differently, or set `header: false` and give \
                 all of them in `columns`",
                self.name,
                column.field().name,
                header.join(", "),
            ))));
        }
        Ok(Some(Layout { fields: header.len(), of_column: self.columns.iter().filter_map(of_column).collect() }))
    }

    /// Appends the row of the record; on failure nothing is appended.
    fn row(&mut self, rows: usize, start: u64) -> std::result::Result<(), String> {
        let parsed = self.fields(start);
        if parsed.is_err() {
            for column in &mut self.columns {
                column.truncate(rows);
            }
        }
        parsed
    }

    fn fields(&mut self, start: u64) -> std::result::Result<(), String> {
        let Some(layout) = &self.layout else { return Err("no header".into()) };
        if self.record.len() != layout.fields {
            return Err(format!("{} fields, expected {}", self.record.len(), layout.fields));
        }
        for (column, &field) in self.columns.iter_mut().zip(&layout.of_column) {
            let (bytes, quoted) = self.record.field(field);
            if bytes.is_empty() && !(quoted && column.field().data_type == DataType::Text) {
                if column.push_null() {
                    continue;
                }
                if !matches!(column.field().data_type, DataType::Text | DataType::Bytes) {
                    return Err(format!(
                        "column `{}` is empty; it is {}",
                        column.field().name,
                        column.field().type_name()
                    ));
                }
            }
            let name = |what: String, column: &Column| format!("column `{}`: {what}", column.field().name);
            let not_utf8 = |_| format!("not UTF-8 in the record at byte {start} of the input");
            let text = std::str::from_utf8(bytes).map_err(not_utf8).map_err(|e| name(e, column))?;
            column.push_csv(text).map_err(|e| name(e, column))?;
        }
        Ok(())
    }

    /// Fails the first line of `bytes`: where a record is not CSV, the next line is the most likely beginning of one.
    fn fail_line(&self, bytes: &[u8], at_end: bool, why: &str, cursor: &mut Cursor, batch: &mut BatchCounter) -> usize {
        match line::first(bytes, at_end) {
            Line::Partial => 0,
            Line::TooLong { next, ended } => {
                line::fail_too_long(bytes, ended, cursor, batch);
                next
            }
            Line::Whole { content, next } => {
                batch.push_failure(cursor.line, &bytes[..content], why.into());
                cursor.line += 1;
                next
            }
        }
    }

    /// Handles the record that was read: the header, or a row.
    fn take_record(
        &mut self,
        bytes: &[u8],
        start: u64,
        lines: u64,
        cursor: &mut Cursor,
        batch: &mut BatchCounter,
    ) -> Result<()> {
        let line = cursor.line;
        cursor.line += lines;
        if self.record.is_blank() {
            return Ok(());
        }
        if self.layout.is_none() {
            let name = |i| String::from_utf8_lossy(self.record.field(i).0).trim().to_string();
            cursor.header = Some((0..self.record.len()).map(name).collect());
            self.layout = self.layout(cursor)?;
            return Ok(());
        }
        match self.row(batch.row_count(), start) {
            Ok(()) => batch.push_rows(line, 1, bytes.len()),
            Err(message) => batch.push_failure(line, line::without_end(bytes), message),
        }
        Ok(())
    }
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, bytes: &[u8], at_end: bool, cursor: &mut Cursor, batch: &mut BatchCounter) -> Result<usize> {
        if self.layout.is_none() || (self.has_header && cursor.header.is_none()) {
            self.layout = self.layout(cursor)?;
        }
        let mut done = line::skip_rest(bytes, at_end, cursor);
        while !batch.is_full() && done < bytes.len() {
            let rest = &bytes[done..];
            let start = cursor.offset + done as u64;
            let step = match self.record.read(rest, self.delimiter, at_end) {
                Found::Whole { bytes: length, .. } if length > limits::LINE_BYTES_MAX + 2 => {
                    self.fail_line(rest, at_end, "record is too long", cursor, batch)
                }
                Found::Whole { bytes: length, lines } => {
                    self.take_record(&rest[..length], start, lines, cursor, batch)?;
                    length
                }
                Found::Partial { quoted } if at_end || rest.len() > limits::LINE_BYTES_MAX + 2 => {
                    let why = if quoted { "a quote is not closed" } else { "record is too long" };
                    self.fail_line(rest, at_end, why, cursor, batch)
                }
                Found::Partial { .. } => 0,
                Found::Wrong(why) => self.fail_line(rest, at_end, why, cursor, batch),
            };
            if step == 0 {
                break;
            }
            done += step;
        }
        Ok(done)
    }

    fn take_columns(&mut self) -> Result<Vec<ArrayRef>> {
        self.columns.iter_mut().map(Column::take).collect()
    }

    fn take_warning(&mut self) -> Option<String> {
        epoch::warning(&mut self.columns)
    }
}
