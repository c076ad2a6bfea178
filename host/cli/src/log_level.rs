//! `--log-level`: the least level of shown log lines of plugins.

use clap::{Args, ValueEnum};

use flowgate_wall::LogLevel;

/// The setting, for commands that run functions.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LogLevelArg {
    /// The least of what plugins log that is shown on standard error.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Level::Info)]
    log_level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Every step.
    Trace,
    /// Details for the plugin's developer.
    Debug,
    /// Useful to know; also what `println!` writes.
    Info,
    /// Something is wrong, but the function continues.
    Warn,
    /// Something failed.
    Error,
}

impl Default for LogLevelArg {
    fn default() -> Self {
        LogLevelArg { log_level: Level::Info }
    }
}

impl LogLevelArg {
    /// Returns the least level of lines that are shown.
    pub(super) fn least(self) -> LogLevel {
        match self.log_level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        }
    }
}
