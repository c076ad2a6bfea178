//! The cut: which messages of a channel are before a checkpoint, and which are behind it. Pure; no clock, no dataflow.
//!
//! A checkpoint begins with a boundary on the control stream. Each source takes it when it receives it: everything that it has
//! emitted is before the boundary, everything later is behind it. It sends the boundary to all of its receivers, on the channels of
//! the rows, which keep the order of messages. An operator that has received the boundary from some of its senders keeps back what
//! these send next, until the others have sent it too. Then it flushes, freezes its state, and sends the boundary on; only then it
//! receives what was kept back. This is the aligned barrier of Carbone et al., "Lightweight Asynchronous Snapshots for Distributed
//! Dataflows" (2015), after Chandy and Lamport, "Distributed Snapshots" (1985).
//!
//! Nothing here depends on ticks, on the clock, or on memory that workers share: it holds between processes as within one.
//!
//! Invariants:
//!
//! - C1: a snapshot has the effects of exactly the rows before the boundary: of no other rows, and of all of them.
//! - C2: on every channel, each message is before the boundary or behind it, and the boundary is between them. A sender sends each
//!   boundary once, to every receiver; a sender that has ended counts as having sent it.
//! - C3: what an operator emits for rows before the boundary is before the boundary, on all of its channels.

use serde::{Deserialize, Serialize};

use crate::dataflow::engine::Tick;

/// The boundary of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Boundary {
    /// The number of the checkpoint; of one attempt of a job, each is greater than the last.
    pub checkpoint: u64,
    /// Rows behind the boundary have this tick or a later one, also after a restart from the checkpoint.
    pub tick: Tick,
}

/// How far a sender has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// Its messages are before the boundary, or there is none.
    Before,
    /// It has sent the boundary, and may send messages behind it.
    Behind,
    /// It has sent its last message.
    Ended,
}

/// The boundary at an operator: which of its senders have sent it.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    senders: Vec<Sender>,
    boundary: Option<Boundary>,
}

impl Cut {
    /// Creates the state of an operator with `senders` senders, numbered from 0, none of which has sent a boundary.
    pub(crate) fn new(senders: usize) -> Self {
        Cut { senders: vec![Sender::Before; senders], boundary: None }
    }

    /// Whether the next message of a sender is behind the boundary, so that the operator must not receive it yet.
    pub(crate) fn keeps_back(&self, sender: usize) -> bool {
        self.senders.get(sender) == Some(&Sender::Behind)
    }

    /// Receives the boundary of a sender.
    pub(crate) fn receive(&mut self, sender: usize, boundary: Boundary) {
        debug_assert!(self.boundary.is_none_or(|pending| pending == boundary), "C2: two boundaries at once");
        debug_assert!(self.senders[sender] == Sender::Before, "C2: a second boundary, or one behind the end");
        self.boundary = Some(boundary);
        self.senders[sender] = Sender::Behind;
    }

    /// Notes that a sender has sent its last message, which was before the boundary.
    pub(crate) fn end(&mut self, sender: usize) {
        debug_assert!(self.senders[sender] == Sender::Before, "what is behind the boundary is kept back");
        self.senders[sender] = Sender::Ended;
    }

    /// Gives up a boundary that some senders will not send. Returns whether there was one.
    pub(crate) fn abandon(&mut self) -> bool {
        self.senders.fill(Sender::Before);
        self.boundary.take().is_some()
    }

