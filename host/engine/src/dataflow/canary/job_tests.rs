//! Whole jobs with a canary: a second version of their function, whose output is compared and goes nowhere.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::report::{CanaryReport, DifferenceOf, Said};
use super::request::{CanaryOptions, RunningCanary};
use crate::dataflow::checkpoint::begin::Beginning;
use crate::dataflow::swap::job_tests::{
    CHECKPOINTS, ENDLESS, FEW, PROCESS, SPILLS, Swaps, TRANSFORM, checkpoints, counted_by_key, each_once, number, text,
};
use crate::dataflow::swap::test_guests::{Counter, again, aggregate, join, picky, transform};
use flowgate_base::error::Result;

/// What a transform does with rows on which nothing is odd.
const SAME: &str = "(local.get $x)";

/// As long as a test waits.
const PATIENCE: Duration = Duration::from_secs(60);

fn canary(job: &Swaps, component: &[u8], share: f64) -> Result<RunningCanary> {
    let options = CanaryOptions { share, drop_state: Vec::new() };
    job.run.job.state().request_canary(&job.graph_of(component), &job.plugins, &options)
}

fn wait(canary: &RunningCanary, is_enough: impl Fn(&CanaryReport) -> bool) -> CanaryReport {
    let begun = Instant::now();
    loop {
        let report = canary.report();
        assert_eq!(report.ended, None);
        if is_enough(&report) {
            return report;
        }
        assert!(begun.elapsed() < PATIENCE, "{report:?}");
        sleep(Duration::from_millis(5));
    }
}

/// Runs a canary over all of a job until this many rows are compared.
fn compare(job: &Swaps, component: &[u8], rows: u64) -> CanaryReport {
    let canary = canary(job, component, 1.0).unwrap();
    let report = wait(&canary, |report| report.rows >= rows);
    assert_eq!(report.equal + report.differ + report.new_failed + report.old_failed, report.rows);
    assert!(
        report.calls > 0 && report.old_took.per_row().is_some() && report.new_took.per_row().is_some(),
        "{report:?}"
    );
    report
}

fn assert_equal(report: &CanaryReport) {
    assert!(report.is_equal() && report.differences.is_empty() && report.notes.is_empty(), "{report:?}");
    assert_eq!(report.equal, report.rows);
}

fn given(text: &str, column: &str) -> i64 {
    number(&serde_json::from_str::<Value>(text).unwrap(), column)
}

/// Goal: exactly the rows that differ are reported, by value, and those that only one version fails. Method: versions that differ, trap, or do
/// neither where ten divides a number.
#[test]
fn a_transform_is_compared_row_by_row() {
    for workers in [1, 2, 4] {
        let job = Swaps::start(&text(CHECKPOINTS, TRANSFORM, ENDLESS), workers, &picky(10, SAME));
        assert_equal(&compare(&job, &again(&picky(10, SAME)), 2_000));
        let report = compare(&job, &picky(10, "(i64.const -1)"), 2_000);
        assert_eq!((report.new_failed, report.old_failed), (0, 0));
        // Batches have 64 rows: each has six or seven that ten divides.
        assert!((report.differ * 10).abs_diff(report.rows) < report.rows / 10, "{report:?}");
        assert_eq!(report.differences.len(), 20);
        for difference in &report.differences {
            let x = given(&difference.given, "x");
            assert_eq!((x % 10, &difference.of), (0, &DifferenceOf::Output(String::new())));
            assert_eq!((&difference.old, &difference.new), (&Said::Rows(1), &Said::Rows(1)));
            let [y] = &difference.columns[..] else { panic!("{difference:?}") };
            assert_eq!((y.column.as_str(), y.old.clone(), y.new.as_deref()), ("y", Some(x.to_string()), Some("-1")));
        }
        let report = compare(&job, &picky(10, "unreachable"), 500);
        assert_eq!((report.differ, report.old_failed), (0, 0));
        assert!((report.new_failed * 10).abs_diff(report.rows) < report.rows / 10, "{report:?}");
        let [(reason, rows)] = &report.reasons[..] else { panic!("{report:?}") };
        assert!(reason.contains("unreachable") && *rows == report.new_failed, "{report:?}");
        assert!(matches!(&report.differences[0].new, Said::Failed(why) if why.contains("unreachable")));
        let (_, rows) = job.stop();
        each_once(&rows, workers);
        assert!(rows.iter().all(|row| number(row, "x") == number(row, "y")), "no row of a canary");
    }
}

