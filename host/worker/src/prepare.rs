//! From an assignment to a checked graph.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::assignment::{Assignment, Task};
use crate::limits::WorkerLimits;
use crate::log::guest::NoLines;
use flowgate::job::check::Surroundings;
use flowgate::job::graph::{Aggregate, JobGraph, Node, NodeKind, PluginFunction};
use flowgate::job::load::Override;
use flowgate::job::spec::Checkpoint;
use flowgate::running::StartOptions;
use flowgate::submit::{Accepted, Caps, JobPlugins, Rejected, Submission};
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Millis;
use flowgate_wall::{CompileIn, GuestLog, Limits, RecordLog, Settings, Shares};

/// This program, also where its file has been replaced by a newer one since it was started.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The folder for spilled state, in that of the attempt.
const SPILL: &str = "spill";

/// Who is told of what plugins do.
pub(crate) struct Told {
    pub(crate) log: Arc<dyn GuestLog>,
    pub(crate) records: Option<Arc<dyn RecordLog>>,
}

impl Told {
    /// Nobody: of a check, which has no log.
    pub(crate) fn nobody() -> Told {
        Told { log: Arc::new(NoLines), records: None }
    }
}

/// Returns how plugins are loaded: compiled in a child of this program, and kept in `cache`.
pub(crate) fn settings(cache: Option<PathBuf>, told: Told, configs_were_judged: bool) -> Settings {
    let program = Path::new(THIS_PROGRAM);
    let program = match program.exists() {
        true => program.to_path_buf(),
        false => std::env::current_exe().unwrap_or_default(),
    };
    let Told { log, records } = told;
    Settings {
        limits: Limits::default(),
        shares: Shares::default(),
        compile_in: CompileIn::Child(program),
        cache,
        log,
        records,
        configs_were_judged,
    }
}

/// Creates the loader of the job's plugins.
pub(crate) fn plugins(assignment: &Assignment, told: Told) -> JobPlugins {
    // The node has checked a job that runs with these plugins in another process.
    let configs_were_judged = assignment.task == Task::Run;
    let limits = &assignment.limits;
    JobPlugins::new(settings(assignment.compiled.clone(), told, configs_were_judged)).capped(Caps {
        instances_max: limits.instances_max.filter(|_| assignment.task == Task::Run),
        memory_bytes_max: limits.instance_memory_bytes.and_then(|bytes| usize::try_from(bytes).ok()),
        deadline_ms_max: limits.call_ms,
        memories_bytes_max: limits.instances_memory_bytes,
        files_bytes_max: limits.granted_file_bytes,
        metric_names_max: limits.metric_names,
        metric_updates_per_s_max: limits.metric_updates_per_s,
    })
}

/// Checks the job.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn check(assignment: &Assignment, plugins: &mut JobPlugins) -> std::result::Result<Accepted, Box<Rejected>> {
    let surroundings = Surroundings {
        base: assignment.files.clone(),
        pinned: Some(assignment.pinned()),
        policy: assignment.policy.clone(),
        ..Surroundings::default()
    };
    let parallelism = assignment.parallelism.map(|parallelism| Override {
        steps: vec!["parallelism".into()],
        value: parallelism.to_string(),
        argument: format!("parallelism {parallelism}"),
    });
    let checkpoint = Checkpoint {
        store: assignment.checkpoint_store.clone(),
        every: Some(Millis(assignment.checkpoint_every_ms)),
        keep: None,
        timeout: None,
    };
    let submission = Submission::new(assignment.document())
        .in_surroundings(surroundings)
        .with_overrides(parallelism.into_iter().collect())
        .with_secrets(&assignment.secrets)
        .with_checkpoint(checkpoint);
    let mut accepted = submission.check(plugins)?;
    limiter(assignment)(&mut accepted.graph);
    Ok(accepted)
}

/// Puts the limits and the places of a node in the place of those of the job.
pub(crate) fn limiter(assignment: &Assignment) -> Box<dyn Fn(&mut JobGraph) + Send + Sync> {
    let (limits, spill) = (assignment.limits.clone(), spill(assignment));
    Box::new(move |graph| {
        let state = &mut graph.state;
        state.memory_bytes_max = state.memory_bytes_max.min(limits.state_memory_bytes_max);
        (state.spill_bytes_max, state.spill_bytes_per_s_max) = (limits.spill_bytes, limits.spill_bytes_per_s);
        state.spill = Some(spill.clone());
    })
}

/// Returns what the job's workers keep to.
pub(crate) fn options(limits: &WorkerLimits) -> StartOptions {
    StartOptions {
        cpu_cores_max: limits.cpu_cores,
        table_bytes_max: limits.table_bytes,
        failed_call_s_per_min_max: limits.failed_call_s_per_min,
        timers_per_s_max: limits.timers_per_s,
        rows_out_per_row_max: limits.rows_out_per_row,
        dead_letters_per_s_max: limits.dead_letters_per_s,
    }
}

/// Returns the folder for spilled state.
pub(crate) fn spill(assignment: &Assignment) -> PathBuf {
    assignment.folder.join(SPILL)
}

/// Returns the functions of a job's plugins, each with the name of its operator.
pub(crate) fn functions(graph: &JobGraph) -> impl Iterator<Item = (&str, &PluginFunction)> {
    graph.nodes.iter().flat_map(|node| of_node(node).into_iter().map(|function| (node.name.as_str(), function)))
}

fn of_node(node: &Node) -> Vec<&PluginFunction> {
    match &node.kind {
        NodeKind::Transform(of) => vec![&of.function],
        NodeKind::Process(of) => vec![&of.function],
        NodeKind::Join(of) => of.function.iter().map(|(function, _)| function).collect(),
        NodeKind::Window(of) => {
            let functions = of.aggregates.iter().filter_map(|of| match &of.aggregate {
                Aggregate::Plugin(function) => Some(function),
                _ => None,
            });
            functions.collect()
        }
        NodeKind::Source(_) | NodeKind::Lookup(_) | NodeKind::Select(_) | NodeKind::Union(_) | NodeKind::Sink(_) => {
            Vec::new()
        }
    }
}

/// Makes sure that the components are those that the node named.
///
/// # Errors
/// One has another content.
pub(crate) fn compare_digests(graph: &JobGraph, assignment: &Assignment, plugins: &mut JobPlugins) -> Result<()> {
    let assigned: BTreeMap<&Path, &str> =
        assignment.plugins.iter().map(|of| (of.path.as_path(), of.digest.as_str())).collect();
    for (operator, function) in functions(graph) {
        let loaded = plugins.wall(&graph.limits)?.load(&function.path)?;
        if assigned.get(function.path.as_path()) != Some(&loaded.digest()) {
            let message = format!("the component of `{}` is not the one that was pushed", function.plugin);
            return Err(Error::internal(message).in_operator(operator));
        }
    }
    Ok(())
}
