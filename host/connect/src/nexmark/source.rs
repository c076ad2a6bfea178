//! From a job's settings to a source.

use std::path::Path;
use std::sync::Arc;

use super::events::{Events, round_rows};
use super::preload::{PreloadKey, Replay, Supply};
use crate::blocks::{BlockSource, Blocks};
use crate::decode::{Decoding, NexmarkLines};
use crate::file::FileSource;
use crate::limits;
use crate::problem::Problem;
use crate::settings as spec;
use crate::source::Source;

/// Creates the source of a spec; the error lists all problems. Does not touch the disk and makes no rows.
pub(crate) fn source(spec: &spec::Nexmark, base: &Path) -> Result<Box<dyn Source>, Vec<Problem>> {
    let batch_rows = check(spec)?;
    let supply = match &spec.path {
        Some(path) => {
            let lines = NexmarkLines { table: spec.table, batch_rows };
            let files =
                FileSource::decoded(&spec::FileSource::text(path), base, Ok(Arc::new(lines) as Arc<dyn Decoding>))?;
            Supply::Files(Box::new(files))
        }
        None => Supply::Made(Box::new(Events::new(spec.table, spec.events, spec.rate, spec.batch_rows))),
    };
    Ok(match supply {
        supply if spec.preload => {
            let block_size = match &supply {
                Supply::Made(events) => events.block_size(),
                // A block is a batch, whatever its rows.
                Supply::Files(_) => batch_rows as u64,
            };
            let key = PreloadKey { spec: spec::Nexmark { rate: None, ..spec.clone() }, block_size, base: base.into() };
            Box::new(BlockSource::new(Replay::new(key, supply), spec.rate))
        }
        Supply::Made(events) => Box::new(BlockSource::new(*events, spec.rate)),
        Supply::Files(files) => files,
    })
}

/// Returns the checked `batch_rows`.
fn check(spec: &spec::Nexmark) -> Result<usize, Vec<Problem>> {
    let mut wrong = Vec::new();
    let batch_rows = spec.batch_rows.unwrap_or(limits::BATCH_ROWS_DEFAULT);
    let least = round_rows(spec.table);
    if !(least..=limits::BATCH_ROWS_MAX).contains(&batch_rows) {
        let message = format!(
            "`batch_rows` is {batch_rows}; it must be between {least} (the {}s of 50 events) and {}",
            spec.table.name(),
            limits::BATCH_ROWS_MAX
        );
        wrong.push(Problem::of("batch_rows", message));
    }
    if spec.events == Some(0) {
        wrong.push(Problem::of("events", "`events` is 0; it must be at least 1, or absent for no end"));
    }
    if spec.rate == Some(0) {
        wrong.push(Problem::of("rate", "`rate` is 0; it must be at least 1 event a second"));
    }
    if spec.path.is_some() {
        if spec.events.is_some() {
            wrong.push(Problem::of("events", "`events` goes with made events; those of `path` are read to the end"));
        }
        if spec.rate.is_some() {
            wrong.push(Problem::of("rate", "`rate` goes with made events, not with `path`"));
        }
    } else if spec.preload && spec.events.is_none() {
        wrong.push(Problem::of(
            "preload",
            "`preload` needs `events` (or `path`): rows without end do not go into memory",
        ));
    }
    if wrong.is_empty() { Ok(batch_rows as usize) } else { Err(wrong) }
}
