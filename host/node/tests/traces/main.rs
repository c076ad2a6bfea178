//! Traces of control operations, as a receiver of OTLP gets them from a node: which spans there are, what joins them, and what they do not
//! say.
#![cfg(target_os = "linux")]

mod receiver;
mod spans;

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use flowgate_hostile::plugin;
use flowgate_node::{Config, Jobs, Node, Traces};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use ureq::http::Request;

use receiver::Receiver;
use spans::Span;

/// Much more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

const JOB: &str = "\
job: web
sources: { rows: { generator: { rate: 100, columns: { x: { sequence: {} } } } } }
operators: { calls: { input: rows, plugin: sensors@1, function: f } }
sinks: { out: { input: calls, blackhole: {} } }
";

/// A value that must not be in a trace.
const SECRET: &str = "hunter22-of-a-secret";

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("flowgate");
    assert!(program.exists(), "{} is not built: run `make build`, or `cargo build -p flowgate-cli`", program.display());
    program
}

/// A client of the node. Each of its traces has one span, which leads to that of a request.
struct Client {
    agent: ureq::Agent,
    url: String,
    token: String,
}

/// The trace and the span of a client, from one digit.
fn client_span(digit: char) -> (String, String) {
    (digit.to_string().repeat(32), digit.to_string().repeat(16))
}

impl Client {
    /// Sends a request as a part of a client's trace, and returns the status and the answer.
    fn send(&self, trace: Option<char>, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let media = if path.contains("/plugins/") { "application/wasm" } else { "application/json" };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = request.header("Authorization", format!("Bearer {}", self.token)).header("Content-Type", media);
        if let Some(digit) = trace {
            let (trace, span) = client_span(digit);
            request = request.header("traceparent", format!("00-{trace}-{span}-01"));
        }
        let answer = self.agent.run(request.body(body.to_vec()).unwrap()).unwrap();
        let status = answer.status().as_u16();
        let text = answer.into_body().read_to_string().unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    #[track_caller]
    fn ask(&self, trace: Option<char>, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (status, answer) = self.send(trace, method, path, &body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer:#}");
        answer
    }

    /// Waits until a part of what is at a path is so, and returns it.
    #[track_caller]
    fn wait(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.ask(None, "GET", path, &Value::Null);
            if is_so(&found) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{found:#}");
            sleep(Duration::from_millis(100));
        }
    }
}

fn kill_worker(data: &Path) {
    let started = std::fs::read_to_string(data.join("jobs/acme/web/attempts/1/started.json")).unwrap();
    end(&serde_json::from_str(&started).unwrap());
}

/// The worker processes of a node end with the test, however that ends.
struct Workers<'a>(&'a Path);

impl Drop for Workers<'_> {
    fn drop(&mut self) {
        let attempts = std::fs::read_dir(self.0.join("jobs/acme/web/attempts")).into_iter().flatten().flatten();
        for attempt in attempts {
            let text = std::fs::read(attempt.path().join("started.json")).unwrap_or_default();
            let started: Value = serde_json::from_slice(&text).unwrap_or_default();
            let pid = started["process"]["pid"].as_u64().unwrap_or_default();
            let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            // Its number may be another process's by now.
            if folder.starts_with(self.0) {
                end(&started);
            }
        }
    }
}

fn end(started: &Value) {
    let pid = i32::try_from(started["process"]["pid"].as_i64().unwrap()).unwrap();
    // It may have ended.
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

/// Returns the only span of a name in a trace.
#[track_caller]
fn only<'a>(spans: &'a [Span], trace: &str, name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.trace == trace && span.name == name).collect();
    let [span] = found[..] else { panic!("{name} in {trace}: {found:#?} of {spans:#?}") };
    span
}

