//! Whole jobs whose functions are swapped while they run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::request::{SwapOptions, Swapped};
use super::test_guests::{Counter, aggregate, join, transform};
use crate::dataflow::checkpoint::begin::Beginning;
use crate::dataflow::job_tests::{Run, begin, graph};
use crate::job::graph::JobGraph;
use flowgate_base::error::Result;
use flowgate_checkpoint::store::Stores;
use flowgate_checkpoint::{Checkpoint, History};
use flowgate_wall::Plugins;

/// Rows of a batch, which a source reads whole.
pub(in crate::dataflow) const BATCH: i64 = 64;

/// The rows of a job that is stopped before it has read them.
pub(in crate::dataflow) const ENDLESS: i64 = 100_000_000;

/// The rows of a job that ends soon.
pub(in crate::dataflow) const FEW: i64 = 12_000;

/// Rows in a second.
const RATE: i64 = 20_000;

/// A job over rows of a sequence `x` and a key `k`.
pub(in crate::dataflow) fn text(checkpoint: &str, operator: &str, rows: i64) -> String {
    format!(
        r#"
job: swapped
plugins: {{ p: p.wasm }}
{checkpoint}
sources:
  rows:
    generator:
      rows: {rows}
      rate: {RATE}
      batch_rows: {BATCH}
      columns:
        t: {{ time: {{ start: "2026-01-01T00:00:00Z", step_us: 1000 }} }}
        k: {{ int: {{ min: 0, max: 99 }} }}
        x: {{ sequence: {{}} }}
    event_time: {{ column: t }}
operators:
  f: {{ input: rows, {operator} }}
sinks:
  out: {{ input: f, print: {{}} }}
"#
    )
}

pub(in crate::dataflow) const CHECKPOINTS: &str = "checkpoint: { every: 50ms, store: store, keep: 1000 }";
/// In a job whose state has no memory, so that it is in files.
pub(in crate::dataflow) const SPILLS: &str = "# spills";
pub(in crate::dataflow) const TRANSFORM: &str = "plugin: p, function: f";
pub(in crate::dataflow) const PROCESS: &str = "key: [k], plugin: p, function: f";

/// A job that runs, and the versions of its plugin.
pub(in crate::dataflow) struct Swaps {
    pub(in crate::dataflow) base: tempfile::TempDir,
    text: String,
    workers: usize,
    pub(in crate::dataflow) plugins: Plugins,
    pub(in crate::dataflow) run: Run,
}

impl Swaps {
    pub(in crate::dataflow) fn start(text: &str, workers: usize, first: &[u8]) -> Swaps {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("p.wasm"), first).unwrap();
        Swaps::begin(base, text, workers, Beginning::New)
    }

    pub(in crate::dataflow) fn begin(
        base: tempfile::TempDir,
        text: &str,
        workers: usize,
        beginning: Beginning,
    ) -> Swaps {
        let (mut graph, plugins) = graph(text, base.path());
        graph.parallelism = workers;
        if text.contains(SPILLS) {
            graph.state.memory_bytes_max = 1;
        }
        let run = begin(graph, &plugins, beginning);
        Swaps { base, text: text.into(), workers, plugins, run }
    }

    /// Returns the graph with this version of the plugin.
    pub(in crate::dataflow) fn graph_of(&self, component: &[u8]) -> JobGraph {
        graph_of(&self.text, self.base.path(), self.workers, component)
    }

    pub(in crate::dataflow) fn swap(&self, component: &[u8]) -> Result<Swapped> {
        self.swap_with(component, &SwapOptions::default())
    }

    fn swap_with(&self, component: &[u8], options: &SwapOptions) -> Result<Swapped> {
        let swapping = self.run.job.state().request_swap(&self.graph_of(component), &self.plugins, options)?;
        let (swapped, saved) = swapping.wait()?;
        saved.map_or(Ok(()), |saved| saved.map(drop)).unwrap();
        Ok(swapped)
    }

    pub(in crate::dataflow) fn stop(self) -> (tempfile::TempDir, Vec<Value>) {
        self.run.job.state().request_stop();
        self.end()
    }

    pub(in crate::dataflow) fn rows_in(&self) -> u64 {
        self.rows_of(1)
    }

    pub(in crate::dataflow) fn rows_of(&self, node: usize) -> u64 {
        self.run.job.metrics().nodes[node].rows_in.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Waits until the operator has received `rows` rows.
    pub(in crate::dataflow) fn wait_for_rows(&self, rows: u64) {
        self.wait_for(1, rows);
    }

    pub(in crate::dataflow) fn wait_for(&self, node: usize, rows: u64) {
        let begun = Instant::now();
        while self.rows_of(node) < rows {
            assert!(begun.elapsed() < Duration::from_secs(60), "{} rows", self.rows_of(node));
            sleep(Duration::from_millis(1));
        }
    }

    pub(in crate::dataflow) fn end(self) -> (tempfile::TempDir, Vec<Value>) {
        let rows = self.run.end().into_iter().map(|(_, row)| row).collect();
        (self.base, rows)
    }
}

