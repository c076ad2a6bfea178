//! Every limit of the protocol and the server, with its reason.

use std::time::Duration;

/// Maximum bytes of the body of a request: a request names at most one operator.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// Maximum bytes of the body of a response: the status of a job of 1,000 operators with 1,000 splits each, as JSON.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// Maximum splits of a source in a status. Those that hold the watermark back come first; the others are counted.
pub const SPLITS_MAX: usize = 1_000;

/// Maximum connections that are served at once. Each has a thread of [`STACK_BYTES`].
pub const CONNECTIONS_MAX: usize = 16;

/// Maximum clients that wait for the end of the job. They have no thread.
pub const WAITING_MAX: usize = 64;

/// Stack of the thread of a connection: the explanation of a graph and the JSON of a status need a small part of it.
pub const STACK_BYTES: usize = 512 << 10;

/// Time in which a client sends its whole request. It sends a few bytes on the same machine.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(2);

/// Time in which a client takes a whole response, and in which a job answers.
pub const RESPONSE_WITHIN: Duration = Duration::from_secs(5);

/// Maximum bytes of the path of a Unix socket: `sun_path` has 108 on Linux and 104 elsewhere, with the final NUL.
pub const PATH_BYTES_MAX: usize = 103;

/// Maximum bytes of the job's name in the name of its socket. The job itself says its whole name.
pub const NAME_BYTES_MAX: usize = 32;

/// Maximum names that a server tries when live sockets have those before: processes of several containers that share a folder
/// may have the same number.
pub const NAMES_MAX: u32 = 16;

/// Maximum clients that tap a job at once; each takes one of the connections.
pub const TAPS_MAX: usize = 4;

/// Maximum rows a second that a client may tap: more than anybody reads.
pub const TAP_ROWS_PER_S_MAX: u64 = 1_000;

/// Maximum bytes of the rows of one response to a tap: JSON escapes them once more, and they have to fit still.
pub const TAP_BYTES_MAX: usize = 4 << 20;

/// Maximum time of a canary, in milliseconds: somebody waits for it, and the new version takes memory meanwhile.
pub const CANARY_MS_MAX: u64 = 3_600_000;

/// The time between two responses about a canary.
pub const CANARY_REPORT_EVERY: Duration = Duration::from_millis(500);

/// The time between two looks at whether a canary goes on.
pub const CANARY_LOOK: Duration = Duration::from_millis(50);

/// The time after which a tap without rows looks whether its client and its job are there.
pub const TAP_LOOK: Duration = Duration::from_millis(200);
