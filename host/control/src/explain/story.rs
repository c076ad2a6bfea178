//! The way to an explanation.

use super::explanation::{Cause, Explanation, Finding};
use super::words::{clock, counted, length, time};
use super::{backpressure, source, tables, watermark};
use crate::status::{Activity, Deliveries, Kind, Operator, Pending, Phase, Status};

/// The time without rows after which something counts as quiet, in milliseconds.
pub(super) const QUIET_MS: i64 = 10_000;

/// Maximum operators of which the reason is told. A person reads no more, and the thread of a connection has a small stack.
const OPERATORS_MAX: usize = 20;

/// The time without rows after which something that is full does not emit at all, in milliseconds.
pub(super) const PAUSE_MS: i64 = 1_000;

/// Returns why nothing comes out of an operator; `None` if the job has no operator of that name.
pub fn explain(status: &Status, operator: &str) -> Option<Explanation> {
    let operator = status.operator(operator)?;
    let mut story = Story {
        status,
        findings: Vec::new(),
        told: Vec::new(),
        links: Vec::new(),
        aligned: Vec::new(),
        splits_of: Vec::new(),
    };
    story.phase(operator);
    story.output(operator);
    story.reason(operator);
    let tables = tables::of(&story, operator);
    Some(Explanation { operator: operator.name.clone(), findings: story.findings, tables })
}

/// What has been found so far.
pub(super) struct Story<'a> {
    pub(super) status: &'a Status,
    findings: Vec<Finding>,
    /// Operators whose reason was told: paths through a graph meet again.
    told: Vec<&'a str>,
    /// The way of a watermark that is held back, from the operator up.
    pub(super) links: Vec<watermark::Link>,
    /// Sources of which was told that they wait for others.
    pub(super) aligned: Vec<&'a str>,
    /// Sources whose splits are shown.
    pub(super) splits_of: Vec<&'a Operator>,
}

impl<'a> Story<'a> {
    pub(super) fn add(&mut self, cause: Cause, operator: &Operator, text: String) {
        self.findings.push(Finding { cause, operator: operator.name.clone(), text });
    }

    /// How long ago a time of the clock was.
    pub(super) fn ago(&self, ms: i64) -> String {
        length(self.status.now_ms.saturating_sub(ms))
    }

    /// Since when something has been so: `for 3m 20s, since 14:02:11Z`.
    pub(super) fn since(&self, ms: i64) -> String {
        format!("for {}, since {}", self.ago(ms), clock(ms))
    }

    pub(super) fn is_quiet(&self, last_ms: Option<i64>) -> bool {
        self.is_older(last_ms, QUIET_MS)
    }

    /// Whether something was last so more than `ms` milliseconds ago, or never.
    pub(super) fn is_older(&self, last_ms: Option<i64>, ms: i64) -> bool {
        last_ms.is_none_or(|last| self.status.now_ms.saturating_sub(last) > ms)
    }

    fn phase(&mut self, operator: &Operator) {
        let text = match (self.status.phase, &self.status.error) {
            (Phase::Running, _) => return,
            (Phase::Failing, Some(error)) => {
                format!("The job has failed with {} and ends: {}.", error.code, error.message)
            }
            (Phase::Failing, None) => "The job has failed and ends.".into(),
            (Phase::Stopping, _) => {
                "The job was stopped: its sources read nothing more, and open windows emit nothing.".into()
            }
            (Phase::Draining, _) => {
                "The job is drained: its sources read nothing more, and open windows emit their results.".into()
            }
        };
        self.add(Cause::Ending, operator, text);
    }

    /// What comes out of it.
    fn output(&mut self, of: &Operator) {
        let name = &of.name;
        let (cause, text) = match (of.kind, of.last_row_out_ms) {
            (Kind::Sink, _) => return self.sink(of),
            (Kind::Source, _) => return,
            (_, None) => (Cause::Silent, format!("`{name}` has emitted nothing so far.")),
            (_, Some(last)) => {
                let cause = if self.is_quiet(of.last_row_out_ms) { Cause::Silent } else { Cause::Emits };
                let text = format!(
                    "`{name}` has emitted {}, the last one {} ago.",
                    counted(of.rows_out, "row"),
                    self.ago(last)
                );
                (cause, text)
            }
        };
        self.add(cause, of, text);
    }

    fn sink(&mut self, sink: &Operator) {
        let (name, deliveries) = (&sink.name, sink.deliveries.unwrap_or_default());
        let mut text = match deliveries.delivered {
            0 => format!("`{name}` has delivered no row."),
            delivered => format!("`{name}` has delivered {}.", counted(delivered, "row")),
        };
        if deliveries.waiting > 0 {
            text += &format!(" {}.", waiting(deliveries));
        }
        let cause = if deliveries.waiting > 0 { Cause::SinkFull } else { Cause::Emits };
        self.add(if sink.rows_in == 0 { Cause::Silent } else { cause }, sink, text);
        if deliveries.waiting > 0 && deliveries.delivered == 0 && deliveries.retrying == 0 {
            let text = "A file that replaces a previous one shows its rows at the end of the job, all at once.";
            self.add(Cause::AtTheEnd, sink, text.into());
        }
    }

