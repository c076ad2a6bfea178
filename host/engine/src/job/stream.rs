//! Streams of rows in a [`JobBuilder`].

use std::time::Duration;

use serde_json::Value;

use super::builder::{JobBuilder, NodeSpec, Upstream, millis};
use super::process::Process;
use super::spec;
use flowgate_base::quantity::Extent;

/// A stream of rows: an output of a source or an operator. It can be read any number of times; a clone is the same
/// stream. [`JobBuilder`] has an example.
#[derive(Debug, Clone)]
pub struct DataStream {
    pub(super) job: JobBuilder,
    pub(super) upstream: Upstream,
}

/// A stream whose rows are grouped by columns.
#[derive(Debug, Clone)]
pub struct KeyedStream {
    stream: DataStream,
    key: Vec<String>,
}

/// Two streams that are grouped by corresponding columns.
#[derive(Debug, Clone)]
pub struct ConnectedStreams {
    first: KeyedStream,
    second: KeyedStream,
}

/// A stream that is divided into windows, in event time by default.
#[derive(Debug, Clone)]
pub struct WindowedStream {
    keyed: KeyedStream,
    window: spec::Window,
    trigger: Option<spec::Trigger>,
    allowed_lateness: Option<Duration>,
    on_error: Option<spec::OnError>,
}

/// A plugin's transform with its settings, for [`DataStream::apply`].
#[derive(Debug, Clone)]
pub struct Transform {
    operator: spec::Operator,
}

impl Transform {
    /// Creates a transform from a plugin's function.
    pub fn new(plugin: impl Into<String>, function: impl Into<String>) -> Transform {
        let operator =
            spec::Operator { plugin: Some(plugin.into()), function: Some(function.into()), ..Default::default() };
        Transform { operator }
    }

    /// Sets its config.
    pub fn config(mut self, config: Value) -> Transform {
        self.operator.config = Some(config);
        self
    }

    /// Shows the function the stream's column `column` as `name`.
    pub fn column(mut self, name: impl Into<String>, column: impl Into<String>) -> Transform {
        self.operator.columns.insert(name.into(), column.into());
        self
    }

    /// Grants the function a file, under a name.
    pub fn grant_file(mut self, name: impl Into<String>, path: impl Into<String>) -> Transform {
        self.operator.files.insert(name.into(), path.into());
        self
    }

    /// Sets what happens to rows that the function fails.
    pub fn on_error(mut self, on_error: spec::OnError) -> Transform {
        self.operator.on_error = Some(on_error);
        self
    }
}

impl DataStream {
    pub(super) fn new(job: JobBuilder, upstream: Upstream) -> DataStream {
        DataStream { job, upstream }
    }

    /// Names the source or operator that emits this stream. The default is the name of the function, `window`, or the name of the
    /// connector.
    pub fn name(self, name: impl Into<String>) -> DataStream {
        self.job.change(&self.upstream, "a name", |node| node.name = name.into());
        self
    }

    /// Assigns event time from a timestamp column; a row may be behind the latest one by up to `max_out_of_orderness`.
    pub fn event_time(self, column: impl Into<String>, max_out_of_orderness: Duration) -> DataStream {
        let event_time = spec::EventTime {
            column: column.into(),
            max_out_of_orderness: Some(millis(max_out_of_orderness)),
            idle_after: None,
        };
        self.with_event_time(event_time)
    }

    /// Assigns event time from a column, with all its settings.
    pub fn with_event_time(self, event_time: spec::EventTime) -> DataStream {
        self.job.change(&self.upstream, "event time", |node| match &mut node.spec {
            NodeSpec::Source(source) => source.event_time = Some(event_time),
            NodeSpec::Operator(operator) => operator.event_time = Some(event_time),
        });
        self
    }

    /// Runs a plugin's function over the rows.
    pub fn transform(&self, plugin: impl Into<String>, function: impl Into<String>) -> DataStream {
        self.apply(Transform::new(plugin, function))
    }

    /// Runs a plugin's function, with settings, over the rows.
    pub fn apply(&self, transform: Transform) -> DataStream {
        let operator = transform.operator;
        let name = operator.function.clone().unwrap_or_default();
        self.job.add(&name, NodeSpec::Operator(operator), Some(self.upstream.clone()))
    }

    /// Selects columns, in this order.
    pub fn select(&self, columns: impl IntoIterator<Item = impl Into<String>>) -> DataStream {
        let names = columns.into_iter().map(Into::into).collect();
        let operator = selecting(spec::Select::Names(names));
        self.job.add("select", NodeSpec::Operator(operator), Some(self.upstream.clone()))
    }

