//! `flowgate job records`.

use std::path::PathBuf;

use flowgate_api::record::RecordedCall;
use flowgate_base::error::Result;
use flowgate_control::explain::words;
use flowgate_worker::figures;

use super::args::JobRecords;
use super::json;
use super::save::save;
use crate::{columns, terminal};

pub(super) fn run(args: &JobRecords) -> Result<()> {
    let session = args.target.session()?;
    if let Some(id) = &args.save {
        let into = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{id}.json")));
        let bytes = save(&session.client, &session.path(&["jobs", &args.job, "records", id])?, &into)?;
        let shown = into.display();
        return terminal::print(&format!("{shown}: {bytes}; `flowgate plugin replay {shown}` shows it\n"));
    }
    let records: Vec<RecordedCall> = session.client.list(&session.path(&["jobs", &args.job, "records"])?, args.most)?;
    if args.json {
        return json::print(&records);
    }
    if records.is_empty() {
        terminal::message(&format!("every call of the plugins of {} was answered\n", args.job));
        return Ok(());
    }
    terminal::print(&table(&records, terminal::width()))
}

fn table(records: &[RecordedCall], cells: Option<u16>) -> String {
    let row = |of: &RecordedCall| {
        vec![
            of.id.clone(),
            words::time(of.at_ms / 1_000 * 1_000),
            of.operator.clone(),
            of.function.clone(),
            of.called.clone(),
            figures::whole(of.given),
            figures::bytes(of.bytes),
            of.reason.clone(),
        ]
    };
    let head = ["id", "time", "operator", "function", "called", "given", "size", "reason"];
    columns::table(&head, &records.iter().map(row).collect::<Vec<_>>(), cells)
}
