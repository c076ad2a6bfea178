//! A node in a folder of its own, and requests to it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{PATIENCE, Running, ServedNode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Http, Response};

/// A node with its folder.
pub(crate) struct Served {
    node: ServedNode,
    pub(crate) address: SocketAddr,
    /// The token of its administrator.
    pub(crate) admin: String,
    /// Removed behind the node.
    folder: TempDir,
}

impl Served {
    /// Starts a node in a folder of its own.
    #[track_caller]
    pub(crate) fn start() -> Served {
        Served::start_with(&[])
    }

    /// Starts a node with further arguments.
    #[track_caller]
    pub(crate) fn start_with(arguments: &[&str]) -> Served {
        Served::within(tempfile::tempdir().expect("a temporary folder"), arguments)
    }

    /// Starts a node with these settings.
    #[track_caller]
    pub(crate) fn configured(settings: &str) -> Served {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("node.yaml"), settings).expect("the folder can be written");
        Served::within(folder, &["--config", "node.yaml"])
    }

    #[track_caller]
    fn within(folder: TempDir, arguments: &[&str]) -> Served {
        let node = ServedNode::start_with(folder.path(), "data", arguments);
        let address = node.address.rsplit('/').next().and_then(|address| address.parse().ok()).expect("an address");
        Served { address, admin: node.token.clone(), node, folder }
    }

    /// Starts the node again, at the same address.
    #[track_caller]
    pub(crate) fn begin(&mut self, env: &[(&str, &str)]) {
        self.node.begin(env);
    }

    /// The program file with which the node is started the next time.
    pub(crate) fn set_program(&mut self, program: &Path) {
        self.node.set_program(program);
    }

    /// Kills the node. Its workers go on.
    pub(crate) fn kill(&mut self) {
        self.node.kill();
    }

    /// Stops the node with SIGTERM, and waits for its end.
    #[track_caller]
    pub(crate) fn terminate(&mut self) {
        self.node.stop();
    }

    pub(crate) fn running(&self) -> &Running {
        self.node.process()
    }

    /// Everything that the node has written to standard error, its former processes included.
    pub(crate) fn said(&self) -> String {
        self.node.said()
    }

    /// The folder above the data folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.node.data()
    }

    /// The folder of a job's files.
    pub(crate) fn files(&self, tenant: &str, job: &str) -> PathBuf {
        self.data().join("jobs").join(tenant).join(job).join("files")
    }

    /// Sends a request with a token, on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, token: &str, method: &str, target: &str, body: Option<&Value>) -> Response {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("Authorization", authorization.as_str())];
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        Http::connect(self.address).ask(method, target, &headers, &body)
    }

    /// Creates a tenant whose requests are not limited, and returns the token of its administrator.
    #[track_caller]
    pub(crate) fn tenant(&self, name: &str, quotas: &Value) -> String {
        let mut all = json!({ "requests_per_s": 100_000 });
        for (quota, value) in quotas.as_object().into_iter().flatten() {
            all[quota] = value.clone();
        }
        let data = self.path().join("**").display().to_string();
        let grants = json!({ "connectors": ["file"], "read": [data], "write": [data] });
        let request = json!({ "name": name, "quotas": all, "grants": grants });
        self.ask(&self.admin, "POST", "/api/v1/tenants", Some(&request)).expect(201);
        self.token(name, "admin")
    }

    /// Creates a token of a tenant.
    #[track_caller]
    pub(crate) fn token(&self, tenant: &str, role: &str) -> String {
        let path = format!("/api/v1/tenants/{tenant}/tokens");
        let created = self.ask(&self.admin, "POST", &path, Some(&json!({ "name": role, "role": role }))).expect(201);
        created["text"].as_str().expect("the text of a token").into()
    }

    /// Submits a job.
    #[track_caller]
    pub(crate) fn submit(&self, token: &str, tenant: &str, document: &str) -> Value {
        let path = format!("/api/v1/tenants/{tenant}/jobs");
        self.ask(token, "POST", &path, Some(&json!({ "document": document }))).expect(201)
    }

    /// Pushes one of the plugins that come with Flowgate.
    #[track_caller]
    pub(crate) fn push(&self, token: &str, tenant: &str, plugin: &str) -> Response {
        self.push_component(token, tenant, plugin, &fs::read(harness::plugin(plugin)).expect("it is built"))
    }

    /// Pushes a component.
    #[track_caller]
    pub(crate) fn push_component(&self, token: &str, tenant: &str, plugin: &str, component: &[u8]) -> Response {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/wasm")];
        let target = format!("/api/v1/tenants/{tenant}/plugins/{plugin}");
        Http::connect(self.address).ask("POST", &target, &headers, component)
    }

    /// Returns a job.
    #[track_caller]
    pub(crate) fn job(&self, token: &str, tenant: &str, job: &str) -> Value {
        self.ask(token, "GET", &format!("/api/v1/tenants/{tenant}/jobs/{job}"), None).expect(200)
    }

    /// Waits until a job is in a phase, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_phase(&self, token: &str, tenant: &str, job: &str, phase: &str) -> Value {
        let start = Instant::now();
        loop {
            let found = self.job(token, tenant, job);
            if found["phase"] == phase {
                return found;
            }
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "{job} is not {phase}: {found:#}\n{}\n{}", self.said(), self.logs(token, tenant, job));
            sleep(Duration::from_millis(20));
        }
    }

    /// Returns the end of an operation.
    #[track_caller]
    pub(crate) fn end_of(&self, token: &str, tenant: &str, operation: &Value) -> Value {
        let id = operation["id"].as_str().expect("an id");
        let start = Instant::now();
        loop {
            let found = self.ask(token, "GET", &format!("/api/v1/tenants/{tenant}/operations/{id}"), None).expect(200);
            if found.get("end").is_some() {
                return found["end"].clone();
            }
            assert!(start.elapsed() < PATIENCE, "the operation has not ended: {found:#}\n{}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    /// Stops a job and waits until it has stopped.
    #[track_caller]
    pub(crate) fn stop(&self, token: &str, tenant: &str, job: &str) {
        let path = format!("/api/v1/tenants/{tenant}/jobs/{job}/stop");
        let operation = self.ask(token, "POST", &path, None).expect(202);
        let end = self.end_of(token, tenant, &operation);
        assert!(end.get("problem").is_none(), "{end:#}");
    }

    /// Returns the log of a job's present attempt.
    pub(crate) fn logs(&self, token: &str, tenant: &str, job: &str) -> String {
        let path = format!("/api/v1/tenants/{tenant}/jobs/{job}/logs?limit=1000");
        self.ask(token, "GET", &path, None).text()
    }

    /// Returns the id of the first call that a job has recorded, when there is one.
    #[track_caller]
    pub(crate) fn first_record(&self, token: &str, tenant: &str, job: &str) -> String {
        let path = format!("/api/v1/tenants/{tenant}/jobs/{job}/records");
        let start = Instant::now();
        loop {
            let found = self.ask(token, "GET", &path, None).expect(200);
            if let Some(id) = found["items"][0]["id"].as_str() {
                return id.into();
            }
            assert!(start.elapsed() < PATIENCE, "no call is recorded\n{}", self.logs(token, tenant, job));
            sleep(Duration::from_millis(20));
        }
    }

    /// Returns the worker processes of the node's jobs: the folder of the attempt and the process.
    pub(crate) fn workers(&self) -> Vec<(PathBuf, u32)> {
        self.node.workers()
    }
}
