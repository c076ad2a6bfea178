//! Random jobs over random rows in random orders of arrival.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::explore::{Bounds, Simulated};
use super::script::{Act, Script};

/// A source of rows: a time, a key, and the number 1.
fn job(windows: &[String]) -> String {
    let mut operators = String::new();
    let mut sinks = String::new();
    for (number, window) in windows.iter().enumerate() {
        let (input, counted) = match number {
            0 => ("a".to_string(), "count()"),
            _ => (format!("w{}", number - 1), "sum(n)"),
        };
        operators += &format!("  w{number}: {{ input: {input}, {window}, aggregate: {{ n: {counted} }} }}\n");
        sinks += &format!("  late{number}: {{ input: w{number}.late, blackhole: {{}} }}\n");
    }
    let column = "{ int: { min: 0, max: 9 } }";
    let time = "{ time: { start: \"2026-01-01T00:00:00Z\", step_us: 1000 } }";
    format!(
        "job: random\nsources:\n  a: {{ generator: {{ rows: 1, columns: {{ t: {time}, k: {column}, v: {column} }} }}, \
         event_time: {{ column: t }} }}\noperators:\n{operators}sinks:\n{sinks}  out: {{ input: w{}, blackhole: {{}} }}\n",
        windows.len() - 1
    )
}

/// Generates a window that counts each row once, of a key or without one.
fn window() -> impl Strategy<Value = String> {
    let window = prop_oneof![
        (1i64..8).prop_map(|size| format!("window: {{ tumbling: {size}ms }}")),
        (1i64..6).prop_map(|gap| format!("window: {{ session: {gap}ms }}")),
        Just("window: { global: {} }".to_string()),
    ];
    (window, any::<bool>()).prop_map(|(window, keyed)| if keyed { format!("key: [k], {window}") } else { window })
}

/// Generates a chain of windows; a window can have a key if the one before it has.
fn chain() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(window(), 1..4).prop_map(|mut windows| {
        let mut keyed = true;
        for window in &mut windows {
            if !keyed {
                *window = window.replace("key: [k], ", "");
            }
            keyed = window.starts_with("key");
        }
        windows
    })
}

fn script(acts_max: usize) -> impl Strategy<Value = Script> {
    let rows = prop::collection::vec((0i64..20, 0i64..3), 1..5)
        .prop_map(|rows| Act::Rows(rows.into_iter().map(|(time, key)| vec![time, key, 1]).collect()));
    prop::collection::vec(prop_oneof![5 => rows, 1 => Just(Act::Idle)], 0..acts_max)
}

/// Returns the sum of the column `n` over rows; a row without it counts as 1.
fn counted(rows: &[String]) -> i64 {
    let number = |row: &String| {
        let row: serde_json::Value = serde_json::from_str(row).expect("rows are JSON");
        row["n"].as_i64().unwrap_or(1)
    };
    rows.iter().map(number).sum()
}

/// Sorts the rows of each worker, and removes idleness.
fn in_order(scripts: &mut [Script]) {
    for script in scripts {
        script.retain(|act| matches!(act, Act::Rows(_)));
        let mut all: Vec<Vec<i64>> = Vec::new();
        let mut lengths = Vec::new();
        for act in script.iter() {
            if let Act::Rows(rows) = act {
                lengths.push(rows.len());
                all.extend(rows.iter().cloned());
            }
        }
        all.sort_unstable();
        let mut all = all.into_iter();
        *script = lengths.into_iter().map(|length| Act::Rows(all.by_ref().take(length).collect())).collect();
    }
}

fn bounds(seed: u64) -> Bounds {
    Bounds { orders_max: 12, courses_max: 3, seed }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Goal: T6, input rows are counted rows and late rows. Method: chains of windows over rows in any order, with sources that
    /// are idle, active again, end early or are empty, on one to three workers; orders of arrival are drawn. T1 to T5 are
    /// checked on every channel.
    #[test]
    fn t6_every_row_is_counted_or_late_once(
        windows in chain(),
        scripts in prop::collection::vec(script(5), 1..4),
        seed in any::<u64>(),
    ) {
        let rows: usize = scripts.iter().flatten().map(|act| if let Act::Rows(rows) = act { rows.len() } else { 0 }).sum();
        let job = Simulated::new(&job(&windows), scripts.len(), Path::new("."));
        let outcomes = job.explore(&BTreeMap::from([("a", scripts)]), bounds(seed));
        for sinks in &outcomes.rows {
            let all: i64 = sinks.values().map(|rows| counted(rows)).sum();
            prop_assert_eq!(all, rows as i64, "{:?}", sinks);
        }
    }

    /// Goal: T2, T3 and T4: rows that are in order on their worker are never late, however workers interleave, and the results
    /// are those of one worker. Method: as above.
    #[test]
    fn rows_in_order_are_never_late_in_any_chain(
        windows in chain(),
        mut scripts in prop::collection::vec(script(4), 1..4),
        seed in any::<u64>(),
    ) {
        in_order(&mut scripts);
        let text = job(&windows);
        let all: Vec<Vec<i64>> = scripts.iter().flatten().flat_map(|act| match act {
            Act::Rows(rows) => rows.clone(),
            Act::Idle | Act::Boundary => Vec::new(),
        }).collect();
        let one = Simulated::new(&text, 1, Path::new("."));
        let expected = one.explore(&BTreeMap::from([("a", vec![vec![Act::Rows(all)]])]), bounds(seed)).rows;
        let outcomes = Simulated::new(&text, scripts.len(), Path::new(".")).explore(&BTreeMap::from([("a", scripts)]), bounds(seed));
        prop_assert_eq!(outcomes.rows, expected);
    }
}
