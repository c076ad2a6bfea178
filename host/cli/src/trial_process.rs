//! One process function over sample rows, without a job: the operator of a job, with a clock that the command advances.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use serde_json::{Map, Value, json};

use super::error::CommandError;
use super::sample::{SampleArgs, text_column};
use super::trial::{Outcome, read_all};
use flowgate::job::check::{Surroundings, check};
use flowgate::job::graph::{JobGraph, NodeKind, Output};
use flowgate::job::spec;
use flowgate::running::Tick;
use flowgate::running::{Solo, SoloRows};
use flowgate_base::error::{Error, Result};
use flowgate_base::time::ProcessingTime;
use flowgate_connect::Connector;
use flowgate_connect::source::SourceRows;
use flowgate_wall::binding::FunctionInfo;
use flowgate_wall::{Plugin, Plugins};

/// The position of the dead letters among the outputs.
const ERRORS: usize = 1;
/// The names of the sources in the job of the trial.
const SOURCES: [&str; 2] = ["first_input", "second_input"];

/// A process function and its inputs.
pub(super) struct ProcessTrial<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) plugins: &'a Plugins,
    pub(super) function: &'a FunctionInfo,
    pub(super) connectors: Vec<Connector>,
    pub(super) config: Value,
    pub(super) sample: &'a SampleArgs,
    /// Processing time.
    pub(super) now: ProcessingTime,
    /// The advance of processing time behind the last row, in milliseconds.
    pub(super) advance_ms: i64,
}

impl ProcessTrial<'_> {
    /// Sends all rows, advances the clocks and collects the output.
    pub(super) fn run(self) -> Result<Outcome> {
        let graph = self.graph()?;
        let process = graph.nodes.iter().find(|node| matches!(node.kind, NodeKind::Process(_)));
        let outputs = &process.ok_or_else(|| Error::internal("a job without its operator"))?.outputs;
        let now = u64::try_from(self.now.0).map_err(|_| CommandError::Arguments("--now is before 1970".into()))?;
        let now = Tick(now);
        let mut solo = Solo::new(&graph, self.plugins, now)?;
        let mut outcome = Outcome::default();
        let mut batches = self.batches(&graph)?;
        let mut left = [0, 1].map(|input| batches.iter().filter(|(of, _)| *of == input).count());
        for (input, rows) in batches.drain(..) {
            outcome.undecoded(&rows);
            outcome.collect(outputs, solo.rows(input, &rows)?)?;
            left[input] -= 1;
            if left[input] == 0 {
                outcome.collect(outputs, solo.end_of_input(input)?)?;
            }
        }
        let later = now.plus_ms(u64::try_from(self.advance_ms).unwrap_or(0));
        outcome.collect(outputs, solo.advance(later)?)?;
        outcome.collect(outputs, solo.end()?)?;
        Ok(outcome)
    }

    /// Returns the batches of all inputs in their order of processing: by their event time, else input by input.
    fn batches(&self, graph: &JobGraph) -> Result<Vec<(usize, SourceRows)>> {
        let mut batches = Vec::new();
        for (input, name) in SOURCES.iter().enumerate() {
            let source = graph.nodes.iter().find_map(|node| match &node.kind {
                NodeKind::Source(source) if node.name == *name => Some(source),
                _ => None,
            });
            let Some(source) = source else { continue };
            let column = source.event_time.as_ref().map(|event_time| event_time.column);
            for rows in read_all(&*source.connector.source()?)? {
                let times =
                    column.and_then(|column| rows.columns.get(column)?.as_primitive_opt::<TimestampMillisecondType>());
                let earliest = times.and_then(|times| times.iter().flatten().min());
                batches.push((earliest, input, rows));
            }
        }
        // Stable: those of an input stay in their order where times are equal or absent.
        if self.connectors.len() > 1 {
            batches.sort_by_key(|(earliest, ..)| *earliest);
        }
        Ok(batches.into_iter().map(|(_, input, rows)| (input, rows)).collect())
    }

    /// Returns the checked job, which has only sources and the function.
    fn graph(&self) -> Result<JobGraph> {
        let base = std::env::current_dir().map_err(|e| Error::io("cannot find the current folder", &e))?;
        let job = self.job(&base)?;
        let around = Surroundings::of(&base, None, None);
        let checked = check(&job, &around, &mut self.plugins.clone()).map_err(|problems| {
            CommandError::Function(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        Ok(checked.graph)
    }

    fn job(&self, base: &Path) -> Result<spec::Job> {
        let mut sources = Map::new();
        for (connector, name) in self.connectors.iter().zip(SOURCES) {
            let mut source = json!({ connector.name.clone(): connector.settings });
            if let Some(column) = &self.sample.event_time {
                source["event_time"] = json!({ "column": column });
                if let Some(bound) = self.sample.max_out_of_orderness {
                    source["event_time"]["max_out_of_orderness"] = json!(bound);
                }
            }
            sources.insert(name.into(), source);
        }
        let two = self.connectors.len() == 2;
        let key = |key: &super::sample::KeyArg| match &key.columns {
            [left, right] if two => json!({ "left": left, "right": right }),
            [name, _] => json!(name),
        };
        let mut operator = json!({
            "plugin": "tested",
            "function": self.function.name,
            "config": self.config,
            "key": self.sample.key.iter().map(key).collect::<Vec<_>>(),
        });
        if two {
            operator["inputs"] = json!(SOURCES);
        } else {
            operator["input"] = json!(SOURCES[0]);
        }
        // Lines of text are one column, which the function may know by another name.
        let is_text =
            matches!(&self.connectors[..], [only] if only.name == "file" && only.settings["format"] == "text");
        if let Some(name) = text_column(self.function, 0).filter(|name| is_text && name != "text") {
            operator["columns"] = json!({ name: "text" });
        }
        let name = &self.function.name;
        let job = json!({
            "job": "plugin-test",
            "plugins": { "tested": base.join(self.plugin.path()) },
            "sources": sources,
            "operators": { name: operator },
            "sinks": { "tested_rows": { "input": name, "blackhole": {} } },
        });
        serde_json::from_value(job).map_err(|e| Error::internal(format!("a job for a test: {e}")))
    }
}

impl Outcome {
    /// Adds what the operator emitted: rows of its outputs, and dead letters as failures.
    fn collect(&mut self, outputs: &[Output], emitted: Vec<SoloRows>) -> Result<()> {
        for SoloRows { output, rows } in emitted {
            let of = outputs.get(output).ok_or_else(|| Error::internal("rows of an output that is not there"))?;
            let columns = rows.gather()?;
            if output != ERRORS {
                self.encode(&of.name, &of.schema, &columns, rows.row_count())?;
                continue;
            }
            let text = |column: usize, row: usize| {
                let texts = columns.get(column)?.as_string_opt::<i32>()?;
                arrow_array::Array::is_valid(texts, row).then(|| texts.value(row))
            };
            for row in 0..rows.row_count() {
                // Timers were read nowhere: their key, time and tag are shown.
                let place = text(1, row).or_else(|| text(3, row)).unwrap_or_default();
                self.failures.push(format!("{place}: {}", text(2, row).unwrap_or_default()));
            }
        }
        Ok(())
    }
}
