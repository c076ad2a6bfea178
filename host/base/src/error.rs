//! One error type: whose fault it is, and what to do about it.

use std::fmt;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The job, its config or its plugin: trying again gives the same error.
    User,
    /// The world outside (a file, a socket, a disk): trying again may help.
    External,
    /// Ours.
    Internal,
}

/// An error that ends a command or a job. The message says what was attempted, what went wrong, and, where it is known,
/// what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Whose fault it is.
    pub fault: Fault,
    /// One line or more, without a trailing full stop.
    pub message: String,
    /// The reader of our output went away (`| head`): the job ends quietly.
    pub closed_pipe: bool,
}

/// Shorthand for results with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The job's author or the plugin's author has to change something.
    pub fn user(message: impl Into<String>) -> Self {
        Error { fault: Fault::User, message: message.into(), closed_pipe: false }
    }

    /// Something outside of the job failed.
    pub fn external(message: impl Into<String>) -> Self {
        Error { fault: Fault::External, message: message.into(), closed_pipe: false }
    }

    /// A mistake in Flowgate.
    pub fn internal(message: impl Into<String>) -> Self {
        Error { fault: Fault::Internal, message: message.into(), closed_pipe: false }
    }

    /// An I/O error with what was attempted, as in `cannot read access.log: permission denied`.
    pub fn io(attempt: impl fmt::Display, source: &std::io::Error) -> Self {
        let closed_pipe = source.kind() == std::io::ErrorKind::BrokenPipe;
        Error { fault: Fault::External, message: format!("{attempt}: {source}"), closed_pipe }
    }

    /// Puts `context: ` before the message.
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Internal => write!(f, "internal error: {} (a mistake in Flowgate; please report it)", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}