    /// Selects columns under new names: `[(NEW, COLUMN), ...]`.
    pub fn select_as<N: Into<String>, C: Into<String>>(&self, columns: impl IntoIterator<Item = (N, C)>) -> DataStream {
        let columns = columns.into_iter().map(|(new, column)| (new.into(), column.into()));
        self.job.add_named("select", &self.upstream, ("select", columns), |columns| {
            selecting(spec::Select::Renamed(columns))
        })
    }

    /// Groups rows by columns.
    pub fn key_by(&self, key: impl IntoIterator<Item = impl Into<String>>) -> KeyedStream {
        KeyedStream { stream: self.clone(), key: key.into_iter().map(Into::into).collect() }
    }

    /// Divides all rows into windows that follow one another.
    pub fn tumbling(&self, size: Duration) -> WindowedStream {
        self.key_by([""; 0]).tumbling(size)
    }

    /// Divides all rows into windows that overlap, one for each `every`.
    pub fn sliding(&self, size: Duration, every: Duration) -> WindowedStream {
        self.key_by([""; 0]).sliding(size, every)
    }

    /// Returns a side output of the source or operator: `errors`, `late`, or one of its function.
    pub fn side_output(&self, name: impl Into<String>) -> DataStream {
        let upstream = Upstream { node: self.upstream.node, side: name.into() };
        DataStream { job: self.job.clone(), upstream }
    }

    /// Returns the rows that could not be decoded, or that the function failed.
    pub fn errors(&self) -> DataStream {
        self.side_output("errors")
    }

    /// Returns the rows that arrived too late for their windows.
    pub fn late(&self) -> DataStream {
        self.side_output("late")
    }

    /// Prints the rows: a table on a terminal, JSON lines otherwise.
    pub fn print(&self, name: impl Into<String>) {
        self.sink(name, spec::Print::default());
    }

    /// Writes the rows to a file: CSV if its name ends in `.csv`, JSON lines otherwise.
    pub fn write(&self, name: impl Into<String>, path: impl Into<String>) {
        self.sink(name, spec::FileSink::to(path));
    }

    /// Discards the rows.
    pub fn discard(&self, name: impl Into<String>) {
        self.sink(name, spec::Blackhole {});
    }

    /// Writes the rows to a sink, such as [`spec::Print`], [`spec::FileSink`] or [`spec::Blackhole`], which discards them.
    pub fn sink(&self, name: impl Into<String>, sink: impl Into<spec::Sink>) {
        self.job.add_sink(name.into(), self.upstream.clone(), sink.into());
    }
}

impl KeyedStream {
    /// Runs a plugin's process function, with its settings, over the rows of each key.
    pub fn process(self, process: Process) -> DataStream {
        let KeyedStream { stream, key } = self;
        let key = key.iter().map(|name| name.as_str().into()).collect();
        stream.job.add_process(process, key, vec![stream.upstream.clone()])
    }

    /// Connects this stream with another one, which has the same number of key columns, as the two inputs of a process function.
    pub fn connect(self, other: KeyedStream) -> ConnectedStreams {
        ConnectedStreams { first: self, second: other }
    }

    /// Divides the rows of each key into windows that follow one another.
    pub fn tumbling(self, size: Duration) -> WindowedStream {
        self.window(spec::Window { tumbling: Some(millis(size).into()), ..Default::default() })
    }

    /// Divides the rows of each key into windows that overlap, one for each `every`.
    pub fn sliding(self, size: Duration, every: Duration) -> WindowedStream {
        let (sliding, every) = (Some(millis(size).into()), Some(millis(every).into()));
        self.window(spec::Window { sliding, every, ..Default::default() })
    }

    /// Divides the rows of each key into windows that end after a gap without rows.
    pub fn session(self, gap: Duration) -> WindowedStream {
        self.window(spec::Window { session: Some(millis(gap)), ..Default::default() })
    }

    /// Puts all rows of a key into one window, which emits results by a trigger, and at the end of the input.
    pub fn global(self) -> WindowedStream {
        self.window(spec::Window { global: Some(spec::Empty {}), ..Default::default() })
    }

    /// Divides the rows of each key into windows of `rows` rows that follow one another.
    pub fn tumbling_rows(self, rows: u64) -> WindowedStream {
        self.window(spec::Window { tumbling: Some(Extent::Rows(rows)), ..Default::default() })
    }

    /// Divides the rows of each key into windows of `rows` rows that overlap, one for each `every` rows.
    pub fn sliding_rows(self, rows: u64, every: u64) -> WindowedStream {
        let (sliding, every) = (Some(Extent::Rows(rows)), Some(Extent::Rows(every)));
        self.window(spec::Window { sliding, every, ..Default::default() })
    }

