//! Sessions against a naive model in which each session keeps its rows.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use proptest::prelude::*;

use super::super::aggregate::Times;
use super::super::plan::{NewRows, Plan, WindowState};
use super::super::test_plan::{MEMORY, Row, batch, plan, results, store};
use super::SessionWindows;
use crate::dataflow::batch::Batch;
use flowgate_base::time::{EventTime, ProcessingTime};
use flowgate_wall::CallContext;

/// Key, start, end, number of rows, `final` or `corrected`.
type Result = (i64, i64, i64, i64, String);

#[derive(Debug, Clone)]
enum Step {
    Rows(Vec<Row>),
    Watermark(i64),
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((0i64..3, 0i64..90, Just(1i64)), 1..8)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(prop_oneof![rows().prop_map(Step::Rows), (0i64..120).prop_map(Step::Watermark)], 1..16)
}

/// One session of the model.
#[derive(Debug, Clone)]
struct Session {
    key: i64,
    times: Vec<i64>,
    /// Whether it, or a session that was merged into it, has emitted a result.
    emitted: bool,
    /// Whether that result was of all its rows, at its end.
    fired: bool,
}

impl Session {
    fn first(&self) -> i64 {
        *self.times.iter().min().unwrap()
    }

    fn last(&self) -> i64 {
        *self.times.iter().max().unwrap()
    }
}

struct Model {
    gap: i64,
    lateness: i64,
    watermark: Option<i64>,
    sessions: Vec<Session>,
}

impl Model {
    fn fires_at(&self, session: &Session) -> i64 {
        session.last() + self.gap - 1
    }

    fn emit(&mut self, at: usize) -> Result {
        let session = &mut self.sessions[at];
        session.fired = true;
        let mark = if std::mem::replace(&mut session.emitted, true) { "corrected" } else { "final" };
        (session.key, session.first(), session.last() + self.gap, session.times.len() as i64, mark.into())
    }

    /// Returns late rows and results.
    fn rows(&mut self, rows: &[Row]) -> (Vec<u32>, Vec<Result>) {
        let mut late = Vec::new();
        let mut touched: Vec<(i64, i64)> = Vec::new();
        for (i, (key, time, _)) in rows.iter().enumerate() {
            let is_near = |s: &Session| s.key == *key && *time < s.last() + self.gap && *time > s.first() - self.gap;
            let (near, others): (Vec<_>, Vec<_>) = self.sessions.drain(..).partition(is_near);
            self.sessions = others;
            if near.is_empty() && self.watermark.is_some_and(|w| time + self.gap - 1 + self.lateness <= w) {
                late.push(i as u32);
                continue;
            }
            let mut times: Vec<i64> = near.iter().flat_map(|s| s.times.clone()).collect();
            times.push(*time);
            // A session that has grown has not fired as it is now.
            let emitted = near.iter().any(|s| s.emitted);
            self.sessions.push(Session { key: *key, times, emitted, fired: false });
            touched.push((*key, *time));
        }
        let mut got = Vec::new();
        for at in 0..self.sessions.len() {
            let session = &self.sessions[at];
            let is_touched = touched.iter().any(|(key, time)| *key == session.key && session.times.contains(time));
            if is_touched && self.watermark.is_some_and(|w| self.fires_at(session) <= w) {
                got.push(self.emit(at));
            }
        }
        (late, got)
    }

    fn watermark(&mut self, watermark: i64) -> Vec<Result> {
        if self.watermark.is_some_and(|w| w >= watermark) {
            return Vec::new();
        }
        self.watermark = Some(watermark);
        let firing: Vec<usize> = (0..self.sessions.len())
            .filter(|at| !self.sessions[*at].fired && self.fires_at(&self.sessions[*at]) <= watermark)
            .collect();
        let got = firing.into_iter().map(|at| self.emit(at)).collect();
        let (gap, lateness) = (self.gap, self.lateness);
        self.sessions.retain(|s| (s.last() + gap - 1).saturating_add(lateness) > watermark);
        got
    }
}

fn shown(batches: &[Batch]) -> Vec<Result> {
    let mut all = Vec::new();
    for batch in batches {
        let columns = batch.gather().unwrap();
        let int = |c: usize, row: usize| columns[c].as_primitive::<Int64Type>().value(row);
        let time = |c: usize, row: usize| columns[c].as_primitive::<TimestampMillisecondType>().value(row);
        let mark = |row: usize| columns[3].as_string::<i32>().value(row).to_string();
        all.extend((0..batch.row_count()).map(|row| (int(0, row), time(1, row), time(2, row), int(4, row), mark(row))));
    }
    all.sort_unstable();
    all
}

