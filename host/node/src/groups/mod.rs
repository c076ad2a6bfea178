//! The groups in which the kernel limits what tenants run (cgroup v2), where this node may make them; otherwise each worker process keeps
//! to its share of processor time by itself.

mod children;
mod ends;
mod tree;

pub(crate) use children::JobGroup;
pub(crate) use ends::MemoryOf;
pub(crate) use tree::Groups;
