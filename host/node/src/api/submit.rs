//! Submissions, and changes of jobs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use flowgate_api::job::{CheckReport, JobChange, JobDetail, NewJob, Phase};
use flowgate_api::name;
use flowgate_api::operation::Operation;
use flowgate_api::problem::{Code, Problem};
use flowgate_base::clock;
use flowgate_connect::touches::Touches;
use flowgate_worker::assignment::Begins;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Names};
use super::jobs::{detail, record};
use super::refusal::{Answer, Refusal};
use crate::catalog::{JobRecord, Submission, TenantRecord, Want, key};
use crate::checked::{self, Checked};
use crate::job::assign::Assigned;
use crate::job::history;
use crate::job::machine::Input;
use crate::limits::KEY_KEPT_MS;
use crate::node::Node;
use crate::token::Principal;
use crate::{registry, swap};

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(submit)).routes(routes!(change))
}

/// What is said of a submission that makes no job.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Known {
    /// It was made before.
    Before(Box<JobDetail>),
    /// It was a check alone.
    Checked(CheckReport),
}

/// Submits a job: it is checked, and starts.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs", tag = "jobs", params(("tenant" = String, Path, description = "The tenant.")),
    request_body = NewJob, security(("token" = ["operator"])),
    responses((status = 201, description = "The job.", body = JobDetail),
        (status = 200, description = "The job that was submitted with this key before; or, of a check alone, what it has found.", body = Known),
        (status = "default", body = Problem, description = "A problem. One of the job has the report of the check as its detail.")))]
async fn submit(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names(tenant): Names<String>,
    input::Json(request): input::Json<NewJob>,
) -> Answer<Response> {
    let digest = digest(&request);
    let submission = request.idempotency_key.as_deref().map(|given| key::within(&tenant, given));
    if let Some(given) = &request.idempotency_key {
        name::check("submission's key", given).map_err(|wrong| Refusal::new(Code::Invalid, wrong))?;
    }
    if let Some(done) = submitted_before(&node, &tenant, submission.as_deref(), &digest)? {
        return Ok(Json(Known::Before(Box::new(detail(&node, &tenant, &done).await?))).into_response());
    }
    let assigned = Assigned {
        tenant: &tenant,
        job: "new",
        document: &request.document,
        language: request.language,
        parallelism: request.parallelism,
        pinned: &registry::namable(&node, &tenant)?,
        workers: 0,
        touches: Touches::nothing(),
    };
    let checked = checked::check(&node, &assigned, None).await?;
    // A job outside of a node may have a name that is none of a folder here.
    name::check("job", &checked.name).map_err(|wrong| Refusal::new(Code::Invalid, wrong))?;
    if request.check_only {
        let report = CheckReport { warnings: checked.warnings, picture: checked.picture };
        return Ok(Json(Known::Checked(report)).into_response());
    }
    let _admission = node.admission(&tenant).await;
    // The same request may have been made meanwhile.
    if let Some(done) = submitted_before(&node, &tenant, submission.as_deref(), &digest)? {
        return Ok(Json(Known::Before(Box::new(detail(&node, &tenant, &done).await?))).into_response());
    }
    node.room_for_job(&tenant, u64::from(checked.workers))?;
    let job = checked.name.clone();
    let record =
        created(&node, &tenant, &request, &principal, checked, submission.as_deref().map(|key| (key, digest)))?;
    let handle = node.add_job(&tenant, &job, &record);
    handle.take(Input::Start, Some(principal.name)).await?;
    Ok((StatusCode::CREATED, Json(detail(&node, &tenant, &job).await?)).into_response())
}

fn digest(request: &NewJob) -> String {
    let text = serde_json::to_vec(request).expect("requests have text keys only");
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

/// Returns the job that was submitted with this key.
fn submitted_before(node: &Node, tenant: &str, key: Option<&str>, digest: &str) -> Answer<Option<String>> {
    let Some(key) = key else { return Ok(None) };
    let found = node.catalog.read(|view| view.get::<Submission>(key))?;
    match found.filter(|found| clock::now_ms() - found.at_ms < KEY_KEPT_MS) {
        None => Ok(None),
        Some(found) if found.digest == digest => match record(node, tenant, &found.job) {
            Ok(job) if job.id == found.id => Ok(Some(found.job)),
            _ => Err(Refusal::new(Code::Conflict, "the job that was submitted with this key has been deleted")),
        },
        Some(_) => Err(Refusal::new(Code::Conflict, "another request was made with this key")),
    }
}

fn created(
    node: &Node,
    tenant: &str,
    request: &NewJob,
    by: &Principal,
    checked: Checked,
    submission: Option<(&str, String)>,
) -> Answer<JobRecord> {
    node.catalog.change(|change| {
        let Some(of) = change.get::<TenantRecord>(tenant)? else { return Err(Refusal::not_found("tenant")) };
        let quotas = of.quotas;
        let all = change.all::<JobRecord>(&key::of(&[tenant]))?;
        if all.iter().any(|(name, _)| *name == checked.name) {
            let detail = format!("there is a job `{}` already; change it, or delete it first", checked.name);
            return Err(Refusal::new(Code::Conflict, detail));
        }
        if all.len() as u64 >= quotas.jobs_stored {
            return Err(Refusal::quota("jobs_stored", quotas.jobs_stored, "delete a job that is not needed"));
        }
        let record = JobRecord {
            id: change.next_number("jobs")?,
            document: request.document.clone(),
            language: request.language,
            parallelism: request.parallelism,
            submitted_ms: clock::now_ms(),
            submitted_by: by.name.clone(),
            want: Want::Runs,
            phase: Phase::Stopped,
            attempt: 0,
            attempt_ms: None,
            restarts: 0,
            failure: None,
            workers: checked.workers,
            pinned: checked.pinned,
            picture: checked.picture,
            touches: checked.touches,
            store: checked.store,
            from: None,
        };
        change.put(&key::within(tenant, &checked.name), &record)?;
        history::add(change, (tenant, &checked.name), "submitted", Some(&by.name), "submitted".into(), quotas.history)?;
        if let Some((key, digest)) = submission {
            let old = change.all::<Submission>(&key::of(&[tenant]))?;
            for (old, _) in old.iter().filter(|(_, old)| clock::now_ms() - old.at_ms >= KEY_KEPT_MS) {
                change.remove::<Submission>(&key::within(tenant, old))?;
            }
            let done = Submission { job: checked.name.clone(), id: record.id, digest, at_ms: clock::now_ms() };
            change.put(key, &done)?;
        }
        Ok(record)
    })
}

/// Changes a job, also its number of workers: it stops with a savepoint, and the new document starts from there.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant}/jobs/{job}", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    request_body = JobChange, security(("token" = ["operator"])),
    responses((status = 202, description = "The change; its result is `{savepoint, notes}`.", body = Operation), (status = "default", body = Problem, description = "A problem. One of the job has the report of the check as its detail.")))]
