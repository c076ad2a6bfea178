//! Reads sources to their end in tests, as a worker does: polls, and sleeps until it is woken.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::encode::json_row;
use super::source::{DecodeFailure, Poll, Position, Positions, Source, SourceRows, Split, SplitReader, Waker};
use flowgate_base::error::Error;
use flowgate_base::schema::{DataType, Field, Schema};

/// The longest wait of a test for one thing.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Wakes a reader's test.
#[derive(Clone)]
pub(super) struct Alarm(Arc<(Mutex<bool>, Condvar)>);

/// All rows and failures of a split.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Position and JSON of each row.
    pub(super) rows: Vec<(u64, String)>,
    pub(super) failures: Vec<DecodeFailure>,
    pub(super) error: Option<Error>,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Alarm(Arc::default())
    }

    pub(super) fn waker(&self) -> Waker {
        let state = self.0.clone();
        Arc::new(move || {
            *state.0.lock().unwrap() = true;
            state.1.notify_all();
        })
    }

    /// Waits to be woken; false when `patience` ran out.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let guard = self.0.0.lock().unwrap();
        let (mut woken, _) = self.0.1.wait_timeout_while(guard, patience, |woken| !*woken).unwrap();
        std::mem::replace(&mut *woken, false)
    }

    /// Polls a reader until it does not wait.
    pub(super) fn poll(&self, reader: &mut dyn SplitReader) -> Result<Poll, Error> {
        let start = Instant::now();
        loop {
            match reader.poll()? {
                Poll::Pending => {
                    assert!(start.elapsed() < PATIENCE, "nothing came");
                    self.wait(Duration::from_secs(1));
                }
                poll => return Ok(poll),
            }
        }
    }

    /// Returns the next rows of a text reader; none at its end.
    pub(super) fn next(&self, reader: &mut dyn SplitReader) -> Vec<(u64, String)> {
        match self.poll(reader).unwrap() {
            Poll::Rows(rows) => rows_of(&text_schema(), &rows),
            _ => Vec::new(),
        }
    }

    /// Returns everything to the end. An empty schema stands for text.
    pub(super) fn to_end(&self, reader: &mut dyn SplitReader, schema: &Schema) -> Outcome {
        let text = text_schema();
        let schema = if schema.fields.is_empty() { &text } else { schema };
        let mut outcome = Outcome::default();
        loop {
            match self.poll(reader) {
                Ok(Poll::Rows(rows)) => {
                    outcome.rows.extend(rows_of(schema, &rows));
                    outcome.failures.extend(rows.failures);
                }
                Ok(_) => return outcome,
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
    }
}

fn text_schema() -> Schema {
    Schema::new(vec![Field::new("text", DataType::Text)])
}

/// Returns positions and rows as JSON.
pub(super) fn rows_of(schema: &Schema, rows: &SourceRows) -> Vec<(u64, String)> {
    let position = |i: usize| match &rows.origin.positions {
        Positions::From(first) => first + i as u64,
        Positions::List(list) => list[i],
    };
    if let Positions::List(list) = &rows.origin.positions {
        assert_eq!(list.len(), rows.row_count);
    }
    for (column, field) in rows.columns.iter().zip(&schema.fields) {
        assert_eq!((column.len(), column.data_type()), (rows.row_count, &field.data_type.arrow()));
    }
    (0..rows.row_count).map(|i| (position(i), json_row(schema, &rows.columns, i))).collect()
}

/// Reads a split from a position to its end.
pub(super) fn read_split(source: &dyn Source, split: &str, position: Option<&Position>) -> Outcome {
    let alarm = Alarm::new();
    let mut reader = source.open(&Split(split.into()), position, alarm.waker()).unwrap();
    alarm.to_end(&mut *reader, &source.schema())
}
