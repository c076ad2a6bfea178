//! The start of a job from a savepoint: its effects.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::begin::Begun;
use super::super::fingerprint::fingerprints;
use super::super::restored::Restored;
use super::super::scratch;
use super::plan::{Names, Plan, SlotChange};
use super::rows::Rows;
use crate::dataflow::build::open as open_function;
use crate::error::StartError;
use crate::job::graph::{CheckpointSettings, JobGraph, Node, NodeKind};
use flowgate_base::error::{Error, Result};
use flowgate_checkpoint::store::{Store, Stores};
use flowgate_checkpoint::{
    Adoption, Attempt, Checkpoint, History, Manifest, Reader, Slot, Start, Stats, find_savepoint,
};
use flowgate_wall::{Function, Plugins};

/// The savepoint, or another checkpoint, from which a job starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromSavepoint {
    /// `STORE` is its newest savepoint, `STORE#NAME` the savepoint of this name, and `STORE#N` the checkpoint with this number.
    pub address: String,
    /// Operators, sources and sinks that begin without what the savepoint has of them.
    pub drop: Vec<String>,
}

/// What would become of a savepoint in a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prospect {
    /// The savepoint, for people.
    pub savepoint: String,
    /// The state that is kept: the operator, and its stored rows.
    pub kept: Vec<(String, u64)>,
    /// What changes, a sentence each.
    pub notes: Vec<String>,
    /// Why the job does not start from it, a sentence each.
    pub problems: Vec<String>,
}

impl Prospect {
    /// Checks that the job starts from the savepoint.
    ///
    /// # Errors
    /// It does not: the user's.
    pub fn check(&self) -> Result<()> {
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(StartError::OtherSavepoint(self.problems.join("\n")).into()),
        }
    }
}

/// A savepoint that was found.
struct Found {
    store: Store,
    manifest: Manifest,
    checkpoint: Checkpoint,
}

impl Found {
    fn find(from: &FromSavepoint, stores: &Stores) -> Result<Found> {
        let (store, which) = match from.address.rsplit_once('#') {
            Some((store, which)) => (store, Some(which)),
            None => (from.address.as_str(), None),
        };
        let store = stores.open_existing(store)?;
        let (manifest, checkpoint) = find_savepoint(&store, which)?;
        Ok(Found { store, manifest, checkpoint })
    }

    fn shown(&self) -> String {
        let what =
            self.checkpoint.savepoint.as_ref().map_or_else(|| "checkpoint".into(), |name| format!("savepoint {name}"));
        format!("{what} (record {}) of the job {}", self.manifest.number, self.manifest.job)
    }
}

/// The functions whose slots change, by operator.
struct Functions<'a> {
    graph: &'a JobGraph,
    plugins: &'a Plugins,
}

impl Functions<'_> {
    fn open(&self, operator: &str) -> Result<Function> {
        let node = self.graph.nodes.iter().find(|node| node.name == operator);
        let Some((node, spec)) = node.and_then(|node| match &node.kind {
            NodeKind::Process(spec) => Some((node, &spec.function)),
            _ => None,
        }) else {
            return Err(Error::internal(format!("`{operator}` is no process function")));
        };
        open_function(&self.plugins.load(&spec.path)?, node, spec).map_err(|e| e.in_operator(operator))
    }
}

/// Compares a savepoint with a job.
fn plan(found: &Found, functions: &Functions<'_>, drop: &[String]) -> Plan {
    let graph = functions.graph;
    let fingerprints: BTreeMap<String, Value> = fingerprints(graph);
    let of = |is: fn(&Node) -> bool| graph.nodes.iter().filter(move |node| is(node)).map(|node| node.name.as_str());
    let is_source = |node: &Node| matches!(node.kind, NodeKind::Source(_));
    let is_sink = |node: &Node| matches!(node.kind, NodeKind::Sink(_));
    let names = Names {
        fingerprints: &fingerprints,
        operators: of(|_| true).collect(),
        sources: of(is_source).collect(),
        sinks: of(is_sink).collect(),
        key_groups: graph.key_groups,
        // A function that cannot be opened is reported when it is.
        migrates: &|operator| functions.open(operator).map_or(true, |function| function.migrates()),
    };
    Plan::of(&found.checkpoint, &names, drop)
}

/// Says what would become of a savepoint in a job. With `migrates`, each value of a slot whose version has changed is migrated, to see
/// whether that succeeds.
///
/// # Errors
/// There is no such savepoint: the user's. It is damaged, its store fails, or a function cannot be opened.
pub(crate) fn prospect(
    graph: &JobGraph,
    plugins: &Plugins,
    stores: &Stores,
    from: &FromSavepoint,
    migrates: bool,
) -> Result<Prospect> {
    let found = Found::find(from, stores)?;
    let functions = Functions { graph, plugins };
    let plan = plan(&found, &functions, &from.drop);
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    for slot in Reader::new(&found.store, &found.checkpoint).slots() {
        if !plan.drops_slot(slot) {
            *kept.entry(slot.operator.clone()).or_default() += stored_rows(&found.checkpoint, slot);
        }
    }
    let mut prospect = Prospect {
        savepoint: found.shown(),
        kept: kept.into_iter().collect(),
        notes: plan.notes.clone(),
        problems: plan.problems.clone(),
    };
    if migrates {
        try_changes(&found, &functions, &plan, &mut prospect)?;
    }
    Ok(prospect)
}

