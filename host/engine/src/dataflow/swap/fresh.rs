//! New functions for one operator on one worker, opened, with what follows from their bindings.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::slot_plan::SlotPlan;
use crate::dataflow::build::{arrangements, join_layouts, open};
use crate::dataflow::job_state::JobState;
use crate::dataflow::join::pairing::PairFunction;
use crate::dataflow::process::arrangement::Arrangement;
use crate::dataflow::process::next_state::NextState;
use crate::dataflow::window::aggregator::PluginAggregator;
use crate::job::graph::{Aggregate, JobGraph, Node, NodeId, NodeKind, PluginFunction, Read, TransformOutput};
use flowgate_base::error::{Error, Result};
use flowgate_base::id::Worker;
use flowgate_wall::binding::StateSlot;
use flowgate_wall::{Function, Plugin};

/// Plugins, by file.
pub(crate) type Loaded = HashMap<PathBuf, Arc<Plugin>>;

/// New functions for an operator.
pub(crate) enum Fresh {
    /// Of a transform.
    Transform(Box<FreshTransform>),
    /// Of a join.
    Join(Box<PairFunction>),
    /// Of aggregates, by position.
    Aggregates(Vec<(usize, Box<PluginAggregator>)>),
    /// Of a process function.
    Process(Box<FreshProcess>),
}

/// A transform's new function.
pub(crate) struct FreshTransform {
    /// The function.
    pub(crate) function: Function,
    /// The columns that it reads.
    pub(crate) reads: Vec<Read>,
    /// Its outputs.
    pub(crate) outputs: Vec<TransformOutput>,
}

/// A process operator's new function.
pub(crate) struct FreshProcess {
    /// The function.
    pub(crate) function: Function,
    /// The columns that it reads, by input.
    pub(crate) reads: Vec<Vec<Read>>,
    /// Its outputs.
    pub(crate) outputs: Vec<Arrangement>,
    /// Its state slots.
    pub(crate) slots: Vec<StateSlot>,
    /// What becomes of the state.
    pub(crate) plan: SlotPlan,
    /// The state that is being made for it.
    pub(crate) next: Option<NextState>,
}

/// How far an operator has come in trying new functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tried {
    /// There is more to try, in a further turn.
    More,
    /// They can be taken. This number of values was migrated.
    Ready(u64),
    /// Why they cannot be taken.
    Refused(String),
}

impl Fresh {
    /// Opens the functions of a node, for one worker.
    ///
    /// # Errors
    /// A plugin cannot be loaded, or a function opened.
    pub(crate) fn open(
        graph: &JobGraph,
        id: NodeId,
        plan: &SlotPlan,
        plugins: &Loaded,
        (job, worker): (&Arc<JobState>, Worker),
    ) -> Result<Fresh> {
        let node = graph.node(id);
        // What the function before has counted goes on.
        let calls = job.metrics.node(id).calls(worker);
        let open = |spec: &PluginFunction| {
            let job = Arc::clone(job);
            let plugin = plugins.get(&spec.path).ok_or_else(|| Error::internal("a plugin that was not loaded"))?;
            let function = open(plugin, node, spec).map_err(|error| error.in_operator(&node.name))?;
            Ok::<_, Error>(function.count_in(&calls).stop_when(move || job.ends_searches()))
        };
        Fresh::of(node, plan, &open)
    }

    /// Makes new functions of a node, of those that `open` opens.
    ///
    /// # Errors
    /// A function cannot be opened.
    pub(crate) fn of(
        node: &Node,
        plan: &SlotPlan,
        open: &dyn Fn(&PluginFunction) -> Result<Function>,
    ) -> Result<Fresh> {
        Ok(match &node.kind {
            NodeKind::Transform(spec) => Fresh::Transform(Box::new(FreshTransform {
                function: open(&spec.function)?,
                reads: spec.function.inputs.iter().flat_map(|input| input.reads.clone()).collect(),
                outputs: spec.outputs.clone(),
            })),
            NodeKind::Join(spec) => {
                let Some((function, outputs)) = &spec.function else { return Err(without_function(node)) };
                let (layouts, reads) = join_layouts(spec);
                Fresh::Join(Box::new(PairFunction::new(open(function)?, reads, outputs, &layouts)?))
            }
            NodeKind::Window(spec) => {
                let mut fresh = Vec::new();
                for (at, column) in spec.aggregates.iter().enumerate() {
                    if let Aggregate::Plugin(function) = &column.aggregate {
                        fresh.push((at, Box::new(PluginAggregator::new(function, open(function)?))));
                    }
                }
                Fresh::Aggregates(fresh)
            }
            NodeKind::Process(spec) => Fresh::Process(Box::new(FreshProcess {
                function: open(&spec.function)?,
                reads: spec.function.inputs.iter().map(|input| input.reads.clone()).collect(),
                outputs: arrangements(node, spec)?,
                slots: spec.function.binding.state.clone(),
                plan: plan.clone(),
                next: None,
            })),
            _ => return Err(without_function(node)),
        })
    }

    /// Whether taking them can fail, or takes long: it is tried first.
    pub(crate) fn tries(&self) -> bool {
        matches!(self, Fresh::Process(process) if process.plan.tries())
    }
}

fn without_function(node: &Node) -> Error {
    Error::internal(format!("`{}` has no function to swap", node.name))
}
