//! The protocol of time: a sender promises something about the rows that it will send, and a receiver merges the promises of several
//! senders. Pure; no clock, no dataflow.
//!
//! Signals travel on the same first-in-first-out channels as rows, and are about the rows after them. A checkpoint's boundary can
//! travel on these channels in the same way: no signal or row overtakes another, and a sender that has ended is after every boundary.
//!
//! Invariants (T7, about processing time, is at home in `source.rs`):
//!
//! - T1: a watermark never goes back, neither a sender's nor a receiver's.
//! - T2: a receiver's signal follows from the last signal of each of its senders: the least watermark of the active ones;
//!   the greatest of all if none is active; ended if all have ended. It does not depend on the order in which signals of different
//!   senders arrive, unless an idle sender becomes active again at a lower watermark than the others.
//! - T3: after the watermark `w`, a row with an event time `<= w` is late. By the watermark that it has emitted, an operator emits no
//!   late row, except a window's corrected result and rows that were late when they arrived.
//! - T4: a sender that holds rows which it will emit is not idle, and a sender becomes active before it sends rows.
//! - T5: `Ended` is the last message of a sender. An operator ends when all of its senders have ended, and emits `Ended` after all of
//!   its rows.
//! - T6: every row that is too late is in the side output `late` (`late_right` for a right row of a join) exactly once, on one worker
//!   as on many.

use serde::{Deserialize, Serialize};

use flowgate_base::time::EventTime;

/// The watermark before the first one: nothing is known.
pub(crate) const START_OF_TIME: EventTime = EventTime::MIN;

/// The watermark after the last row.
pub const END_OF_TIME: EventTime = EventTime::MAX;

/// A sender's promise about the rows after this signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Signal {
    /// No row with an event time at or before it is expected.
    pub watermark: EventTime,
    /// Whether to wait for the sender.
    pub activity: Activity,
}

/// Whether a receiver waits for a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Activity {
    /// The sender expects rows: its watermark holds the receiver's back.
    Active,
    /// The sender expects no rows soon: nobody waits for it until its next signal.
    Idle,
    /// The sender sends no more rows.
    Ended,
}

impl Signal {
    /// The signal that holds before the first one.
    pub(crate) const START: Signal = Signal { watermark: START_OF_TIME, activity: Activity::Active };

    /// Returns the signal of an active sender at this watermark.
    pub(crate) fn active(watermark: EventTime) -> Self {
        Signal { watermark, activity: Activity::Active }
    }

    /// Returns the signal of an idle sender at this watermark.
    pub(crate) fn idle(watermark: EventTime) -> Self {
        Signal { watermark, activity: Activity::Idle }
    }

    /// Returns the signal of a sender that has ended; its last watermark was this one.
    pub(crate) fn ended(watermark: EventTime) -> Self {
        Signal { watermark, activity: Activity::Ended }
    }

    /// Whether the sender has ended: no message follows this signal.
    pub(crate) fn is_end(&self) -> bool {
        self.activity == Activity::Ended
    }

    /// Whether receivers do not wait for the sender.
    pub(crate) fn is_idle(&self) -> bool {
        self.activity == Activity::Idle
    }

    /// Returns the same signal with a watermark that lags by `lag_ms`.
    pub(crate) fn lagging_by(self, lag_ms: i64) -> Self {
        Signal { watermark: self.watermark.minus_ms(lag_ms), ..self }
    }

    /// Returns the watermark, if there has been one.
    pub(crate) fn known_watermark(&self) -> Option<EventTime> {
        (self.watermark != START_OF_TIME).then_some(self.watermark)
    }
}

/// Watermarks with bounded out-of-orderness: the greatest event time seen, less the bound, less one.
#[derive(Debug, Clone)]
pub(crate) struct BoundedOutOfOrderness {
    bound_ms: i64,
    greatest: Option<EventTime>,
}

impl BoundedOutOfOrderness {
    /// Creates the watermark of a stream without rows. `bound_ms` is not negative.
    pub(crate) fn new(bound_ms: i64) -> Self {
        BoundedOutOfOrderness { bound_ms, greatest: None }
    }

    /// Returns the greatest event time that was observed.
    pub(crate) fn greatest(&self) -> Option<EventTime> {
        self.greatest
    }

    /// Takes into account the greatest event time of a batch.
    pub(crate) fn observe(&mut self, greatest_of_batch: EventTime) {
        self.greatest = self.greatest.max(Some(greatest_of_batch));
    }