    /// Returns the boundary once all senders have sent it or have ended: the operator has received all that is before it, and nothing
    /// that is behind it.
    pub(crate) fn complete(&mut self) -> Option<Boundary> {
        if self.boundary.is_none() || self.senders.contains(&Sender::Before) {
            return None;
        }
        for sender in &mut self.senders {
            if *sender == Sender::Behind {
                *sender = Sender::Before;
            }
        }
        self.boundary.take()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A message of a model channel.
    #[derive(Debug, Clone, PartialEq)]
    enum Model {
        Row(u32),
        Boundary(u64),
        End,
    }

    fn boundary(checkpoint: u64) -> Boundary {
        Boundary { checkpoint, tick: Tick(checkpoint * 10) }
    }

    /// A receiver that keeps its rows, and notes them at each boundary.
    struct Receiver {
        cut: Cut,
        kept_back: VecDeque<(usize, Model)>,
        rows: Vec<u32>,
        snapshots: Vec<(u64, Vec<u32>)>,
    }

    impl Receiver {
        fn receive(&mut self, from: usize, message: Model) {
            if self.cut.keeps_back(from) {
                return self.kept_back.push_back((from, message));
            }
            match message {
                Model::Row(row) => self.rows.push(row),
                Model::Boundary(checkpoint) => self.cut.receive(from, boundary(checkpoint)),
                Model::End => self.cut.end(from),
            }
            if let Some(complete) = self.cut.complete() {
                self.snapshots.push((complete.checkpoint, self.rows.clone()));
                for (from, message) in std::mem::take(&mut self.kept_back) {
                    self.receive(from, message);
                }
            }
        }
    }

    proptest! {
        /// Goal: C1 and C2. Method: senders with rows, the same boundaries at any place of their rows, and their ends, which may come
        /// before boundaries; in any order of arrival, the snapshot at each boundary has exactly the rows before it.
        #[test]
        fn c1_a_snapshot_has_exactly_the_rows_before_the_boundary(
            senders in prop::collection::vec((prop::collection::vec(0usize..4, 4), 1usize..5), 1..4),
            picks in prop::collection::vec(0usize..4, 1..40),
        ) {
            let boundaries = 3;
            // Of each sender: rows, a boundary, rows, ...; it ends after a number of sections.
            let mut row = 0;
            let mut channels: Vec<VecDeque<Model>> = Vec::new();
            let mut before: Vec<Vec<u32>> = vec![Vec::new(); boundaries];
            let lives = senders.iter().map(|(_, sections)| *sections).max().unwrap();
            for (sections, ends_after) in &senders {
                let mut channel = VecDeque::new();
                for (section, rows) in sections.iter().take(*ends_after).enumerate() {
                    for _ in 0..*rows {
                        channel.push_back(Model::Row(row));
                        before.iter_mut().skip(section).for_each(|rows| rows.push(row));
                        row += 1;
                    }
                    if section < boundaries && section + 1 < *ends_after {
                        channel.push_back(Model::Boundary(section as u64));
                    }
                }
                channel.push_back(Model::End);
                channels.push(channel);
            }
            let mut receiver = Receiver {
                cut: Cut::new(senders.len()), kept_back: VecDeque::new(), rows: Vec::new(), snapshots: Vec::new(),
            };
            let mut picks = picks.iter().cycle();
            while channels.iter().any(|channel| !channel.is_empty()) {
                let from = picks.next().unwrap() % channels.len();
                let from = (from..).map(|i| i % channels.len()).find(|i| !channels[*i].is_empty()).unwrap();
                receiver.receive(from, channels[from].pop_front().unwrap());
            }
            // Senders that have ended do not delay a boundary; one that all have ended before is not sent by anybody.
            prop_assert_eq!(receiver.snapshots.len(), boundaries.min(lives - 1));
            for (checkpoint, mut rows) in receiver.snapshots {
                rows.sort_unstable();
                prop_assert_eq!(&rows, &before[checkpoint as usize], "C1 at {}", checkpoint);
            }
            prop_assert_eq!(receiver.rows.len(), row as usize, "every row arrives");
        }
    }

    #[test]
    fn c2_one_sender_completes_a_boundary_at_once() {
        let mut cut = Cut::new(1);
        assert!(cut.complete().is_none());
        cut.receive(0, boundary(7));
        assert_eq!(cut.complete(), Some(boundary(7)));
        assert!(!cut.keeps_back(0) && !cut.abandon());
    }

    #[test]
    fn c2_the_end_of_the_last_sender_completes_a_boundary() {
        let mut cut = Cut::new(2);
        cut.receive(1, boundary(1));
        assert_eq!((cut.complete(), cut.keeps_back(1), cut.keeps_back(0)), (None, true, false));
        cut.end(0);
        assert_eq!(cut.complete(), Some(boundary(1)));
        cut.receive(1, boundary(2));
        assert_eq!(cut.complete(), Some(boundary(2)), "a sender that has ended counts for every boundary");
    }
}
