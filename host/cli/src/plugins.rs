//! The plugins that a job is checked against and runs with.

use std::path::Path;

use super::log_level::LogLevelArg;
use super::terminal;
use flowgate::job::check::PluginCatalog;
use flowgate::job::spec;
use flowgate_base::error::Result;
use flowgate_wall::binding::{Binding, FunctionInfo, OpenRequest};
use flowgate_wall::{Limits, Settings};

/// Components, loaded when the check requests them, within a job's limits.
#[derive(Default)]
pub(crate) struct Plugins {
    wall: Option<(spec::Limits, flowgate_wall::Plugins)>,
    /// Whether the user was told that compiled plugins cannot be kept.
    noted: bool,
    /// The least level of their log lines that is shown.
    log_level: LogLevelArg,
}

impl Plugins {
    /// Creates a set that shows log lines of plugins from this level on.
    pub(crate) fn logging(log_level: LogLevelArg) -> Self {
        Plugins { log_level, ..Plugins::default() }
    }

    /// Returns the wall with these limits.
    pub(crate) fn wall(&mut self, limits: &spec::Limits) -> Result<&flowgate_wall::Plugins> {
        if self.wall.as_ref().is_some_and(|(known, _)| known != limits) {
            self.wall = None;
        }
        if self.wall.is_none() {
            let settings = Settings::of_command(Limits::of_job(limits))?.log_from(self.log_level.least());
            let wall = flowgate_wall::Plugins::with(settings)?;
            self.wall = Some((limits.clone(), wall));
        }
        self.wall
            .as_ref()
            .map(|(_, wall)| wall)
            .ok_or_else(|| flowgate_base::error::Error::internal("the wall is gone"))
    }
}

impl PluginCatalog for Plugins {
    fn functions(&mut self, plugin: &Path) -> std::result::Result<Vec<FunctionInfo>, String> {
        // A plugin's description of itself does not depend on the limits of calls.
        let limits = self.wall.as_ref().map(|(limits, _)| limits.clone()).unwrap_or_default();
        let loaded = self.wall(&limits).and_then(|wall| wall.load(plugin)).map_err(|e| e.to_string())?;
        if let Some(note) = loaded.cache_note().filter(|_| !std::mem::replace(&mut self.noted, true)) {
            terminal::message(&format!("warning: {note}\n"));
        }
        Ok(loaded.functions().to_vec())
    }

    fn open(
        &mut self,
        plugin: &Path,
        request: &OpenRequest,
        limits: &spec::Limits,
    ) -> std::result::Result<Binding, Vec<String>> {
        self.wall(limits).map_err(|e| vec![e.to_string()])?.clone().open(plugin, request, limits)
    }
}
