//! What a canary has found, for people.

use std::time::Duration;

use flowgate_base::error::Result;
use flowgate_base::shown;
use flowgate_control::canary::{CanaryReport, Difference, DifferenceKind, Said};
use flowgate_control::explain::words::whole;
use flowgate_worker::figures;

use super::error::CommandError;
use super::terminal;

/// Maximum bytes of a line of a report.
const LINE_BYTES_MAX: usize = 4_096;

/// Prints what was found. Differences are an error, so that scripts see them.
///
/// # Errors
/// The versions differ, or the output cannot be written.
pub(crate) fn conclude(report: &CanaryReport, as_json: bool) -> Result<()> {
    match as_json {
        true => {
            let json =
                serde_json::to_string(report).map_err(|e| flowgate_base::error::Error::internal(e.to_string()))?;
            terminal::print(&format!("{}\n", shown::json(&json)))?;
        }
        false => terminal::print(&text(report))?,
    }
    match report.is_equal() {
        true => Ok(()),
        false => Err(CommandError::Differs(verdict(report)).into()),
    }
}

/// Says in a line what was found so far.
pub(crate) fn progress(report: &CanaryReport) -> String {
    format!("`{}`: {} rows compared, {} differ", report.operator, whole(report.rows), whole(rows_that_differ(report)))
}

fn rows_that_differ(report: &CanaryReport) -> u64 {
    report.differ + report.new_failed + report.old_failed
}

fn verdict(report: &CanaryReport) -> String {
    let mut text = format!(
        "the new version of `{}` does something else with {} of {} rows",
        report.operator,
        whole(rows_that_differ(report)),
        whole(report.rows)
    );
    if report.state_differs > 0 {
        text += &format!(", and writes other state for {} of {} keys", whole(report.state_differs), whole(report.keys));
    }
    text
}

/// Returns a report of some lines.
pub(crate) fn text(report: &CanaryReport) -> String {
    let line = |text: &str| shown::one_line(text, LINE_BYTES_MAX);
    let mut out =
        format!("`{}`: {} rows of {} calls were compared", report.operator, whole(report.rows), whole(report.calls));
    if let Some(why) = &report.ended {
        out += &format!(" ({})", line(why));
    }
    out += "\n";
    let counts = [
        ("the same", report.equal),
        ("different rows", report.differ),
        ("failed by the new version alone", report.new_failed),
        ("failed by the version of the job alone", report.old_failed),
    ];
    for (what, count) in counts {
        out += &format!("  {:>12}  {what}\n", whole(count));
    }
    if report.keys > 0 {
        let (differ, keys) = (whole(report.state_differs), whole(report.keys));
        out += &format!("  state of {keys} keys was compared: {differ} differ\n");
    }
    if let (Some(old), Some(new)) = (report.old_row_ns, report.new_row_ns) {
        out += &format!("  a row takes {} in the version of the job, {} in the new one\n", time(old), time(new));
    }
    if report.skipped_slow > 0 {
        out += &format!("  {} calls were left out: a canary takes no more than its time\n", whole(report.skipped_slow));
    }
    if report.skipped_large > 0 {
        out += &format!("  {} calls were left out: the state of their keys is large\n", whole(report.skipped_large));
    }
    for note in &report.notes {
        out += &format!("  note: {}\n", line(note));
    }
    for failed in &report.reasons {
        out += &format!("  {} rows: {}\n", whole(failed.rows), line(&failed.reason));
    }
    if !report.differences.is_empty() {
        out += "the first differences:\n";
    }
    for difference in &report.differences {
        for text in lines_of(difference) {
            out += &format!("{}\n", line(&text));
        }
    }
    out
}

/// Returns a difference as lines: what was given, and what each version made of it, column by column.
fn lines_of(of: &Difference) -> Vec<String> {
    let what = match of.kind {
        DifferenceKind::Rows if of.name.is_empty() => String::new(),
        DifferenceKind::Rows => format!("output `{}` of ", of.name),
        DifferenceKind::State => format!("state slot `{}` of ", of.name),
        DifferenceKind::Timers => "timers of ".into(),
        DifferenceKind::Other => "something else of ".into(),
    };
    let mut lines = vec![format!("  worker {}: {what}{}", of.worker, of.given)];
    if of.old != of.new {
        lines.push(format!("    {} -> {}", said(&of.old), said(&of.new)));
    }
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
    let columns = of.columns.iter();
    lines.extend(
        columns.map(|column| format!("    {}: {} -> {}", column.column, value(&column.old), value(&column.new))),
    );
    lines
}

fn said(said: &Said) -> String {
    match (&said.failed, said.rows) {
        (Some(why), _) => format!("failed: {why}"),
        (None, 1) => "1 row".into(),
        (None, rows) => format!("{} rows", whole(rows)),
    }
}

fn time(nanos: u64) -> String {
    match nanos {
        0..10_000 => format!("{:.2}us", nanos as f64 / 1e3),
        _ => figures::took(Duration::from_nanos(nanos)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_control::canary::{ColumnDifference, FailedRows};

    fn report() -> CanaryReport {
        let column = ColumnDifference { column: "y".into(), old: Some("10".into()), new: None };
        let rows = |rows| Said { rows, failed: None };
        let difference = Difference {
            worker: 1,
            given: "{\"x\":10}".into(),
            old: rows(1),
            new: rows(0),
            columns: vec![column],
            ..Difference::default()
        };
        let failed = Difference {
            name: "big".into(),
            given: "{\"x\":20}".into(),
            new: Said { rows: 0, failed: Some("trap\u{1b}".into()) },
            ..difference.clone()
        };
        CanaryReport {
            operator: "f".into(),
            calls: 20,
            rows: 1_280,
            equal: 1_278,
            differ: 1,
            new_failed: 1,
            reasons: vec![FailedRows { reason: "trap".into(), rows: 1 }],
            keys: 7,
            state_differs: 2,
            skipped_slow: 3,
            old_row_ns: Some(1_250),
            new_row_ns: Some(12_000),
            differences: vec![difference, failed],
            ended: Some("its time is over".into()),
            ..CanaryReport::default()
        }
    }

    #[test]
    fn a_report_says_what_differs_column_by_column() {
        let text = text(&report());
        for part in [
            "`f`: 1,280 rows of 20 calls were compared (its time is over)\n",
            "         1,278  the same\n",
            "state of 7 keys was compared: 2 differ\n",
            "a row takes 1.25us in the version of the job, 12us in the new one\n",
            "3 calls were left out: a canary takes no more than its time\n",
            "  1 rows: trap\n",
            "the first differences:\n  worker 1: {\"x\":10}\n    1 row -> 0 rows\n    y: 10 -> nothing\n",
            "  worker 1: output `big` of {\"x\":20}\n    1 row -> failed: trap\\u{1b}\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn differences_are_an_error_of_their_own() {
        let equal = CanaryReport { operator: "f".into(), rows: 5, equal: 5, ..CanaryReport::default() };
        assert!(conclude(&equal, true).is_ok());
        let error = conclude(&report(), false).unwrap_err();
        let expected =
            "the new version of `f` does something else with 2 of 1,280 rows, and writes other state for 2 of 7 keys";
        assert_eq!((error.code, error.message.as_str()), (&super::super::code::CANARY_DIFFERS, expected));
        assert_eq!(super::super::exit::exit_code(&error), 1);
    }
}
