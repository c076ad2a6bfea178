//! The groups of a node: one for each tenant, and in it one for each job.

use std::io;

use flowgate_api::problem::Code;
use flowgate_api::quota::Quotas;
use flowgate_confine::cgroup::{Cgroups, Group, GroupLimits};

use super::children::{ChecksGroup, JobGroup};
use crate::api::refusal::{Answer, Refusal};
use crate::limits::PROCESSES_OF_GROUP_MAX;

/// What begins the line that says whether there are groups.
const OF_JOBS: &str = "processor time and memory of jobs";

/// The groups of a node.
pub(crate) struct Groups(Option<Cgroups>);

impl Groups {
    /// Returns those that this process may make, and a line that says what holds. Moves the process into a group of its own.
    pub(crate) fn detect() -> (Groups, String) {
        let found = Cgroups::detect();
        let line = held(found.as_ref().map(Cgroups::folder).map_err(ToString::to_string));
        (Groups(found.ok()), line)
    }

    /// Returns that line without a change.
    pub(crate) fn examine() -> String {
        held(Cgroups::examine().as_deref().map_err(ToString::to_string))
    }

    /// Returns the cores to which a worker process has to keep by itself; `None` where the kernel limits its group.
    pub(crate) fn paced(&self, quotas: &Quotas) -> Option<f64> {
        self.0.is_none().then_some(quotas.cpu_cores)
    }

    /// Makes the group of a job's next attempt, with its limits; `None` where there are no groups. That of an attempt before is removed:
    /// its processes have ended, or a job would have two of them (N5).
    ///
    /// # Errors
    /// The system refuses. The job does not run without the limits that the node has promised.
    pub(crate) fn of_job(&self, tenant: &str, job: &str, quotas: &Quotas) -> Answer<Option<JobGroup>> {
        let Some(groups) = &self.0 else { return Ok(None) };
        let made = tenant_group(groups, tenant, quotas).and_then(|of_tenant| {
            of_tenant.job(job)?.remove()?;
            let group = of_tenant.job(job)?;
            group.limit(&GroupLimits {
                cpu_cores: Some(quotas.cpu_cores),
                memory_bytes_max: Some(quotas.job_memory_bytes),
                processes_max: Some(PROCESSES_OF_GROUP_MAX),
            })?;
            Ok(JobGroup::new(group, of_tenant))
        });
        made.map(Some).map_err(|error| refused("the group of the job", &error))
    }

    /// Returns the group of a job whose worker process, or what became of it, an earlier node has left; `None` where there are none.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn found_of_job(&self, tenant: &str, job: &str) -> Answer<Option<JobGroup>> {
        let Some(groups) = &self.0 else { return Ok(None) };
        let found = groups.tenant(tenant).and_then(|of_tenant| Ok(JobGroup::new(of_tenant.job(job)?, of_tenant)));
        found.map(Some).map_err(|error| refused("the group of the job", &error))
    }

    /// Returns the group of what checks jobs and compiles plugins of a tenant; without groups, one that nothing enters.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn of_checks(&self, tenant: &str, quotas: &Quotas) -> Answer<ChecksGroup> {
        let Some(groups) = &self.0 else { return Ok(ChecksGroup::none()) };
        let made = tenant_group(groups, tenant, quotas).and_then(|of_tenant| {
            let group = of_tenant.checks()?;
            group.limit(&GroupLimits {
                // A compilation is worth a core, also of a tenant whose jobs have less.
                cpu_cores: Some(quotas.cpu_cores.max(1.0)),
                memory_bytes_max: None,
                processes_max: Some(PROCESSES_OF_GROUP_MAX),
            })?;
            Ok(ChecksGroup::of(group, quotas.memory_bytes))
        });
        made.map_err(|error| refused("the group of what checks jobs", &error))
    }

    /// Removes the groups that no job of the catalog has, and that have no processes.
    pub(crate) fn sweep(&self, keeps: impl Fn(&str, Option<&str>) -> bool) {
        if let Some(groups) = &self.0 {
            groups.sweep(keeps);
        }
    }
}

fn tenant_group(groups: &Cgroups, tenant: &str, quotas: &Quotas) -> io::Result<Group> {
    let group = groups.tenant(tenant)?;
    group.limit(&GroupLimits { memory_bytes_max: Some(quotas.memory_bytes), ..GroupLimits::default() })?;
    Ok(group)
}

fn refused(what: &str, error: &io::Error) -> Refusal {
    Refusal::new(Code::Unavailable, format!("{what} cannot be made (cgroup v2): {error}"))
}

fn held(found: Result<&std::path::Path, String>) -> String {
    match found {
        Ok(folder) => {
            format!(
                "{OF_JOBS}: the kernel limits each job and each tenant, by groups in {} (cgroup v2)",
                folder.display()
            )
        }
        Err(why) => format!(
            "{OF_JOBS}: each worker process keeps to its limits by itself, and nothing limits a tenant in all: {why}; docs/operate.md says what to do"
        ),
    }
}
