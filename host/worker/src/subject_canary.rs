//! What a canary has found, as the protocol has it.

use std::time::Duration;

use flowgate::running;
use flowgate_control::canary::{CanaryReport, ColumnDifference, Difference, DifferenceKind, FailedRows, Said};

/// Returns a report as the protocol has it.
pub(crate) fn report(operator: &str, of: running::CanaryReport) -> CanaryReport {
    let nanos =
        |took: running::Took| took.per_row().map(|time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    CanaryReport {
        operator: operator.into(),
        calls: of.calls,
        rows: of.rows,
        equal: of.equal,
        differ: of.differ,
        new_failed: of.new_failed,
        old_failed: of.old_failed,
        reasons: of.reasons.into_iter().map(|(reason, rows)| FailedRows { reason, rows }).collect(),
        keys: of.keys,
        state_differs: of.state_differs,
        skipped_slow: of.skipped_slow,
        skipped_large: of.skipped_large,
        old_row_ns: nanos(of.old_took),
        new_row_ns: nanos(of.new_took),
        differences: of.differences.into_iter().map(difference).collect(),
        notes: of.notes,
        ended: of.ended,
    }
}

fn difference(of: running::CanaryDifference) -> Difference {
    let (kind, name) = match of.of {
        running::DifferenceOf::Output(name) => (DifferenceKind::Rows, name),
        running::DifferenceOf::State(name) => (DifferenceKind::State, name),
        running::DifferenceOf::Timers => (DifferenceKind::Timers, String::new()),
    };
    let column = |of: running::ColumnDifference| ColumnDifference { column: of.column, old: of.old, new: of.new };
    Difference {
        worker: of.worker,
        kind,
        name,
        given: of.given,
        old: said(of.old),
        new: said(of.new),
        columns: of.columns.into_iter().map(column).collect(),
    }
}

fn said(of: running::Said) -> Said {
    match of {
        running::Said::Rows(rows) => Said { rows, failed: None },
        running::Said::Failed(why) => Said { rows: 0, failed: Some(why) },
    }
}
