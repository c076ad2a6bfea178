//! `flowgate job status`.

use std::time::Duration;

use clap::Args;

use super::job_found::{self, JobName};
use super::node::session::Where;
use super::{columns, node, terminal};
use flowgate_base::error::{Error, Result};
use flowgate_base::shown;
use flowgate_control::client;
use flowgate_control::explain::words::{self, length, whole};
use flowgate_control::status::{Activity, Kind, Operator, Phase, Status};
use flowgate_worker::figures;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate job status
  flowgate job status payments
  flowgate job status 4711 --json | jq '.operators[] | {name, rows_in, rows_out}'";

/// Arguments of `flowgate job status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The job.
    #[command(flatten)]
    job: JobName,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Where the job is.
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(args: &StatusArgs) -> Result<()> {
    if let Some(session) = args.at.node()? {
        return node::job_ask::status(&session, args.job.job.as_deref(), args.json);
    }
    let job = job_found::find(&args.job)?;
    let status = client::status(&job).map_err(|error| job_found::no_answer(&job, error))?;
    if args.json {
        let text = serde_json::to_string_pretty(&status).map_err(|e| Error::internal(e.to_string()))?;
        return terminal::print(&format!("{}\n", shown::json(&text)));
    }
    terminal::print(&text(&status, terminal::width()))
}

/// Returns the state of a job as lines of at most `cells` cells, where that is possible.
pub(super) fn text(status: &Status, cells: Option<u16>) -> String {
    let phase = match status.phase {
        Phase::Running => "running",
        Phase::Stopping => "stopping",
        Phase::Draining => "draining",
        Phase::Failing => "failing",
    };
    let age = length(status.now_ms.saturating_sub(status.since_ms));
    let workers = if status.workers == 1 { "1 worker".into() } else { format!("{} workers", status.workers) };
    let mut text = format!("{}: {phase}, started {age} ago, process {}, {workers}\n", status.job, status.pid);
    if let Some(at) = status.watermark_ms().filter(|at| *at < i64::MAX) {
        let behind = length(status.now_ms.saturating_sub(at));
        text += &format!("watermark {}, {behind} behind the clock\n", words::time(at));
    }
    if let Some(last) = &status.checkpoint {
        let age = length(status.now_ms.saturating_sub(last.at_ms));
        let took = figures::took(Duration::from_micros(last.duration_us));
        text += &format!("checkpoint {}, {age} ago: {} in {took}\n", last.number, figures::bytes(last.bytes));
        if let Some(failure) = &last.failure {
            text += &format!("the next checkpoint is not complete: {}\n", shown::one_line(failure, 1_024));
        }
    }
    text.push('\n');
    let head = ["operator", "in", "out", "errors", "late", "watermark", "state", "note"];
    let rows = status.operators.iter().map(|of| row(status, of)).collect();
    let (head, rows) = columns::without_empty(&head, rows);
    text += &columns::table(&head, &rows, cells);
    for of in &status.operators {
        if let Some(first) = &of.first_error {
            text += &format!("first error of {}: {}\n", of.name, shown::one_line(first, 1_024));
        }
    }
    status.warnings.iter().for_each(|warning| text += &format!("warning: {}\n", shown::one_line(warning, 1_024)));
    if let Some(error) = &status.error {
        text += &format!("error[{}]: {}\n", error.code, shown::one_line(&error.message, 4_096));
    }
    text
}

fn row(status: &Status, of: &Operator) -> Vec<String> {
    let out = of.deliveries.map_or(of.rows_out, |deliveries| deliveries.delivered);
    let state = match of.state.memory_bytes {
        0 => "-".into(),
        bytes => format!("{}B", figures::short(bytes as f64)),
    };
    vec![
        of.name.clone(),
        whole(of.rows_in),
        whole(out),
        whole(of.errors),
        whole(of.late),
        of.watermark_ms().map_or_else(|| "-".into(), words::time),
        state,
        note(status, of),
    ]
}

/// Returns what else is worth knowing of an operator.
fn note(status: &Status, of: &Operator) -> String {
    let mut notes = Vec::new();
    let mut some = |count: u64, what: &str| {
        if count > 0 {
            notes.push(format!("{} {what}", whole(count)));
        }
    };
    if let Some(deliveries) = of.deliveries {
        some(deliveries.waiting, "waiting");
        some(deliveries.retrying, "retrying");
        some(deliveries.retries, if deliveries.retries == 1 { "retry" } else { "retries" });
    }
    if let Some(pending) = of.pending {
        let (one, more) = match of.kind {
            Kind::Process => ("timer", "timers"),
            Kind::GlobalWindow { .. } | Kind::RowWindow { .. } => ("key", "keys"),
            _ => ("open pane", "open panes"),
        };
        some(pending.count, if pending.count == 1 { one } else { more });
    }
    some(of.state.spilled_keys, "keys in files");
    some(of.dropped, "rows dropped");
    let splits = of.splits.len() as u64 + of.splits_left_out;
    let of_activity = |activity| of.splits.iter().filter(|split| split.activity == activity).count() as u64;
    if splits > 0 {
        let (idle, ended) = (of_activity(Activity::Idle), of_activity(Activity::Ended));
        some(splits, if splits == 1 { "split" } else { "splits" });
        some(idle, "idle");
        some(ended, if ended == splits { "ended: all is read" } else { "ended" });
    }
    let since =
        |at: Option<i64>, what: &str| at.map(|at| format!("{what} for {}", length(status.now_ms.saturating_sub(at))));
    let on = || of.on_workers.iter();
    notes.extend(since(on().filter_map(|on| on.output_full_since_ms).min(), "blocked"));
    notes.extend(since(on().filter_map(|on| on.input_full_since_ms).min(), "full"));
    notes.extend(since(on().filter_map(|on| on.aligned_since_ms).min(), "waits for other sources"));
    notes.join(", ")
}