    fn window(self, window: spec::Window) -> WindowedStream {
        WindowedStream { keyed: self, window, trigger: None, allowed_lateness: None, on_error: None }
    }
}

impl WindowedStream {
    /// Assigns rows to windows by the time at which they reach their source.
    pub fn processing_time(mut self) -> WindowedStream {
        self.window.time = Some(spec::WindowTime::Processing);
        self
    }

    /// Emits an early result of a key whenever `rows` further rows of it have arrived.
    pub fn trigger_count(mut self, rows: u64) -> WindowedStream {
        self.trigger = Some(spec::Trigger { count: Some(rows), every: None });
        self
    }

    /// Emits early results at this interval of processing time.
    pub fn trigger_every(mut self, interval: Duration) -> WindowedStream {
        self.trigger = Some(spec::Trigger { count: None, every: Some(millis(interval)) });
        self
    }

    /// Sets how long after its end a window accepts further rows and emits a corrected result.
    pub fn allowed_lateness(mut self, lateness: Duration) -> WindowedStream {
        self.allowed_lateness = Some(lateness);
        self
    }

    /// Sets what happens to rows that a plugin's aggregate fails.
    pub fn on_error(mut self, on_error: spec::OnError) -> WindowedStream {
        self.on_error = Some(on_error);
        self
    }

    /// Aggregates each window. Results have column names; they are expressions, or [`spec::PluginAggregate`].
    pub fn aggregate<N, A>(self, results: impl IntoIterator<Item = (N, A)>) -> DataStream
    where
        N: Into<String>,
        A: Into<spec::Aggregate>,
    {
        let KeyedStream { stream, key } = self.keyed;
        let results = results.into_iter().map(|(name, result)| (name.into(), result.into()));
        stream.job.add_named("window", &stream.upstream, ("aggregate", results), |aggregate| spec::Operator {
            key: Some(key.iter().map(|k| k.as_str().into()).collect()).filter(|k: &Vec<_>| !k.is_empty()),
            window: Some(self.window),
            trigger: self.trigger,
            aggregate,
            allowed_lateness: self.allowed_lateness.map(millis),
            on_error: self.on_error,
            ..Default::default()
        })
    }
}

fn selecting(select: spec::Select) -> spec::Operator {
    spec::Operator { select: Some(select), ..Default::default() }
}

