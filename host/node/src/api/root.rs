//! What belongs to no tenant: the probe, the document, who a token is, the table of quotas.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use flowgate_api::{Whoami, quota};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::document::Text;
use crate::node::Node;
use crate::token::Principal;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(openapi))
        .routes(routes!(whoami))
        .routes(routes!(quotas))
}

/// Whether the node serves.
#[utoipa::path(get, path = "/healthz", tag = "node", security(()), responses((status = 200, description = "It does.", body = String)))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "node", security(("token" = ["viewer"])),
    responses((status = 200, description = "The OpenAPI document.", body = Object)))]
async fn openapi(Extension(text): Extension<Arc<Text>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], text.0.clone())
}

/// Whose token it is.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "node", security(("token" = ["viewer"])),
    responses((status = 200, description = "Who the token belongs to.", body = Whoami)))]
async fn whoami(Extension(principal): Extension<Principal>) -> Json<Whoami> {
    Json(Whoami {
        version: env!("CARGO_PKG_VERSION").into(),
        token: principal.name,
        tenant: principal.tenant,
        role: principal.role,
        expires_ms: principal.expires_ms,
    })
}

/// A quota.
#[derive(Serialize, ToSchema)]
struct QuotaAbout {
    /// Its name.
    name: &'static str,
    /// What is counted.
    what: &'static str,
    /// Its unit.
    unit: &'static str,
    /// Its default.
    default: f64,
    /// Why that is the default.
    reason: &'static str,
    /// What happens at the limit.
    at_limit: &'static str,
}

/// The table of quotas.
#[utoipa::path(get, path = "/api/v1/quotas", tag = "tenants", security(("token" = ["viewer"])),
    responses((status = 200, description = "All quotas.", body = Vec<QuotaAbout>)))]
async fn quotas() -> Json<Vec<QuotaAbout>> {
    let about = |of: &quota::About| QuotaAbout {
        name: of.name,
        what: of.what,
        unit: of.unit,
        default: of.default,
        reason: of.reason,
        at_limit: of.at_limit,
    };
    Json(quota::TABLE.iter().map(about).collect())
}
