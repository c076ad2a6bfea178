//! Groups of processes and their limits: cgroup v2. A group for each tenant, and in it one for each job.
//!
//! ```text
//! GROUP OF THE NODE/            delegated to it: by systemd (`Delegate=yes`), or by a container
//!   node/                       the node itself
//!   tenant-acme/                memory.max of the tenant
//!     job-orders/               cpu.max, memory.max, pids.max of the job; cgroup.procs: its worker process
//!     checks/                   the processes that check its jobs and compile its plugins
//! ```

mod detect;
#[cfg(test)]
mod detect_tests;
mod groups;
#[cfg(test)]
mod groups_tests;
mod memory;

pub use detect::Unavailable;
pub use groups::{Cgroups, Group, GroupLimits};
pub use memory::{Shortages, kill_first};
