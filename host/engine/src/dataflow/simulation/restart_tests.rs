//! Jobs that are ended at a checkpoint and continue from it, with any number of workers: what they emitted before the checkpoint
//! and what they emit after the restart is what an undisturbed job emits.

use std::collections::BTreeMap;
use std::path::Path;

use super::explore::{Bounds, Scripts, Simulated};
use super::job_tests::{job, rows};
use super::script::{Act, Script, SplitScript};

/// Bounds that a test has time for: orders up to the boundary, and after it.
const BEFORE: Bounds = Bounds { orders_max: 16, courses_max: 4, seed: 1 };
const AFTER: Bounds = Bounds { orders_max: 6, courses_max: 2, seed: 7 };

/// The rows of two sources in order, by split; splits have several batches, one, or none.
fn splits() -> BTreeMap<&'static str, Vec<Script>> {
    let a = vec![
        vec![rows(&[(0, 1), (1, 2)]), rows(&[(4, 1)]), rows(&[(5, 2), (9, 1)])],
        vec![rows(&[(2, 1), (3, 3)]), rows(&[(8, 1)])],
    ];
    let b = vec![vec![rows(&[(1, 1), (2, 2)]), rows(&[(7, 3)])], vec![]];
    BTreeMap::from([("a", a), ("b", b)])
}

/// Returns the splits divided at a boundary: each source's split `i` is cut behind `at[i]` acts. A split that ends before the
/// boundary sends none.
fn cut(splits: &BTreeMap<&'static str, Vec<Script>>, at: &[usize], workers: usize) -> [Scripts<'static>; 2] {
    let mut halves = [Scripts::new(), Scripts::new()];
    for (name, scripts) in splits {
        let mut first = Vec::new();
        let mut second: Vec<Vec<SplitScript>> = vec![Vec::new(); workers];
        for (number, script) in scripts.iter().enumerate() {
            let cut = at[number].min(script.len() + 1);
            let has_ended = cut > script.len();
            let (before, after) = script.split_at(cut.min(script.len()));
            let boundary = (!has_ended).then_some(Act::Boundary);
            let acts = before.iter().cloned().chain(boundary).chain(after.iter().cloned()).collect();
            first.push(vec![SplitScript { acts, ..SplitScript::default() }]);
            let continued = SplitScript { before: before.to_vec(), acts: after.to_vec(), has_ended };
            second[number % workers].push(continued);
        }
        halves[0].insert(name, first);
        halves[1].insert(name, second);
    }
    halves
}

/// Checks that a job gives the same results with and without a restart, at every place of the boundary, to one, two and three
/// workers.
#[track_caller]
fn continues(operators: &str, sinks: &str) {
    let (text, splits) = (job(operators, sinks), splits());
    let simulated = |workers: usize| Simulated::new(&text, workers, Path::new("."));
    let whole =
        splits.iter().map(|(name, scripts)| (*name, vec![scripts.iter().flatten().cloned().collect::<Script>()]));
    let mut in_order: BTreeMap<&str, Vec<Script>> = whole.collect();
    for scripts in in_order.values_mut() {
        let mut all: Vec<Vec<i64>> = Vec::new();
        scripts[0].iter().for_each(|act| {
            if let Act::Rows(rows) = act {
                all.extend(rows.iter().cloned())
            }
        });
        all.sort_unstable();
        scripts[0] = vec![Act::Rows(all)];
    }
    let expected = simulated(1).explore(&in_order, AFTER).rows;
    assert_eq!(expected.len(), 1);
    let expected = expected.first().expect("there is one");
    assert!(expected.values().any(|rows| !rows.is_empty()), "something comes out");
    for at in [[0, 0], [1, 0], [1, 1], [2, 1], [1, 3], [3, 2], [4, 1], [3, 3]] {
        for workers in [1, 2, 3] {
            let [first, second] = cut(&splits, &at, workers);
            let courses = simulated(2).up_to_boundary(&first, BEFORE);
            assert!(!courses.is_empty());
            for course in courses {
                let rest = simulated(workers).continuing(&course.checkpoint).explore_splits(&second, AFTER);
                for rows in rest.rows {
                    let mut all = course.rows.clone();
                    for (sink, rows) in rows {
                        let of = all.entry(sink).or_default();
                        of.extend(rows);
                        of.sort_unstable();
                    }
                    assert_eq!(
                        &all,
                        expected,
                        "cut at {at:?}, then {workers} workers; before: {:?}; {:?}",
                        course.rows,
                        course.checkpoint.0.get("last")
                    );
                }
            }
        }
    }
}

const OUT: &str = "  out: { input: last, blackhole: {} }\n";

#[test]
fn c1_rows_that_are_selected_and_united() {
    continues(
        "  some: { input: a, select: [t, k] }\n  more: { input: b, select: [t, k] }\n  last: { union: [some, more] }\n",
        OUT,
    );
}

#[test]
fn c1_window_joins() {
    let late = "  late: { input: last.late, blackhole: {} }\n";
    for join in ["inner", "left", "full"] {
        for window in ["tumbling: 4ms", "sliding: 4ms, every: 2ms"] {
            let operators = format!("  last: {{ inputs: [a, b], key: [k], join: {join}, window: {{ {window} }} }}\n");
            continues(&operators, &format!("{OUT}{late}"));
        }
    }
}

fn with_late() -> String {
    format!("{OUT}  late: {{ input: last.late, blackhole: {{}} }}\n")
}

#[test]
fn c1_windows_in_time_with_and_without_a_key() {
    for key in ["key: [k], ", ""] {
        for window in ["tumbling: 4ms", "sliding: 4ms, every: 2ms", "sliding: 5ms, every: 2ms"] {
            let operators = format!(
                "  last: {{ input: a, {key}window: {{ {window} }}, aggregate: {{ n: count(), s: sum(v), m: max(v) }} }}\n"
            );
            continues(&operators, &with_late());
        }
    }
}

#[test]
fn c1_sessions_and_global_windows() {
    for window in ["session: 3ms", "global: {}"] {
        let operators =
            format!("  last: {{ input: a, key: [k], window: {{ {window} }}, aggregate: {{ n: count() }} }}\n");
        continues(&operators, &with_late());
    }
}

#[test]
fn c1_chained_windows() {
    let operators = "  first: { input: a, key: [k], window: { tumbling: 2ms }, aggregate: { n: count() } }
  last: { input: first, window: { session: 4ms }, aggregate: { n: sum(n), rows: count() } }\n";
    continues(operators, &with_late());
}

#[test]
fn c1_joins_of_rows_as_they_arrive() {
    for join in ["inner", "left", "full", "semi", "anti"] {
        let operators =
            format!("  last: {{ inputs: [a, b], key: [k], join: {join}, within: {{ before: 2ms, after: 3ms }} }}\n");
        continues(&operators, &with_late());
    }
}
