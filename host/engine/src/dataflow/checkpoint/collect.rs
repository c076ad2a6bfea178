//! Collects the words of all participants of a job into checkpoints. Pure.
//!
//! C4: a checkpoint is complete when each participant has reported it, or had ended before it. What a participant said when it ended
//! counts for every later checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::reports::{Participant, Role, Word};
use flowgate_base::error::{Error, Result};

/// The words of a complete checkpoint.
pub(crate) type Words = BTreeMap<Participant, Word>;

/// The participants of a job, and the checkpoint that is being taken.
#[derive(Debug)]
pub(crate) struct Collected {
    /// Participants that have not ended.
    live: BTreeSet<Participant>,
    /// The last words of the others.
    ended: Words,
    current: Option<Current>,
}

/// The checkpoint that is being taken.
#[derive(Debug)]
struct Current {
    number: u64,
    words: Words,
    /// Who has reported last.
    last: Option<Participant>,
}

/// A checkpoint of which everybody has reported.
#[derive(Debug)]
pub(crate) struct Complete {
    /// Its number.
    pub(crate) number: u64,
    /// What they have said.
    pub(crate) words: Words,
    /// Who reported last: the others waited for it.
    pub(crate) last: Option<Participant>,
}

impl Collected {
    /// Creates the state of a job with these participants, none of which has ended.
    pub(crate) fn new(participants: BTreeSet<Participant>) -> Self {
        Collected { live: participants, ended: Words::new(), current: None }
    }

    /// Begins a checkpoint. The last one is complete.
    pub(crate) fn begin(&mut self, number: u64) {
        debug_assert!(self.current.is_none(), "two checkpoints at once");
        self.current = Some(Current { number, words: Words::new(), last: None });
    }

    /// Whether a checkpoint is being taken.
    pub(crate) fn is_taking(&self) -> bool {
        self.current.is_some()
    }

    /// Receives the word of a participant.
    ///
    /// # Errors
    /// The checkpoint is not the one that is being taken: our mistake.
    pub(crate) fn done(&mut self, participant: Participant, number: u64, word: Word) -> Result<()> {
        let current = self.current.as_mut().filter(|current| current.number == number);
        let current = current.ok_or_else(|| {
            Error::internal(format!("`{}` reports checkpoint {number}, which is not taken", participant.operator))
        })?;
        current.last = Some(participant.clone());
        current.words.insert(participant, word);
        Ok(())
    }

    /// Receives the last word of a participant.
    pub(crate) fn ended(&mut self, participant: Participant, word: Word) {
        self.live.remove(&participant);
        self.ended.insert(participant, word);
    }

    /// Returns a participant that the checkpoint waits for; writers last, since they wait for the others.
    pub(crate) fn missing(&self) -> Option<&Participant> {
        let current = self.current.as_ref()?;
        let missing = self.live.iter().filter(|participant| !current.words.contains_key(participant));
        missing.min_by_key(|participant| participant.role == Role::Writer)
    }

    /// Returns the checkpoint, once it is complete.
    pub(crate) fn complete(&mut self) -> Option<Complete> {
        if self.missing().is_some() {
            return None;
        }
        let Current { number, mut words, last } = self.current.take()?;
        for (participant, word) in &self.ended {
            // Who reported the checkpoint and then ended had state at the boundary.
            words.entry(participant.clone()).or_insert_with(|| word.clone());
        }
        Some(Complete { number, words, last })
    }

    /// Returns the last words, once all participants have ended: the job has ended.
    pub(crate) fn all_ended(&self) -> Option<&Words> {
        self.live.is_empty().then_some(&self.ended)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use flowgate_base::id::Worker;

    fn participant(number: u32) -> Participant {
        Participant { operator: "o".into(), worker: Worker(number), role: Role::Operator }
    }

    fn word(number: u64) -> Word {
        Word::Values(Map::from_iter([("n".to_string(), json!(number))]))
    }

    proptest! {
        /// Goal: C4. Method: each participant reports each checkpoint until it ends, in an order of its own; a checkpoint is complete
        /// exactly with the last of these reports, and has for everybody the word that it said at it, or at its end before it.
        #[test]
        fn c4_a_checkpoint_is_complete_when_everybody_has_reported_or_ended(
            ends in prop::collection::vec(0u64..5, 1..5),
            picks in prop::collection::vec(0usize..5, 1..30),
        ) {
            let all = (0..ends.len() as u32).map(participant);
            let mut collected = Collected::new(all.clone().collect());
            let mut picks = picks.iter().cycle();
            let mut has_ended = vec![false; ends.len()];
            for number in 0..6 {
                collected.begin(number);
                let mut left: Vec<usize> = (0..ends.len()).filter(|at| !has_ended[*at]).collect();
                while !left.is_empty() {
                    prop_assert!(collected.complete().is_none() && collected.missing().is_some());
                    let at = left.swap_remove(picks.next().unwrap() % left.len());
                    if ends[at] == number {
                        has_ended[at] = true;
                        collected.ended(participant(at as u32), word(100));
                    } else {
                        collected.done(participant(at as u32), number, word(number)).unwrap();
                    }
                }
                let Complete { number: complete, words, .. } = collected.complete().expect("everybody has reported");
                prop_assert_eq!(complete, number);
                for (at, who) in all.clone().enumerate() {
                    let expected = if ends[at] <= number { word(100) } else { word(number) };
                    prop_assert_eq!(&words[&who], &expected);
                }
                prop_assert_eq!(collected.all_ended().is_some(), has_ended.iter().all(|ended| *ended));
            }
        }
    }

    #[test]
    fn c4_who_ends_behind_the_boundary_has_the_state_of_the_boundary() {
        let mut collected = Collected::new([participant(0), participant(1)].into());
        collected.begin(1);
        collected.done(participant(0), 1, word(1)).unwrap();
        collected.ended(participant(0), word(100));
        collected.done(participant(1), 1, word(1)).unwrap();
        assert_eq!(collected.complete().unwrap().words[&participant(0)], word(1));
        assert!(collected.done(participant(1), 1, word(1)).is_err(), "a report of no checkpoint");
    }
}
