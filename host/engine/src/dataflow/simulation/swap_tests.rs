//! Jobs whose functions are swapped at a boundary, at every place of it: in every order of arrival, each row before the boundary is
//! processed by the old version, and each one behind it by the new one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::explore::{Bounds, Simulated};
use super::script::{Act, Script};
use crate::dataflow::swap::test_guests::{Counter, aggregate, transform};

const SOME: Bounds = Bounds { orders_max: 40, courses_max: 8, seed: 3 };

/// What an aggregate's new version counts for each row.
const MANY: i64 = 1_000_000;

/// Rows of a time and a key.
fn rows(rows: &[(i64, i64)]) -> Act {
    Act::Rows(rows.iter().map(|(time, key)| vec![*time, *key, 1]).collect())
}

/// The batches of each worker.
fn batches(workers: usize) -> Vec<Script> {
    let all = [
        vec![rows(&[(0, 1), (1, 2)]), rows(&[(4, 1), (5, 3)])],
        vec![rows(&[(2, 1), (3, 3)]), rows(&[(8, 2)])],
        vec![rows(&[(3, 2)])],
    ];
    all.into_iter().take(workers).collect()
}

/// Returns scripts with the boundary behind a number of batches of each worker (`None`: the worker ends before it), and by key the number of
/// rows before it and behind it.
fn cut(batches: &[Script], at: &[Option<usize>]) -> (Vec<Script>, BTreeMap<i64, (i64, i64)>) {
    let mut of: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut scripts = Vec::new();
    for (script, at) in batches.iter().zip(at) {
        let mut cut = script.clone();
        for (batch, act) in script.iter().enumerate() {
            let Act::Rows(rows) = act else { continue };
            for row in rows {
                let counts = of.entry(row[1]).or_default();
                match at {
                    Some(at) if batch >= *at => counts.1 += 1,
                    _ => counts.0 += 1,
                }
            }
        }
        at.iter().for_each(|at| cut.insert(*at, Act::Boundary));
        scripts.push(cut);
    }
    (scripts, of)
}

/// Explores swaps from one version to another at every place, and gives the rows of each outcome to `check`.
fn at_every_place(
    operator: &str,
    (old, new): (Vec<u8>, Vec<u8>),
    check: impl Fn(&[Value], &BTreeMap<i64, (i64, i64)>) -> Result<(), String>,
) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old.wasm"), old).unwrap();
    std::fs::write(folder.path().join("new.wasm"), new).unwrap();
    let column = "{ int: { min: 0, max: 9 } }";
    let time = "{ time: { start: \"2026-01-01T00:00:00Z\", step_us: 1000 } }";
    let text = format!(
        "job: small\nplugins: {{ p: old.wasm }}\nsources:\n  a: {{ generator: {{ rows: 1, columns: {{ t: {time}, k: {column}, x: {column} }} }}, \
         event_time: {{ column: t, max_out_of_orderness: 1h }} }}\noperators:\n  last: {{ input: a, {operator} }}\nsinks:\n  out: {{ input: last, \
         blackhole: {{}} }}\n"
    );
    let swapped = text.replace("old.wasm", "new.wasm");
    for workers in [1, 2, 3] {
        let batches = batches(workers);
        let to = Simulated::new(&swapped, workers, folder.path());
        let job = Simulated::new(&text, workers, folder.path()).swapping(&to);
        let places: Vec<Vec<Option<usize>>> = match workers {
            1 => (0..=2).map(|at| vec![Some(at)]).collect(),
            2 => (0..=2).flat_map(|a| [None, Some(0), Some(1), Some(2)].map(|b| vec![Some(a), b])).collect(),
            _ => vec![vec![Some(1), Some(1), Some(0)], vec![Some(2), Some(0), None], vec![None, Some(1), Some(1)]],
        };
        for at in places {
            let (scripts, of) = cut(&batches, &at);
            let outcomes = job.explore(&BTreeMap::from([("a", scripts)]), SOME);
            assert!(!outcomes.rows.is_empty());
            for sinks in &outcomes.rows {
                let rows: Vec<Value> = sinks["out"].iter().map(|row| serde_json::from_str(row).unwrap()).collect();
                check(&rows, &of).unwrap_or_else(|wrong| panic!("cut at {at:?}: {wrong}: {rows:?}"));
            }
        }
    }
}

fn number(row: &Value, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("no {column}: {row}"))
}

fn equal(found: BTreeMap<i64, Vec<i64>>, expected: BTreeMap<i64, Vec<i64>>) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
}

/// By key: the sorted values of `y`.
fn of_keys(rows: &[Value]) -> BTreeMap<i64, Vec<i64>> {
    let mut of: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    rows.iter().for_each(|row| of.entry(number(row, "k")).or_default().push(number(row, "y")));
    of.values_mut().for_each(|values| values.sort_unstable());
    of
}

#[test]
fn v1_a_transform_changes_between_the_rows_of_the_boundary() {
    at_every_place("plugin: p, function: f", (transform(1), transform(2)), |rows, of| {
        let values = |(before, behind): &(i64, i64)| [vec![1; *before as usize], vec![2; *behind as usize]].concat();
        equal(of_keys(rows), of.iter().map(|(key, counts)| (*key, values(counts))).collect())
    });
}

#[test]
fn v1_a_process_function_goes_on_with_its_state_kept_or_migrated() {
    for slot in [1, 2] {
        let (old, new) = (Counter::of(1), Counter { slot, ..Counter::of(2) });
        at_every_place("key: [k], plugin: p, function: f", (old.component(), new.component()), |rows, of| {
            let values = |(before, behind): &(i64, i64)| {
                let count = |n: i64| 10 * n + if n <= *before { 1 } else { 2 };
                (1..=before + behind).map(count).collect::<Vec<i64>>()
            };
            equal(of_keys(rows), of.iter().map(|(key, counts)| (*key, values(counts))).collect())
        });
    }
}

#[test]
fn v1_an_aggregate_goes_on_with_its_accumulators() {
    for window in ["tumbling: 1h", "session: 1h", "global: {}"] {
        let operator = format!("key: [k], window: {{ {window} }}, aggregate: {{ y: \"plugin:p/f(x)\" }}");
        at_every_place(&operator, (aggregate(1), aggregate(MANY)), |rows, of| {
            let sum = |(before, behind): &(i64, i64)| vec![before + MANY * behind];
            equal(of_keys(rows), of.iter().map(|(key, counts)| (*key, sum(counts))).collect())
        });
    }
}
