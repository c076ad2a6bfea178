//! Every limit of the node itself, with its reason. What a tenant may take is in `flowgate_api::quota`. Those that depend on the machine
//! and its clients are [`NodeLimits`], which settings may change.

use std::time::Duration;

/// Maximum connections at once, of all clients. Each takes some 20 KiB; more is an attack.
const CONNECTIONS_MAX: usize = 1_024;

/// Maximum connections at once from one address. A browser opens six, a page of several tabs some more.
const CONNECTIONS_OF_ADDRESS_MAX: usize = 128;

/// Time in which a client sends the head of a request, and in which an idle connection sends the next one.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Time in which the handshake of TLS is done.
pub(crate) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Time for which a client may take nothing of a response. A connection that nobody reads would else stay for ever.
pub(crate) const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Time in which the requests that are being answered end when the node stops.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Maximum headers of a request. A browser sends about twenty.
pub(crate) const HEADERS_MAX: usize = 64;

/// Maximum bytes of the head of a request.
pub(crate) const HEAD_BYTES_MAX: usize = 16 << 10;

/// Maximum bytes of a body of JSON. A job file has a few kilobytes.
pub(crate) const JSON_BYTES_MAX: usize = 1 << 20;

/// Time in which a body of JSON arrives.
pub(crate) const JSON_WITHIN: Duration = Duration::from_secs(10);

/// Time between two parts of a component that is pushed.
pub(crate) const PART_WITHIN: Duration = Duration::from_secs(10);

/// Time in which a component is pushed: the largest one at 1 MiB/s.
pub(crate) const PUSH_WITHIN: Duration = Duration::from_secs(64);

/// Entries of a list where the request does not say how many.
pub(crate) const PAGE_DEFAULT: usize = 100;

/// Maximum entries of a list.
pub(crate) const PAGE_MAX: usize = 1_000;

/// Requests without a valid token that an address may make a second, and five times as many at once: a token cannot be guessed, but
/// guesses cost time.
pub(crate) const UNKNOWN_PER_S: f64 = 30.0;

/// Addresses and tokens whose requests are counted; those that made none for longest are forgotten.
pub(crate) const COUNTED_MAX: usize = 10_000;

/// Components that are compiled at once on the node. One for each core but one, and one at least.
fn compilations_max() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

/// Compilations of one tenant that wait or run. Another one is refused: a queue that nobody bounds delays everybody.
pub(crate) const COMPILATIONS_OF_TENANT_MAX: usize = 4;

/// Processes and threads of one job, and of what checks and compiles for one tenant, where the kernel limits them. A job has some for each
/// worker, source and sink, a compilation four.
pub(crate) const PROCESSES_OF_GROUP_MAX: u64 = 1_024;

/// Time in which a job is checked: its plugins are compiled, and their functions opened.
const CHECK_WITHIN: Duration = Duration::from_secs(30);

/// Time in which a component that was pushed is admitted, compiled and described. The wall's own limits end before it does.
pub(crate) const INSPECT_WITHIN: Duration = Duration::from_secs(150);

/// Pause before the first restart of a job; it doubles with each failure in a row.
pub(crate) const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Longest pause before a restart.
pub(crate) const RESTART_AFTER_MAX: Duration = Duration::from_secs(60);

/// Time for which a job runs before its failures no longer count as being in a row.
pub(crate) const HEALTHY_AFTER: Duration = Duration::from_secs(300);

/// Operations of a tenant that go on at once. Each may wait for a job in a thread of its own.
pub(crate) const OPERATIONS_AT_ONCE_MAX: usize = 32;

/// Threads that wait for jobs and disks: those of operations and taps of many tenants. Each takes some 20 KiB while it waits.
pub(crate) const BLOCKING_MAX: usize = 2_048;

/// Time for which an operation is remembered after its end.
pub(crate) const OPERATION_KEPT: Duration = Duration::from_secs(3_600);

/// Operations of a tenant that are remembered.
pub(crate) const OPERATIONS_MAX: usize = 1_000;

/// Requests of a tenant that are served at once, streams aside. Each may have a body in memory.
pub(crate) const REQUESTS_OF_TENANT_MAX: usize = 32;

/// Streams of server-sent events of a tenant at once. Each costs a request to the job a second.
const STREAMS_OF_TENANT_MAX: usize = 32;

/// Time for which a submission's key is remembered, in milliseconds: a day.
pub(crate) const KEY_KEPT_MS: i64 = 86_400_000;

/// Time that jobs have to stop when the node stops with them.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// Requests a second that a token of the node itself may make, and twice as many at once.
const NODE_REQUESTS_PER_S: f64 = 200.0;

/// Time from one checkpoint to the next of a job that says nothing of checkpoints: what is read again after a crash.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// Limits that the settings of a node may change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeLimits {
    /// Components that are compiled, and jobs that are checked, at once.
    pub compilations: usize,
    /// Connections at once, of all clients.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_of_address: usize,
    /// Requests a second with one token of the node itself; twice as many at once.
    pub requests_per_s: f64,
    /// Streams of server-sent events of a tenant at once.
    pub streams_of_tenant: usize,
    /// Time in which a job is checked.
    pub check_within: Duration,
    /// Time that jobs have to stop when the node stops with them.
    pub stop_within: Duration,
}

impl Default for NodeLimits {
    fn default() -> Self {
        NodeLimits {
            compilations: compilations_max(),
            connections: CONNECTIONS_MAX,
            connections_of_address: CONNECTIONS_OF_ADDRESS_MAX,
            requests_per_s: NODE_REQUESTS_PER_S,
            streams_of_tenant: STREAMS_OF_TENANT_MAX,
            check_within: CHECK_WITHIN,
            stop_within: STOP_WITHIN,
        }
    }
}
