//! Whole jobs whose functions are swapped while they run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::request::{SwapOptions, Swapped};
use super::test_guests::{Counter, aggregate, transform};
use crate::dataflow::checkpoint::begin::Beginning;
use crate::dataflow::job_tests::{Run, begin, graph};
use crate::job::graph::JobGraph;
use flowgate_base::error::Result;
use flowgate_checkpoint::store::Stores;
use flowgate_checkpoint::{Checkpoint, History};
use flowgate_wall::Plugins;

const ROWS: i64 = 60_000;

/// A job over rows of a sequence `x` and a key `k`, which are read in about `ms` milliseconds.
fn text(checkpoint: &str, operator: &str, ms: i64) -> String {
    format!(
        r#"
job: swapped
plugins: {{ p: p.wasm }}
{checkpoint}
sources:
  rows:
    generator:
      rows: {ROWS}
      rate: {}
      batch_rows: 64
      columns:
        t: {{ time: {{ start: "2026-01-01T00:00:00Z", step_us: 1000 }} }}
        k: {{ int: {{ min: 0, max: 99 }} }}
        x: {{ sequence: {{}} }}
    event_time: {{ column: t }}
operators:
  f: {{ input: rows, {operator} }}
sinks:
  out: {{ input: f, print: {{}} }}
"#,
        ROWS * 1_000 / ms
    )
}

const CHECKPOINTS: &str = "checkpoint: { every: 50ms, store: store, keep: 1000 }";
const TRANSFORM: &str = "plugin: p, function: f";
const PROCESS: &str = "key: [k], plugin: p, function: f";

/// A job that runs, and the versions of its plugin.
struct Swaps {
    base: tempfile::TempDir,
    text: String,
    workers: usize,
    plugins: Plugins,
    run: Run,
}

impl Swaps {
    fn start(text: &str, workers: usize, first: &[u8]) -> Swaps {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("p.wasm"), first).unwrap();
        Swaps::begin(base, text, workers, Beginning::New)
    }

    fn begin(base: tempfile::TempDir, text: &str, workers: usize, beginning: Beginning) -> Swaps {
        let (mut graph, plugins) = graph(text, base.path());
        graph.parallelism = workers;
        let run = begin(graph, &plugins, beginning);
        Swaps { base, text: text.into(), workers, plugins, run }
    }

    /// Returns the graph with this version of the plugin.
    fn graph_of(&self, component: &[u8]) -> JobGraph {
        graph_of(&self.text, self.base.path(), self.workers, component)
    }

    fn swap(&self, component: &[u8]) -> Result<Swapped> {
        self.swap_with(component, &SwapOptions::default())
    }

    fn swap_with(&self, component: &[u8], options: &SwapOptions) -> Result<Swapped> {
        let swapping = self.run.job.state().request_swap(&self.graph_of(component), &self.plugins, options)?;
        let (swapped, saved) = swapping.wait()?;
        saved.map_or(Ok(()), |saved| saved.map(drop)).unwrap();
        Ok(swapped)
    }

    fn end(self) -> (tempfile::TempDir, Vec<Value>) {
        let rows = self.run.end().into_iter().map(|(_, row)| row).collect();
        (self.base, rows)
    }
}

fn graph_of(text: &str, base: &Path, workers: usize, component: &[u8]) -> JobGraph {
    let present = std::fs::read(base.join("p.wasm")).unwrap();
    std::fs::write(base.join("p.wasm"), component).unwrap();
    let (mut graph, _) = graph(text, base);
    graph.parallelism = workers;
    // A version has its own file, as in a registry.
    let name = format!("p-{}.wasm", hash_of(component));
    std::fs::write(base.join(&name), component).unwrap();
    std::fs::write(base.join("p.wasm"), present).unwrap();
    for node in &mut graph.nodes {
        super::difference::functions_mut(node).into_iter().for_each(|function| function.path = base.join(&name));
    }
    graph
}

fn hash_of(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

fn number(row: &Value, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("no {column}: {row}"))
}

/// Each row is there once.
fn each_once(rows: &[Value]) {
    let mut seen = vec![0_u8; ROWS as usize];
    rows.iter().for_each(|row| seen[number(row, "x") as usize] += 1);
    let wrong: Vec<usize> = (0..seen.len()).filter(|x| seen[*x] != 1).take(10).collect();
    assert!(wrong.is_empty(), "{} rows; lost or twice: {wrong:?}", rows.len());
}

