//! `flowgate job records`.

use std::path::PathBuf;

use flowgate_api::record::RecordedCall;
use flowgate_base::error::Result;
use flowgate_worker::figures;

use super::args::JobRecords;
use super::listing;
use super::save::save;
use crate::{columns, terminal};

pub(super) fn run(args: &JobRecords) -> Result<()> {
    let session = args.shown.target.session()?;
    if let Some(id) = &args.save {
        let into = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{id}.json")));
        let bytes = save(&session.client, &session.path(&["jobs", &args.job, "records", id])?, &into)?;
        let shown = into.display();
        return terminal::print(&format!("{shown}: {bytes}; `flowgate plugin replay {shown}` shows it\n"));
    }
    let records: Vec<RecordedCall> = session.client.list(&session.path(&["jobs", &args.job, "records"])?, args.most)?;
    let none = format!("every call of the plugins of {} was answered", args.job);
    listing::print(&records, args.shown.json, &none, |cells| table(&records, cells))
}

fn table(records: &[RecordedCall], cells: Option<u16>) -> String {
    let row = |of: &RecordedCall| {
        vec![
            of.id.clone(),
            listing::time(of.at_ms),
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
