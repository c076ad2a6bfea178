//! `flowgate checkpoint list`.

use clap::Args;
use serde_json::{Value, json};

use super::checkpoint_record::{Judged, Standing, bytes, judge, micros};
use super::checkpoint_store::{Opened, StoreName};
use super::{columns, terminal};
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_base::shown;
use flowgate_checkpoint::{Checkpoint, Manifest, Record};
use flowgate_control::explain::words;
use flowgate_worker::figures::whole;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate checkpoint list ./checkpoints
  flowgate checkpoint list s3://bucket/payments
  flowgate checkpoint list ./checkpoints --json | jq '.[] | select(.resume) | .number'

`added` are the bytes and `rows` the rows that a checkpoint wrote, `in all` are the bytes of all files that it needs. The job may run \
meanwhile.";

/// Arguments of `flowgate checkpoint list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The store.
    #[command(flatten)]
    store: StoreName,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ListArgs) -> Result<()> {
    let opened = Opened::open(&args.store)?;
    let records = judge(&opened)?;
    if args.json {
        let list: Vec<Value> = records.iter().map(as_json).collect();
        return terminal::print(&format!("{}\n", shown::json(&format!("{:#}", json!(list)))));
    }
    if records.is_empty() {
        terminal::message(&format!("{} has no checkpoints\n", args.store.store));
        return Ok(());
    }
    terminal::print(&text(&records, clock::now_ms(), terminal::width()))
}

/// Returns the table.
fn text(records: &[Judged<'_>], now_ms: i64, cells: Option<u16>) -> String {
    let head = [
        "number",
        "time",
        "age",
        "job",
        "attempt",
        "what",
        "added",
        "rows",
        "in all",
        "duration",
        "alignment",
        "pause",
        "held by",
        "note",
    ];
    let rows = records.iter().map(|record| row(record, now_ms)).collect();
    let (head, rows) = columns::without_empty(&head, rows);
    columns::table(&head, &rows, cells)
}

fn row(record: &Judged<'_>, now_ms: i64) -> Vec<String> {
    let note = record.standing.note();
    let Ok(manifest) = &record.entry.manifest else {
        let mut row = vec![String::new(); 14];
        row[0] = record.entry.number.to_string();
        (row[5], row[13]) = ("damaged".into(), note);
        return row;
    };
    let mut row = vec![
        manifest.number.to_string(),
        words::time(manifest.time_ms / 1_000 * 1_000),
        words::length(now_ms.saturating_sub(manifest.time_ms)),
        manifest.job.clone(),
        manifest.attempt.to_string(),
        what(manifest),
    ];
    match manifest.checkpoint() {
        Some(checkpoint) => {
            let stats = &checkpoint.stats;
            row.extend([
                bytes(stats.bytes),
                whole(stats.rows),
                bytes(bytes_in_all(checkpoint)),
                micros(stats.duration_us),
                micros(stats.alignment_us),
                micros(stats.pause_us),
                // An empty cell: nobody delayed it.
                stats.held_by.clone().unwrap_or_default(),
            ]);
        }
        None => row.extend(vec![String::new(); 7]),
    }
    row.push(note);
    row
}

/// Says what a record is.
pub(super) fn what(manifest: &Manifest) -> String {
    match &manifest.record {
        Record::Began { from: None } => "began fresh".into(),
        Record::Began { from: Some(from) } => format!("began from {from}"),
        Record::Gone { .. } => "gone".into(),
        Record::Checkpoint(checkpoint) => match &checkpoint.savepoint {
            Some(name) => format!("savepoint {name}"),
            None => "checkpoint".into(),
        },
    }
}

/// Returns the bytes of all files of a checkpoint.
pub(super) fn bytes_in_all(checkpoint: &Checkpoint) -> u64 {
    checkpoint.files.iter().map(|file| file.bytes).sum()
}

fn as_json(record: &Judged<'_>) -> Value {
    // A record that cannot be read is shown as damaged; its note has the error.
    let manifest = record.entry.manifest.as_ref().ok();
    let checkpoint = manifest.and_then(Manifest::checkpoint);
    let stats = checkpoint.map(|checkpoint| &checkpoint.stats);
    let kind = match manifest.map(|manifest| &manifest.record) {
        None => "damaged",
        Some(Record::Began { .. }) => "began",
        Some(Record::Gone { .. }) => "gone",
        Some(Record::Checkpoint(of)) if of.savepoint.is_some() => "savepoint",
        Some(Record::Checkpoint(_)) => "checkpoint",
    };
    let from = manifest.and_then(|manifest| match &manifest.record {
        Record::Began { from } => *from,
        _ => None,
    });
    let note = record.standing.note();
    json!({
        "number": record.entry.number,
        "time_ms": manifest.map(|manifest| manifest.time_ms),
        "job": manifest.map(|manifest| &manifest.job),
        "attempt": manifest.map(|manifest| manifest.attempt.to_string()),
        "what": kind,
        "from": from,
        "savepoint": checkpoint.and_then(|checkpoint| checkpoint.savepoint.as_deref()),
        "ended": checkpoint.is_some_and(|checkpoint| checkpoint.ended),
        "counts": record.standing.counts(),
        "resume": matches!(record.standing, Standing::Resumes | Standing::Ends),
        "damaged": matches!(record.standing, Standing::Damaged(_)),
        "note": if note.is_empty() { None } else { Some(note) },
        "bytes_added": stats.map(|stats| stats.bytes),
        "rows_added": stats.map(|stats| stats.rows),
        "bytes": checkpoint.map(bytes_in_all),
        "duration_us": stats.map(|stats| stats.duration_us),
        "alignment_us": stats.map(|stats| stats.alignment_us),
        "pause_us": stats.map(|stats| stats.pause_us),
        "held_by": stats.and_then(|stats| stats.held_by.as_deref()),
    })
}
