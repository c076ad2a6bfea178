//! How a job with checkpoints begins: its store, its attempt, and the checkpoint from which it continues.

use std::sync::Arc;

use super::adopt::{FromSavepoint, begin_from};
use super::fingerprint::fingerprints;
use super::restored::Restored;
use crate::error::StartError;
use crate::job::graph::{CheckpointSettings, JobGraph};
use flowgate_base::error::Result;
use flowgate_checkpoint::store::{Hold, Stores};
use flowgate_checkpoint::{Attempt, Checkpoint, DataFile, History, Start};
use flowgate_wall::Plugins;

/// What a job does with the checkpoints that its store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// It does not start if there are any.
    New,
    /// It continues from the newest complete one. If there are none, it begins.
    Resume,
    /// It begins; the checkpoints do not count any more.
    Fresh,
    /// It starts from a savepoint; the checkpoints do not count any more.
    From(FromSavepoint),
}

/// An attempt of a job that has begun.
pub(crate) struct Begun {
    /// The right to commit checkpoints.
    pub(crate) attempt: Attempt,
    /// The checkpoint from which it continues.
    pub(crate) earlier: Option<Arc<Restored>>,
    /// The files of that checkpoint.
    pub(crate) files: Vec<DataFile>,
    /// Why newer checkpoints are not used.
    pub(crate) warnings: Vec<String>,
    /// The store, while the job runs.
    pub(crate) hold: Option<Hold>,
}

/// What a job finds when it begins.
pub(crate) enum Found {
    /// It runs.
    Runs(Box<Begun>),
    /// It has ended, with this checkpoint. What its sinks have to commit may not be committed yet.
    HasEnded(Box<Restored>),
}

/// Begins an attempt, unless the job has ended.
///
/// # Errors
/// The store has checkpoints and it was not said what to do with them, or those of another job; the job has changed in a way in which
/// it cannot continue. The store fails.
pub(crate) fn begin(
    graph: &JobGraph,
    settings: &CheckpointSettings,
    plugins: &Plugins,
    stores: &Stores,
    beginning: &Beginning,
) -> Result<Found> {
    let start = match beginning {
        Beginning::From(from) => return Ok(Found::Runs(Box::new(begin_from(graph, settings, plugins, stores, from)?))),
        Beginning::Resume => Start::Newest,
        Beginning::New | Beginning::Fresh => Start::Fresh,
    };
    let store = stores.open(&settings.store)?;
    let history = History::read(&store)?;
    history.check_job(&graph.name)?;
    if *beginning == Beginning::New && history.has_checkpoints() {
        return Err(StartError::HasCheckpoints { job: graph.name.clone(), store: settings.store.clone() }.into());
    }
    if start == Start::Newest {
        // Before the attempt takes a number: a job that has ended leaves its store as it is.
        let newest = history.newest_complete(&store)?;
        if let Some(checkpoint) = newest.manifest.as_ref().and_then(|manifest| manifest.checkpoint()) {
            if checkpoint.ended {
                return Ok(Found::HasEnded(Box::new(Restored::new(store.clone(), checkpoint.clone()))));
            }
            check(graph, checkpoint)?;
        }
    }
    // Before the attempt takes a number, with which the one that runs would have to end.
    let hold = store.hold()?;
    let (attempt, resume) = Attempt::begin(&store, &graph.name, start)?;
    let checkpoint = resume.manifest.as_ref().and_then(|manifest| manifest.checkpoint()).cloned();
    if let Some(checkpoint) = &checkpoint {
        check(graph, checkpoint)?;
    }
    attempt.sweep()?;
    Ok(Found::Runs(Box::new(Begun {
        attempt,
        files: checkpoint.as_ref().map_or_else(Vec::new, |checkpoint| checkpoint.files.clone()),
        earlier: checkpoint.map(|checkpoint| Arc::new(Restored::new(store, checkpoint))),
        warnings: resume.warnings.into_iter().map(|error| error.message).collect(),
        hold,
    })))
}

/// Checks that a job can continue from a checkpoint.
fn check(graph: &JobGraph, checkpoint: &Checkpoint) -> Result<()> {
    let mut problems = Vec::new();
    if checkpoint.key_groups != graph.key_groups {
        let (had, has) = (checkpoint.key_groups, graph.key_groups);
        problems.push(format!("`key_groups` was {had} and is {has}; it is fixed for the life of a job"));
    }
    let now = fingerprints(graph);
    for record in checkpoint.operators.iter().filter(|record| !record.fingerprint.is_null()) {
        match now.get(&record.name) {
            Some(fingerprint) if *fingerprint == record.fingerprint => {}
            Some(_) => {
                problems.push(format!("the state of `{}` was kept for other settings of the operator", record.name))
            }
            None => problems.push(format!("`{}` has state in the checkpoint and is not in the job", record.name)),
        }
    }
    for source in checkpoint.sources.keys() {
        if !graph.nodes.iter().any(|node| node.name == *source) {
            problems.push(format!("the source `{source}` is in the checkpoint and is not in the job"));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(StartError::OtherState(problems.join("\n")).into()),
    }
}
