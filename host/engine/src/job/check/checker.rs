//! The check of a whole job, and the state that its steps share.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::catalog::{PluginCatalog, Surroundings};
use super::reading::{self, InputName};
use super::{granted, operator, sink, source, written};
use crate::job::graph::{CheckpointSettings, Input, JobGraph, Node, NodeId, Output, StatePlace};
use crate::job::problem::{At, Problem, Severity, suggestion};
use crate::job::spec;
use crate::job::spec::Job;
use flowgate_base::quantity::{Bytes, Millis};
use flowgate_wall::binding::FunctionInfo;

/// A job that can run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The graph to run.
    pub graph: JobGraph,
    /// Warnings for its author.
    pub warnings: Vec<Problem>,
}

/// Default of `parallelism`.
const PARALLELISM: usize = 1;
/// The greatest number of worker threads: more are probably a mistake, and each costs memory in every exchange.
const PARALLELISM_MAX: usize = 256;
/// Default of `key_groups`.
const KEY_GROUPS: u32 = 256;
/// The greatest number of key groups: each has an entry in every snapshot.
const KEY_GROUPS_MAX: u32 = 32_768;
/// Default of `checkpoint.every`, in milliseconds.
const CHECKPOINT_EVERY_MS: i64 = 10_000;
/// Least value of `checkpoint.every`, in milliseconds: a boundary takes some milliseconds through a job.
const CHECKPOINT_EVERY_MS_MIN: u64 = 10;
/// Default of `checkpoint.timeout`, in milliseconds: as in Flink. Sinks may wait for minutes for what is outside.
const CHECKPOINT_TIMEOUT_MS: i64 = 600_000;
/// Default of `checkpoint.keep`.
const CHECKPOINTS_KEPT: u32 = 3;
/// Default of `in_flight.bytes`.
const IN_FLIGHT_BYTES: u64 = 16 << 20;
/// Default of `in_flight.ticks`.
const IN_FLIGHT_TICKS: u32 = 256;

/// Default of `state.memory`.
const STATE_MEMORY_BYTES: u64 = 1 << 30;
/// The least `state.memory`: with less, the buffers of the files alone would not fit.
const STATE_MEMORY_BYTES_MIN: u64 = 1 << 20;

/// Checks a job. The job does not run, but its plugins are loaded and their functions opened.
///
/// # Errors
/// All problems of the job.
pub fn check(job: &Job, around: &Surroundings, plugins: &mut dyn PluginCatalog) -> Result<Checked, Vec<Problem>> {
    let mut checker = Checker {
        job,
        around,
        plugins,
        problems: Vec::new(),
        nodes: Vec::new(),
        read: Vec::new(),
        written: Vec::new(),
        node_of: BTreeMap::new(),
        functions: HashMap::new(),
    };
    granted::check_granted(job, around, &mut checker.problems);
    if !checker.problems.is_empty() {
        // What is not granted is not looked at either: not even whether it is there.
        return Err(checker.problems);
    }
    let mut broken = around.broken.clone();
    settings(job, around, &mut checker.problems);
    reading::check_names(job, &mut checker.problems);
    reading::check_inputs(job, &mut broken, &mut checker.problems);
    let order = reading::order(job, &mut broken, &mut checker.problems);
    source::check_sources(&mut checker);
    for name in order {
        let node = operator::check_operator(&mut checker, name, &job.operators[name]);
        if let Some(node) = node {
            checker.add(node);
        }
    }
    sink::check_sinks(&mut checker);
    written::check_written(&mut checker);
    let Checker { mut problems, nodes, .. } = checker;
    if problems.iter().any(|p| p.severity == Severity::Error) || !around.broken.is_empty() {
        return Err(problems);
    }
    reading::check_unread(job, &mut problems);
    Ok(Checked { graph: graph(job, around, nodes), warnings: problems })
}

fn graph(job: &Job, around: &Surroundings, nodes: Vec<Node>) -> JobGraph {
    // An absent section is one without settings; the defaults are below.
    let in_flight = job.in_flight.clone().unwrap_or_default();
    let state = job.state.clone().unwrap_or_default();
    JobGraph {
        name: job.job.clone(),
        parallelism: job.parallelism.unwrap_or(PARALLELISM),
        key_groups: job.key_groups.unwrap_or(KEY_GROUPS),
        in_flight_bytes: in_flight.bytes.map_or(IN_FLIGHT_BYTES, |b| b.0),
        in_flight_ticks: in_flight.ticks.unwrap_or(IN_FLIGHT_TICKS),
        limits: job.limits.clone().unwrap_or_default(),
        state: StatePlace {
            memory_bytes_max: state.memory.map_or(STATE_MEMORY_BYTES, |b| b.0),
            spill: state.spill.map(|folder| around.base.join(folder)),
            spill_bytes_max: None,
            spill_bytes_per_s_max: None,
        },
        checkpoint: job.checkpoint.as_ref().map(|checkpoint| CheckpointSettings {
            every_ms: checkpoint.every.map_or(CHECKPOINT_EVERY_MS, |every| every.0),
            store: match checkpoint.store.contains("://") {
                true => checkpoint.store.clone(),
                false => {
                    around.base.join(&checkpoint.store).components().collect::<PathBuf>().to_string_lossy().into_owned()
                }
            },
            keep: checkpoint.keep.unwrap_or(CHECKPOINTS_KEPT),
            timeout_ms: checkpoint.timeout.map_or(CHECKPOINT_TIMEOUT_MS, |timeout| timeout.0),
        }),
        nodes,
    }
}

