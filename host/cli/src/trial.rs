//! One transform or aggregate over the rows of one input, without a job; and the outcome of any trial.

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array};

use super::error::CommandError;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;
use flowgate_base::time::ProcessingTime;
use flowgate_connect::Connector;
use flowgate_connect::encode::encode_json_lines;
use flowgate_connect::source::{DecodeFailure, Origin, Poll, Source, SourceRows};
use flowgate_wall::binding::{FunctionInfo, Kind, OpenRequest, OutputBinding};
use flowgate_wall::{Answer, CallContext, Function, Plugin, RowFailure, RowsOut, Selection, VarValues};

/// A function and its input.
pub(super) struct Trial<'a> {
    pub(super) plugin: &'a Arc<Plugin>,
    pub(super) function: &'a FunctionInfo,
    pub(super) connector: Connector,
    pub(super) config: serde_json::Value,
    /// The name under which the function sees lines of text.
    pub(super) text_column: Option<String>,
    /// Processing time.
    pub(super) now: ProcessingTime,
}

/// The outcome of a trial.
#[derive(Default)]
pub(super) struct Outcome {
    /// JSON lines: the rows of the main output; of a side output as `{"output":"NAME","row":{...}}`.
    pub(super) rows: String,
    pub(super) row_count: usize,
    /// `INPUT:LINE: message`.
    pub(super) failures: Vec<String>,
}

impl Outcome {
    /// Returns rows, then failures: what `--expect` compares.
    pub(super) fn text(&self) -> String {
        let failures: String = self.failures.iter().map(|line| format!("{line}\n")).collect();
        self.rows.clone() + &failures
    }
}

impl Trial<'_> {
    /// Reads, calls and collects everything.
    pub(super) fn run(self) -> Result<Outcome> {
        let source = self.connector.source()?;
        let schema = offered(&self.connector, &source.schema(), self.text_column.as_ref());
        let request = OpenRequest {
            operator: self.function.name.clone(),
            function: self.function.name.clone(),
            config: self.config.clone(),
            inputs: vec![schema.clone()],
            files: Default::default(),
        };
        let mut function =
            Function::open(self.plugin, request).map_err(|problems| CommandError::Function(problems.join("\n")))?;
        let reads = columns_read(&function, 0, &schema)?;
        let mut outcome = Outcome::default();
        let mut groups = VarValues::empty(1);
        for rows in read_all(&*source)? {
            outcome.undecoded(&rows);
            let input: Vec<ArrayRef> = reads.iter().filter_map(|i| rows.columns.get(*i).cloned()).collect();
            let context = CallContext { watermark: None, processing_time: self.now };
            let failures = match self.function.kind {
                Kind::Aggregate => {
                    let to = vec![0; rows.row_count];
                    let updated = function.update(groups, &to, &input, rows.row_count, &context)?;
                    groups = updated.accumulators;
                    updated.failures
                }
                _ => {
                    let answer = function.transform(&input, rows.row_count, &context)?;
                    let given = Given { schema: &schema, columns: &rows.columns, row_count: rows.row_count };
                    outcome.add(&function.binding().outputs, &given, &answer)?;
                    if let Some(error) = answer.gave_up {
                        return Err(error);
                    }
                    answer.failures
                }
            };
            outcome.failures.extend(failures.iter().map(|failure| failure_line(&rows.origin, failure)));
        }
        if self.function.kind == Kind::Aggregate {
            let columns = function.finish(&groups)?;
            let fields = function.binding().outputs.first().map(|o| o.columns.clone()).unwrap_or_default();
            outcome.encode("", &Schema::new(fields), &columns, 1)?;
        }
        Ok(outcome)
    }
}

/// Returns the source's columns, under the names by which the function sees them.
pub(super) fn offered(connector: &Connector, schema: &Schema, text_column: Option<&String>) -> Schema {
    let mut schema = schema.clone();
    let is_text = connector.settings["format"] == "text";
    if is_text && let (Some(name), Some(field)) = (text_column, schema.fields.first_mut()) {
        field.name.clone_from(name);
    }
    schema
}

/// The rows with which a function was called.
pub(super) struct Given<'a> {
    pub(super) schema: &'a Schema,
    pub(super) columns: &'a [ArrayRef],
    pub(super) row_count: usize,
}

