//! A running job that is checked again, with another version of a plugin at one operator.

use std::path::PathBuf;

use crate::code::JOB_PROBLEMS;
use crate::dataflow::{self, FromSavepoint, JobState, Prospect, SwapOptions};
use crate::error::RunError;
use crate::job::check::{Surroundings, check};
use crate::job::graph::JobGraph;
use crate::job::load::Loaded;
use crate::job::tap;
use flowgate_base::error::{Error, Result};
use flowgate_checkpoint::store::Stores;
use flowgate_wall::Plugins;

/// What it takes to check a job again.
pub struct Recheck {
    loaded: Loaded,
    surroundings: Surroundings,
    taps: Vec<String>,
}

/// Another version of a plugin for one operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The operator's name.
    pub operator: String,
    /// The plugin's name in the job; `None`: the only one of the operator.
    pub plugin: Option<String>,
    /// The component's file, absolute.
    pub path: PathBuf,
}

impl Recheck {
    pub(super) fn new(loaded: Loaded, surroundings: Surroundings) -> Recheck {
        Recheck { loaded, surroundings, taps: Vec::new() }
    }

    /// Adds the taps that the running job has.
    #[must_use]
    pub fn with_taps(mut self, taps: &[String]) -> Recheck {
        self.taps = taps.to_vec();
        self
    }

    /// Checks the job that runs with another version of a plugin. All other functions are those that run.
    ///
    /// # Errors
    /// The operator has no such plugin; or everything that is wrong with the job then: the user's.
    pub fn check(&self, state: &JobState, plugins: &Plugins, version: &NewVersion) -> Result<JobGraph> {
        let running = state.running_graph()?;
        let mut surroundings = self.surroundings.clone();
        for node in &running.nodes {
            for function in node.functions() {
                surroundings.versions.insert((node.name.clone(), function.plugin.clone()), function.path.clone());
            }
        }
        let plugin = plugin_of(&running, version)?;
        surroundings.versions.insert((version.operator.clone(), plugin), version.path.clone());
        let job = self.loaded.job.as_ref().ok_or_else(|| Error::internal("a job that runs was not read"))?;
        let checked = check(job, &surroundings, &mut plugins.clone())
            .map_err(|problems| Error::new(&JOB_PROBLEMS, self.loaded.report(&problems, false)))?;
        let mut graph = checked.graph;
        for output in &self.taps {
            tap::add(&mut graph, output).map_err(Error::internal)?;
        }
        Ok(graph)
    }
}

/// Says what a swap would do, on the last checkpoint that the job has taken. Nothing changes.
///
/// # Errors
/// The graph differs in more than functions, or the state cannot be taken over: the user's. The store fails.
pub fn swap_prospect(
    state: &JobState,
    graph: &JobGraph,
    plugins: &Plugins,
    stores: &Stores,
    options: &SwapOptions,
) -> Result<Prospect> {
    let operators = state.compare(graph, plugins, options)?;
    let last = graph.checkpoint.as_ref().zip(state.checkpoint_status.last());
    let Some((settings, last)) = last else {
        let notes = vec!["the job has taken no checkpoint yet: nothing was migrated to try it".into()];
        return Ok(Prospect { notes, ..Prospect::default() });
    };
    let from = FromSavepoint { address: format!("{}#{}", settings.store, last.number), drop: Vec::new() };
    let mut prospect = dataflow::prospect(graph, plugins, stores, &from, true)?;
    prospect.kept.retain(|(operator, _)| operators.contains(operator));
    Ok(prospect)
}

/// Returns the plugin whose version is meant.
fn plugin_of(running: &JobGraph, version: &NewVersion) -> Result<String> {
    let misfit = |message: String| Error::from(RunError::SwapMisfit(message));
    let named = running.nodes.iter().find(|node| node.name == version.operator);
    let with_functions = || running.nodes.iter().filter(|node| !node.functions().is_empty());
    let node = named.filter(|node| !node.functions().is_empty()).ok_or_else(|| {
        let names = with_functions().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "none has one".into() } else { format!("these have one: {names}") };
        misfit(format!("the job has no operator `{}` with a plugin's function; {names}", version.operator))
    })?;
    let mut plugins: Vec<String> = node.functions().into_iter().map(|function| function.plugin.clone()).collect();
    plugins.sort_unstable();
    plugins.dedup();
    match (&version.plugin, plugins.as_slice()) {
        (Some(wanted), known) if known.contains(wanted) => Ok(wanted.clone()),
        (None, [only]) => Ok(only.clone()),
        (_, known) => {
            let known = known.join(", ");
            Err(misfit(format!(
                "`{}` has functions of these plugins: {known}; say which one, with `--plugin NAME`",
                version.operator
            )))
        }
    }
}
