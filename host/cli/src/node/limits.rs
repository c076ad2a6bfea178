//! Every limit of the client of a node, with its reason.

use std::time::Duration;

/// Time in which a connection is made. Within it, a lost packet is sent again twice.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Time for a request that reads something. The node answers in milliseconds; the rest is for slow lines.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Time for a request that compiles plugins or checks a job: the node allows 64 s to send a component, and 30 s to check it.
pub(super) const WORK_WITHIN: Duration = Duration::from_secs(180);

/// Maximum bytes of an answer. The state of a job with many operators and splits has some megabytes.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Entries of a part of a list: the most that a node returns.
pub(super) const PAGE_ENTRIES: usize = 1_000;

/// Maximum entries of a list that is shown. More is for a program that reads the API.
pub(super) const ENTRIES_MAX: usize = 100_000;

/// How often a request is made again that was one too many.
pub(super) const TRIES_MAX: u32 = 5;

/// The longest time after which such a request is made again, in seconds. Beyond it, somebody should know.
pub(super) const RETRY_AFTER_S_MAX: u64 = 60;

/// Maximum bytes of a component: what a node takes at most is less.
pub(super) const COMPONENT_BYTES_MAX: u64 = 256 << 20;

/// Maximum bytes of a secret or a token that is read. Certificates with their keys have some kilobytes.
pub(super) const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Maximum bytes of a line of a stream: a row, or the state of a job.
pub(super) const EVENT_BYTES_MAX: usize = 4 << 20;

/// The shortest and the longest time between two looks at an operation. Most take less than a second.
pub(super) const LOOK_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// Time for which a node that does not answer is asked for an operation again: a restart of the node takes seconds.
pub(super) const AWAY_MAX: Duration = Duration::from_secs(30);
