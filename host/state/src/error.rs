//! What goes wrong with keyed state, apart from our own mistakes. Each variant is a case that a supervisor or a user handles
//! differently; the text says what happened.

use flowgate_base::error::{Code, Coded};

use crate::code;

/// Why state cannot be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// The state of one key exceeds what the host can keep.
    #[error("{0}")]
    KeyTooLarge(String),
    /// The keys of one batch or result exceed what one column can hold.
    #[error("{0}")]
    KeysTooLarge(String),
    /// The spill file cannot be written or read.
    #[error("cannot use the file for state that is over the memory budget: {0}")]
    SpillFile(String),
    /// Bytes that were stored have changed.
    #[error("stored state is damaged: its checksum is wrong")]
    Damaged,
    /// Another version of Flowgate encoded the bytes.
    #[error("stored state has version {found}; this Flowgate reads version {read}")]
    Version {
        /// The version of the stored bytes.
        found: u8,
        /// The version that can be decoded.
        read: u8,
    },
}

impl Coded for StateError {
    fn code(&self) -> &'static Code {
        match self {
            StateError::KeyTooLarge(_) => &code::KEY_TOO_LARGE,
            StateError::KeysTooLarge(_) => &code::KEYS_TOO_LARGE,
            StateError::SpillFile(_) => &code::SPILL_FILE,
            StateError::Damaged => &code::DAMAGED,
            StateError::Version { .. } => &code::VERSION,
        }
    }
}
