//! The exit of a process.

use super::terminal;
use flowgate::code::JOB_PROBLEMS;
use flowgate_base::error::{Error, Fault};

/// Returns the exit code of a command that ended with this error.
pub(crate) fn exit_code(error: &Error) -> u8 {
    match error.fault() {
        _ if error.is_reader_gone() => 0,
        Fault::External => 1,
        Fault::User => 2,
        Fault::Internal => 3,
    }
}

/// Writes the error that ended the command to standard error; nothing where the reader of our output went away.
pub(crate) fn say(error: &Error) {
    if !error.is_reader_gone() {
        let text = error.to_string();
        let text = text.trim_end();
        // In the report of a job's problems, each has a label of its own.
        let label = if error.code == &JOB_PROBLEMS { String::new() } else { format!("error[{}]: ", error.code) };
        terminal::message(&format!("{label}{text}\n"));
    }
}
