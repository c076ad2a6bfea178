//! A sample at each interval; nothing in between.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, Float64Array, PrimitiveArray, StringArray};
use serde::{Deserialize, Serialize};

use super::figures::{Figure, Machine};
use crate::limits;
use crate::problem::Problem;
use crate::settings as spec;
use crate::settings::{SYSTEM_METRIC_GROUPS, SYSTEM_METRICS};
use crate::source::{Origin, Poll, Position, Positions, Source, SourceRows, Split, SplitReader, Waker};
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::{DataType, Field, Schema, SchemaRef};

/// Time between samples where the job does not set it.
const EVERY_MS: i64 = 1_000;

/// Samples of this machine's figures. One split; the first sample is due after one interval, because rates need two readings.
#[derive(Debug)]
pub(crate) struct SystemSource {
    schema: SchemaRef,
    every_ms: i64,
    metrics: BTreeSet<&'static str>,
    samples: Option<u64>,
}

impl SystemSource {
    /// Creates the source of a spec; the error lists all problems.
    pub(crate) fn new(spec: &spec::System) -> std::result::Result<Self, Vec<Problem>> {
        let mut wrong = Vec::new();
        let every_ms = spec.every.map_or(EVERY_MS, |every| every.0);
        if every_ms < limits::SYSTEM_EVERY_MS_MIN {
            let message = format!(
                "`every` is {every_ms}ms; it must be at least {}ms, or figures of processors would not be new",
                limits::SYSTEM_EVERY_MS_MIN
            );
            wrong.push(Problem::of("every", message));
        }
        let metrics = match &spec.metrics {
            None => SYSTEM_METRICS.into(),
            Some(listed) => wanted(listed, &mut wrong),
        };
        if spec.samples == Some(0) {
            wrong.push(Problem::of("samples", "`samples` is 0; it must be at least 1, or absent for no end"));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let schema = Arc::new(Schema::new(vec![
            Field::new("time", DataType::Timestamp),
            Field::new("host", DataType::Text),
            Field::new("metric", DataType::Text),
            Field::nullable("device", DataType::Text),
            Field::new("value", DataType::Float64),
        ]));
        Ok(SystemSource { schema, every_ms, metrics, samples: spec.samples })
    }
}

/// Returns the figures that these names and prefixes stand for.
fn wanted(listed: &[String], wrong: &mut Vec<Problem>) -> BTreeSet<&'static str> {
    if listed.is_empty() {
        let groups = SYSTEM_METRIC_GROUPS.join(", ");
        let message = format!("`metrics` is empty; leave it out for all, or list some of {groups}");
        wrong.push(Problem::of("metrics", message));
    }
    let mut metrics = BTreeSet::new();
    for name in listed {
        let is =
            |metric: &&&str| **metric == name || metric.strip_prefix(&name[..]).is_some_and(|m| m.starts_with('.'));
        let mut found = SYSTEM_METRICS.iter().filter(is).peekable();
        if found.peek().is_none() {
            let known = SYSTEM_METRICS.join(", ");
            let message = format!("`metrics` has `{name}`, which is no figure; figures are {known}");
            wrong.push(Problem::of("metrics", message));
        }
        metrics.extend(found);
    }
    metrics
}

/// The position of a reader: the number of samples that were returned.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Kept {
    samples: u64,
}

impl Source for SystemSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn ends(&self) -> bool {
        self.samples.is_some()
    }

    fn splits(&self, _parallelism: usize) -> Result<Vec<Split>> {
        Ok(vec![Split("system".into())])
    }

    fn open(&self, _split: &Split, position: Option<&Position>, _waker: Waker) -> Result<Box<dyn SplitReader>> {
        let returned = match position {
            None => 0,
            Some(position) => {
                let wrong = |e| Error::internal(format!("{} is not a position of a system source: {e}", position.0));
                serde_json::from_value::<Kept>(position.0.clone()).map_err(wrong)?.samples
            }
        };
        Ok(Box::new(SystemReader {
            machine: Machine::new(&self.metrics)?,
            host: sysinfo::System::host_name().unwrap_or_else(|_| "localhost".into()),
            every_ms: self.every_ms,
            due_ms: clock::now_ms().saturating_add(self.every_ms),
            returned,
            samples: self.samples,
        }))
    }
}

struct SystemReader {
    machine: Machine,
    host: String,
    every_ms: i64,
    /// When the next sample is due.
    due_ms: i64,
    returned: u64,
    samples: Option<u64>,
}

impl SplitReader for SystemReader {
    fn poll(&mut self) -> Result<Poll> {
        if self.samples.is_some_and(|samples| self.returned >= samples) {
            return Ok(Poll::End);
        }
        let now_ms = clock::now_ms();
        if now_ms < self.due_ms {
            // A clock that was set back by far must not stop the samples.
            self.due_ms = self.due_ms.min(now_ms.saturating_add(self.every_ms));
            return Ok(Poll::PendingUntil(self.due_ms));
        }
        // Samples that were not read when they were due are left out: their figures would be those of now.
        let soonest_ms = now_ms.saturating_add(limits::SYSTEM_EVERY_MS_MIN);
        self.due_ms = self.due_ms.saturating_add(self.every_ms).max(soonest_ms);
        let figures = self.machine.read();
        let rows = rows(&figures, &self.host, now_ms, self.returned);
        self.returned += 1;
        Ok(Poll::Rows(rows))
    }

    fn position(&self) -> Position {
        // One number can always be represented.
        Position::of(&Kept { samples: self.returned })
    }
}

/// Returns the rows of sample number `sample`, which is the position of each.
fn rows(figures: &[Figure], host: &str, time_ms: i64, sample: u64) -> SourceRows {
    let count = figures.len();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(PrimitiveArray::<TimestampMillisecondType>::from_iter_values(std::iter::repeat_n(time_ms, count))),
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(host, count))),
        Arc::new(StringArray::from_iter_values(figures.iter().map(|f| f.metric))),
        Arc::new(figures.iter().map(|f| f.device.as_deref()).collect::<StringArray>()),
        Arc::new(Float64Array::from_iter_values(figures.iter().map(|f| f.value))),
    ];
    let positions = Positions::List(vec![sample; count].into());
    SourceRows { columns, row_count: count, origin: Origin { name: "system".into(), positions }, failures: Vec::new() }
}
