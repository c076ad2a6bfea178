//! The history of jobs: what happened, when, and who caused it.

use flowgate_api::job::Event;
use flowgate_base::clock;

use crate::catalog::{Catalog, CatalogError, Change, EventRecord, key};
use crate::log::log;

/// Returns the name of the sequence of a job's events.
fn sequence(tenant: &str, job: &str) -> String {
    format!("history/{tenant}/{job}")
}

/// Adds an event, and drops the oldest beyond `kept`. The log of the node has it, too.
///
/// # Errors
/// The catalog cannot be written.
pub(crate) fn add(
    change: &Change,
    (tenant, job): (&str, &str),
    kind: &str,
    by: Option<&str>,
    text: String,
    kept: u64,
) -> Result<(), CatalogError> {
    let number = change.next_number(&sequence(tenant, job))?;
    let line = log().info(if text == kind { text.clone() } else { format!("{kind}: {text}") }).tenant(tenant).job(job);
    by.into_iter().fold(line, |line, by| line.field("by", by)).write();
    let event = Event { number, at_ms: clock::now_ms(), kind: kind.into(), by: by.map(String::from), text };
    change.put(&key::numbered(tenant, job, number), &EventRecord(event))?;
    match number.checked_sub(kept) {
        Some(old) => change.remove_until::<EventRecord>(&key::of(&[tenant, job]), &key::ordered(old)),
        None => Ok(()),
    }
}

/// Removes all events of a job that is deleted.
///
/// # Errors
/// The catalog cannot be written.
pub(crate) fn remove(change: &Change, tenant: &str, job: &str) -> Result<(), CatalogError> {
    change.remove_all::<EventRecord>(&key::of(&[tenant, job]))?;
    change.forget_numbers(&sequence(tenant, job))
}

/// Returns the events of a job before the number `before`, newest first.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) fn newest(
    catalog: &Catalog,
    (tenant, job): (&str, &str),
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(String, Event)>, CatalogError> {
    let before = before.map(key::ordered);
    catalog.read(|view| {
        let newest = view.newest::<EventRecord>(&key::of(&[tenant, job]), before.as_deref())?;
        newest.take(limit).map(|record| record.map(|EventRecord(event)| (event.number.to_string(), event))).collect()
    })
}
