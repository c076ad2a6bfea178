//! What changes while somebody looks: logs, and the jobs of a tenant as server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use flowgate_api::Page;
use flowgate_api::job::{JobFigures, LogLine};
use flowgate_api::problem::{Code, Problem};
use flowgate_base::clock;
use flowgate_base::error::Error;
use flowgate_control::client;
use flowgate_control::message::Tap;
use flowgate_worker::assignment::Level;
use flowgate_worker::log;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{Asked, Names, Paging};
use super::jobs::{blocking, no_answer, record, shown};
use super::refusal::{Answer, Refusal};
use crate::catalog::{JobRecord, key};
use crate::counts::Counted;
use crate::job::folder::JobFolder;
use crate::node::Node;
use crate::statuses::{Measured, rows_in, rows_out};
use crate::token::{self, Principal};

/// Rows a second of a tap: more than anybody reads.
const TAP_ROWS_PER_S: u64 = 100;

/// How often a stream looks for what is new.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(logs)).routes(routes!(tap)).routes(routes!(events))
}

/// Which lines.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Lines {
    /// The operator.
    operator: Option<String>,
    /// The least level: `trace`, `debug`, `info`, `warn`, `error`.
    level: Option<String>,
    /// Goes on with new lines, as server-sent events.
    #[serde(default)]
    follow: bool,
    /// The attempt; the present one if absent.
    attempt: Option<u64>,
    /// The place behind which lines are wanted: `next` of the part before.
    after: Option<u64>,
    /// Lines at most. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl Lines {
    fn level(&self) -> Answer<Level> {
        match self.level.as_deref() {
            None => Ok(Level::Trace),
            Some(text) => serde_json::from_value(text.into())
                .map_err(|_| Refusal::new(Code::BadRequest, "`level` is `trace`, `debug`, `info`, `warn` or `error`")),
        }
    }

    /// Reads the lines behind a place.
    fn read(&self, folder: &JobFolder, attempt: u64, after: Option<u64>, limit: usize) -> Answer<(Vec<LogLine>, u64)> {
        let least = self.level()?;
        let tail = log::tail(&folder.attempt(attempt), after, limit);
        let tail = tail.map_err(|error| Error::io("the log of the job cannot be read", &error))?;
        let wanted = |line: &log::LogLine| {
            line.level >= least
                && self.operator.as_ref().is_none_or(|operator| line.operator.as_ref() == Some(operator))
        };
        let lines = tail.lines.into_iter().filter(wanted).map(|line| LogLine {
            at_ms: line.at_ms,
            level: line.level.name().into(),
            attempt: line.attempt,
            operator: line.operator,
            worker: line.worker,
            plugin: line.plugin,
            message: line.message,
        });
        Ok((lines.collect(), tail.next))
    }
}

/// The log of a job: its own lines and those of its plugins.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}/logs", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job."), Lines),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Lines, oldest first; with `follow`, server-sent events `line` with a line each.",
        content((Page<LogLine> = "application/json"), (LogLine = "text/event-stream"))), (status = "default", body = Problem, description = "A problem.")))]
async fn logs(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
    Asked(of): Asked<Lines>,
) -> Answer<Response> {
    of.level()?;
    let limit = Paging { after: None, limit: of.limit }.limit()?;
    let known = record(&node, &tenant, &name)?;
    let folder = JobFolder::of(&node.settings.data, &tenant, &name);
    let attempt = of.attempt.unwrap_or(known.attempt);
    if !of.follow {
        let (lines, next) = blocking(move || of.read(&folder, attempt, of.after, limit)).await?;
        return Ok(Json(Page { items: lines, next: Some(next.to_string()) }).into_response());
    }
    let reader = Reader::new(&node, &tenant, principal)?;
    let following = Following { reader, tenant, name, folder, of, attempt, after: None, limit };
    let lines = stream::unfold((following, Vec::new()), |(mut following, mut waiting)| async move {
        loop {
            if let Some(line) = waiting.pop() {
                return Some((event("line", &line), (following, waiting)));
            }
            if following.after.is_some() {
                tokio::time::sleep(LOOK_EVERY / 2).await;
            }
            waiting = following.next().await?;
        }
    });
    Ok(Sse::new(lines).keep_alive(KeepAlive::default()).into_response())
}

