//! A swap that was requested of an earlier attempt, of which nobody knows whether it has happened: the checkpoint with which the job resumes
//! names the version whose state it has.

use flowgate::job::graph::JobGraph;
use flowgate_base::error::Result;
use flowgate_checkpoint::History;
use flowgate_checkpoint::store::Stores;

use crate::assignment::{Assignment, Begins};

/// Returns the assignment with the new version, if the checkpoint has the state of that; `None` if the job begins with the versions that it
/// was assigned.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn swapped(assignment: &Assignment, graph: &JobGraph, stores: &Stores) -> Result<Option<Assignment>> {
    let (Some(pending), Begins::Resume, Some(settings)) =
        (&assignment.pending, &assignment.beginning, &graph.checkpoint)
    else {
        return Ok(None);
    };
    let store = stores.open(&settings.store)?;
    let newest = History::read(&store)?.newest_complete(&store)?.manifest;
    let checkpoint = newest.as_ref().and_then(|manifest| manifest.checkpoint());
    let records = checkpoint.into_iter().flat_map(|checkpoint| &checkpoint.operators);
    let mut functions =
        records.filter(|record| pending.operator.as_ref() == Some(&record.name)).flat_map(|record| &record.functions);
    if !functions.any(|function| function.plugin == pending.plugin && function.sha256 == pending.digest) {
        return Ok(None);
    }
    let mut assignment = assignment.clone();
    for plugin in &mut assignment.plugins {
        if plugin.operator == pending.operator && plugin.plugin == pending.plugin {
            plugin.clone_from(pending);
        }
    }
    Ok(Some(assignment))
}
