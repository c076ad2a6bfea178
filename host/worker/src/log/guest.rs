//! Log lines of plugins.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::line::Entry;
use super::queue::Log;
use crate::assignment::Level;
use crate::prepare;
use flowgate::job::graph::JobGraph;
use flowgate::running::current_worker;
use flowgate_base::clock;
use flowgate_wall::{GuestLog, LogLevel};

/// Takes the lines of plugins into the log.
pub(crate) struct GuestLines {
    log: Arc<Log>,
    plugins: OnceLock<BTreeMap<String, String>>,
}

impl GuestLines {
    /// Creates the receiver of plugins' lines.
    pub(crate) fn new(log: Arc<Log>) -> GuestLines {
        GuestLines { log, plugins: OnceLock::new() }
    }

    /// Learns which plugin an operator has.
    pub(crate) fn know(&self, graph: &JobGraph) {
        // A process runs one job.
        let _ = self.plugins.set(plugins(graph));
    }
}

/// Returns the plugins of operators: of each its names, in their order.
fn plugins(graph: &JobGraph) -> BTreeMap<String, String> {
    let mut of: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (operator, function) in prepare::functions(graph) {
        let names = of.entry(operator.into()).or_default();
        if !names.contains(&function.plugin.as_str()) {
            names.push(&function.plugin);
        }
    }
    of.into_iter().map(|(operator, names)| (operator, names.join(", "))).collect()
}

impl GuestLog for GuestLines {
    fn line(&self, operator: &str, level: LogLevel, message: &str) {
        self.log.push(Entry {
            at_ms: clock::now_ms(),
            level: Level::of(level),
            operator: Some(operator.into()),
            worker: current_worker().map(|worker| worker.0),
            plugin: self.plugins.get().and_then(|plugins| plugins.get(operator)).cloned(),
            message: message.into(),
        });
    }
}

/// Drops the lines of plugins: of a check, which has no log.
pub(crate) struct NoLines;

impl GuestLog for NoLines {
    fn line(&self, _operator: &str, _level: LogLevel, _message: &str) {}
}
