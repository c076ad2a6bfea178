//! Dead letters: rows that could not be handled, with where they came from and why.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, StringArray};

use super::batch::Batch;
use super::metrics::NodeMetrics;
use crate::connector::encode::json_row;
use crate::connector::source::{DecodeFailure, Origin};
use crate::error::{Error, Result};
use crate::job::spec::OnError;
use crate::schema::Schema;

/// Makes the `errors` output of one operator; its columns are those of [`errors_schema`](crate::job::graph::errors_schema).
pub struct DeadLetters {
    operator: String,
    on_error: OnError,
    /// Of the rows that come in.
    schema: Schema,
    metrics: Arc<NodeMetrics>,
}

impl DeadLetters {
    /// For an operator that reads rows of this schema.
    pub fn new(operator: &str, on_error: OnError, schema: Schema, metrics: Arc<NodeMetrics>) -> Self {
        DeadLetters { operator: operator.to_string(), on_error, schema, metrics }
    }

    /// Dead letters for these rows of a batch, with a message each. An error if the job is to fail on them.
    pub fn of(&self, batch: &Batch, failures: Vec<(u32, String)>) -> Result<Batch> {
        let Some((row, message)) = failures.first() else { return Ok(Batch::default()) };
        let place = |row: usize| batch.position(row).map(|p| format!("{p}: ")).unwrap_or_default();
        if self.on_error == OnError::Fail {
            return Err(Error::user(format!(
                "{}{message} (on_error: skip sends such rows to `{}.errors` instead)",
                place(*row as usize),
                self.operator
            )));
        }
        self.metrics.dead_letters(failures.len(), || format!("{}{message}", place(*row as usize)));
        // Only the failed rows are gathered.
        let rows = batch.select(&failures.iter().map(|(row, _)| *row).collect::<Vec<_>>().into());
        let columns = rows.gather()?;
        let mut positions = StringBuilder::new();
        let mut texts = StringBuilder::new();
        for i in 0..failures.len() {
            positions.append_option(rows.position(i));
            texts.append_value(json_row(&self.schema, &columns, i));
        }
        let messages: StringArray = failures.iter().map(|(_, message)| Some(message.as_str())).collect();
        Ok(self.letters(positions, messages, texts).with_event_time(rows.event_time().cloned()))
    }

    /// Dead letters for rows that a source could not decode.
    pub fn undecoded(&self, origin: &Origin, failures: &[DecodeFailure]) -> Batch {
        let Some(first) = failures.first() else { return Batch::default() };
        self.metrics.dead_letters(failures.len(), || format!("{}:{}: {}", origin.name, first.position, first.message));
        let mut positions = StringBuilder::new();
        let mut texts = StringBuilder::new();
        for failure in failures {
            positions.append_value(format!("{}:{}", origin.name, failure.position));
            texts.append_value(&failure.raw);
        }
        let messages: StringArray = failures.iter().map(|f| Some(f.message.as_str())).collect();
        self.letters(positions, messages, texts)
    }

    fn letters(&self, mut positions: StringBuilder, messages: StringArray, mut texts: StringBuilder) -> Batch {
        let row_count = arrow_array::Array::len(&messages);
        let operator = StringArray::from_iter_values(std::iter::repeat_n(&self.operator, row_count));
        let columns: Vec<ArrayRef> =
            vec![Arc::new(operator), Arc::new(positions.finish()), Arc::new(messages), Arc::new(texts.finish())];
        Batch::new(columns, row_count)
    }
}
