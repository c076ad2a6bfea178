//! One opened function on one worker: the wall's side of a slot.
//!
//! S3: after a trap the instance is dropped; the next call has a new one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wasmtime::Store;

use crate::binding::{Binding, FunctionInfo, OpenRequest, StateSlot};
use crate::calls::Calls;
use crate::columns_out;
use crate::contract::Guest;
use crate::describe;
use crate::error::{CallError, FunctionError};
use crate::host_state::{CallContext, HostState, Metric, Services};
use crate::instance::Instance;
use crate::keyed_call::KeyedCall;
use crate::limits::Limits;
use crate::plugins::Plugin;
use crate::recorded::RecordedCall;
use crate::search::{IsStopping, Searched, Stop, search};
use flowgate_base::clock;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use flowgate_base::shown::one_line;

/// A function that was opened for an operator, with an instance of its own. It belongs to one worker: it can be sent
/// to another thread, not shared. After a trap the next call runs in a new instance.
pub struct Function {
    pub(super) plugin: Arc<Plugin>,
    /// Position in the plugin's functions.
    position: usize,
    /// One JSON value, `{}` where the job has none.
    pub(super) config: Value,
    pub(super) offered: Vec<Vec<Field>>,
    operator: String,
    /// The names of the granted files.
    pub(super) files: Vec<String>,
    binding: Binding,
    /// The columns that it reads of each input and makes for each output, as in the binding.
    pub(super) reads: Arc<[Vec<Field>]>,
    pub(super) makes: Arc<[Vec<Field>]>,
    /// State slots, as in the binding.
    pub(super) slots: Arc<[StateSlot]>,
    instance: Option<InstanceState>,
    calls: Arc<Calls>,
    is_stopping: Arc<IsStopping>,
    /// Whether its calls are a search for the rows at fault.
    searches: bool,
    /// How long the last call took.
    took: Duration,
    /// What was recorded of the calls over the current batch.
    pub(super) trapped: Option<Box<RecordedCall>>,
    backtrace: Option<String>,
}

/// An instance, or what is left between a trap and the next call.
enum InstanceState {
    Open(Box<Instance>),
    Closed(Box<Services>),
}

impl Function {
    /// Opens a function. The error lists all problems, for the author of the job: the config is judged against the
    /// function's schema first, then the plugin judges config and columns.
    pub fn open(plugin: &Arc<Plugin>, request: OpenRequest) -> std::result::Result<Function, Vec<String>> {
        let limits = plugin.wall.limits.clone();
        let Some(position) = plugin.functions().iter().position(|f| f.name == request.function) else {
            return Err(vec![unknown_function(plugin, &request.function)]);
        };
        let info = plugin.functions().get(position).ok_or_else(Vec::new)?;
        let kind = info.kind;
        let (name, given) = (&request.function, request.inputs.len());
        if !kind.inputs().contains(&given) {
            let takes = kind.inputs();
            let takes = if takes.start() == takes.end() { format!("{}", takes.end()) } else { "1 or 2".into() };
            return Err(vec![format!("`{name}` is of kind {}: inputs {takes}, {given} given", kind.name())]);
        }
        let problems = plugin.check_config(info, &request.config);
        if !problems.is_empty() {
            return Err(problems);
        }
        let services = Services::open(&plugin.wall, &request.operator, &request.files)?;
        let config = match &request.config {
            Value::Null => json!({}),
            config => config.clone(),
        };
        let text = config.to_string();
        let offered: Vec<Vec<Field>> = request.inputs.iter().map(|schema| schema.fields.clone()).collect();
        let mut instance = Instance::new(plugin, services).map_err(|(_, e)| vec![e.to_string()])?;
        let bound = instance
            .call(plugin, limits.open_deadline(), |guest, store| guest.open(store, &request.function, &text, &offered))
            .map_err(|e| vec![format!("`{}` cannot be opened: {e}", request.function)])?
            .map_err(|problems| guest_problems(problems, &limits))?;
        let binding = describe::binding(bound, kind, &request, &limits)
            .map_err(|why| vec![format!("`{}` {}", request.function, one_line(&why, limits.message_bytes_max))])?;
        Ok(Function {
            plugin: plugin.clone(),
            position,
            config,
            offered,
            files: instance.services().file_names(),
            operator: request.operator,
            slots: binding.state.clone().into(),
            reads: binding.inputs.clone().into(),
            makes: binding.outputs.iter().map(|o| o.columns.clone()).collect(),
            binding,
            calls: Arc::clone(instance.services().calls()),
            instance: Some(InstanceState::Open(Box::new(instance))),
            is_stopping: Arc::new(|| false),
            searches: false,
            took: Duration::ZERO,
            trapped: None,
            backtrace: None,
        })
    }

