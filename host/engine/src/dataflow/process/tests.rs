//! The operator with guests of a few lines: the firing of timers, the effects of a failed call, columns that pass through.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int64Array, TimestampMillisecondArray};
use proptest::prelude::*;

use super::arrangement::Arrangement;
use super::firing::FIRINGS_MAX;
use super::keyed::ProcessState;
use super::operator::{Parts, ProcessOperator, Side, timer_schema};
use crate::dataflow::batch::Batch;
use crate::dataflow::dead_letter::DeadLetters;
use crate::dataflow::engine::{Operator, Outputs, Route, Tick};
use crate::dataflow::job_state::JobState;
use crate::dataflow::message::{Envelope, Message};
use crate::dataflow::metrics::NodeMetrics;
use crate::dataflow::quotas::Rate;
use crate::dataflow::watermark::Signal;
use crate::job::graph::{PairColumn, PairOutput, Read};
use crate::job::spec::OnError;
use flowgate_base::error::Result;
use flowgate_base::id::Worker;
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_base::time::EventTime;
use flowgate_state::store::{JobStores, StateStore};
use flowgate_wall::binding::OpenRequest;
use flowgate_wall::{CompileIn, Function, Limits, Plugins, Settings};

/// A guest for which each row is an instruction: `x` has the tag in bits 0 and 1, whether to clear in bit 2, the clock in bit 3
/// (0: event time), and the time in the rest. It returns no row for a row, and one row for each timer. A timer with the tag 3
/// sets one with the tag 2, 5 ms later. A timer with the tag 1 and the time 666 traps; so does a row of -1, after it set one.
pub(super) const TIMERS: &str = r#"
    (import "flowgate:plugin/timers@0.1.0" "set" (func $set (param i32 i32)))
    (import "flowgate:plugin/timers@0.1.0" "clear" (func $clear (param i32 i32)))
    (memory $memory 100)
    (func $timer (param $key i32) (param $clock i32) (param $time i64) (param $tag i64)
        (i32.store (i32.const 512) (local.get $key))
        (i32.store8 (i32.const 516) (local.get $clock))
        (i64.store (i32.const 520) (local.get $time))
        (i64.store (i32.const 528) (local.get $tag)))
    (func $batch (param i32 i32 i32 i32) (param $keys i32) (param i32) (param $rows i32) (param $columns i32) (param i32)
            (result i32)
        (local $i i32) (local $x i64)
        (block $done (loop $next
            (br_if $done (i32.eq (local.get $i) (local.get $rows)))
            (local.set $x (i64.load
                (i32.add (i32.load offset=4 (local.get $columns)) (i32.mul (local.get $i) (i32.const 8)))))
            (call $timer
                (i32.load (i32.add (local.get $keys) (i32.mul (local.get $i) (i32.const 4))))
                (i32.and (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 3))) (i32.const 1))
                (i64.shr_s (local.get $x) (i64.const 4))
                (i64.and (local.get $x) (i64.const 3)))
            (if (i32.and (i32.wrap_i64 (local.get $x)) (i32.const 4))
                (then (call $clear (i32.const 512) (i32.const 1)))
                (else (call $set (i32.const 512) (i32.const 1))))
            (if (i64.eq (local.get $x) (i64.const -1)) (then unreachable))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (drop (call $all (i32.const 0)))
        (i64.store (i32.const 288) (i64.const 1))
        (i32.store (i32.const 296) (i32.const 0))
        (i32.const 256))
    (func $timers (param i32 i32 i32) (param $due i32) (param $count i32) (result i32)
        (local $i i32) (local $at i32)
        (block $done (loop $next
            (br_if $done (i32.eq (local.get $i) (local.get $count)))
            (local.set $at (i32.add (local.get $due) (i32.mul (local.get $i) (i32.const 24))))
            (if (i64.eq (i64.load offset=16 (local.get $at)) (i64.const 3))
                (then
                    (call $timer (i32.load (local.get $at)) (i32.load8_u offset=4 (local.get $at))
                        (i64.add (i64.load offset=8 (local.get $at)) (i64.const 5)) (i64.const 2))
                    (call $set (i32.const 512) (i32.const 1))))
            (if (i32.and (i64.eq (i64.load offset=16 (local.get $at)) (i64.const 1))
                         (i64.eq (i64.load offset=8 (local.get $at)) (i64.const 666)))
                (then unreachable))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (i64.store (i32.const 288) (i64.const 0))
        (call $all (local.get $count)))
    ;; What is not made passes through.
    (data (i32.const 96) "\01")
"#;

/// Gives the binding two inputs instead of one.
const TWO_INPUTS: &str = r#"
    (data (i32.const 64) "\20\00\00\00\01\00\00\00\20\00\00\00\01\00\00\00")
    (data (i32.const 148) "\02") (data (i32.const 184) "\02")
"#;

const TAG_OF_CHAIN: u64 = 3;

fn instruction(time: i64, tag: u64, clear: bool, processing: bool) -> i64 {
    time << 4 | (processing as i64) << 3 | (clear as i64) << 2 | tag as i64
}

struct Harness {
    operator: ProcessOperator,
    out: Outputs,
    job: Arc<JobState>,
    metrics: Arc<NodeMetrics>,
    _plugins: Plugins,
}

impl Harness {
    /// The first input has the columns `k` and `x`, the second, if there is one, `x2` and `k2`.
    fn new(lines: &str, inputs: usize) -> Self {
        Harness::with_memory(lines, inputs, u64::MAX)
    }

    fn with_memory(lines: &str, inputs: usize, memory_bytes_max: u64) -> Self {
        Harness::within(lines, inputs, memory_bytes_max, None)
    }

    fn within(lines: &str, inputs: usize, memory_bytes_max: u64, timers: Option<Rate>) -> Self {
        let store = StateStore::new(&JobStores::new(memory_bytes_max, None, 256, 1));
        let settings = Settings { compile_in: CompileIn::ThisProcess, cache: None, ..Settings::new(Limits::default()) };
        let plugins = Plugins::with(settings).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guest.wasm");
        std::fs::write(&path, flowgate_hostile::process_plugin(lines)).unwrap();
        let request = OpenRequest {
            operator: "p".into(),
            function: "f".into(),
            config: serde_json::json!({}),
            inputs: vec![Schema::new(vec![Field::new("x", DataType::Int64)]); inputs],
            files: BTreeMap::new(),
        };
        let function = Function::open(&plugins.load(&path).unwrap(), request).unwrap();
        let metrics = Arc::new(NodeMetrics::default());
        let key_fields = vec![Field::new("k", DataType::Int64)];
        let ints = |a: &str, b: &str| Schema::new(vec![Field::new(a, DataType::Int64), Field::new(b, DataType::Int64)]);
        let letters = |schema: Schema| DeadLetters::new("p", OnError::Skip, schema, metrics.clone());
        let side = |key: usize, schema: Schema| Side {
            reads: vec![Read { column: 1 - key, widen: false }],
            key: vec![key],
            dead_letters: letters(schema),
        };
        let mut sides = vec![side(0, ints("k", "x")), side(1, ints("x2", "k2"))];
        sides.truncate(inputs);
        let keys = [vec![0], vec![1]];
        let key = if inputs == 2 { PairColumn::Key(0, 1) } else { PairColumn::Key(0, 0) };
        let mut columns = vec![key, PairColumn::Left(1), PairColumn::Made(0)];
        let mut fields =
            vec![key_fields[0].clone(), Field::nullable("x", DataType::Int64), Field::new("y", DataType::Text)];
        if inputs == 2 {
            columns.push(PairColumn::Right(0));
            fields.push(Field::nullable("x2", DataType::Int64));
        }
        let output = PairOutput { output: 0, columns };
        let parts = Parts {
            state: ProcessState::new(&function.binding().state, &store).unwrap(),
            function,
            sides,
            outputs: vec![Arrangement::new(&output, &Schema::new(fields), &keys[..inputs]).unwrap()],
            has_event_time: true,
            timer_letters: letters(timer_schema(&key_fields)),
            key_fields,
            expansion: None,
        };
        let mut job = JobState::new(1);
        job.quotas.timers = timers;
        let job = Arc::new(job);
        let operator = ProcessOperator::new(parts, metrics.clone(), job.clone());
        Harness { operator, out: Outputs::new(&[Route::Local; 2], Worker(0), 1), job, metrics, _plugins: plugins }
    }

    fn rows(&mut self, input: usize, rows: &[(i64, i64)], tick: u64) {
        let first: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)));
        let second: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)));
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from_value(7, rows.len()));
        let batch = Batch::new(vec![first, second], rows.len()).with_event_time(Some(times.into()));
        self.operator.batch(input, batch, Tick(tick), &mut self.out).unwrap();
        self.settle().unwrap();
    }

    fn watermark(&mut self, watermark: i64) -> Result<()> {
        self.operator.signal(Signal::active(EventTime(watermark)), &mut self.out)?;
        self.settle()
    }

    fn tick(&mut self, tick: u64) {
        self.operator.tick(Tick(tick), &mut self.out).unwrap();
        self.settle().unwrap();
    }

    fn end(&mut self) {
        self.operator.end(true, Tick::START, &mut self.out).unwrap();
        self.settle().unwrap();
    }

    /// Resumes the operator, as the shell does, until it no longer yields.
    fn settle(&mut self) -> Result<()> {
        while self.operator.has_yielded() {
            self.operator.resume(&mut self.out)?;
        }
        Ok(())
    }

    fn batches(&mut self, output: usize) -> Vec<Batch> {
        let batch = |sent: Envelope| if let Message::Batch(batch) = sent.message { Some(batch) } else { None };
        self.out.take(output).0.into_iter().filter_map(batch).collect()
    }

    /// Returns the rows emitted since the last call: key and event time.
    fn emitted(&mut self) -> Vec<(i64, i64)> {
        let mut emitted = Vec::new();
        for batch in self.batches(0) {
            let keys = batch.columns()[0].gather().unwrap();
            let times = batch.event_time().unwrap().gather().unwrap();
            let times = times.as_primitive::<TimestampMillisecondType>().values().to_vec();
            emitted.extend(keys.as_primitive::<Int64Type>().values().iter().copied().zip(times));
        }
        emitted
    }
}

