//! Operations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use flowgate_api::operation::Operation;
use flowgate_api::problem::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::Names;
use super::refusal::Answer;
use crate::node::Node;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// An operation, how far it is and how it has ended.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/operations/{id}", tag = "operations",
    params(("tenant" = String, Path, description = "The tenant."), ("id" = String, Path, description = "The id of the operation.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "The operation.", body = Operation), (status = "default", body = Problem, description = "A problem.")))]
async fn show(State(node): State<Arc<Node>>, Names((tenant, id)): Names<(String, String)>) -> Answer<Json<Operation>> {
    Ok(Json(node.operations.get(&tenant, &id)?))
}
