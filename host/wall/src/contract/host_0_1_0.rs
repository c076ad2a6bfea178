//! The imports of version 0.1.0, served by the host's state.

use wasmtime::Result;

use super::super::guest_log::LogLevel;
use super::super::host_state::{FileFailure, HostState};
use super::super::keyed::{Timer, TimerClock};
use super::super::wire::{OptionalValues, VarValues};
use super::bindings_0_1_0::flowgate::plugin::files::FileError;
use super::bindings_0_1_0::flowgate::plugin::state::{OptionalValues as WitOptional, VarValues as WitValues};
use super::bindings_0_1_0::flowgate::plugin::timers::Timer as WitTimer;
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
        HostState::log(self, level, &message);
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
        Ok(self.context.watermark.map(|watermark| watermark.0))
    }

    fn processing_time(&mut self) -> Result<i64> {
        Ok(self.context.processing_time.0)
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

impl state::Host for HostState {
    fn get_all(&mut self, slot: u32) -> Result<WitOptional> {
        self.keyed("state.get-all", |call, limits| call.get_all(slot, limits)).map(given)
    }

    fn set_all(&mut self, slot: u32, keys: Vec<u32>, values: WitOptional) -> Result<()> {
        self.keyed("state.set-all", |call, limits| call.set_all(slot, &keys, &optional(values), limits))
    }

    fn get(&mut self, slot: u32, key: u32) -> Result<Option<Vec<u8>>> {
        self.keyed("state.get", |call, _| call.get(slot, key))
    }

    fn set(&mut self, slot: u32, key: u32, value: Option<Vec<u8>>) -> Result<()> {
        self.keyed("state.set", |call, limits| call.set(slot, key, value.as_deref(), limits))
    }

    fn map_get(&mut self, slot: u32, keys: Vec<u32>, entries: WitValues) -> Result<WitOptional> {
        self.keyed("state.map-get", |call, limits| call.map_get(slot, &keys, &values(entries), limits)).map(given)
    }

    fn map_set(&mut self, slot: u32, keys: Vec<u32>, entries: WitValues, to: WitOptional) -> Result<()> {
        let (entries, to) = (values(entries), optional(to));
        self.keyed("state.map-set", |call, limits| call.map_set(slot, &keys, &entries, &to, limits))
    }

    fn map_entries(
        &mut self,
        slot: u32,
        key: u32,
        after: Option<Vec<u8>>,
        limit: u32,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.keyed("state.map-entries", |call, limits| call.map_entries(slot, key, after.as_deref(), limit, limits))
    }

    fn map_clear(&mut self, slot: u32, keys: Vec<u32>) -> Result<()> {
        self.keyed("state.map-clear", |call, limits| call.map_clear(slot, &keys, limits))
    }

    fn list_append(&mut self, slot: u32, keys: Vec<u32>, elements: WitValues) -> Result<()> {
        self.keyed("state.list-append", |call, limits| call.list_append(slot, &keys, &values(elements), limits))
    }

    fn list_elements(&mut self, slot: u32, key: u32, start: u32, limit: u32) -> Result<WitValues> {
        let elements =
            self.keyed("state.list-elements", |call, limits| call.list_elements(slot, key, start, limit, limits))?;
        Ok(WitValues { offsets: elements.offsets, data: elements.data })
    }

    fn list_clear(&mut self, slot: u32, keys: Vec<u32>) -> Result<()> {
        self.keyed("state.list-clear", |call, limits| call.list_clear(slot, &keys, limits))
    }
}

impl timers::Host for HostState {
    fn set(&mut self, timers: Vec<WitTimer>) -> Result<()> {
        let timers: Vec<Timer> = timers.iter().map(timer).collect();
        self.keyed("timers.set", |call, limits| call.set_timers(&timers, limits))
    }

    fn clear(&mut self, timers: Vec<WitTimer>) -> Result<()> {
        let timers: Vec<Timer> = timers.iter().map(timer).collect();
        self.keyed("timers.clear", |call, limits| call.clear_timers(&timers, limits))
    }
}

fn timer(timer: &WitTimer) -> Timer {
    let clock = match timer.clock {
        timers::Clock::EventTime => TimerClock::EventTime,
        timers::Clock::ProcessingTime => TimerClock::ProcessingTime,
    };
    Timer { key: timer.key, clock, time: timer.time, tag: timer.tag }
}

fn values(values: WitValues) -> VarValues {
    VarValues { offsets: values.offsets, data: values.data }
}

fn optional(optional: WitOptional) -> OptionalValues {
    OptionalValues { present: optional.present, values: values(optional.values) }
}

fn given(optional: OptionalValues) -> WitOptional {
    let OptionalValues { present, values } = optional;
    WitOptional { present, values: WitValues { offsets: values.offsets, data: values.data } }
}
