//! The registry of plugins.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use bytes::BytesMut;
use flowgate_api::Page;
use flowgate_api::plugin::PluginVersion;
use flowgate_api::problem::{Code, Problem};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Asked, Names, Paging};
use super::refusal::{Answer, Refusal};
use crate::catalog::{PluginRecord, key};
use crate::node::Node;
use crate::registry;
use crate::token::Principal;

/// Bytes of a component that are in memory at once, for each client that reads it.
const PART_BYTES: usize = 64 << 10;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(versions, push))
        .routes(routes!(show, delete))
        .routes(routes!(component))
}

/// The plugins of a tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/plugins", tag = "plugins", params(("tenant" = String, Path, description = "The tenant."), Paging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Versions, by name and number.", body = Page<PluginVersion>), (status = "default", body = Problem, description = "A problem.")))]
async fn list(
    State(node): State<Arc<Node>>,
    Names(tenant): Names<String>,
    Asked(paging): Asked<Paging>,
) -> Answer<Json<Page<PluginVersion>>> {
    listed(&node, &key::of(&[&tenant]), &paging)
}

/// The versions of a plugin.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/plugins/{name}", tag = "plugins",
    params(("tenant" = String, Path, description = "The tenant."), ("name" = String, Path, description = "The plugin."), Paging),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "Versions, by number.", body = Page<PluginVersion>), (status = "default", body = Problem, description = "A problem.")))]
async fn versions(
    State(node): State<Arc<Node>>,
    Names((tenant, name)): Names<(String, String)>,
    Asked(paging): Asked<Paging>,
) -> Answer<Json<Page<PluginVersion>>> {
    let page = listed(&node, &key::of(&[&tenant, &name]), &paging)?;
    match page.items.is_empty() && paging.after.is_none() {
        true => Err(Refusal::not_found("plugin")),
        false => Ok(page),
    }
}

fn listed(node: &Node, prefix: &str, paging: &Paging) -> Answer<Json<Page<PluginVersion>>> {
    let limit = paging.limit()?;
    let found = node.catalog.read(|view| view.list::<PluginRecord>(prefix, paging.after.as_deref(), limit + 1))?;
    Ok(Json(input::page(found.into_iter().map(|(key, record)| (key, record.0)).collect(), limit)))
}

/// Pushes a component: it is admitted, compiled and described, and gets the next version of the name.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/plugins/{name}", tag = "plugins",
    params(("tenant" = String, Path, description = "The tenant."), ("name" = String, Path, description = "The plugin.")),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component."), security(("token" = ["operator"])),
    responses((status = 201, description = "The new version.", body = PluginVersion),
        (status = 200, description = "The newest version, which has this content.", body = PluginVersion),
        (status = "default", body = Problem, description = "A problem.")))]
async fn push(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Names((tenant, name)): Names<(String, String)>,
    request: axum::extract::Request,
) -> Answer<(StatusCode, Json<PluginVersion>)> {
    if !matches!(input::media_type(&request), Some("application/wasm" | "application/octet-stream")) {
        return Err(Refusal::new(Code::UnsupportedMediaType, "the body has to be application/wasm"));
    }
    let body: Body = request.into_body();
    let (version, is_new) = registry::push(&node, &tenant, &name, &principal, body).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(version)))
}

/// A version of a plugin.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/plugins/{name}/{version}", tag = "plugins",
    params(("tenant" = String, Path, description = "The tenant."), ("name" = String, Path, description = "The plugin."), ("version" = u32, Path, description = "The version.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "The version.", body = PluginVersion), (status = "default", body = Problem, description = "A problem.")))]
async fn show(
    State(node): State<Arc<Node>>,
    Names((tenant, name, version)): Names<(String, String, u32)>,
) -> Answer<Json<PluginVersion>> {
    Ok(Json(registry::version(&node, &tenant, &name, Some(version))?))
}

/// The component of a version.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/plugins/{name}/{version}/component", tag = "plugins",
    params(("tenant" = String, Path, description = "The tenant."), ("name" = String, Path, description = "The plugin."), ("version" = u32, Path, description = "The version.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "The component.", body = Vec<u8>, content_type = "application/wasm"), (status = "default", body = Problem, description = "A problem.")))]
async fn component(
    State(node): State<Arc<Node>>,
    Names((tenant, name, version)): Names<(String, String, u32)>,
) -> Answer<impl IntoResponse> {
    let of = registry::version(&node, &tenant, &name, Some(version))?;
    let (file, bytes) = registry::open(&node, &tenant, &of.digest)?;
    let headers = [
        (CONTENT_TYPE, "application/wasm".to_string()),
        (CONTENT_LENGTH, bytes.to_string()),
        (ETAG, format!("\"{}\"", of.digest)),
    ];
    Ok((headers, parts_of(file)))
}

/// Reads a file as it is sent: many clients may ask for large ones at once.
fn parts_of(file: std::fs::File) -> Body {
    let parts = stream::unfold(File::from_std(file), |mut file| async move {
        let mut part = BytesMut::with_capacity(PART_BYTES);
        match file.read_buf(&mut part).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(part.freeze()), file)),
            Err(error) => Some((Err(error), file)),
        }
    });
    Body::from_stream(parts)
}

/// Deletes a version that no job uses. Its number is not used again.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/plugins/{name}/{version}", tag = "plugins",
    params(("tenant" = String, Path, description = "The tenant."), ("name" = String, Path, description = "The plugin."), ("version" = u32, Path, description = "The version.")),
    security(("token" = ["operator"])),
    responses((status = 204, description = "It is deleted."), (status = "default", body = Problem, description = "A problem.")))]
async fn delete(
    State(node): State<Arc<Node>>,
    Names((tenant, name, version)): Names<(String, String, u32)>,
) -> Answer<StatusCode> {
    registry::delete(&node, &tenant, &name, version)?;
    Ok(StatusCode::NO_CONTENT)
}
