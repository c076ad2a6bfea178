//! Small jobs in every order of arrival: the results are always the same, and are those of one worker.

use std::collections::BTreeMap;
use std::path::Path;

use super::explore::{Bounds, Outcomes, Simulated};
use super::script::{Act, Script};

/// Sources `a` and `b` have a time and two numbers.
pub(super) fn job(operators: &str, sinks: &str) -> String {
    let source = |name: &str| {
        let column = "{ int: { min: 0, max: 9 } }";
        let time = "{ time: { start: \"2026-01-01T00:00:00Z\", step_us: 1000 } }";
        let columns = format!("{{ t: {time}, k: {column}, v: {column} }}");
        format!("  {name}: {{ generator: {{ rows: 1, columns: {columns} }}, event_time: {{ column: t }} }}\n")
    };
    format!("job: small\nsources:\n{}{}operators:\n{operators}sinks:\n{sinks}", source("a"), source("b"))
}

/// Rows of a time and a key.
pub(super) fn rows(rows: &[(i64, i64)]) -> Act {
    Act::Rows(rows.iter().map(|(time, key)| vec![*time, *key, 1]).collect())
}

/// Bounds that allow all courses of a small script.
const ALL: Bounds = Bounds { orders_max: 50_000, courses_max: 5_000, seed: 1 };

/// Bounds that a test has time for.
const SOME: Bounds = Bounds { orders_max: 400, courses_max: 60, seed: 1 };

fn explore(text: &str, scripts: &BTreeMap<&str, Vec<Script>>, bounds: Bounds) -> Outcomes {
    let parallelism = scripts.values().map(Vec::len).max().unwrap_or(1);
    Simulated::new(text, parallelism, Path::new(".")).explore(scripts, bounds)
}

/// Returns the results of one worker that receives all rows in one batch.
fn expected(text: &str, scripts: &BTreeMap<&str, Vec<Script>>) -> BTreeMap<String, Vec<String>> {
    let merged = |scripts: &Vec<Script>| {
        let mut all: Vec<Vec<i64>> = Vec::new();
        for act in scripts.iter().flatten() {
            if let Act::Rows(rows) = act {
                all.extend(rows.iter().cloned());
            }
        }
        vec![vec![Act::Rows(all)]]
    };
    let scripts = scripts.iter().map(|(name, scripts)| (*name, merged(scripts))).collect();
    let outcomes = explore(text, &scripts, ALL);
    let mut rows = outcomes.rows.into_iter();
    let only = rows.next().expect("there is one");
    assert!(outcomes.all && rows.next().is_none());
    only
}

/// Checks that results do not depend on the order of arrival: all orders of a small script, many of larger ones.
#[track_caller]
fn always_the_same(operators: &str, sinks: &str, small: &BTreeMap<&str, Vec<Script>>) {
    assert!(check(operators, sinks, small, ALL), "these were all orders");
    mostly_the_same(operators, sinks);
}

/// Checks the same for many orders only.
#[track_caller]
fn mostly_the_same(operators: &str, sinks: &str) {
    check(operators, sinks, &two_workers(), SOME);
    check(operators, sinks, &three_workers(), SOME);
}

#[track_caller]
fn check(operators: &str, sinks: &str, scripts: &BTreeMap<&str, Vec<Script>>, bounds: Bounds) -> bool {
    let text = job(operators, sinks);
    let outcomes = explore(&text, scripts, bounds);
    println!("{} orders, all: {}", outcomes.orders, outcomes.all);
    let expected = expected(&text, scripts);
    assert!(operators.contains("anti") || expected.values().any(|rows| !rows.is_empty()), "something comes out");
    for rows in &outcomes.rows {
        assert_eq!(rows, &expected);
    }
    outcomes.all
}

/// Scripts of two workers with a batch each, one of them without rows of `b`.
fn small() -> BTreeMap<&'static str, Vec<Script>> {
    let (first, second) = (vec![rows(&[(0, 1), (5, 2)])], vec![rows(&[(2, 1)])]);
    BTreeMap::from([("a", vec![first, second]), ("b", vec![vec![rows(&[(1, 1)])], vec![]])])
}

/// Scripts of two workers with a row each.
fn tiny() -> BTreeMap<&'static str, Vec<Script>> {
    BTreeMap::from([
        ("a", vec![vec![rows(&[(0, 1)])], vec![rows(&[(5, 1)])]]),
        ("b", vec![vec![rows(&[(1, 1)])], vec![]]),
    ])
}

/// Scripts of two workers, in order on each.
fn two_workers() -> BTreeMap<&'static str, Vec<Script>> {
    let first = vec![rows(&[(0, 1), (1, 2)]), rows(&[(5, 1)])];
    let second = vec![rows(&[(2, 1), (3, 3)])];
    BTreeMap::from([("a", vec![first, second]), ("b", vec![vec![rows(&[(1, 1), (9, 2)])], vec![]])])
}

fn three_workers() -> BTreeMap<&'static str, Vec<Script>> {
    let script = |time: i64| vec![rows(&[(time, 1), (time + 1, 2), (time + 4, 3)])];
    BTreeMap::from([("a", vec![script(0), vec![], script(3)]), ("b", vec![vec![], script(2), vec![]])])
}

