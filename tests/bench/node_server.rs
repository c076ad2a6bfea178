//! A node that a benchmark has started, and a client of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use harness::ServedNode;
use serde_json::{Value, json};

use crate::report;

/// How long an operation may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node with a folder of its own. It is ended with its jobs.
pub(crate) struct Server {
    folder: PathBuf,
    node: ServedNode,
    agent: ureq::Agent,
}

impl Server {
    /// Starts a node.
    pub(crate) fn start() -> Server {
        let folder = report::target_folder().join("bench").join("node");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("target/bench can be made");
        let folder = fs::canonicalize(&folder).expect("the folder is there");
        let node = ServedNode::start(&folder, "data");
        // The node closes a connection that is idle for 10 s.
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_idle_age(Duration::from_secs(5));
        let agent = config.build().into();
        Server { folder, node, agent }
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.node.process().pid()
    }

    /// A folder for the files of the benchmark.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of an attempt of a job.
    pub(crate) fn attempt(&self, tenant: &str, job: &str, attempt: u64) -> PathBuf {
        self.folder.join("data/jobs").join(tenant).join(job).join("attempts").join(attempt.to_string())
    }

    /// Asks for something. Returns the status and the answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.node.address);
        let token = format!("Bearer {}", self.node.token);
        let answer = match (method, body) {
            ("GET", _) => self.agent.get(&url).header("authorization", &token).call(),
            ("DELETE", _) => self.agent.delete(&url).header("authorization", &token).call(),
            ("PUT", Some(body)) => self.agent.put(&url).header("authorization", &token).send_json(body),
            ("PATCH", Some(body)) => self.agent.patch(&url).header("authorization", &token).send_json(body),
            (_, Some(body)) => self.agent.post(&url).header("authorization", &token).send_json(body),
            (_, None) => self.agent.post(&url).header("authorization", &token).send_empty(),
        };
        let mut answer = answer.expect("the node answers");
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().expect("the answer can be read");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Asks for something that has to succeed.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, None);
        assert!(status < 300, "GET {path}: {answer}");
        answer
    }

    /// Sends something that has to succeed.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", path, Some(body));
        assert!(status < 300, "POST {path}: {answer}");
        answer
    }

    /// Pushes a component.
    pub(crate) fn push(&self, tenant: &str, name: &str, component: &[u8]) -> Value {
        let url = format!("{}/api/v1/tenants/{tenant}/plugins/{name}", self.node.address);
        let request = self.agent.post(&url).header("authorization", format!("Bearer {}", self.node.token));
        let mut answer = request.content_type("application/wasm").send(component).expect("the node answers");
        let text = answer.body_mut().read_to_string().expect("the answer can be read");
        assert!(answer.status().is_success(), "push of {name}: {text}");
        serde_json::from_str(&text).expect("the answer is JSON")
    }

    /// Submits a job.
    pub(crate) fn submit(&self, tenant: &str, document: &str) -> Value {
        self.post(&format!("/tenants/{tenant}/jobs"), &json!({ "document": document }))
    }

    /// Waits for the end of an operation, and returns its result.
    pub(crate) fn end_of(&self, tenant: &str, operation: &Value) -> Result<Value, String> {
        let id = operation["id"].as_str().expect("an operation has an id");
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let now = self.get(&format!("/tenants/{tenant}/operations/{id}"));
            if let Some(end) = now.get("end") {
                return match end.get("problem").and_then(|problem| problem["detail"].as_str()) {
                    None => Ok(end["result"].clone()),
                    Some(detail) => Err(detail.to_string()),
                };
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("the operation takes longer than {} s", PATIENCE.as_secs()))
    }

    /// Waits until a job is in a phase.
    pub(crate) fn wait_for(&self, tenant: &str, job: &str, phase: &str) {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if self.get(&format!("/tenants/{tenant}/jobs/{job}"))["phase"] == phase {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{job} is not {phase} after {} s", PATIENCE.as_secs());
    }

    /// Asks with another token, as often as there is time for, until `stop`.
    pub(crate) fn flood(&self, token: &str, stop: Arc<AtomicBool>) -> thread::JoinHandle<()> {
        let (url, token) = (format!("{}/api/v1/whoami", self.node.address), format!("Bearer {token}"));
        let agent = self.agent.clone();
        thread::spawn(move || {
            while !stop.load(Relaxed) {
                // A connection that is refused is an answer, too.
                let _ =
                    agent.get(&url).header("authorization", &token).call().map(|mut of| of.body_mut().read_to_vec());
            }
        })
    }

    /// Ends a job at once, and deletes it.
    pub(crate) fn remove(&self, tenant: &str, job: &str) {
        let path = format!("/tenants/{tenant}/jobs/{job}");
        self.ask("POST", &format!("{path}/cancel"), None);
        let since = Instant::now();
        while self.ask("DELETE", &path, None).0 == 409 && since.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Returns a percentile of values, from 0 to 1.
pub(crate) fn percentile(values: &mut [f64], at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * at).round() as usize).copied().unwrap_or(f64::NAN)
}
