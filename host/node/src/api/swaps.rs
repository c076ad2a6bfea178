//! Swaps of functions in running jobs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flowgate_api::Page;
use flowgate_api::operation::Operation;
use flowgate_api::problem::{Code, Problem};
use flowgate_api::swap::{NewSwap, Swap};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Asked, Names, NumberPaging};
use super::jobs::record;
use super::refusal::{Answer, Refusal};
use crate::catalog::{CatalogError, SwapRecord, key};
use crate::node::Node;
use crate::swap;
use crate::token::Principal;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(rollback))
}

/// The swaps of a job.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/jobs/{job}/swaps", tag = "swaps",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job."), NumberPaging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Swaps, newest first.", body = Page<Swap>), (status = "default", body = Problem, description = "A problem.")))]
async fn list(
    State(node): State<Arc<Node>>,
    Names((tenant, name)): Names<(String, String)>,
    Asked(paging): Asked<NumberPaging>,
) -> Answer<Json<Page<Swap>>> {
    let (limit, before) = (paging.limit()?, paging.after()?);
    record(&node, &tenant, &name)?;
    let before = before.map(key::ordered);
    let found = node.catalog.read(|view| {
        let newest = view.newest::<SwapRecord>(&key::of(&[&tenant, &name]), before.as_deref())?.take(limit + 1);
        let shown = newest.map(|record| record.map(|SwapRecord { swap, .. }| (swap.number.to_string(), swap)));
        shown.collect::<Result<Vec<_>, CatalogError>>()
    })?;
    Ok(Json(input::page(found, limit)))
}

/// Swaps a function of a running job for another version, at one boundary on all workers; state is kept.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs/{job}/swaps", tag = "swaps",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    request_body = NewSwap, security(("token" = ["operator"])),
    responses((status = 202, description = "The swap; its result is a `Swap`. Of a dry run: what is kept, notes and problems.", body = Operation), (status = "default", body = Problem, description = "A problem.")))]
async fn create(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
    input::Json(request): input::Json<NewSwap>,
) -> Answer<(StatusCode, Json<Operation>)> {
    if request.rollback_over.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return Err(Refusal::new(Code::Invalid, "`rollback_over` is a share from 0 to 1"));
    }
    let job = node.job(&tenant, &name)?;
    let of = Arc::clone(&node);
    let operation = match request.dry_run {
        true => node.operations.start(&tenant, "dry_run", Some(&name), |progress| async move {
            swap::dry_run(&of, &job, request, &progress).await
        }),
        false => {
            let busy = job.begin("swap")?;
            node.operations.start(&tenant, "swap", Some(&name), |progress| async move {
                let _busy = busy;
                Ok(serde_json::json!(swap::swap(&of, &job, request, &principal.name, &progress).await?))
            })
        }
    }?;
    Ok((StatusCode::ACCEPTED, Json(operation)))
}

/// Takes the last swap of a job back.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/jobs/{job}/rollback", tag = "swaps",
    params(("tenant" = String, Path, description = "The tenant."), ("job" = String, Path, description = "The job.")),
    security(("token" = ["operator"])),
    responses((status = 202, description = "The swap back; its result is a `Swap`.", body = Operation), (status = "default", body = Problem, description = "A problem.")))]
async fn rollback(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
) -> Answer<(StatusCode, Json<Operation>)> {
    let job = node.job(&tenant, &name)?;
    let busy = job.begin("rollback")?;
    let of = Arc::clone(&node);
    let operation = node.operations.start(&tenant, "rollback", Some(&name), |progress| async move {
        let _busy = busy;
        Ok(serde_json::json!(swap::rollback(&of, &job, &principal.name, None, &progress).await?))
    })?;
    Ok((StatusCode::ACCEPTED, Json(operation)))
}
