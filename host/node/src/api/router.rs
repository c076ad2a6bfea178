//! All routes, and what stands in front of them.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::refusal::Refusal;
use super::{
    access, backup, canaries, document, jobs, live, metrics, operations, page, plugins, records, root, secrets, submit,
    swaps, tenants, tokens,
};
use crate::node::Node;

/// The routes, and their description.
pub(crate) fn routes() -> (Router<Arc<Node>>, OpenApi) {
    OpenApiRouter::with_openapi(document::of_node())
        .merge(root::routes())
        .merge(backup::routes())
        .merge(tenants::routes())
        .merge(tokens::routes())
        .merge(secrets::routes())
        .merge(plugins::routes())
        .merge(jobs::routes())
        .merge(submit::routes())
        .merge(swaps::routes())
        .merge(canaries::routes())
        .merge(live::routes())
        .merge(records::routes())
        .merge(operations::routes())
        .merge(metrics::routes())
        .split_for_parts()
}

/// The routes behind their gate.
pub(crate) fn router(routes: Router<Arc<Node>>, document: &OpenApi, node: &Arc<Node>) -> Router {
    routes
        .fallback(|| async { Refusal::not_found("path") })
        .layer(axum::Extension(Arc::new(document::text(document))))
        .layer(from_fn_with_state(Arc::clone(node), access::gate))
        .with_state(Arc::clone(node))
        .merge(page::routes())
        .layer(map_response(page::secured))
}
