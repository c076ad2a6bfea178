//! One instance of a component: a store, its exports, and calls with a deadline.

use std::time::Duration;

use wasmtime::{Store, Trap, WasmBacktrace};

use super::compile::CompileIn;
use super::contract::Guest;
use super::error::CallError;
use super::host_state::{HostState, Services};
use super::plugins::Plugin;
use flowgate_base::quantity::{Bytes, Millis};
use flowgate_base::shown::one_line;

/// Memory of an instance, and what is left of the host when it ends.
pub(super) struct Instance {
    store: Store<HostState>,
    guest: Guest,
}

impl Instance {
    /// Creates an instance. The services come back where it does not start.
    pub(super) fn new(plugin: &Plugin, services: Services) -> Result<Self, (Box<Services>, CallError)> {
        let limits = &plugin.wall.limits;
        let mut store = Store::new(&plugin.wall.engine, HostState::new(services));
        store.limiter(|state| state);
        store.set_hostcall_fuel(limits.output_bytes_max);
        store.set_max_component_handles(limits.component_handles_max);
        store.set_epoch_deadline(plugin.wall.ticker.ticks(limits.open_deadline()));
        let running = plugin.wall.ticker.run();
        let guest =
            plugin.pre.instantiate(&mut store).and_then(|instance| Guest::load(&plugin.exports, &mut store, &instance));
        drop(running);
        match guest {
            Ok(guest) => {
                store.data_mut().log_last_words();
                Ok(Instance { store, guest })
            }
            Err(error) => {
                let trapped = trapped(&mut store, plugin, &error, limits.open_deadline());
                Err((Box::new(store.into_data().services), trapped))
            }
        }
    }

    /// Calls one of the exports. After an error the instance must be dropped: a trap leaves its memory as it was in
    /// the middle of the call.
    pub(super) fn call<R>(
        &mut self,
        plugin: &Plugin,
        deadline: Duration,
        call: impl FnOnce(&Guest, &mut Store<HostState>) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        let ticker = &plugin.wall.ticker;
        self.store.set_epoch_deadline(ticker.ticks(deadline));
        let running = ticker.run();
        let answer = call(&self.guest, &mut self.store);
        drop(running);
        let answer = answer.map_err(|error| trapped(&mut self.store, plugin, &error, deadline));
        // What is still held back was not the reason of a trap.
        self.store.data_mut().log_last_words();
        answer
    }

    /// Sets the data that further calls may return; by default the limit of a batch.
    pub(super) fn limit_output(&mut self, bytes_max: usize) {
        self.store.set_hostcall_fuel(bytes_max);
    }

    pub(super) fn state(&mut self) -> &mut HostState {
        self.store.data_mut()
    }

    pub(super) fn services(&self) -> &Services {
        &self.store.data().services
    }

    /// Ends the instance.
    pub(super) fn into_services(self) -> Services {
        self.store.into_data().services
    }
}

/// How wasmtime's error ends when a call has returned more data than it may. Its type is private to wasmtime.
const TOO_MUCH_DATA: &str = "fuel allocated for hostcalls has been exhausted";

/// Says in words for people why a call ended.
fn trapped(store: &mut Store<HostState>, plugin: &Plugin, error: &wasmtime::Error, deadline: Duration) -> CallError {
    if plugin.wall.compile_in == CompileIn::ToDebug {
        store.data_mut().backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
    }
    if let Some(refusal) = store.data_mut().refusal.take() {
        return refusal;
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::Interrupt) {
        let deadline = Millis(i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX));
        return CallError::Deadline(format!("did not finish within {deadline}"));
    }
    if trap == Some(&Trap::UnreachableCodeReached)
        && let Some(why) = store.data_mut().take_last_words()
    {
        // What a guest says before it gives up says more than where in its code it was.
        return CallError::Trap(why);
    }
    let limits = &plugin.wall.limits;
    let cause = match trap {
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").trim_start_matches("wasm ").to_string(),
        None => error.root_cause().to_string(),
    };
    if trap.is_none() && cause.ends_with(TOO_MUCH_DATA) {
        return CallError::Limit(format!("returned more than {} of data", Bytes(limits.output_bytes_max as u64)));
    }
    let place = error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().iter().find_map(|frame| frame.func_name().map(|name| one_line(name, 200))));
    let place = place.map(|name| format!(" in {name}")).unwrap_or_default();
    CallError::Trap(one_line(&format!("trapped: {cause}{place}"), limits.message_bytes_max))
}