/// The rows of each key are in their order, are counted from 1 without a gap, and their versions do not go back.
fn counted_by_key(rows: &[Value], versions: &[i64]) {
    each_once(rows);
    let mut of: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    rows.iter().for_each(|row| of.entry(number(row, "k")).or_default().push((number(row, "x"), number(row, "y"))));
    let mut seen = std::collections::BTreeSet::new();
    for (key, rows) in of {
        let mut present = 0;
        for (at, (x, y)) in rows.iter().enumerate() {
            assert_eq!(y / 10, at as i64 + 1, "the count of key {key} at row {x}");
            let version = versions.iter().position(|version| *version == y % 10).expect("a version of the test");
            assert!(version >= present, "key {key}: version {version} behind {present}");
            present = version;
            seen.insert(y % 10);
        }
        assert!(rows.is_sorted(), "the order of key {key}");
    }
    assert_eq!(seen.len(), versions.len(), "every version has processed rows");
}

fn checkpoints(base: &Path, text: &str) -> Vec<(u64, Checkpoint)> {
    let (graph, _) = graph(text, base);
    let store = Stores::default().open(&graph.checkpoint.unwrap().store).unwrap();
    let history = History::read(&store).unwrap();
    let manifests = history.entries().iter().filter_map(|entry| entry.manifest.as_ref().ok().cloned());
    manifests.filter_map(|manifest| Some((manifest.number, manifest.checkpoint()?.clone()))).collect()
}

/// Goal: V1 under load: no row is lost or twice, and the versions change at one place of the rows of each worker. Method: 20 swaps of a
/// transform, with and without checkpoints, on one to three workers.
#[test]
fn v1_twenty_swaps_of_a_transform_lose_no_row_and_repeat_none() {
    for checkpoint in ["", CHECKPOINTS] {
        for workers in [1, 2, 3] {
            let job = Swaps::start(&text(checkpoint, TRANSFORM, 3_000), workers, &transform(0));
            for version in 1..=20 {
                let swapped = job.swap(&transform(version)).unwrap();
                assert_eq!((swapped.migrated, swapped.checkpoint.is_some()), (0, !checkpoint.is_empty()));
            }
            let (_, rows) = job.end();
            each_once(&rows);
            let by_row: BTreeMap<i64, i64> = rows.iter().map(|row| (number(row, "x"), number(row, "y"))).collect();
            let versions: std::collections::BTreeSet<i64> = by_row.values().copied().collect();
            assert!(versions.len() > 15 && versions.contains(&0), "{versions:?}");
            if workers == 1 {
                assert!(by_row.values().is_sorted(), "with one worker, the versions follow each other in the order of rows");
            }
        }
    }
}

/// Goal: V1 and V2 with state: counts go on across versions, also where the values are migrated. Method: counters by key.
#[test]
fn v2_the_state_of_a_process_function_is_kept_and_migrated() {
    for checkpoint in ["", CHECKPOINTS] {
        for workers in [1, 2, 3] {
            let job = Swaps::start(&text(checkpoint, PROCESS, 3_000), workers, &Counter::of(1).component());
            let newer = |version, slot| Counter { slot, ..Counter::of(version) }.component();
            assert_eq!(job.swap(&newer(2, 1)).unwrap().migrated, 0);
            let migrated = job.swap(&newer(3, 2)).unwrap().migrated;
            assert!(0 < migrated && migrated <= 100, "{migrated} keys");
            assert_eq!(job.swap(&newer(4, 3)).unwrap().migrated, 100);
            // And back.
            assert_eq!(job.swap(&newer(5, 1)).unwrap().migrated, 100);
            let (_, rows) = job.end();
            counted_by_key(&rows, &[1, 2, 3, 4, 5]);
        }
    }
}

