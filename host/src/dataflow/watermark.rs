//! Event time: how watermarks arise and how they are combined. Pure; no clock, no dataflow.
//!
//! Invariants: T1: a watermark never goes back. T2: an operator's watermark is the least of its live senders'; idle
//! senders do not count, ended ones count as infinitely late. T3: after the watermark `w` no row with an event time
//! `<= w` is expected; one that comes is late.

use serde::{Deserialize, Serialize};

/// What a sender says of the rows that it is still to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// No row with an event time up to and including this one (Unix milliseconds) is expected.
    Watermark(i64),
    /// No rows for now: do not wait for this sender. Ends with its next watermark.
    Idle,
    /// No more rows at all; everything that was to come has come.
    End,
}

/// The watermark after everything.
pub const END_OF_TIME: i64 = i64::MAX;

/// Watermarks with bounded out-of-orderness: the greatest event time seen, less the bound, less one.
#[derive(Debug, Clone)]
pub struct BoundedOutOfOrderness {
    bound_ms: i64,
    greatest: Option<i64>,
}

impl BoundedOutOfOrderness {
    /// `bound_ms` is not negative.
    pub fn new(bound_ms: i64) -> Self {
        BoundedOutOfOrderness { bound_ms, greatest: None }
    }

    /// Sees event times; gives the watermark if it has advanced.
    pub fn observe(&mut self, greatest_of_batch: i64) -> Option<i64> {
        if self.greatest.is_some_and(|g| g >= greatest_of_batch) {
            return None;
        }
        self.greatest = Some(greatest_of_batch);
        self.current()
    }

    /// The watermark so far.
    pub fn current(&self) -> Option<i64> {
        // An event time at the very end of the range must not be taken for the end of the stream.
        self.greatest.map(|g| g.saturating_sub(self.bound_ms).saturating_sub(1).min(END_OF_TIME - 1))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Live(Option<i64>),
    Idle(Option<i64>),
    Ended,
}

/// Combines the signals of several senders (T1, T2).
#[derive(Debug, Clone)]
pub struct Merge {
    senders: Vec<Sender>,
    /// The last that was given out.
    given: Option<i64>,
    given_idle: bool,
    given_end: bool,
}

impl Merge {
    /// For this many senders, numbered from 0.
    pub fn new(senders: usize) -> Self {
        Merge { senders: vec![Sender::Live(None); senders], given: None, given_idle: false, given_end: false }
    }

    /// Whether there is but one sender.
    pub fn is_single(&self) -> bool {
        self.senders.len() == 1
    }

    /// The watermark of all senders together.
    pub fn current(&self) -> Option<i64> {
        if self.given_end { Some(END_OF_TIME) } else { self.given }
    }

    /// The sender that holds the watermark back: a live one with the least watermark. `None` where nobody is live.
    pub fn holder(&self) -> Option<usize> {
        let live = self.senders.iter().enumerate().filter_map(|(i, s)| match s {
            Sender::Live(watermark) => Some((*watermark, i)),
            Sender::Idle(_) | Sender::Ended => None,
        });
        live.min().map(|(_, sender)| sender)
    }

    /// Whether every sender has ended.
    pub fn ended(&self) -> bool {
        self.given_end
    }

    /// Takes a signal in; gives what changed for the receiver.
    pub fn receive(&mut self, from: usize, signal: Signal) -> Option<Signal> {
        let sender = self.senders.get_mut(from)?;
        *sender = match (*sender, signal) {
            (Sender::Ended, _) | (_, Signal::End) => Sender::Ended,
            (Sender::Live(old) | Sender::Idle(old), Signal::Watermark(new)) => Sender::Live(old.max(Some(new))),
            (Sender::Live(old) | Sender::Idle(old), Signal::Idle) => Sender::Idle(old),
        };
        self.advance()
    }