/// Goal: rows that the version of the job fails, and the new one does not, are told apart. Method: a job whose version traps.
#[test]
fn a_version_that_repairs_rows_is_told() {
    let job = Swaps::start(&text("", TRANSFORM, ENDLESS), 1, &picky(10, "unreachable"));
    let report = compare(&job, &picky(10, SAME), 500);
    assert!(report.old_failed > 0 && report.differ + report.new_failed == 0, "{report:?}");
    assert!(matches!(&report.differences[0].old, Said::Failed(why) if why.contains("unreachable")));
    job.stop();
}

/// Goal: a version that loops costs the job nothing but its share. Method: the rows of the job go on while it loops.
#[test]
fn a_version_that_loops_does_not_hold_up_the_job() {
    let job = Swaps::start(&text(CHECKPOINTS, TRANSFORM, ENDLESS), 2, &picky(10, SAME));
    let canary = canary(&job, &picky(64, "(loop $l (result i64) (br $l))"), 1.0).unwrap();
    let (begun, rows) = (Instant::now(), job.rows_in());
    wait(&canary, |report| report.skipped_slow > 20);
    job.wait_for_rows(rows + 20_000);
    // A worker that waited for one call would take a deadline of a second for each 64 rows.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let report = canary.report();
    assert!(report.calls < 20, "{report:?}");
    drop(canary);
    let (_, rows) = job.stop();
    each_once(&rows, 2);
}

/// Goal: a process function is compared from the state that the job's version had, so that differences do not add up, and so is what it writes.
/// Method: counters by key: one that does the same, one that marks some rows, one that counts twice.
#[test]
fn a_process_function_is_compared_call_by_call_with_a_copy_of_its_state() {
    for (checkpoint, workers) in [(CHECKPOINTS, 1), ("", 2), (CHECKPOINTS, 4)] {
        let old = Counter::of(1);
        let job = Swaps::start(&text(checkpoint, PROCESS, ENDLESS), workers, &old.component());
        let report = compare(&job, &again(&old.component()), 2_000);
        assert_equal(&report);
        assert!(report.keys > 0);
        let report = compare(&job, &Counter { marks: 5, ..old }.component(), 2_000);
        assert_eq!((report.new_failed, report.old_failed, report.state_differs), (0, 0, 0));
        assert!((report.differ * 10).abs_diff(report.rows) < report.rows / 4, "{report:?}");
        for difference in &report.differences {
            assert_eq!(given(&difference.given, "x") % 10, 0);
            let [y] = &difference.columns[..] else { panic!("{difference:?}") };
            let value = |text: &Option<String>| text.as_ref().unwrap().parse::<i64>().unwrap();
            assert_eq!(value(&y.new), value(&y.old) + 5);
        }
        let report = compare(&job, &Counter { adds: 2, ..old }.component(), 2_000);
        assert_eq!((report.differ, report.state_differs), (report.rows, report.keys));
        let state = report.differences.iter().find(|of| of.of == DifferenceOf::State("v".into())).unwrap();
        let counts = [&state.columns[0].old, &state.columns[0].new].map(|value| value.clone().unwrap());
        assert!(counts[0] != counts[1] && counts.iter().all(|count| count.len() == 18), "{counts:?}");
        assert!(given(&state.given, "k") < 100);
        let (_, rows) = job.stop();
        counted_by_key(&rows, workers, &[1]);
    }
}

/// Goal: the share of a process function is of its keys, the same ones for as long as it runs. Method: the keys that are shown.
#[test]
fn a_share_of_the_keys_is_compared() {
    let job = Swaps::start(&text("", PROCESS, ENDLESS), 2, &Counter::of(1).component());
    let canary = canary(&job, &Counter::of(2).component(), 0.1).unwrap();
    job.wait_for_rows(job.rows_in() + 10_000);
    let report = wait(&canary, |report| report.rows > 200);
    let keys: std::collections::BTreeSet<i64> = report.differences.iter().map(|of| given(&of.given, "k")).collect();
    assert!(report.differ == report.rows && (1..=20).contains(&keys.len()), "{report:?}");
    // Hundred keys, of which about ten are chosen.
    assert!(report.rows < job.rows_in() / 4, "{} of {}", report.rows, job.rows_in());
    drop(canary);
    job.stop();
}