/// Goal: V2: where the values of one worker cannot be migrated, the old version stays on all. Method: a version that traps on counts that
/// some keys have.
#[test]
fn v2_a_migration_that_fails_leaves_the_old_version_on_all_workers() {
    for (checkpoint, workers) in [("", 1), (CHECKPOINTS, 2), (CHECKPOINTS, 3)] {
        let job = Swaps::start(&text(checkpoint, PROCESS, 2_500), workers, &Counter::of(1).component());
        while job.run.job.metrics().nodes[1].rows_in.load(std::sync::atomic::Ordering::Relaxed) < 2_000 {
            sleep(Duration::from_millis(1));
        }
        let picky = Counter { slot: 2, migrates_up_to: 1, ..Counter::of(2) }.component();
        let refused = job.swap(&picky).unwrap_err();
        assert_eq!(refused.code, &crate::code::NOT_MIGRATED);
        assert!(refused.message.contains("values of the state slot `v` cannot be migrated: "), "{refused}");
        job.swap(&Counter { slot: 2, ..Counter::of(3) }.component()).unwrap();
        let (_, rows) = job.end();
        counted_by_key(&rows, &[1, 3]);
    }
}

/// Goal: aggregates go on with the accumulators that they have, in all kinds of windows, and partial aggregates of the old version meet the
/// old one. Method: an aggregate that counts rows, in versions that write the same.
#[test]
fn aggregates_of_windows_go_on_with_their_accumulators() {
    for window in ["tumbling: 1h", "sliding: 40s, every: 10s", "session: 1h", "global: {}", "rows: 600"] {
        for workers in [1, 2, 3] {
            let operator = format!("key: [k], window: {{ {window} }}, aggregate: {{ n: \"plugin:p/f(x)\", c: count() }}");
            let job = Swaps::start(&text(CHECKPOINTS, &operator, 1_500), workers, &aggregate(1));
            // A component of its own, which does the same.
            for version in 2..5 {
                let mut component = aggregate(1);
                component.extend([0, 3, 1, b'v', version]);
                job.swap(&component).unwrap();
            }
            let (_, rows) = job.end();
            assert!(rows.len() >= 100, "{window}: {} results", rows.len());
            for row in &rows {
                assert_eq!(number(row, "n"), number(row, "c"), "{window}, {workers} workers: {row}");
            }
            let all: i64 = rows.iter().map(|row| number(row, "c")).sum();
            assert!(window.contains("sliding") || window.contains("rows") || all == ROWS, "{window}: {all}");
        }
    }
}

/// Goal: V4: the checkpoint of the boundary names the old version and has its state, the next one the new version; a job is resumed from
/// both with the version that is named. Method: a job that is stopped at each checkpoint, by its files.
#[test]
fn v4_a_job_is_resumed_with_the_version_that_its_checkpoint_names() {
    let rare = CHECKPOINTS.replace("50ms", "1h");
    let text = text(&rare, PROCESS, 2_000);
    let (old, new) = (Counter::of(1).component(), Counter { slot: 2, ..Counter::of(2) }.component());
    let job = Swaps::start(&text, 2, &old);
    sleep(Duration::from_millis(300));
    let options = SwapOptions { savepoint: Some("before".into()), ..SwapOptions::default() };
    let swapped = job.swap_with(&new, &options).unwrap();
    let taken = checkpoints(job.base.path(), &text);
    let digest = |checkpoint: &Checkpoint| {
        let of = checkpoint.operators.iter().find(|operator| operator.name == "f").unwrap();
        (of.functions[0].sha256.clone(), of.fingerprint["slots"][0]["version"].as_i64().unwrap())
    };
    let durable = taken.iter().find(|(number, _)| Some(*number) == swapped.checkpoint).unwrap();
    let (at, _) = taken.iter().find(|(number, checkpoint)| *number < durable.0 && checkpoint.savepoint.is_none()).unwrap();
    let before = taken.iter().find(|(number, _)| number == at).unwrap();
    assert_eq!((digest(&before.1).1, digest(&durable.1).1), (1, 2));
    assert_ne!(digest(&before.1).0, digest(&durable.1).0);
    let saved = taken.iter().find(|(_, checkpoint)| checkpoint.savepoint.is_some()).unwrap();
    assert_eq!(digest(&saved.1), digest(&before.1));
    job.run.job.state().request_stop();
    let Swaps { base, run, .. } = job;
    let first: Vec<Value> = run.end().into_iter().map(|(_, row)| row).collect();
    // The old version does not fit any more, and the new one goes on.
    let (mut graph, plugins) = graph(&text, base.path());
    graph.parallelism = 2;
    let mut never = |_: &_, _: &_, _| panic!("no sink is opened");
    let refused = crate::dataflow::worker::start_from(graph, &plugins, &mut never, &Stores::default(), Beginning::Resume);
    assert_eq!(refused.err().unwrap().code, &crate::code::OTHER_STATE);
    std::fs::write(base.path().join("p.wasm"), &new).unwrap();
    let (_, rest) = Swaps::begin(base, &text, 3, Beginning::Resume).end();
    counted_by_key(&[first, rest].concat(), &[1, 2]);
}

