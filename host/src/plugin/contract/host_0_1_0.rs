//! The imports of version 0.1.0, served by the host's state.

use wasmtime::{Result, format_err};

use super::super::guest_log::LogLevel;
use super::super::host_state::{FileFailure, HostState};
use super::bindings_0_1_0::flowgate::plugin::files::FileError;
use super::bindings_0_1_0::flowgate::plugin::state::{OptionalValues, VarValues};
use super::bindings_0_1_0::flowgate::plugin::timers::Timer;
use super::bindings_0_1_0::flowgate::plugin::{context, files, log, metrics, state, timers};

impl log::Host for HostState {
    fn log(&mut self, level: log::Level, message: String) -> Result<()> {
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.services.log(level, &message);
        Ok(())
    }
}

impl metrics::Host for HostState {
    fn add(&mut self, counter: String, n: u64) -> Result<()> {
        self.services.add(&counter, n);
        Ok(())
    }

    fn set(&mut self, gauge: String, value: f64) -> Result<()> {
        self.services.set(&gauge, value);
        Ok(())
    }
}

impl context::Host for HostState {
    fn watermark(&mut self) -> Result<Option<i64>> {
        Ok(self.context.watermark)
    }

    fn processing_time(&mut self) -> Result<i64> {
        Ok(self.context.processing_time)
    }
}

impl files::Host for HostState {
    fn size(&mut self, name: String) -> Result<std::result::Result<u64, FileError>> {
        Ok(self.services.file_size(&name).map_err(file_error))
    }

    fn read(&mut self, name: String, offset: u64, length: u32) -> Result<std::result::Result<Vec<u8>, FileError>> {
        Ok(self.services.file_read(&name, offset, length).map_err(file_error))
    }
}

fn file_error(failure: FileFailure) -> FileError {
    match failure {
        FileFailure::NotGranted => FileError::NotGranted,
        FileFailure::Unreadable(message) => FileError::Unreadable(message),
    }
}

/// Transforms and aggregates have neither state nor timers; a plugin that has functions of other kinds as well may
/// import them.
fn refused<T>(import: &str) -> Result<T> {
    Err(format_err!("called `{import}`, which only process functions may use"))
}

impl state::Host for HostState {
    fn get_all(&mut self, _: u32) -> Result<OptionalValues> {
        refused("state.get-all")
    }
    fn set_all(&mut self, _: u32, _: Vec<u32>, _: OptionalValues) -> Result<()> {
        refused("state.set-all")
    }
    fn get(&mut self, _: u32, _: u32) -> Result<Option<Vec<u8>>> {
        refused("state.get")
    }
    fn set(&mut self, _: u32, _: u32, _: Option<Vec<u8>>) -> Result<()> {
        refused("state.set")
    }
    fn map_get(&mut self, _: u32, _: Vec<u32>, _: VarValues) -> Result<OptionalValues> {
        refused("state.map-get")
    }
    fn map_set(&mut self, _: u32, _: Vec<u32>, _: VarValues, _: OptionalValues) -> Result<()> {
        refused("state.map-set")
    }
    fn map_entries(&mut self, _: u32, _: u32, _: Option<Vec<u8>>, _: u32) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        refused("state.map-entries")
    }
    fn map_clear(&mut self, _: u32, _: Vec<u32>) -> Result<()> {
        refused("state.map-clear")
    }
    fn list_append(&mut self, _: u32, _: Vec<u32>, _: VarValues) -> Result<()> {
        refused("state.list-append")
    }
    fn list_elements(&mut self, _: u32, _: u32, _: u32, _: u32) -> Result<VarValues> {
        refused("state.list-elements")
    }
    fn list_clear(&mut self, _: u32, _: Vec<u32>) -> Result<()> {
        refused("state.list-clear")
    }
}

impl timers::Host for HostState {
    fn set(&mut self, _: Vec<Timer>) -> Result<()> {
        refused("timers.set")
    }
    fn clear(&mut self, _: Vec<Timer>) -> Result<()> {
        refused("timers.clear")
    }
}
