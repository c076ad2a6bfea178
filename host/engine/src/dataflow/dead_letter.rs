//! Dead letters: rows that could not be decoded or that a function failed, with their place and the reason.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, StringArray};

use super::batch::Batch;
use super::metrics::NodeMetrics;
use crate::error::RunError;
use crate::job::spec::OnError;
use flowgate_base::error::Result;
use flowgate_base::schema::Schema;
use flowgate_base::secret;
use flowgate_connect::encode::json_row;
use flowgate_connect::source::{DecodeFailure, Origin};

/// Bytes of a dead letter's row as JSON: enough for a row of a log. A longer text is cut.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Bytes of the rows of all dead letters of a batch: if there are many, each is cut to an equal share.
pub const TEXTS_BYTES_MAX: usize = 64 << 20;

/// The least share of a row, however many there are.
const TEXT_BYTES_MIN: usize = 128;

/// The end of a text that was cut.
const CUT: &str = "... (cut)";

/// Builds the `errors` output of one operator, with the columns of [`errors_schema`](crate::job::graph::errors_schema).
pub(crate) struct DeadLetters {
    operator: String,
    on_error: OnError,
    /// The schema of the input rows.
    schema: Schema,
    metrics: Arc<NodeMetrics>,
}

impl DeadLetters {
    /// Creates the dead letters of an operator that reads rows of `schema`.
    pub(crate) fn new(operator: &str, on_error: OnError, schema: Schema, metrics: Arc<NodeMetrics>) -> Self {
        DeadLetters { operator: operator.to_string(), on_error, schema, metrics }
    }

    /// Returns the operator's name.
    pub(crate) fn operator(&self) -> &str {
        &self.operator
    }

    /// Returns the dead letters of failed rows of a batch; each failure is a row number and a message.
    ///
    /// # Errors
    /// The first failure, if the operator says `on_error: fail`: the user's fault.
    pub(crate) fn of(&self, batch: &Batch, failures: Vec<(u32, String)>) -> Result<Batch> {
        let Some((row, message)) = failures.first() else { return Ok(Batch::default()) };
        let place = |row: usize| batch.position(row).map(|p| format!("{p}: ")).unwrap_or_default();
        if self.on_error == OnError::Fail {
            let (place, operator) = (place(*row as usize), self.operator.clone());
            return Err(RunError::FailedRow { place, message: message.clone(), operator }.into());
        }
        self.metrics.dead_letters(failures.len(), || format!("{}{message}", place(*row as usize)));
        // Only the failed rows are gathered.
        let rows = batch.select(&failures.iter().map(|(row, _)| *row).collect::<Vec<_>>().into());
        let columns = rows.gather()?;
        let mut positions = StringBuilder::new();
        let mut texts = StringBuilder::new();
        let most = text_bytes_max(failures.len());
        for i in 0..failures.len() {
            positions.append_option(rows.position(i).as_deref().map(secret::conceal));
            texts.append_value(cut(json_row(&self.schema, &columns, i), most));
        }
        let messages = StringArray::from_iter_values(failures.iter().map(|(_, message)| secret::conceal(message)));
        Ok(self.letters(positions, messages, texts).with_event_time(rows.event_time().cloned()))
    }

    /// Returns the dead letters of rows that a source could not decode.
    pub(crate) fn undecoded(&self, origin: &Origin, failures: &[DecodeFailure]) -> Batch {
        let Some(first) = failures.first() else { return Batch::default() };
        self.metrics.dead_letters(failures.len(), || format!("{}:{}: {}", origin.name, first.position, first.message));
        let mut positions = StringBuilder::new();
        let mut texts = StringBuilder::new();
        for failure in failures {
            positions.append_value(secret::conceal(&format!("{}:{}", origin.name, failure.position)));
            texts.append_value(&failure.raw);
        }
        let messages = StringArray::from_iter_values(failures.iter().map(|f| secret::conceal(&f.message)));
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

/// Returns the greatest number of bytes of each of `count` texts of a batch.
fn text_bytes_max(count: usize) -> usize {
    (TEXTS_BYTES_MAX / count.max(1)).clamp(TEXT_BYTES_MIN, TEXT_BYTES_MAX)
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub(CUT.len())));
        text += CUT;
    }
    text
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    use super::*;
    use flowgate_base::schema::{DataType, Field};

    fn texts(lengths: &[usize], failed: usize) -> Vec<String> {
        let schema = Schema::new(vec![Field::new("a", DataType::Text)]);
        let letters = DeadLetters::new("op", OnError::Skip, schema, Arc::default());
        let values: StringArray = lengths.iter().map(|length| Some("é".repeat(length / 2))).collect();
        let rows = lengths.len();
        let batch = Batch::new(vec![Arc::new(values)], rows);
        let failures = (0..failed).map(|row| ((row % rows) as u32, "no".to_string())).collect();
        let letters = letters.of(&batch, failures).unwrap().gather().unwrap();
        let texts = letters[3].as_string::<i32>();
        (0..texts.len()).map(|row| texts.value(row).to_string()).collect()
    }

    #[test]
    fn a_long_row_is_cut_with_a_word_and_a_short_one_is_whole() {
        let texts = texts(&[3 << 20, 4], 2);
        assert!(texts[0].len() <= TEXT_BYTES_MAX && texts[0].len() > TEXT_BYTES_MAX - 16);
        assert!(texts[0].starts_with("{\"a\":\"éé") && texts[0].ends_with("é... (cut)"));
        assert_eq!(texts[1], "{\"a\":\"éé\"}");
    }

    #[test]
    fn many_rows_share_the_bytes() {
        let texts = texts(&[20_000], 8_192);
        assert!(texts.iter().map(String::len).sum::<usize>() <= TEXTS_BYTES_MAX);
        assert!(texts.iter().all(|text| text.len() > 8_000 && text.ends_with("... (cut)")));
    }
}