/// Goal: where slots have another version, the copied values are migrated, and a value that cannot be is told as the reason of its rows; nothing
/// of the state changes. Method: counters whose slots have versions, also with state in files.
#[test]
fn copied_state_is_migrated() {
    let spills = format!("{CHECKPOINTS}\n{SPILLS}");
    for (checkpoint, workers) in [("", 1), (CHECKPOINTS, 2), (spills.as_str(), 2)] {
        let job = Swaps::start(&text(checkpoint, PROCESS, ENDLESS), workers, &Counter::of(1).component());
        job.wait_for_rows(2_000);
        let report = compare(&job, &Counter { slot: 2, ..Counter::of(1) }.component(), 1_000);
        assert!(report.is_equal() && report.notes[0].contains("`v` is migrated from version 1 to 2"), "{report:?}");
        let picky = Counter { slot: 2, migrates_up_to: 1, ..Counter::of(1) }.component();
        let report = compare(&job, &picky, 200);
        assert!(report.new_failed > report.rows / 2, "{report:?}");
        assert!(report.reasons[0].0.contains("its state slot `v` cannot be migrated: "), "{report:?}");
        let (_, rows) = job.stop();
        counted_by_key(&rows, workers, &[1]);
    }
}

/// Goal: a join function is compared pair by pair. Method: each row has one pair, by its number.
#[test]
fn a_join_function_is_compared_pair_by_pair() {
    let of = text(CHECKPOINTS, "", ENDLESS);
    let (source, _) = of.split_once("operators:").unwrap();
    let (_, rows) = source.split_once("  rows:").unwrap();
    let operator = "operators:\n  f: { inputs: [rows, others], key: [x], join: inner, within: { before: 1s, after: 1s }, plugin: p, \
                    function: f }\nsinks:\n  out: { input: f, print: {} }\n";
    let joined = format!("{source}  others:{rows}{operator}");
    for workers in [1, 2, 4] {
        let job = Swaps::start(&joined, workers, &join(1));
        job.wait_for(2, 2_000);
        assert_equal(&compare(&job, &again(&join(1)), 1_000));
        let report = compare(&job, &join(2), 1_000);
        assert_eq!((report.differ, report.new_failed), (report.rows, 0));
        let first = &report.differences[0];
        let y = [&first.columns[0].old, &first.columns[0].new].map(|y| y.clone().unwrap().parse::<i64>().unwrap());
        assert_eq!((y[0] / 10, y[1]), (given(&first.given, "x"), y[0] + 1));
        let (_, rows) = job.stop();
        assert!(rows.iter().all(|row| number(row, "y") % 10 == 1));
    }
}

/// Goal: aggregates are compared by what they would return, also before the shuffle. Method: counts by weight, in all kinds of windows.
#[test]
fn aggregates_are_compared_by_their_results() {
    for window in ["tumbling: 1h", "session: 1h", "global: {}", "tumbling: 60 rows"] {
        for workers in [1, 2, 4] {
            let operator =
                format!("key: [k], window: {{ {window} }}, aggregate: {{ c: count(), n: \"plugin:p/f(x)\" }}");
            let job = Swaps::start(&text(CHECKPOINTS, &operator, ENDLESS), workers, &aggregate(1));
            assert_equal(&compare(&job, &again(&aggregate(1)), 500));
            let report = compare(&job, &aggregate(3), 500);
            assert_eq!((report.differ, report.new_failed), (report.rows, 0), "{window}: {report:?}");
            let first = &report.differences[0];
            let n = [&first.columns[0].old, &first.columns[0].new].map(|n| n.clone().unwrap().parse::<i64>().unwrap());
            assert!(n[1] > n[0] && (n[1] - n[0]) % 2 == 0 && given(&first.given, "k") < 100, "{first:?}");
            job.wait_for_rows(10_000);
            job.run.job.state().request_drain();
            let (_, rows) = job.end();
            assert!(rows.len() >= 100 && rows.iter().all(|row| number(row, "n") == number(row, "c")), "{window}");
        }
    }
}

/// Goal: a job emits and stores the same with a canary as without. Method: the same rows with and without, on one worker, where their order is
/// known; and the files of the last checkpoint.
#[test]
fn the_rows_and_the_checkpoint_of_a_job_are_those_of_one_without_a_canary() {
    for (operator, old, new) in [
        (TRANSFORM, transform(1), picky(10, "unreachable")),
        (PROCESS, Counter::of(1).component(), Counter { adds: 2, ..Counter::of(2) }.component()),
    ] {
        let rare = CHECKPOINTS.replace("50ms", "1h");
        let text = text(&rare, operator, FEW);
        let run = |compares: bool| {
            let job = Swaps::start(&text, 1, &old);
            let canary = compares.then(|| canary(&job, &new, 1.0).unwrap());
            if let Some(canary) = &canary {
                wait(canary, |report| report.rows > 1_000);
            }
            let (base, rows) = job.end();
            let reason = canary.map(|canary| canary.report().ended.unwrap());
            assert!(reason.is_none_or(|why| why == "the operator has ended" || why == "the job has ended"));
            let stored = checkpoints(base.path(), &text).pop().unwrap().1;
            (rows, format!("{:?} {:?}", stored.operators, stored.files))
        };
        let (plain, beside) = (run(false), run(true));
        assert_eq!(plain.0.len() as i64, FEW);
        assert!(plain.0 == beside.0, "rows differ");
        assert_eq!(plain.1, beside.1);
    }
}

