//! The Nexmark queries of `examples/nexmark` over events in memory, each compared with a hand-written loop over the same events.
//!
//! Events are generated before the measurement. A query and its loop run in turn; the minimum of each counts. `events` are those
//! of all three tables, as usual for Nexmark; `rows` are those of the tables that the query reads, which both sides process. The
//! bounds apply to rows: the stricter reading.
//!
//! `cargo bench --bench nexmark -- q5 q7`: some queries. Variables: NEXMARK_EVENTS, NEXMARK_RUNS, NEXMARK_WORKERS (`1` or
//! `1,2`), and NEXMARK_LOOPS=0 to leave out the loops, so that a profile shows the job alone.

#[path = "nexmark_case.rs"]
mod nexmark_case;
#[path = "nexmark_cost.rs"]
mod nexmark_cost;
#[path = "nexmark_job.rs"]
mod nexmark_job;
#[path = "nexmark_skew.rs"]
mod nexmark_skew;
#[path = "report.rs"]
mod report;

use comfy_table::Table;
use flowgate_wall::{Limits, Plugins};
use serde_json::json;

use nexmark_case::{Bound, CASES, Events, Native};
use nexmark_cost::Cost;
use nexmark_job::Job;

/// The allowed CPU time of a row beyond twice the loop's, for the wall.
const WALL_NS: f64 = 10.0;

fn main() {
    let settings = Settings::read();
    let plugins = Plugins::new(Limits::default()).expect("the engine starts");
    let mut results = Vec::new();
    let mut table = Table::new();
    table.set_header([
        "query",
        "workers",
        "events/s",
        "rows/s",
        "wanted",
        "CPU s per M events",
        "CPU ns/row",
        "loop ns/row",
        "CPU / loop",
        "met",
    ]);
    let mut events = Events::none();
    let mut sums = Vec::new();
    for case in CASES.iter().filter(|case| settings.wants(case.query)) {
        events.hold(case.native, settings.events, settings.loops);
        for (workers, measured) in measure(case.query, &case.native, &events, &settings, &plugins) {
            let figures = Figures::of(&measured, settings.events);
            let met = figures.met(&case.bound, workers);
            table.add_row(figures.cells(case.query, workers, &case.bound, met));
            results.push(json!({
                "query": case.query,
                "workers": workers,
                "events": settings.events,
                "events_per_second": figures.events_per_second.round(),
                "cpu_seconds": measured.job.cpu_seconds,
                "native_events_per_second": (settings.events as f64 / measured.native.seconds).round(),
                "rows": measured.rows,
            }));
            sums.push((case.query, workers, measured.job.seconds));
        }
    }
    println!("{table}");
    for (query, _, one) in sums.iter().filter(|(_, workers, _)| *workers == 1) {
        if let Some((.., two)) = sums.iter().find(|(other, workers, _)| other == query && *workers == 2) {
            println!("{query}: two workers are {:.2} times as fast as one", one / two);
        }
    }
    report::write("nexmark.json", &json!(results));
    if settings.wants("skew") {
        nexmark_skew::measure(settings.events, settings.runs, &plugins);
    }
}

/// The selection of queries and runs, by arguments and variables.
struct Settings {
    queries: Vec<String>,
    events: u64,
    runs: usize,
    workers: Vec<usize>,
    loops: bool,
}

impl Settings {
    fn read() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let number =
            |name: &str, default| variable(name).map_or(default, |n| n.parse::<u64>().expect("a whole number"));
        let workers = variable("NEXMARK_WORKERS").unwrap_or_else(|| "1,2".into());
        Settings {
            queries: std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect(),
            events: number("NEXMARK_EVENTS", 10_000_000),
            runs: number("NEXMARK_RUNS", 3) as usize,
            workers: workers.split(',').map(|n| n.parse().expect("numbers of workers")).collect(),
            loops: number("NEXMARK_LOOPS", 1) != 0,
        }
    }

    fn wants(&self, query: &str) -> bool {
        self.queries.is_empty() || self.queries.iter().any(|wanted| wanted == query)
    }
}

struct Measured {
    job: Cost,
    /// NaN where loops are left out.
    native: Cost,
    rows: u64,
}

/// Measures for each number of workers. Jobs and the loop take turns, so that a machine that is slow for a while is slow for all.
fn measure(
    query: &str,
    native: &Native,
    events: &Events,
    settings: &Settings,
    plugins: &Plugins,
) -> Vec<(usize, Measured)> {
    let none = Cost { seconds: f64::NAN, cpu_seconds: f64::NAN };
    let prepare = |workers: &usize| {
        let job = Job::read(query, settings.events, *workers, plugins);
        // Holds the rows in memory, and compiles the plugin.
        let (_, rows) = job.run(plugins);
        (job, *workers, Measured { job: none, native: none, rows })
    };
    let mut all: Vec<_> = settings.workers.iter().map(prepare).collect();
    let mut native_cost = none;
    for _ in 0..settings.runs {
        for (job, _, measured) in &mut all {
            measured.job = measured.job.least(job.run(plugins).0);
        }
        if settings.loops {
            native_cost = native_cost.least(events.run(native));
        }
    }
    all.into_iter().map(|(_, workers, measured)| (workers, Measured { native: native_cost, ..measured })).collect()
}

struct Figures {
    events_per_second: f64,
    rows_per_second: f64,
    cpu_seconds_per_million: f64,
    cpu_ns: f64,
    native_ns: f64,
}

impl Figures {
    fn of(measured: &Measured, events: u64) -> Self {
        let rows = measured.rows as f64;
        Figures {
            events_per_second: events as f64 / measured.job.seconds,
            rows_per_second: rows / measured.job.seconds,
            cpu_seconds_per_million: measured.job.cpu_seconds * 1e6 / events as f64,
            cpu_ns: measured.job.cpu_seconds * 1e9 / rows,
            native_ns: measured.native.cpu_seconds * 1e9 / rows,
        }
    }

    /// Returns which of the two bounds, speed and CPU time, are met. They apply to one worker.
    fn met(&self, bound: &Bound, workers: usize) -> &'static str {
        let fast = bound.events_per_second.is_none_or(|wanted| self.rows_per_second >= wanted);
        let cheap = self.native_ns.is_nan() || self.cpu_ns <= 2.0 * self.native_ns + WALL_NS;
        match (workers, fast, cheap) {
            (2.., ..) => "",
            (_, true, true) => "yes",
            (_, true, false) => "speed, not CPU",
            (_, false, true) => "CPU, not speed",
            (_, false, false) => "no",
        }
    }

    fn cells(&self, query: &str, workers: usize, bound: &Bound, met: &str) -> Vec<String> {
        let millions = |rate: f64| format!("{:.2} M", rate / 1e6);
        vec![
            query.into(),
            workers.to_string(),
            millions(self.events_per_second),
            millions(self.rows_per_second),
            bound.events_per_second.map_or_else(String::new, millions),
            format!("{:.4}", self.cpu_seconds_per_million),
            format!("{:.1}", self.cpu_ns),
            format!("{:.1}", self.native_ns),
            format!("{:.2}", self.cpu_ns / self.native_ns),
            met.into(),
        ]
    }
}
