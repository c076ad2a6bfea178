//! The tasks that check a job: what they find, as plain data.

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::assignment::{Assignment, Begins, Task};
use crate::concealed::concealed;
use crate::confine::confine;
use crate::newest;
use crate::prepare::{self, Told};
use crate::subject;
use flowgate::job::graph::{Input, JobGraph, Node};
use flowgate::job::load::Listed;
use flowgate::job::picture;
use flowgate::job::problem::Severity;
use flowgate::running::{Beginning, FromSavepoint, Prospect};
use flowgate::submit::{self, JobPlugins};
use flowgate_base::error::Result;
use flowgate_checkpoint::store::{Stores, local_folder};
use flowgate_connect::touches::Touches;
use flowgate_control::status::Kind;

/// Times that a dry run begins again because the running job deleted the checkpoint that it was reading.
const TRIES: usize = 5;

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Whether the job can run.
    pub ok: bool,
    /// Everything that is wrong with the job, or its warnings, with their places, for people.
    pub report: String,
    /// The same, for programs.
    pub problems: Vec<JobProblem>,
    /// What runs; `None` if the job cannot.
    pub graph: Option<Graph>,
    /// The functions of plugins in it.
    pub plugins: Vec<UsedFunction>,
    /// What the job touches outside.
    #[serde(default)]
    pub touches: Touches,
    /// What would become of a checkpoint; of a dry run with one.
    #[serde(default)]
    pub prospect: Option<Foreseen>,
    /// Why a dry run has not looked for a checkpoint, a sentence without its full stop.
    #[serde(default)]
    pub untried: Option<String>,
}

/// A problem of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProblem {
    /// Whether the job can run nevertheless.
    pub is_warning: bool,
    /// Its place in the job, as `operators.requests.input`.
    pub at: String,
    /// The line in the document, from 1.
    pub line: Option<usize>,
    /// The column in the line, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// A checked graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// The job's name in its document.
    pub name: String,
    /// Worker threads.
    pub parallelism: usize,
    /// Where its checkpoints are.
    pub checkpoint_store: Option<String>,
    /// The time from one checkpoint to the next, in milliseconds.
    pub checkpoint_every_ms: Option<i64>,
    /// Memory for keyed state, in bytes.
    pub state_memory_bytes_max: u64,
    /// Sources, operators and sinks: inputs before the operators that read them.
    pub operators: Vec<GraphOperator>,
    /// The graph as a tree.
    pub picture: String,
    /// Every operator with the columns of its outputs, as `flowgate check` prints them.
    pub text: String,
}

/// A source, an operator or a sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphOperator {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its inputs.
    pub inputs: Vec<flowgate_control::status::Input>,
    /// Its outputs: the main one first. None for a sink.
    pub outputs: Vec<GraphOutput>,
}

/// An output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphOutput {
    /// The name of a side output; empty for the main one.
    pub name: String,
    /// Its columns.
    pub columns: Vec<GraphColumn>,
    /// Whether its rows have an event time.
    pub has_event_time: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphColumn {
    /// Its name.
    pub name: String,
    /// Its type, as a job file has it: `int64`, `text?`.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A function that an operator has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedFunction {
    /// The operator.
    pub operator: String,
    /// The plugin's name in the job.
    pub plugin: String,
    /// The function.
    pub function: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
}

/// What would become of a checkpoint in the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// Whether the job starts from it.
    pub ok: bool,
    /// The checkpoint, for people.
    pub savepoint: String,
    /// The state that is kept, by operator.
    pub kept: Vec<KeptState>,
    /// What changes, a sentence each.
    pub notes: Vec<String>,
    /// Why the job does not start from it, a sentence each.
    pub problems: Vec<String>,
}

/// State of an operator that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptState {
    /// The operator.
    pub operator: String,
    /// Its stored rows.
    pub rows: u64,
}

/// Answers an assignment to check a job.
pub(crate) fn answer(assignment: &Assignment, stores: &Stores) -> Answer<Checked> {
    match confine(assignment).and_then(|_| checked(assignment, stores)) {
        Ok(checked) => {
            // What it touches is for the assignment of the process that runs it, and for no reader.
            let touches = checked.touches.clone();
            Answer::of(Ok(Checked { touches, ..concealed(checked) }))
        }
        Err(error) => Answer::of(Err(error)),
    }
}

fn checked(assignment: &Assignment, stores: &Stores) -> Result<Checked> {
    let mut plugins = prepare::plugins(assignment, Told::nobody());
    let accepted = match prepare::check(assignment, &mut plugins) {
        Ok(accepted) => accepted,
        Err(rejected) => {
            let (report, problems) = (rejected.report(false), rejected.listed());
            let problems = problems.into_iter().map(JobProblem::of).collect();
            return Ok(Checked {
                ok: false,
                report,
                problems,
                graph: None,
                plugins: Vec::new(),
                touches: Touches::nothing(),
                prospect: None,
                untried: None,
            });
        }
    };
    prepare::compare_digests(&accepted.graph, assignment, &mut plugins)?;
    let used = used(&accepted.graph, &mut plugins)?;
    let untried = untried(assignment, &accepted.graph);
    let prospect = match assignment.task {
        Task::DryRun if untried.is_none() => foreseen(assignment, &accepted.graph, &mut plugins, stores)?,
        Task::DryRun | Task::Check | Task::Run => None,
    };
    Ok(Checked {
        ok: true,
        report: accepted.warnings(false),
        problems: accepted.listed().into_iter().map(JobProblem::of).collect(),
        graph: Some(Graph::of(&accepted.graph)),
        plugins: used,
        touches: accepted.graph.touches()?,
        prospect,
        untried,
    })
}

