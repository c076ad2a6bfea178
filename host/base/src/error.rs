//! The error that crosses crates: a code, the operator, and a message for people.
//!
//! A crate has an enum of its own errors (`thiserror`) that implements [`Coded`]; `?` makes an [`Error`] of it.

use std::fmt;
use std::io::ErrorKind;

pub use crate::code::{Code, Fault, Retry};
use crate::code::{INTERNAL, IO, NO_SPACE, NOT_ALLOWED, NOT_FOUND, READER_GONE};

/// An error that ends a command or a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Which kind of error; whose fault it is and whether to retry follow from it.
    pub code: &'static Code,
    /// The operator in which it happened, by its name in the job, where there is one.
    pub operator: Option<String>,
    /// What was attempted, what went wrong and, where it is known, what to do about it. One line or more, without a trailing
    /// full stop.
    pub message: String,
}

/// Shorthand for results with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error that has a code: one of a crate's own.
pub trait Coded: std::error::Error {
    /// Returns the code.
    fn code(&self) -> &'static Code;
}

impl<E: Coded> From<E> for Error {
    fn from(error: E) -> Error {
        Error::new(error.code(), error.to_string())
    }
}

impl Error {
    /// Creates an error of no particular operator.
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Error { code, operator: None, message: message.into() }
    }

    /// Creates the error of a broken invariant: a mistake in Flowgate.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(&INTERNAL, message)
    }

    /// Creates an I/O error with what was attempted, as in `cannot read access.log: permission denied`.
    pub fn io(attempt: impl fmt::Display, source: &std::io::Error) -> Self {
        Error::new(io_code(source.kind()), format!("{attempt}: {source}"))
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        self.code.fault
    }

    /// Whether the same attempt may succeed later.
    pub fn retry(&self) -> Retry {
        self.code.retry
    }

    /// Whether the reader of our output went away (`| head`).
    pub fn is_reader_gone(&self) -> bool {
        self.code == &READER_GONE
    }

    /// Puts `context: ` before the message.
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Says in which operator it happened, in front of the message too. The first to say it is nearest to the fault.
    pub fn in_operator(mut self, operator: &str) -> Self {
        self.operator.get_or_insert_with(|| operator.into());
        self.within(format_args!("`{operator}`"))
    }
}

fn io_code(kind: ErrorKind) -> &'static Code {
    match kind {
        ErrorKind::NotFound => &NOT_FOUND,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => &NOT_ALLOWED,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => &NO_SPACE,
        ErrorKind::BrokenPipe => &READER_GONE,
        _ => &IO,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault() {
            Fault::Internal => write!(f, "internal error: {} (a mistake in Flowgate; please report it)", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot have {wanted}")]
    struct Wanting {
        wanted: u32,
    }

    static WANTING: Code = Code::user(42, "wanting");

    impl Coded for Wanting {
        fn code(&self) -> &'static Code {
            &WANTING
        }
    }

    #[test]
    fn an_error_of_a_crate_keeps_its_code_and_gets_context() {
        let fails = || -> Result<()> { Err(Wanting { wanted: 3 })? };
        let error = fails().unwrap_err().within("reading").in_operator("inner").in_operator("outer");
        assert_eq!(
            (error.to_string().as_str(), error.code.to_string().as_str()),
            ("`outer`: `inner`: reading: cannot have 3", "FG0042")
        );
        assert_eq!(
            (error.fault(), error.retry(), error.operator.as_deref()),
            (Fault::User, Retry::Never, Some("inner"))
        );
    }

    #[test]
    fn what_the_system_says_chooses_the_code() {
        let of = |kind: ErrorKind| Error::io("cannot write a", &kind.into()).code.number;
        let kinds = [ErrorKind::NotFound, ErrorKind::PermissionDenied, ErrorKind::StorageFull, ErrorKind::BrokenPipe];
        assert_eq!(kinds.map(of), [2, 3, 4, 5]);
        assert_eq!(of(ErrorKind::TimedOut), 6);
    }
}
