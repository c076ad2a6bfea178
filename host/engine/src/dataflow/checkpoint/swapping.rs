//! The swap that checkpoints carry: its boundary is that of a checkpoint, and the next checkpoint makes it durable.
//!
//! V4: a checkpoint names the versions of the functions whose state it has. The checkpoint of a swap's boundary has the state of the old
//! version, the one behind it that of the new version; which is when the swap is durable.

use std::sync::Arc;

use super::facts::JobFacts;
use super::fingerprint::fingerprints;
use super::saving::Wanted;
use crate::dataflow::job_state::JobState;
use crate::dataflow::swap::ballot::Finish;
use crate::dataflow::swap::desk::Swap;
use crate::error::RunError;

/// A swap that was requested.
#[derive(Debug, Clone)]
pub(crate) struct WantedSwap {
    /// The swap.
    pub(crate) swap: Arc<Swap>,
    /// The savepoint of the state before it.
    pub(crate) savepoint: Option<Wanted>,
}

/// The swap that checkpoints carry, if there is one.
#[derive(Debug, Default)]
pub(super) enum Carried {
    #[default]
    Nothing,
    /// It waits for a checkpoint.
    Wanted(WantedSwap),
    /// Its boundary is on the way, or its shells have still to do something.
    Begun(Arc<Swap>),
    /// It has happened, and is durable with the next checkpoint.
    Happened(Arc<Swap>),
}

impl Carried {
    /// A swap is requested. There is no other one.
    pub(super) fn want(&mut self, wanted: WantedSwap) {
        *self = Carried::Wanted(wanted);
    }

    /// Whether there is no swap.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Carried::Nothing)
    }

    /// Whether a checkpoint is to begin for the swap. `may_save`: a savepoint can be made of it.
    pub(super) fn wants_checkpoint(&self, may_save: bool) -> bool {
        match self {
            Carried::Wanted(wanted) => may_save || wanted.savepoint.is_none(),
            Carried::Happened(_) => true,
            Carried::Nothing | Carried::Begun(_) => false,
        }
    }

    /// The boundary of a checkpoint is requested, and carries the swap if that waits for one. Returns the savepoint to make of it.
    pub(super) fn begin(&mut self, number: u64, may_save: bool) -> Option<Wanted> {
        match std::mem::take(self) {
            Carried::Wanted(WantedSwap { swap, savepoint }) if may_save || savepoint.is_none() => {
                swap.happens_at(number);
                *self = Carried::Begun(swap);
                savepoint
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// Looks at the swap between two checkpoints. Returns whether the next one has to wait.
    pub(super) fn settle(&mut self, facts: &mut JobFacts, job: &JobState) -> bool {
        let Carried::Begun(swap) = self else { return false };
        match swap.finish() {
            None => return true,
            Some(Finish::Swapped { .. }) => {
                facts.fingerprints = fingerprints(&swap.graph);
                facts.versions = swap.versions.clone();
                *self = Carried::Happened(Arc::clone(swap));
            }
            Some(Finish::Refused(_) | Finish::Ended) => {
                job.swaps.end(swap, None);
                *self = Carried::Nothing;
            }
        }
        false
    }

    /// A checkpoint is complete that began after the last [`Carried::settle`].
    pub(super) fn committed(&mut self, record: u64, job: &JobState) {
        if let Carried::Happened(swap) = self {
            job.swaps.end(swap, Some(record));
            *self = Carried::Nothing;
        }
    }

    /// The job stops or has ended: a swap that has no boundary yet does not happen.
    pub(super) fn give_up(&mut self, job: &JobState) {
        if let Carried::Wanted(WantedSwap { swap, savepoint }) = self {
            let error = || RunError::SwapEnded("the job is being stopped".into()).into();
            savepoint.iter().for_each(|wanted| wanted.answer(Err(error())));
            job.swaps.give_up(swap, error());
            *self = Carried::Nothing;
        }
    }
}
