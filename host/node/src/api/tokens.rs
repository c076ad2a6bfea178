//! Tokens of tenants, and of the node.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use flowgate_api::Page;
use flowgate_api::problem::{Code, Problem};
use flowgate_api::token::{CreatedToken, NewToken, Token};
use flowgate_base::clock;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Asked, Names, Paging};
use super::refusal::{Answer, Refusal};
use crate::catalog::{TenantRecord, TokenRecord};
use crate::node::Node;
use crate::token;

/// Characters of the name of a token.
const NAME_CHARS_MAX: usize = 100;

/// Seconds of the life of a token that expires: a hundred years.
const LIFE_S_MAX: u64 = 3_153_600_000;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
        .routes(routes!(list_of_node, create_of_node))
        .routes(routes!(revoke_of_node))
}

/// The tokens of a tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/tokens", tag = "tokens", params(("tenant" = String, Path, description = "The tenant."), Paging),
    security(("token" = ["admin"])),
    responses((status = 200, description = "Tokens, by id.", body = Page<Token>), (status = "default", body = Problem, description = "A problem.")))]
async fn list(
    State(node): State<Arc<Node>>,
    Names(tenant): Names<String>,
    Asked(paging): Asked<Paging>,
) -> Answer<Json<Page<Token>>> {
    listed(&node, Some(&tenant), &paging)
}

/// Creates a token of a tenant. Its text is in this response alone.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/tokens", tag = "tokens", params(("tenant" = String, Path, description = "The tenant.")),
    request_body = NewToken, security(("token" = ["admin"])),
    responses((status = 201, description = "The token, with its text.", body = CreatedToken), (status = "default", body = Problem, description = "A problem.")))]
async fn create(
    State(node): State<Arc<Node>>,
    Names(tenant): Names<String>,
    input::Json(request): input::Json<NewToken>,
) -> Answer<(StatusCode, Json<CreatedToken>)> {
    created(&node, Some(&tenant), &request)
}

/// Revokes a token of a tenant. The next request with it is refused.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/tokens/{id}", tag = "tokens",
    params(("tenant" = String, Path, description = "The tenant."), ("id" = String, Path, description = "The id of the token.")),
    security(("token" = ["admin"])),
    responses((status = 204, description = "It is revoked."), (status = "default", body = Problem, description = "A problem.")))]
async fn revoke(State(node): State<Arc<Node>>, Names((tenant, id)): Names<(String, String)>) -> Answer<StatusCode> {
    revoked(&node, Some(&tenant), &id)
}

/// The tokens of the node itself.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", params(Paging), security(("token" = ["node"])),
    responses((status = 200, description = "Tokens, by id.", body = Page<Token>), (status = "default", body = Problem, description = "A problem.")))]
async fn list_of_node(State(node): State<Arc<Node>>, Asked(paging): Asked<Paging>) -> Answer<Json<Page<Token>>> {
    listed(&node, None, &paging)
}

/// Creates a token of the node itself, which sees all tenants. Its text is in this response alone.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken, security(("token" = ["node"])),
    responses((status = 201, description = "The token, with its text.", body = CreatedToken), (status = "default", body = Problem, description = "A problem.")))]
async fn create_of_node(
    State(node): State<Arc<Node>>,
    input::Json(request): input::Json<NewToken>,
) -> Answer<(StatusCode, Json<CreatedToken>)> {
    created(&node, None, &request)
}

/// Revokes a token of the node itself. The last one that never expires stays: without it nobody could get in.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path, description = "The id of the token.")),
    security(("token" = ["node"])),
    responses((status = 204, description = "It is revoked."), (status = "default", body = Problem, description = "A problem.")))]
async fn revoke_of_node(State(node): State<Arc<Node>>, Names(id): Names<String>) -> Answer<StatusCode> {
    revoked(&node, None, &id)
}

fn listed(node: &Node, tenant: Option<&str>, paging: &Paging) -> Answer<Json<Page<Token>>> {
    let limit = paging.limit()?;
    let all = node.catalog.read(|view| view.all::<TokenRecord>(""))?;
    let of = all.into_iter().filter(|(id, token)| {
        token.tenant.as_deref() == tenant && paging.after.as_ref().is_none_or(|after| id > after)
    });
    let shown = of.take(limit + 1).map(|(id, record)| (id.clone(), token::shown(&id, &record))).collect();
    Ok(Json(input::page(shown, limit)))
}

fn created(node: &Node, tenant: Option<&str>, request: &NewToken) -> Answer<(StatusCode, Json<CreatedToken>)> {
    if request.name.is_empty() || request.name.chars().count() > NAME_CHARS_MAX {
        return Err(Refusal::new(Code::Invalid, format!("the name of a token has 1 to {NAME_CHARS_MAX} characters")));
    }
    if request.expires_in_s.is_some_and(|seconds| !(1..=LIFE_S_MAX).contains(&seconds)) {
        return Err(Refusal::new(Code::Invalid, format!("`expires_in_s` is from 1 to {LIFE_S_MAX}")));
    }
    let (record, created) = token::make(tenant, request, clock::now_ms())?;
    node.catalog.change(|change| {
        if let Some(tenant) = tenant {
            let Some(of) = change.get::<TenantRecord>(tenant)? else { return Err(Refusal::not_found("tenant")) };
            let all = change.all::<TokenRecord>("")?;
            let count = all.iter().filter(|(_, token)| token.tenant.as_deref() == Some(tenant)).count() as u64;
            if count >= of.quotas.tokens {
                return Err(Refusal::quota("tokens", of.quotas.tokens, "revoke one that is not used"));
            }
        }
        Ok(change.put(&created.token.id, &record)?)
    })?;
    Ok((StatusCode::CREATED, Json(created)))
}

fn revoked(node: &Node, tenant: Option<&str>, id: &str) -> Answer<StatusCode> {
    node.catalog.change(|change| {
        let found = change.get::<TokenRecord>(id)?.filter(|token| token.tenant.as_deref() == tenant);
        if found.is_none() {
            return Err(Refusal::not_found("token"));
        }
        if tenant.is_none() {
            let all = change.all::<TokenRecord>("")?;
            let mut lasting = all.iter().filter(|(other, token)| {
                other != id
                    && token.tenant.is_none()
                    && token.expires_ms.is_none()
                    && token.role == flowgate_api::token::Role::Admin
            });
            if lasting.next().is_none() {
                let detail =
                    "it is the node's last administrator's token that does not expire; create another one first";
                return Err(Refusal::new(Code::Conflict, detail));
            }
        }
        change.remove::<TokenRecord>(id)?;
        Ok(StatusCode::NO_CONTENT)
    })
}