fn used(graph: &JobGraph, plugins: &mut JobPlugins) -> Result<Vec<UsedFunction>> {
    let mut used = Vec::new();
    for (operator, function) in prepare::functions(graph) {
        used.push(UsedFunction {
            operator: operator.into(),
            plugin: function.plugin.clone(),
            function: function.function.clone(),
            digest: plugins.wall(&graph.limits)?.load(&function.path)?.digest().into(),
        });
    }
    Ok(used)
}

/// Says why a dry run does not look for the checkpoint with which the job would begin.
fn untried(assignment: &Assignment, graph: &JobGraph) -> Option<String> {
    let store = match (&assignment.beginning, &graph.checkpoint) {
        (Begins::From { store, .. }, _) => store,
        (Begins::Resume, Some(settings)) => &settings.store,
        _ => return None,
    };
    let is_apart = assignment.task == Task::DryRun && assignment.policy.is_some() && local_folder(store).is_none();
    is_apart.then(|| {
        format!("it was not tried on a checkpoint: those of the job are in {store}, and what checks a job reaches no network")
    })
}

/// Says what would become of the checkpoint with which the job begins; `None` if it begins without one.
fn foreseen(
    assignment: &Assignment,
    graph: &JobGraph,
    plugins: &mut JobPlugins,
    stores: &Stores,
) -> Result<Option<Foreseen>> {
    let mut prospect = |from: &FromSavepoint| submit::prospect(graph, plugins, stores, from, true).map(Foreseen::of);
    let of_store = |store: &str| Begins::From { store: store.into(), savepoint: None, number: None, drop: Vec::new() };
    let begins = match (&assignment.beginning, &graph.checkpoint) {
        (Begins::Resume, Some(settings)) => of_store(&settings.store),
        (begins, _) => begins.clone(),
    };
    let from = || -> Result<Option<FromSavepoint>> {
        match begins.beginning(&assignment.files, |store| newest::number(store, stores))? {
            Beginning::From(from) => Ok(Some(from)),
            Beginning::Resume | Beginning::New | Beginning::Fresh => Ok(None),
        }
    };
    for _ in 1..TRIES {
        let Some(tried) = from()? else { return Ok(None) };
        match prospect(&tried) {
            // The job that runs has deleted it meanwhile.
            Err(_) if from()?.is_some_and(|now| now != tried) => {}
            done => return done.map(Some),
        }
    }
    from()?.map(|from| prospect(&from)).transpose()
}

impl Foreseen {
    fn of(prospect: Prospect) -> Foreseen {
        Foreseen {
            ok: prospect.problems.is_empty(),
            savepoint: prospect.savepoint,
            kept: prospect.kept.into_iter().map(|(operator, rows)| KeptState { operator, rows }).collect(),
            notes: prospect.notes,
            problems: prospect.problems,
        }
    }
}

impl JobProblem {
    fn of(listed: Listed) -> JobProblem {
        let Listed { severity, at, position, message, help } = listed;
        let (line, column) = position.unzip();
        JobProblem { is_warning: severity == Severity::Warning, at, line, column, message, help }
    }
}

impl Graph {
    fn of(graph: &JobGraph) -> Graph {
        Graph {
            name: graph.name.clone(),
            parallelism: graph.parallelism,
            checkpoint_store: graph.checkpoint.as_ref().map(|settings| settings.store.clone()),
            checkpoint_every_ms: graph.checkpoint.as_ref().map(|settings| settings.every_ms),
            state_memory_bytes_max: graph.state.memory_bytes_max,
            operators: graph.nodes.iter().map(|node| operator(graph, node)).collect(),
            picture: picture::tree(graph),
            text: picture::edges(graph),
        }
    }
}

fn operator(graph: &JobGraph, node: &Node) -> GraphOperator {
    let input = |input: &Input| {
        let read = graph.node(input.node);
        let output = read.outputs.get(input.output).map_or_else(String::new, |output| output.name.clone());
        flowgate_control::status::Input { operator: read.name.clone(), output }
    };
    let outputs = node.outputs.iter().map(|output| GraphOutput {
        name: output.name.clone(),
        columns: output
            .schema
            .fields
            .iter()
            .map(|field| GraphColumn { name: field.name.clone(), type_name: field.type_name() })
            .collect(),
        has_event_time: output.has_event_time,
    });
    GraphOperator {
        name: node.name.clone(),
        kind: subject::kind(node),
        inputs: node.inputs.iter().map(input).collect(),
        outputs: outputs.collect(),
    }
}