/// What a client has done to a node, and the end of its worker, as the receiver has got it.
#[test]
fn spans_of_control_operations_are_exported_in_the_traces_of_their_clients() {
    let (receiver, folder) = (Receiver::start(), tempfile::tempdir().unwrap());
    let data = folder.path().join("node");
    let _workers = Workers(&data);
    let headers = [("X-Key".to_string(), SECRET.to_string())].into();
    let config = Config {
        data: Some(data.clone()),
        listen: Some("127.0.0.1:0".into()),
        traces: Some(Traces { endpoint: receiver.endpoint(), headers }),
        ..Config::default()
    };
    let settings = config.settings(program()).unwrap();
    assert!(!format!("{config:?} {settings:?} {}", config.in_force(&settings)).contains(SECRET));
    let runtime = flowgate_node::runtime().unwrap();
    let serving = runtime.block_on(Node::serve(settings)).unwrap();
    let (url, token) = (format!("http://{}", serving.address), serving.first_token.clone().unwrap());
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let client = Client { agent, url, token };

    client.ask(None, "POST", "/api/v1/tenants", &json!({ "name": "acme" }));
    client.ask(None, "PUT", "/api/v1/tenants/acme/secrets/KEY", &json!({ "value": SECRET }));
    for (digit, lines) in [('1', ""), ('2', "(data (i32.const 2048) \"another\")")] {
        let (status, _) =
            client.send(Some(digit), "POST", "/api/v1/tenants/acme/plugins/sensors", &plugin(lines, false));
        assert_eq!(status, 201);
    }
    let job = "/api/v1/tenants/acme/jobs/web";
    client.ask(Some('3'), "POST", "/api/v1/tenants/acme/jobs", &json!({ "document": JOB }));
    client.wait(job, |job| job["phase"] == "running");
    let swap =
        client.ask(Some('4'), "POST", &format!("{job}/swaps"), &json!({ "operator": "calls", "plugin": "sensors@2" }));
    let operation = format!("/api/v1/tenants/acme/operations/{}", swap["id"].as_str().unwrap());
    let ended = client.wait(&operation, |operation| operation.get("end").is_some());
    assert!(ended["end"].get("problem").is_none(), "{ended:#}");
    kill_worker(&data);
    client.wait(job, |job| job["attempt"] == 2 && job["phase"] == "running");
    client.ask(Some('5'), "POST", &format!("{job}/stop"), &json!({}));
    client.wait(job, |job| job["phase"] == "stopped");
    client.ask(None, "GET", &format!("/api/v1/tenants/acme/jobs?limit=7&after={SECRET}"), &Value::Null);
    let stranger = Client { token: "fg_nobody".into(), agent: client.agent.clone(), url: client.url.clone() };
    assert_eq!(stranger.send(Some('6'), "GET", job, &[]).0, 401);
    runtime.block_on(serving.stop(Jobs::Stop));

    let spans = receiver.spans();
    let (of_submission, of_swap, of_stop) = (client_span('3').0, client_span('4').0, client_span('5').0);
    let request = only(&spans, &of_submission, "POST /api/v1/tenants/{tenant}/jobs");
    assert_eq!((&request.parent, request.kind, request.status), (&client_span('3').1, 2, 0), "{request:#?}");
    for (name, value) in [
        ("http.response.status_code", "201"),
        ("http.route", "/api/v1/tenants/{tenant}/jobs"),
        ("flowgate.tenant", "acme"),
    ] {
        assert_eq!(request.attributes.get(name).map(String::as_str), Some(value), "{request:#?}");
    }
    assert_eq!(only(&spans, &of_submission, "check").parent, request.id);
    let start = only(&spans, &of_submission, "start");
    assert_eq!(
        (&start.parent, &start.attributes["flowgate.job"], &start.attributes["flowgate.attempt"]),
        (&request.id, &"web".to_string(), &"1".to_string())
    );
    let spawn = only(&spans, &of_submission, "spawn");
    assert!(
        request.begun <= start.begun && start.begun <= spawn.begun && spawn.ended < start.ended,
        "{start:#?} {spawn:#?}"
    );
    assert_eq!(spawn.parent, start.id);

    let request = only(&spans, &of_swap, "POST /api/v1/tenants/{tenant}/jobs/{job}/swaps");
    assert_eq!(request.parent, client_span('4').1);
    let swap = only(&spans, &of_swap, "swap");
    assert_eq!((&swap.parent, swap.status), (&request.id, 0));
    for step in ["check", "boundary"] {
        let step = only(&spans, &of_swap, step);
        assert_eq!(step.parent, swap.id);
        assert!(swap.begun <= step.begun && step.ended <= swap.ended);
    }
    let pushed = only(&spans, &client_span('1').0, "POST /api/v1/tenants/{tenant}/plugins/{name}");
    assert_eq!(only(&spans, &pushed.trace, "inspect").parent, pushed.id);
    assert!(
        spans.iter().any(|span| span.trace == of_stop
            && span.name == "stop"
            && span.attributes.contains_key("flowgate.attempt"))
    );

    // Nobody has caused the restart; its span says why it was.
    let restart = spans.iter().find(|span| span.name == "restart").expect("a restart");
    assert_eq!((restart.parent.as_str(), restart.status), ("", 2), "{restart:#?}");
    assert!(restart.attributes["flowgate.code"].starts_with("FG"), "{restart:#?}");
    let start = only(&spans, &restart.trace, "start");
    assert_eq!((&start.parent, &start.attributes["flowgate.attempt"]), (&restart.id, &"2".to_string()));

    // Who has no token is not followed.
    assert!(spans.iter().all(|span| span.trace != client_span('6').0));
    assert!(
        spans.iter().any(|span| span.attributes.get("http.response.status_code").is_some_and(|status| status == "401"))
    );

    let requests = receiver.requests();
    assert!(!requests.is_empty());
    for (head, body) in &requests {
        assert!(head[0].starts_with("post /v1/traces "), "{head:?}");
        assert!(
            head.contains(&format!("x-key: {SECRET}"))
                && head.contains(&"content-type: application/x-protobuf".to_string()),
            "{head:?}"
        );
        let text = String::from_utf8_lossy(body);
        for withheld in [SECRET, client.token.as_str(), "limit=7", "fg_nobody", "generator"] {
            assert!(!text.contains(withheld), "{withheld} is in a trace");
        }
    }
}
