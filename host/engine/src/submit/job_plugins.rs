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
    caps: Caps,
}

/// What the plugins of a job may take at most, whatever the job says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Instances at once in the process; `None`: the default of the wall.
    pub instances_max: Option<u32>,
    /// Linear memory of one instance; `None`: what the job says.
    pub memory_bytes_max: Option<usize>,
}

impl Caps {
    fn over(self, limits: Limits) -> Limits {
        Limits {
            instances_max: self.instances_max.unwrap_or(limits.instances_max),
            memory_bytes_max: self.memory_bytes_max.unwrap_or(usize::MAX).min(limits.memory_bytes_max),
            ..limits
        }
    }
}

impl JobPlugins {
    /// Creates a loader with these settings; the job's own limits take the place of theirs, but for `instances_max`.
    pub fn new(settings: Settings) -> JobPlugins {
        JobPlugins { settings, wall: None, note: None, caps: Caps::default() }
    }

    /// Sets what plugins may take at most.
    #[must_use]
    pub fn capped(self, caps: Caps) -> JobPlugins {
        JobPlugins { caps, ..self }
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
                let limits = self.caps.over(Limits { instances_max, ..Limits::of_job(limits) });
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
