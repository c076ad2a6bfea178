//! The process function.

use flowgate_sdk::{
    AnyValue, Context, DataType, Failure, Field, FromConfig, Process, Row, State, Timer, Timestamp, Value,
};

use crate::config::{AlertConfig, rules};
use crate::rule::{Active, Change, Rule};

/// An alert that was raised or cleared; the row's other columns are forwarded with it.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(passthrough)]
pub struct Notice<'a> {
    /// The rule's name.
    pub rule: &'a str,
    /// The rule's severity.
    pub severity: &'a str,
    /// `raised` or `cleared`.
    pub state: &'a str,
    /// The value with which it was raised or cleared.
    pub value: f64,
    /// When the value crossed the threshold, or came back.
    pub since: Timestamp,
}

/// The state of a key.
#[derive(Debug, State)]
pub struct AlertState {
    /// The rules that are waiting or raised; `None` where there are none.
    active: Value<Vec<Active>>,
}

/// Rules about the values of each key.
#[derive(Debug)]
pub struct Alert {
    rules: Vec<Rule>,
    /// The position, among the chosen columns, of the column that each rule reads.
    positions: Vec<usize>,
    /// The columns to choose; that of the time is the last, if there is one.
    columns: Vec<String>,
    has_time: bool,
}

impl FromConfig for Alert {
    type Config = AlertConfig;

    fn from_config(config: AlertConfig) -> Result<Self, Failure> {
        let rules = rules(&config).map_err(|problems| Failure::new(problems.join("; ")))?;
        let mut columns: Vec<String> = Vec::new();
        let mut positions = Vec::new();
        for rule in &rules {
            let known = columns.iter().position(|column| *column == rule.column);
            positions.push(known.unwrap_or(columns.len()));
            if known.is_none() {
                columns.push(rule.column.clone());
            }
        }
        let has_time = config.time.is_some();
        columns.extend(config.time);
        Ok(Alert { rules, positions, columns, has_time })
    }
}

/// Raises an alert when a value goes beyond a threshold, and clears it when the value has come back.
///
/// Each rule watches a column of each key by itself. Between the threshold and `clear` nothing changes, so that a value that
/// wavers around the threshold does not flicker. With `for`, the value must stay beyond the threshold for that time. Rows without
/// a value, and NaN, do not count.
#[flowgate_sdk::process]
impl Process for Alert {
    type Row<'a> = ();
    type State = AlertState;
    type Output = Notice<'static>;

    fn on_row(&self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        for (rule, position) in self.rules.iter().zip(&self.positions) {
            let value = match ctx.chosen(*position) {
                AnyValue::Float64(value) if !value.is_nan() => value,
                AnyValue::Int64(value) => value as f64,
                _ => continue,
            };
            let active = ctx.state.active.get().and_then(|all| all.iter().find(|active| active.tag == rule.tag));
            if rule.concerns(active, value) {
                let active = active.copied();
                let at = self.time(ctx)?;
                if let Some(change) = rule.change(active, value, at) {
                    self.apply(rule, change, value, at, ctx);
                }
            }
        }
        Ok(())
    }

    fn on_timer(&self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        // A timer of a rule that the job no longer has, or whose `for` was changed.
        let Some(rule) = self.rules.iter().find(|rule| rule.tag == timer.tag) else { return Ok(()) };
        let all = ctx.state.active.get();
        let active = all.and_then(|all| all.iter().find(|active| active.tag == rule.tag && !active.raised)).copied();
        if let Some(active) = active.filter(|active| rule.due(active.since) == timer.time) {
            keep(ctx, Active { raised: true, ..active });
            ctx.emit(notice(rule, "raised", active.value, active.since));
        }
        Ok(())
    }

