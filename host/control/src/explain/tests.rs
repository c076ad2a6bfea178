//! A story for each reason why nothing comes out.

use super::{Cause, Explanation, explain};
use crate::figures::{JobFigures, Load, Traffic};
use crate::status::{
    Activity, Deliveries, EventTimeRule, HeldBy, Input, Kind, OnWorker, Operator, Pending, Phase, Split, StateFigures,
    Status,
};

/// The moment of the tests: 2026-01-01 12:00:00Z.
const NOW: i64 = 1_767_268_800_000;
const MINUTE: i64 = 60_000;

fn operator(name: &str, kind: Kind, inputs: &[&str]) -> Operator {
    let input = |text: &&str| {
        let (operator, output) = text.split_once('.').unwrap_or((text, ""));
        Input { operator: operator.into(), output: output.into() }
    };
    Operator {
        name: name.into(),
        kind,
        inputs: inputs.iter().map(input).collect(),
        rows_in: 0,
        rows_out: 0,
        errors: 0,
        late: 0,
        dropped: 0,
        first_error: None,
        last_row_out_ms: None,
        event_time: None,
        on_workers: Vec::new(),
        rows_wait_since_ms: None,
        state: StateFigures::default(),
        pending: None,
        splits: Vec::new(),
        splits_left_out: 0,
        deliveries: None,
        traffic: Traffic::default(),
        rows_wait_permille: 0,
        function: None,
        calls: None,
        timers_fired: 0,
        plugin_metrics: Vec::new(),
    }
}

fn on(worker: u32, watermark_ms: Option<i64>, held_by: Option<(u32, u32)>) -> OnWorker {
    OnWorker {
        worker,
        watermark_ms,
        activity: Activity::Active,
        watermark_moved_ms: watermark_ms.map(|_| NOW - 200_000),
        held_by: held_by.map(|(input, worker)| HeldBy { input, worker }),
        output_full_since_ms: None,
        input_full_since_ms: None,
        aligned_since_ms: None,
        load: Load::default(),
    }
}

fn split(name: &str, rows: u64, last_row_ms: Option<i64>, watermark_ms: Option<i64>) -> Split {
    Split { name: name.into(), worker: 0, activity: Activity::Active, rows, last_row_ms, watermark_ms }
}

/// A source `hits` of two files, windows `counts` of five minutes over it, and a sink `out`.
fn windowed() -> Status {
    let mut hits = operator("hits", Kind::Source, &[]);
    (hits.rows_in, hits.rows_out) = (1_500, 1_500);
    hits.event_time = Some(EventTimeRule { max_out_of_orderness_ms: 0, idle_after_ms: None });
    hits.splits = vec![
        split("a.log", 1_000, Some(NOW - 1_000), Some(NOW - MINUTE)),
        split("b.log", 500, Some(NOW - 1_000), Some(NOW - 2 * MINUTE)),
    ];
    let mut counts = operator("counts", Kind::EventTimeWindow, &["hits"]);
    counts.rows_in = 1_500;
    counts.on_workers = vec![on(0, Some(NOW - 2 * MINUTE), Some((0, 0)))];
    counts.pending = Some(Pending { count: 1, event_time_ms: Some(NOW - 1), processing_time_ms: None });
    let mut out = operator("out", Kind::Sink, &["counts"]);
    out.deliveries = Some(Deliveries::default());
    out.on_workers = vec![on(0, None, Some((0, 0)))];
    Status {
        job: "web".into(),
        job_file: None,
        pid: 1,
        since_ms: NOW - 10 * MINUTE,
        now_ms: NOW,
        phase: Phase::Running,
        workers: 1,
        operators: vec![hits, counts, out],
        checkpoint: None,
        warnings: Vec::new(),
        error: None,
        figures: JobFigures::default(),
    }
}

fn of(status: &Status, operator: &str) -> Explanation {
    explain(status, operator).expect("the operator is there")
}

fn causes(explanation: &Explanation) -> Vec<Cause> {
    explanation.findings.iter().map(|finding| finding.cause).collect()
}

