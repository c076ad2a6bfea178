//! Timers that set timers: the bound of such chains.

use crate::dataflow::watermark::END_OF_TIME;
use crate::error::RunError;
use flowgate_base::error::Result;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_wall::TimerClock;

/// Timers in one call of a function, at most: with some microseconds for each, a call is one step of a turn.
pub(crate) const TIMERS_PER_CALL: usize = 2_048;

/// Timers that fire while time stands still, beyond those that were set before. A function that answers each timer with
/// another one that is due already would occupy its worker without end.
pub const FIRINGS_MAX: usize = 1_000_000;

/// Timers that fire at one moment beyond those that were set before, although each is later than the one before: one for each
/// second of three years, or for each millisecond of a day. A chain from the beginning of time would take too long.
pub const CHAINED_MAX: usize = 100_000_000;

/// A time by one of the clocks that timers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A watermark.
    EventTime(EventTime),
    /// A tick.
    ProcessingTime(ProcessingTime),
}

impl Moment {
    /// The clock.
    pub(crate) fn clock(self) -> TimerClock {
        match self {
            Moment::EventTime(_) => TimerClock::EventTime,
            Moment::ProcessingTime(_) => TimerClock::ProcessingTime,
        }
    }

    /// The time in Unix milliseconds, as timers of that clock have it.
    pub(crate) fn ms(self) -> i64 {
        match self {
            Moment::EventTime(time) => time.0,
            Moment::ProcessingTime(time) => time.0,
        }
    }

    fn is_end_of_time(self) -> bool {
        self == Moment::EventTime(END_OF_TIME)
    }
}

/// The firing of all timers that are due at one moment.
///
/// Firing ends by itself if each timer that is set meanwhile is later than the one before, up to the moment, unless the moment
/// is far. At the end of time, which no timer reaches, only the count ends it.
pub(crate) struct Firing {
    up_to: Moment,
    /// Timers that were set before, and have not fired.
    owed: usize,
    /// The greatest time of a timer that has fired.
    furthest: i64,
    /// Timers fired beyond those that were set before, since `furthest` advanced.
    idle: usize,
    /// Timers fired beyond those that were set before.
    chained: usize,
}

impl Firing {
    /// Creates the firing of timers that are due at `up_to`, when `set` timers are set.
    pub(crate) fn new(up_to: Moment, set: usize) -> Self {
        Firing { up_to, owed: set, furthest: i64::MIN, idle: 0, chained: 0 }
    }

    /// The moment up to which timers are due.
    pub(crate) fn up_to(&self) -> Moment {
        self.up_to
    }

    /// Whether timers have fired that were set by timers of this firing.
    pub(crate) fn is_chained(&self) -> bool {
        self.chained > 0
    }

    /// Counts `timers` timers that fire, the last of which has this time and tag.
    ///
    /// # Errors
    /// The chain of timers is over its bound: the user's.
    pub(crate) fn fires(&mut self, timers: usize, last_time: i64, last_tag: u64) -> Result<()> {
        if last_time > self.furthest {
            self.furthest = last_time;
            if !self.up_to.is_end_of_time() {
                self.idle = 0;
            }
        }
        let beyond = timers.saturating_sub(self.owed);
        self.owed -= timers - beyond;
        self.idle += beyond;
        self.chained += beyond;
        if self.idle <= FIRINGS_MAX && self.chained <= CHAINED_MAX {
            return Ok(());
        }
        if self.idle <= FIRINGS_MAX {
            let up_to = self.up_to.ms();
            return Err(RunError::EndlessTimers(format!(
                "its timers set timers that are due at once, and time goes on too slowly: {CHAINED_MAX} have fired for the \
                 watermark or tick {up_to}; the last has the time {last_time} and the tag {last_tag}"
            )))?;
        }
        let when = if self.up_to.is_end_of_time() {
            "at the end of the input (there, the watermark is the greatest timestamp: a function that sets its next \
             timer in each timer must stop then)"
        } else {
            "and time does not go on"
        };
        Err(RunError::EndlessTimers(format!(
            "its timers set timers that are due at once, without end: {FIRINGS_MAX} have fired, {when}; the last has the \
             time {last_time} and the tag {last_tag}"
        )))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_before_may_be_any_number() {
        let mut firing = Firing::new(Moment::ProcessingTime(ProcessingTime(5)), 3 * FIRINGS_MAX);
        for _ in 0..3 {
            firing.fires(FIRINGS_MAX, 5, 0).unwrap();
        }
        firing.fires(FIRINGS_MAX, 5, 0).unwrap();
        let error = firing.fires(1, 5, 7).unwrap_err();
        assert!(error.message.contains("without end") && error.message.contains("tag 7"), "{error}");
    }

    #[test]
    fn timers_that_are_later_and_later_may_go_on_but_not_at_the_end_of_time() {
        let mut firing = Firing::new(Moment::EventTime(EventTime(3 * FIRINGS_MAX as i64)), 1);
        (0..3 * FIRINGS_MAX as i64).for_each(|time| firing.fires(1, time, 0).unwrap());
        let mut firing = Firing::new(Moment::EventTime(END_OF_TIME), 1);
        let ended = (0..3 * FIRINGS_MAX as i64).find_map(|time| firing.fires(1, time, 0).err());
        assert!(ended.unwrap().message.contains("at the end of the input"));
    }

    #[test]
    fn timers_that_are_a_little_later_each_time_do_not_go_on_for_ever() {
        let mut firing = Firing::new(Moment::EventTime(EventTime(i64::MAX / 2)), 1);
        let step = 1_000;
        let ended = (0..).map(|i| i64::MIN + i).find_map(|time| firing.fires(step, time, 3).err()).unwrap();
        assert!(ended.message.contains("time goes on too slowly") && ended.message.contains("tag 3"), "{ended}");
        assert!(firing.is_chained());
    }
}
