//! `flowgate state read`.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::checkpoint_store::{self, Chosen, Opened, StoreName};
use super::error::CommandError;
use super::state_row::{SlotRows, csv_line};
use super::{columns, terminal};
use flowgate_base::error::Result;
use flowgate_base::shown;
use flowgate_checkpoint::{Reader, Slot};
use flowgate_worker::figures::whole;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate state read ./checkpoints counts
  flowgate state read ./checkpoints alerts --slot rules --key sensor-7
  flowgate state read ./checkpoints sessions --key 'Berlin,42'
  flowgate state read ./checkpoints alerts --format json | jq .key
  flowgate state read ./checkpoints alerts --slot rules --format csv > rules.csv

Bytes of functions are shown as text if they are UTF-8 without control characters, else as hexadecimal digits behind `0x`. \
Sketches, sets and accumulators of plugins are always hexadecimal. The job may run meanwhile.";

/// Rows of a slot that a table shows unless the user says otherwise.
const TABLE_ROWS: u64 = 1_000;

/// Arguments of `flowgate state read`.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// The store.
    #[command(flatten)]
    store: StoreName,
    /// The operator.
    #[arg(value_name = "OPERATOR")]
    operator: String,
    /// Only this slot: its name, its kind, or both as in `value/rules`.
    #[arg(long, value_name = "NAME")]
    slot: Option<String>,
    /// Only the rows of this key. The values of several columns have commas between them; no value is `null`.
    #[arg(long, value_name = "K")]
    key: Option<String>,
    /// The number of the checkpoint. Without it, the newest complete one is read.
    #[arg(long, value_name = "N")]
    checkpoint: Option<u64>,
    /// How rows are printed: tables, a line of JSON each, or CSV of one slot.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print at most N rows of each slot. [default: 1000 in tables]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

pub(super) fn run(args: &ReadArgs) -> Result<()> {
    checkpoint_store::read(&args.store, args.checkpoint, |opened, chosen, has_printed| {
        print_state(args, opened, chosen, has_printed)
    })
}

fn print_state(args: &ReadArgs, opened: &Opened, chosen: &Chosen, has_printed: &mut bool) -> Result<()> {
    let reader = Reader::new(&opened.store, &chosen.checkpoint);
    let slots = of_operator(args, chosen, &reader)?;
    if slots.is_empty() {
        let number = chosen.manifest.number;
        terminal::message(&format!("{} has no rows of state in checkpoint {number}\n", args.operator));
        return Ok(());
    }
    if args.format == Format::Csv && slots.len() > 1 {
        let message = format!(
            "CSV has one table, and {} has several slots: name one by --slot: {}",
            args.operator,
            names(&slots)
        );
        return Err(CommandError::Arguments(message).into());
    }
    let mut output = Output { args, has_printed, key_columns: BTreeSet::new(), found: 0 };
    for slot in &slots {
        output.slot(&reader, slot)?;
    }
    output.end(chosen)
}

/// Returns the slots that the arguments name.
fn of_operator<'a>(args: &ReadArgs, chosen: &'a Chosen, reader: &Reader<'a>) -> Result<Vec<&'a Slot>> {
    let all = reader.slots();
    let mut slots: Vec<&Slot> = all.iter().copied().filter(|slot| slot.operator == args.operator).collect();
    slots.sort_unstable();
    let records = &chosen.checkpoint.operators;
    if slots.is_empty() && records.iter().all(|record| record.name != args.operator) {
        let known: BTreeSet<&str> = all.iter().map(|slot| slot.operator.as_str()).collect();
        let known = match known.is_empty() {
            true if chosen.checkpoint.ended => "none: the job has ended".into(),
            true => "none".into(),
            false => known.into_iter().collect::<Vec<_>>().join(", "),
        };
        let number = chosen.manifest.number;
        let message = format!("checkpoint {number} has no operator `{}`; those with state: {known}", args.operator);
        return Err(CommandError::Arguments(message).into());
    }
    let Some(wanted) = &args.slot else { return Ok(slots) };
    let found = matching(&slots, wanted);
    if found.is_empty() {
        let known = if slots.is_empty() { "none has rows".into() } else { names(&slots) };
        let message = format!("{} has no slot `{wanted}`; its slots: {known}", args.operator);
        return Err(CommandError::Arguments(message).into());
    }
    Ok(found)
}

