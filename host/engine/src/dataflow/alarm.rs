//! The alarm of a source: when it is to be woken. Pure.
//!
//! A wake-up comes after a delay, on a clock that never goes back. The wall clock may be set, and ticks may be ahead of it; neither says
//! whether a wake-up is still to come.

use std::time::{Duration, Instant};

/// The next wake-up of a source.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    due: Option<Instant>,
}

impl Alarm {
    /// Asks for a wake-up after `delay`. Returns whether one has to be set: not if an earlier one is still to come.
    pub(crate) fn has_to_be_set(&mut self, delay: Duration, now: Instant) -> bool {
        let due = now + delay;
        if self.due.is_some_and(|pending| now < pending && pending <= due) {
            return false;
        }
        self.due = Some(due);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Goal: whoever asks for a wake-up gets one in time. Method: a list of all wake-ups that were set; after each request, one of
        /// them is to come, and not later than was asked.
        #[test]
        fn a_wake_up_comes_not_later_than_was_asked(
            requests in prop::collection::vec((0u64..40, 1u64..40), 1..50),
        ) {
            let (mut alarm, mut now, mut set) = (Alarm::default(), Instant::now(), Vec::new());
            for (pause, delay) in requests {
                now += Duration::from_millis(pause);
                let delay = Duration::from_millis(delay);
                if alarm.has_to_be_set(delay, now) {
                    set.push(now + delay);
                }
                prop_assert!(set.iter().any(|due| now < *due && *due <= now + delay));
            }
        }
    }

    #[test]
    fn an_earlier_wake_up_serves_a_later_one() {
        let (mut alarm, now, ms) = (Alarm::default(), Instant::now(), Duration::from_millis);
        assert!(alarm.has_to_be_set(ms(10), now));
        assert!(!alarm.has_to_be_set(ms(10), now + ms(5)));
        assert!(alarm.has_to_be_set(ms(10), now + ms(10)), "the first has come");
        assert!(alarm.has_to_be_set(ms(1), now + ms(11)));
    }
}