impl Outcome {
    /// Adds the rows of each output.
    pub(super) fn add(&mut self, outputs: &[OutputBinding], given: &Given<'_>, answer: &Answer) -> Result<()> {
        for (output, rows) in outputs.iter().zip(&answer.outputs) {
            let (schema, columns, row_count) = assemble(output, rows, given)?;
            self.encode(&output.name, &schema, &columns, row_count)?;
        }
        Ok(())
    }

    /// Adds the rows of a file that did not decode.
    pub(super) fn undecoded(&mut self, rows: &SourceRows) {
        let line = |f: &DecodeFailure| format!("{}:{}: {}", rows.origin.name, f.position, f.message);
        self.failures.extend(rows.failures.iter().map(line));
    }

    /// Adds rows of an output: the main one has no name.
    pub(super) fn encode(
        &mut self,
        output: &str,
        schema: &Schema,
        columns: &[ArrayRef],
        row_count: usize,
    ) -> Result<()> {
        let mut lines = Vec::new();
        encode_json_lines(schema, columns, row_count, &mut lines);
        let lines = String::from_utf8(lines).map_err(|e| Error::internal(e.to_string()))?;
        if output.is_empty() {
            self.rows.push_str(&lines);
        } else {
            for line in lines.lines() {
                self.rows.push_str(&format!("{{\"output\":\"{output}\",\"row\":{line}}}\n"));
            }
        }
        self.row_count += row_count;
        Ok(())
    }
}

/// Assembles an output's rows as in a job: with passthrough columns, in which a made column replaces the one of its name.
fn assemble(output: &OutputBinding, rows: &RowsOut, given: &Given<'_>) -> Result<(Schema, Vec<ArrayRef>, usize)> {
    let selected = match &rows.selection {
        Selection::All => None,
        Selection::Rows(selected) => Some(UInt32Array::from(selected.clone())),
    };
    let row_count = selected.as_ref().map_or(given.row_count, arrow_array::Array::len);
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    let made = |name: &str| output.columns.iter().position(|field| field.name == name);
    if output.passthrough {
        for (field, column) in given.schema.fields.iter().zip(given.columns) {
            if let Some((own, new)) =
                made(&field.name).and_then(|i| Some((output.columns.get(i)?, rows.columns.get(i)?)))
            {
                fields.push(own.clone());
                columns.push(new.clone());
                continue;
            }
            fields.push(field.clone());
            columns.push(match &selected {
                None => column.clone(),
                Some(selected) => {
                    arrow_select::take::take(column, selected, None).map_err(|e| Error::internal(e.to_string()))?
                }
            });
        }
    }
    for (field, column) in output.columns.iter().zip(&rows.columns) {
        if !fields.iter().any(|f| f.name == field.name) {
            fields.push(field.clone());
            columns.push(column.clone());
        }
    }
    Ok((Schema::new(fields), columns, row_count))
}

/// Reads all rows of a source.
pub(super) fn read_all(source: &dyn Source) -> Result<Vec<SourceRows>> {
    let mut all = Vec::new();
    for split in source.splits(1)? {
        let mut reader = source.open(&split, None, Arc::new(unpark(std::thread::current())))?;
        loop {
            match reader.poll()? {
                Poll::Rows(rows) => all.push(rows),
                Poll::Pending | Poll::PendingUntil(_) => std::thread::park(),
                Poll::End => break,
            }
        }
    }
    Ok(all)
}

/// Returns the positions of the columns that a function reads of an input.
pub(super) fn columns_read(function: &Function, input: usize, schema: &Schema) -> Result<Vec<usize>> {
    let reads = function.binding().inputs.get(input);
    let position = |name: &str| schema.index_of(name).ok_or_else(|| Error::internal("a bound column is not there"));
    reads.into_iter().flatten().map(|field| position(&field.name)).collect()
}

fn failure_line(origin: &Origin, failure: &RowFailure) -> String {
    // The wall has checked that the failed row is one of the batch.
    let place = origin.place(failure.row as usize).unwrap_or_else(|| origin.name.to_string());
    format!("{place}: {}", failure.message)
}

fn unpark(thread: std::thread::Thread) -> impl Fn() + Send + Sync {
    move || thread.unpark()
}
