//! Stable codes of errors: what a supervisor decides by, and what `flowgate explain` explains.
//!
//! Each crate has a table of its own codes, `CODES`, in a range of its own; `docs/errors.md` has a section for each code. A code
//! never changes its meaning, and the number of one that is no longer used is not used again.

use std::fmt;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The job, its config or its plugin.
    User,
    /// The world outside: a file, a socket, a disk.
    External,
    /// A mistake in Flowgate.
    Internal,
}

/// Whether the same attempt, made again, may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It fails again until somebody changes something.
    Never,
    /// It may succeed later.
    Later,
}

/// One kind of error. Displays as `FG0123`.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Unique among all crates: base 1 to 99, state 100 to 199, wall 200 to 299, connect 300 to 399, engine 400 to 599,
    /// toolchain 600 to 699, the program 700 to 799, checkpoint 800 to 899, node 900 to 999.
    pub number: u16,
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether to try again.
    pub retry: Retry,
    /// What has happened, in a few words: the heading in `docs/errors.md`.
    pub title: &'static str,
}

impl Code {
    /// Creates the code of a mistake in Flowgate.
    pub const fn internal(number: u16, title: &'static str) -> Code {
        Code { number, fault: Fault::Internal, retry: Retry::Never, title }
    }

    /// Creates the code of an error of the user, who has to change something.
    pub const fn user(number: u16, title: &'static str) -> Code {
        Code { number, fault: Fault::User, retry: Retry::Never, title }
    }

    /// Creates the code of an error of the user that depends on rows or on the load of the machine, and may pass.
    pub const fn user_passing(number: u16, title: &'static str) -> Code {
        Code { number, fault: Fault::User, retry: Retry::Later, title }
    }

    /// Creates the code of a failure outside of Flowgate that may pass.
    pub const fn external(number: u16, title: &'static str) -> Code {
        Code { number, fault: Fault::External, retry: Retry::Later, title }
    }

    /// Creates the code of a failure outside of Flowgate that does not pass by itself.
    pub const fn external_lasting(number: u16, title: &'static str) -> Code {
        Code { number, fault: Fault::External, retry: Retry::Never, title }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FG{:04}", self.number)
    }
}

/// Defines the codes of a crate, each as `NAME = kind(number, "title");`, where the kind is a constructor of [`Code`], and `CODES`,
/// the table of all of them. A visibility stands before the first.
#[macro_export]
macro_rules! codes {
    ($vis:vis $($name:ident = $kind:ident($number:literal, $title:literal);)+) => {
        $(
            #[doc = concat!("What has happened: ", $title, ".")]
            $vis static $name: $crate::code::Code = $crate::code::Code::$kind($number, $title);
        )+
        /// The codes of this crate.
        $vis static CODES: &[&$crate::code::Code] = &[$(&$name),+];
    };
}

codes! {
    pub
    INTERNAL = internal(1, "a mistake in Flowgate");
    NOT_FOUND = external_lasting(2, "a file or folder is missing");
    NOT_ALLOWED = external_lasting(3, "the system does not allow it");
    NO_SPACE = external(4, "no space left");
    READER_GONE = external_lasting(5, "the reader of the output went away");
    IO = external(6, "input or output failed");
}
