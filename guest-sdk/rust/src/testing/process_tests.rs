//! Process functions through the harness: what the loops, slots and timers do.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::testing::ProcessHarness;
use crate::{
    AnyValue, Context, DataType, Failure, Field, List, Map, Process, Row, SideOutput, SideOutputs, State, Timer,
    TimerTag, Timestamp, Value,
};

/// An instruction to the function.
#[derive(Row, Clone, Debug)]
struct Step {
    what: String,
    n: i64,
    fail: bool,
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Seen {
    value: Option<i64>,
    entries: i64,
    elements: i64,
}

#[derive(State)]
struct Everything {
    value: Value<i64>,
    map: Map<i64, i64>,
    list: List<i64>,
}

#[derive(SideOutputs)]
struct Sides {
    odd: SideOutput<Seen>,
}

#[derive(TimerTag, Clone, Copy, Debug, PartialEq)]
enum Tag {
    Once = 1,
    Again = 2,
}

#[crate::config]
struct Steps;

/// Follows the instructions of its rows.
#[crate::process]
impl Process for Steps {
    type Row<'a> = Step;
    type Other<'a> = Step;
    type State = Everything;
    type Tag = Tag;
    type Output = Seen;
    type Sides = Sides;

    fn on_row(&self, row: Step, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let state = &mut ctx.state;
        let n = row.n;
        match &*row.what {
            "set" => state.value.set(n),
            "unset" => state.value.clear(),
            "add" => state.value.update(|value| value.unwrap_or(0) + n),
            "insert" => state.map.insert(n % 4, n),
            "remove" => state.map.remove(&(n % 4)),
            "get" => drop(state.map.get(&(n % 4))),
            "double" | "double unasked" => {
                if let Some(value) = state.map.get(&(n % 4)).copied() {
                    state.map.insert(n % 4, value.wrapping_mul(2));
                }
            }
            "clear" => state.map.clear(),
            "insert, look" => {
                state.map.insert(n % 4, n);
                state.map.entries().for_each(drop);
            }
            "want, clear" => {
                state.map.want(n % 4);
                state.map.clear();
            }
            "entries" => drop(state.map.entries().count()),
            "push" => state.list.push(n),
            "empty" => state.list.clear(),
            "replace" => state.list.replace([n, n]),
            "elements" => drop(state.list.get().len()),
            "timer" => ctx.timers.set(Timer::event_time(Timestamp::from_millis(n), Tag::Once)),
            "no timer" => ctx.timers.clear(Timer::event_time(Timestamp::from_millis(n), Tag::Once)),
            "later" => ctx.timers.set(Timer::processing_time(Timestamp::from_millis(n), Tag::Again)),
            _ => {
                let seen = Seen {
                    value: state.value.get().copied(),
                    entries: state.map.entries().map(|(_, value)| *value).sum(),
                    elements: state.list.get().len() as i64,
                };
                if n % 2 == 1 {
                    ctx.sides.odd.push(seen.clone());
                }
                ctx.emit(seen);
            }
        }
        if row.fail { Err(Failure::new("told to")) } else { Ok(()) }
    }

    fn on_other(&self, row: Step, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        self.on_row(Step { n: -row.n, ..row }, ctx)
    }

    fn on_timer(&self, timer: Timer<Tag>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let fired = timer.time.as_millis();
        ctx.state.list.push(fired);
        if timer.tag == Tag::Again && fired < 100 {
            ctx.timers.set(Timer::processing_time(Timestamp::from_millis(fired + 10), Tag::Again));
        }
        Ok(())
    }