/// Goal: what a swap may not change is refused at once, with what to do; and one swap at a time.
#[test]
fn what_does_not_fit_is_refused_and_so_is_a_second_swap() {
    let job = Swaps::start(&text(CHECKPOINTS, PROCESS, 1_500), 2, &Counter::of(1).component());
    let same = job.swap(&Counter::of(1).component()).unwrap_err();
    assert!(same.message.contains("nothing differs: the job runs with this version"), "{same}");
    let fewer = Counter { slots: 2, ..Counter::of(2) }.component();
    let refused = job.swap(&fewer).unwrap_err();
    assert!(refused.message.contains("`f` has no state slot `l` any more; `--drop-state l` gives"), "{refused}");
    let mut other = job.graph_of(&Counter::of(2).component());
    other.key_groups += 1;
    let refused = job.run.job.state().request_swap(&other, &job.plugins, &SwapOptions::default()).unwrap_err();
    assert!(refused.message.contains("`key_groups` was 256 and is 257"), "{refused}");
    let state = job.run.job.state();
    let first = state.request_swap(&job.graph_of(&Counter::of(2).component()), &job.plugins, &SwapOptions::default()).unwrap();
    let third = job.graph_of(&Counter::of(3).component());
    match state.request_swap(&third, &job.plugins, &SwapOptions::default()) {
        Err(busy) => assert_eq!(busy.code, &crate::code::SWAP_BUSY),
        // The first one was durable already.
        Ok(swapping) => drop(swapping.wait().unwrap()),
    }
    first.wait().unwrap();
    let options = SwapOptions { drop_state: vec!["l".into()], ..SwapOptions::default() };
    job.swap_with(&Counter { slots: 2, ..Counter::of(4) }.component(), &options).unwrap();
    // A slot of the same name is another one.
    job.swap(&Counter::of(5).component()).unwrap();
    let (_, rows) = job.end();
    each_once(&rows);
}

/// Goal: a swap has an outcome whatever the job does meanwhile. Method: requests while it is stopped, drained, fails, and has ended.
#[test]
fn a_swap_has_an_outcome_whatever_becomes_of_the_job() {
    for checkpoint in ["", CHECKPOINTS] {
        for how in ["stop", "drain", "fail", "end"] {
            let job = Swaps::start(&text(checkpoint, PROCESS, 400), 2, &Counter::of(1).component());
            let state = Arc::clone(job.run.job.state());
            let new = job.graph_of(&Counter { slot: 2, ..Counter::of(2) }.component());
            if how == "end" {
                let begun = Instant::now();
                while state.metrics.nodes[1].rows_in.load(std::sync::atomic::Ordering::Relaxed) < ROWS as u64 {
                    assert!(begun.elapsed() < Duration::from_secs(60));
                    sleep(Duration::from_millis(1));
                }
            }
            let requested = state.request_swap(&new, &job.plugins, &SwapOptions::default());
            match how {
                "stop" => state.request_stop(),
                "drain" => state.request_drain(),
                "fail" => state.fail(flowgate_base::error::Error::internal("a test")),
                _ => {}
            }
            // The job has ended, so that there is an outcome.
            let ended = job.run.job.wait();
            assert_eq!(ended.is_err(), how == "fail");
            let outcome = requested.and_then(|swapping| swapping.wait());
            if let Err(error) = outcome {
                assert_eq!(error.code, &crate::code::SWAP_ENDED, "{how}: {error}");
            }
            let late = state.request_swap(&new, &job.plugins, &SwapOptions::default()).unwrap_err();
            assert_eq!(late.code, &crate::code::SWAP_ENDED, "{late}");
        }
    }
}