/// Somebody who reads a stream, for as long as the token is valid.
struct Reader {
    node: Arc<Node>,
    principal: Principal,
    _counted: Counted<String>,
}

impl Reader {
    /// Counts another stream of a tenant.
    ///
    /// # Errors
    /// It has too many.
    fn new(node: &Arc<Node>, tenant: &str, principal: Principal) -> Answer<Reader> {
        Ok(Reader { node: Arc::clone(node), principal, _counted: node.streams.open(tenant)? })
    }

    /// Returns the node, if the reader may go on.
    fn node(&self) -> Option<&Arc<Node>> {
        // A catalog that cannot be read ends the stream: whoever reads it asks again, and learns of it.
        let is_valid = token::is_valid(&self.node.catalog, &self.principal, clock::now_ms()).unwrap_or(false);
        is_valid.then_some(&self.node)
    }
}

/// A log that somebody follows.
struct Following {
    reader: Reader,
    tenant: String,
    name: String,
    folder: JobFolder,
    of: Lines,
    attempt: u64,
    after: Option<u64>,
    limit: usize,
}

impl Following {
    /// Returns the next lines, newest first; `None` when the job is gone, or nobody may read it.
    async fn next(&mut self) -> Option<Vec<LogLine>> {
        let present = self.reader.node()?.job(&self.tenant, &self.name).ok()?.state().machine.attempt;
        let (of, folder, attempt, after, limit) =
            (self.of.clone(), self.folder.clone(), self.attempt, self.after, self.limit);
        let (mut lines, next) = blocking(move || of.read(&folder, attempt, after, limit)).await.ok()?;
        self.after = Some(next);
        if lines.is_empty() && present > self.attempt && self.of.attempt.is_none() {
            (self.attempt, self.after) = (present, Some(0));
        }
        lines.reverse();
        Some(lines)
    }
}

fn event<T: serde::Serialize>(name: &str, data: &T) -> Result<Event, Infallible> {
    let text = serde_json::to_string(data).expect("the data has text keys only");
    Ok(Event::default().event(name).data(text))
}

/// What is tapped.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Tapped {
    /// A source or an operator.
    operator: String,
    /// A side output; the main output if absent.
    #[serde(default)]
    output: String,
    /// Rows after which it ends; absent: the client ends it.
    #[param(minimum = 1)]
    rows: Option<u64>,
}

/// A sample of the rows that leave an operator of a running job, live.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}/tap", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job."), Tapped),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Server-sent events: `row` with a row as JSON, `lost` with the number of rows that are not shown.", body = Object, content_type = "text/event-stream"),
        (status = "default", body = Problem, description = "A problem.")))]
async fn tap(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
    Asked(of): Asked<Tapped>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let found = node.job(&tenant, &name)?.found()?;
    let reader = Reader::new(&node, &tenant, principal)?;
    let wanted = Tap { operator: of.operator, output: of.output, rows_max: of.rows, rows_per_s: TAP_ROWS_PER_S };
    let tapping = blocking(move || client::tap(&found, wanted).map_err(|error| no_answer(&name, error))).await?;
    // A client that is gone would else be waited for until there is a row.
    let ends = tapping.ends().map_err(|error| Error::io("cannot tap the job", &error))?;
    let tap = (Some(tapping), Vec::<Event>::new(), (reader, ends));
    let rows = stream::unfold(tap, |(mut tapping, mut waiting, held)| async move {
        loop {
            if let Some(event) = waiting.pop() {
                return Some((Ok(event), (tapping, waiting, held)));
            }
            held.0.node()?;
            let mut present = tapping.take()?;
            let next = tokio::task::spawn_blocking(move || present.rows().map(|next| (next, present))).await;
            let Ok(Ok((Some(next), present))) = next else { return None };
            tapping = Some(present);
            let lost = (next.lost_rows > 0).then(|| Event::default().event("lost").data(next.lost_rows.to_string()));
            waiting.extend(lost);
            waiting.extend(next.rows.into_iter().rev().map(|row| Event::default().event("row").data(row)));
        }
    });
    Ok(Sse::new(rows).keep_alive(KeepAlive::default()))
}