pub(in crate::dataflow) fn graph_of(text: &str, base: &Path, workers: usize, component: &[u8]) -> JobGraph {
    let present = std::fs::read(base.join("p.wasm")).unwrap();
    std::fs::write(base.join("p.wasm"), component).unwrap();
    let (mut graph, _) = graph(text, base);
    graph.parallelism = workers;
    if text.contains(SPILLS) {
        graph.state.memory_bytes_max = 1;
    }
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

pub(in crate::dataflow) fn number(row: &Value, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("no {column}: {row}"))
}

/// Each row that was read is there once: of each split, all of its batches up to one.
pub(in crate::dataflow) fn each_once(rows: &[Value], splits: usize) {
    let mut of = vec![std::collections::BTreeSet::new(); splits];
    for x in rows.iter().map(|row| number(row, "x")) {
        let batch = x / BATCH;
        assert!(of[batch as usize % splits].insert(x), "row {x} is there twice");
    }
    for (split, rows) in of.iter().enumerate() {
        let expected = (split as i64..).step_by(splits).flat_map(|batch| batch * BATCH..(batch + 1) * BATCH);
        let lost = expected.zip(rows).find(|(expected, x)| expected != *x);
        assert!(lost.is_none() && rows.len() as i64 % BATCH == 0, "split {split}: a row is lost at {lost:?}");
    }
}

/// The rows of each key are in the order of their split, are counted from 1 without a gap, and their versions do not go back.
pub(in crate::dataflow) fn counted_by_key(rows: &[Value], splits: usize, versions: &[i64]) {
    each_once(rows, splits);
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
        for split in 0..splits as i64 {
            let of_split = rows.iter().filter(|(x, _)| x / BATCH % splits as i64 == split);
            assert!(of_split.is_sorted(), "the order of key {key} in split {split}");
        }
    }
    assert_eq!(seen.len(), versions.len(), "every version has processed rows");
}

pub(in crate::dataflow) fn checkpoints(base: &Path, text: &str) -> Vec<(u64, Checkpoint)> {
    let (graph, _) = graph(text, base);
    let store = Stores::default().open(&graph.checkpoint.unwrap().store).unwrap();
    let history = History::read(&store).unwrap();
    let manifests = history.entries().iter().filter_map(|entry| entry.manifest.as_ref().ok().cloned());
    manifests.filter_map(|manifest| Some((manifest.number, manifest.checkpoint()?.clone()))).collect()
}

/// Goal: V1 under load: no row is lost or twice, and the versions change at one place of the rows of each worker. Method: 20 swaps of a
/// transform, on one to three workers, with and without checkpoints.
#[test]
fn v1_twenty_swaps_of_a_transform_lose_no_row_and_repeat_none() {
    for (checkpoint, workers) in [(CHECKPOINTS, 1), (CHECKPOINTS, 2), (CHECKPOINTS, 3), ("", 2)] {
        let job = Swaps::start(&text(checkpoint, TRANSFORM, ENDLESS), workers, &transform(0));
        for version in 1..=20 {
            let swapped = job.swap(&transform(version)).unwrap();
            assert_eq!((swapped.migrated, swapped.checkpoint.is_some()), (0, !checkpoint.is_empty()));
        }
        job.wait_for_rows(job.rows_in() + 1_000);
        let (_, rows) = job.stop();
        each_once(&rows, workers);
        let by_row: BTreeMap<i64, i64> = rows.iter().map(|row| (number(row, "x"), number(row, "y"))).collect();
        let versions: std::collections::BTreeSet<i64> = by_row.values().copied().collect();
        assert!(versions.len() > 15 && versions.contains(&20), "{versions:?}");
        for split in 0..workers as i64 {
            let of_split = by_row.iter().filter(|(x, _)| *x / BATCH % workers as i64 == split);
            assert!(
                of_split.map(|(_, version)| version).is_sorted(),
                "versions follow each other in the order of rows"
            );
        }
    }
}