    fn prefetch(&self, row: Step, state: &mut Everything) {
        if row.what == "double" || row.what == "get" {
            state.map.want(row.n % 4);
        }
    }
}

fn step(what: &str, n: i64) -> Step {
    Step { what: what.into(), n, fail: false }
}

fn failing(what: &str, n: i64) -> Step {
    Step { fail: true, ..step(what, n) }
}

fn open() -> ProcessHarness<Steps> {
    ProcessHarness::open("{}").unwrap()
}

#[test]
fn state_is_per_key_and_lives_from_call_to_call() {
    let mut harness = open();
    let steps = [("a", step("add", 1)), ("b", step("add", 10)), ("a", step("add", 2)), ("a", step("look", 1))];
    harness.batch(0, steps).unwrap();
    harness.other("b", step("add", 3));
    harness.row("b", step("look", 0));
    let values: Vec<_> = harness.rows::<Seen>().into_iter().map(|seen| seen.value).collect();
    assert_eq!(values, [Some(3), Some(7)]);
    assert_eq!(harness.side::<Seen>("odd").len(), 1);
}

#[test]
fn a_call_of_many_rows_calls_the_host_a_few_times() {
    let mut harness = open();
    let steps =
        (0..8_000).map(|row| (row % 500, step(["add", "double", "insert", "push", "timer"][row as usize % 5], row)));
    harness.batch(0, steps).unwrap();
    // One call each to fetch values and entries; one each to write values, entries, elements and timers.
    assert_eq!(harness.host_calls(), 6);
}

#[test]
fn what_a_failed_row_wrote_is_undone() {
    let mut harness = open();
    let mut calls = vec![("set", 1), ("insert", 5), ("push", 7), ("timer", 50), ("later", 60)];
    harness.batch(0, calls.iter().map(|(what, n)| ("k", step(what, *n)))).unwrap();
    let timers = harness.timers("k");
    calls.extend([
        ("unset", 0),
        ("remove", 5),
        ("clear", 0),
        ("empty", 0),
        ("replace", 3),
        ("no timer", 50),
        ("look", 1),
    ]);
    // All rows in one call, and each in a call of its own.
    harness.batch(0, calls.iter().map(|(what, n)| ("k", failing(what, n + 4)))).unwrap();
    calls.iter().for_each(|(what, n)| harness.row("k", failing(what, *n)));
    assert_eq!(harness.failures().len(), 24);
    assert_eq!(harness.row_count(), 0);
    assert!(harness.side::<Seen>("odd").is_empty());
    assert_eq!(harness.timers("k"), timers);
    let state =
        harness.state("k", |state| (state.value.get().copied(), state.map.get(&1).copied(), state.list.get().to_vec()));
    assert_eq!(state, (Some(1), Some(5), vec![7]));
}

#[test]
fn an_entry_that_was_asked_for_and_then_cleared_stays_away() {
    let mut harness = open();
    harness.batch(0, [("k", step("insert", 5)), ("other", step("insert", 6))]).unwrap();
    // The second row fetches its own entry, and the one that the first had requested.
    harness
        .batch(0, [("k", step("want, clear", 5)), ("other", step("double unasked", 6)), ("k", step("look", 0))])
        .unwrap();
    assert_eq!(harness.rows::<Seen>()[0].entries, 0);
}

#[test]
fn timers_fire_in_order_once_and_set_others() {
    let mut harness = open();
    let steps = [step("timer", 30), step("timer", 10), step("timer", 10), step("timer", 20), step("no timer", 20)];
    harness.batch(0, steps.map(|step| ("k", step))).unwrap();
    harness.advance_watermark(Timestamp::from_millis(9));
    let elements = |harness: &mut ProcessHarness<Steps>| harness.state("k", |state| state.list.get().to_vec());
    assert!(elements(&mut harness).is_empty());
    harness.advance_watermark(Timestamp::from_millis(40));
    assert_eq!(elements(&mut harness), [10, 30]);
    // One in the past fires right after the call.
    harness.batch(0, [("k", step("timer", 5)), ("k", step("no timer", 7)), ("k", step("timer", 7))]).unwrap();
    assert_eq!(elements(&mut harness), [10, 30, 5, 7]);
    // Timers of several keys in one call: the harness and the function agree on their keys.
    harness.batch(0, [("p", step("timer", 50)), ("q", step("timer", 60)), ("p", step("timer", 70))]).unwrap();
    let calls = harness.host_calls();
    harness.advance_watermark(Timestamp::from_millis(100));
    assert_eq!(harness.host_calls() - calls, 1);
    assert_eq!(harness.state("p", |state| state.list.get().to_vec()), [50, 70]);
    assert_eq!(harness.state("q", |state| state.list.get().to_vec()), [60]);
    harness.row("other", step("later", 85));
    harness.advance_processing_time(Timestamp::from_millis(1_000));
    assert_eq!(harness.state("other", |state| state.list.get().to_vec()), [85, 95, 105]);
}

#[derive(State)]
struct Old {
    value: Value<bool>,
}

#[derive(State)]
struct Short {
    #[state(ttl = "10ms", version = 3)]
    map: Map<String, ()>,
}

#[crate::config]
struct Expiring;

/// Forwards the first row of each name within the time-to-live.
#[crate::process(name = "first-of")]
impl Process for Expiring {
    type Row<'a> = Step;
    type State = Short;

    fn on_row(&self, row: Step, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        if !ctx.state.map.contains(&row.what) {
            ctx.emit(());
            ctx.state.map.insert(row.what, ());
        }
        Ok(())
    }
}

#[test]
fn state_expires_and_left_out_parts_are_filled_in() {
    let mut harness = ProcessHarness::<Expiring>::open("{}").unwrap();
    harness.batch(0, ["x", "y", "x"].map(|name| (7, step(name, 0)))).unwrap();
    assert_eq!(harness.row_count(), 2);
    harness.advance_processing_time(Timestamp::from_millis(10));
    harness.row(7, step("x", 0));
    assert_eq!(harness.row_count(), 3);
    let spec = &<Short as State>::specs()[0];
    assert_eq!((spec.name, spec.version, spec.ttl_ms), ("map", 3, Some(10)));
    let problems = ProcessHarness::<Expiring>::open(r#"{"a": 1}"#).unwrap_err();
    assert_eq!(problems, ["the function takes no config: leave it out"]);
}

#[test]
fn stored_values_of_another_type_fail_the_call() {
    let mut harness = open();
    harness.row("k", step("set", 1));
    let mut keyed = crate::host::keyed::Keyed::new(<Old as State>::specs());
    keyed.keys = vec![vec![]];
    crate::host::keyed::swap(&mut keyed);
    let values = crate::state::optional::OptionalValues {
        present: vec![1],
        values: crate::column::batch::VarValues { offsets: vec![0, 2], data: vec![0, 0] },
    };
    crate::host::state::set_all(0, &[0], &values);
    let mut old = Old::new(1);
    old.begin(0, 0);
    assert_eq!(old.value.get(), None);
    assert!(old.check().unwrap_err().contains("the stored state of `value`"));
    crate::host::keyed::swap(&mut keyed);
}

#[derive(Row)]
struct UserKey<'a> {
    user: &'a str,
    device: i64,
}

#[crate::config]
struct Columns {
    column: String,
}

/// Returns the chosen column and the key, as text.
#[crate::process]
impl Process for Columns {
    type Row<'a> = ();
    type Key<'a> = UserKey<'a>;
    type Output = Step;

