//! The settings of a format, checked.

use std::sync::Arc;

use indexmap::IndexMap;

use super::column::Column;
use super::csv::CsvDecoder;
use super::decoder::{Decoder, Decoding};
use super::epoch::Epoch;
use super::json::JsonDecoder;
use super::text::TextDecoder;
use crate::limits;
use crate::problem::Problem;
use crate::settings::{ColumnType, FileSource, Format, LookupTable, StdinSource, TimeUnit};
use flowgate_base::schema::{DataType, Field, Schema, SchemaRef};

/// The decoding of bytes to rows, for `file` and `stdin`.
#[derive(Debug, Clone)]
pub(crate) struct DecodeSettings {
    pub(crate) format: Format,
    pub(crate) schema: SchemaRef,
    /// By column: the unit of integers, where it is a timestamp.
    units: Vec<TimeUnit>,
    /// CSV.
    pub(crate) header: bool,
    /// CSV.
    pub(crate) delimiter: u8,
    pub(crate) batch_rows: usize,
}

impl DecodeSettings {
    /// Checks the settings of a `file` source; the error lists all problems.
    pub(crate) fn of_file(spec: &FileSource) -> Result<Self, Vec<Problem>> {
        Self::check(spec.format, &spec.columns, spec.header, &spec.delimiter, spec.batch_rows)
    }

    /// Checks the settings of a `stdin` source; the error lists all problems.
    pub(crate) fn of_stdin(spec: &StdinSource) -> Result<Self, Vec<Problem>> {
        Self::check(spec.format, &spec.columns, spec.header, &spec.delimiter, spec.batch_rows)
    }

    /// Checks the settings of a table; the error lists all problems.
    pub(crate) fn of_table(spec: &LookupTable) -> Result<Self, Vec<Problem>> {
        match spec.format.unwrap_or(Format::Csv) {
            Format::Text => Err(vec![Problem::of("format", "`format` is text; a table is csv or json")]),
            format => Self::check(format, &spec.columns, spec.header, &spec.delimiter, None),
        }
    }

    fn check(
        format: Format,
        columns: &IndexMap<String, ColumnType>,
        header: bool,
        delimiter: &str,
        batch_rows: Option<u32>,
    ) -> Result<Self, Vec<Problem>> {
        let mut wrong = Vec::new();
        let fields = match format {
            Format::Text if columns.is_empty() => vec![(Field::new("text", DataType::Text), TimeUnit::Ms)],
            Format::Text => {
                let message = "`columns` goes with format json or csv; format text has the one column `text`";
                wrong.push(Problem::of("columns", message));
                Vec::new()
            }
            Format::Json | Format::Csv => declared(columns, &mut wrong),
        };
        let delimiter = match delimiter.as_bytes() {
            [byte] if !matches!(byte, b'"' | b'\r' | b'\n') && byte.is_ascii() => *byte,
            _ => {
                let message =
                    format!("`delimiter` is `{delimiter}`; it must be one ASCII character, not a quote or line end");
                wrong.push(Problem::of("delimiter", message));
                b','
            }
        };
        if format != Format::Csv && (!header || delimiter != b',') {
            let field = if header { "delimiter" } else { "header" };
            wrong.push(Problem::of(field, "`header` and `delimiter` go with format csv"));
        }
        let batch_rows = checked_batch_rows(batch_rows, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let (fields, units) = fields.into_iter().unzip();
        Ok(DecodeSettings { format, schema: Arc::new(Schema::new(fields)), units, header, delimiter, batch_rows })
    }

    /// Creates its columns, without rows.
    pub(super) fn columns(&self) -> Vec<Column> {
        let column = |(field, unit): (&Field, &TimeUnit)| Column::new(field.clone()).counting(Epoch::of(*unit));
        self.schema.fields.iter().zip(&self.units).map(column).collect()
    }

    /// Creates a decoder of these settings; `name` is the input's, for messages.
    pub(crate) fn decoder(&self, name: &str) -> Box<dyn Decoder> {
        match self.format {
            Format::Text => Box::new(TextDecoder::new()),
            Format::Json => Box::new(JsonDecoder::new(self.columns())),
            Format::Csv => Box::new(CsvDecoder::new(self, name)),
        }
    }
}

impl Decoding for DecodeSettings {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    fn decoder(&self, name: &str) -> Box<dyn Decoder> {
        self.decoder(name)
    }
}

/// Returns `batch_rows` of a source, or its default.
pub(crate) fn checked_batch_rows(batch_rows: Option<u32>, wrong: &mut Vec<Problem>) -> usize {
    let rows = batch_rows.unwrap_or(limits::BATCH_ROWS_DEFAULT);
    if rows == 0 || rows > limits::BATCH_ROWS_MAX {
        let message = format!("`batch_rows` is {rows}; it must be between 1 and {}", limits::BATCH_ROWS_MAX);
        wrong.push(Problem::of("batch_rows", message));
    }
    rows.clamp(1, limits::BATCH_ROWS_MAX) as usize
}

/// Returns the columns with their types, and the units of integers in them.
fn declared(columns: &IndexMap<String, ColumnType>, wrong: &mut Vec<Problem>) -> Vec<(Field, TimeUnit)> {
    if columns.is_empty() {
        let like = "{ time: timestamp, path: text, size: int64? }";
        let message =
            format!("`columns` is missing: formats json and csv need the columns and their types, like {like}");
        wrong.push(Problem::of("columns", message));
    }
    let mut fields = Vec::new();
    for (name, column) in columns {
        let mut problem = |message: String| wrong.push(Problem::of_entry("columns", name, message));
        if name.is_empty() || name.len() > 255 {
            problem(format!("column name `{name}` must have 1 to 255 bytes"));
        }
        let type_name = column.type_name();
        let text = type_name.trim();
        let (bare, nullable) = text.strip_suffix('?').map_or((text, false), |bare| (bare, true));
        let Some(data_type) = DataType::ALL.into_iter().find(|t| t.name() == bare) else {
            let known: Vec<&str> = DataType::ALL.iter().map(|t| t.name()).collect();
            problem(format!(
                "column `{name}` has the unknown type `{type_name}`; types are {}, with `?` behind one that may be missing",
                known.join(", ")
            ));
            continue;
        };
        if column.unit().is_some() && data_type != DataType::Timestamp {
            problem(format!("column `{name}` is {data_type}; `unit` goes with the type timestamp"));
        }
        fields.push((Field { name: name.clone(), data_type, nullable }, column.unit().unwrap_or_default()));
    }
    fields
}
