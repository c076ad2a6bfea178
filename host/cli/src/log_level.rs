//! `--log-level`: how much of what plugins log is shown.

use clap::{Args, ValueEnum};

use flowgate_wall::LogLevel;

/// The setting, as commands that run functions have it.
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
    /// For whoever works on the plugin.
    Debug,
    /// What is good to know; also what `println!` writes.
    Info,
    /// What is not right, though the function goes on.
    Warn,
    /// What went wrong.
    Error,
}

impl Default for LogLevelArg {
    fn default() -> Self {
        LogLevelArg { log_level: Level::Info }
    }
}

impl LogLevelArg {
    /// Lines under this level are not shown.
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
