//! The vote about a swap: whether the shells of an operator take the new functions. Pure; no clock, no dataflow.
//!
//! The shell of the operator on each worker has a seat. A swap that cannot fail needs no vote: every shell takes the new functions at the
//! boundary. Otherwise each shell tries first, which changes nothing, and waits for the others.
//!
//! Invariants:
//!
//! - V1: an operator processes each row before the boundary of a swap with the old functions, and each row behind it with the new ones; if
//!   the swap does not happen, all rows with the old ones.
//! - V2: the shells of an operator take the new functions on all workers, or on none. What can fail is tried before anything is changed.
//! - V3: every shell that waits goes on. It has passed the boundary on, and what is before the boundary needs nothing of it; so the others
//!   reach the boundary, or end, which is an abstention.

use std::collections::BTreeSet;

use flowgate_base::id::Worker;

/// The shell of an operator on a worker.
pub(crate) type Seat = (String, Worker);

/// Whether new functions are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are.
    Take,
    /// The old ones stay.
    Keep,
}

/// What has become of a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finish {
    /// All shells that have not ended have taken the new functions.
    Swapped {
        /// The longest time from the boundary at an operator to its next row, in microseconds.
        gap_us: u64,
        /// Values of state that were migrated.
        migrated: u64,
    },
    /// Why the old functions stay.
    Refused(Vec<String>),
    /// The operator has ended before.
    Ended,
}

/// The vote about one swap.
#[derive(Debug)]
pub(crate) struct Ballot {
    /// Whether shells try first.
    tries: bool,
    /// Seats that have not voted.
    waiting: BTreeSet<Seat>,
    /// Seats that are to take the new functions, and have not.
    taking: BTreeSet<Seat>,
    refusals: Vec<String>,
    taken: usize,
    gap_us: u64,
    migrated: u64,
}

impl Ballot {
    /// Creates the vote of these seats.
    pub(crate) fn new(seats: impl IntoIterator<Item = Seat>, tries: bool) -> Self {
        let seats: BTreeSet<Seat> = seats.into_iter().collect();
        let (waiting, taking) = if tries { (seats, BTreeSet::new()) } else { (BTreeSet::new(), seats) };
        Ballot { tries, waiting, taking, refusals: Vec::new(), taken: 0, gap_us: 0, migrated: 0 }
    }

    /// A shell has tried, and can take the new functions; it has migrated this number of values.
    pub(crate) fn ready(&mut self, seat: &Seat, migrated: u64) {
        if self.waiting.remove(seat) {
            self.taking.insert(seat.clone());
            self.migrated += migrated;
        }
    }

    /// A shell cannot take the new functions.
    pub(crate) fn refuse(&mut self, seat: &Seat, reason: String) {
        if self.waiting.remove(seat) {
            self.refusals.push(reason);
        }
    }

    /// A shell has ended: it processes no further row.
    pub(crate) fn leave(&mut self, seat: &Seat) {
        self.waiting.remove(seat);
        self.taking.remove(seat);
    }

    /// Returns what was decided; `None`: a shell has still to vote.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        if !self.waiting.is_empty() {
            return None;
        }
        Some(if self.refusals.is_empty() { Verdict::Take } else { Verdict::Keep })
    }

    /// A shell has taken the new functions: rows waited for this time.
    pub(crate) fn taken(&mut self, seat: &Seat, gap_us: u64) {
        debug_assert_eq!(self.verdict(), Some(Verdict::Take), "V2: taken before all have voted");
        if self.taking.remove(seat) {
            self.taken += 1;
            self.gap_us = self.gap_us.max(gap_us);
        }
    }

    /// Returns what has become of the swap, once nothing of it is left to do.
    pub(crate) fn finish(&self) -> Option<Finish> {
        match self.verdict()? {
            Verdict::Keep => Some(Finish::Refused(self.refusals.clone())),
            Verdict::Take if !self.taking.is_empty() => None,
            Verdict::Take if self.taken == 0 => Some(Finish::Ended),
            Verdict::Take => Some(Finish::Swapped { gap_us: self.gap_us, migrated: self.migrated }),
        }
    }

    /// Whether shells try first.
    pub(crate) fn tries(&self) -> bool {
        self.tries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seat(worker: u32) -> Seat {
        ("o".into(), Worker(worker))
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Vote {
        Ready,
        Refuse,
        Leave,
    }

    proptest! {
        /// Goal: V2 and V3. Method: shells vote or end in any order, and those that may take the functions take them or end in any order;
        /// nobody takes them before the last vote, nobody if one refuses, and the vote always comes to its end.
        #[test]
        fn v2_all_take_or_none(
            votes in prop::collection::vec(prop_oneof![4 => Just(Vote::Ready), 1 => Just(Vote::Refuse), 1 => Just(Vote::Leave)], 1..6),
            order in any::<prop::sample::Index>(),
            late in prop::collection::vec(any::<bool>(), 6),
        ) {
            let mut ballot = Ballot::new((0..votes.len() as u32).map(seat), true);
            let first = order.index(votes.len());
            for at in (0..votes.len()).map(|at| (at + first) % votes.len()) {
                prop_assert_eq!((ballot.verdict(), ballot.finish()), (None, None));
                match votes[at] {
                    Vote::Ready => ballot.ready(&seat(at as u32), 2),
                    Vote::Refuse => ballot.refuse(&seat(at as u32), "no".into()),
                    Vote::Leave => ballot.leave(&seat(at as u32)),
                }
            }
            let count = |of: Vote| votes.iter().filter(|vote| **vote == of).count();
            if count(Vote::Refuse) > 0 {
                prop_assert_eq!(ballot.verdict(), Some(Verdict::Keep));
                prop_assert_eq!(ballot.finish(), Some(Finish::Refused(vec!["no".into(); count(Vote::Refuse)])));
                return Ok(());
            }
            prop_assert_eq!(ballot.verdict(), Some(Verdict::Take));
            let mut taken = 0;
            for (at, _) in votes.iter().enumerate().filter(|(_, vote)| **vote == Vote::Ready) {
                prop_assert_eq!(ballot.finish(), None);
                match late[at] {
                    true => ballot.leave(&seat(at as u32)),
                    false => {
                        taken += 1;
                        ballot.taken(&seat(at as u32), 10 + at as u64);
                    }
                }
            }
            match ballot.finish() {
                Some(Finish::Swapped { gap_us, migrated }) => {
                    prop_assert!(taken > 0 && gap_us >= 10);
                    prop_assert_eq!(migrated, 2 * count(Vote::Ready) as u64);
                }
                finish => prop_assert!(taken == 0 && finish == Some(Finish::Ended), "{finish:?}"),
            }
        }
    }

    #[test]
    fn v1_a_swap_that_cannot_fail_waits_for_nobody() {
        let mut ballot = Ballot::new([seat(0), seat(1)], false);
        assert_eq!((ballot.verdict(), ballot.finish()), (Some(Verdict::Take), None));
        ballot.taken(&seat(1), 7);
        assert_eq!(ballot.finish(), None);
        ballot.leave(&seat(0));
        assert_eq!(ballot.finish(), Some(Finish::Swapped { gap_us: 7, migrated: 0 }));
    }
}