fn text(explanation: &Explanation) -> String {
    explanation.findings.iter().map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_quiet_split_holds_the_watermark_back() {
    let mut status = windowed();
    status.operators[0].splits[1].last_row_ms = Some(NOW - 200_000);
    let explained = of(&status, "counts");
    assert_eq!(causes(&explained), [Cause::Silent, Cause::NotDue, Cause::Quiet]);
    assert_eq!(
        text(&explained),
        "`counts` has emitted nothing so far.\n\
         The next window ends at 2026-01-01 12:00:00Z. The watermark is at 2026-01-01 11:58:00Z, 2m before that.\n\
         The watermark waits for the split `b.log` of the source `hits`, which has had no row for 3m 20s, since 11:56:40Z. With \
         `event_time: { idle_after: 30s }`, the source would not wait for a split without rows."
    );
    let titles: Vec<&str> = explained.tables.iter().map(|table| table.title.as_str()).collect();
    assert_eq!(titles, ["rows on the way to `counts`", "the way of the watermark", "splits of `hits`"]);
    assert_eq!(explained.tables[2].rows[0][0], "b.log", "the one that holds the watermark back comes first");
}

#[test]
fn a_split_that_never_had_a_row_is_named() {
    let mut status = windowed();
    status.operators[0].splits[1] = split("b.log", 0, None, None);
    status.operators[1].on_workers = vec![on(0, None, Some((0, 0)))];
    let explained = of(&status, "counts");
    assert_eq!(causes(&explained), [Cause::Silent, Cause::NoWatermark, Cause::NeverHadRows]);
    assert!(
        text(&explained).contains("the split `b.log` of the source `hits`, which has not had a row since"),
        "{explained:?}"
    );
}

/// Goal: a chain over operators and workers ends at the split. Method: two workers; on the way, each operator is held back by another
/// worker.
#[test]
fn the_chain_goes_over_workers_to_the_split() {
    let mut status = windowed();
    status.workers = 2;
    status.operators[0].splits[1].worker = 1;
    status.operators[0].splits[1].last_row_ms = Some(NOW - MINUTE);
    let mut parse = operator("parse", Kind::Transform, &["hits"]);
    (parse.rows_in, parse.rows_out, parse.last_row_out_ms) = (1_500, 1_500, Some(NOW - 1_000));
    parse.on_workers = vec![on(0, Some(NOW - MINUTE), Some((0, 0))), on(1, Some(NOW - 2 * MINUTE), Some((0, 1)))];
    status.operators.insert(1, parse);
    status.operators[2].inputs[0].operator = "parse".into();
    status.operators[2].on_workers =
        vec![on(0, Some(NOW - 2 * MINUTE), Some((1, 1))), on(1, Some(NOW - MINUTE), Some((0, 0)))];
    let explained = of(&status, "counts");
    let links: Vec<(&str, &str, &str)> =
        explained.tables[1].rows.iter().map(|row| (row[0].as_str(), row[1].as_str(), row[4].as_str())).collect();
    assert_eq!(links, [("counts", "0", "`parse` on worker 1"), ("parse", "1", "`hits` on worker 1")]);
    assert!(text(&explained).contains("`b.log`"), "{explained:?}");
}

#[test]
fn a_window_is_far_because_the_watermark_lags_by_the_out_of_orderness() {
    let mut status = windowed();
    status.operators[0].event_time = Some(EventTimeRule { max_out_of_orderness_ms: 10 * MINUTE, idle_after_ms: None });
    status.operators[0].splits[1].watermark_ms = Some(NOW - 10 * MINUTE - 1);
    status.operators[1].on_workers = vec![on(0, Some(NOW - 10 * MINUTE - 1), Some((0, 0)))];
    let explained = of(&status, "counts");
    assert_eq!(causes(&explained), [Cause::Silent, Cause::NotDue, Cause::OutOfOrderness]);
    let text = text(&explained);
    assert!(
        text.ends_with(
            "whose newest row is of 2026-01-01 12:00:00Z; it lags that row by `max_out_of_orderness`, 10m. It is reached by a row \
             of 2026-01-01 12:10:00Z or later."
        ),
        "{text}"
    );
}

#[test]
fn idle_inputs_leave_the_watermark_where_it_is() {
    let mut status = windowed();
    status.operators[0].splits.iter_mut().for_each(|split| split.activity = Activity::Idle);
    status.operators[1].on_workers = vec![OnWorker { activity: Activity::Idle, ..on(0, Some(NOW - MINUTE), None) }];
    let explained = of(&status, "counts");
    assert_eq!(causes(&explained), [Cause::Silent, Cause::NotDue, Cause::Idle]);
    assert!(text(&explained).contains("All inputs of `counts` are idle"), "{explained:?}");
}

#[test]
fn a_slow_sink_is_found_behind_operators_that_cannot_emit() {
    let mut status = windowed();
    for of in &mut status.operators[..2] {
        let full = OnWorker { output_full_since_ms: Some(NOW - 30_000), ..on(0, None, None) };
        of.on_workers = vec![full];
    }
    status.operators[2].on_workers = vec![OnWorker { input_full_since_ms: Some(NOW - 40_000), ..on(0, None, None) }];
    status.operators[2].deliveries = Some(Deliveries { delivered: 5, waiting: 1_200, retrying: 200, retries: 7 });
    status.operators[0].splits.iter_mut().for_each(|split| split.last_row_ms = Some(NOW - 30_000));
    for name in ["hits", "counts"] {
        let explained = of(&status, name);
        assert_eq!(explained.findings.last().map(|finding| finding.cause), Some(Cause::SinkFull), "{explained:?}");
        let text = text(&explained);
        let says = "cannot emit its rows for 30s, since 11:59:30Z: the sink `out` delivers slower than rows come. 1,200 rows wait in \
                    it, 200 of them for another attempt after a failure.";
        assert!(text.ends_with(says), "{text}");
    }
    status.operators[0].splits[0].last_row_ms = Some(NOW);
    let says = text(&of(&status, "hits"));
    assert!(
        says.starts_with("`hits` emits rows only as fast as they are taken, for 30s, since 11:59:30Z: the sink"),
        "{says}"
    );
}

/// The limit of rows in flight stops the source before the sink is full.
#[test]
fn a_sink_that_holds_the_rows_in_flight_is_found() {
    let mut status = windowed();
    status.operators[0].on_workers = vec![OnWorker { output_full_since_ms: Some(NOW - 5_000), ..on(0, None, None) }];
    status.operators[2].deliveries = Some(Deliveries { waiting: 20_000, ..Deliveries::default() });
    assert_eq!(causes(&of(&status, "hits")), [Cause::SinkFull]);
}

#[test]
fn an_operator_that_takes_rows_slower_than_they_come_is_named() {
    let mut status = windowed();
    status.operators[0].on_workers = vec![OnWorker { output_full_since_ms: Some(NOW - 5_000), ..on(0, None, None) }];
    let explained = of(&status, "hits");
    assert_eq!(causes(&explained), [Cause::OperatorSlow]);
    assert!(text(&explained).ends_with("`counts` takes them slower than they come."), "{explained:?}");
}

#[test]
fn all_rows_were_late() {
    let mut status = windowed();
    (status.operators[1].late, status.operators[1].pending) = (1_500, None);
    let explained = of(&status, "counts");
    assert_eq!(causes(&explained), [Cause::Silent, Cause::Late]);
    assert!(text(&explained).contains("All 1,500 rows that arrived at `counts` were late"), "{explained:?}");
}

#[test]
fn all_rows_failed() {
    let mut status = windowed();
    let mut parse = operator("parse", Kind::Transform, &["hits"]);
    (parse.rows_in, parse.errors) = (1_500, 1_500);
    parse.first_error = Some("a.log:1: no method".into());
    status.operators.insert(1, parse);
    status.operators[2] = operator("counts", Kind::EventTimeWindow, &["parse"]);
    let explained = of(&status, "counts");
    assert_eq!(causes(&explained), [Cause::Silent, Cause::NothingArrives, Cause::Silent, Cause::Failed]);
    assert!(
        text(&explained)
            .ends_with("All 1,500 rows that arrived at `parse` have failed. The first: a.log:1: no method.")
    );
}

#[test]
fn a_function_that_drops_all_rows_is_named() {
    let mut status = windowed();
    let mut only = operator("only", Kind::Transform, &["hits"]);
    only.rows_in = 1_500;
    status.operators.insert(1, only);
    let explained = of(&status, "only");
    assert_eq!(causes(&explained), [Cause::Silent, Cause::Filtered]);
    assert!(text(&explained).contains("none of the 1,500 rows that arrived"), "{explained:?}");
}

#[test]
fn a_source_at_its_end_and_one_without_rows_say_so() {
    let mut status = windowed();
    status.operators[0].splits.iter_mut().for_each(|split| split.activity = Activity::Ended);
    assert_eq!(text(&of(&status, "hits")), "The source `hits` has been read to its end: 1,500 rows.");
    status.operators[0].rows_in = 0;
    status.operators[0].splits = vec![split("a.log", 0, None, None), split("b.log", 0, None, None)];
    status.operators[1].rows_in = 0;
    let explained = of(&status, "out");
    assert_eq!(
        causes(&explained),
        [Cause::Silent, Cause::NothingArrives, Cause::Silent, Cause::NothingArrives, Cause::NeverHadRows]
    );
    assert!(text(&explained).ends_with("has not had a row since the job was started, in none of its 2 splits."));
}

#[test]
fn a_source_waits_for_another_that_is_behind() {
    let mut status = windowed();
    let mut slow = operator("slow", Kind::Source, &[]);
    slow.event_time = Some(EventTimeRule { max_out_of_orderness_ms: 0, idle_after_ms: Some(30_000) });
    slow.splits = vec![split("0", 9, Some(NOW - 20_000), Some(NOW - 5 * MINUTE))];
    status.operators.insert(1, slow);
    status.operators[0].on_workers = vec![OnWorker { aligned_since_ms: Some(NOW - 15_000), ..on(0, None, None) }];
    let explained = of(&status, "hits");
    assert_eq!(causes(&explained), [Cause::Aligned, Cause::Quiet]);
    let text = text(&explained);
    assert!(
        text.contains("waits for `slow`, which is behind in event time, for 15s, since 11:59:45Z.")
            && text.ends_with("no row for 30s."),
        "{text}"
    );
}

#[test]
fn timers_and_results_by_the_clock_say_when_they_are_due() {
    let mut status = windowed();
    status.operators[1].kind = Kind::Process;
    status.operators[1].pending =
        Some(Pending { count: 3, event_time_ms: Some(NOW), processing_time_ms: Some(NOW + 5_000) });
    let explained = of(&status, "counts");
    assert_eq!(
        causes(&explained),
        [Cause::Silent, Cause::Filtered, Cause::NotDue, Cause::NotDue, Cause::OutOfOrderness]
    );
    let said = text(&explained);
    assert!(said.contains("The next timer of 3 is due by the clock at 12:00:05Z, in 5s."), "{said}");
    assert!(said.contains("3 timers are set; the first by event time is for 2026-01-01 12:00:00Z."), "{said}");
}

#[test]
fn a_join_with_an_input_that_is_empty_goes_on_there() {
    let mut status = windowed();
    let mut right = operator("right", Kind::Source, &[]);
    right.splits = vec![split("0", 0, None, None)];
    let mut pairs = operator("pairs", Kind::Join, &["hits", "right"]);
    pairs.rows_in = 1_500;
    status.operators.splice(1..2, [right, pairs]);
    let explained = of(&status, "pairs");
    assert_eq!(causes(&explained), [Cause::Silent, Cause::NoPair, Cause::NeverHadRows]);
    assert!(text(&explained).contains("Its right input, `right`, has had no row"), "{explained:?}");
}

#[test]
fn a_side_output_without_rows_is_no_mystery() {
    let mut status = windowed();
    status.operators.push(operator("lost", Kind::Sink, &["counts.late"]));
    let explained = of(&status, "lost");
    assert!(text(&explained).ends_with("It reads `counts.late`: no row of `counts` has been late."), "{explained:?}");
}

#[test]
fn what_emits_at_the_end_alone_says_so() {
    let mut status = windowed();
    status.operators[1].kind = Kind::GlobalWindow { early: false };
    assert_eq!(causes(&of(&status, "counts")), [Cause::Silent, Cause::AtTheEnd]);
    status.operators[1].kind = Kind::RowWindow { rows: 10_000 };
    assert_eq!(causes(&of(&status, "counts")), [Cause::Silent, Cause::TooFewRows]);
}

#[test]
fn an_operator_that_emits_is_not_accused() {
    let mut status = windowed();
    (status.operators[1].rows_out, status.operators[1].last_row_out_ms) = (12, Some(NOW - 2_000));
    let explained = of(&status, "counts");
    assert_eq!(explained.findings[0].cause, Cause::Emits);
    assert_eq!(explained.findings[0].text, "`counts` has emitted 12 rows, the last one 2s ago.");
    assert!(explain(&status, "nothing").is_none());
}

/// Goal: a graph of any depth is explained on the small stack of a connection. Method: a chain of operators without rows.
#[test]
fn a_long_chain_ends_before_the_stack_does() {
    let mut status = windowed();
    status.operators[0].rows_in = 0;
    let names: Vec<String> = (0..5_000).map(|number| format!("o{number}")).collect();
    let chain = names.windows(2).map(|two| operator(&two[1], Kind::Select, &[&two[0]]));
    status.operators = [operator("o0", Kind::Select, &["hits"])].into_iter().chain(chain).collect();
    let thread = std::thread::Builder::new().stack_size(crate::limits::STACK_BYTES);
    let explained = thread.spawn(move || of(&status, "o4999")).unwrap().join().unwrap();
    let last = explained.findings.last().unwrap();
    assert!(last.text.ends_with("`flowgate job explain o4979` goes on from here."), "{last:?}");
}

/// Two sources cannot wait for each other, but their figures are not of the same moment.
#[test]
fn sources_that_seem_to_wait_for_each_other_are_told_once() {
    let mut status = windowed();
    let waits = OnWorker { aligned_since_ms: Some(NOW - 15_000), ..on(0, None, None) };
    status.operators[0].on_workers = vec![waits.clone()];
    status.operators[0].splits = vec![split("0", 1, Some(NOW - 20_000), None)];
    let twin = Operator { name: "twin".into(), ..status.operators[0].clone() };
    status.operators.insert(1, twin);
    assert_eq!(causes(&of(&status, "hits")), [Cause::Aligned, Cause::Aligned]);
}

/// Goal: no state of a job makes an explanation fail or go in circles. Method: every kind, with and without rows, in a ring.
#[test]
fn a_graph_that_cannot_be_is_explained_too() {
    let kinds = [
        Kind::Source,
        Kind::Transform,
        Kind::EventTimeWindow,
        Kind::ProcessingTimeWindow,
        Kind::GlobalWindow { early: true },
        Kind::RowWindow { rows: 0 },
        Kind::Join,
        Kind::Lookup,
        Kind::Process,
        Kind::Union,
        Kind::Sink,
    ];
    for kind in kinds {
        for rows in [0, 3] {
            let mut status = windowed();
            let mut ring = operator("ring", kind, &["ring", "gone", "counts.late"]);
            ring.rows_in = rows;
            ring.on_workers = vec![on(3, Some(i64::MAX), Some((9, 3))), on(4, None, None)];
            ring.pending =
                Some(Pending { count: 0, event_time_ms: Some(i64::MAX), processing_time_ms: Some(i64::MIN) });
            status.operators.push(ring);
            assert!(!of(&status, "ring").findings.is_empty(), "{kind:?}");
        }
    }
}
