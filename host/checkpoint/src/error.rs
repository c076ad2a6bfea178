//! What goes wrong with checkpoints, apart from our own mistakes.

use flowgate_base::error::{Code, Coded};

use crate::code;

/// Why a checkpoint cannot be written or read. Local files that cannot be used are [`Error::io`](flowgate_base::error::Error::io).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The address names no kind of store, or not one that this program was built with.
    #[error("`{address}` is no checkpoint store: {reason}")]
    Address {
        /// As the user wrote it.
        address: String,
        /// What would be right.
        reason: String,
    },
    /// The store fails or is silent. What was attempted may have happened.
    #[error("{attempt}: {reason}")]
    Away {
        /// What was attempted.
        attempt: String,
        /// The answer of the store.
        reason: String,
    },
    /// The store answers that this user may not, or that the bucket does not exist.
    #[error("{attempt}: {reason}")]
    Refused {
        /// What was attempted.
        attempt: String,
        /// The answer of the store.
        reason: String,
    },
    /// The number that this attempt would use is taken.
    #[error("{by} has taken over the job (manifest {number}): this attempt, {attempt}, stops and commits nothing more")]
    Fenced {
        /// The attempt that has to stop.
        attempt: String,
        /// Who has the number: `attempt <id>`, or `another attempt`.
        by: String,
        /// The number of the manifest.
        number: u64,
    },
    /// A job that runs has the store.
    #[error(
        "{}: `flowgate job list` shows the jobs that run, and `flowgate job stop` stops one",
        holder(store, *process)
    )]
    Locked {
        /// The store.
        store: String,
        /// The process that has it, where that is known.
        process: Option<u32>,
    },
    /// Stored bytes are not the ones that were written, or are gone.
    #[error("{object} is damaged: {reason}")]
    Damaged {
        /// The object, and the part of it where that is known.
        object: String,
        /// What differs.
        reason: String,
    },
    /// Another version of Flowgate wrote it.
    #[error("{object} has version {found}; this Flowgate reads version {read}")]
    Version {
        /// The object.
        object: String,
        /// Its version.
        found: u64,
        /// The version that can be read.
        read: u64,
    },
    /// The store holds checkpoints of another job.
    #[error("the checkpoint store has the checkpoints of job `{found}`, not of `{job}`: a store belongs to one job")]
    OtherJob {
        /// The job in the store.
        found: String,
        /// The job that wants to use it.
        job: String,
    },
    /// The store has no savepoint of this name, or no record of this number.
    #[error("{store} has no savepoint{which}: {there}")]
    NoSavepoint {
        /// The store.
        store: String,
        /// The name or the number in backquotes behind a space; empty: the newest.
        which: String,
        /// Which there are.
        there: String,
    },
    /// Something is larger than a table of limits allows.
    #[error("{what} is too large: {size} bytes, at most {max} are possible")]
    TooLarge {
        /// The thing.
        what: String,
        /// Its bytes.
        size: u64,
        /// The limit.
        max: u64,
    },
}

impl CheckpointError {
    /// Creates the error of an object that is not what was written.
    pub(crate) fn damaged(object: impl Into<String>, reason: impl Into<String>) -> Self {
        CheckpointError::Damaged { object: object.into(), reason: reason.into() }
    }
}

fn holder(store: &str, process: Option<u32>) -> String {
    match process {
        Some(process) => format!("process {process} has the checkpoint store {store}: the job runs already"),
        None => format!("another process has the checkpoint store {store}: the job runs already"),
    }
}

impl Coded for CheckpointError {
    fn code(&self) -> &'static Code {
        match self {
            CheckpointError::Address { .. } => &code::ADDRESS,
            CheckpointError::Away { .. } => &code::AWAY,
            CheckpointError::Refused { .. } => &code::REFUSED,
            CheckpointError::Fenced { .. } => &code::FENCED,
            CheckpointError::Damaged { .. } => &code::DAMAGED,
            CheckpointError::Version { .. } => &code::VERSION,
            CheckpointError::OtherJob { .. } => &code::OTHER_JOB,
            CheckpointError::Locked { .. } => &code::LOCKED,
            CheckpointError::NoSavepoint { .. } => &code::NO_SAVEPOINT,
            CheckpointError::TooLarge { .. } => &code::TOO_LARGE,
        }
    }
}
