//! What goes wrong with plugins. Each variant is a case that a supervisor or a user handles in a way of its own; the text says
//! what happened.

use flowgate_base::error::{Code, Coded};

use crate::code;

/// Why a file does not become a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoadError {
    /// The file is not there or cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Its structure is refused, or it is not valid WebAssembly.
    #[error("{0}")]
    NotAdmitted(String),
    /// The compiler would take more time, memory or machine code than it may, or crashes.
    #[error("{0}")]
    CompileLimit(String),
    /// Its imports and exports have other types than the contract's, or it is larger inside than the engine allows.
    #[error("{0}")]
    Misfit(String),
    /// It does not start, `describe` fails, or what it describes is not valid.
    #[error("{0}")]
    Undescribed(String),
    /// A config schema is not valid, or takes too much to judge.
    #[error("{0}")]
    ConfigSchema(String),
    /// The limited child failed or was too slow; another time the machine may be less busy.
    #[error("{0}")]
    Machine(String),
}

/// Why a call ended without an answer. The instance must not be used again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// WebAssembly trapped, or called an import in a way that the contract does not allow.
    #[error("{0}")]
    Trap(String),
    /// The call's time was over.
    #[error("{0}")]
    Deadline(String),
    /// The call took more memory, data or state than it may.
    #[error("{0}")]
    Limit(String),
    /// What it returned is not valid.
    #[error("{0}")]
    InvalidAnswer(String),
    /// It returned an error that speaks of some of the values of the call, and does not say which.
    #[error("{0}")]
    Failed(String),
}

/// Why an opened function cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FunctionError {
    /// The function says so.
    #[error("{0}")]
    GaveUp(String),
    /// After a trap, a new instance does not open as the first one did.
    #[error("{0}")]
    NotReopened(String),
    /// The search for the rows that trap took more traps or time than it may.
    #[error("{0}")]
    TooManyTraps(String),
    /// The answers to one batch have more rows or bytes than the host may hold.
    #[error("{0}")]
    BatchLimit(String),
}

impl Coded for LoadError {
    fn code(&self) -> &'static Code {
        match self {
            LoadError::Unreadable(_) => &code::UNREADABLE,
            LoadError::NotAdmitted(_) => &code::NOT_ADMITTED,
            LoadError::CompileLimit(_) => &code::COMPILE_LIMIT,
            LoadError::Misfit(_) => &code::MISFIT,
            LoadError::Undescribed(_) => &code::UNDESCRIBED,
            LoadError::ConfigSchema(_) => &code::CONFIG_SCHEMA,
            LoadError::Machine(_) => &code::MACHINE,
        }
    }
}

impl Coded for CallError {
    fn code(&self) -> &'static Code {
        match self {
            CallError::Trap(_) => &code::TRAP,
            CallError::Deadline(_) => &code::DEADLINE,
            CallError::Limit(_) => &code::CALL_LIMIT,
            CallError::InvalidAnswer(_) => &code::INVALID_ANSWER,
            CallError::Failed(_) => &code::GAVE_UP,
        }
    }
}

impl Coded for FunctionError {
    fn code(&self) -> &'static Code {
        match self {
            FunctionError::GaveUp(_) => &code::GAVE_UP,
            FunctionError::NotReopened(_) => &code::NOT_REOPENED,
            FunctionError::TooManyTraps(_) => &code::TOO_MANY_TRAPS,
            FunctionError::BatchLimit(_) => &code::BATCH_LIMIT,
        }
    }
}
