//! The time of a call. There is no other clock.

use crate::host::imports;
use crate::timestamp::Timestamp;

/// Returns the operator's watermark: no row with this event time or an earlier one is expected; `None` before the first,
/// `Timestamp::MAX` when the input has ended. It advances between batches and is constant within a call.
///
/// ```
/// use flowgate_sdk::{Timestamp, context, testing::Host};
///
/// let _host = Host::new().watermark(Timestamp::from_millis(7)).install();
/// assert_eq!(context::watermark(), Some(Timestamp::from_millis(7)));
/// ```
pub fn watermark() -> Option<Timestamp> {
    imports::watermark().map(Timestamp::from_millis)
}

/// Returns the job's processing time; it never goes back. Constant within a call.
///
/// ```
/// use flowgate_sdk::{Timestamp, context, testing::Host};
///
/// let _host = Host::new().processing_time(Timestamp::from_millis(7)).install();
/// assert_eq!(context::processing_time(), Timestamp::from_millis(7));
/// ```
pub fn processing_time() -> Timestamp {
    Timestamp::from_millis(imports::processing_time())
}
