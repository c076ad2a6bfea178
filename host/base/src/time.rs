//! The two times of a stream, as types of their own. Both are Unix milliseconds, and would be confused as plain numbers.
//!
//! Columns of timestamps hold plain numbers: a type for each row would only be unwrapped again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Event time: when something happened, by the timestamp of its row, or how far a watermark says that a stream has come. Unix
/// milliseconds; may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(pub i64);

/// Processing time: when the job processes something, by the clock. Unix milliseconds; the default is 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessingTime(pub i64);

macro_rules! milliseconds {
    ($time:ident) => {
        impl $time {
            /// The least time.
            pub const MIN: $time = $time(i64::MIN);

            /// The greatest time.
            pub const MAX: $time = $time(i64::MAX);

            /// Returns the time `ms` milliseconds later, or the greatest time if that is out of range.
            #[must_use]
            pub const fn plus_ms(self, ms: i64) -> Self {
                $time(self.0.saturating_add(ms))
            }

            /// Returns the time `ms` milliseconds earlier, or the least time if that is out of range.
            #[must_use]
            pub const fn minus_ms(self, ms: i64) -> Self {
                $time(self.0.saturating_sub(ms))
            }

            /// Returns the milliseconds from `earlier` to this time; negative if `earlier` is later. Saturates.
            #[must_use]
            pub const fn ms_since(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl fmt::Display for $time {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

milliseconds!(EventTime);
milliseconds!(ProcessingTime);

impl ProcessingTime {
    /// Returns this time as an event time: windows of processing time take the time at which a row is processed as its event time.
    #[must_use]
    pub const fn as_event_time(self) -> EventTime {
        EventTime(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stay_in_range_and_show_their_milliseconds() {
        assert_eq!(EventTime(5).minus_ms(7), EventTime(-2));
        assert_eq!(EventTime::MIN.minus_ms(1), EventTime::MIN);
        assert_eq!(ProcessingTime::MAX.plus_ms(1), ProcessingTime::MAX);
        assert_eq!(ProcessingTime(3).ms_since(ProcessingTime(5)), -2);
        assert_eq!(EventTime::MAX.ms_since(EventTime::MIN), i64::MAX);
        assert_eq!((EventTime(-2).to_string(), ProcessingTime(1_000).to_string()), ("-2".into(), "1000".into()));
    }
}
