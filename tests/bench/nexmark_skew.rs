//! A key that half of the rows have, against keys that are spread: the gain of a second worker for each.

use flowgate_wall::Plugins;
use serde_json::json;

use crate::nexmark_job::Job;
use crate::report;

const JOB: &str = include_str!("jobs/skew.yaml");

/// Runs the job with both keys on one worker and two; the best of several runs counts.
pub(crate) fn measure(events: u64, runs: usize, plugins: &Plugins) {
    let mut table = comfy_table::Table::new();
    table.set_header(["key", "rows/s, one worker", "two workers", "as fast"]);
    let mut results = Vec::new();
    for key in ["auction", "hot"] {
        let rate = |workers| {
            let job = Job::of(JOB.replace("${KEY:-auction}", key), events, workers, plugins);
            let (_, rows) = job.run(plugins);
            let seconds = (0..runs).map(|_| job.run(plugins).0.seconds).fold(f64::INFINITY, f64::min);
            rows as f64 / seconds
        };
        let (one, two) = (rate(1), rate(2));
        let millions = |rate: f64| format!("{:.2} M", rate / 1e6);
        table.add_row([key.into(), millions(one), millions(two), format!("{:.2}", two / one)]);
        results.push(json!({ "key": key, "rows_per_second": [one.round(), two.round()] }));
    }
    println!("{table}");
    report::write("nexmark-skew.json", &json!(results));
}
