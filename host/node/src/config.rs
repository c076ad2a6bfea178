//! The settings of a node as a file has them: `node.yaml`. It is read as job files are: unknown fields, wrong types and words are
//! reported with line and column, and `${NAME}` stands for an environment variable.

mod quotas;
mod traces;

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowgate::job::json_schema::{schema_of, with_variables};
use flowgate::job::load::env::Variables;
use flowgate::job::load::{Document, Typed};
use flowgate::job::problem::{At, Problem};
use flowgate_api::quota::Quotas;
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Millis;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use self::quotas::ConfigQuotas;
pub use self::traces::Traces;
use crate::code;
use crate::limits::NodeLimits;
use crate::log::{Format, Level};
use crate::node::Settings;

/// The address of a node that names none.
const LISTEN: &str = "127.0.0.1:7070";

/// The settings of a node. Paths are relative to the folder of the file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder of the node: its catalog, plugins, checkpoints and logs. It is created.
    pub data: Option<PathBuf>,
    /// The address to listen on. Default: `127.0.0.1:7070`.
    pub listen: Option<String>,
    /// The certificate of the node. Without it, the node listens on loopback only, unless `without_tls` is set.
    pub tls: Option<TlsFiles>,
    /// Listens without TLS on an address that other machines reach, behind a proxy that has TLS.
    pub without_tls: bool,
    /// The file of the key that encrypts secrets, of mode 0600; it is created. Default: `node.key` in the data folder.
    pub key_file: Option<PathBuf>,
    /// Stops the jobs together with the node. Default: they go on, and the next node finds them.
    pub stop_jobs: bool,
    /// The node's own log, on standard error.
    pub log: Log,
    /// What new tenants have where their creation says nothing.
    pub tenants: Tenants,
    /// What jobs have where their document says nothing.
    pub jobs: Jobs,
    /// Limits of the node itself.
    pub limits: Limits,
    /// Where traces of control operations go. Default: nowhere.
    pub traces: Option<Traces>,
}

/// A certificate and its key, both in PEM. They are read again when they change.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, with its chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The log of the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text`, or `json` with one object a line.
    pub format: Format,
    /// The least level that is written.
    pub level: Level,
}

/// What new tenants have.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tenants {
    /// Their quotas.
    pub quotas: ConfigQuotas,
}

/// What jobs have.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// The time from one checkpoint to the next.
    pub checkpoint_every: Millis,
}

impl Default for Jobs {
    fn default() -> Self {
        Jobs { checkpoint_every: Millis(crate::limits::CHECKPOINT_EVERY.as_millis() as i64) }
    }
}

/// Limits of the node.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Components that are compiled, and jobs that are checked, at once. Default: one for each core but one, and one at least.
    pub compilations: Option<u32>,
    /// Connections at once, of all clients.
    pub connections: u32,
    /// Connections at once from one address.
    pub connections_of_address: u32,
    /// Requests a second with one token of the node itself; twice as many at once.
    pub requests_per_s: u32,
    /// Streams of server-sent events of a tenant at once.
    pub streams_of_tenant: u32,
    /// Time in which a job is checked: its plugins are compiled, and their functions opened.
    pub check_within: Millis,
    /// Time that jobs have to stop when the node stops with them.
    pub stop_within: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        let of = NodeLimits::default();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let time = |time: Duration| Millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        Limits {
            compilations: None,
            connections: count(of.connections),
            connections_of_address: count(of.connections_of_address),
            requests_per_s: of.requests_per_s as u32,
            streams_of_tenant: count(of.streams_of_tenant),
            check_within: time(of.check_within),
            stop_within: time(of.stop_within),
        }
    }
}

impl Limits {
    fn problems(&self, at: &At, problems: &mut Vec<Problem>) {
        let counts = [
            ("compilations", self.compilations.unwrap_or(1)),
            ("connections", self.connections),
            ("connections_of_address", self.connections_of_address),
            ("requests_per_s", self.requests_per_s),
            ("streams_of_tenant", self.streams_of_tenant),
        ];
        for (name, _) in counts.iter().filter(|(_, count)| *count == 0) {
            problems.push(Problem::error(at.field(name), "expected at least 1, found 0"));
        }
        for (name, time) in [("check_within", self.check_within), ("stop_within", self.stop_within)] {
            problems.extend(no_second(&at.field(name), time));
        }
    }

    fn of_node(&self) -> NodeLimits {
        NodeLimits {
            compilations: self.compilations.map_or(NodeLimits::default().compilations, |of| of as usize),
            connections: self.connections as usize,
            connections_of_address: self.connections_of_address as usize,
            requests_per_s: f64::from(self.requests_per_s),
            streams_of_tenant: self.streams_of_tenant as usize,
            check_within: duration(self.check_within),
            stop_within: duration(self.stop_within),
        }
    }
}

fn duration(time: Millis) -> Duration {
    Duration::from_millis(u64::try_from(time.0).unwrap_or(0))
}

/// Says that a time is too short to be meant.
fn no_second(at: &At, time: Millis) -> Option<Problem> {
    (time.0 < 1_000).then(|| Problem::error(at.clone(), format!("expected at least 1s, found {time}")))
}