const OUT: &str = "  out: { input: last, blackhole: {} }\n";
const LATE: &str = "  late: { input: last.late, blackhole: {} }\n";

fn with_late() -> String {
    format!("{OUT}{LATE}")
}

#[test]
fn a_window_over_a_window_has_no_late_rows() {
    let operators = "  first: { input: a, key: [k], window: { tumbling: 4ms }, aggregate: { n: count() } }
  last: { input: first, window: { tumbling: 4ms }, aggregate: { n: sum(n), rows: count() } }\n";
    always_the_same(operators, &with_late(), &small());
}

#[test]
fn windows_that_depend_on_the_order_of_rows_are_chained_too() {
    let operators = "  first: { input: a, key: [k], window: { sliding: 4ms, every: 2ms }, aggregate: { n: first(v) } }
  last: { input: first, key: [k], window: { session: 3ms }, aggregate: { n: count(), last: last(n) } }\n";
    always_the_same(operators, &with_late(), &small());
}

#[test]
fn sessions_over_sessions_have_no_late_rows() {
    let operators = "  first: { input: a, key: [k], window: { session: 2ms }, aggregate: { n: count() } }
  last: { input: first, window: { session: 4ms }, aggregate: { n: sum(n), rows: count() } }\n";
    always_the_same(operators, &with_late(), &small());
}

#[test]
fn a_window_is_joined_with_a_stream() {
    let operators = "  first: { input: a, key: [k], window: { tumbling: 4ms }, aggregate: { n: count() } }
  chosen: { input: first, select: [k, n] }
  last: { inputs: [chosen, b], key: [k], join: full, window: { tumbling: 8ms } }\n";
    let late = "  late: { input: last.late, blackhole: {} }\n  late_right: { input: last.late_right, blackhole: {} }\n";
    always_the_same(operators, &format!("{OUT}{late}"), &small());
}

#[test]
fn windows_of_two_streams_are_united() {
    let operators = "  first: { input: a, key: [k], window: { tumbling: 4ms }, aggregate: { n: count() } }
  second: { input: b, key: [k], window: { tumbling: 2ms }, aggregate: { n: count() } }
  both: { union: [first, second] }
  last: { input: both, window: { tumbling: 4ms }, aggregate: { n: sum(n), rows: count() } }\n";
    mostly_the_same(operators, &with_late());
}

#[test]
fn two_windows_of_one_stream_are_joined() {
    let operators = "  first: { input: a, key: [k], window: { tumbling: 2ms }, aggregate: { n: count() } }
  second: { input: a, key: [k], window: { tumbling: 4ms }, aggregate: { m: count() } }
  left: { input: first, select: [k, n] }
  right: { input: second, select: [k, m] }
  last: { inputs: [left, right], key: [k], join: left, window: { tumbling: 4ms } }\n";
    mostly_the_same(operators, OUT);
    // Without pre-aggregation there are fewer messages, so that all orders can be tried.
    let in_order = operators.replace("{ n: count() }", "{ n: first(v) }").replace("{ m: count() }", "{ m: first(v) }");
    assert!(check(&in_order, OUT, &tiny(), ALL), "these were all orders");
}

#[test]
fn an_interval_join_is_in_front_of_a_window() {
    for join in ["inner", "left", "full", "semi", "anti"] {
        let operators = format!(
            "  first: {{ inputs: [a, b], key: [k], join: {join}, within: {{ before: 2ms, after: 3ms }} }}
  last: {{ input: first, window: {{ tumbling: 2ms }}, aggregate: {{ n: count() }} }}\n"
        );
        always_the_same(&operators, &with_late(), &tiny());
    }
}

#[test]
fn a_global_window_is_in_front_of_a_window_in_time() {
    let operators = "  first: { input: a, key: [k], window: { global: {} }, aggregate: { n: count() } }
  last: { input: first, window: { tumbling: 2ms }, aggregate: { n: sum(n), rows: count() } }\n";
    always_the_same(operators, &with_late(), &small());
}

#[test]
fn the_results_of_a_window_have_their_event_time_assigned_again() {
    let operators = "  first: { input: a, key: [k], window: { tumbling: 4ms }, aggregate: { n: count() }, \
                     event_time: { column: window_start, max_out_of_orderness: 10ms } }
  last: { input: first, window: { tumbling: 4ms }, aggregate: { n: sum(n), rows: count() } }\n";
    always_the_same(operators, &with_late(), &small());
}

#[test]
fn operators_do_not_wait_for_a_source_that_stays_idle() {
    let operators = "  first: { input: a, key: [k], window: { tumbling: 4ms }, aggregate: { n: count() } }
  last: { input: first, window: { tumbling: 4ms }, aggregate: { n: sum(n), rows: count() } }\n";
    let mut scripts = small();
    scripts.get_mut("a").expect("it is there")[1].push(Act::Idle);
    assert!(check(operators, &with_late(), &scripts, ALL), "these were all orders");
}
