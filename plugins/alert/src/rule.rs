//! One rule about one key: a state machine of three phases, without state or clock of its own.

use flowgate_sdk::{StateValue, Timestamp};

/// The side of the threshold on which the alert is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Above,
    Below,
}

/// A checked rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// The tag by which state and timers identify it.
    pub(crate) tag: u64,
    pub(crate) column: String,
    pub(crate) side: Side,
    pub(crate) threshold: f64,
    /// The value at which the alert is cleared: on the good side of the threshold, or equal to it.
    pub(crate) clear: f64,
    /// How long the value must be beyond the threshold; not negative.
    pub(crate) hold_ms: i64,
    pub(crate) severity: String,
}

/// A rule that is not at rest for a key: its value is beyond the threshold and waits for `for` to pass, or the alert is raised.
#[derive(Debug, Clone, Copy, PartialEq, StateValue)]
pub struct Active {
    /// The tag of the rule.
    pub(crate) tag: u64,
    /// When the value crossed the threshold.
    pub(crate) since: Timestamp,
    /// The last value while it waits; then the value with which it was raised.
    pub(crate) value: f64,
    pub(crate) raised: bool,
}

/// The effect of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// The value is beyond the threshold, and `for` begins to pass.
    Wait(Active),
    /// It is still beyond, with another value.
    GoOn(Active),
    /// It came back before `for` had passed.
    Rest(Active),
    /// The alert is raised.
    Raise(Active),
    /// The value came back after `for` had passed, without a value in between: the alert is raised and cleared.
    RaiseAndClear(Active),
    /// The alert is cleared.
    Clear(Active),
}

impl Rule {
    fn is_beyond(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value > self.threshold,
            Side::Below => value < self.threshold,
        }
    }

    fn is_back(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value <= self.clear,
            Side::Below => value >= self.clear,
        }
    }

    /// Returns when an alert is raised whose value crossed the threshold at `since`.
    pub(crate) fn due(&self, since: Timestamp) -> Timestamp {
        Timestamp::from_millis(since.as_millis().saturating_add(self.hold_ms))
    }

    /// Whether a value (not NaN) may change something.
    #[inline(always)]
    pub(crate) fn concerns(&self, active: Option<&Active>, value: f64) -> bool {
        match active {
            None => self.is_beyond(value),
            Some(active) if active.raised => self.is_back(value),
            Some(_) => true,
        }
    }

    /// Returns the effect of a value (not NaN) at a time.
    pub(crate) fn change(&self, active: Option<Active>, value: f64, at: Timestamp) -> Option<Change> {
        let beyond = self.is_beyond(value);
        let Some(active) = active else {
            let active = Active { tag: self.tag, since: at, value, raised: self.hold_ms == 0 };
            return beyond.then_some(if active.raised { Change::Raise(active) } else { Change::Wait(active) });
        };
        if active.raised {
            return self.is_back(value).then_some(Change::Clear(active));
        }
        let held = at >= self.due(active.since);
        Some(match (beyond, held) {
            (true, true) => Change::Raise(Active { value, raised: true, ..active }),
            (true, false) => Change::GoOn(Active { value, ..active }),
            (false, true) if self.is_back(value) => Change::RaiseAndClear(active),
            (false, true) => Change::Raise(Active { raised: true, ..active }),
            (false, false) => Change::Rest(active),
        })
    }
}