impl ConnectedStreams {
    /// Runs a plugin's process function, with its settings, over the rows of each key in both streams. Key columns correspond by
    /// position; if one key has more columns, the other stream has the additional ones under the same names.
    pub fn process(self, process: Process) -> DataStream {
        let ConnectedStreams { first, second } = self;
        let columns = first.key.len().max(second.key.len());
        let pair = |i: usize| match (first.key.get(i), second.key.get(i)) {
            (Some(left), Some(right)) if left != right => {
                spec::KeyColumn::Pair(spec::KeyPair { left: left.clone(), right: right.clone() })
            }
            (left, right) => spec::KeyColumn::Name(left.or(right).cloned().unwrap_or_default()),
        };
        let key = (0..columns).map(pair).collect();
        first.stream.job.add_process(process, key, vec![first.stream.upstream.clone(), second.stream.upstream])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::check::check;
    use crate::job::fake::{FakePlugins, same_graph};

    const SECOND: Duration = Duration::from_secs(1);

    /// Goal: both ways of writing a job lead to the same graph.
    #[test]
    fn the_builder_and_the_job_file_make_the_same_graph() {
        let yaml = r#"
job: weblog
parallelism: 2
plugins: { elsewhere: other/elsewhere.wasm }
sources:
  file: { file: { path: access.log } }
  typed: { stdin: { format: csv, columns: { a: int64?, b: text } } }
operators:
  requests:
    input: file
    plugin: weblog
    function: parse
    event_time: { column: time, max_out_of_orderness: 5s }
  window:
    input: requests
    key: [path]
    window: { sliding: 10s, every: 5s }
    allowed_lateness: 1s
    aggregate: { views: count(), p95: plugin:stats/quantile(latency) }
  short: { input: requests, select: [path, status] }
  other: { input: requests, select: { what: path, when: time }, event_time: { column: when, max_out_of_orderness: 1s } }
  sessions: { input: requests, key: [path], window: { session: 30s }, trigger: { every: 10s }, aggregate: { n: count() } }
  all: { input: requests, key: [path], window: { global: {} }, trigger: { count: 100 }, aggregate: { n: count() } }
  ten: { input: requests, window: { tumbling: 10 rows }, aggregate: { n: sum(status) } }
  five: { input: requests, window: { sliding: 10 rows, every: 5 rows }, aggregate: { n: sum(status) } }
  grep: { input: typed, plugin: text, function: grep, columns: { text: b }, config: { pattern: x }, on_error: fail }
  window_2: { input: grep, window: { tumbling: 1s, time: processing }, aggregate: { n: { plugin: stats, function: quantile, columns: [a] } } }
sinks:
  out: { input: window, print: {} }
  late: { input: window.late, file: { path: late.csv } }
  bad: { input: requests.errors, blackhole: {} }
  short_out: { input: short, blackhole: {} }
  other_out: { input: other, blackhole: {} }
  sessions_out: { input: sessions, blackhole: {} }
  all_out: { input: all, blackhole: {} }
  ten_out: { input: ten, blackhole: {} }
  five_out: { input: five, blackhole: {} }
  n: { input: window_2, print: { format: table } }
"#;
        let built = JobBuilder::new("weblog").parallelism(2).plugin("elsewhere", "other/elsewhere.wasm");
        let requests =
            built.file("access.log").transform("weblog", "parse").event_time("time", 5 * SECOND).name("requests");
        let windows = requests
            .key_by(["path"])
            .sliding(10 * SECOND, 5 * SECOND)
            .allowed_lateness(SECOND)
            .aggregate([("views", "count()"), ("p95", "plugin:stats/quantile(latency)")]);
        windows.print("out");
        windows.late().write("late", "late.csv");
        requests.errors().discard("bad");
        requests.select(["path", "status"]).name("short").discard("short_out");
        let other = requests.select_as([("what", "path"), ("when", "time")]).event_time("when", SECOND).name("other");
        other.discard("other_out");
        let by_path = || requests.key_by(["path"]);
        let count = [("n", "count()")];
        by_path()
            .session(30 * SECOND)
            .trigger_every(10 * SECOND)
            .aggregate(count)
            .name("sessions")
            .discard("sessions_out");
        by_path().global().trigger_count(100).aggregate(count).name("all").discard("all_out");
        let all = || requests.key_by([""; 0]);
        all().tumbling_rows(10).aggregate([("n", "sum(status)")]).name("ten").discard("ten_out");
        all().sliding_rows(10, 5).aggregate([("n", "sum(status)")]).name("five").discard("five_out");
        let typed = built.source(spec::StdinSource::csv([("a", "int64?"), ("b", "text")])).name("typed");
        let grep = Transform::new("text", "grep")
            .column("text", "b")
            .config(serde_json::json!({ "pattern": "x" }))
            .on_error(spec::OnError::Fail);
        let quantile = spec::PluginAggregate {
            plugin: "stats".into(),
            function: "quantile".into(),
            columns: vec!["a".into()],
            config: None,
        };
        let n = typed.apply(grep).tumbling(SECOND).processing_time().aggregate([("n", quantile)]);
        n.sink("n", spec::Print { format: spec::PrintFormat::Table });

        same_graph(&built, yaml);
    }

    #[test]
    fn errors_name_the_operator_and_the_column() {
        let job = JobBuilder::new("wrong");
        job.file("a").transform("weblog", "parse").event_time("tiem", SECOND).print("out");
        let mut plugins = FakePlugins::new();
        let around = plugins.around();
        let problems = check(&job.build().unwrap(), &around, &mut plugins).unwrap_err();
        let shown = problems[0].to_string();
        assert!(shown.starts_with("operators.parse.event_time.column: `parse` has no column `tiem`"), "{shown}");
        assert!(shown.contains("help: did you mean `time`?"), "{shown}");
    }

    #[test]
    fn names_are_made_unique_unless_they_are_given() {
        let job = JobBuilder::new("names");
        let lines = job.file("a");
        lines.transform("text", "split").transform("text", "split").print("out");
        assert_eq!(job.build().unwrap().operators.keys().collect::<Vec<_>>(), ["split", "split_2"]);
        lines.errors().name("e").discard("out");
        lines.transform("text", "all").name("file");
        let problems: Vec<String> = job.build().unwrap_err().iter().map(|p| p.to_string()).collect();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("the side output `errors` cannot have a name of its own"));
    }

    #[test]
    fn columns_of_the_same_name_are_errors() {
        let job = JobBuilder::new("columns");
        let lines = job.file("a");
        lines.select_as([("what", "line"), ("what", "other"), ("when", "time")]).name("few").discard("out");
        lines.tumbling(SECOND).aggregate([("n", "count()"), ("n", "sum(size)")]).discard("counts");
        let problems: Vec<String> = job.build().unwrap_err().iter().map(|p| p.to_string()).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("operators.few.select: `what` is given twice"), "{problems:?}");
        assert!(problems[1].starts_with("operators.window.aggregate: `n` is given twice"), "{problems:?}");
    }
}