    fn on_row(&self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let key = ctx.key();
        let AnyValue::Int64(n) = ctx.chosen(0) else { return Err(Failure::new("no number")) };
        let what = format!("{}/{}", key.user, key.device);
        ctx.emit(Step { what, n, fail: false });
        Ok(())
    }

    fn choose(&self, inputs: &[Vec<Field>]) -> Result<Vec<Vec<Field>>, Vec<String>> {
        let column = inputs[0].iter().find(|field| field.name == self.column);
        Ok(vec![vec![column.ok_or_else(|| vec![format!("there is no column `{}`", self.column)])?.clone()]])
    }
}

#[derive(Row, Clone)]
struct User {
    name: String,
    device: i64,
}

#[test]
fn keys_by_position_and_chosen_columns() {
    let offered = [Field::new("a", DataType::Text, false), Field::new("n", DataType::Int64, true)];
    let open = |config| ProcessHarness::<Columns>::open_with(config, &[offered.to_vec()]);
    assert_eq!(open(r#"{"column": "x"}"#).unwrap_err(), ["there is no column `x`"]);
    let mut harness = open(r#"{"column": "n"}"#).unwrap();
    #[derive(Row)]
    struct Offered<'a> {
        a: &'a str,
        n: Option<i64>,
    }
    let key = User { name: "ada".into(), device: 3 };
    harness.row(key.clone(), Offered { a: "", n: Some(8) });
    harness.row(key, Offered { a: "", n: None });
    assert_eq!((&*harness.rows::<Step>()[0].what, harness.rows::<Step>()[0].n), ("ada/3", 8));
    assert_eq!(harness.failures(), ["no number"]);
    let problem = harness.batch(0, [("ada", Offered { a: "", n: None })]).unwrap_err();
    assert!(problem.contains("(user: text, device: int64)") && problem.contains("are (text)"), "{problem}");
}

/// The expected state of one key.
#[derive(Default, Clone)]
struct Model {
    value: Option<i64>,
    map: BTreeMap<i64, i64>,
    list: Vec<i64>,
}

impl Model {
    fn apply(&mut self, Step { what, n, .. }: &Step) {
        let n = *n;
        match &**what {
            "set" => self.value = Some(n),
            "unset" => self.value = None,
            "add" => self.value = Some(self.value.unwrap_or(0) + n),
            "insert" | "insert, look" => drop(self.map.insert(n % 4, n)),
            "remove" => drop(self.map.remove(&(n % 4))),
            "double" | "double unasked" => drop(self.map.get_mut(&(n % 4)).map(|value| *value *= 2)),
            "clear" | "want, clear" => self.map.clear(),
            "push" => self.list.push(n),
            "empty" => self.list.clear(),
            "replace" => self.list = vec![n, n],
            _ => {}
        }
    }
}

const STEPS: [&str; 16] = [
    "double unasked",
    "insert, look",
    "want, clear",
    "set",
    "unset",
    "add",
    "insert",
    "remove",
    "get",
    "double",
    "clear",
    "entries",
    "push",
    "empty",
    "replace",
    "elements",
];

proptest! {
    /// Goal: however rows are spread over keys and calls, and whichever fail, state is that of a plain model.
    #[test]
    fn state_is_that_of_a_model(
        rows in prop::collection::vec((0i64..3, 0usize..STEPS.len(), 0i64..40, prop::bool::weighted(0.3)), 1..80),
        batch in 1usize..30,
    ) {
        let mut harness = open();
        let mut models = vec![Model::default(); 3];
        let rows: Vec<(i64, Step)> =
            rows.into_iter().map(|(key, what, n, fail)| (key, Step { what: STEPS[what].into(), n, fail })).collect();
        for call in rows.chunks(batch) {
            harness.batch(0, call.to_vec()).unwrap();
            call.iter().filter(|(_, step)| !step.fail).for_each(|(key, step)| models[*key as usize].apply(step));
        }
        for (key, model) in (0i64..).zip(&models) {
            let state = harness.state(key, |state| {
                let map: BTreeMap<i64, i64> = state.map.entries().map(|(key, value)| (*key, *value)).collect();
                (state.value.get().copied(), map, state.list.get().to_vec())
            });
            prop_assert_eq!(state, (model.value, model.map.clone(), model.list.clone()));
        }
    }
}