#[derive(Debug, Clone)]
enum Step {
    Rows(Vec<(i64, i64, u64, bool)>),
    Watermark(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0i64..4, 0i64..60, 0u64..4, prop::bool::weighted(0.3));
    let step = prop_oneof![
        2 => prop::collection::vec(row, 1..20).prop_map(Step::Rows),
        1 => (0i64..12).prop_map(Step::Watermark),
    ];
    prop::collection::vec(step, 1..20)
}

/// Timers as a list: time, key, tag, in the order in which they were set.
#[derive(Default)]
struct Model {
    set: Vec<(i64, i64, u64)>,
}

impl Model {
    fn set(&mut self, timer: (i64, i64, u64)) {
        if !self.set.contains(&timer) {
            self.set.push(timer);
        }
    }

    fn fire(&mut self, up_to: i64) -> Vec<(i64, i64)> {
        let mut fired = Vec::new();
        loop {
            let (mut due, rest): (Vec<_>, Vec<_>) = self.set.drain(..).partition(|timer| timer.0 <= up_to);
            self.set = rest;
            if due.is_empty() {
                return fired;
            }
            due.sort_by_key(|timer| timer.0);
            for (time, key, tag) in due {
                fired.push((key, time));
                if tag == TAG_OF_CHAIN {
                    self.set((time + 5, key, 2));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Goal: each timer of event time fires once, in order, before the watermark is forwarded; timers in the past at once; the
    /// rest at the end (P2), also with memory for none (K2). Method: random sets, clears and watermarks, against a list.
    #[test]
    fn timers_fire_once_and_in_order(steps in steps(), enough: bool) {
        let mut harness = Harness::with_memory(TIMERS, 1, if enough { u64::MAX } else { 0 });
        let (mut model, mut watermark) = (Model::default(), None);
        for step in steps {
            let expected = match step {
                Step::Rows(rows) => {
                    let x: Vec<(i64, i64)> =
                        rows.iter().map(|(k, time, tag, clear)| (*k, instruction(*time, *tag, *clear, false))).collect();
                    harness.rows(0, &x, 1);
                    for (key, time, tag, clear) in rows {
                        if clear {
                            model.set.retain(|timer| *timer != (time, key, tag));
                        } else {
                            model.set((time, key, tag));
                        }
                    }
                    // T3: behind the watermark, at the first time that is not late.
                    let fired = watermark.map(|watermark| model.fire(watermark)).unwrap_or_default();
                    fired.into_iter().map(|(key, time)| (key, time.max(watermark.unwrap_or(time) + 1))).collect()
                }
                Step::Watermark(by) => {
                    let next = watermark.unwrap_or(0) + by;
                    watermark = Some(next);
                    harness.watermark(next).unwrap();
                    model.fire(next)
                }
            };
            prop_assert_eq!(harness.emitted(), expected);
        }
        harness.end();
        prop_assert_eq!(harness.emitted(), model.fire(i64::MAX));
        prop_assert!(model.set.is_empty());
    }
}

#[test]
fn timers_of_processing_time_fire_at_their_tick_and_not_at_the_end() {
    let mut harness = Harness::new(TIMERS, 1);
    let set = |time| instruction(time, 0, false, true);
    harness.rows(0, &[(1, set(1_000)), (2, set(900)), (3, set(5_000)), (4, set(500))], 600);
    assert_eq!(harness.emitted(), [(4, 500)], "in the past: at once");
    assert_eq!(harness.job.next_due(Tick(600)), Some(Tick(900)));
    harness.tick(899);
    assert_eq!(harness.emitted(), []);
    harness.tick(1_000);
    assert_eq!(harness.emitted(), [(2, 900), (1, 1_000)]);
    assert_eq!(harness.job.next_due(Tick(1_000)), Some(Tick(5_000)));
    harness.end();
    assert_eq!(harness.emitted(), []);
}

/// A function that sets 30 timers for one moment, 20 of which may fire a second.
fn with_paced_timers() -> Harness {
    let mut harness = Harness::within(TIMERS, 1, u64::MAX, Some(Rate::new(20.0)));
    let rows: Vec<(i64, i64)> = (0..30).map(|key| (key, instruction(100, 0, false, false))).collect();
    harness.rows(0, &rows, 1);
    harness
}

/// Goal: timers over the rate fire later, all of them and in order, and the watermark waits for them. Method: the operator alone, with the
/// clock of the machine: it is a bound from below.
#[test]
fn timers_over_the_rate_fire_later() {
    let mut harness = with_paced_timers();
    let since = Instant::now();
    harness.operator.signal(Signal::active(EventTime(100)), &mut harness.out).unwrap();
    let mut fired = harness.emitted();
    while harness.operator.has_yielded() {
        let so_far = (fired.len() as f64 - 20.0) / 20.0;
        assert!(
            since.elapsed().as_secs_f64() >= so_far - 1e-3,
            "{} have fired after {:?}",
            fired.len(),
            since.elapsed()
        );
        std::thread::sleep(std::time::Duration::from_millis(harness.operator.rests_ms().unwrap_or(0)));
        harness.operator.resume(&mut harness.out).unwrap();
        fired.extend(harness.emitted());
    }
    assert!(since.elapsed().as_secs_f64() > 0.4, "{:?}", since.elapsed());
    assert_eq!(fired, (0..30).map(|key| (key, 100)).collect::<Vec<_>>());
    assert_eq!(harness.metrics.timers_fired.load(std::sync::atomic::Ordering::Relaxed), 30);
    assert_eq!(harness.job.warnings().len(), 1, "and its author is told");
}

/// A stop does not wait for timers that are held back: they are state, and fire behind the next start.
#[test]
fn a_stop_leaves_timers_over_the_rate() {
    let mut harness = with_paced_timers();
    harness.operator.signal(Signal::active(EventTime(100)), &mut harness.out).unwrap();
    assert!(harness.operator.has_yielded() && harness.operator.rests_ms().is_some());
    harness.job.request_stop();
    harness.settle().unwrap();
    assert!((20..30).contains(&harness.emitted().len()));
}

#[test]
fn timers_that_set_each_other_without_end_fail_the_job() {
    let again = r#"
        (import "flowgate:plugin/timers@0.1.0" "set" (func $set (param i32 i32)))
        (memory $memory 100)
        (func $batch (param i32 i32 i32 i32) (param $keys i32) (param i32) (param $rows i32) (param i32 i32) (result i32)
            (i64.store (i32.const 512) (i64.const 0)) (i64.store (i32.const 520) (i64.const 5))
            (call $set (i32.const 512) (i32.const 1))
            (call $all (local.get $rows)))
        (func $timers (param i32 i32 i32) (param $due i32) (param $count i32) (result i32)
            (call $set (local.get $due) (local.get $count))
            (call $all (local.get $count)))
    "#;
    let mut harness = Harness::new(again, 1);
    harness.rows(0, &[(1, 1)], 1);
    let error = harness.watermark(10).unwrap_err();
    assert!(error.message.contains(&format!("{FIRINGS_MAX} have fired, and time does not go on")), "{error}");
}

/// Each timer sets the next one, a millisecond later, from the time 0 on.
const LATER_AND_LATER: &str = r#"
    (import "flowgate:plugin/timers@0.1.0" "set" (func $set (param i32 i32)))
    (memory $memory 100)
    (func $batch (param i32 i32 i32 i32) (param $keys i32) (param i32) (param $rows i32) (param i32 i32) (result i32)
        (i64.store (i32.const 512) (i64.const 0)) (i64.store (i32.const 520) (i64.const 0))
        (call $set (i32.const 512) (i32.const 1))
        (call $all (local.get $rows)))
    (func $timers (param i32 i32 i32) (param $due i32) (param $count i32) (result i32)
        (i64.store offset=8 (local.get $due) (i64.add (i64.load offset=8 (local.get $due)) (i64.const 1)))
        (call $set (local.get $due) (local.get $count))
        (call $all (local.get $count)))
"#;

#[test]
fn receivers_take_results_of_timers_before_there_are_more() {
    let mut harness = Harness::new(LATER_AND_LATER, 1);
    harness.rows(0, &[(1, 1)], 1);
    harness.emitted();
    harness.operator.signal(Signal::active(EventTime(99)), &mut harness.out).unwrap();
    let (mut turns, mut rows) = (1, harness.emitted().len());
    assert!(rows < 100, "{rows} rows at once");
    while harness.operator.has_yielded() {
        harness.operator.resume(&mut harness.out).unwrap();
        rows += harness.emitted().len();
        turns += 1;
    }
    assert_eq!(rows, 100);
    assert!(turns > 5, "{turns}");
}

#[test]
fn a_job_that_is_stopped_does_not_wait_for_timers_that_set_each_other() {
    let mut harness = Harness::new(LATER_AND_LATER, 1);
    harness.rows(0, &[(1, 1)], 1);
    harness.operator.signal(Signal::active(EventTime(i64::MAX / 2)), &mut harness.out).unwrap();
    assert!(harness.operator.has_yielded());
    harness.job.request_stop();
    harness.operator.resume(&mut harness.out).unwrap();
    assert!(!harness.operator.has_yielded());
    harness.operator.end(false, Tick::START, &mut harness.out).unwrap();
    assert!(!harness.operator.has_yielded());
}

#[test]
fn a_row_that_traps_leaves_no_timer_and_a_timer_that_traps_is_a_dead_letter() {
    let mut harness = Harness::new(TIMERS, 1);
    let set = |time, tag| instruction(time, tag, false, false);
    // The row of -1 sets a timer at -1 before it traps.
    harness.rows(0, &[(1, set(10, 0)), (2, -1), (3, set(666, 1)), (4, set(667, 0))], 1);
    let letters = harness.batches(1);
    assert_eq!(letters.iter().map(Batch::row_count).sum::<usize>(), 1);
    harness.watermark(1_000).unwrap();
    assert_eq!(harness.emitted(), [(1, 10), (4, 667)]);
    let letters = harness.batches(1);
    let row = letters[0].columns()[3].gather().unwrap();
    assert_eq!(row.as_string::<i32>().value(0), r#"{"k":3,"timer":"1970-01-01T00:00:00.666Z","tag":1}"#);
    assert_eq!(harness.metrics.errors.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn columns_that_the_other_input_or_a_timer_lacks_are_null() {
    let mut harness = Harness::new(TWO_INPUTS, 2);
    harness.rows(0, &[(1, 10), (2, 20)], 1);
    harness.rows(1, &[(30, 1)], 1);
    let shown: Vec<Vec<Option<i64>>> = harness
        .batches(0)
        .iter()
        .flat_map(|batch| {
            let columns = [0, 1, 3].map(|c| batch.columns()[c].gather().unwrap());
            let value = |c: &ArrayRef, row| c.is_valid(row).then(|| c.as_primitive::<Int64Type>().value(row));
            (0..batch.row_count()).map(|row| columns.iter().map(|c| value(c, row)).collect()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(shown, [vec![Some(1), Some(10), None], vec![Some(2), Some(20), None], vec![Some(1), None, Some(30)],]);
    let mut harness = Harness::new(TIMERS, 1);
    harness.rows(0, &[(9, instruction(3, 0, false, false))], 1);
    harness.watermark(3).unwrap();
    let batch = harness.batches(0).remove(0);
    assert_eq!(batch.columns()[0].gather().unwrap().as_primitive::<Int64Type>().value(0), 9);
    assert!(batch.columns()[1].gather().unwrap().is_null(0));
}

/// Goal: a storm of timers is handled in calls of bounded size. Method: a million, due all at once.
#[test]
fn a_million_timers_at_once() {
    let mut harness = Harness::new(TIMERS, 1);
    let begun = Instant::now();
    const KEYS: i64 = 1_000_000;
    for start in (0..KEYS).step_by(8_000) {
        let rows: Vec<(i64, i64)> =
            (start..start + 8_000).map(|k| (k, instruction(k * 7_919 % KEYS, 0, false, false))).collect();
        harness.rows(0, &rows, 1);
    }
    let set = begun.elapsed();
    harness.watermark(KEYS).unwrap();
    let mut count = 0;
    let mut last = -1;
    for batch in harness.batches(0) {
        assert!(batch.row_count() <= 8_192);
        let times = batch.event_time().unwrap().gather().unwrap();
        for time in times.as_primitive::<TimestampMillisecondType>().values() {
            assert!(*time > last);
            last = *time;
            count += 1;
        }
    }
    assert_eq!(count, KEYS);
    println!("{KEYS} timers: set in {set:?}, fired in {:?}", begun.elapsed() - set);
    assert!(begun.elapsed().as_secs() < 60);
}
