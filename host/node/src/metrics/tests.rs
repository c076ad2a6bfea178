//! The page: word for word, with names that mean harm, and with more than it can hold.

use proptest::prelude::*;

use super::limits::{LABEL_BYTES_MAX, OPERATORS_MAX, PLUGIN_METRICS_MAX, SAMPLES_MAX};
use super::parser::{Parsed, parse};
use super::requests::Requests;
use super::*;
use flowgate_control::figures::{
    Calls, Checkpoints, FunctionName, JobFigures, Load, MetricValue, PluginMetric, Spill, Traffic, WorkerCpu,
};
use flowgate_control::status::{
    Activity, Checkpoint, Deliveries, Input, Kind, OnWorker, Operator, Phase, StateFigures, Status,
};

const NOW: i64 = 1_767_268_800_000;

fn operator(name: &str, kind: Kind, input: Option<&str>) -> Operator {
    let load = Load { busy_us: 1_500_000, output_full_ms: 250, output_full_permille: 40, ..Load::default() };
    Operator {
        name: name.into(),
        kind,
        inputs: input.map(|of| Input { operator: of.into(), output: String::new() }).into_iter().collect(),
        rows_in: 1_000,
        rows_out: 990,
        errors: 7,
        late: 3,
        dropped: 2,
        first_error: None,
        last_row_out_ms: None,
        event_time: None,
        on_workers: vec![OnWorker {
            worker: 0,
            watermark_ms: Some(NOW - 2_500),
            activity: Activity::Active,
            watermark_moved_ms: None,
            held_by: None,
            output_full_since_ms: None,
            input_full_since_ms: None,
            aligned_since_ms: None,
            load,
        }],
        rows_wait_since_ms: None,
        state: StateFigures::default(),
        pending: None,
        splits: Vec::new(),
        splits_left_out: 0,
        deliveries: None,
        traffic: Traffic { batches_in: 10, bytes_in: 8_000, batches_out: 9, bytes_out: 7_900 },
        rows_wait_permille: 0,
        function: None,
        calls: None,
        timers_fired: 0,
        plugin_metrics: Vec::new(),
    }
}

/// A source, a plugin's function with state, and a sink.
fn status() -> Status {
    let mut counts = operator("counts", Kind::Process, Some("hits"));
    counts.timers_fired = 30;
    counts.function = Some(FunctionName { plugin: "sensors".into(), function: "readings".into() });
    let mut times = vec![0; 26];
    (times[3], times[10], times[25]) = (90, 9, 1);
    counts.calls = Some(Calls {
        times,
        time_us: 31_000_000,
        failed_us: 1_500_000,
        traps: 2,
        deadlines: 1,
        memory_bytes: 1 << 20,
        ..Calls::default()
    });
    counts.plugin_metrics = vec![
        PluginMetric { name: "known".into(), value: MetricValue::Gauge(0.5) },
        PluginMetric { name: "seen".into(), value: MetricValue::Counter(12) },
    ];
    counts.state = StateFigures { keys: 40, memory_bytes: 4_096, spilled_keys: 4 };
    let mut out = operator("out", Kind::Sink, Some("counts"));
    out.deliveries = Some(Deliveries { delivered: 900, waiting: 90, retrying: 0, retries: 1 });
    let checkpoint =
        Checkpoint { number: 7, at_ms: NOW - 4_000, bytes: 2_048, duration_us: 30_500, pause_us: 900, failure: None };
    Status {
        job: "web".into(),
        job_file: None,
        pid: 1,
        since_ms: NOW - 600_000,
        now_ms: NOW,
        phase: Phase::Running,
        workers: 1,
        operators: vec![operator("hits", Kind::Union, None), counts, out],
        checkpoint: Some(checkpoint),
        warnings: Vec::new(),
        error: None,
        figures: JobFigures {
            cpu_us: Some(2_250_000),
            worker_cpu: vec![WorkerCpu { worker: 0, cpu_us: 2_000_000 }],
            resident_bytes: Some(14 << 20),
            proportional_bytes: Some(9 << 20),
            checkpoints: Some(Checkpoints { taken: 60, failed: 1, bytes: 99, duration_us: 1_800_000, failure: None }),
            spill: Spill { bytes_written: 512, file_bytes: 8_192, waited_us: 250_000, ..Spill::default() },
            log_lines_dropped: 0,
        },
    }
}

fn node() -> NodeFigures {
    let requests = Requests::default();
    requests.note("/v1/jobs/{job}", "GET", 200, std::time::Duration::from_micros(900));
    let quota = |used, limit| QuotaUse { tenant: "acme".into(), quota: "jobs", used, limit, refusals: 2 };
    NodeFigures {
        version: "0.1.0".into(),
        since_ms: NOW - 3_600_000,
        cpu_us: Some(1_500_000),
        resident_bytes: Some(30 << 20),
        disk: Some(Disk { free_bytes: 1 << 30, size_bytes: 1 << 32 }),
        tenants: 2,
        quotas: vec![quota(Some(2.0), Some(20.0))],
        requests: requests.figures(),
        log_lines_dropped: Some(0),
        compiles: Some(Compiles { waiting: 1, running: 1, done: 5, failed: 1 }),
    }
}

