//! One opened function on one worker: the slot's side of the wall.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use wasmtime::Store;

use super::binding::{Binding, FunctionInfo, Kind, OpenRequest};
use super::columns_in::{bytes_in, columns_in};
use super::columns_out::{self, Answer, Updated};
use super::contract::Guest;
use super::describe;
use super::host_state::{CallContext, HostState, Metric, Services};
use super::instance::Instance;
use super::limits::Limits;
use super::message::sanitise;
use super::pieces::{self, Piece};
use super::plugins::Plugin;
use super::search::{Stop, search};
use super::wire::VarValues;
use crate::error::{Error, Result};
use crate::schema::Field;

/// A function that was opened for an operator, with an instance of its own. It belongs to one worker: it can be sent
/// to another thread, not shared. After a trap the next call runs in a new instance.
pub struct Function {
    plugin: Arc<Plugin>,
    /// Position in the plugin's functions.
    position: usize,
    config: String,
    offered: Vec<Vec<Field>>,
    binding: Binding,
    /// Columns read and made, as in the binding.
    reads: Arc<[Field]>,
    makes: Arc<[Vec<Field>]>,
    slot: Option<Slot>,
}

/// An instance, or what is left between a trap and the next call.
enum Slot {
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
        let described = plugin.described.get(position).ok_or_else(Vec::new)?;
        let kind = described.info.kind;
        if !matches!(kind, Kind::Transform | Kind::Aggregate) {
            let name = &request.function;
            return Err(vec![format!("`{name}` is a {} function; jobs cannot run these yet", kind.name())]);
        }
        let problems = describe::check_config(described, &request.config, &limits);
        if !problems.is_empty() {
            return Err(problems);
        }
        let services = Services::open(limits.clone(), &request.operator, plugin.wall.log.clone(), &request.files)?;
        let config = match &request.config {
            serde_json::Value::Null => "{}".to_string(),
            config => config.to_string(),
        };
        let offered: Vec<Vec<Field>> = request.inputs.iter().map(|schema| schema.fields.clone()).collect();
        let mut instance = Instance::new(plugin, services).map_err(|(_, e)| vec![e.0])?;
        let bound = instance
            .call(plugin, limits.open_deadline(), |guest, store| {
                guest.open(store, &request.function, &config, &offered)
            })
            .map_err(|e| vec![format!("`{}` cannot be opened: {}", request.function, e.0)])?
            .map_err(|problems| guest_problems(problems, &limits))?;
        let binding = describe::binding(bound, kind, &request, &limits)
            .map_err(|lie| vec![format!("`{}` {}", request.function, sanitise(&lie, limits.message_bytes_max))])?;
        Ok(Function {
            plugin: plugin.clone(),
            position,
            config,
            offered,
            reads: binding.inputs.first().cloned().unwrap_or_default().into(),
            makes: binding.outputs.iter().map(|o| o.columns.clone()).collect(),
            binding,
            slot: Some(Slot::Open(Box::new(instance))),
        })
    }

    /// What it reads and writes.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// How its plugin describes it.
    pub fn info(&self) -> Option<&FunctionInfo> {
        self.plugin.functions().get(self.position)
    }

    /// The metrics that it has published so far, by name.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        match &self.slot {
            Some(Slot::Open(instance)) => instance.services().metrics().clone(),
            Some(Slot::Closed(services)) => services.metrics().clone(),
            None => BTreeMap::new(),
        }
    }

    /// Transforms a batch. `input` has the columns that the binding reads, each of `row_count` rows.
    ///
    /// A row on which the function traps, or for which it returns what is not valid, is among the answer's failures
    /// beside those that it failed itself. An error means that the operator cannot go on.
    pub fn transform(&mut self, input: &[ArrayRef], row_count: usize, context: &CallContext) -> Result<Answer> {
        let limits = self.plugin.wall.limits.clone();
        if row_count == 0 {
            return Ok(pieces::empty_answer(&self.makes));
        }
        if bytes_in(input, row_count) <= limits.input_bytes_max {
            match self.apply(input, row_count, context, limits.deadline()) {
                Ok(answer) => return Ok(answer),
                Err(Stop::Operator(error)) => return Err(error),
                Err(Stop::Trapped(message)) => {
                    let mut answered = Vec::new();
                    let failures = search(row_count, &limits, message, |rows, deadline| {
                        let part = pieces::slice(input, &rows);
                        let answer = self.apply(&part, rows.len(), context, deadline)?;
                        answered.push(Piece { rows, answer });
                        Ok(())
                    })?;
                    return pieces::join(answered, failures, &self.makes);
                }
            }
        }
        if row_count == 1 {
            let max = limits.input_bytes_max;
            let message = format!("the row has more than {max} bytes, which is the most for one call");
            return pieces::join(Vec::new(), vec![super::wire::RowFailure { row: 0, message }], &self.makes);
        }
        let mut answered = Vec::with_capacity(2);
        for rows in [0..row_count / 2, row_count / 2..row_count] {
            let part = pieces::slice(input, &rows);
            answered.push(Piece { answer: self.transform(&part, rows.len(), context)?, rows });
        }
        pieces::join(answered, Vec::new(), &self.makes)
    }

    /// Adds row `i` of the input to accumulator `groups[i]`, for each of `row_count` rows. `input` as in
    /// [`Function::transform`]. Rows that fail or trap are among the failures and in no accumulator.
    pub fn update(
        &mut self,
        accumulators: VarValues,
        groups: &[u32],
        input: &[ArrayRef],
        row_count: usize,
        context: &CallContext,
    ) -> Result<Updated> {
        let limits = self.plugin.wall.limits.clone();
        let greatest = groups.iter().fold(0, |max, &group| max.max(group)) as usize;
        if groups.len() != row_count || (row_count > 0 && greatest >= accumulators.len()) {
            return Err(Error::internal(format!("{} groups for {row_count} rows", groups.len())));
        }
        if row_count == 0 {
            return Ok(Updated { accumulators, failures: Vec::new() });
        }
        if accumulators.data.len() > limits.input_bytes_max && accumulators.len() > 1 {
            return self.update_by_groups(&accumulators, groups, input, context);
        }
        let message = match self.update_once(&accumulators, groups, input, row_count, context, limits.deadline()) {
            Ok(updated) => return Ok(updated),
            Err(Stop::Operator(error)) => return Err(error),
            Err(Stop::Trapped(message)) => message,
        };
        let mut accumulators = accumulators;
        let mut failed = Vec::new();
        let trapped = search(row_count, &limits, message, |rows, deadline| {
            let part = pieces::slice(input, &rows);
            let groups = groups.get(rows.clone()).unwrap_or_default();
            let updated = self.update_once(&accumulators, groups, &part, rows.len(), context, deadline)?;
            accumulators = updated.accumulators;
            failed.extend(pieces::shifted(updated.failures, rows.start));
            Ok(())
        })?;
        failed.extend(trapped);
        failed.sort_by_key(|failure| failure.row);
        Ok(Updated { accumulators, failures: failed })
    }

    /// Accumulator `i` of the answer stands for the rows of `left[i]` and `right[i]` together.
    pub fn merge(&mut self, left: &VarValues, right: &VarValues) -> Result<VarValues> {
        if left.len() != right.len() {
            return Err(Error::internal(format!("{} accumulators to merge with {}", left.len(), right.len())));
        }
        let limits = self.plugin.wall.limits.clone();
        let mut merged = VarValues::empty(0);
        for part in pieces::by_bytes(&[left, right], limits.input_bytes_max) {
            let (l, r) = (left.slice(part.start, part.end), right.slice(part.start, part.end));
            let raw = self.call(limits.deadline(), &CallContext::default(), |guest, store| guest.merge(store, &l, &r));
            let values = raw
                .and_then(|raw| self.believe(columns_out::accumulators(raw, part.len(), limits.accumulator_bytes_max)));
            merged.append(&values.map_err(|stop| self.stopped("merge accumulators", stop))?);
        }
        Ok(merged)
    }

    /// The results: one row for each accumulator, columns as in the binding's output.
    pub fn finish(&mut self, accumulators: &VarValues) -> Result<Vec<ArrayRef>> {
        let limits = self.plugin.wall.limits.clone();
        let makes = self.makes.clone();
        let fields = makes.first().map(Vec::as_slice).unwrap_or_default();
        let mut parts = Vec::new();
        for part in pieces::by_bytes(&[accumulators], limits.input_bytes_max) {
            let values = accumulators.slice(part.start, part.end);
            let raw =
                self.call(limits.deadline(), &CallContext::default(), |guest, store| guest.finish(store, &values));
            let columns = raw.and_then(|raw| self.believe(columns_out::columns(raw, fields, part.len())));
            parts.push(columns.map_err(|stop| self.stopped("finish accumulators", stop))?);
        }
        pieces::concat(&parts, fields)
    }

    fn apply(
        &mut self,
        input: &[ArrayRef],
        row_count: usize,
        context: &CallContext,
        deadline: Duration,
    ) -> std::result::Result<Answer, Stop> {
        let columns = columns_in(input, &self.reads, row_count).map_err(Stop::Operator)?;
        let rows = row_number(row_count)?;
        let raw = self.call(deadline, context, |guest, store| guest.apply(store, rows, &columns))?;
        let limits = self.plugin.wall.limits.clone();
        let makes = self.makes.clone();
        self.believe(columns_out::answer(raw, &makes, row_count, limits.output_rows_max, limits.message_bytes_max))
    }

    fn update_once(
        &mut self,
        accumulators: &VarValues,
        groups: &[u32],
        input: &[ArrayRef],
        row_count: usize,
        context: &CallContext,
        deadline: Duration,
    ) -> std::result::Result<Updated, Stop> {
        let columns = columns_in(input, &self.reads, row_count).map_err(Stop::Operator)?;
        let rows = row_number(row_count)?;
        let raw =
            self.call(deadline, context, |guest, store| guest.update(store, accumulators, groups, rows, &columns))?;
        let (accumulator_bytes, message_bytes) =
            (self.plugin.wall.limits.accumulator_bytes_max, self.plugin.wall.limits.message_bytes_max);
        self.believe(columns_out::updated(raw, accumulators.len(), row_count, accumulator_bytes, message_bytes))
    }

    /// For accumulators that are too much for one call: some groups at a time, with the rows that belong to them.
    fn update_by_groups(
        &mut self,
        accumulators: &VarValues,
        groups: &[u32],
        input: &[ArrayRef],
        context: &CallContext,
    ) -> Result<Updated> {
        let max = self.plugin.wall.limits.input_bytes_max;
        let mut all = Updated { accumulators: VarValues::empty(0), failures: Vec::new() };
        for part in pieces::by_bytes(&[accumulators], max) {
            let rows: Vec<u32> = (0_u32..)
                .zip(groups)
                .filter(|(_, group)| part.contains(&(**group as usize)))
                .map(|(row, _)| row)
                .collect();
            let own: Vec<u32> = groups
                .iter()
                .filter(|group| part.contains(&(**group as usize)))
                .map(|group| group - part.start as u32)
                .collect();
            let columns = pieces::take(input, &rows)?;
            let updated = self.update(accumulators.slice(part.start, part.end), &own, &columns, rows.len(), context)?;
            all.accumulators.append(&updated.accumulators);
            for mut failure in updated.failures {
                failure.row = rows.get(failure.row as usize).copied().unwrap_or(failure.row);
                all.failures.push(failure);
            }
        }
        all.failures.sort_by_key(|failure| failure.row);
        Ok(all)
    }

    /// One call. After a trap the instance is gone.
    fn call<R>(
        &mut self,
        deadline: Duration,
        context: &CallContext,
        call: impl FnOnce(&Guest, &mut Store<HostState>) -> wasmtime::Result<std::result::Result<R, String>>,
    ) -> std::result::Result<R, Stop> {
        if !matches!(self.slot, Some(Slot::Open(_))) {
            self.reopen().map_err(Stop::Operator)?;
        }
        let Some(Slot::Open(instance)) = &mut self.slot else {
            return Err(Stop::Operator(Error::internal("a function has no instance")));
        };
        instance.state().context = *context;
        match instance.call(&self.plugin, deadline, call) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(message)) => {
                let message = sanitise(&message, self.plugin.wall.limits.message_bytes_max);
                Err(Stop::Operator(Error::user(format!("function `{}` gave up: {message}", self.name()))))
            }
            Err(trapped) => {
                self.close();
                Err(Stop::Trapped(trapped.0))
            }
        }
    }

    /// An answer that is not valid ends the instance as a trap does.
    fn believe<T>(&mut self, checked: std::result::Result<T, columns_out::Lie>) -> std::result::Result<T, Stop> {
        checked.map_err(|lie| {
            self.close();
            Stop::Trapped(sanitise(&lie, self.plugin.wall.limits.message_bytes_max))
        })
    }

    fn close(&mut self) {
        if let Some(Slot::Open(instance)) = self.slot.take() {
            self.slot = Some(Slot::Closed(Box::new(instance.into_services())));
        }
    }

    /// A new instance, opened as the first one; it must answer as the first one did.
    fn reopen(&mut self) -> Result<()> {
        let Some(Slot::Closed(services)) = self.slot.take() else {
            return Err(Error::internal("a function has neither an instance nor its services"));
        };
        let failed =
            |what: &str| Error::user(format!("function `{}` cannot start again after a trap: {what}", self.name()));
        let mut instance = match Instance::new(&self.plugin, *services) {
            Ok(instance) => instance,
            Err((services, trapped)) => {
                let error = failed(&trapped.0);
                self.slot = Some(Slot::Closed(services));
                return Err(error);
            }
        };
        let deadline = self.plugin.wall.limits.open_deadline();
        let name = self.name();
        let bound = instance
            .call(&self.plugin, deadline, |guest, store| guest.open(store, name, &self.config, &self.offered))
            .map_err(|trapped| failed(&trapped.0))
            .and_then(|bound| {
                let limits = &self.plugin.wall.limits;
                bound.map_err(|problems| failed(&guest_problems(problems, limits).join("; ")))
            });
        let same = bound.and_then(|bound| {
            let outputs = self.binding.outputs.iter().map(|o| (&o.name, &o.columns, o.passthrough));
            let same = bound.inputs == self.binding.inputs
                && bound.state == self.binding.state
                && bound.outputs.iter().map(|(name, columns, pass)| (name, columns, *pass)).eq(outputs);
            if same { Ok(()) } else { Err(failed("it binds other columns than before")) }
        });
        self.slot = Some(match same {
            Ok(()) => Slot::Open(Box::new(instance)),
            Err(error) => {
                self.slot = Some(Slot::Closed(Box::new(instance.into_services())));
                return Err(error);
            }
        });
        Ok(())
    }

    fn stopped(&self, what: &str, stop: Stop) -> Error {
        match stop {
            Stop::Operator(error) => error,
            Stop::Trapped(message) => Error::user(format!("function `{}` cannot {what}: {message}", self.name())),
        }
    }

    fn name(&self) -> &str {
        self.info().map_or("", |info| info.name.as_str())
    }
}

fn row_number(row_count: usize) -> std::result::Result<u32, Stop> {
    u32::try_from(row_count).map_err(|_| Stop::Operator(Error::internal("a batch has 4 billion rows")))
}

fn unknown_function(plugin: &Plugin, name: &str) -> String {
    let names: Vec<&str> = plugin.functions().iter().map(|f| f.name.as_str()).collect();
    let nearest = names.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
    let hint = match nearest {
        Some(nearest) if strsim::jaro(nearest, name) > 0.7 => format!("; did you mean `{nearest}`?"),
        _ => String::new(),
    };
    format!("the plugin has no function `{name}`; it has {}{hint}", names.join(", "))
}

fn guest_problems(problems: Vec<String>, limits: &Limits) -> Vec<String> {
    let count = problems.len();
    let mut shown: Vec<String> = problems
        .into_iter()
        .take(limits.problems_max)
        .map(|problem| sanitise(&problem, limits.message_bytes_max))
        .collect();
    if count > shown.len() {
        shown.push(format!("and {} problems more", count - shown.len()));
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
