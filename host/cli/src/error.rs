//! What goes wrong in commands themselves; the errors of jobs and plugins are those of the libraries.

use flowgate_base::error::{Code, Coded};

use super::code;

/// Why a command cannot do what its arguments say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// Arguments do not fit together, or name something that is not there.
    #[error("{0}")]
    Arguments(String),
    /// A trial of a function ran and did not come out as expected.
    #[error("{0}")]
    Trial(String),
    /// A function refuses its config or the columns of the sample rows. All problems, a line or more for each.
    #[error("{0}")]
    Function(String),
    /// The folder of a plugin has no component yet.
    #[error("{0}")]
    NotBuilt(String),
    /// No running job, or several, are meant.
    #[error("{0}")]
    NoJob(String),
    /// A running job cannot be asked.
    #[error("{0}")]
    Unanswered(String),
    /// A running job does not do what was requested, for a reason that the user has to look at.
    #[error("{0}")]
    Refused(String),
    /// A canary has found differences; they were printed.
    #[error("{0}")]
    Differs(String),
    /// A job that was stopped has ended, and has not said how.
    #[error("{0}")]
    EndUnknown(String),
    /// Checkpoints are damaged; what is, was printed.
    #[error("{0}")]
    Damaged(String),
    /// A checkpoint was deleted while it was read.
    #[error("{0}")]
    Lost(String),
}

impl Coded for CommandError {
    fn code(&self) -> &'static Code {
        match self {
            CommandError::Arguments(_) => &code::ARGUMENTS,
            CommandError::Trial(_) => &code::TRIAL,
            CommandError::Function(_) => &code::FUNCTION,
            CommandError::NotBuilt(_) => &code::NOT_BUILT,
            CommandError::NoJob(_) => &code::NO_JOB,
            CommandError::Unanswered(_) => &code::UNANSWERED,
            CommandError::Refused(_) => &code::REFUSED,
            CommandError::Differs(_) => &code::CANARY_DIFFERS,
            CommandError::EndUnknown(_) => &code::END_UNKNOWN,
            CommandError::Damaged(_) => &flowgate_checkpoint::code::DAMAGED,
            CommandError::Lost(_) => &code::LOST,
        }
    }
}