    /// Why nothing comes out of it, or nothing more.
    pub(super) fn reason(&mut self, of: &'a Operator) {
        if self.told.contains(&of.name.as_str()) {
            return;
        }
        if self.told.len() >= OPERATORS_MAX {
            let text = format!("The way to the cause is long: `flowgate job explain {}` goes on from here.", of.name);
            return self.add(Cause::NothingArrives, of, text);
        }
        self.told.push(&of.name);
        if of.kind == Kind::Source {
            return source::reason(self, of);
        }
        if backpressure::reason(self, of) {
            return;
        }
        if of.rows_in == 0 {
            self.add(Cause::NothingArrives, of, format!("No row has arrived at `{}`.", of.name));
            return self.inputs(of);
        }
        self.losses(of);
        if of.rows_in <= of.errors + of.late {
            return;
        }
        let arrived = counted(of.rows_in - of.errors - of.late, "row");
        match of.kind {
            Kind::Source => {}
            Kind::Transform | Kind::Lookup if of.rows_out == 0 => {
                let text = format!("It has returned none of the {arrived} that arrived: it drops all of them.");
                self.add(Cause::Filtered, of, text);
            }
            Kind::Transform | Kind::Lookup | Kind::Select | Kind::Union | Kind::Sink => self.if_quiet(of),
            Kind::EventTimeWindow => self.window(of),
            Kind::ProcessingTimeWindow => self.processing_time(of, "window"),
            Kind::GlobalWindow { early } => {
                let also = if early { ", apart from the results of its trigger" } else { "" };
                let text =
                    format!("`{}` is one window over all rows: it emits at the end of its input{also}.", of.name);
                self.add(Cause::AtTheEnd, of, text);
            }
            Kind::RowWindow { rows } if of.rows_out == 0 => {
                let text = format!(
                    "A window emits after {} of one key; {arrived} of all keys have arrived.",
                    counted(rows, "row")
                );
                self.add(Cause::TooFewRows, of, text);
            }
            Kind::RowWindow { .. } => self.if_quiet(of),
            Kind::Join => self.join(of, &arrived),
            Kind::Process => self.process(of, &arrived),
        }
    }

    /// Rows that fail or are late.
    fn losses(&mut self, of: &Operator) {
        if of.errors > 0 {
            let first = of.first_error.as_deref().map_or_else(String::new, |first| format!(" The first: {first}."));
            let share = share(of.errors, of.rows_in);
            let verb = if of.errors == 1 { "has" } else { "have" };
            let what = if of.kind == Kind::Sink { "been dropped" } else { "failed" };
            self.add(Cause::Failed, of, format!("{share} that arrived at `{}` {verb} {what}.{first}", of.name));
        }
        if of.late > 0 {
            let share = share(of.late, of.rows_in);
            let verb = if of.late == 1 { "was" } else { "were" };
            let watermark = of.watermark_ms().map_or_else(String::new, |at| format!(", which is at {}", time(at)));
            let text = format!(
                "{share} that arrived at `{}` {verb} late: behind the watermark{watermark}, when the windows had closed. \
                 `max_out_of_orderness` of the source and `allowed_lateness` of the operator accept later rows.",
                of.name
            );
            self.add(Cause::Late, of, text);
        }
    }

    /// An operator that emits when rows arrive emits nothing because none arrive.
    fn if_quiet(&mut self, of: &'a Operator) {
        let last = self.last_row_in(of);
        if !self.is_quiet(last) {
            return;
        }
        if let Some(last) = last {
            let text = format!("No row has arrived at `{}` {}.", of.name, self.since(last));
            self.add(Cause::NothingArrives, of, text);
        }
        self.inputs(of);
    }

    /// When an input last emitted a row.
    fn last_row_in(&self, of: &Operator) -> Option<i64> {
        let last = |input: &crate::status::Input| self.status.operator(&input.operator).and_then(last_out);
        of.inputs.iter().filter_map(last).max()
    }

    /// Goes on with the inputs.
    fn inputs(&mut self, of: &'a Operator) {
        for input in &of.inputs {
            let Some(read) = self.status.operator(&input.operator) else { continue };
            match input.output.as_str() {
                "" if read.kind == Kind::Source || self.told.contains(&read.name.as_str()) => {}
                "" => self.output(read),
                output => {
                    let (count, what) = match output {
                        "errors" => (Some(read.errors), "failed"),
                        "late" | "late_right" => (Some(read.late), "been late"),
                        _ => (None, "gone there"),
                    };
                    if count.is_none_or(|count| count == 0) {
                        let text = format!("It reads `{}.{output}`: no row of `{}` has {what}.", read.name, read.name);
                        self.add(Cause::NothingArrives, of, text);
                    }
                    continue;
                }
            }
            self.reason(read);
        }
    }

