//! Calls of plugins that ended without an answer, as the attempts of a job have recorded them.

use std::fs::File;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use flowgate_api::Page;
use flowgate_api::problem::Problem;
use flowgate_api::record::RecordedCall;
use flowgate_worker::records::{self, Recorded};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::file;
use super::input::{self, Asked, Names, Paging};
use super::jobs::{blocking, record};
use super::refusal::{Answer, Refusal};
use crate::job::folder::JobFolder;
use crate::node::Node;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// The calls that ended without an answer in the attempts whose folders are kept.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}/records", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job."), Paging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Recorded calls, newest first.", body = Page<RecordedCall>), (status = "default", body = Problem, description = "A problem.")))]
async fn list(
    State(node): State<Arc<Node>>,
    Names((tenant, name)): Names<(String, String)>,
    Asked(paging): Asked<Paging>,
) -> Answer<Json<Page<RecordedCall>>> {
    let limit = paging.limit()?;
    record(&node, &tenant, &name)?;
    let folder = JobFolder::of(&node.settings.data, &tenant, &name);
    let found = blocking(move || all(&folder)).await?;
    let found = found.into_iter().map(|call| (call.id.clone(), call)).collect();
    Ok(Json(input::part(found, paging.after.as_deref(), limit)))
}

/// A recorded call, which `flowgate plugin replay` makes again.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}/records/{record}", tag = "jobs",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job."), ("record" = String, Path, description = "The id of the recorded call.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "The call: function, config, rows, state and time.", body = Object), (status = "default", body = Problem, description = "A problem.")))]
async fn show(
    State(node): State<Arc<Node>>,
    Names((tenant, name, id)): Names<(String, String, String)>,
) -> Answer<Response> {
    record(&node, &tenant, &name)?;
    let not_found = || Refusal::not_found("recorded call");
    let (attempt, number) = place(&id).ok_or_else(not_found)?;
    let folder = JobFolder::of(&node.settings.data, &tenant, &name);
    let opened = blocking(move || Ok(File::open(records::path(&folder.attempt(attempt), number)).ok())).await?;
    Ok(([(CONTENT_TYPE, "application/json")], file::body(opened.ok_or_else(not_found)?)).into_response())
}

/// Returns the calls of all attempts, newest first.
fn all(folder: &JobFolder) -> Answer<Vec<RecordedCall>> {
    let mut all = Vec::new();
    for attempt in folder.attempts().into_iter().rev() {
        let of = records::list(&folder.attempt(attempt))?;
        all.extend(of.into_iter().rev().map(|recorded| shown(attempt, recorded)));
    }
    Ok(all)
}

fn shown(attempt: u64, recorded: Recorded) -> RecordedCall {
    RecordedCall {
        id: format!("{attempt}-{}", recorded.number),
        at_ms: recorded.at_ms,
        operator: recorded.operator,
        worker: recorded.worker,
        sha256: recorded.sha256,
        function: recorded.function,
        called: recorded.called,
        given: recorded.given as u64,
        reason: recorded.reason,
        bytes: recorded.bytes,
    }
}

/// Returns the attempt and the number of an id, as it is written.
fn place(id: &str) -> Option<(u64, u32)> {
    let (attempt, number) = id.split_once('-')?;
    let place: (u64, u32) = (attempt.parse().ok()?, number.parse().ok()?);
    (format!("{}-{}", place.0, place.1) == id).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_attempt_and_a_number_written_in_one_way() {
        assert_eq!(place("3-12"), Some((3, 12)));
        for wrong in ["3", "3-", "-3", "03-1", "3-+1", "3-1-1", "3-1.json", "../3-1", "3-99999999999"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
