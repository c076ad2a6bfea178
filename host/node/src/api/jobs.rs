//! Jobs: what they are doing, and what is done with them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flowgate_api::Page;
use flowgate_api::job::{Event, Job, JobDetail, NewSavepoint, Stop, StoredCheckpoint, WorkerProgram};
use flowgate_api::operation::Operation;
use flowgate_api::problem::{Code, Problem};
use flowgate_base::clock;
use flowgate_checkpoint::History;
use flowgate_checkpoint::store::Stores;
use flowgate_control::client::{self, AskError};
use flowgate_control::explain::Explanation;
use flowgate_control::message::Reason;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Asked, Names, NumberPaging, OptionalJson, Paging};
use super::refusal::{Answer, Refusal};
use crate::catalog::{JobRecord, Pinned, SwapRecord, key};
use crate::job::folder::JobFolder;
use crate::job::machine::Input;
use crate::job::{JobHandle, history};
use crate::node::Node;
use crate::token::Principal;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, delete))
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(cancel))
        .routes(routes!(restart))
        .routes(routes!(savepoint))
        .routes(routes!(checkpoints))
        .routes(routes!(events))
        .routes(routes!(explain))
}

/// Returns a job as it is shown.
pub(super) fn shown(node: &Node, name: &str, record: JobRecord, job: Option<&Arc<JobHandle>>) -> Job {
    let (machine, program) = job.map(|job| job.state()).map(|state| (state.machine, state.program)).unzip();
    let of = |known: &dyn Fn(&crate::job::machine::Machine) -> Option<i64>| machine.as_ref().and_then(known);
    Job {
        name: name.into(),
        phase: machine.as_ref().map_or(record.phase, |machine| machine.phase),
        submitted_ms: record.submitted_ms,
        submitted_by: record.submitted_by,
        attempt: machine.as_ref().map_or(record.attempt, |machine| machine.attempt),
        attempt_ms: of(&|machine| machine.attempt_ms).or(record.attempt_ms),
        restarts: machine.as_ref().map_or(record.restarts, |machine| machine.restarts),
        next_attempt_ms: of(&|machine| machine.next_attempt_ms),
        failure: machine.as_ref().map_or(record.failure, |machine| machine.failure.clone()),
        parallelism: record.workers,
        plugins: record.pinned.into_iter().filter_map(Pinned::shown).collect(),
        program: program.flatten().map(|program| WorkerProgram {
            is_of_node: node.program.as_ref() == Some(&program),
            version: program.version,
        }),
    }
}

/// Returns a job's record.
///
/// # Errors
/// There is none.
pub(super) fn record(node: &Node, tenant: &str, job: &str) -> Answer<JobRecord> {
    let found = node.catalog.read(|view| view.get::<JobRecord>(&key::within(tenant, job)))?;
    found.ok_or_else(|| Refusal::not_found("job"))
}

/// Returns everything about a job.
///
/// # Errors
/// There is none.
pub(super) async fn detail(node: &Arc<Node>, tenant: &str, name: &str) -> Answer<JobDetail> {
    let record = record(node, tenant, name)?;
    let job = node.job(tenant, name)?;
    let status = node.statuses.of(&job).await.map(|measured| Box::new((*measured.status).clone()));
    let (document, language, picture) = (record.document.clone(), record.language, record.picture.clone());
    Ok(JobDetail { job: shown(node, name, record, Some(&job)), document, language, status, picture })
}

/// Returns the problem of a job that does not answer.
pub(crate) fn no_answer(job: &str, error: AskError) -> Refusal {
    match error {
        AskError::Refused(refusal) => {
            let code = match refusal.reason {
                Reason::NoSuchOperator => Code::NotFound,
                Reason::TooMany => Code::TooMany,
                Reason::Internal => Code::Internal,
                Reason::NotUnderstood => {
                    let detail =
                        "its worker process is of another version of Flowgate, which cannot do that; restart the job";
                    return Refusal::new(Code::Unavailable, detail);
                }
                _ => Code::Conflict,
            };
            Refusal::new(code, refusal.message)
        }
        error => Refusal::new(Code::Unavailable, format!("the job `{job}` does not answer: {error}")),
    }
}

/// Runs what blocks.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "the work has panicked")))
}

/// The jobs of a tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs", tag = "jobs", params(("tenant" = String, Path, description = "The tenant."), Paging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Jobs, by name.", body = Page<Job>), (status = "default", body = Problem, description = "A problem.")))]
async fn list(
    State(node): State<Arc<Node>>,
    Names(tenant): Names<String>,
    Asked(paging): Asked<Paging>,
) -> Answer<Json<Page<Job>>> {
    let limit = paging.limit()?;
    let prefix = key::of(&[&tenant]);
    let found = node.catalog.read(|view| view.list::<JobRecord>(&prefix, paging.after.as_deref(), limit + 1))?;
    let jobs = found.into_iter().map(|(name, record)| {
        let job = node.find_job(&tenant, &name);
        (name.clone(), shown(&node, &name, record, job.as_ref()))
    });
    Ok(Json(input::page(jobs.collect(), limit)))
}