/// Goal: a job that ends without a word while a canary runs is resumed as if there was none. Method: a job that fails, and goes on.
#[test]
fn a_job_that_failed_beside_a_canary_is_resumed() {
    let text = text(CHECKPOINTS, PROCESS, ENDLESS);
    let job = Swaps::start(&text, 2, &Counter::of(1).component());
    let canary = canary(&job, &Counter { adds: 2, ..Counter::of(2) }.component(), 1.0).unwrap();
    wait(&canary, |report| report.rows > 2_000);
    let number_of = || checkpoints(job.base.path(), &text).len();
    let begun = Instant::now();
    while number_of() < 3 {
        assert!(begun.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20));
    }
    job.run.job.state().fail(flowgate_base::error::Error::internal("a test"));
    let Swaps { base, run, .. } = job;
    assert!(run.job.wait().is_err());
    assert!(canary.report().ended.is_some());
    let job = Swaps::begin(base, &text, 2, Beginning::Resume);
    job.wait_for_rows(2_000);
    let (_, rows) = job.stop();
    // Counts of each key go on from what was stored, one by one.
    let mut of: std::collections::BTreeMap<i64, Vec<i64>> = std::collections::BTreeMap::new();
    rows.iter().for_each(|row| of.entry(number(row, "k")).or_default().push(number(row, "y")));
    assert!(of.values().all(|counts| counts.windows(2).all(|pair| pair[1] == pair[0] + 10)));
}

/// Goal: one canary at a time, none beside a swap, and a swap ends it; what does not fit is refused. Method: requests while others run.
#[test]
fn a_canary_ends_with_a_swap_and_is_refused_beside_another() {
    let job = Swaps::start(&text(CHECKPOINTS, PROCESS, ENDLESS), 2, &Counter::of(1).component());
    let refused = canary(&job, &Counter { slots: 2, ..Counter::of(2) }.component(), 1.0).err().unwrap();
    assert!(refused.message.contains("`--drop-state l` gives"), "{refused}");
    for share in [0.0, -0.1, 1.1, f64::NAN] {
        assert!(
            canary(&job, &Counter::of(2).component(), share).err().unwrap().message.contains("over 0 and at most 1")
        );
    }
    assert!(canary(&job, &Counter::of(1).component(), 1.0).err().unwrap().message.contains("nothing differs"));
    let first = canary(&job, &Counter::of(2).component(), 1.0).unwrap();
    let second = canary(&job, &Counter::of(3).component(), 1.0).err().unwrap();
    assert_eq!(
        (second.code, second.message.as_str()),
        (&crate::code::SWAP_BUSY, "a canary of `f` runs: end it, or wait for its end")
    );
    wait(&first, |report| report.rows > 500);
    // A swap that does not fit leaves it alone.
    job.swap(&Counter { slots: 2, ..Counter::of(2) }.component()).unwrap_err();
    assert_eq!(first.report().ended, None);
    job.swap(&Counter::of(3).component()).unwrap();
    let ended = first.report();
    assert_eq!(ended.ended.as_deref(), Some("a function of the job is swapped"));
    // The next one is compared with the version that runs now, and not ended by the one before.
    let next = canary(&job, &again(&Counter::of(3).component()), 1.0).unwrap();
    drop(first);
    assert_equal(&wait(&next, |report| report.rows > 500));
    next.end("it was ended");
    assert_eq!(next.report().ended.as_deref(), Some("it was ended"));
    let job_state = Arc::clone(job.run.job.state());
    let last = canary(&job, &Counter::of(4).component(), 1.0).unwrap();
    let late = job.graph_of(&Counter::of(5).component());
    let plugins = job.plugins.clone();
    let (_, rows) = job.stop();
    counted_by_key(&rows, 2, &[1, 3]);
    assert!(last.report().ended.is_some());
    let options = CanaryOptions { share: 1.0, drop_state: Vec::new() };
    let refused = job_state.request_canary(&late, &plugins, &options).err().unwrap();
    assert_eq!(refused.code, &crate::code::SWAP_ENDED);
}
