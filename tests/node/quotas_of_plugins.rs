//! Quotas of plugins: memory, granted files, metrics, compilations, and processor time in the host's imports.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use flowgate_hostile::{lines, plugin};
use harness::{cpu_ticks, wait_until};
use serde_json::{Value, json};

use crate::served::Served;

/// Grows by two MiB in its first call, and then answers with no `y`.
const GROWS: &str = "
(global $grown (mut i32) (i32.const 0))
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (if (i32.eqz (global.get $grown))
    (then (global.set $grown (memory.grow (i32.const 32)))))
  (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (global.set $top (i32.const 8192))
  (i32.const 256))
";

/// Calls an import in a loop, and nothing else.
const CALLS: &str = r#"
(import "flowgate:plugin/metrics@0.1.0" "add" (func $add (param i32 i32 i64)))
(data (i32.const 2048) "calls")
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (local $i i32)
  (loop $next
    (call $add (i32.const 2048) (i32.const 5) (i64.const 1))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $i) (i32.const 2000))))
  (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (global.set $top (i32.const 8192))
  (i32.const 256))
"#;

/// A job `web` of the plugin `hostile`, with batches of 100 rows, whose dead letters are in a file.
fn document(rate: &str) -> String {
    format!(
        "job: web\nsources: {{ rows: {{ generator: {{ {rate}batch_rows: 100, columns: {{ x: {{ sequence: {{}} }} }} }} }} }}\n\
         operators: {{ op: {{ input: rows, plugin: hostile, function: f }} }}\n\
         sinks:\n  out: {{ input: op, blackhole: {{}} }}\n  bad: {{ input: op.errors, file: {{ path: bad.jsonl }} }}\n"
    )
}

/// A node with a tenant that has these quotas, and runs the job with this plugin.
fn run(quotas: &Value, component: &str, rate: &str) -> (Served, String) {
    let served = Served::start();
    let token = served.tenant("acme", quotas);
    served.push_component(&token, "acme", "hostile", &plugin(component, false)).expect(201);
    served.submit(&token, "acme", &document(rate));
    served.wait_for_phase(&token, "acme", "web", "running");
    (served, token)
}

/// What the job shows of the operator.
fn operator(served: &Served, token: &str) -> Value {
    let job = served.job(token, "acme", "web");
    let operators = job["status"]["operators"].as_array().cloned().unwrap_or_default();
    operators.into_iter().find(|operator| operator["name"] == "op").unwrap_or_default()
}

/// Waits until the job has this many dead letters, in its first attempt, and says why in the file with them.
#[track_caller]
fn fails_rows_for(served: &Served, token: &str, why: &str) {
    wait_until("no row has failed", || operator(served, token)["errors"].as_u64() > Some(200));
    let bad = served.files("acme", "web").join("bad.jsonl");
    wait_until("the dead letters do not arrive", || fs::read_to_string(&bad).is_ok_and(|text| text.contains(why)));
    let job = served.job(token, "acme", "web");
    assert_eq!((&job["phase"], &job["attempt"]), (&json!("running"), &json!(1)), "{job:#}");
}

/// Goal: a call that takes more memory than `instance_memory_bytes` traps, its rows are dead letters, and the job goes on.
#[test]
fn a_call_over_the_memory_of_an_instance_fails_its_rows() {
    let (served, token) = run(&json!({ "instance_memory_bytes": 1 << 20 }), GROWS, "rate: 2000, ");
    fails_rows_for(&served, &token, "grew beyond 1MiB of memory");
}

/// Goal: the same for the memory of all instances, each of which is within its own.
#[test]
fn a_call_over_the_memory_of_all_instances_fails_its_rows() {
    let (served, token) = run(&json!({ "instances_memory_bytes": 1 << 20 }), GROWS, "rate: 2000, ");
    fails_rows_for(&served, &token, "all plugins of the job together may have 1MiB of memory");
}

/// Goal: without these quotas the same plugin fails no row.
#[test]
fn a_call_within_its_memory_fails_no_row() {
    let (served, token) = run(&json!({}), GROWS, "rate: 2000, ");
    wait_until("no row is processed", || operator(&served, &token)["rows_out"].as_u64() > Some(1_000));
    assert_eq!(operator(&served, &token)["errors"], 0);
}

/// Goal: a function does not open with granted files over `granted_file_bytes`.
#[test]
fn a_function_opens_no_more_than_the_quota_of_granted_files() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({ "granted_file_bytes": 1_024 }));
    served.push_component(&token, "acme", "hostile", &plugin("", false)).expect(201);
    let path = served.path().join("words.txt");
    let document =
        document("rate: 1, ").replace("function: f", &format!("function: f, files: {{ words: {} }}", path.display()));
    let request = json!({ "document": document });
    fs::write(&path, "w".repeat(2_048)).unwrap();
    let refused = served.ask(&token, "POST", "/api/v1/tenants/acme/jobs", Some(&request)).expect(422);
    let why = refused["detail"].as_str().unwrap();
    assert!(
        why.contains("file `words` has 2KiB: the files that functions of the job have open may have 1KiB together"),
        "{why}"
    );
    fs::write(&path, "w".repeat(500)).unwrap();
    served.ask(&token, "POST", "/api/v1/tenants/acme/jobs", Some(&request)).expect(201);
    served.wait_for_phase(&token, "acme", "web", "running");
}