/// Everything about a job.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "The job.", body = JobDetail), (status = "default", body = Problem, description = "A problem.")))]
async fn show(State(node): State<Arc<Node>>, Names((tenant, job)): Names<(String, String)>) -> Answer<Json<JobDetail>> {
    Ok(Json(detail(&node, &tenant, &job).await?))
}

/// Deletes a job that does not run, with its checkpoints, logs and history.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/jobs/{job}", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    security(("token" = ["operator"])),
    responses((status = 204, description = "It is deleted."), (status = "default", body = Problem, description = "A problem.")))]
async fn delete(State(node): State<Arc<Node>>, Names((tenant, name)): Names<(String, String)>) -> Answer<StatusCode> {
    let job = node.job(&tenant, &name)?;
    let busy = job.begin("deletion")?;
    let record = record(&node, &tenant, &name)?;
    job.end().await?;
    let folder = JobFolder::of(&node.settings.data, &tenant, &name);
    if let Err(refusal) = blocking(move || Ok(folder.remove()?)).await {
        // The job is there still, with what is left of its files.
        node.add_job(&tenant, &name, &record);
        return Err(refusal);
    }
    node.catalog.change(|change| {
        change.remove::<JobRecord>(&key::within(&tenant, &name))?;
        history::remove(change, &tenant, &name)?;
        SwapRecord::remove_of(change, &tenant, &name)
    })?;
    node.remove_job(&tenant, &name);
    node.statuses.forget(&tenant, &name);
    node.sizes.forget(&tenant, &name);
    drop(busy);
    Ok(StatusCode::NO_CONTENT)
}

/// Starts a job that has stopped or failed, from its last checkpoint.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs/{job}/start", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    security(("token" = ["operator"])),
    responses((status = 202, description = "The job.", body = Job), (status = "default", body = Problem, description = "A problem.")))]
async fn start(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
) -> Answer<(StatusCode, Json<Job>)> {
    begun(&node, &tenant, &name, Input::Start, &principal).await
}

/// Ends a job at once, without a last checkpoint. A start goes on from the last one.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs/{job}/cancel", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    security(("token" = ["operator"])),
    responses((status = 202, description = "The job.", body = Job), (status = "default", body = Problem, description = "A problem.")))]
async fn cancel(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
) -> Answer<(StatusCode, Json<Job>)> {
    taken(&node, &tenant, &name, Input::Cancel, &principal).await
}

/// Stops a job with a checkpoint and starts it again from there.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs/{job}/restart", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    security(("token" = ["operator"])),
    responses((status = 202, description = "The job.", body = Job), (status = "default", body = Problem, description = "A problem.")))]
async fn restart(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
) -> Answer<(StatusCode, Json<Job>)> {
    begun(&node, &tenant, &name, Input::Restart, &principal).await
}

/// Has a job take an input with which it starts, if there is room for it.
async fn begun(
    node: &Arc<Node>,
    tenant: &str,
    name: &str,
    input: Input,
    by: &Principal,
) -> Answer<(StatusCode, Json<Job>)> {
    let workers = u64::from(record(node, tenant, name)?.workers);
    let job = node.job(tenant, name)?;
    let _admission = node.admission(tenant).await;
    if !job.state().machine.is_active() {
        node.room_for_job(tenant, workers)?;
    }
    taken(node, tenant, name, input, by).await
}

async fn taken(
    node: &Arc<Node>,
    tenant: &str,
    name: &str,
    input: Input,
    by: &Principal,
) -> Answer<(StatusCode, Json<Job>)> {
    let job = node.job(tenant, name)?;
    job.take(input, Some(by.name.clone())).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(node, name, record(node, tenant, name)?, Some(&job)))))
}

/// Stops a job: its sources stop, rows in flight reach their sinks, and a last checkpoint is taken.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs/{job}/stop", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    request_body = Stop, security(("token" = ["operator"])),
    responses((status = 202, description = "The stop; its result is `{savepoint}`, the address of the savepoint or null.", body = Operation), (status = "default", body = Problem, description = "A problem.")))]