    fn advance(&mut self) -> Option<Signal> {
        if self.senders.iter().all(|s| *s == Sender::Ended) {
            let first = !self.given_end;
            self.given_end = true;
            return first.then_some(Signal::End);
        }
        let live = self.senders.iter().filter_map(|s| match s {
            Sender::Live(watermark) => Some(*watermark),
            Sender::Idle(_) | Sender::Ended => None,
        });
        let Some(least) = live.min() else {
            // Nobody is live: the receiver is idle too, at the watermark that the idle ones had reached.
            let first = !self.given_idle;
            self.given_idle = true;
            let reached = self.senders.iter().filter_map(|s| if let Sender::Idle(w) = s { *w } else { None }).max();
            if reached > self.given {
                self.given = reached;
                // The watermark goes first; the caller asks again for the rest.
                self.given_idle = false;
                return reached.map(Signal::Watermark);
            }
            return first.then_some(Signal::Idle);
        };
        let woke = std::mem::take(&mut self.given_idle);
        if least > self.given {
            self.given = least;
        } else if !woke {
            return None;
        }
        self.given.map(Signal::Watermark)
    }

    /// What is still to be told after [`Merge::receive`] gave a signal.
    pub fn further(&mut self) -> Option<Signal> {
        self.advance()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signals() -> impl Strategy<Value = Vec<(usize, Signal)>> {
        let signal = prop_oneof![
            6 => (0i64..100).prop_map(Signal::Watermark),
            2 => Just(Signal::Idle),
            1 => Just(Signal::End),
        ];
        prop::collection::vec((0usize..3, signal), 0..60)
    }

    proptest! {
        /// Goal: T1 and T2. Method: random signals; after each, the merged watermark against a naive minimum.
        #[test]
        fn t1_t2_merged_watermark_is_the_least_of_the_live_and_never_goes_back(signals in signals()) {
            let mut merge = Merge::new(3);
            let mut model: Vec<(Option<i64>, bool, bool)> = vec![(None, false, false); 3]; // watermark, idle, ended
            let mut last = None;
            for (from, signal) in signals {
                let mut told = Vec::new();
                let mut next = merge.receive(from, signal);
                while let Some(s) = next { told.push(s); next = merge.further(); }
                prop_assert!(told.len() <= 2, "told {:?}", told);
                let m = &mut model[from];
                match signal {
                    _ if m.2 => {}
                    Signal::Watermark(w) => { m.0 = m.0.max(Some(w)); m.1 = false; }
                    Signal::Idle => m.1 = true,
                    Signal::End => m.2 = true,
                }
                if let Some(holder) = merge.holder() {
                    let m = model[holder];
                    let least = model.iter().filter(|m| !m.1 && !m.2).map(|m| m.0).min();
                    prop_assert_eq!((m.1, m.2, Some(m.0)), (false, false, least), "the holder is a live one, and the least");
                }
                let current = merge.current();
                prop_assert!(current >= last, "T1: {:?} after {:?}", current, last);
                let live: Vec<_> = model.iter().filter(|m| !m.1 && !m.2).map(|m| m.0).collect();
                if model.iter().all(|m| m.2) {
                    prop_assert_eq!(current, Some(END_OF_TIME));
                } else if let Some(least) = live.iter().min() {
                    prop_assert_eq!(current, last.max(*least), "T2");
                }
                last = current;
            }
        }
    }

    #[test]
    fn t3_the_watermark_stays_the_bound_behind_the_greatest_event_time() {
        let mut generator = BoundedOutOfOrderness::new(5);
        assert_eq!(generator.observe(100), Some(94));
        assert_eq!(generator.observe(99), None);
        assert_eq!(generator.observe(101), Some(95));
        assert_eq!(generator.observe(i64::MAX), Some(i64::MAX - 6));
        assert_eq!(BoundedOutOfOrderness::new(0).observe(i64::MIN), Some(i64::MIN));
    }

    #[test]
    fn idle_senders_do_not_hold_the_watermark_back_and_come_back() {
        let mut merge = Merge::new(2);
        assert_eq!(merge.receive(0, Signal::Watermark(10)), None);
        assert_eq!(merge.receive(1, Signal::Idle), Some(Signal::Watermark(10)));
        assert_eq!(
            merge.receive(1, Signal::Watermark(4)),
            None,
            "T1: a sender that comes back late does not take time back"
        );
        assert_eq!(merge.receive(0, Signal::Watermark(20)), None, "it holds the watermark again");
        assert_eq!(merge.receive(1, Signal::Watermark(15)), Some(Signal::Watermark(15)));
        assert_eq!(merge.receive(0, Signal::End), None);
        assert_eq!(merge.receive(1, Signal::End), Some(Signal::End));
    }
}
