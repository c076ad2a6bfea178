//! Swaps of a function under load: for how long rows wait.
//!
//! A process function with 100,000 keys of state is swapped 100 times while rows arrive at their rate. The gap of a swap is the longest time
//! from the boundary at the operator, on a worker, until it could process the next row. `SWAP_BENCH_RATE=20000 SWAP_BENCH_SWAPS=20` is a
//! quick look.

#[path = "report.rs"]
mod report;

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use flowgate::job::check::{Surroundings, check};
use flowgate::job::graph::JobGraph;
use flowgate::job::load::{Document, Language, load};
use flowgate::running::SwapOptions;
use flowgate::submit::open_sink;
use flowgate_wall::{Limits, Plugins};
use serde_json::json;

/// The p99 of the gap, in milliseconds.
const GAP_MS_BOUND: f64 = 50.0;

const KEYS: u64 = 100_000;
const WORKERS: usize = 2;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a whole number"))
}

fn text(rate: u64) -> String {
    format!(
        "job: swapped
parallelism: {WORKERS}
plugins: {{ bench: bench.wasm }}
checkpoint: {{ every: 1s, store: store }}
sources:
  rows:
    generator: {{ rows: 1000000000, rate: {rate}, columns: {{ auction: {{ int: {{ min: 0, max: {} }} }} }} }}
operators:
  numbered: {{ input: rows, key: [auction], plugin: bench, function: number_rows }}
sinks:
  out: {{ input: numbered, blackhole: {{}} }}
",
        KEYS - 1
    )
}

fn graph(text: &str, folder: &Path, plugins: &Plugins) -> JobGraph {
    let document =
        Document { name: "swap.yaml".into(), text: text.into(), language: Language::Yaml, base: folder.into() };
    let loaded = load(document, &[], &|_| None);
    assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
    let around = Surroundings::of(folder, None, None);
    let job = loaded.job.as_ref().expect("it was read");
    match check(job, &around, &mut plugins.clone()) {
        Ok(checked) => checked.graph,
        Err(problems) => panic!("{}", loaded.report(&problems, false)),
    }
}

fn main() {
    let (rate, swaps) = (setting("SWAP_BENCH_RATE", 200_000), setting("SWAP_BENCH_SWAPS", 100));
    let folder = report::target_folder().join("bench").join("swap");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("target/bench can be made");
    let folder = std::fs::canonicalize(&folder).expect("it is there");
    let component = std::fs::read(report::target_folder().join("bench/bench.wasm")).expect("bench.wasm is built");
    // Two versions of the same: a section of a component that nobody reads tells them apart.
    let paths = [b'1', b'2'].map(|version| {
        let path = folder.join(format!("bench-{}.wasm", version as char));
        std::fs::write(&path, [&component[..], &[0, 3, 1, b'v', version]].concat()).expect("it can be written");
        path
    });
    let plugins = Plugins::new(Limits::default()).expect("the engine starts");
    let graphs = paths.map(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        graph(&text(rate).replace("bench.wasm", name), &folder, &plugins)
    });
    let job = flowgate::running::start(graphs[0].clone(), &plugins, &mut open_sink).expect("the job starts");
    let state = std::sync::Arc::clone(job.state());
    let rows_in = || state.metrics.nodes[1].rows_in.load(Relaxed);
    // Each key has state.
    while rows_in() < 5 * KEYS {
        std::thread::sleep(Duration::from_millis(20));
        assert!(state.failure().is_none(), "{:?}", state.failure());
    }
    let (began, before) = (Instant::now(), rows_in());
    let mut gaps_ms = Vec::new();
    for swap in 0..swaps as usize {
        let swapping = state.request_swap(&graphs[(swap + 1) % 2], &plugins, &SwapOptions::default());
        let (swapped, _) = swapping.and_then(|swapping| swapping.wait()).expect("the swap happens");
        gaps_ms.push(swapped.gap_us as f64 / 1_000.0);
    }
    let seconds = began.elapsed().as_secs_f64();
    let rows_per_second = (rows_in() - before) as f64 / seconds;
    state.request_stop();
    job.wait().expect("the job stops");
    let (read, delivered) = (state.metrics.nodes[0].rows_out.load(Relaxed), state.metrics.nodes[2].delivered());
    gaps_ms.sort_by(f64::total_cmp);
    let of = |share: f64| gaps_ms[((gaps_ms.len() - 1) as f64 * share).round() as usize];
    let (p50, p99) = (of(0.5), of(0.99));
    println!(
        "{swaps} swaps in {seconds:.1} s at {rows_per_second:.0} rows/s, {KEYS} keys: gap p50 {p50:.2} ms, p99 {p99:.2} ms (bound {GAP_MS_BOUND} \
         ms); {read} rows read, {delivered} delivered"
    );
    assert_eq!(read, delivered, "no row is lost, none comes twice");
    report::write(
        "swap.json",
        &json!([
            { "case": "swap gap p50", "value": p50, "unit": "ms", "bound": null },
            { "case": "swap gap p99", "value": p99, "unit": "ms", "bound": GAP_MS_BOUND },
            { "case": "swap rows", "value": rows_per_second.round(), "unit": "rows/s", "bound": null },
        ]),
    );
}