/// The jobs of a tenant with their figures, whenever they change: at most once a second each.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/events", tag = "jobs", params(("tenant" = String, Path, description = "The tenant.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Server-sent events: `job` with a `JobFigures`, `gone` with a name.", body = JobFigures, content_type = "text/event-stream"),
        (status = "default", body = Problem, description = "A problem.")))]
async fn events(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names(tenant): Names<String>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let reader = Reader::new(&node, &tenant, principal)?;
    let watching = Watching { reader, tenant, known: HashMap::new(), looked: false };
    let changes = stream::unfold((watching, Vec::new()), |(mut watching, mut waiting)| async move {
        loop {
            if let Some(event) = waiting.pop() {
                return Some((event, (watching, waiting)));
            }
            waiting = watching.changes().await?;
        }
    });
    Ok(Sse::new(changes).keep_alive(KeepAlive::default()))
}

/// The jobs of a tenant that somebody watches.
struct Watching {
    reader: Reader,
    tenant: String,
    known: HashMap<String, JobFigures>,
    looked: bool,
}

impl Watching {
    /// Returns what has changed, at the next look; `None` when the tenant is gone, or nobody may read it.
    async fn changes(&mut self) -> Option<Vec<Result<Event, Infallible>>> {
        if self.looked {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.looked = true;
        let node = self.reader.node()?;
        node.tenant(&self.tenant).ok()?;
        let records = node.catalog.read(|view| view.all::<JobRecord>(&key::of(&[&self.tenant]))).ok()?;
        let mut events = Vec::new();
        let mut present = HashMap::new();
        for (name, record) in records {
            let figures = figures(node, &self.tenant, &name, record).await;
            if self.known.get(&name) != Some(&figures) {
                events.push(event("job", &figures));
            }
            present.insert(name, figures);
        }
        events.extend(self.known.keys().filter(|name| !present.contains_key(*name)).map(|name| event("gone", name)));
        self.known = present;
        events.reverse();
        Some(events)
    }
}

/// Returns a job with its figures.
pub(crate) async fn figures(node: &Arc<Node>, tenant: &str, name: &str, record: JobRecord) -> JobFigures {
    let job = node.find_job(tenant, name);
    let measured = match &job {
        Some(job) => node.statuses.of(job).await,
        None => None,
    };
    let job = shown(node, name, record, job.as_ref());
    let Some(Measured { status, rates }) = measured else {
        return JobFigures {
            job,
            rows_in: 0,
            rows_out: 0,
            rows_per_s: 0.0,
            lag_ms: None,
            errors: 0,
            late: 0,
            state_bytes: 0,
            checkpoint_ms: None,
        };
    };
    let watermark = status.watermark_ms().filter(|at| *at < i64::MAX);
    JobFigures {
        job,
        rows_in: rows_in(&status),
        rows_out: rows_out(&status),
        rows_per_s: rates.rows,
        lag_ms: watermark.map(|at| status.now_ms.saturating_sub(at)),
        errors: status.operators.iter().map(|of| of.errors).sum(),
        late: status.operators.iter().map(|of| of.late).sum(),
        state_bytes: status.operators.iter().map(|of| of.state.memory_bytes).sum(),
        checkpoint_ms: status.checkpoint.as_ref().map(|checkpoint| checkpoint.at_ms),
    }
}