/// Goal: V1 and V2 with state: counts go on across versions, also where the values are migrated. Method: counters by key.
#[test]
fn v2_the_state_of_a_process_function_is_kept_and_migrated() {
    let spills = format!("{CHECKPOINTS}\n{SPILLS}");
    for (checkpoint, numbers) in [("", 2..3), (CHECKPOINTS, 1..4), (spills.as_str(), 2..3)] {
        for workers in numbers {
            let job = Swaps::start(&text(checkpoint, PROCESS, ENDLESS), workers, &Counter::of(1).component());
            job.wait_for_rows(2_000);
            let newer = |version, slot| Counter { slot, ..Counter::of(version) }.component();
            assert_eq!(job.swap(&newer(2, 1)).unwrap().migrated, 0);
            job.wait_for_rows(job.rows_in() + 2_000);
            assert_eq!(job.swap(&newer(3, 2)).unwrap().migrated, 100);
            job.wait_for_rows(job.rows_in() + 2_000);
            assert_eq!(job.swap(&newer(4, 3)).unwrap().migrated, 100);
            job.wait_for_rows(job.rows_in() + 2_000);
            // And back.
            assert_eq!(job.swap(&newer(5, 1)).unwrap().migrated, 100);
            job.wait_for_rows(job.rows_in() + 2_000);
            let (_, rows) = job.stop();
            counted_by_key(&rows, workers, &[1, 2, 3, 4, 5]);
        }
    }
}

/// Goal: V2: where the values of one worker cannot be migrated, the old version stays on all. Method: a version that traps on counts that
/// some keys have.
#[test]
fn v2_a_migration_that_fails_leaves_the_old_version_on_all_workers() {
    for (checkpoint, workers) in [("", 1), (CHECKPOINTS, 2), (CHECKPOINTS, 3)] {
        let job = Swaps::start(&text(checkpoint, PROCESS, ENDLESS), workers, &Counter::of(1).component());
        job.wait_for_rows(2_000);
        let picky = Counter { slot: 2, migrates_up_to: 1, ..Counter::of(2) }.component();
        let refused = job.swap(&picky).unwrap_err();
        assert_eq!(refused.code, &crate::code::NOT_MIGRATED);
        assert!(refused.message.contains("values of the state slot `v` cannot be migrated: "), "{refused}");
        job.swap(&Counter { slot: 2, ..Counter::of(3) }.component()).unwrap();
        job.wait_for_rows(job.rows_in() + 2_000);
        let (_, rows) = job.stop();
        counted_by_key(&rows, workers, &[1, 3]);
    }
}

/// Goal: V1 for the function of a join, whose kept rows stay. Method: each row has one pair, by its number.
#[test]
fn the_function_of_a_join_is_swapped_and_its_rows_are_kept() {
    let joined = |checkpoint: &str| {
        let text = text(checkpoint, "", ENDLESS);
        let (source, _) = text.split_once("operators:").unwrap();
        let (_, rows) = source.split_once("  rows:").unwrap();
        let operator = "operators:\n  f: { inputs: [rows, others], key: [x], join: inner, within: { before: 1s, after: 1s }, plugin: p, \
                        function: f }\nsinks:\n  out: { input: f, print: {} }\n";
        format!("{source}  others:{rows}{operator}")
    };
    for workers in [1, 2, 3] {
        let job = Swaps::start(&joined(CHECKPOINTS), workers, &join(1));
        for version in 2..6 {
            job.wait_for(2, job.rows_of(2) + 2_000);
            job.swap(&join(version)).unwrap();
        }
        job.wait_for(2, job.rows_of(2) + 2_000);
        let (_, rows) = job.stop();
        let pairs: Vec<i64> = rows.iter().map(|row| number(row, "y")).collect();
        let numbers: std::collections::BTreeSet<i64> = pairs.iter().map(|y| y / 10).collect();
        assert!(numbers.len() == pairs.len() && pairs.len() > 4_000, "{} pairs of {} rows", pairs.len(), numbers.len());
        for version in 1..6 {
            assert!(pairs.iter().any(|y| y % 10 == version), "version {version}");
        }
    }
}

/// Goal: aggregates go on with the accumulators that they have, in all kinds of windows, and partial aggregates of a version meet each other
/// rightly. Method: an aggregate that counts rows, and one that counts a million for each, take turns.
#[test]
fn aggregates_of_windows_go_on_with_their_accumulators() {
    const MANY: i64 = 1_000_000;
    for window in ["tumbling: 1h", "sliding: 40s, every: 10s", "session: 1h", "global: {}", "tumbling: 60 rows"] {
        for workers in [1, 2, 3] {
            let operator =
                format!("key: [k], window: {{ {window} }}, aggregate: {{ n: \"plugin:p/f(x)\", c: count() }}");
            let job = Swaps::start(&text(CHECKPOINTS, &operator, ENDLESS), workers, &aggregate(1));
            for weight in [MANY, 1, MANY] {
                job.wait_for_rows(job.rows_in() + 3_000);
                job.swap(&aggregate(weight)).unwrap();
            }
            job.wait_for_rows(job.rows_in() + 3_000);
            job.run.job.state().request_drain();
            let (_, rows) = job.end();
            assert!(rows.len() >= 100, "{window}: {} results", rows.len());
            let mut of = [0, 0];
            for row in &rows {
                let (n, count) = (number(row, "n"), number(row, "c"));
                assert_eq!(n % MANY + n / MANY, count, "{window}, {workers} workers: {row}");
                (of[0], of[1]) = (of[0] + n % MANY, of[1] + n / MANY);
            }
            assert!(of[0] > 2_000 && of[1] > 2_000, "{window}: rows of both versions: {of:?}");
        }
    }
}

