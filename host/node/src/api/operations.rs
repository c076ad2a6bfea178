//! Operations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use flowgate_api::Page;
use flowgate_api::operation::Operation;
use flowgate_api::problem::Problem;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Asked, Names, Paging};
use super::refusal::Answer;
use crate::interrupted;
use crate::node::Node;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Which operations.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct About {
    /// Those of this job.
    job: Option<String>,
    /// Those of this kind, such as `canary`.
    kind: Option<String>,
}

/// The operations of a tenant that go on, and those that have ended in the last hour.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/operations", tag = "operations",
    params(("tenant" = String, Path, description = "The tenant."), About, Paging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Operations, newest first.", body = Page<Operation>), (status = "default", body = Problem, description = "A problem.")))]
async fn list(
    State(node): State<Arc<Node>>,
    Names(tenant): Names<String>,
    Asked(about): Asked<About>,
    Asked(paging): Asked<Paging>,
) -> Answer<Json<Page<Operation>>> {
    let limit = paging.limit()?;
    let found = node.operations.of(&tenant, about.job.as_deref(), about.kind.as_deref())?;
    let found = found.into_iter().map(|operation| (operation.id.clone(), operation)).collect();
    let Page { items, next } = input::part(found, paging.after.as_deref(), limit);
    let told = items.into_iter().map(|operation| interrupted::told(&node, &tenant, operation));
    Ok(Json(Page { items: told.collect::<Answer<_>>()?, next }))
}

/// An operation, how far it is and how it has ended.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/operations/{id}", tag = "operations",
    params(("tenant" = String, Path, description = "The tenant."), ("id" = String, Path, description = "The id of the operation.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "The operation.", body = Operation), (status = "default", body = Problem, description = "A problem.")))]
async fn show(State(node): State<Arc<Node>>, Names((tenant, id)): Names<(String, String)>) -> Answer<Json<Operation>> {
    let operation = node.operations.get(&tenant, &id)?;
    Ok(Json(interrupted::told(&node, &tenant, operation)?))
}