    /// Returns the current watermark.
    pub(crate) fn current(&self) -> EventTime {
        // An event time at the end of the range must not look like the end of the stream.
        let watermark = |greatest: EventTime| greatest.minus_ms(self.bound_ms).minus_ms(1).min(END_OF_TIME.minus_ms(1));
        self.greatest.map_or(START_OF_TIME, watermark)
    }
}

/// Merges the signals of several senders (T1, T2).
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    senders: Vec<Signal>,
    merged: Signal,
}

impl Merge {
    /// Creates the merge of at least one sender, numbered from 0.
    pub(crate) fn new(senders: usize) -> Self {
        Merge { senders: vec![Signal::START; senders], merged: Signal::START }
    }

    /// Sets the watermark from which it continues (T1): the merged watermark is never less.
    pub(crate) fn not_before(mut self, watermark: EventTime) -> Self {
        self.merged.watermark = watermark;
        self
    }

    /// Returns the merged signal.
    pub(crate) fn merged(&self) -> Signal {
        self.merged
    }

    /// Returns the sender that holds the watermark back: an active one with the least watermark. `None` if no sender is active.
    pub(crate) fn holder(&self) -> Option<usize> {
        let active = self.senders.iter().enumerate().filter(|(_, s)| s.activity == Activity::Active);
        active.min_by_key(|(_, s)| s.watermark).map(|(sender, _)| sender)
    }

    /// Receives the next signal of a sender. Returns the merged signal if it has changed.
    pub(crate) fn receive(&mut self, from: usize, signal: Signal) -> Option<Signal> {
        let sender = self.senders.get_mut(from)?;
        debug_assert!(!sender.is_end(), "T5: a signal after the end");
        debug_assert!(sender.watermark <= signal.watermark, "T1: {sender:?}, then {signal:?}");
        if sender.is_end() {
            return None;
        }
        *sender = Signal { watermark: signal.watermark.max(sender.watermark), ..signal };
        let merged = self.conclude();
        (std::mem::replace(&mut self.merged, merged) != merged).then_some(merged)
    }

