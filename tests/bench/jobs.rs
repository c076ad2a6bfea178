//! Whole jobs over generated rows, each compared with a hand-written, single-threaded Rust loop over the same generator.
//!
//! Loop and job run in turn, several times; the medians count. Both generate their rows as they run: both include the time of the
//! generator.

#[path = "jobs_panes.rs"]
mod jobs_panes;
#[path = "report.rs"]
mod report;

use std::hint::black_box;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use flowgate::job::check::{Surroundings, check};
use flowgate::job::graph::JobGraph;
use flowgate::job::load::{Document, Language, load};
use flowgate::job::spec;
use flowgate::running;
use flowgate_connect::generator::Generator;
use flowgate_connect::source::SourceRows;
use flowgate_wall::{Limits, Plugins};
use hashbrown::HashMap;
use serde_json::json;

const ROWS: u64 = 10_000_000;
const REPETITIONS: usize = 3;

/// A job, and the loop that does the same.
struct Case {
    name: &'static str,
    job: &'static str,
    /// Returns the number of result rows.
    native: fn(&Generator) -> u64,
}

const CASES: [Case; 3] = [
    Case { name: "filter-map", job: include_str!("jobs/filter-map.yaml"), native: filter_map },
    Case { name: "word-count", job: include_str!("jobs/word-count.yaml"), native: word_count },
    Case { name: "keyed-count", job: include_str!("jobs/keyed-count.yaml"), native: keyed_count },
];

fn main() {
    // `cargo bench --bench jobs -- word-count 1000000`: one job, other rows.
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let rows = arguments.iter().position(|a| a.parse::<u64>().is_ok()).map(|i| arguments.remove(i));
    let rows: u64 = rows.and_then(|r| r.parse().ok()).unwrap_or(ROWS);
    let plugins = Plugins::new(Limits::default()).expect("the engine starts");
    let mut results = Vec::new();
    let mut table = comfy_table::Table::new();
    table.set_header(["job", "workers", "rows/s", "native rows/s", "job / native time"]);
    for case in CASES.iter().filter(|c| arguments.is_empty() || arguments.iter().any(|a| a == c.name)) {
        for workers in [1, 2] {
            let (job, native) = measure(case, rows, workers, &plugins);
            results.push(json!({
                "job": case.name,
                "workers": workers,
                "rows_per_second": job.round(),
                "native_rows_per_second": native.round(),
            }));
            let shown = |rate: f64| format!("{:.2}M", rate / 1e6);
            let ratio = format!("{:.2}", native / job);
            table.add_row([case.name.to_string(), workers.to_string(), shown(job), shown(native), ratio]);
        }
    }
    if !results.is_empty() {
        println!("{table}");
        report::write("jobs.json", &json!(results));
    }
    if arguments.is_empty() || arguments.iter().any(|a| a == "panes") {
        jobs_panes::measure(rows, REPETITIONS, |text| graph(&read(text, rows, 1), &plugins), &plugins);
    }
}

/// Returns rows a second: job, native loop.
fn measure(case: &Case, rows: u64, workers: usize, plugins: &Plugins) -> (f64, f64) {
    let job = read(case.job, rows, workers);
    let settings = job.sources["rows"].connectors["generator"].clone();
    let generator_spec = serde_json::from_value(settings).expect("settings of a generator");
    let generator = Generator::new(&generator_spec).expect("a good generator");
    let graph = graph(&job, plugins);
    let mut rates = Vec::new();
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        black_box((case.native)(&generator));
        let native = rows as f64 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        let mut open_sink =
            |sink: &flowgate::job::graph::SinkNode, schema: &_, ends| sink.connector.open_sink(schema, ends);
        let running = running::start(graph.clone(), plugins, &mut open_sink).expect("the job starts");
        running.wait().expect("the job ends well");
        rates.push((rows as f64 / start.elapsed().as_secs_f64(), native));
    }
    (report::median(rates.iter().map(|r| r.0).collect()), report::median(rates.iter().map(|r| r.1).collect()))
}

fn read(text: &str, rows: u64, workers: usize) -> spec::Job {
    let environment = |name: &str| match name {
        "ROWS" => Some(rows.to_string()),
        "WORKERS" => Some(workers.to_string()),
        _ => None,
    };
    let document = Document { name: "job.yaml".into(), text: text.into(), language: Language::Yaml, base: ".".into() };
    let loaded = load(document, &[], &environment);
    assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
    loaded.job.expect("a job")
}

fn graph(job: &spec::Job, plugins: &Plugins) -> JobGraph {
    let folders = ["bench", "plugins"].map(|f| report::target_folder().join(f));
    let around = Surroundings { plugin_folders: folders.into(), ..Surroundings::default() };
    check(job, &around, &mut plugins.clone()).unwrap_or_else(|problems| panic!("{problems:?}")).graph
}

fn blocks(generator: &Generator) -> impl Iterator<Item = SourceRows> + '_ {
    (0..).map_while(|block| generator.fill(block))
}

/// Nine rows of ten, with a new price and a rebuilt text; a batch of results at a time, then dropped.
fn filter_map(generator: &Generator) -> u64 {
    let mut count = 0;
    for rows in blocks(generator) {
        let auction = rows.columns[0].as_primitive::<Int64Type>().values();
        let price = rows.columns[1].as_primitive::<Int64Type>().values();
        let channel = rows.columns[2].as_string::<i32>();
        let (mut prices, mut ends) = (Vec::with_capacity(rows.row_count), Vec::with_capacity(rows.row_count));
        let mut texts: Vec<u8> = Vec::with_capacity(channel.values().len() + rows.row_count);
        for row in 0..rows.row_count {
            if auction[row] % 10 != 3 {
                prices.push(price[row] * 908 / 1000);
                texts.extend_from_slice(channel.value(row).as_bytes());
                texts.push(b'!');
                ends.push(texts.len() as u32);
            }
        }
        count += prices.len() as u64;
        black_box((prices, ends, texts));
    }
    count
}

fn word_count(generator: &Generator) -> u64 {
    let mut counts: HashMap<String, i64> = HashMap::new();
    for rows in blocks(generator) {
        for line in rows.columns[0].as_string::<i32>().iter().flatten() {
            for word in line.split(' ') {
                *counts.entry_ref(word).or_default() += 1;
            }
        }
    }
    black_box(counts).len() as u64
}

/// Tumbling windows of 10 s by key; a window is emitted when a row 1 s behind its end has arrived.
fn keyed_count(generator: &Generator) -> u64 {
    let mut windows: HashMap<i64, HashMap<i64, i64>> = HashMap::new();
    let (mut greatest, mut count) = (i64::MIN, 0);
    for rows in blocks(generator) {
        let time = rows.columns[0].as_primitive::<TimestampMillisecondType>().values();
        let key = rows.columns[1].as_primitive::<Int64Type>().values();
        for (time, key) in time.iter().zip(key) {
            *windows.entry(time.div_euclid(10_000)).or_default().entry(*key).or_default() += 1;
            greatest = greatest.max(*time);
        }
        let done: Vec<i64> = windows.keys().copied().filter(|w| (w + 1) * 10_000 + 1_000 <= greatest).collect();
        for window in done {
            count += windows.remove(&window).map_or(0, |w| black_box(w).len() as u64);
        }
    }
    count + windows.into_values().map(|w| w.len() as u64).sum::<u64>()
}