#[test]
fn the_page_is_the_one_of_the_golden_file() {
    let status = status();
    let running = JobView { tenant: "acme", job: "web", status: Some(&status), restarts: 1, phase: "running" };
    let failed = JobView { tenant: "acme", job: "old", status: None, restarts: 9, phase: "failed" };
    let page = render(&node(), &[running, failed]);
    assert_eq!(page, render(&node(), &[failed, running]), "the order of the jobs does not matter");
    parse(&page).expect("it is well-formed");
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/metrics/golden.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &page).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    assert_eq!(page, expected, "UPDATE_GOLDEN=1 writes it; read the difference");
}

/// The golden page has every metric: no row of the table is there for nothing.
#[test]
fn every_metric_of_the_table_is_on_the_golden_page() {
    let golden = parse(include_str!("golden.txt")).unwrap();
    let missing: Vec<&str> =
        table::ALL.iter().map(|metric| metric.name).filter(|name| !golden.kinds.contains_key(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

fn page_of(tenant: &str, job: &str, status: &Status) -> Parsed {
    let view = JobView { tenant, job, status: Some(status), restarts: 0, phase: "running" };
    parse(&render(&node(), &[view])).unwrap_or_else(|why| panic!("{why}"))
}

proptest! {
    /// Goal: a name, whatever is in it, is the value of one label and nothing else. Method: names made of what has a meaning in the format or on a
    /// terminal, on a strict parser.
    #[test]
    fn a_name_cannot_leave_its_label(
        tenant in "[\\\\\"{}\n\r,=# a\u{1b}\u{0}\u{202e}é]{1,20}",
        name in "[\\\\\"{}\n\r,=# a\u{1b}\u{85}\u{2028}🦀]{0,200}",
    ) {
        let mut status = status();
        status.operators[1].name = name.clone();
        status.operators[1].function = Some(FunctionName { plugin: name.clone(), function: String::new() });
        status.operators[1].plugin_metrics[0].name = name.clone();
        let page = page_of(&tenant, &name, &status);
        let plain = page_of("acme", "web", &self::status());
        // Names that are equal when they are cut or escaped are one series: the samples of one operator at most are left out.
        let lost = plain.samples.len() - page.samples.len();
        let other = ["hits", "out"].contains(&name.as_str());
        prop_assert!(lost == 0 || other, "{} are lost", lost);
        for sample in &page.samples {
            for (_, value) in &sample.labels {
                prop_assert!(value.len() <= LABEL_BYTES_MAX && !value.chars().any(flowgate_base::shown::has_power), "{value:?}");
            }
        }
    }
}

fn left_out(page: &Parsed, tenant: &str) -> f64 {
    page.of("flowgate_metrics_left_out").find(|sample| sample.label("tenant") == tenant).expect("it is there").value
}

#[test]
fn a_job_of_many_operators_shows_the_first_and_says_how_many_are_missing() {
    let mut status = status();
    let published = |i| PluginMetric { name: format!("m{i}"), value: MetricValue::Counter(i) };
    status.operators[1].plugin_metrics = (0..PLUGIN_METRICS_MAX as u64 + 5).map(published).collect();
    let more = (0..OPERATORS_MAX).map(|i| operator(&format!("x{i}"), Kind::Union, None));
    status.operators.extend(more);
    let page = page_of("acme", "web", &status);
    assert_eq!(page.of("flowgate_operator_rows_in_total").count(), OPERATORS_MAX);
    assert_eq!(page.of("flowgate_plugin_published_total").count(), PLUGIN_METRICS_MAX);
    assert_eq!(left_out(&page, "acme"), 5.0 + 3.0 * 12.0, "five metrics, and three operators");
}

/// Goal: the page is bounded, and a tenant with very many jobs takes no series of another. Method: one with thousands beside one with two.
#[test]
fn a_tenant_with_many_jobs_takes_no_place_of_another() {
    let status = status();
    let names: Vec<String> = (0..2_000).map(|i| format!("job{i:04}")).collect();
    let view = |tenant, job| JobView { tenant, job, status: Some(&status), restarts: 0, phase: "running" };
    let mut jobs: Vec<JobView<'_>> = names.iter().map(|name| view("big", name)).collect();
    jobs.extend([view("small", "one"), view("small", "two")]);
    let page = parse(&render(&node(), &jobs)).unwrap();
    assert!(page.samples.len() <= SAMPLES_MAX && page.samples.len() > SAMPLES_MAX * 9 / 10, "{}", page.samples.len());
    let up = |tenant: &str| page.of("flowgate_job_up").filter(|sample| sample.label("tenant") == tenant).count();
    assert_eq!((up("small"), left_out(&page, "small")), (2, 0.0));
    assert!(left_out(&page, "big") > 0.0);
    let phases = page.of("flowgate_jobs").find(|sample| sample.label("tenant") == "big");
    assert_eq!(phases.map(|sample| sample.value), Some(2_000.0), "all of them count");
}

#[test]
fn no_job_is_no_trouble() {
    let page = parse(&render(&NodeFigures::default(), &[])).unwrap();
    assert_eq!(left_out(&page, ""), 0.0);
}
