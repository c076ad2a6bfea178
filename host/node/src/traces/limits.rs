//! Limits of the export of traces, with reasons.

use std::time::Duration;

/// Time in which a batch of spans is sent: a receiver is nearby, and spans wait meanwhile.
pub(super) const EXPORT_WITHIN: Duration = Duration::from_secs(10);

/// Time in which the last spans are sent when the node stops: a receiver that is away does not keep it.
pub(super) const EXPORT_LAST_WITHIN: Duration = Duration::from_secs(5);

/// Maximum bytes of an answer of the receiver: it says how many spans it took, and why not the others.
pub(super) const EXPORT_ANSWER_BYTES_MAX: u64 = 64 << 10;
