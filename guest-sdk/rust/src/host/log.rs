//! Lines for the operator of the job: `log::info!("...")`. At most 1,000 a second; each is cut at 4,096 bytes.
//!
//! `flowgate run` and `flowgate plugin test` show lines of the level `info` and above on standard error; `--log-level debug`
//! shows more.
//!
//! There is no standard output in the sandbox: what the standard library's `println!` writes is lost. Functions under an
//! attribute of the SDK (`#[transform]`, `#[join]`, `#[process]`) have the `println!`, `eprintln!` and `dbg!` of this module,
//! which write to the log at the level `info`. Elsewhere, import them: `use flowgate_sdk::log::println;`. In native tests they
//! are the standard library's.

use std::fmt::Arguments;

use crate::host::imports;

#[doc(inline)]
pub use crate::{
    __log_dbg as dbg, __log_debug as debug, __log_eprintln as eprintln, __log_error as error, __log_info as info,
    __log_println as println, __log_trace as trace, __log_warn as warn,
};

/// In the order of the contract.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) const NAMES: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// How much a line matters.
///
/// ```
/// use flowgate_sdk::log::Level;
/// assert!(Level::Error > Level::Debug);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the developer of the plugin.
    Debug,
    /// Useful to know.
    Info,
    /// Something is wrong, but the function continues.
    Warn,
    /// Something failed.
    Error,
}

/// Logs a line; the macros are shorter.
///
/// ```
/// use flowgate_sdk::log::{Level, log};
///
/// let host = flowgate_sdk::testing::Host::new().install();
/// log(Level::Warn, format_args!("{} entries", 3));
/// assert_eq!(host.lines(), ["warn 3 entries"]);
/// ```
pub fn log(level: Level, message: Arguments<'_>) {
    match message.as_str() {
        Some(message) => imports::log(level as u8, message),
        None => imports::log(level as u8, &message.to_string()),
    }
}

/// Where `println!` and its kin write in native tests.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Writes a line of `println!` and its kin.
#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub fn print(_stream: Stream, line: Arguments<'_>) {
    log(Level::Info, line);
}

/// Writes a line of `println!` and its kin. `cargo test` shows it with the test that fails.
#[doc(hidden)]
#[cfg(not(target_arch = "wasm32"))]
pub fn print(stream: Stream, line: Arguments<'_>) {
    match stream {
        Stream::Out => std::println!("{line}"),
        Stream::Err => std::eprintln!("{line}"),
    }
}

/// Logs every step; arguments as for `format!`.
///
/// ```
/// let host = flowgate_sdk::testing::Host::new().install();
/// flowgate_sdk::log::trace!("{} rows", 3);
/// assert_eq!(host.lines(), ["trace 3 rows"]);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_trace {
    ($($argument:tt)*) => {
        $crate::log::log($crate::log::Level::Trace, ::std::format_args!($($argument)*))
    };
}

/// Logs details for the developer of the plugin; arguments as for `format!`.
///
/// ```
/// let host = flowgate_sdk::testing::Host::new().install();
/// flowgate_sdk::log::debug!("{} rows", 3);
/// assert_eq!(host.lines(), ["debug 3 rows"]);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_debug {
    ($($argument:tt)*) => {
        $crate::log::log($crate::log::Level::Debug, ::std::format_args!($($argument)*))
    };
}

/// Logs what is useful to know; arguments as for `format!`.
///
/// ```
/// let host = flowgate_sdk::testing::Host::new().install();
/// flowgate_sdk::log::info!("{} rows", 3);
/// assert_eq!(host.lines(), ["info 3 rows"]);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_info {
    ($($argument:tt)*) => {
        $crate::log::log($crate::log::Level::Info, ::std::format_args!($($argument)*))
    };
}

/// Logs that something is wrong, but the function continues; arguments as for `format!`.
///
/// ```
/// let host = flowgate_sdk::testing::Host::new().install();
/// flowgate_sdk::log::warn!("{} rows", 3);
/// assert_eq!(host.lines(), ["warn 3 rows"]);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_warn {
    ($($argument:tt)*) => {
        $crate::log::log($crate::log::Level::Warn, ::std::format_args!($($argument)*))
    };
}

/// Logs that something failed; arguments as for `format!`.
///
/// ```
/// let host = flowgate_sdk::testing::Host::new().install();
/// flowgate_sdk::log::error!("{} rows", 3);
/// assert_eq!(host.lines(), ["error 3 rows"]);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_error {
    ($($argument:tt)*) => {
        $crate::log::log($crate::log::Level::Error, ::std::format_args!($($argument)*))
    };
}

/// The standard library's `println!`, to the log at the level `info`. In native tests, to standard output.
///
/// ```
/// use flowgate_sdk::log::println;
/// println!("{} rows", 3);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_println {
    ($($argument:tt)*) => {
        $crate::log::print($crate::log::Stream::Out, ::std::format_args!($($argument)*))
    };
}

/// The standard library's `eprintln!`, to the log at the level `info`. In native tests, to standard error.
///
/// ```
/// use flowgate_sdk::log::eprintln;
/// eprintln!("{} rows", 3);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_eprintln {
    ($($argument:tt)*) => {
        $crate::log::print($crate::log::Stream::Err, ::std::format_args!($($argument)*))
    };
}

/// The standard library's `dbg!`, to the log at the level `info`. In native tests, to standard error.
///
/// ```
/// use flowgate_sdk::log::dbg;
/// let rows = dbg!(1 + 2) * 2;
/// assert_eq!((rows, dbg!(rows, 7)), (6, (6, 7)));
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __log_dbg {
    () => {
        $crate::__log_eprintln!("[{}:{}:{}]", ::std::file!(), ::std::line!(), ::std::column!())
    };
    ($value:expr $(,)?) => {
        match $value {
            value => {
                $crate::__log_eprintln!(
                    "[{}:{}:{}] {} = {:?}",
                    ::std::file!(), ::std::line!(), ::std::column!(), ::std::stringify!($value), &value
                );
                value
            }
        }
    };
    ($($value:expr),+ $(,)?) => {
        ($($crate::__log_dbg!($value)),+,)
    };
}