/// Goal: V4: the checkpoint of the boundary names the old version and has its state, the next one the new version; a job is resumed from
/// both with the version that is named. Method: a job that is stopped at each checkpoint, by its files.
#[test]
fn v4_a_job_is_resumed_with_the_version_that_its_checkpoint_names() {
    let rare = CHECKPOINTS.replace("50ms", "1h");
    let text = text(&rare, PROCESS, ENDLESS);
    let (old, new) = (Counter::of(1).component(), Counter { slot: 2, ..Counter::of(2) }.component());
    let job = Swaps::start(&text, 2, &old);
    job.wait_for_rows(2_000);
    let options = SwapOptions { savepoint: Some("before".into()), ..SwapOptions::default() };
    let swapped = job.swap_with(&new, &options).unwrap();
    let taken = checkpoints(job.base.path(), &text);
    let digest = |checkpoint: &Checkpoint| {
        let of = checkpoint.operators.iter().find(|operator| operator.name == "f").unwrap();
        (of.functions[0].sha256.clone(), of.fingerprint["slots"][0]["version"].as_i64().unwrap())
    };
    let durable = taken.iter().find(|(number, _)| Some(*number) == swapped.checkpoint).unwrap();
    let (at, _) =
        taken.iter().find(|(number, checkpoint)| *number < durable.0 && checkpoint.savepoint.is_none()).unwrap();
    let before = taken.iter().find(|(number, _)| number == at).unwrap();
    assert_eq!((digest(&before.1).1, digest(&durable.1).1), (1, 2));
    assert_ne!(digest(&before.1).0, digest(&durable.1).0);
    let saved = taken.iter().find(|(_, checkpoint)| checkpoint.savepoint.is_some()).unwrap();
    assert_eq!(digest(&saved.1), digest(&before.1));
    job.wait_for_rows(job.rows_in() + 2_000);
    let (base, first) = job.stop();
    // The old version does not fit any more, and the new one goes on.
    let (mut graph, plugins) = graph(&text, base.path());
    graph.parallelism = 2;
    let mut never = |_: &_, _: &_, _| panic!("no sink is opened");
    let refused =
        crate::dataflow::worker::start_from(graph, &plugins, &mut never, &Stores::default(), Beginning::Resume);
    assert_eq!(refused.err().unwrap().code, &crate::code::OTHER_STATE);
    std::fs::write(base.path().join("p.wasm"), &new).unwrap();
    // Two splits, on three workers.
    let job = Swaps::begin(base, &text, 3, Beginning::Resume);
    job.wait_for_rows(2_000);
    let (_, rest) = job.stop();
    counted_by_key(&[first, rest].concat(), 2, &[1, 2]);
}

/// Goal: what a swap may not change is refused at once, with what to do; and one swap at a time.
#[test]
fn what_does_not_fit_is_refused_and_so_is_a_second_swap() {
    let job = Swaps::start(&text(CHECKPOINTS, PROCESS, ENDLESS), 2, &Counter::of(1).component());
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
    let first =
        state.request_swap(&job.graph_of(&Counter::of(2).component()), &job.plugins, &SwapOptions::default()).unwrap();
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
    let (_, rows) = job.stop();
    each_once(&rows, 2);
}

/// Goal: a swap has an outcome whatever the job does meanwhile. Method: requests while it is stopped, drained, fails, and has ended.
#[test]
fn a_swap_has_an_outcome_whatever_becomes_of_the_job() {
    for checkpoint in ["", CHECKPOINTS] {
        for how in ["stop", "drain", "fail", "end"] {
            let job = Swaps::start(&text(checkpoint, PROCESS, FEW), 2, &Counter::of(1).component());
            let state = Arc::clone(job.run.job.state());
            let new = job.graph_of(&Counter { slot: 2, ..Counter::of(2) }.component());
            if how == "end" {
                job.wait_for_rows(FEW as u64);
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
