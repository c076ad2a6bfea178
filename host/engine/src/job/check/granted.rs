//! What a tenant's policy does not grant: each place in the job that would touch it. Judged from the text of the job, before anything
//! outside is looked at.

use std::path::{Component, Path, PathBuf};

use flowgate_connect::Connector;
use flowgate_connect::entry::Kind;
use flowgate_connect::policy::{Policy, Refused};
use flowgate_connect::sink::ConfiguredSink;
use flowgate_connect::source::ConfiguredSource;
use flowgate_connect::touches::{Place, Target, Touches};

use super::catalog::Surroundings;
use crate::job::problem::{At, Problem};
use crate::job::spec::{Connectors, Job};
use crate::job::touches::{of_checkpoint_store, of_spill};

/// Adds a problem for everything that the policy does not grant.
pub(super) fn check_granted(job: &Job, around: &Surroundings, problems: &mut Vec<Problem>) {
    let Some(policy) = &around.policy else { return };
    let mut judge = Judge { around, policy, problems };
    let top = At::job();
    for (name, source) in &job.sources {
        let at = top.field("sources").field(name);
        judge.connectors::<ConfiguredSource>(&source.connectors, &at, |source| &source.touches);
    }
    for (name, sink) in &job.sinks {
        let at = top.field("sinks").field(name);
        judge.connectors::<ConfiguredSink>(&sink.connectors, &at, |sink| &sink.touches);
    }
    for (name, path) in &job.plugins {
        judge.touches(&Touches::file(&around.base, path), &top.field("plugins").field(name));
    }
    for (name, operator) in &job.operators {
        let at = top.field("operators").field(name);
        for (file, path) in &operator.files {
            judge.touches(&Touches::file(&around.base, path), &at.field("files").field(file));
        }
        if let Some(lookup) = &operator.lookup {
            judge.touches(&Touches::file(&around.base, &lookup.path), &at.field("lookup").field("path"));
        }
    }
    if let Some(checkpoint) = &job.checkpoint {
        judge.touches(&of_checkpoint_store(&around.base, &checkpoint.store), &top.field("checkpoint").field("store"));
    }
    if let Some(folder) = job.state.as_ref().and_then(|state| state.spill.as_ref()) {
        judge.touches(&of_spill(&around.base, folder), &top.field("state").field("spill"));
    }
}

struct Judge<'a> {
    around: &'a Surroundings,
    policy: &'a Policy,
    problems: &'a mut Vec<Problem>,
}

impl Judge<'_> {
    /// Judges all connectors of a source or a sink: several are a mistake, but each is one that the author wants.
    fn connectors<K: Kind>(&mut self, connectors: &Connectors, at: &At, touches: fn(&K) -> &Touches) {
        for (name, settings) in connectors {
            let at = at.field(name);
            if let Err(refused) = self.policy.connector(name) {
                self.add(refused, &at, true);
                continue;
            }
            let (settings, base) = (settings.clone(), self.around.base.clone());
            let connector = Connector { name: name.clone(), settings, base, policy: None };
            // Settings that are wrong are reported with the others' problems, once everything is granted.
            if let Ok(configured) = connector.configure::<K>() {
                self.touches(touches(&configured), &at);
            }
        }
    }

    fn touches(&mut self, touches: &Touches, at: &At) {
        let policy = self.policy;
        let reads = touches.reads.iter().map(|place: &Place| policy.read(place).map_err(|refused| (refused, place)));
        let writes = touches.writes.iter().map(|place: &Place| policy.write(place).map_err(|refused| (refused, place)));
        for (refused, place) in reads.chain(writes).filter_map(Result::err) {
            match self.out_of_base(place) {
                Some(path) => self.add_out_of_base(&path, at),
                None => self.add(refused, at, false),
            }
        }
        let connects = touches.connects.iter().map(|target: &Target| policy.connect(target));
        connects.filter_map(Result::err).for_each(|refused| self.add(refused, at, false));
    }

    /// Returns a relative path that leads out of the folder to which it is relative, as the job has it. Where that leads is no business of
    /// its author, who may not know where the folder is.
    fn out_of_base(&self, place: &Place) -> Option<PathBuf> {
        let relative = place.path().strip_prefix(&self.around.base).ok()?;
        relative.components().any(|part| part == Component::ParentDir).then(|| relative.to_path_buf())
    }

    fn add_out_of_base(&mut self, path: &Path, at: &At) {
        let message =
            format!("the policy of this tenant does not grant `{}`: it leads out of the job's folder", path.display());
        self.problems.push(Problem::error(at.clone(), message).help("name a file outside of it by its absolute path"));
    }

    fn add(&mut self, refused: Refused, at: &At, on_key: bool) {
        let problem = Problem::error(at.clone(), refused.message);
        let problem = if on_key { problem.on_key() } else { problem };
        self.problems.push(problem.help(format!("whoever administers the tenant grants it by {}", refused.grant)));
    }
}
