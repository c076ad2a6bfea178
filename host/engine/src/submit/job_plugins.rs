//! The plugins that a job is checked against and runs with.

use std::path::Path;

use crate::job::check::PluginCatalog;
use crate::job::spec;
use flowgate_base::allowance::Allowance;
use flowgate_base::error::Result;
use flowgate_base::quantity::Millis;
use flowgate_wall::binding::{Binding, FunctionInfo, OpenRequest};
use flowgate_wall::{Limits, Plugins, Settings, Shares, UpdateRate};

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
    /// Wall time of one call, in milliseconds; `None`: what the job says.
    pub deadline_ms_max: Option<u64>,
    /// Linear memory of all instances together; `None`: no more than those of each.
    pub memories_bytes_max: Option<u64>,
    /// Granted files that functions have open, in bytes: each function, on each worker; `None`: any.
    pub files_bytes_max: Option<u64>,
    /// Names of metrics of one function; `None`: the default of the wall.
    pub metric_names_max: Option<usize>,
    /// Updates of metrics a second, of all functions; `None`: any.
    pub metric_updates_per_s_max: Option<u32>,
}

impl Caps {
    /// Returns the limits of a job's plugins. The search for the rows at fault takes as long as the deadlines that the job gets allow.
    fn over(self, job: &spec::Limits, instances_max: u32) -> Limits {
        let most = self.deadline_ms_max.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX).max(1));
        let wanted = job.deadline.unwrap_or(Millis(i64::try_from(Limits::default().deadline_ms).unwrap_or(i64::MAX)));
        let deadline = most.filter(|most| *most < wanted.0).map(Millis).or(job.deadline);
        let limits = Limits::of_job(&spec::Limits { deadline, ..job.clone() });
        Limits {
            instances_max: self.instances_max.unwrap_or(instances_max),
            memory_bytes_max: self.memory_bytes_max.unwrap_or(usize::MAX).min(limits.memory_bytes_max),
            metric_names_max: self.metric_names_max.unwrap_or(usize::MAX).min(limits.metric_names_max),
            ..limits
        }
    }

    fn shares(self) -> Shares {
        Shares {
            memory: self.memories_bytes_max.map(Allowance::new),
            files: self.files_bytes_max.map(Allowance::new),
            updates: self.metric_updates_per_s_max.map(UpdateRate::new),
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
        JobPlugins { settings: Settings { shares: caps.shares(), ..self.settings }, caps, ..self }
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
                let limits = self.caps.over(limits, instances_max);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The deadline and the time of a search that a job gets which asks for this deadline.
    fn times(deadline: Option<i64>, most: Option<u64>) -> (u64, u64) {
        let job = spec::Limits { deadline: deadline.map(Millis), ..spec::Limits::default() };
        let limits = Caps { deadline_ms_max: most, ..Caps::default() }.over(&job, 7);
        assert_eq!(limits.instances_max, 7);
        (limits.deadline_ms, limits.search_ms_max)
    }

    #[test]
    fn a_deadline_is_the_job_s_up_to_the_cap() {
        let default = Limits::default();
        assert_eq!(times(None, None), (default.deadline_ms, default.search_ms_max));
        assert_eq!(times(None, Some(2_000)), (default.deadline_ms, default.search_ms_max), "a cap is not a wish");
        assert_eq!(times(Some(5_000), Some(2_000)), (2_000, 60_000), "the search is that of the deadline that it gets");
        assert_eq!(times(Some(1_500), Some(2_000)).0, 1_500);
        assert_eq!(times(Some(5_000), None), (5_000, 150_000));
        assert_eq!(times(None, Some(200)).0, 200);
        assert_eq!(times(Some(50), Some(0)).0, 1, "a call has some time");
    }
}
