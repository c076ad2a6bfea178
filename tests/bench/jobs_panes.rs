//! Windows that overlap, against windows of the same length that do not: the cost of 60 panes a window.

use std::time::Instant;

use flowgate::job::graph::{JobGraph, SinkNode};
use flowgate::running;
use flowgate_wall::Plugins;
use serde_json::json;

use crate::report;

const JOB: &str = include_str!("jobs/panes.yaml");

/// Aggregates of each kind: an invertible one, and one that is not.
const AGGREGATES: [&str; 2] = ["count()", "max(value)"];

/// Runs both windows in turn; the best of several runs counts.
pub(crate) fn measure(rows: u64, runs: usize, graph: impl Fn(&str) -> JobGraph, plugins: &Plugins) {
    let mut table = comfy_table::Table::new();
    table.set_header(["aggregate", "rows/s, tumbling", "60 panes", "times the time"]);
    let mut results = Vec::new();
    for aggregate in AGGREGATES {
        let job = |window: &str| {
            let text = JOB.replace("${ROWS:-10000000}", &rows.to_string());
            graph(&text.replace("${WINDOW:-{ tumbling: 60s }}", window).replace("${AGGREGATE:-count()}", aggregate))
        };
        let jobs = [job("{ tumbling: 60s }"), job("{ sliding: 60s, every: 1s }")];
        let mut least = [f64::INFINITY; 2];
        for _ in 0..runs {
            for (graph, least) in jobs.iter().zip(&mut least) {
                *least = least.min(seconds(graph, plugins));
            }
        }
        let [tumbling, sliding] = least.map(|seconds| rows as f64 / seconds);
        let millions = |rate: f64| format!("{:.2} M", rate / 1e6);
        let cells =
            [aggregate.to_string(), millions(tumbling), millions(sliding), format!("{:.2}", tumbling / sliding)];
        table.add_row(cells);
        results.push(json!({
            "aggregate": aggregate,
            "tumbling_rows_per_second": tumbling.round(),
            "sliding_rows_per_second": sliding.round(),
        }));
    }
    println!("{table}");
    report::write("panes.json", &json!(results));
}

fn seconds(graph: &JobGraph, plugins: &Plugins) -> f64 {
    let start = Instant::now();
    let mut open_sink = |sink: &SinkNode, schema: &_, ends| sink.connector.open_sink(schema, ends);
    let running = running::start(graph.clone(), plugins, &mut open_sink).expect("the job starts");
    running.wait().expect("the job ends well");
    start.elapsed().as_secs_f64()
}