/// Goal: a function publishes no more metrics than `metric_names`.
#[test]
fn a_function_has_no_more_metrics_than_the_quota() {
    let (served, token) = run(&json!({ "metric_names": 3 }), &lines("metric_flood"), "rate: 100, ");
    let metrics = || operator(&served, &token)["plugin_metrics"].as_array().map_or(0, Vec::len);
    wait_until("it publishes nothing", || metrics() > 0);
    wait_until("it does not go on", || operator(&served, &token)["rows_out"].as_u64() > Some(300));
    assert_eq!(metrics(), 3);
}

/// Goal: updates over `metric_updates_per_s` are dropped and counted, and the log says so; those within it count.
#[test]
fn updates_of_metrics_keep_to_the_quota() {
    let began = Instant::now();
    let (served, token) = run(&json!({ "metric_updates_per_s": 500 }), CALLS, "rate: 1000, ");
    wait_until("none is dropped", || {
        operator(&served, &token)["calls"]["metric_updates_dropped"].as_u64() > Some(10_000)
    });
    let counted = operator(&served, &token)["plugin_metrics"][0]["value"]["counter"].as_u64();
    let most = 500 + (began.elapsed().as_secs_f64() * 500.0) as u64;
    assert!(counted.is_some_and(|counted| (500..=most).contains(&counted)), "{counted:?} of {most}");
    wait_until("the log does not say so", || {
        served.logs(&token, "acme", "web").contains("updates of metrics are dropped")
    });
}

/// Goal: a push over `compiles_per_min` is refused with the time after which it is not, also when it is tried again at once; it is counted;
/// what is compiled already is not refused; and another tenant is not affected.
#[test]
fn a_push_over_the_quota_of_compilations_waits_as_told() {
    let served = Served::start();
    let (token, other) =
        (served.tenant("acme", &json!({ "compiles_per_min": 20 })), served.tenant("umbrella", &json!({})));
    let component = |number: u32| plugin(&format!("(data (i32.const 2048) \"{number}\")"), false);
    let push =
        |token: &str, tenant: &str, number: u32| served.push_component(token, tenant, "plenty", &component(number));
    let begun = Instant::now();
    let refused = (0..).find(|number| push(&token, "acme", *number).status != 201).unwrap();
    // As many at once as a minute has, and those that have come meanwhile.
    let most = 20 + begun.elapsed().as_secs() / 3;
    assert!((20..=most).contains(&u64::from(refused)), "{refused} pushes of {most}");
    let again = push(&token, "acme", refused);
    let text = again.text();
    assert_eq!(again.status, 403, "{text}");
    let seconds: u64 = again.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("a time");
    assert!((1..=4).contains(&seconds) && text.contains(&format!("try again in {seconds} s")), "{seconds}: {text}");
    assert!(text.contains("quota `compiles_per_min` is 20"), "{text}");
    push(&other, "umbrella", refused).expect(201);
    // The newest one is there, and another name for it is not another compilation.
    served.push_component(&token, "acme", "renamed", &component(refused - 1)).expect(201);
    let metrics = served.ask(&served.admin, "GET", "/metrics", None).text();
    let count = |tenant: &str| {
        let line = format!("flowgate_quota_refusals_total{{tenant=\"{tenant}\",quota=\"compiles_per_min\"}} ");
        metrics.lines().find_map(|of| of.strip_prefix(line.as_str())?.parse::<u64>().ok())
    };
    assert!(count("acme") >= Some(2) && count("umbrella").unwrap_or(0) == 0, "{:?}", count("acme"));
    sleep(Duration::from_secs(seconds));
    push(&token, "acme", refused).expect(201);
}

/// Goal: processor time that the host spends in imports is the tenant's: a plugin that does nothing but call one keeps to `cpu_cores`, whoever
/// limits the job.
#[test]
fn processor_time_in_imports_is_of_the_tenant() {
    const CORES: f64 = 0.25;
    let (served, token) = run(&json!({ "cpu_cores": CORES }), CALLS, "");
    wait_until("it calls nothing", || operator(&served, &token)["calls"]["time_us"].as_u64() > Some(200_000));
    let workers = served.workers();
    let [(_, pid)] = workers[..] else { panic!("{workers:?}") };
    let in_calls = || operator(&served, &token)["calls"]["time_us"].as_u64().unwrap_or_default();
    let (began, before, called) = (Instant::now(), cpu_ticks(pid), in_calls());
    sleep(Duration::from_secs(4));
    let (ticks, took, called) = (cpu_ticks(pid) - before, began.elapsed().as_secs_f64(), in_calls() - called);
    let share = ticks as f64 / 100.0 / took;
    println!("{share:.3} cores, {:.3} of them in calls", called as f64 / 1e6 / took);
    // A bucket of 100 ms may be full at the beginning, and a batch is paid for behind it.
    assert!(share <= CORES + 0.15 / took + 0.05, "{share} cores");
    assert!(called > 0, "it calls nothing");
    let job = served.job(&token, "acme", "web");
    assert_eq!((&job["phase"], &job["attempt"]), (&json!("running"), &json!(1)), "{job:#}");
}