    fn conclude(&self) -> Signal {
        let active = self.senders.iter().filter(|s| s.activity == Activity::Active).map(|s| s.watermark);
        let greatest = || self.senders.iter().map(|s| s.watermark).max().unwrap_or(START_OF_TIME);
        let (watermark, activity) = match active.min() {
            Some(least) => (least, Activity::Active),
            None if self.senders.iter().all(Signal::is_end) => (greatest(), Activity::Ended),
            None => (greatest(), Activity::Idle),
        };
        Signal { watermark: watermark.max(self.merged.watermark), activity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The signals of one sender, in order: advancing watermarks, idle or not, and perhaps its end.
    fn script() -> impl Strategy<Value = Vec<Signal>> {
        let steps = prop::collection::vec((0i64..20, prop::bool::weighted(0.3)), 0..6);
        (steps, any::<bool>()).prop_map(|(steps, ends)| {
            let mut watermark = START_OF_TIME;
            let mut script = Vec::new();
            for (step, idle) in steps {
                watermark = if watermark == START_OF_TIME { EventTime(step) } else { watermark.plus_ms(step) };
                script.push(if idle { Signal::idle(watermark) } else { Signal::active(watermark) });
            }
            if ends {
                script.push(Signal::ended(watermark));
            }
            script
        })
    }

    /// Interleaves scripts; each keeps its order.
    fn mixed(scripts: &[Vec<Signal>], picks: &[usize]) -> Vec<(usize, Signal)> {
        let mut left: Vec<_> = scripts.iter().map(|s| s.iter().copied().peekable()).collect();
        let mut mixed = Vec::new();
        let mut picks = picks.iter().cycle();
        while left.iter_mut().any(|s| s.peek().is_some()) {
            let from = picks.next().unwrap() % left.len();
            let from = (from..).map(|i| i % scripts.len()).find(|i| left[*i].peek().is_some()).unwrap();
            mixed.push((from, left[from].next().unwrap()));
        }
        mixed
    }

    fn play(senders: usize, signals: &[(usize, Signal)]) -> Merge {
        let mut merge = Merge::new(senders);
        signals.iter().for_each(|(from, signal)| _ = merge.receive(*from, *signal));
        merge
    }

    proptest! {
        /// Goal: T1 and T2. Method: random signals; after each, the merged signal against a naive minimum.
        #[test]
        fn t1_t2_the_merged_watermark_is_the_least_of_the_active_and_never_goes_back(
            scripts in prop::collection::vec(script(), 1..4),
            picks in prop::collection::vec(0usize..4, 1..20),
        ) {
            let mut merge = Merge::new(scripts.len());
            let mut model = vec![Signal::START; scripts.len()];
            let mut last = Signal::START;
            for (from, signal) in mixed(&scripts, &picks) {
                let changed = merge.receive(from, signal);
                model[from] = signal;
                prop_assert_eq!(changed.is_some(), merge.merged() != last, "returned exactly if it has changed");
                let merged = merge.merged();
                let active: Vec<EventTime> =
                    model.iter().filter(|m| m.activity == Activity::Active).map(|m| m.watermark).collect();
                let all = model.iter().map(|m| m.watermark).max().unwrap();
                prop_assert!(merged.watermark >= last.watermark, "T1: {:?} after {:?}", merged, last);
                prop_assert_eq!(merged.watermark, last.watermark.max(active.iter().copied().min().unwrap_or(all)), "T2");
                prop_assert_eq!(merged.activity == Activity::Active, !active.is_empty());
                prop_assert_eq!(merged.is_end(), model.iter().all(Signal::is_end));
                if let Some(holder) = merge.holder() {
                    prop_assert_eq!(active.iter().min(), Some(&model[holder].watermark), "an active sender with the least watermark");
                    prop_assert_eq!(model[holder].activity, Activity::Active);
                }
                last = merged;
            }
        }

        /// Goal: T2, the order of arrival makes no difference. Method: interleave the same scripts, in which no idle sender becomes
        /// active again, in two ways: the last merged signal is the same.
        #[test]
        fn t2_the_merged_signal_does_not_depend_on_the_order_of_arrival(
            scripts in prop::collection::vec(script(), 1..4),
            one in prop::collection::vec(0usize..4, 1..20),
            other in prop::collection::vec(0usize..4, 1..20),
        ) {
            let mut scripts = scripts;
            for script in &mut scripts {
                let idle_from = script.iter().position(Signal::is_idle).unwrap_or(script.len());
                let mut at = 0;
                script.retain(|signal| {
                    at += 1;
                    at <= idle_from || !matches!(signal.activity, Activity::Active)
                });
            }
            let merged = [&one, &other].map(|picks| play(scripts.len(), &mixed(&scripts, picks)).merged());
            prop_assert_eq!(merged[0], merged[1]);
        }
    }

    #[test]
    fn t3_the_watermark_stays_the_bound_behind_the_greatest_event_time() {
        let mut generator = BoundedOutOfOrderness::new(5);
        let mut seen = |time: i64| {
            generator.observe(EventTime(time));
            generator.current().0
        };
        assert_eq!([seen(100), seen(99), seen(101), seen(i64::MAX)], [94, 94, 95, i64::MAX - 6]);
        assert_eq!(BoundedOutOfOrderness::new(0).current(), START_OF_TIME);
    }

    #[test]
    fn t2_the_last_watermark_of_an_ended_sender_counts_whoever_ended_first() {
        let (ended, idle) = (
            [Signal::active(EventTime(10)), Signal::ended(EventTime(10))],
            [Signal::active(EventTime(5)), Signal::idle(EventTime(5))],
        );
        let [a, b] = [0, 1];
        let orders = [
            [(a, ended[0]), (a, ended[1]), (b, idle[0]), (b, idle[1])],
            [(b, idle[0]), (b, idle[1]), (a, ended[0]), (a, ended[1])],
            [(a, ended[0]), (b, idle[0]), (a, ended[1]), (b, idle[1])],
            [(a, ended[0]), (b, idle[0]), (b, idle[1]), (a, ended[1])],
        ];
        for order in orders {
            assert_eq!(play(2, &order).merged(), Signal::idle(EventTime(10)), "{order:?}");
        }
    }

    #[test]
    fn t1_an_idle_sender_that_comes_back_late_does_not_take_time_back() {
        let mut merge = Merge::new(2);
        assert_eq!(merge.receive(0, Signal::active(EventTime(10))), None);
        assert_eq!(merge.receive(1, Signal::idle(START_OF_TIME)), Some(Signal::active(EventTime(10))));
        assert_eq!(merge.receive(1, Signal::active(EventTime(4))), None);
        assert_eq!(
            merge.receive(0, Signal::active(EventTime(20))),
            None,
            "the sender that is active again holds the watermark"
        );
        assert_eq!(merge.receive(1, Signal::active(EventTime(15))), Some(Signal::active(EventTime(15))));
        assert_eq!(merge.receive(0, Signal::ended(EventTime(20))), None);
        assert_eq!(merge.receive(1, Signal::ended(EventTime(15))), Some(Signal::ended(EventTime(20))));
    }
}
