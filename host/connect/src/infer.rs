//! Describes a sample of rows as a source: its format, its columns and their types.

use arrow_array::cast::AsArray;
use indexmap::IndexMap;

use super::decode::{BatchCounter, Cursor, csv_header, json_names};
use super::guess::{self, Guess};
use super::limits;
use crate::error::SourceError;
use crate::settings::Format;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field};

/// The known properties of a sample.
#[derive(Debug, Clone, Default)]
pub struct SampleSettings {
    /// Default: JSON lines where the sample begins with `{`, CSV where its first lines have the same number of fields, else text.
    pub format: Option<Format>,
    /// CSV. Default: the one of `,`, `;`, tab and `|` that is most frequent in the first line.
    pub delimiter: Option<u8>,
    /// CSV: the first line has values, not names.
    pub no_header: bool,
}

/// The description of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    /// The format.
    pub format: Format,
    /// CSV: the character between values.
    pub delimiter: u8,
    /// The columns: of CSV without a header in the order of the fields; none of text.
    pub columns: Vec<Field>,
    /// Names that cannot be columns of a source, and why.
    pub left_out: Vec<(String, &'static str)>,
    /// The number of rows that were read.
    pub rows: u64,
    /// The number of rows that are invalid in this format, whatever the types.
    pub failures: u64,
    /// The line and the reason of the first failure.
    pub first_failure: Option<String>,
}

/// Describes `sample`, whole lines of decompressed bytes: each row that can be read in its format can be read with the types that
/// are found.
///
/// # Errors
/// There are no columns.
pub fn infer(sample: &[u8], settings: &SampleSettings) -> Result<Inferred> {
    let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    let delimiter = settings.delimiter.unwrap_or_else(|| likely_delimiter(first_lines(sample)[0]));
    let format = settings.format.unwrap_or_else(|| likely_format(sample, delimiter));
    let mut inferred = Inferred {
        format,
        delimiter,
        columns: Vec::new(),
        left_out: Vec::new(),
        rows: 0,
        failures: 0,
        first_failure: None,
    };
    let names = match format {
        Format::Text => return Ok(inferred),
        Format::Json => names_of_members(sample, &mut inferred.left_out),
        Format::Csv => names_of_fields(sample, delimiter, settings.no_header, &mut inferred.left_out),
    };
    if names.is_empty() {
        return Err(Error::from(SourceError::NoSample("there are no rows to infer columns from".into())));
    }
    inferred.learn(sample, names, !settings.no_header)?;
    Ok(inferred)
}

impl Inferred {
    /// Reads all rows with columns that accept every value, and learns from the values.
    fn learn(&mut self, sample: &[u8], names: Vec<String>, header: bool) -> Result<()> {
        let every = if self.format == Format::Csv { DataType::Text } else { DataType::Json };
        let columns: Vec<Field> = names.iter().map(|name| Field::nullable(name, every)).collect();
        let mut decoder = guess::settings(self.format, &columns, header, self.delimiter)?.decoder("the sample");
        let mut guesses: Vec<Guess> = names.iter().map(|_| Guess::new(self.format)).collect();
        let (mut cursor, mut rest) = (Cursor::start(), sample);
        let mut batch = BatchCounter::new(limits::BATCH_ROWS_DEFAULT as usize);
        while !rest.is_empty() {
            let done = decoder.decode(rest, true, &mut cursor, &mut batch)?;
            rest = &rest[done..];
            cursor.offset += done as u64;
            let (rows, _, failures) = batch.take();
            self.rows += rows as u64;
            self.failures += failures.len() as u64;
            if let Some(first) = failures.first().filter(|_| self.first_failure.is_none()) {
                self.first_failure = Some(format!("line {}: {}", first.position, first.message));
            }
            for (guess, column) in guesses.iter_mut().zip(decoder.take_columns()?) {
                guess.learn(column.as_string())?;
            }
            // Only bytes that the decoder does not consume are left.
            if done == 0 && rows == 0 && failures.is_empty() {
                break;
            }
        }
        self.columns = guesses.iter().zip(&names).map(|(guess, name)| guess.column(name)).collect();
        Ok(())
    }
}

/// Returns the names of all members of all objects, in the order of their first occurrence.
fn names_of_members(sample: &[u8], left_out: &mut Vec<(String, &'static str)>) -> Vec<String> {
    let mut names: IndexMap<String, ()> = IndexMap::new();
    for line in sample.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
        for name in json_names(line) {
            if names.len() < limits::INFER_COLUMNS_MAX || names.contains_key(&name) {
                names.insert(name, ());
            } else if left_out.is_empty() {
                left_out.push((name, "there are too many columns: this one and those after it"));
            }
        }
    }
    usable(names.into_keys(), left_out)
}

fn names_of_fields(
    sample: &[u8],
    delimiter: u8,
    no_header: bool,
    left_out: &mut Vec<(String, &'static str)>,
) -> Vec<String> {
    let first = csv_header(sample, delimiter).unwrap_or_default();
    if no_header {
        return (1..=first.len()).map(|n| format!("column_{n}")).collect();
    }
    let mut names: IndexMap<String, usize> = IndexMap::new();
    for name in first {
        *names.entry(name).or_default() += 1;
    }
    // A source that reads one of these is refused, because the name is ambiguous.
    let (once, often): (Vec<_>, Vec<_>) = names.into_iter().partition(|(_, count)| *count == 1);
    left_out.extend(often.into_iter().map(|(name, _)| (name, "the header has it more than once")));
    usable(once.into_iter().map(|(name, _)| name), left_out)
}

/// Returns the names that can be columns of a source.
fn usable(names: impl Iterator<Item = String>, left_out: &mut Vec<(String, &'static str)>) -> Vec<String> {
    let (usable, not): (Vec<String>, Vec<String>) = names.partition(|name| (1..=255).contains(&name.len()));
    left_out.extend(not.into_iter().map(|name| (name, "a column's name has 1 to 255 bytes")));
    usable
}

/// Returns the first two lines; empty where there are fewer.
fn first_lines(sample: &[u8]) -> [&[u8]; 2] {
    let mut lines = sample.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    [lines.next().unwrap_or_default(), lines.next().unwrap_or_default()]
}

fn likely_delimiter(line: &[u8]) -> u8 {
    let mut likely = (b',', count(line, b','));
    for delimiter in [b';', b'\t', b'|'] {
        let count = count(line, delimiter);
        if count > likely.1 {
            likely = (delimiter, count);
        }
    }
    likely.0
}

/// Returns how often a line has the byte outside of quotes.
fn count(line: &[u8], byte: u8) -> usize {
    let outside = line.split(|b| *b == b'"').step_by(2);
    outside.map(|piece| memchr::memchr_iter(byte, piece).count()).sum()
}

fn likely_format(sample: &[u8], delimiter: u8) -> Format {
    let [first, second] = first_lines(sample);
    if first.trim_ascii_start().starts_with(b"{") {
        return Format::Json;
    }
    let fields = count(first, delimiter);
    if fields > 0 && (second.is_empty() || count(second, delimiter) == fields) { Format::Csv } else { Format::Text }
}
