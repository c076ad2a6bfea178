//! `flowgate checkpoint show`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value, json};

use super::checkpoint_list::{bytes_in_all, what};
use super::checkpoint_record::{bytes, judge, micros};
use super::checkpoint_store::{Chosen, Opened, StoreName};
use super::{columns, terminal};
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_base::shown;
use flowgate_checkpoint::{Checkpoint, Slot};
use flowgate_control::explain::words;
use flowgate_worker::figures::whole;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate checkpoint show ./checkpoints
  flowgate checkpoint show ./checkpoints 12
  flowgate checkpoint show ./checkpoints --json | jq .sources

Without N, the newest complete checkpoint is shown, from which `flowgate run --resume` continues. Rows of slots are those that are \
stored: a row that changed is in several deltas. `flowgate state read` shows what they result in.";

/// Arguments of `flowgate checkpoint show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The store.
    #[command(flatten)]
    store: StoreName,
    /// The number of the checkpoint, as `flowgate checkpoint list` shows it.
    #[arg(value_name = "N")]
    number: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShowArgs) -> Result<()> {
    let opened = Opened::open(&args.store)?;
    let chosen = opened.choose(args.number)?;
    let records = judge(&opened)?;
    let standing = records.iter().find(|record| record.entry.number == chosen.manifest.number);
    let note = standing.map(|record| record.standing.note()).filter(|note| !note.is_empty());
    if args.json {
        let shown = as_json(&chosen, note.as_deref());
        return terminal::print(&format!("{}\n", shown::json(&format!("{shown:#}"))));
    }
    terminal::print(&text(&chosen, note.as_deref(), clock::now_ms(), terminal::width()))
}

/// What a checkpoint has of a slot.
struct Stored<'a> {
    slot: &'a Slot,
    rows: u64,
    bytes: u64,
}

/// Returns the slots of a checkpoint by operator, with what is stored of them.
fn stored(checkpoint: &Checkpoint) -> Vec<Stored<'_>> {
    let slots: BTreeSet<&Slot> = checkpoint.files.iter().flat_map(|file| &file.slots).collect();
    let of = |slot| {
        let (mut rows, mut bytes) = (0, 0);
        for file in &checkpoint.files {
            for block in file.blocks.iter().filter(|block| file.slot_of(block) == slot) {
                rows += block.rows;
                bytes += block.length;
            }
        }
        Stored { slot, rows, bytes }
    };
    slots.into_iter().map(of).collect()
}

fn text(chosen: &Chosen, note: Option<&str>, now_ms: i64, cells: Option<u16>) -> String {
    let Chosen { manifest, checkpoint } = chosen;
    let stats = &checkpoint.stats;
    let age = words::length(now_ms.saturating_sub(manifest.time_ms));
    let some = |count: u64, what: &str| format!("{} {what}{}", whole(count), if count == 1 { "" } else { "s" });
    let mut text = format!(
        "{} {} of job {}, {} ({age} ago)\n",
        shown::one_line(&what(manifest), 256),
        manifest.number,
        shown::one_line(&manifest.job, 256),
        words::time(manifest.time_ms)
    );
    if let Some(note) = note {
        text += &format!("note: {}\n", shown::one_line(note, 1_024));
    }
    text += &format!(
        "attempt {}, {}, {}, tick {}\n",
        manifest.attempt,
        some(checkpoint.parallelism.into(), "worker"),
        some(checkpoint.key_groups.into(), "key group"),
        checkpoint.tick
    );
    text += &format!(
        "added {} with {} in {} (alignment {}, longest pause {}{}); in all {} with {}\n",
        bytes(stats.bytes),
        some(stats.rows, "row"),
        micros(stats.duration_us),
        micros(stats.alignment_us),
        micros(stats.pause_us),
        stats.held_by.as_ref().map_or_else(String::new, |by| format!(", held by {}", shown::one_line(by, 256))),
        some(checkpoint.files.len() as u64, "file"),
        bytes(bytes_in_all(checkpoint)),
    );
    let mut table = |head: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let (head, rows) = columns::without_empty(head, rows);
            text += &format!("\n{}", columns::table(&head, &rows, cells));
        }
    };
    table(&["operator", "kind", "slot", "rows", "bytes"], operators(checkpoint));
    table(&["source", "split", "position", "event time", "ended"], sources(checkpoint));
    let sinks = checkpoint.sinks.iter();
    let committed = sinks.flat_map(|(sink, of)| of.iter().map(move |value| vec![sink.clone(), value.to_string()]));
    table(&["sink", "to commit"], committed.collect());
    let file = |file: &flowgate_checkpoint::DataFile| {
        let rows = file.blocks.iter().map(|block| block.rows).sum();
        vec![file.path.clone(), whole(rows), bytes(file.bytes)]
    };
    table(&["file", "rows", "bytes"], checkpoint.files.iter().map(file).collect());
    text
}

/// Returns a row for each slot.
fn operators(checkpoint: &Checkpoint) -> Vec<Vec<String>> {
    let row = |Stored { slot, rows, bytes: size }: Stored<'_>| {
        vec![slot.operator.clone(), slot.kind.clone(), slot.slot.clone(), whole(rows), bytes(size)]
    };
    stored(checkpoint).into_iter().map(row).collect()
}

fn sources(checkpoint: &Checkpoint) -> Vec<Vec<String>> {
    let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".into(), Value::to_string);
    let mut rows = Vec::new();
    for (source, splits) in &checkpoint.sources {
        for split in splits {
            let ended = if split.ended { "yes" } else { "-" };
            let position = text(&split.position);
            rows.push(vec![source.clone(), split.split.clone(), position, text(&split.event_time), ended.into()]);
        }
    }
    rows
}

fn as_json(chosen: &Chosen, note: Option<&str>) -> Value {
    let Chosen { manifest, checkpoint } = chosen;
    let stored = stored(checkpoint);
    let slots = |operator: &str| -> Vec<Value> {
        let of = stored.iter().filter(|stored| stored.slot.operator == operator);
        of.map(|Stored { slot, rows, bytes }| {
            json!({ "kind": slot.kind, "slot": slot.slot, "rows": rows, "bytes": bytes })
        })
        .collect()
    };
    let names: BTreeSet<&str> = checkpoint.operators.iter().map(|record| record.name.as_str()).collect();
    let names = names.into_iter().chain(stored.iter().map(|stored| stored.slot.operator.as_str()));
    let operators = names.collect::<BTreeSet<&str>>().into_iter().map(|name| {
        let record = checkpoint.operators.iter().find(|record| record.name == name);
        json!({ "name": name, "slots": slots(name), "values": record.map(|record| &record.scalars) })
    });
    let files = checkpoint.files.iter().map(|file| {
        let rows = file.blocks.iter().map(|block| block.rows).sum::<u64>();
        json!({ "path": file.path, "bytes": file.bytes, "rows": rows, "slots": file.slots })
    });
    json!({
        "number": manifest.number,
        "time_ms": manifest.time_ms,
        "job": manifest.job,
        "attempt": manifest.attempt.to_string(),
        "savepoint": checkpoint.savepoint,
        "ended": checkpoint.ended,
        "note": note,
        "tick": checkpoint.tick,
        "key_groups": checkpoint.key_groups,
        "parallelism": checkpoint.parallelism,
        "bytes": bytes_in_all(checkpoint),
        "stats": checkpoint.stats,
        "operators": operators.collect::<Vec<_>>(),
        "sources": checkpoint.sources,
        "sinks": checkpoint.sinks,
        "files": files.collect::<Vec<_>>(),
    })
}
