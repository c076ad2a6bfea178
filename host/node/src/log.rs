//! The log of the node: lines of text or of JSON on standard error, with the ids of what they are about.
//!
//! Who logs never waits: [`standard_error`] drops lines that nobody reads, and counts them. No crate of spans and subscribers: the node logs
//! some lines a minute, each with the ids that the caller has at hand, and one writer.

use std::fmt::{Display, Write};
use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use flowgate_base::shown::one_line;
use flowgate_base::{clock, standard_error};

/// Maximum bytes of a message or the value of a field: a message of an error has some hundred, and a line must fit into the queue of
/// standard error many times.
const TEXT_BYTES_MAX: usize = 8_192;

/// How important a line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something failed that the node or a person must put right.
    Error,
    /// Something failed that the node deals with.
    Warn,
    /// What happens: a job starts, a token is made.
    #[default]
    Info,
    /// For who looks for a mistake.
    Debug,
}

impl Level {
    /// Its name in lines and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// The form of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `2026-01-01T12:00:00.000Z info a job starts tenant=acme job=web`
    #[default]
    Text,
    /// One JSON object a line: `time`, `level`, `message`, and the fields.
    Json,
}

impl Format {
    /// Its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

/// The log. It is cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    level: Level,
    format: Format,
}

impl Log {
    /// Creates a log of the lines that are at least this important.
    pub const fn new(level: Level, format: Format) -> Self {
        Log { level, format }
    }

    /// Begins a line about an error that somebody must put right.
    pub fn error(self, message: impl Display) -> Line {
        self.line(Level::Error, message)
    }

    /// Begins a line about a failure that the node deals with.
    pub fn warn(self, message: impl Display) -> Line {
        self.line(Level::Warn, message)
    }

    /// Begins a line about what happens.
    pub fn info(self, message: impl Display) -> Line {
        self.line(Level::Info, message)
    }

    /// Begins a line for who looks for a mistake.
    pub fn debug(self, message: impl Display) -> Line {
        self.line(Level::Debug, message)
    }

    fn line(self, level: Level, message: impl Display) -> Line {
        let is_kept = level <= self.level;
        let message = if is_kept { shown(message) } else { String::new() };
        Line { is_kept, format: self.format, level, message, fields: Vec::new() }
    }
}

/// The log of this process.
static LOG: OnceLock<Log> = OnceLock::new();

/// Sets the log of this process, once.
pub fn set(log: Log) {
    // A second node in one process has the log of the first.
    let _ = LOG.set(log);
}

/// Returns the log of this process: text from `info` on, where none was set.
pub(crate) fn log() -> Log {
    *LOG.get_or_init(|| Log::new(Level::Info, Format::Text))
}

/// Logs what happens.
pub(crate) fn info(message: &str) {
    log().info(message).write();
}

/// Logs a failure that the node deals with.
pub(crate) fn warning(message: &str) {
    log().warn(message).write();
}

/// Logs an error that somebody must put right.
pub(crate) fn error(message: &str) {
    log().error(message).write();
}

/// A line that is being made. Its fields come in the order in which they are added.
#[must_use = "a line is in the log when it is written"]
#[derive(Debug)]
pub struct Line {
    /// Whether it is important enough.
    is_kept: bool,
    format: Format,
    level: Level,
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    /// Adds the tenant.
    pub fn tenant(self, tenant: impl Display) -> Self {
        self.field("tenant", tenant)
    }

    /// Adds the job.
    pub fn job(self, job: impl Display) -> Self {
        self.field("job", job)
    }

    /// Adds the id of the request that the line is about.
    pub fn request(self, id: impl Display) -> Self {
        self.field("request", id)
    }

    /// Adds a field; `name` has letters and `_` alone, and is not `time`, `level` or `message`.
    pub fn field(mut self, name: &'static str, value: impl Display) -> Self {
        if self.is_kept {
            self.fields.push((name, shown(value)));
        }
        self
    }

    /// Writes the line.
    pub fn write(self) {
        if self.is_kept {
            standard_error::line(self.text(clock::now_ms()));
        }
    }

    /// The line as it is at this time, in Unix milliseconds.
    fn text(&self, now_ms: i64) -> String {
        let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::MAX);
        let time = format!("{time:.3}");
        match self.format {
            Format::Text => {
                let mut line = format!("{time} {} {}", self.level.name(), self.message);
                for (name, value) in &self.fields {
                    // Writing to a string cannot fail.
                    let _ = write!(line, " {name}={}", quoted(value));
                }
                line
            }
            Format::Json => {
                let own = [("time", time), ("level", self.level.name().into()), ("message", self.message.clone())];
                let fields = own.into_iter().chain(self.fields.iter().cloned());
                let object: Map<String, Value> =
                    fields.map(|(name, value)| (name.to_string(), Value::String(value))).collect();
                Value::Object(object).to_string()
            }
        }
    }
}

/// A text in one line, without characters that have power over a terminal.
fn shown(text: impl Display) -> String {
    one_line(&text.to_string(), TEXT_BYTES_MAX)
}

/// A value in quotes, where it would not be read as one word.
fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && !value.contains([' ', '"', '=', '\\']);
    if plain { value.into() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_767_268_800_250;

    #[test]
    fn a_line_says_when_what_and_about_whom() {
        let line = |format| {
            let log = Log::new(Level::Info, format);
            log.warn("the job restarts").tenant("acme").job("web").field("reason", "a \"trap\"").field("after_ms", 500)
        };
        assert_eq!(
            line(Format::Text).text(NOW),
            "2026-01-01T12:00:00.250Z warn the job restarts tenant=acme job=web reason=\"a \\\"trap\\\"\" after_ms=500"
        );
        assert_eq!(
            line(Format::Json).text(NOW),
            r#"{"time":"2026-01-01T12:00:00.250Z","level":"warn","message":"the job restarts","tenant":"acme","job":"web","reason":"a \"trap\"","after_ms":"500"}"#
        );
    }

    #[test]
    fn lines_that_are_not_important_enough_cost_no_text() {
        struct Never;
        impl Display for Never {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("it is not formatted")
            }
        }
        Log::new(Level::Warn, Format::Text).info(Never).field("x", Never).write();
    }

    proptest! {
        /// Goal: nothing in a message makes another line or field, or moves a cursor. Method: hostile text, in both forms.
        #[test]
        fn a_text_stays_in_its_place(text in "[\"\\\\= a\n\r\t\u{1b}\u{0}\u{202e}\u{2028}é]{0,40}") {
            let of = |format| Log::new(Level::Info, format).info(&text).tenant(&text).field("end", "x").text(NOW);
            let (plain, json) = (of(Format::Text), of(Format::Json));
            prop_assert!(!plain.chars().any(flowgate_base::shown::has_power), "{plain:?}");
            prop_assert!(plain.ends_with(" end=x"));
            let object: Value = serde_json::from_str(&json).unwrap();
            let expected = one_line(&text, TEXT_BYTES_MAX);
            prop_assert_eq!(object["message"].as_str(), Some(expected.as_str()));
            prop_assert_eq!(object["end"].as_str(), Some("x"));
            prop_assert!(!json.chars().any(flowgate_base::shown::has_power), "{json:?}");
        }
    }
}
