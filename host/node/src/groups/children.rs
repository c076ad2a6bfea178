//! The groups of child processes.

use std::io;

use flowgate_confine::cgroup::{Group, Shortages};
use flowgate_worker::spawn::CheckError;

use super::ends::{MemoryOf, killed};
use crate::api::refusal::{Answer, Refusal};
use crate::log;

/// The group of one attempt of a job.
#[derive(Debug)]
pub(crate) struct JobGroup {
    group: Group,
    of_tenant: Group,
    /// What had happened in the tenant's group when the attempt began, or was found.
    before: Shortages,
}

/// The group of what checks jobs and compiles plugins of a tenant, as one of these processes sees it.
#[derive(Debug)]
pub(crate) struct ChecksGroup {
    /// With what had happened in it before.
    group: Option<(Group, Shortages)>,
    /// The tenant's quota.
    memory_bytes: u64,
}

impl JobGroup {
    pub(super) fn new(group: Group, of_tenant: Group) -> JobGroup {
        let before = of_tenant.shortages();
        JobGroup { group, of_tenant, before }
    }

    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    /// Moves a process here that an earlier node has left, which may have had no groups.
    ///
    /// # Errors
    /// The process has ended, or the system refuses.
    pub(crate) fn take(&self, process: u32) -> io::Result<()> {
        self.group.take(process)
    }

    /// Removes the group, whose process has ended. Returns whose memory was short, if that is how it ended. Blocks for 100 ms at most.
    pub(crate) fn end(self) -> Option<MemoryOf> {
        let short = killed(self.group.shortages(), self.before, self.of_tenant.shortages());
        if let Err(error) = self.group.remove() {
            // The next attempt tries again.
            log::warning(&format!("the group of a job that has ended cannot be removed: {error}"));
        }
        short
    }
}

impl ChecksGroup {
    pub(super) fn none() -> ChecksGroup {
        ChecksGroup { group: None, memory_bytes: 0 }
    }

    pub(super) fn of(group: Group, memory_bytes: u64) -> ChecksGroup {
        let before = group.shortages();
        ChecksGroup { group: Some((group, before)), memory_bytes }
    }

    pub(crate) fn group(&self) -> Option<&Group> {
        self.group.as_ref().map(|(group, _)| group)
    }

    /// Returns what a process here has found, or why it has not: if the kernel has killed it, because memory was short.
    pub(crate) fn said<T>(&self, answer: Result<T, CheckError>) -> Answer<T> {
        answer.map_err(|error| match (&error, self.killed()) {
            (CheckError::Gone(_), Some(killed)) => killed,
            _ => error.into(),
        })
    }

    /// Returns why the kernel has killed a child; `None` if it has killed none.
    fn killed(&self) -> Option<Refusal> {
        let (group, before) = self.group.as_ref()?;
        (group.shortages().killed > before.killed).then(|| {
            let what = "checking or compiling needs more than the tenant's jobs leave of it";
            Refusal::quota("memory_bytes", self.memory_bytes, what)
        })
    }
}
