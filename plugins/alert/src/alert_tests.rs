//! Rules over rows, with a clock that the test advances.

use flowgate_sdk::testing::ProcessHarness;
use flowgate_sdk::{DataType, Field, Row, Timestamp};
use proptest::prelude::*;

use crate::{Alert, Notice};

#[derive(Row, Clone)]
struct Reading {
    celsius: Option<f64>,
    load: i64,
    time: Timestamp,
}

fn fields() -> Vec<Field> {
    vec![
        Field::new("celsius", DataType::Float64, true),
        Field::new("load", DataType::Int64, false),
        Field::new("time", DataType::Timestamp, false),
        Field::new("room", DataType::Text, false),
    ]
}

fn open(config: &str) -> ProcessHarness<Alert> {
    ProcessHarness::open_with(config, &[fields()]).unwrap()
}

fn problems(config: &str) -> Vec<String> {
    ProcessHarness::<Alert>::open_with(config, &[fields()]).unwrap_err()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn reading(celsius: f64, time: i64) -> Reading {
    Reading { celsius: Some(celsius), load: 0, time: at(time) }
}

/// Returns rule, state, value and time of every alert so far.
fn notices(harness: &ProcessHarness<Alert>) -> Vec<(String, String, f64, i64)> {
    let notices = harness.rows::<Notice>().into_iter();
    notices.map(|it| (it.rule.to_owned(), it.state.to_owned(), it.value, it.since.as_millis())).collect()
}

fn expect(harness: &ProcessHarness<Alert>, expected: &[(&str, &str, f64, i64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(rule, state, value, since)| ((*rule).to_owned(), (*state).to_owned(), *value, *since))
        .collect();
    assert_eq!(notices(harness), expected);
}

const HOT: &str = r#"{"time": "time", "rules": [{"name": "hot", "column": "celsius", "above": 30, "clear": 28}]}"#;
const HELD: &str = r#"{"time": "time", "rules": [{"name": "hot", "column": "celsius", "above": 30, "for": "10s", "severity": "critical"}]}"#;

#[test]
fn a_value_that_wavers_does_not_flicker() {
    let mut harness = open(HOT);
    let values = [30.0, 31.0, 29.0, 32.0, 28.5, 28.0, 29.9, 30.1];
    let rows = values.iter().zip(0..).map(|(celsius, time)| ("a", reading(*celsius, time)));
    harness.batch(0, rows).unwrap();
    expect(&harness, &[("hot", "raised", 31.0, 1), ("hot", "cleared", 28.0, 5), ("hot", "raised", 30.1, 7)]);
}

#[test]
fn keys_and_rules_are_apart() {
    let config = r#"{"rules": [
        {"name": "busy", "column": "load", "above": 90},
        {"name": "idle", "column": "load", "below": 5, "clear": 10}
    ]}"#;
    let mut harness = open(config);
    harness.advance_processing_time(at(7));
    let row = |load| Reading { celsius: None, load, time: at(0) };
    harness.batch(0, [("a", row(95)), ("b", row(3)), ("a", row(90)), ("b", row(9)), ("b", row(10))]).unwrap();
    expect(
        &harness,
        &[
            ("busy", "raised", 95.0, 7),
            ("idle", "raised", 3.0, 7),
            ("busy", "cleared", 90.0, 7),
            ("idle", "cleared", 10.0, 7),
        ],
    );
}

#[test]
fn no_value_and_nan_do_not_count() {
    let mut harness = open(HOT);
    let row = |celsius| Reading { celsius, load: 0, time: at(0) };
    harness
        .batch(0, [Some(f64::NAN), None, Some(40.0), Some(f64::NAN), None].map(|celsius| ("a", row(celsius))))
        .unwrap();
    expect(&harness, &[("hot", "raised", 40.0, 0)]);
    harness.row("a", row(Some(f64::NEG_INFINITY)));
    assert_eq!(notices(&harness).len(), 2);
}

#[test]
fn for_is_raised_by_a_timer_and_only_if_the_value_stays() {
    let mut harness = open(HELD);
    harness.batch(0, [("a", reading(35.0, 1_000)), ("b", reading(35.0, 2_000)), ("a", reading(36.0, 5_000))]).unwrap();
    harness.row("b", reading(30.0, 9_000));
    assert_eq!(harness.timers("a").len(), 1);
    assert!(harness.timers("b").is_empty());
    harness.advance_watermark(at(10_999));
    expect(&harness, &[]);
    harness.advance_watermark(at(11_000));
    expect(&harness, &[("hot", "raised", 36.0, 1_000)]);
    assert_eq!(harness.rows::<Notice>()[0].severity, "critical");
    harness.clear();
    harness.advance_watermark(at(60_000));
    expect(&harness, &[]);
}

