//! Generated rows at another parallelism.

use std::path::Path;

use crate::entry::Entry;
use crate::source::{ConfiguredSource, Poll, Source, SplitState};
use crate::test_reading::{Alarm, rows_of};

fn open(connector: &str, settings: serde_json::Value) -> Box<dyn Source> {
    let entry = Entry::<ConfiguredSource>::find(connector).unwrap();
    (entry.configure)(settings, Path::new("/")).unwrap().source
}

/// Polls each split of a run `polls` times, one after another as workers may do; returns the rows, and the checkpoint.
fn run(source: &dyn Source, splits: Vec<SplitState>, polls: usize) -> (Vec<(u64, String)>, Vec<SplitState>) {
    let mut rows = Vec::new();
    let read = |mut state: SplitState| {
        if state.has_ended {
            return state;
        }
        let mut reader = source.open(&state.split, state.position.as_ref(), Alarm::new().waker()).unwrap();
        // Splits are not equally fast.
        for _ in 0..polls + state.split.0.len() % 2 {
            match reader.poll().unwrap() {
                Poll::Rows(batch) => rows.extend(rows_of(&source.schema(), &batch)),
                Poll::End => state.has_ended = true,
                other => panic!("{other:?}"),
            }
        }
        state.position = Some(reader.position());
        state
    };
    let checkpoint = splits.into_iter().map(read).collect();
    (rows, checkpoint)
}

/// Goal: whatever the parallelism before and after a checkpoint, each row comes once. Method: every pair of parallelisms; the second
/// run is interrupted too.
#[test]
fn a_resume_at_another_parallelism_reads_the_other_rows() {
    let generator = serde_json::json!({ "rows": 1_000, "batch_rows": 37, "columns": { "n": { "sequence": {} } } });
    let bids = serde_json::json!({ "table": "bid", "events": 1_000, "batch_rows": 46 });
    let preloaded = serde_json::json!({ "table": "bid", "events": 1_000, "batch_rows": 46, "preload": true });
    for (connector, settings) in [("generator", generator), ("nexmark", bids), ("nexmark", preloaded)] {
        let whole = {
            let source = open(connector, settings.clone());
            let splits = source.resume_splits(1, Vec::new()).unwrap();
            run(&*source, splits, 1_000).0
        };
        for before in [1, 2, 3, 7] {
            for after in [1, 2, 3, 7] {
                let first = open(connector, settings.clone());
                let splits = first.splits(before).unwrap().into_iter().map(SplitState::new).collect();
                let (mut rows, mut checkpoint) = run(&*first, splits, 2);
                for polls in [1, 1_000] {
                    // The state of a checkpoint survives the way to another process.
                    let kept = serde_json::to_string(&checkpoint).unwrap();
                    let second = open(connector, settings.clone());
                    let splits = second.resume_splits(after, serde_json::from_str(&kept).unwrap()).unwrap();
                    let (more, next) = run(&*second, splits, polls);
                    rows.extend(more);
                    checkpoint = next;
                }
                rows.sort();
                assert!(rows == whole, "{connector}, {before} to {after}: {} of {} rows", rows.len(), whole.len());
                assert!(checkpoint.iter().all(|state| state.has_ended));
            }
        }
    }
}
