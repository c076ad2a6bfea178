//! Canaries in running jobs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flowgate_api::canary::NewCanary;
use flowgate_api::operation::Operation;
use flowgate_api::problem::{Code, Problem};
use flowgate_control::limits::CANARY_MS_MAX;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Names};
use super::refusal::{Answer, Refusal};
use crate::canary;
use crate::node::Node;
use crate::token::Principal;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(create, end))
}

/// Runs another version of a function beside the one of a running job, and compares what both return; nothing of the job changes.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs/{job}/canary", tag = "swaps",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    request_body = NewCanary, security(("token" = ["operator"])),
    responses((status = 202, description = "The canary; its step says what was found so far. Its result has `from`, `to`, and in `found` the counts and the first differences, with values of rows.", body = Operation), (status = "default", body = Problem, description = "A problem.")))]
async fn create(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
    input::Json(request): input::Json<NewCanary>,
) -> Answer<(StatusCode, Json<Operation>)> {
    if !(request.share > 0.0 && request.share <= 1.0) {
        return Err(Refusal::new(Code::Invalid, "`share` is over 0 and at most 1"));
    }
    let most_s = CANARY_MS_MAX / 1_000;
    if !(1..=most_s).contains(&u64::from(request.for_s)) {
        return Err(Refusal::new(Code::Invalid, format!("`for_s` is from 1 to {most_s}")));
    }
    let job = node.job(&tenant, &name)?;
    // Beside an operation that changes the job there is none; one that begins later may end it.
    drop(job.begin("canary")?);
    let of = Arc::clone(&node);
    let operation = node.operations.start(&tenant, "canary", Some(&name), |progress| async move {
        Ok(serde_json::json!(canary::run(&of, &job, request, &principal.name, &progress).await?))
    })?;
    Ok((StatusCode::ACCEPTED, Json(operation)))
}

/// Ends the canary of a job. Its operation ends with what was found.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/jobs/{job}/canary", tag = "swaps",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    security(("token" = ["operator"])),
    responses((status = 204, description = "It ends."), (status = "default", body = Problem, description = "A problem.")))]
async fn end(State(node): State<Arc<Node>>, Names((tenant, name)): Names<(String, String)>) -> Answer<StatusCode> {
    match node.job(&tenant, &name)?.end_canary() {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::new(Code::Conflict, format!("no canary of `{name}` runs"))),
    }
}