#[test]
fn a_row_after_for_raises_without_waiting_for_the_watermark() {
    let mut harness = open(HELD);
    harness.batch(0, [reading(35.0, 0), reading(36.0, 9_999), reading(37.0, 10_000)].map(|row| ("a", row))).unwrap();
    expect(&harness, &[("hot", "raised", 37.0, 0)]);
    // The value was beyond the threshold for long enough before it came back.
    harness.batch(0, [reading(35.0, 0), reading(20.0, 10_000)].map(|row| ("b", row))).unwrap();
    assert_eq!(
        notices(&harness)[1..],
        [("hot".into(), "raised".into(), 35.0, 0), ("hot".into(), "cleared".into(), 20.0, 10_000)]
    );
    harness.clear();
    harness.advance_watermark(at(100_000));
    expect(&harness, &[]);
}

#[test]
fn for_in_processing_time() {
    let config = r#"{"rules": [{"name": "hot", "column": "celsius", "above": 30, "for": 50}]}"#;
    let mut harness = open(config);
    harness.advance_processing_time(at(100));
    harness.row("a", reading(31.0, 0));
    harness.advance_processing_time(at(149));
    expect(&harness, &[]);
    harness.advance_processing_time(at(150));
    expect(&harness, &[("hot", "raised", 31.0, 100)]);
}

#[test]
fn many_rows_set_one_timer() {
    let mut harness = open(HELD);
    harness.batch(0, (0..8_000).map(|row| (row % 4, reading(31.0, row)))).unwrap();
    for key in 0..4 {
        assert_eq!(harness.timers(key).len(), 1);
    }
}

#[test]
fn times_at_the_ends_of_the_range() {
    let mut harness = open(HELD);
    harness.row("a", reading(31.0, i64::MAX));
    harness.row("b", reading(31.0, i64::MIN));
    harness.advance_watermark(at(0));
    expect(&harness, &[("hot", "raised", 31.0, i64::MAX), ("hot", "raised", 31.0, i64::MIN)][1..]);
}

#[test]
fn senseless_rules_are_refused() {
    let rule =
        |rest: &str| problems(&format!(r#"{{"rules": [{{"name": "r", "column": "celsius", {rest}}}]}}"#)).join("\n");
    assert!(rule(r#""above": 1, "clear": 2"#).contains("`clear` is 2, above the threshold 1"));
    assert!(rule(r#""below": 1, "clear": 0.5"#).contains("`clear` is 0.5, below the threshold 1"));
    assert!(rule(r#""above": 1, "below": 2"#).contains("both `above` and `below`"));
    assert!(rule(r#""severity": "x""#).contains("no threshold"));
    assert!(rule(r#""above": 1, "for": "soon""#).contains("`for` is no length of time"));
    assert!(rule(r#""over": 1"#).contains("unknown field `over`"));
    assert!(problems(r#"{"rules": []}"#)[0].contains("one rule at least"));
    let twice =
        r#"{"rules": [{"name": "a", "column": "load", "above": 1}, {"name": "a", "column": "load", "below": 1}]}"#;
    assert!(problems(twice)[0].contains("two rules have the name `a`"));
}

#[test]
fn columns_that_cannot_be_watched_are_named_all_at_once() {
    let config = r#"{"time": "load", "rules": [
        {"name": "a", "column": "celcius", "above": 1},
        {"name": "b", "column": "room", "above": 1}
    ]}"#;
    let problems = problems(config);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("the column `celcius`, and there is none; the input has celsius: float64?"));
    assert!(problems[1].contains("`room`, which is text"));
    assert!(problems[2].contains("the time `load` is int64"));
}

proptest! {
    /// Without `for`: raised and cleared alternate, and each row's state is that of the plain definition.
    #[test]
    fn as_the_definition_says(values in prop::collection::vec(20i64..40, 1..60), batch in 1usize..20) {
        let mut harness = open(HOT);
        let rows: Vec<(&str, Reading)> =
            values.iter().zip(0..).map(|(value, time)| ("a", reading(*value as f64, time))).collect();
        for call in rows.chunks(batch) {
            harness.batch(0, call.to_vec()).unwrap();
        }
        let mut raised = false;
        let mut expected = Vec::new();
        for (value, time) in values.iter().zip(0..) {
            if !raised && *value > 30 || raised && *value <= 28 {
                raised = !raised;
                expected.push(("hot".to_owned(), if raised { "raised" } else { "cleared" }.to_owned(), *value as f64, time));
            }
        }
        prop_assert_eq!(notices(&harness), expected);
    }
}
