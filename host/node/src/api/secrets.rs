//! Secrets: set and deleted, never shown.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use flowgate_api::problem::{Code, Problem};
use flowgate_api::secret::{Secret, SecretValue};
use flowgate_api::{Page, name};
use flowgate_base::clock;
use flowgate_base::secret::VALUE_BYTES_MIN;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Asked, Names, Paging};
use super::refusal::{Answer, Refusal};
use crate::catalog::{SecretRecord, TenantRecord, key};
use crate::node::Node;

/// Bytes of a value: a key with its certificates.
const VALUE_BYTES_MAX: usize = 64 << 10;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set, delete))
}

/// The secrets of a tenant, without their values.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/secrets", tag = "secrets", params(("tenant" = String, Path, description = "The tenant."), Paging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Secrets, by name.", body = Page<Secret>), (status = "default", body = Problem, description = "A problem.")))]
async fn list(
    State(node): State<Arc<Node>>,
    Names(tenant): Names<String>,
    Asked(paging): Asked<Paging>,
) -> Answer<Json<Page<Secret>>> {
    let limit = paging.limit()?;
    let prefix = key::of(&[&tenant]);
    let found = node.catalog.read(|view| view.list::<SecretRecord>(&prefix, paging.after.as_deref(), limit + 1))?;
    let shown =
        found.into_iter().map(|(name, record)| (name.clone(), Secret { name, set_ms: record.set_ms })).collect();
    Ok(Json(input::page(shown, limit)))
}

/// Sets a secret. Jobs have the value from their next attempt on.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant}/secrets/{name}", tag = "secrets",
    params(("tenant" = String, Path, description = "The tenant."), ("name" = String, Path, description = "The name of the secret.")),
    request_body = SecretValue, security(("token" = ["admin"])),
    responses((status = 204, description = "It is set."), (status = "default", body = Problem, description = "A problem.")))]
async fn set(
    State(node): State<Arc<Node>>,
    Names((tenant, secret)): Names<(String, String)>,
    input::Json(request): input::Json<SecretValue>,
) -> Answer<StatusCode> {
    name::check("secret", &secret).map_err(|wrong| Refusal::new(Code::Invalid, wrong))?;
    let bytes = request.value.len();
    if !(VALUE_BYTES_MIN..=VALUE_BYTES_MAX).contains(&bytes) {
        let detail =
            format!("the value of a secret has {VALUE_BYTES_MIN} to {VALUE_BYTES_MAX} bytes, this one {bytes}");
        return Err(Refusal::new(Code::Invalid, detail));
    }
    let sealed = node.vault.seal(&tenant, &secret, &request.value)?;
    node.catalog.change(|change| {
        let Some(of) = change.get::<TenantRecord>(&tenant)? else { return Err(Refusal::not_found("tenant")) };
        let key = key::within(&tenant, &secret);
        let all = change.all::<SecretRecord>(&key::of(&[&tenant]))?;
        if all.len() as u64 >= of.quotas.secrets && !all.iter().any(|(name, _)| *name == secret) {
            return Err(Refusal::quota("secrets", of.quotas.secrets, "delete one that is not used"));
        }
        Ok(change.put(&key, &SecretRecord { set_ms: clock::now_ms(), sealed })?)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a secret. A job that names it does not start any more.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/secrets/{name}", tag = "secrets",
    params(("tenant" = String, Path, description = "The tenant."), ("name" = String, Path, description = "The name of the secret.")),
    security(("token" = ["admin"])),
    responses((status = 204, description = "It is deleted."), (status = "default", body = Problem, description = "A problem.")))]
async fn delete(State(node): State<Arc<Node>>, Names((tenant, secret)): Names<(String, String)>) -> Answer<StatusCode> {
    match node.catalog.change(|change| change.remove::<SecretRecord>(&key::within(&tenant, &secret)))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::not_found("secret")),
    }
}
