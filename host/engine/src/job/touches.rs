//! What a whole job touches outside: for the limits of the process that runs it.

use std::path::Path;

use super::graph::{Aggregate, JobGraph, NodeKind, PluginFunction};
use flowgate_base::error::Result;
use flowgate_connect::touches::{Place, Touches};

/// What a checkpoint store touches: a folder, or a host.
pub(crate) fn of_checkpoint_store(base: &Path, store: &str) -> Touches {
    if store.contains("://") { Touches::url(store) } else { Touches::written_folder(base, store) }
}

/// What state touches that does not fit into memory.
pub(crate) fn of_spill(base: &Path, folder: &str) -> Touches {
    Touches::written_folder(base, folder)
}

impl JobGraph {
    /// Returns what the job touches outside: its connectors, tables, plugins and their files, checkpoints, and the folder of its
    /// state.
    ///
    /// # Errors
    /// The settings of a connector are wrong: the graph is not one that a check returned.
    pub fn touches(&self) -> Result<Touches> {
        let mut touches = Touches::nothing();
        // Paths of a graph are absolute.
        let base = Path::new("/");
        for node in &self.nodes {
            match &node.kind {
                NodeKind::Source(source) => touches.add(source.connector.touched_by_source()?),
                NodeKind::Sink(sink) => touches.add(sink.connector.sink()?.touches),
                NodeKind::Lookup(lookup) => touches.add(Touches::file(base, &lookup.table.path)),
                _ => {}
            }
            for function in functions(&node.kind) {
                let files = std::iter::once(&function.path).chain(function.files.values());
                touches.reads.extend(files.map(|path| Place::file(base, path)));
            }
        }
        if let Some(checkpoint) = &self.checkpoint {
            touches.add(of_checkpoint_store(base, &checkpoint.store));
        }
        if let Some(folder) = &self.state.spill {
            touches.add(Touches::written_folder(base, folder));
        }
        Ok(touches)
    }
}

/// The functions of plugins that a node calls.
fn functions(kind: &NodeKind) -> Vec<&PluginFunction> {
    match kind {
        NodeKind::Transform(transform) => vec![&transform.function],
        NodeKind::Process(process) => vec![&process.function],
        NodeKind::Join(join) => join.function.iter().map(|(function, _)| function).collect(),
        NodeKind::Window(window) => {
            let plugins = window.aggregates.iter().filter_map(|column| match &column.aggregate {
                Aggregate::Plugin(function) => Some(function),
                _ => None,
            });
            plugins.collect()
        }
        NodeKind::Source(_) | NodeKind::Sink(_) | NodeKind::Lookup(_) | NodeKind::Select(_) | NodeKind::Union(_) => {
            Vec::new()
        }
    }
}
