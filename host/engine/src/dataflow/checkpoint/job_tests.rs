//! Whole jobs that take checkpoints, on worker threads.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use flowgate_base::clock;
use flowgate_base::time::ProcessingTime;
use flowgate_checkpoint::store::Stores;
use flowgate_checkpoint::{Attempt, Checkpoint, History, Manifest, Start};

use super::begin::Beginning;
use crate::dataflow::engine::Tick;
use crate::dataflow::job_tests::{begin, graph};
use crate::dataflow::source::LEAD_MS;

const AHEAD_MS: u64 = 200;

/// Two sources of ten rows; each waits 50 ms for the next.
const SLOW: &str = r#"
job: slow
checkpoint: { every: 30ms, store: store }
sources:
  a: { generator: { rows: 10, rate: 20, batch_rows: 1, columns: { n: { int: { min: 0, max: 9 } } } } }
  b: { generator: { rows: 10, rate: 20, batch_rows: 1, columns: { n: { int: { min: 0, max: 9 } } } } }
operators:
  both: { union: [a, b] }
sinks:
  out: { input: both, print: {} }
"#;

/// Writes a checkpoint of a job that has read nothing, at a tick.
fn commit(base: &Path, tick: Tick) {
    let (graph, _) = graph(SLOW, base);
    let store = Stores::default().open(&graph.checkpoint.unwrap().store).unwrap();
    let (attempt, _) = Attempt::begin(&store, "slow", Start::Fresh).unwrap();
    let checkpoint = Checkpoint { tick: tick.0, key_groups: graph.key_groups, parallelism: 1, ..Checkpoint::default() };
    attempt.commit(checkpoint).unwrap();
}

/// The checkpoints that a job has left.
fn checkpoints(base: &Path) -> Vec<Manifest> {
    let (graph, _) = graph(SLOW, base);
    let store = Stores::default().open(&graph.checkpoint.unwrap().store).unwrap();
    let history = History::read(&store).unwrap();
    let manifests = history.entries().iter().map(|entry| entry.manifest.as_ref().unwrap().clone());
    manifests.filter(|manifest| manifest.checkpoint().is_some()).collect()
}

/// A source measured its pauses by ticks: where these were ahead of the clock, it was woken too early, and not again.
#[test]
fn a_job_whose_checkpoint_is_ahead_of_the_clock_goes_on() {
    let base = tempfile::tempdir().unwrap();
    commit(base.path(), Tick::at(clock::now()).plus_ms(AHEAD_MS));
    for parallelism in [1, 2] {
        // A pause is longer than the ticks are ahead, and no boundary wakes the sources.
        let text = SLOW.replace("rows: 10, rate: 20", "rows: 3, rate: 3").replace("30ms", "1h");
        let (mut graph, plugins) = graph(&text, base.path());
        graph.parallelism = parallelism;
        let run = begin(graph, &plugins, Beginning::Resume);
        (0..6).for_each(|_| _ = run.next());
        run.end();
        commit(base.path(), Tick::at(clock::now()).plus_ms(AHEAD_MS));
    }
}

/// Each boundary raises the ticks: with many of them, processing time went twice as fast as the clock.
#[test]
fn ticks_stay_close_to_the_clock_however_many_checkpoints_there_are() {
    let base = tempfile::tempdir().unwrap();
    let (graph, plugins) = graph(SLOW, base.path());
    begin(graph, &plugins, Beginning::New).end();
    let manifests = checkpoints(base.path());
    assert!(manifests.len() >= 2, "{} checkpoints", manifests.len());
    for manifest in manifests {
        // The manifest is written after its boundary.
        let ahead =
            Tick(manifest.checkpoint().unwrap().tick).processing_time().ms_since(ProcessingTime(manifest.time_ms));
        assert!(ahead <= LEAD_MS as i64, "{ahead} ms ahead of the clock");
    }
}

/// The sink of a source that has ended stays until the job's last checkpoint; it held the tick of its end until then, and the rows of
/// the other source waited for it.
#[test]
fn a_sink_whose_source_has_ended_does_not_hold_back_others() {
    let text = r#"
job: two
checkpoint: { every: 20ms, store: store }
in_flight: { ticks: 4 }
sources:
  short: { generator: { rows: 10, columns: { n: { int: { min: 0, max: 9 } } } } }
  long: { generator: { rows: 300, rate: 1000, batch_rows: 1, columns: { n: { int: { min: 0, max: 9 } } } } }
sinks:
  first: { input: short, print: {} }
  second: { input: long, file: { path: out.jsonl, format: json } }
"#;
    for parallelism in [1, 2] {
        let base = tempfile::tempdir().unwrap();
        let (mut graph, plugins) = graph(text, base.path());
        graph.parallelism = parallelism;
        let run = begin(graph, &plugins, Beginning::New);
        (0..310).for_each(|_| _ = run.next());
        run.end();
    }
}

/// A sink that does not answer delays the checkpoint, which is reported and completed later.
#[test]
fn a_checkpoint_that_takes_longer_than_its_timeout_names_who_delays_it() {
    let base = tempfile::tempdir().unwrap();
    let (graph, plugins) = graph(&SLOW.replace("every: 30ms", "every: 30ms, timeout: 60ms, keep: 100"), base.path());
    let run = begin(graph, &plugins, Beginning::New);
    run.next();
    let stopped = run.stop_sinks();
    let expected = "`checkpoint`: the checkpoint is not complete after 60ms: it waits for `out`";
    let begun = Instant::now();
    while !run.job.state().warnings().iter().any(|warning| warning.starts_with(expected)) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", run.job.state().warnings());
        sleep(Duration::from_millis(10));
    }
    drop(stopped);
    run.end();
    let slowest = checkpoints(base.path()).into_iter().filter_map(|manifest| manifest.checkpoint().cloned());
    let slowest = slowest.max_by_key(|checkpoint| checkpoint.stats.duration_us).unwrap();
    assert!(slowest.stats.duration_us >= 60_000, "{:?}", slowest.stats);
    assert_eq!(slowest.stats.held_by.as_deref(), Some("out"));
}
