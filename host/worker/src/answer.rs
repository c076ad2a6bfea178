//! The answer of a worker process that does one thing and ends: one line of JSON on its standard output.

use std::io::Write;

use flowgate_base::error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::files::Failure;

/// What was found, or why it was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer<T> {
    /// What was found.
    Found(Box<T>),
    /// It could not be.
    Failed(Failure),
}

impl<T: Serialize> Answer<T> {
    /// Returns the answer that a result is.
    pub(crate) fn of(result: Result<T>) -> Answer<T> {
        match result {
            Ok(found) => Answer::Found(Box::new(found)),
            Err(error) => Answer::Failed(Failure::of(&error)),
        }
    }

    /// Writes it to standard output. Returns that it is there.
    pub(crate) fn print(&self) -> Result<bool> {
        let mut line = serde_json::to_vec(self).map_err(|e| Error::internal(e.to_string()))?;
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&line).and_then(|()| out.flush()).map_err(|e| Error::io("cannot write the answer", &e))?;
        Ok(true)
    }
}