    /// Sets what says whether the job is being stopped: a search for rows that trap then ends soon.
    pub fn stop_when(mut self, is_stopping: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_stopping = Arc::new(is_stopping);
        self
    }

    /// Counts its calls, and publishes its metrics, in figures that it may share with other functions of its operator on its worker.
    pub fn count_in(mut self, calls: &Arc<Calls>) -> Self {
        match &mut self.instance {
            Some(InstanceState::Open(instance)) => instance.state().count_in(calls),
            Some(InstanceState::Closed(services)) => services.count_in(calls),
            None => {}
        }
        self.calls = Arc::clone(calls);
        self
    }

    /// Returns the figures of its calls.
    pub fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Returns what it reads and writes.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Returns how its plugin describes it.
    pub fn info(&self) -> Option<&FunctionInfo> {
        self.plugin.functions().get(self.position)
    }

    /// Returns where in its code the last call that trapped was, as lines from the innermost frame outwards; `None` if no call has, or if the
    /// plugin was not compiled to debug.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    /// Returns the metrics that it has published so far, by name.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        self.calls.published()
    }

    /// Calls without state. After a trap the instance is gone.
    pub(super) fn call<R>(
        &mut self,
        deadline: Duration,
        context: &CallContext,
        call: impl FnOnce(&Guest, &mut Store<HostState>) -> wasmtime::Result<std::result::Result<R, String>>,
    ) -> std::result::Result<R, Stop> {
        self.call_with(&mut None, deadline, context, call)
    }

    /// Calls with this state, which comes back whatever happens.
    pub(super) fn call_with<R>(
        &mut self,
        keyed: &mut Option<KeyedCall>,
        deadline: Duration,
        context: &CallContext,
        call: impl FnOnce(&Guest, &mut Store<HostState>) -> wasmtime::Result<std::result::Result<R, String>>,
    ) -> std::result::Result<R, Stop> {
        if !matches!(self.instance, Some(InstanceState::Open(_))) {
            let began = clock::monotonic();
            let reopened = self.reopen();
            self.calls.note_failed(began.elapsed());
            reopened.map_err(Stop::Operator)?;
        }
        let Some(InstanceState::Open(instance)) = &mut self.instance else {
            return Err(Stop::Operator(Error::internal("a function has no instance")));
        };
        instance.state().context = *context;
        instance.state().keyed = keyed.take();
        let began = clock::monotonic();
        let answer = instance.call(&self.plugin, deadline, call);
        self.took = began.elapsed();
        self.calls.note(self.took);
        if self.searches || answer.is_err() {
            self.calls.note_failed(self.took);
        }
        *keyed = instance.state().keyed.take();
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(message)) => {
                let message = one_line(&message, self.plugin.wall.limits.message_bytes_max);
                let message = format!("function `{}` gave up: {message}", self.name());
                Err(Stop::Operator(FunctionError::GaveUp(message).into()))
            }
            Err(trapped) => {
                self.calls.note_end(&trapped);
                self.backtrace = instance.state().backtrace.take();
                self.close();
                Err(Stop::Trapped(trapped))
            }
        }
    }

    /// Searches for the rows at fault, as [`search`] does with `run`.
    pub(super) fn search(
        &mut self,
        row_count: usize,
        trapped: CallError,
        mut run: impl FnMut(&mut Function, Range<usize>, Duration) -> std::result::Result<(), Stop>,
    ) -> Result<Searched> {
        let (limits, is_stopping) = (Arc::clone(&self.plugin.wall.limits), Arc::clone(&self.is_stopping));
        self.searches = true;
        let searched = search(row_count, &limits, trapped, &*is_stopping, |part, deadline| run(self, part, deadline));
        self.searches = false;
        searched
    }

    /// Accepts an answer that is valid. One that is not ends the instance as a trap does.
    pub(super) fn accept<T>(
        &mut self,
        checked: std::result::Result<T, columns_out::InvalidAnswer>,
    ) -> std::result::Result<T, Stop> {
        checked.map_err(|why| {
            self.close();
            if !self.searches {
                self.calls.note_failed(self.took);
            }
            let why = CallError::InvalidAnswer(one_line(&why, self.plugin.wall.limits.message_bytes_max));
            self.calls.note_end(&why);
            Stop::Trapped(why)
        })
    }

    fn close(&mut self) {
        if let Some(InstanceState::Open(instance)) = self.instance.take() {
            self.instance = Some(InstanceState::Closed(Box::new(instance.into_services())));
        }
    }

    /// A new instance, opened as the first one; it must answer as the first one did.
    fn reopen(&mut self) -> Result<()> {
        let Some(InstanceState::Closed(services)) = self.instance.take() else {
            return Err(Error::internal("a function has neither an instance nor its services"));
        };
        let failed = |why: String| -> Error {
            let name = self.name();
            FunctionError::NotReopened(format!("function `{name}` cannot start again after a trap: {why}")).into()
        };
        let mut instance = match Instance::new(&self.plugin, *services) {
            Ok(instance) => instance,
            Err((services, trapped)) => {
                let error = failed(trapped.to_string());
                self.instance = Some(InstanceState::Closed(services));
                return Err(error);
            }
        };
        let deadline = self.plugin.wall.limits.open_deadline();
        let (name, config) = (self.name(), self.config.to_string());
        let bound = instance
            .call(&self.plugin, deadline, |guest, store| guest.open(store, name, &config, &self.offered))
            .map_err(|trapped| failed(trapped.to_string()))
            .and_then(|bound| {
                let limits = &self.plugin.wall.limits;
                bound.map_err(|problems| failed(guest_problems(problems, limits).join("; ")))
            });
        let same = bound.and_then(|bound| {
            let outputs = self.binding.outputs.iter().map(|o| (&o.name, &o.columns, o.passthrough));
            let same = bound.inputs == self.binding.inputs
                && bound.state == self.binding.state
                && bound.outputs.iter().map(|(name, columns, pass)| (name, columns, *pass)).eq(outputs);
            if same { Ok(()) } else { Err(failed("it binds other columns than before".into())) }
        });
        self.instance = Some(match same {
            Ok(()) => InstanceState::Open(Box::new(instance)),
            Err(error) => {
                self.instance = Some(InstanceState::Closed(Box::new(instance.into_services())));
                return Err(error);
            }
        });
        Ok(())
    }

    pub(super) fn stopped(&self, what: &str, stop: Stop) -> Error {
        match stop {
            Stop::Operator(error) | Stop::GaveUp(error) => error,
            Stop::Trapped(trapped) => {
                Error::from(trapped).within(format_args!("function `{}` cannot {what}", self.name()))
            }
        }
    }

    pub(super) fn operator(&self) -> &str {
        &self.operator
    }

    pub(super) fn name(&self) -> &str {
        self.info().map_or("", |info| info.name.as_str())
    }
}