fn settings(job: &Job, around: &Surroundings, problems: &mut Vec<Problem>) {
    let top = At::job();
    let mut range = |at: At, value: Option<u64>, least: u64, most: u64, show: fn(u64) -> String| {
        if let Some(value) = value
            && !(least..=most).contains(&value)
        {
            let least = show(least);
            let bounds =
                if most == u64::MAX { format!("at least {least}") } else { format!("{least} to {}", show(most)) };
            problems.push(Problem::error(at, format!("expected {bounds}, found {}", show(value))));
        }
    };
    let number = |n: u64| n.to_string();
    let bytes = |n: u64| Bytes(n).to_string();
    range(top.field("parallelism"), job.parallelism.map(|p| p as u64), 1, PARALLELISM_MAX as u64, number);
    range(top.field("key_groups"), job.key_groups.map(u64::from), 1, KEY_GROUPS_MAX.into(), number);
    if let Some(in_flight) = &job.in_flight {
        let at = top.field("in_flight");
        range(at.field("bytes"), in_flight.bytes.map(|b| b.0), 1, u64::MAX, bytes);
        range(at.field("ticks"), in_flight.ticks.map(u64::from), 1, u64::MAX, number);
    }
    if let Some(state) = &job.state {
        range(top.field("state").field("memory"), state.memory.map(|b| b.0), STATE_MEMORY_BYTES_MIN, u64::MAX, bytes);
    }
    if let Some(checkpoint) = &job.checkpoint {
        let at = top.field("checkpoint");
        range(at.field("keep"), checkpoint.keep.map(u64::from), 1, u64::MAX, number);
        let millis = |ms: u64| Millis(ms as i64).to_string();
        let every = checkpoint.every.map(|every| every.0.max(0) as u64);
        range(at.field("every"), every, CHECKPOINT_EVERY_MS_MIN, u64::MAX, millis);
        let timeout = checkpoint.timeout.map(|timeout| timeout.0.max(0) as u64);
        range(at.field("timeout"), timeout, CHECKPOINT_EVERY_MS_MIN, u64::MAX, millis);
    }
    if let Some(limits) = &job.limits {
        let at = top.field("limits");
        range(at.field("memory"), limits.memory.map(|b| b.0), 64 << 10, 4 << 30, bytes);
        range(at.field("output"), limits.output.map(|b| b.0), 1, 4 << 30, bytes);
        if limits.deadline.is_some_and(|d| d.0 <= 0) {
            problems.push(Problem::error(at.field("deadline"), "`deadline` must be greater than 0"));
        }
    }
    let groups = job.key_groups.unwrap_or(KEY_GROUPS) as usize;
    if let Some(parallelism) = job.parallelism
        && parallelism > groups
        && parallelism <= PARALLELISM_MAX
    {
        let message = format!("{parallelism} workers cannot share {groups} key groups");
        problems.push(Problem::error(top.field("parallelism"), message).help("raise `key_groups`"));
    }
    if job.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.store.is_empty()) {
        let at = top.field("checkpoint").field("store");
        problems.push(Problem::error(at, "`store` needs a folder or a URL"));
    }
    for (section, empty) in [("sources", job.sources.is_empty()), ("sinks", job.sinks.is_empty())] {
        if empty && around.broken.is_empty() {
            let problem = Problem::error(top.field(section), format!("a job needs {section}")).on_key();
            problems.push(problem);
        }
    }
}

/// The state that the checks of all parts share.
pub(super) struct Checker<'a> {
    pub(super) job: &'a Job,
    pub(super) around: &'a Surroundings,
    pub(super) plugins: &'a mut dyn PluginCatalog,
    pub(super) problems: Vec<Problem>,
    pub(super) nodes: Vec<Node>,
    /// Files that sources read: the source, and a path or a glob, relative to the job file.
    pub(super) read: Vec<(String, String)>,
    /// Files that sinks write: the place of the path in the job, and the path.
    pub(super) written: Vec<(At, PathBuf)>,
    node_of: BTreeMap<String, NodeId>,
    functions: HashMap<PathBuf, Result<Vec<FunctionInfo>, String>>,
}

impl Checker<'_> {
    /// Adds a node without problems.
    pub(super) fn add(&mut self, node: Node) {
        self.node_of.insert(node.name.clone(), NodeId(self.nodes.len()));
        self.nodes.push(node);
    }

    /// Returns the output that `input` names; `None` if its node is broken, or if it does not exist, which is a problem at `at`.
    pub(super) fn input(&mut self, input: &str, at: At) -> Option<(Input, Output)> {
        let InputName { name, side } = InputName::parse(input);
        let id = *self.node_of.get(name)?;
        let node = &self.nodes[id.0];
        match node.outputs.iter().position(|o| o.name == side && (side.is_empty() || !o.name.is_empty())) {
            Some(output) => Some((Input { node: id, output }, node.outputs[output].clone())),
            None => {
                let others: Vec<&str> =
                    node.outputs.iter().map(|o| o.name.as_str()).filter(|n| !n.is_empty()).collect();
                let message = format!("`{name}` has no output `{side}`");
                let help = suggestion(side, "its side outputs", others.iter().copied());
                self.problems.push(Problem::error(at, message).help(help));
                None
            }
        }
    }

    /// Returns the functions of a plugin, or why it cannot be loaded; it is loaded once.
    pub(super) fn functions(&mut self, plugin: &Path) -> Result<Vec<FunctionInfo>, String> {
        if let Some(known) = self.functions.get(plugin) {
            return known.clone();
        }
        let functions = self.plugins.functions(plugin);
        self.functions.insert(plugin.to_path_buf(), functions.clone());
        functions
    }

    /// Returns the job's limits of plugin calls.
    pub(super) fn limits(&self) -> spec::Limits {
        self.job.limits.clone().unwrap_or_default()
    }

    /// Adds a problem.
    pub(super) fn error(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}
