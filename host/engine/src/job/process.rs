//! Process functions in a [`JobBuilder`].

use serde_json::Value;

use super::builder::{InputField, JobBuilder, NodeSpec, Upstream};
use super::spec;
use super::stream::DataStream;

/// A plugin's process function with its settings, for [`KeyedStream::process`](super::KeyedStream::process).
///
/// ```
/// use flowgate::job::{JobBuilder, Process};
///
/// let job = JobBuilder::new("alerts");
/// let readings = job.file("readings.txt").transform("meter", "parse").key_by(["sensor"]);
/// let limits = job.file("limits.txt").transform("meter", "limits").key_by(["name"]);
/// let alerts = readings.connect(limits).process(Process::new("meter", "watch").config(serde_json::json!({ "hold": 3 })));
/// alerts.print("out");
///
/// let job = job.build().unwrap();
/// assert_eq!(job.operators["watch"].inputs, ["parse", "limits"]);
/// ```
#[derive(Debug, Clone)]
pub struct Process {
    operator: spec::Operator,
}

impl Process {
    /// Creates a process function from a plugin's function.
    pub fn new(plugin: impl Into<String>, function: impl Into<String>) -> Process {
        let operator =
            spec::Operator { plugin: Some(plugin.into()), function: Some(function.into()), ..Default::default() };
        Process { operator }
    }

    /// Sets its config.
    pub fn config(mut self, config: Value) -> Process {
        self.operator.config = Some(config);
        self
    }

    /// Shows the function the stream's column `column` as `name`.
    pub fn column(mut self, name: impl Into<String>, column: impl Into<String>) -> Process {
        self.operator.columns.insert(name.into(), column.into());
        self
    }

    /// Grants the function a file, under a name.
    pub fn grant_file(mut self, name: impl Into<String>, path: impl Into<String>) -> Process {
        self.operator.files.insert(name.into(), path.into());
        self
    }

    /// Sets what happens to rows that the function fails.
    pub fn on_error(mut self, on_error: spec::OnError) -> Process {
        self.operator.on_error = Some(on_error);
        self
    }
}

impl JobBuilder {
    /// Adds a process function that reads one input, or two.
    pub(super) fn add_process(&self, process: Process, key: Vec<spec::KeyColumn>, inputs: Vec<Upstream>) -> DataStream {
        let input_field = if inputs.len() == 2 { InputField::Inputs } else { InputField::Input };
        let operator = spec::Operator { key: Some(key), ..process.operator };
        let name = operator.function.clone().unwrap_or_default();
        self.add_node(&name, NodeSpec::Operator(operator), inputs, input_field)
    }
}
