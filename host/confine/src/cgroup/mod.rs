//! Groups of processes and their limits: cgroup v2. A group for each tenant, and in it one for each job.
//!
//! ```text
//! GROUP OF THE NODE/            delegated to it: by systemd (`Delegate=yes`), or by a container
//!   node/                       the node itself
//!   tenant-acme/                cpu.max, memory.max, pids.max of the tenant
//!     job-orders/               the same of the job; cgroup.procs: its worker process
//! ```

mod detect;
mod groups;
#[cfg(test)]
mod groups_tests;

pub use detect::Unavailable;
pub use groups::{Cgroups, Group, GroupLimits};
