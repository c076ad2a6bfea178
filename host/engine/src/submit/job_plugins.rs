//! The plugins that a job is checked against and runs with.

use std::path::Path;

use crate::job::check::PluginCatalog;
use crate::job::spec;
use flowgate_base::error::Result;
use flowgate_wall::binding::{Binding, FunctionInfo, OpenRequest};
use flowgate_wall::{Limits, Plugins, Settings};

/// Loads the plugins of one job as the check asks for them, within the job's limits, and keeps them for the run.
pub struct JobPlugins {
    settings: Settings,
    wall: Option<(spec::Limits, Plugins)>,
    note: Option<String>,
}

impl JobPlugins {
    /// Creates a loader with these settings; the job's own limits take the place of theirs, but for `instances_max`.
    pub fn new(settings: Settings) -> JobPlugins {
        JobPlugins { settings, wall: None, note: None }
    }

    /// Creates the loader of a program that embeds Flowgate, with the settings of [`Settings::new`].
    pub fn embedded() -> JobPlugins {
        JobPlugins::new(Settings::new(Limits::default()))
    }

    /// Returns the wall with a job's limits.
    ///
    /// # Errors
    /// As [`Plugins::with`].
    pub fn wall(&mut self, limits: &spec::Limits) -> Result<&Plugins> {
        let wall = match self.wall.take() {
            Some((known, wall)) if known == *limits => wall,
            _ => {
                // The size of the pool is the process's affair.
                let instances_max = self.settings.limits.instances_max;
                let limits = Limits { instances_max, ..Limits::of_job(limits) };
                Plugins::with(Settings { limits, ..self.settings.clone() })?
            }
        };
        Ok(&self.wall.insert((limits.clone(), wall)).1)
    }

    /// Why compiled plugins could not be kept for the next time, if that was so. For the user, once.
    pub fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }
}

impl PluginCatalog for JobPlugins {
    fn functions(&mut self, plugin: &Path) -> std::result::Result<Vec<FunctionInfo>, String> {
        // What a plugin says of itself does not depend on the limits of calls: those of the wall that is there will do, and before
        // there is one, those of a job that sets none.
        let limits = self.wall.as_ref().map_or_else(spec::Limits::default, |(limits, _)| limits.clone());
        let loaded = self.wall(&limits).and_then(|wall| wall.load(plugin)).map_err(|e| e.to_string())?;
        if self.note.is_none() {
            self.note = loaded.cache_note().map(String::from);
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