async fn change(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
    input::Json(request): input::Json<JobChange>,
) -> Answer<(StatusCode, Json<Operation>)> {
    let known = record(&node, &tenant, &name)?;
    let job = node.job(&tenant, &name)?;
    let busy = job.begin("change")?;
    let (document, language, pinned) = match request.document {
        Some(document) => (document, request.language, registry::namable(&node, &tenant)?),
        // The same document keeps its versions.
        None => (known.document.clone(), known.language, known.pinned.clone()),
    };
    let assigned = Assigned {
        tenant: &tenant,
        job: &name,
        document: &document,
        language,
        parallelism: request.parallelism,
        pinned: &pinned,
        workers: 0,
        touches: Touches::nothing(),
    };
    // What would refuse the state is found before the job is stopped.
    let newest = swap::newest_checkpoint(&known, request.drop.clone());
    let checked = checked::check(&node, &assigned, Some(newest.clone())).await?;
    if let Some(problem) = checked.prospect.as_ref().and_then(|prospect| prospect.problems.first()) {
        return Err(Refusal::new(
            Code::Invalid,
            format!("the state of the job does not fit the new document: {problem}"),
        ));
    }
    if checked.name != name {
        let detail = format!("the new document is of a job `{}`; the name of a job does not change", checked.name);
        return Err(Refusal::new(Code::Invalid, detail));
    }
    let more = u64::from(checked.workers).saturating_sub(u64::from(known.workers));
    if more > 0 {
        node.room_for_workers(&tenant, more)?;
    }
    let (of, of_tenant, of_job) = (Arc::clone(&node), tenant.clone(), name.clone());
    let operation = node.operations.start(&of_tenant, "change", Some(&of_job), |progress| async move {
        let _busy = busy;
        let was_running = job.state().machine.is_live();
        let name_of_savepoint = format!("change-{}", clock::now_ms());
        let mut savepoint = None;
        if was_running {
            progress.step("stops the job with a savepoint");
            savepoint = job.stop_for_now(name_of_savepoint.clone(), Some(principal.name.clone())).await?;
            let state = job.rested().await;
            if let Some(error) = state.machine.failure {
                let detail = format!("the job failed while it was stopped, and is not changed: {}", error.message);
                return Err(Refusal::new(Code::Conflict, detail));
            }
        }
        progress.step("starts the changed job from it");
        let kept = of.tenant(&tenant)?.quotas.history;
        of.catalog.change(|catalog| {
            let key = key::within(&tenant, &name);
            let Some(mut record) = catalog.get::<JobRecord>(&key)? else { return Err(Refusal::not_found("job")) };
            record.document = document;
            record.language = language;
            record.parallelism = request.parallelism;
            record.pinned = checked.pinned;
            record.picture = checked.picture;
            record.touches = checked.touches;
            record.store = checked.store;
            record.workers = checked.workers;
            record.from = match &savepoint {
                Some(address) => Some(begins_at(address, name_of_savepoint, request.drop)),
                // A job that rests begins with its last checkpoint, without what may be dropped.
                None if request.drop.is_empty() => record.from,
                None => Some(newest),
            };
            catalog.put(&key, &record)?;
            let workers = if record.workers == 1 { "worker" } else { "workers" };
            let text = format!("changed; {} {workers}", record.workers);
            Ok(history::add(catalog, (&tenant, &name), "changed", Some(&principal.name), text, kept)?)
        })?;
        if was_running {
            job.take(Input::Start, Some(principal.name)).await?;
        }
        Ok(json!({ "savepoint": savepoint, "notes": checked.untried.into_iter().collect::<Vec<_>>() }))
    })?;
    Ok((StatusCode::ACCEPTED, Json(operation)))
}

/// Returns how a job begins at its savepoint of this name, whose address is `STORE#NAME`.
fn begins_at(address: &str, name: String, drop: Vec<String>) -> Begins {
    let store = address.strip_suffix(&name).and_then(|store| store.strip_suffix('#')).unwrap_or(address);
    Begins::From { store: store.into(), savepoint: Some(name), number: None, drop }
}
