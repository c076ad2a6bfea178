//! What a process may still do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The environment with which a process is started whose memory is limited: without it the allocator takes a gigabyte of writable
/// memory ahead, which counts as taken.
pub const ALLOCATOR_ENVIRONMENT: [(&str, &str); 1] = [("MIMALLOC_ARENA_EAGER_COMMIT", "0")];

/// What a process may still do after [`apply`](crate::apply). The default is the least: no files, no sockets, no processes.
///
/// # Memory
///
/// `memory_bytes_max` is the limit `RLIMIT_DATA`: private writable memory, whether touched or not. Address space that is only
/// reserved does not count: the pool of plugin instances reserves terabytes for their memories. But the tables of the pool count from
/// the start: 1.6 MB for each of the wall's `instances_max` (4 tables of 50,000 entries of 8 bytes), so 1.6 GB with its default.
/// Lower `instances_max` for a process whose memory is limited. Besides, a process needs about 70 MB, and each thread counts with
/// its stack (2 MiB by default). The process must have been started with [`ALLOCATOR_ENVIRONMENT`].
///
/// At the limit,
///
/// - the memory of a plugin does not grow: its `memory.grow` answers -1, and most plugins trap;
/// - a plugin that needs a new instance is not opened, with an error;
/// - an allocation of the host fails, which aborts the process with SIGABRT. The job is restarted from its last checkpoint.
///
/// # Processes
///
/// System calls that start a process are refused whatever `processes_max` is. It is `RLIMIT_NPROC`, which counts the processes
/// *and threads* of the user, not of the process, and which does not hold root. A cgroup counts those of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Confinement {
    /// Which system calls it needs.
    pub role: Role,
    /// Private writable memory.
    pub memory_bytes_max: Option<u64>,
    /// Open files, sockets included.
    pub open_files_max: Option<u64>,
    /// Processes and threads of the user.
    pub processes_max: Option<u64>,
    /// The size of a file that it writes. A larger write fails (`EFBIG`).
    pub file_bytes_max: Option<u64>,
    /// Files, and folders with all that is in them, that it may read.
    pub read: Vec<PathBuf>,
    /// Files, and folders with all that is in them, that it may read, write, create and remove.
    pub write: Vec<PathBuf>,
    /// Files, and folders with all that is in them, that it may read and map as code.
    pub execute: Vec<PathBuf>,
    /// Which sockets it may make.
    pub network: Network,
}

/// Which system calls a process needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads standard input, computes in threads, writes standard output: the child that compiles and judges. Cannot open a file,
    /// nor make machine code.
    #[default]
    Computation,
    /// Runs a job.
    Worker,
    /// Checks a job: starts children, which confine themselves further. What is never legitimate kills it; of sockets, it makes those
    /// to itself alone.
    Checker,
}

/// Which sockets a process may make. Those that it has open already stay usable, listeners included.
///
/// A path of a Unix socket is no file for Landlock on most kernels: who may connect to one can reach every service of the machine.
/// So nothing here lets a process connect to a Unix socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// None.
    #[default]
    None,
    /// Unix sockets to listen on.
    Unix,
    /// TCP connections to these ports, UDP for the resolver of names, and the files of `/etc` that it and TLS read. No Unix
    /// sockets: bind those before.
    Outgoing {
        /// Ports of TCP. Empty: all. Where Landlock does not know ports (before Linux 6.7), all as well, and the report says so.
        ports: Vec<u16>,
    },
}
