//! The node's own log: lines on standard error, which never delay anybody.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use flowgate_base::{clock, shown, standard_error};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

/// The form of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The time, the level and the message.
    #[default]
    Text,
    /// An object with the fields `at`, `level` and `message`.
    Json,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Somebody may want to know.
    #[default]
    Info,
    /// Somebody should look at it.
    Warning,
    /// It went wrong.
    Error,
}

impl Format {
    /// Returns the word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

impl Level {
    /// Returns the word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// A process has one standard error, and so one log.
static JSON: AtomicBool = AtomicBool::new(false);
static LEAST: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Says how lines look from now on, and which are written.
pub(crate) fn configure(format: Format, least: Level) {
    JSON.store(format == Format::Json, Relaxed);
    LEAST.store(least as u8, Relaxed);
}

/// Logs what somebody may want to know.
pub(crate) fn info(message: &str) {
    line(Level::Info, message);
}

/// Logs what somebody should look at.
pub(crate) fn warning(message: &str) {
    line(Level::Warning, message);
}

/// Logs what went wrong.
pub(crate) fn error(message: &str) {
    line(Level::Error, message);
}

fn line(level: Level, message: &str) {
    if level as u8 >= LEAST.load(Relaxed) {
        let format = if JSON.load(Relaxed) { Format::Json } else { Format::Text };
        let at = Timestamp::from_millisecond(clock::now_ms()).unwrap_or_default();
        standard_error::line(text(format, at, level, message));
    }
}

fn text(format: Format, at: Timestamp, level: Level, message: &str) -> String {
    let message = shown::one_line(message, 4_096);
    match format {
        Format::Text => format!("{at:.3} {}: {message}", level.word()),
        Format::Json => {
            serde_json::json!({ "at": format!("{at:.3}"), "level": level.word(), "message": message }).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_or_an_object() {
        let at = Timestamp::from_millisecond(1_500).unwrap();
        let wrong = "a \"quoted\" word\nand a second line";
        assert_eq!(text(Format::Text, at, Level::Warning, "disk"), "1970-01-01T00:00:01.500Z warning: disk");
        let object = text(Format::Json, at, Level::Error, wrong);
        assert_eq!(object.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&object).unwrap();
        assert_eq!((&object["at"], &object["level"]), (&"1970-01-01T00:00:01.500Z".into(), &"error".into()));
        assert!(object["message"].as_str().unwrap().starts_with("a \"quoted\" word"), "{object}");
    }
}
