//! A line of the log.

use serde::{Deserialize, Serialize};

use crate::assignment::Level;
use crate::limits::LOG_MESSAGE_BYTES_MAX;
use flowgate_base::{secret, shown};

/// A line of the log, as its file has it: one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// How important it is.
    pub level: Level,
    /// The tenant.
    pub tenant: String,
    /// The job.
    pub job: String,
    /// The attempt.
    pub attempt: u64,
    /// The operator, if the line is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The worker thread, from 0, of lines of plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// The plugin, by its name in the job, of lines of plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The text, in which control characters are escaped.
    pub message: String,
}

/// A line on its way to the log.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) at_ms: i64,
    pub(crate) level: Level,
    pub(crate) operator: Option<String>,
    pub(crate) worker: Option<u32>,
    pub(crate) plugin: Option<String>,
    pub(crate) message: String,
}

impl Entry {
    /// Bytes that it takes while it waits and in the file, about.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.operator, &self.plugin].into_iter().flatten().map(String::len).sum::<usize>();
        96 + texts + self.message.len()
    }

    /// Returns the message as it may be shown: without secrets and characters with power, and not too long.
    pub(super) fn shown(&self) -> String {
        let hidden = secret::conceal(&self.message);
        let end = hidden.floor_char_boundary(LOG_MESSAGE_BYTES_MAX);
        shown::lines(&hidden[..end]).into_owned()
    }
}
