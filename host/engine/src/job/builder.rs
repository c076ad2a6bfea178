//! The builder of a job in Rust: it makes the same structures as a job file.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::problem::{At, Problem};
use super::spec;
use super::stream::DataStream;
use flowgate_base::quantity::{Bytes, DURATION_MS_MAX, Millis};

/// A job under construction. Its streams refer to it; a clone is the same job.
///
/// ```
/// use std::time::Duration;
/// use flowgate::job::JobBuilder;
///
/// let job = JobBuilder::new("weblog").parallelism(2);
/// let requests = job
///     .file("access.log")
///     .transform("weblog", "parse")
///     .event_time("time", Duration::from_secs(5));
/// requests
///     .key_by(["path"])
///     .sliding(Duration::from_secs(10), Duration::from_secs(5))
///     .aggregate([("views", "count()"), ("bytes", "sum(size)")])
///     .print("out");
/// requests.errors().write("bad", "bad.jsonl");
///
/// let job = job.build().unwrap();
/// assert_eq!(job.operators["parse"].input.as_deref(), Some("file"));
/// assert_eq!(job.operators["window"].input.as_deref(), Some("parse"));
/// assert_eq!(job.sinks["bad"].input, "parse.errors");
/// ```
///
/// [`check`](super::check::check) then finds the types of its edges, as for a job file. A problem has a place in the job, such as
/// `operators.parse.event_time.column`, and its message names the column.
#[derive(Debug, Clone)]
pub struct JobBuilder {
    pub(super) draft: Rc<RefCell<Draft>>,
}

/// The content of a job under construction. Streams refer to a node by its position, so that it can be renamed.
#[derive(Debug)]
pub(super) struct Draft {
    settings: spec::Job,
    nodes: Vec<DraftNode>,
    sinks: Vec<(String, Upstream, spec::Sink)>,
    /// Problems: the node, its field if there is one, and the message.
    problems: Vec<(usize, Option<&'static str>, String)>,
}

/// A source or an operator.
#[derive(Debug)]
pub(super) struct DraftNode {
    pub(super) name: String,
    pub(super) spec: NodeSpec,
    inputs: Vec<Upstream>,
    input_field: InputField,
}

/// The field of the job in which an operator names its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputField {
    /// `input`; a source has none.
    Input,
    /// `inputs`: left and right.
    Inputs,
    /// `union`.
    Union,
}

/// The settings of a node.
#[derive(Debug)]
// A job has few of these: a box is not worthwhile.
#[allow(clippy::large_enum_variant)]
pub(super) enum NodeSpec {
    Source(spec::Source),
    Operator(spec::Operator),
}

/// An output of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) node: usize,
    /// The name of the side output; empty for the main output.
    pub(super) side: String,
}

/// Converts a duration to whole milliseconds; one that is too long becomes the longest.
pub(super) fn millis(duration: Duration) -> Millis {
    Millis(i64::try_from(duration.as_millis()).unwrap_or(DURATION_MS_MAX).min(DURATION_MS_MAX))
}

impl JobBuilder {
    /// Creates a job without sources, operators and sinks.
    pub fn new(name: impl Into<String>) -> JobBuilder {
        let settings = spec::Job {
            job: name.into(),
            parallelism: None,
            in_flight: None,
            key_groups: None,
            plugins: IndexMap::new(),
            limits: None,
            state: None,
            checkpoint: None,
            sources: IndexMap::new(),
            operators: IndexMap::new(),
            sinks: IndexMap::new(),
        };
        let draft = Draft { settings, nodes: Vec::new(), sinks: Vec::new(), problems: Vec::new() };
        JobBuilder { draft: Rc::new(RefCell::new(draft)) }
    }

    fn set(self, change: impl FnOnce(&mut spec::Job)) -> JobBuilder {
        change(&mut self.draft.borrow_mut().settings);
        self
    }

    /// Sets the number of worker threads.
    pub fn parallelism(self, workers: usize) -> JobBuilder {
        self.set(|job| job.parallelism = Some(workers))
    }

    /// Sets the number of key groups: the units in which keyed state is divided among workers.
    pub fn key_groups(self, groups: u32) -> JobBuilder {
        self.set(|job| job.key_groups = Some(groups))
    }

    /// Sets the bytes and ticks that may be in flight before sources wait.
    pub fn in_flight(self, bytes: u64, ticks: u32) -> JobBuilder {
        self.set(|job| job.in_flight = Some(spec::InFlight { bytes: Some(Bytes(bytes)), ticks: Some(ticks) }))
    }

    /// Lets the job take checkpoints.
    pub fn checkpoint(self, checkpoint: spec::Checkpoint) -> JobBuilder {
        self.set(|job| job.checkpoint = Some(checkpoint))
    }

    /// Sets the limits of plugin calls.
    pub fn limits(self, limits: spec::Limits) -> JobBuilder {
        self.set(|job| job.limits = Some(limits))
    }

    /// Sets the file of a plugin; a plugin without one is looked for as in a job file.
    pub fn plugin(self, name: impl Into<String>, path: impl Into<String>) -> JobBuilder {
        self.set(|job| {
            job.plugins.insert(name.into(), path.into());
        })
    }