/// Changes all rows that change, and drops the result.
fn try_changes(found: &Found, functions: &Functions<'_>, plan: &Plan, prospect: &mut Prospect) -> Result<()> {
    let reader = Reader::new(&found.store, &found.checkpoint);
    for slot in reader.slots().into_iter().filter(|slot| !plan.drops_slot(slot)) {
        let Some(change) = plan.change(slot) else { continue };
        let mut rows = changed_rows(functions, slot, change, found.checkpoint.tick)?;
        for batch in reader.merged(slot) {
            rows.change(batch?)?;
        }
        prospect.notes.extend(rows.note());
        prospect.problems.extend(rows.problem());
    }
    Ok(())
}

fn stored_rows(checkpoint: &Checkpoint, slot: &Slot) -> u64 {
    let blocks = checkpoint.files.iter().flat_map(|file| file.blocks.iter().map(move |block| (file, block)));
    blocks.filter(|(file, block)| file.slot_of(block) == slot).map(|(_, block)| block.rows).sum()
}

fn changed_rows(functions: &Functions<'_>, slot: &Slot, change: SlotChange, tick: u64) -> Result<Rows> {
    let function = change.versions.map(|_| functions.open(&slot.operator)).transpose()?;
    Ok(Rows::new(slot, change, function, tick))
}

/// Begins an attempt of a job from a savepoint: commits the savepoint as the job's first checkpoint.
///
/// # Errors
/// There is no such savepoint, or it does not fit the job: the user's. It is damaged, or a store fails.
pub(in crate::dataflow::checkpoint) fn begin_from(
    graph: &JobGraph,
    settings: &CheckpointSettings,
    plugins: &Plugins,
    stores: &Stores,
    from: &FromSavepoint,
) -> Result<Begun> {
    let found = Found::find(from, stores)?;
    let functions = Functions { graph, plugins };
    let plan = plan(&found, &functions, &from.drop);
    let mut prospect = Prospect { problems: plan.problems.clone(), ..Prospect::default() };
    if prospect.problems.is_empty() {
        // Before the attempt takes a number: after it, earlier checkpoints of the store do not count any more.
        try_changes(&found, &functions, &plan, &mut prospect)?;
    }
    prospect.check()?;
    let store = stores.open(&settings.store)?;
    History::read(&store)?.check_job(&graph.name)?;
    let hold = store.hold()?;
    let scratch = scratch::of_graph(graph);
    let (attempt, _) = Attempt::begin(&store, &graph.name, Start::Fresh)?;
    let files = attempt.adopt(&found.store, &found.checkpoint, &scratch, |slot| {
        if plan.drops_slot(slot) {
            return Adoption::Dropped;
        }
        let Some(change) = plan.change(slot) else { return Adoption::Kept };
        let mut rows = changed_rows(&functions, slot, change, found.checkpoint.tick);
        Adoption::Changed(Box::new(move |batch| {
            let rows = rows.as_mut().map_err(|error| error.clone())?;
            let batch = rows.change(batch)?;
            rows.problem().map_or(Ok(batch), |problem| Err(StartError::OtherSavepoint(problem).into()))
        }))
    });
    scratch::remove(&scratch);
    let checkpoint = Checkpoint { files: files?, ..adopted(&found.checkpoint, graph, &plan) };
    attempt.commit(checkpoint.clone())?;
    attempt.sweep()?;
    Ok(Begun {
        attempt,
        files: checkpoint.files.clone(),
        earlier: Some(Arc::new(Restored::new(store, checkpoint))),
        warnings: Vec::new(),
        hold,
    })
}

/// The savepoint as a checkpoint of the job, without its files.
fn adopted(savepoint: &Checkpoint, graph: &JobGraph, plan: &Plan) -> Checkpoint {
    let fingerprints = fingerprints(graph);
    let mut adopted =
        Checkpoint { savepoint: None, ended: false, files: Vec::new(), stats: Stats::default(), ..savepoint.clone() };
    adopted.operators.retain(|record| !plan.drops(&record.name));
    for record in &mut adopted.operators {
        record.fingerprint = fingerprints.get(&record.name).cloned().unwrap_or(Value::Null);
    }
    adopted.sources.retain(|name, _| !plan.drops(name));
    adopted.sinks.retain(|name, _| !plan.drops(name));
    adopted
}