/// Returns the slots of a name, or of a kind if none has the name.
fn matching<'a>(slots: &[&'a Slot], wanted: &str) -> Vec<&'a Slot> {
    let ways: [&dyn Fn(&Slot) -> bool; 3] =
        [&|slot| name(slot) == wanted, &|slot| slot.slot == wanted, &|slot| slot.kind == wanted];
    let of = |is: &dyn Fn(&Slot) -> bool| slots.iter().copied().filter(|slot| is(slot)).collect::<Vec<_>>();
    // None: the caller names those that there are.
    ways.into_iter().map(of).find(|found| !found.is_empty()).unwrap_or_default()
}

fn name(slot: &Slot) -> String {
    format!("{}/{}", slot.kind, slot.slot)
}

fn names(slots: &[&Slot]) -> String {
    slots.iter().map(|slot| name(slot)).collect::<Vec<_>>().join(", ")
}

/// Prints slots.
struct Output<'a> {
    args: &'a ReadArgs,
    has_printed: &'a mut bool,
    /// Of the slots that had rows.
    key_columns: BTreeSet<String>,
    /// The number of rows that were asked for.
    found: u64,
}

impl Output<'_> {
    fn slot(&mut self, reader: &Reader<'_>, slot: &Slot) -> Result<()> {
        let limit = match self.args.format {
            Format::Table => self.args.limit.unwrap_or(TABLE_ROWS),
            Format::Json | Format::Csv => self.args.limit.unwrap_or(u64::MAX),
        };
        let of = SlotRows::of(slot);
        let (mut head, mut table, mut count, mut is_cut) = (Vec::new(), Vec::new(), 0, false);
        for rows in reader.merged(slot) {
            let rows = rows?;
            self.key_columns.insert(of.key_columns(&rows));
            if head.is_empty() {
                head = of.head(&rows);
                if self.args.format == Format::Csv {
                    self.print(&csv_line(&head))?;
                }
            }
            let mut lines = String::new();
            for row in 0..rows.num_rows() {
                if self.args.key.as_ref().is_some_and(|key| of.key_text(&rows, row) != *key) {
                    continue;
                }
                if count == limit {
                    is_cut = true;
                    break;
                }
                count += 1;
                match self.args.format {
                    Format::Table => table.push(of.texts(&rows, row, "null")),
                    Format::Json => lines += &of.json_line(&rows, row),
                    Format::Csv => lines += &csv_line(&of.texts(&rows, row, "")),
                }
            }
            self.print(&lines)?;
            if is_cut {
                break;
            }
        }
        self.found += count;
        if self.args.format == Format::Table && count > 0 {
            let gap = if *self.has_printed { "\n" } else { "" };
            let title = shown::one_line(&name(slot), 256);
            let (rows, s) = (whole(count), if count == 1 { "" } else { "s" });
            let names: Vec<String> = head.iter().map(|name| shown::one_line(name, 256)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let table = columns::table(&names, &table, terminal::width());
            self.print(&format!("{gap}{title}: {rows} row{s}\n{table}"))?;
        }
        if is_cut && self.args.limit.is_none() {
            terminal::message(&format!("{}: the first {} rows; --limit shows more\n", name(slot), whole(limit)));
        }
        Ok(())
    }

    fn print(&mut self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        *self.has_printed = true;
        terminal::print(text)
    }

    /// Says why nothing was printed.
    fn end(self, chosen: &Chosen) -> Result<()> {
        if self.found > 0 {
            return Ok(());
        }
        let (operator, number) = (&self.args.operator, chosen.manifest.number);
        let columns =
            self.key_columns.into_iter().map(|columns| format!("`{columns}`")).collect::<Vec<_>>().join(" or ");
        let message = match &self.args.key {
            Some(key) if !columns.is_empty() => {
                format!("{operator} has no rows of the key `{key}` in checkpoint {number}; a key is {columns}\n")
            }
            _ => format!("{operator} has no rows of state in checkpoint {number}\n"),
        };
        terminal::message(&message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_named_by_name_kind_or_both() {
        let slot = |kind: &str, slot: &str| Slot {
            operator: "op".into(),
            kind: kind.into(),
            slot: slot.into(),
            pane: false,
            keys: 1,
            entries: 0,
        };
        let all = [slot("timers", "timers"), slot("value", "map"), slot("map", "seen"), slot("list", "seen")];
        let slots: Vec<&Slot> = all.iter().collect();
        let found = |wanted: &str| names(&matching(&slots, wanted));
        assert_eq!(found("seen"), "map/seen, list/seen");
        assert_eq!(found("list/seen"), "list/seen");
        assert_eq!(found("map"), "value/map");
        assert_eq!(found("list"), "list/seen");
        assert_eq!(found("x"), "");
    }
}