fn sorted(mut results: Vec<Result>) -> Vec<Result> {
    results.sort_unstable();
    results
}

fn marking() -> Plan {
    Plan { marks_results: true, ..plan(&["count"]) }
}

fn add(windows: &mut SessionWindows, plan: &mut Plan, rows: &[Row]) -> (Vec<u32>, Vec<Result>) {
    let batch = batch(rows);
    let times = batch.event_time().unwrap().gather().unwrap();
    let times = Times::Each(times.as_primitive::<TimestampMillisecondType>().values());
    let context = CallContext { watermark: None, processing_time: ProcessingTime(0) };
    let added = windows.add(plan, &NewRows { batch: &batch, times, context: &context }).unwrap();
    (added.late, shown(&added.results))
}

fn advance(windows: &mut SessionWindows, plan: &mut Plan, watermark: i64) -> Vec<Result> {
    windows.advance(EventTime(watermark));
    shown(&results(windows, plan))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Goal: late rows, results, and whether a result is final or corrected, merged sessions among them. Method: random rows and
    /// watermarks, step by step against the model, with much and little memory.
    #[test]
    fn sessions_emit_the_results_of_the_model(
        gap in 1i64..20,
        lateness in prop_oneof![Just(0i64), 1i64..60],
        steps in steps(),
        memory in prop::sample::select(&MEMORY[..]),
    ) {
        let mut plan = marking();
        let mut windows = SessionWindows::new(&plan, &store(memory), gap, lateness);
        let mut model = Model { gap, lateness, watermark: None, sessions: Vec::new() };
        for step in steps.into_iter().chain([Step::Watermark(i64::MAX)]) {
            match &step {
                Step::Rows(rows) => {
                    let (late, got) = model.rows(rows);
                    prop_assert_eq!(add(&mut windows, &mut plan, rows), (late, sorted(got)), "{:?}", step);
                }
                Step::Watermark(watermark) => {
                    let got = advance(&mut windows, &mut plan, *watermark);
                    prop_assert_eq!(got, sorted(model.watermark(*watermark)), "{:?}", step);
                }
            }
        }
        prop_assert_eq!(windows.kept(), 0, "nothing is kept");
    }

    /// Goal: a reader who replaces, at each corrected result, the key's results whose windows lie within its window ends with the
    /// sessions of all rows. Method: sessions that stay open until the last row.
    #[test]
    fn corrected_results_replace_those_within_their_window(gap in 1i64..20, steps in steps()) {
        let mut plan = marking();
        let mut windows = SessionWindows::new(&plan, &store(u64::MAX), gap, 1_000);
        let mut model = Model { gap, lateness: 1_000, watermark: None, sessions: Vec::new() };
        let mut table: Vec<Result> = Vec::new();
        for step in steps.into_iter().chain([Step::Watermark(500)]) {
            let got = match &step {
                Step::Rows(rows) => {
                    model.rows(rows);
                    add(&mut windows, &mut plan, rows).1
                }
                Step::Watermark(watermark) => advance(&mut windows, &mut plan, *watermark),
            };
            for result in got {
                let within = |old: &Result| old.0 == result.0 && result.1 <= old.1 && old.2 <= result.2;
                prop_assert_eq!(table.iter().any(within), result.4 == "corrected", "{:?}", result);
                table.retain(|old| !within(old));
                table.push(result);
            }
        }
        let rows = |r: &Result| (r.0, r.1, r.2, r.3);
        let mut table: Vec<_> = table.iter().map(rows).collect();
        table.sort_unstable();
        let mut all: Vec<_> =
            model.sessions.iter().map(|s| (s.key, s.first(), s.last() + gap, s.times.len() as i64)).collect();
        all.sort_unstable();
        prop_assert_eq!(table, all);
    }
}

/// Goal: a session merged from one that has fired and one that has not fires at its end, and not when the first one would have
/// closed.
#[test]
fn merged_sessions_fire_at_their_end() {
    let mut plan = marking();
    let mut windows = SessionWindows::new(&plan, &store(u64::MAX), 12, 1_000);
    add(&mut windows, &mut plan, &[(0, 53, 1), (0, 41, 1)]);
    assert_eq!(advance(&mut windows, &mut plan, 52), [(0, 41, 53, 1, "final".to_string())]);
    assert_eq!(add(&mut windows, &mut plan, &[(0, 42, 1)]).1, [], "the watermark has not reached its end");
    assert_eq!(advance(&mut windows, &mut plan, 64), [(0, 41, 65, 3, "corrected".to_string())]);
}
