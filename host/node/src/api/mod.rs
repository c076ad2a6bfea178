//! The HTTP API: routes, who may use them, and what they answer.
//!
//! `connection` accepts, `access` is the gate, `input` and `refusal` are what comes in and what goes wrong. The other files have the
//! handlers of a subject each; their descriptions are the OpenAPI document.

pub(crate) mod access;
mod backup;
pub(crate) mod connection;
mod document;
mod input;
mod jobs;
mod live;
pub(crate) mod metrics;
mod operations;
mod page;
mod plugins;
pub(crate) mod refusal;
mod root;
mod secrets;
mod stall;
mod submit;
mod swaps;
mod tenants;
pub(crate) mod tls;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::jobs::{blocking, no_answer};
use self::refusal::Refusal;
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
        .merge(live::routes())
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
