//! Where log lines of plugins go.

use flowgate_base::standard_error;

/// How important a plugin thinks a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For who looks for a mistake.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What must not happen.
    Error,
}

impl LogLevel {
    /// The name used in log lines.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// Takes the log lines of all plugins. Lines are safe to show and their number is bounded before they come here.
/// Called from worker threads in the middle of a call: must not wait for long.
pub trait GuestLog: Send + Sync {
    /// One line of an operator.
    fn line(&self, operator: &str, level: LogLevel, message: &str);
}

/// Writes `operator: level: message` to standard error, from `least` upwards, without waiting for who reads it.
pub(crate) struct StderrLog {
    /// Lines under this level are dropped.
    pub(crate) least: LogLevel,
}

impl GuestLog for StderrLog {
    fn line(&self, operator: &str, level: LogLevel, message: &str) {
        if level >= self.least {
            standard_error::line(format!("{operator}: {}: {message}", level.name()));
        }
    }
}