    fn choose(&self, inputs: &[Vec<Field>]) -> Result<Vec<Vec<Field>>, Vec<String>> {
        let mut problems = Vec::new();
        let mut chosen = Vec::new();
        for (position, column) in self.columns.iter().enumerate() {
            let is_time = self.has_time && position + 1 == self.columns.len();
            match choice(column, is_time, &inputs[0]) {
                Ok(field) => chosen.push(field),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(vec![chosen]) } else { Err(problems) }
    }
}

/// Returns the column of this name, if it is of the right type.
fn choice(column: &str, is_time: bool, offered: &[Field]) -> Result<Field, String> {
    let Some(field) = offered.iter().find(|field| field.name == column) else {
        let columns: Vec<String> = offered.iter().map(Field::to_string).collect();
        let wanted_by = if is_time { "`time` names" } else { "a rule watches" };
        return Err(format!(
            "{wanted_by} the column `{column}`, and there is none; the input has {}",
            columns.join(", ")
        ));
    };
    match (is_time, field.data_type) {
        (true, DataType::Timestamp) | (false, DataType::Float64 | DataType::Int64) => Ok(field.clone()),
        (true, other) => Err(format!("the time `{column}` is {other}: name a timestamp column")),
        (false, other) => Err(format!("a rule watches `{column}`, which is {other}: it can watch float64 and int64")),
    }
}

impl Alert {
    /// Returns the time of the row.
    fn time(&self, ctx: &Context<'_, Self>) -> Result<Timestamp, Failure> {
        if !self.has_time {
            return Ok(ctx.processing_time());
        }
        let position = self.columns.len() - 1;
        match ctx.chosen(position) {
            AnyValue::Timestamp(time) => Ok(time),
            _ => Err(Failure::new(format!(
                "`{}` has no value: a row that raises or clears an alert must have a time",
                self.columns[position]
            ))),
        }
    }

    /// Returns the timer that raises the alert when `for` has passed: the only one of its key and rule.
    fn timer(&self, rule: &Rule, active: &Active) -> Timer {
        let due = rule.due(active.since);
        if self.has_time { Timer::event_time(due, rule.tag) } else { Timer::processing_time(due, rule.tag) }
    }

    fn apply(&self, rule: &Rule, change: Change, value: f64, at: Timestamp, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Wait(active) => {
                ctx.timers.set(self.timer(rule, &active));
                keep(ctx, active);
            }
            Change::GoOn(active) => keep(ctx, active),
            Change::Rest(active) => {
                ctx.timers.clear(self.timer(rule, &active));
                forget(ctx, rule.tag);
            }
            Change::Raise(active) => {
                if rule.hold_ms > 0 {
                    ctx.timers.clear(self.timer(rule, &active));
                }
                keep(ctx, active);
                ctx.emit(notice(rule, "raised", active.value, active.since));
            }
            Change::RaiseAndClear(active) => {
                ctx.timers.clear(self.timer(rule, &active));
                forget(ctx, rule.tag);
                ctx.emit(notice(rule, "raised", active.value, active.since));
                ctx.emit(notice(rule, "cleared", value, at));
            }
            Change::Clear(_) => {
                forget(ctx, rule.tag);
                ctx.emit(notice(rule, "cleared", value, at));
            }
        }
    }
}

fn notice<'a>(rule: &'a Rule, state: &'a str, value: f64, since: Timestamp) -> Notice<'a> {
    Notice { rule: &rule.name, severity: &rule.severity, state, value, since }
}

/// Stores the state of a rule.
fn keep(ctx: &mut Context<'_, Alert>, active: Active) {
    ctx.state.active.update(|all| {
        let mut all = all.unwrap_or_default();
        all.retain(|other| other.tag != active.tag);
        all.push(active);
        all
    });
}

/// Removes the state of a rule that is at rest.
fn forget(ctx: &mut Context<'_, Alert>, tag: u64) {
    let mut all = ctx.state.active.get().cloned().unwrap_or_default();
    all.retain(|other| other.tag != tag);
    if all.is_empty() {
        ctx.state.active.clear();
    } else {
        ctx.state.active.set(all);
    }
}