    /// Adds a source of the lines of text files: a path, or a glob. Its one column is `text`.
    pub fn file(&self, path: impl Into<String>) -> DataStream {
        self.source(spec::FileSource::text(path))
    }

    /// Adds a source, such as [`spec::FileSource`], [`spec::StdinSource`], [`spec::Generator`], [`spec::Nexmark`] or
    /// [`spec::System`].
    pub fn source(&self, source: impl Into<spec::Source>) -> DataStream {
        let source = source.into();
        let name = source.connectors.keys().next().map_or("source", String::as_str).to_string();
        self.add(&name, NodeSpec::Source(source), None)
    }

    pub(super) fn add(&self, name: &str, spec: NodeSpec, input: Option<Upstream>) -> DataStream {
        self.add_node(name, spec, input.into_iter().collect(), InputField::Input)
    }

    pub(super) fn add_node(
        &self,
        name: &str,
        spec: NodeSpec,
        inputs: Vec<Upstream>,
        input_field: InputField,
    ) -> DataStream {
        let mut draft = self.draft.borrow_mut();
        let taken = |name: &str| draft.nodes.iter().any(|n| n.name == name);
        let mut free = name.to_string();
        let mut n = 2;
        while taken(&free) {
            free = format!("{name}_{n}");
            n += 1;
        }
        draft.nodes.push(DraftNode { name: free, spec, inputs, input_field });
        let upstream = Upstream { node: draft.nodes.len() - 1, side: String::new() };
        DataStream::new(self.clone(), upstream)
    }

    pub(super) fn add_sink(&self, name: String, input: Upstream, sink: spec::Sink) {
        self.draft.borrow_mut().sinks.push((name, input, sink));
    }

    /// Changes a node, or adds the problem that a side output cannot have `what`.
    pub(super) fn change(&self, upstream: &Upstream, what: &str, change: impl FnOnce(&mut DraftNode)) {
        let mut draft = self.draft.borrow_mut();
        if upstream.side.is_empty() {
            change(&mut draft.nodes[upstream.node]);
        } else {
            let message = format!("the side output `{}` cannot have {what} of its own", upstream.side);
            draft.problems.push((upstream.node, None, message));
        }
    }

    /// Adds an operator with the entries of `field` by name; a name that occurs twice is a problem.
    pub(super) fn add_named<V>(
        &self,
        name: &str,
        input: &Upstream,
        (field, named): (&'static str, impl Iterator<Item = (String, V)>),
        operator: impl FnOnce(IndexMap<String, V>) -> spec::Operator,
    ) -> DataStream {
        let (mut once, mut twice) = (IndexMap::new(), Vec::new());
        for (name, value) in named {
            match once.entry(name) {
                Entry::Occupied(entry) => twice.push(format!("`{}` is given twice", entry.key())),
                Entry::Vacant(entry) => _ = entry.insert(value),
            }
        }
        let stream = self.add(name, NodeSpec::Operator(operator(once)), Some(input.clone()));
        let problems = twice.into_iter().map(|message| (stream.upstream.node, Some(field), message));
        self.draft.borrow_mut().problems.extend(problems);
        stream
    }

    /// Returns the job as in a job file.
    ///
    /// # Errors
    /// Two parts of the job have the same name, two columns of an operator have the same name, or a side output has a name or event
    /// time of its own.
    pub fn build(&self) -> Result<spec::Job, Vec<Problem>> {
        let draft = self.draft.borrow();
        let mut job = draft.settings.clone();
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        let reference = |upstream: &Upstream| {
            let name = &draft.nodes[upstream.node].name;
            if upstream.side.is_empty() { name.clone() } else { format!("{name}.{}", upstream.side) }
        };
        for (node, field, message) in &draft.problems {
            let at = At::job().field("operators").field(&draft.nodes[*node].name);
            let at = field.map_or(at.clone(), |field| at.field(field));
            problems.push(Problem::error(at, message));
        }
        let mut claim = |section: &str, name: &str| {
            if !names.insert(name.to_string()) {
                let at = At::job().field(section).field(name);
                problems.push(Problem::error(at, format!("`{name}` is the name of another part already")));
            }
        };
        for node in &draft.nodes {
            match &node.spec {
                NodeSpec::Source(source) => {
                    claim("sources", &node.name);
                    job.sources.insert(node.name.clone(), source.clone());
                }
                NodeSpec::Operator(operator) => {
                    claim("operators", &node.name);
                    let mut operator = operator.clone();
                    let names: Vec<String> = node.inputs.iter().map(reference).collect();
                    match node.input_field {
                        InputField::Input => operator.input = names.into_iter().next(),
                        InputField::Inputs => operator.inputs = names,
                        InputField::Union => operator.union = names,
                    }
                    job.operators.insert(node.name.clone(), operator);
                }
            }
        }
        for (name, input, sink) in &draft.sinks {
            claim("sinks", name);
            job.sinks.insert(name.clone(), spec::Sink { input: reference(input), ..sink.clone() });
        }
        if problems.is_empty() { Ok(job) } else { Err(problems) }
    }
}