    fn window(&mut self, of: &'a Operator) {
        let Some((pending, at)) = of.pending.and_then(|pending| Some((pending, pending.event_time_ms?))) else {
            let text =
                format!("No window of `{}` is open: those of all rows so far have emitted their results.", of.name);
            self.add(Cause::NotDue, of, text);
            return self.if_quiet(of);
        };
        // A window is due one millisecond before its end.
        let end = time(at.saturating_add(1));
        let open = if pending.count > 1 {
            format!(" ({} are open)", counted(pending.count, "window pane"))
        } else {
            String::new()
        };
        self.not_due(of, at, format!("The next window{open} ends at {end}."));
    }

    /// Something is due at an event time.
    fn not_due(&mut self, of: &'a Operator, at: i64, begin: String) {
        let text = match of.watermark_ms() {
            None => format!("{begin} No watermark has arrived yet."),
            Some(watermark) if watermark >= at => {
                format!("{begin} The watermark has reached that: results are on their way.")
            }
            Some(watermark) => {
                let distance = length(at.saturating_sub(watermark).saturating_add(1));
                format!("{begin} The watermark is at {}, {distance} before that.", time(watermark))
            }
        };
        let cause = if of.watermark_ms().is_none() { Cause::NoWatermark } else { Cause::NotDue };
        self.add(cause, of, text);
        if of.watermark_ms().is_none_or(|watermark| watermark < at) {
            watermark::reason(self, of, at);
        }
    }

    fn processing_time(&mut self, of: &'a Operator, what: &str) {
        let Some((Pending { count, .. }, at)) = of.pending.and_then(|p| Some((p, p.processing_time_ms?))) else {
            return self.if_quiet(of);
        };
        let left = length(at.saturating_sub(self.status.now_ms));
        let set = if count > 1 { format!(" of {}", super::words::whole(count)) } else { String::new() };
        let text = format!("The next {what}{set} is due by the clock at {}, in {left}.", clock(at));
        self.add(Cause::NotDue, of, text);
    }

    fn join(&mut self, of: &'a Operator, arrived: &str) {
        let sides = ["left", "right"];
        let empty = of.inputs.iter().zip(sides).filter_map(|(input, side)| {
            let read = self.status.operator(&input.operator)?;
            (input.output.is_empty() && last_out(read).is_none()).then_some((read, side))
        });
        if let Some((read, side)) = empty.collect::<Vec<_>>().first() {
            let text = format!("Its {side} input, `{}`, has had no row: no pair is possible yet.", read.name);
            self.add(Cause::NoPair, of, text);
            return self.reason(read);
        }
        if of.rows_out == 0 {
            self.add(Cause::NoPair, of, format!("{arrived} have arrived, and none has found a pair."));
        }
        if of.watermark_ms().is_some() {
            let text = "Rows without a pair, where the join emits them, wait for the watermark.".to_string();
            self.add(Cause::NotDue, of, text);
            watermark::reason(self, of, i64::MAX);
        } else {
            self.if_quiet(of);
        }
    }

    fn process(&mut self, of: &'a Operator, arrived: &str) {
        if of.rows_out == 0 {
            self.add(Cause::Filtered, of, format!("Its function has returned no row for the {arrived} that arrived."));
        }
        let pending = of.pending.unwrap_or_default();
        if pending.processing_time_ms.is_some() {
            self.processing_time(of, "timer");
        }
        match pending.event_time_ms {
            Some(at) => {
                let set = counted(pending.count, "timer");
                let verb = if pending.count == 1 { "is" } else { "are" };
                self.not_due(of, at, format!("{set} {verb} set; the first by event time is for {}.", time(at)));
            }
            None if pending.processing_time_ms.is_none() => self.if_quiet(of),
            None => {}
        }
    }
}

/// Returns what waits in a sink, without a full stop.
pub(super) fn waiting(deliveries: Deliveries) -> String {
    let verb = if deliveries.waiting == 1 { "waits" } else { "wait" };
    let mut text = format!("{} {verb} in it", counted(deliveries.waiting, "row"));
    match (deliveries.retrying, deliveries.waiting) {
        (0, _) => {}
        (1, 1) => text += " for another attempt after a failure",
        (retrying, _) => {
            text += &format!(", {} of them for another attempt after a failure", super::words::whole(retrying))
        }
    }
    text
}

/// When an operator last emitted a row; of a source, when it last read one.
pub(super) fn last_out(of: &Operator) -> Option<i64> {
    match of.kind {
        Kind::Source => of.splits.iter().filter_map(|split| split.last_row_ms).max(),
        _ => of.last_row_out_ms,
    }
}

/// Whether all splits of a source have ended.
pub(super) fn has_ended(source: &Operator) -> bool {
    source.splits_left_out == 0 && source.splits.iter().all(|split| split.activity == Activity::Ended)
}

/// Returns a part of rows: `All 5 rows`, `3 of 5 rows`, `The only row`.
fn share(part: u64, of: u64) -> String {
    match (part, of) {
        (1, 1) => "The only row".into(),
        _ if part >= of => format!("All {}", counted(of, "row")),
        _ => format!("{} of {}", super::words::whole(part), counted(of, "row")),
    }
}