async fn stop(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
    OptionalJson(request): OptionalJson<Stop>,
) -> Answer<(StatusCode, Json<Operation>)> {
    if request.drain && request.savepoint.is_some() {
        return Err(Refusal::new(Code::Invalid, "a job that is drained has ended: it takes no savepoint"));
    }
    let job = node.job(&tenant, &name)?;
    let input = Input::Stop { drain: request.drain, savepoint: request.savepoint };
    let operation = node.operations.start(&tenant, "stop", Some(&name), |progress| async move {
        progress.step("asks the job to stop");
        let savepoint = job.take(input, Some(principal.name)).await?;
        progress.step("waits for the job's end");
        let state = job.rested().await;
        match state.machine.failure {
            Some(error) => {
                Err(Refusal::new(Code::Conflict, format!("the job failed while it was stopped: {}", error.message)))
            }
            None => Ok(json!({ "savepoint": savepoint })),
        }
    })?;
    Ok((StatusCode::ACCEPTED, Json(operation)))
}

/// Takes a savepoint of a running job.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs/{job}/savepoints", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    request_body = NewSavepoint, security(("token" = ["operator"])),
    responses((status = 202, description = "The savepoint; its result is `{savepoint, number, bytes}`.", body = Operation), (status = "default", body = Problem, description = "A problem.")))]
async fn savepoint(
    State(node): State<Arc<Node>>,
    Names((tenant, name)): Names<(String, String)>,
    OptionalJson(request): OptionalJson<NewSavepoint>,
) -> Answer<(StatusCode, Json<Operation>)> {
    node.room_for_checkpoints(&tenant)?;
    let job = node.job(&tenant, &name)?;
    let found = job.found()?;
    let savepoint = request.name.unwrap_or_else(|| format!("at-{}", clock::now_ms()));
    let operation = node.operations.start(&tenant, "savepoint", Some(&name.clone()), |progress| async move {
        progress.step("takes a checkpoint and merges its files");
        blocking(move || {
            let saving = client::savepoint(&found, &savepoint).map_err(|error| no_answer(&name, error))?;
            let address = saving.address.clone();
            let saved = saving.wait().map_err(|error| no_answer(&name, error))?;
            Ok(json!({ "savepoint": address, "number": saved.number, "bytes": saved.bytes }))
        })
        .await
    })?;
    Ok((StatusCode::ACCEPTED, Json(operation)))
}

/// The checkpoints and savepoints in the store of a job.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}/checkpoints", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job."), NumberPaging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Checkpoints, newest first.", body = Page<StoredCheckpoint>), (status = "default", body = Problem, description = "A problem.")))]
async fn checkpoints(
    State(node): State<Arc<Node>>,
    Names((tenant, name)): Names<(String, String)>,
    Asked(paging): Asked<NumberPaging>,
) -> Answer<Json<Page<StoredCheckpoint>>> {
    let (limit, before) = (paging.limit()?, paging.after()?);
    record(&node, &tenant, &name)?;
    let store = JobFolder::of(&node.settings.data, &tenant, &name).checkpoints();
    let found = blocking(move || {
        if !store.exists() {
            return Ok(Vec::new());
        }
        let store = Stores::default().open_existing(&store.display().to_string())?;
        let history = History::read(&store)?;
        let earlier = history.earlier_savepoints(&store)?;
        let entries = history.entries().iter().chain(&earlier);
        let stored = entries.filter_map(|entry| {
            let manifest = entry.manifest.as_ref().ok()?;
            let checkpoint = manifest.checkpoint()?;
            Some(StoredCheckpoint {
                number: manifest.number,
                at_ms: manifest.time_ms,
                bytes: checkpoint.stats.bytes,
                duration_us: checkpoint.stats.duration_us,
                savepoint: checkpoint.savepoint.clone(),
            })
        });
        Ok(stored.filter(|of| before.is_none_or(|before| of.number < before)).take(limit + 1).collect())
    })
    .await?;
    Ok(Json(input::page(found.into_iter().map(|of| (of.number.to_string(), of)).collect(), limit)))
}

/// What happened to a job.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}/history", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job."), NumberPaging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Events, newest first.", body = Page<Event>), (status = "default", body = Problem, description = "A problem.")))]
async fn events(
    State(node): State<Arc<Node>>,
    Names((tenant, name)): Names<(String, String)>,
    Asked(paging): Asked<NumberPaging>,
) -> Answer<Json<Page<Event>>> {
    record(&node, &tenant, &name)?;
    let limit = paging.limit()?;
    let found = history::newest(&node.catalog, (&tenant, &name), paging.after()?, limit + 1)?;
    Ok(Json(input::page(found, limit)))
}

/// Which operator.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfOperator {
    /// The operator.
    operator: String,
}

/// Why nothing comes out of an operator of a running job.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}/explain", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job."), OfOperator),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "The explanation.", body = Object), (status = "default", body = Problem, description = "A problem.")))]
async fn explain(
    State(node): State<Arc<Node>>,
    Names((tenant, name)): Names<(String, String)>,
    Asked(of): Asked<OfOperator>,
) -> Answer<Json<Explanation>> {
    let found = node.job(&tenant, &name)?.found()?;
    blocking(move || client::explanation(&found, &of.operator).map_err(|error| no_answer(&name, error))).await.map(Json)
}
