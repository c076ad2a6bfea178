//! Whose memory was short when the kernel killed a process.

use flowgate_confine::cgroup::Shortages;

/// Whose memory was short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryOf {
    /// The job has used up its own.
    Job,
    /// The tenant's, by its jobs and checks together.
    Tenant,
    /// The machine's, or that of a group above the node's.
    Machine,
}

/// Returns whose memory was short, from what has happened in the group of a job since it was made, and in that of its tenant before and
/// by now; `None` if no process of the job was killed for it.
pub(crate) fn killed(of_job: Shortages, before: Shortages, of_tenant: Shortages) -> Option<MemoryOf> {
    if of_job.killed == 0 {
        return None;
    }
    // A shortage is counted in the group whose limit was reached, a kill in the group of the process.
    Some(match (of_job.at_limit > 0, of_tenant.at_limit > before.at_limit) {
        (true, _) => MemoryOf::Job,
        (false, true) => MemoryOf::Tenant,
        (false, false) => MemoryOf::Machine,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_the_fault_of_whose_limit_was_reached() {
        let short = |at_limit, killed| Shortages { at_limit, killed };
        let none = Shortages::default();
        assert_eq!(killed(short(4, 0), none, none), None, "what was reclaimed in time killed nobody");
        assert_eq!(killed(short(1, 1), none, none), Some(MemoryOf::Job));
        assert_eq!(killed(short(1, 1), none, short(1, 0)), Some(MemoryOf::Job));
        assert_eq!(killed(short(0, 1), short(2, 0), short(3, 0)), Some(MemoryOf::Tenant));
        // The tenant's shortage was an earlier one.
        assert_eq!(killed(short(0, 1), short(2, 0), short(2, 0)), Some(MemoryOf::Machine));
    }
}
