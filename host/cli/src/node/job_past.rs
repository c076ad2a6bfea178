//! `flowgate job history` and `flowgate job checkpoints`.

use std::time::Duration;

use flowgate_api::job::{Event, StoredCheckpoint};
use flowgate_base::clock;
use flowgate_base::error::Result;

use super::args::JobPast;
use super::{json, listing};
use crate::{columns, terminal};
use flowgate_worker::figures;

pub(super) fn history(args: &JobPast) -> Result<()> {
    let session = args.shown.target.session()?;
    let events: Vec<Event> = session.client.list(&session.path(&["jobs", &args.job, "history"])?, args.most)?;
    if args.shown.json {
        return json::print(&events);
    }
    let row = |event: &Event| {
        // Nobody: the node or the job itself. The cell is empty.
        let by = event.by.clone().unwrap_or_default();
        vec![event.number.to_string(), listing::time(event.at_ms), event.kind.clone(), by, event.text.clone()]
    };
    let (head, rows) = columns::without_empty(&["event", "time", "what", "by", ""], events.iter().map(row).collect());
    terminal::print(&columns::table(&head, &rows, terminal::width()))
}

pub(super) fn checkpoints(args: &JobPast) -> Result<()> {
    let session = args.shown.target.session()?;
    let path = session.path(&["jobs", &args.job, "checkpoints"])?;
    let checkpoints: Vec<StoredCheckpoint> = session.client.list(&path, args.most)?;
    let none = format!("{} has no checkpoints in the store that the node keeps for it", args.job);
    listing::print(&checkpoints, args.shown.json, &none, |cells| stored(&checkpoints, clock::now_ms(), cells))
}

fn stored(checkpoints: &[StoredCheckpoint], now_ms: i64, cells: Option<u16>) -> String {
    let row = |of: &StoredCheckpoint| {
        vec![
            of.number.to_string(),
            listing::time(of.at_ms),
            listing::since(of.at_ms, now_ms),
            of.savepoint.as_ref().map_or_else(|| "checkpoint".into(), |name| format!("savepoint {name}")),
            figures::bytes(of.bytes),
            figures::took(Duration::from_micros(of.duration_us)),
        ]
    };
    let head = ["number", "time", "age", "what", "added", "duration"];
    columns::table(&head, &checkpoints.iter().map(row).collect::<Vec<_>>(), cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn savepoints_are_known_by_their_names() {
        let of = |number, savepoint: Option<&str>| StoredCheckpoint {
            number,
            at_ms: 0,
            bytes: 1_500,
            duration_us: 4_200,
            savepoint: savepoint.map(String::from),
        };
        let wanted = "\
number  time                  age  what               added   duration
     8  1970-01-01 00:00:00Z  5s   savepoint upgrade  1.5 kB  4.2ms
     7  1970-01-01 00:00:00Z  5s   checkpoint         1.5 kB  4.2ms
";
        assert_eq!(stored(&[of(8, Some("upgrade")), of(7, None)], 5_000, None), wanted);
    }
}