impl Config {
    /// Reads a file. Its variables are those of the environment.
    ///
    /// # Errors
    /// The file cannot be read; or the report of all its problems.
    pub fn read(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config> {
        let wrong = |message: String| Error::new(&code::SETTINGS, message);
        let document = Document::read_as("settings", path).map_err(|error| wrong(error.message))?;
        let base = document.base.clone();
        let typed = Typed::<Config>::load(document, &schema(), &Variables::of(environment));
        let further = typed.value.as_ref().map(Config::problems).unwrap_or_default();
        match typed.value {
            Some(mut config) if further.is_empty() => {
                config.resolve_in(&base);
                Ok(config)
            }
            _ => Err(wrong(typed.report(&further, false))),
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let top = At::job();
        if let Err(message) = self.address() {
            problems.push(Problem::error(top.field("listen"), message));
        }
        self.tenants.quotas.problems(&top.field("tenants").field("quotas"), &mut problems);
        problems.extend(no_second(&top.field("jobs").field("checkpoint_every"), self.jobs.checkpoint_every));
        self.limits.problems(&top.field("limits"), &mut problems);
        if let Some(traces) = &self.traces {
            traces.problems(&top.field("traces"), &mut problems);
        }
        problems
    }

    fn resolve_in(&mut self, base: &Path) {
        let tls = self.tls.iter_mut().flat_map(|tls| [&mut tls.cert, &mut tls.key]);
        for path in self.data.iter_mut().chain(self.key_file.iter_mut()).chain(tls) {
            *path = base.join(&*path);
        }
    }

    fn address(&self) -> std::result::Result<SocketAddr, String> {
        let text = self.listen.as_deref().unwrap_or(LISTEN);
        text.parse().map_err(|_| {
            format!("`{text}` is no address: expected an IP address and a port, such as {LISTEN} or [::]:7070")
        })
    }

    /// Returns how a node runs with these settings. `exe` is the program that runs workers.
    ///
    /// # Errors
    /// A setting is missing or wrong.
    pub fn settings(&self, exe: PathBuf) -> Result<Settings> {
        let wrong = |message: String| Error::new(&code::SETTINGS, message);
        let data = self.data.as_ref().ok_or_else(|| {
            wrong("where is the node's folder? give --data FOLDER, or `data:` in the file of --config".into())
        })?;
        let listen = self.address().map_err(wrong)?;
        if !listen.ip().is_loopback() && self.tls.is_none() && !self.without_tls {
            return Err(wrong(format!(
                "{listen} is reached from other machines, and tokens would cross the network as they are; give a certificate (--tls-cert and --tls-key, or `tls:`), or --without-tls behind a proxy that has TLS"
            )));
        }
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| Error::io(format!("the path {}", path.display()), &error))
        };
        let tls = self.tls.as_ref().map(|tls| Ok::<_, Error>((absolute(&tls.cert)?, absolute(&tls.key)?)));
        Ok(Settings {
            data: absolute(data)?,
            listen,
            tls: tls.transpose()?,
            key: self.key_file.as_deref().map(absolute).transpose()?,
            exe,
            log: self.log,
            quotas: self.quotas(),
            checkpoint_every: duration(self.jobs.checkpoint_every),
            limits: self.limits.of_node(),
            traces: self.traces.as_ref().map(Traces::destination),
        })
    }

    /// The quotas of new tenants.
    fn quotas(&self) -> Quotas {
        self.tenants.quotas.quotas()
    }

    /// Returns the settings that a node would run with, as a file has them.
    pub fn in_force(&self, settings: &Settings) -> String {
        let mut text = String::new();
        let path = |path: &Path| Value::from(path.display().to_string());
        let mut line = |name: &str, value: Value| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}: {value}");
        };
        line("data", path(&settings.data));
        line("listen", settings.listen.to_string().into());
        if let Some((cert, key)) = &settings.tls {
            line("tls", serde_json::json!({ "cert": path(cert), "key": path(key) }));
        }
        line("without_tls", self.without_tls.into());
        line("key_file", path(&settings.key_file()));
        line("stop_jobs", self.stop_jobs.into());
        line("log", serde_json::json!({ "format": self.log.format.name(), "level": self.log.level.name() }));
        line("tenants", serde_json::json!({ "quotas": self.quotas() }));
        line("jobs", serde_json::json!({ "checkpoint_every": self.jobs.checkpoint_every.to_string() }));
        let of = &self.limits;
        line(
            "limits",
            serde_json::json!({
                "compilations": of.of_node().compilations,
                "connections": of.connections,
                "connections_of_address": of.connections_of_address,
                "requests_per_s": of.requests_per_s,
                "streams_of_tenant": of.streams_of_tenant,
                "check_within": of.check_within.to_string(),
                "stop_within": of.stop_within.to_string(),
            }),
        );
        if let Some(traces) = &self.traces {
            line("traces", traces.in_force());
        }
        text
    }
}

fn schema() -> Value {
    schema_of::<Config>("The settings of a Flowgate node")
}

/// Returns the JSON Schema of the file (draft 2020-12), with which editors complete and check it.
pub fn config_schema() -> Value {
    with_variables(schema())
}