/// Functions that are listed where the requested one is missing.
const NAMES_LISTED_MAX: usize = 30;

fn unknown_function(plugin: &Plugin, name: &str) -> String {
    let names: Vec<&str> = plugin.functions().iter().map(|f| f.name.as_str()).collect();
    let listed = names.iter().take(NAMES_LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    let listed = if names.len() > NAMES_LISTED_MAX { format!("{listed}, ...") } else { listed };
    let nearest = names.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
    let hint = match nearest {
        Some(nearest) if strsim::jaro(nearest, name) > 0.7 => format!("; did you mean `{nearest}`?"),
        _ => String::new(),
    };
    format!("the plugin has no function `{name}`; it has {listed}{hint}")
}

fn guest_problems(problems: Vec<String>, limits: &Limits) -> Vec<String> {
    let count = problems.len();
    let mut shown: Vec<String> = problems
        .into_iter()
        .take(limits.problems_max)
        .map(|problem| one_line(&problem, limits.message_bytes_max))
        .collect();
    if count > shown.len() {
        shown.push(format!("and {} more problems", count - shown.len()));
    }
    if shown.is_empty() {
        shown.push("it refuses to open and does not say why".into());
    }
    shown
}

#[cfg(test)]
mod tests {
    /// A function is opened on one thread and may be used on another.
    #[test]
    fn functions_can_be_sent() {
        fn is_send<T: Send>() {}
        is_send::<super::Function>();
    }
}
