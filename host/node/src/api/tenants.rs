//! Tenants.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use flowgate_api::problem::{Code, Problem};
use flowgate_api::quota::Quotas;
use flowgate_api::tenant::{NewTenant, Tenant, TenantChange, Usage};
use flowgate_api::{Page, name};
use flowgate_base::clock;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{self, Asked, Names, Paging};
use super::refusal::{Answer, Refusal};
use crate::catalog::{
    JobRecord, OperationRecord, PluginRecord, SecretRecord, Submission, TenantRecord, TokenRecord, key,
};
use crate::job::assign::read_grants;
use crate::node::Node;
use crate::token::Principal;
use crate::usage;

pub(super) fn routes() -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, change, delete)).routes(routes!(use_of))
}

fn shown(name: &str, record: TenantRecord) -> Tenant {
    Tenant { name: name.into(), created_ms: record.created_ms, quotas: record.quotas, grants: record.grants }
}

/// The tenants that the token sees.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "tenants", params(Paging), security(("token" = ["viewer"])),
    responses((status = 200, description = "Tenants, by name.", body = Page<Tenant>), (status = "default", body = Problem, description = "A problem.")))]
async fn list(
    State(node): State<Arc<Node>>,
    Extension(principal): Extension<Principal>,
    Asked(paging): Asked<Paging>,
) -> Answer<Json<Page<Tenant>>> {
    let limit = paging.limit()?;
    let found = node.catalog.read(|view| match &principal.tenant {
        Some(own) => {
            Ok::<_, Refusal>(view.get::<TenantRecord>(own)?.map(|record| (own.clone(), record)).into_iter().collect())
        }
        None => Ok(view.list::<TenantRecord>("", paging.after.as_deref(), limit + 1)?),
    })?;
    let tenants = found.into_iter().map(|(name, record)| (name.clone(), shown(&name, record))).collect();
    Ok(Json(input::page(tenants, limit)))
}

/// A request for a tenant, with the quotas that it names and no others.
#[derive(Deserialize)]
struct Request {
    /// What is absent has the value that the node's settings give to new tenants.
    #[serde(default)]
    quotas: Map<String, Value>,
}

/// Reads a request. The quotas that it does not name are those of the node's settings for new tenants.
fn requested(body: Value, quotas: &Quotas) -> Answer<NewTenant> {
    let mut request: NewTenant = serde_json::from_value(body.clone()).map_err(invalid)?;
    let named: Request = serde_json::from_value(body).map_err(invalid)?;
    request.quotas = over(quotas, named.quotas)?;
    Ok(request)
}

/// Puts the quotas that a request names in the place of others.
fn over(quotas: &Quotas, named: Map<String, Value>) -> Answer<Quotas> {
    let mut all = serde_json::to_value(quotas).map_err(invalid)?;
    for (name, value) in named {
        all[name] = value;
    }
    serde_json::from_value(all).map_err(invalid)
}

fn invalid(error: serde_json::Error) -> Refusal {
    Refusal::new(Code::Invalid, format!("the body is not what the route takes: {error}"))
}

/// Creates a tenant. A quota that the request does not name has the value that the node's settings give to new tenants.
#[utoipa::path(post, path = "/api/v1/tenants", tag = "tenants", request_body = NewTenant, security(("token" = ["node"])),
    responses((status = 201, description = "The tenant.", body = Tenant), (status = "default", body = Problem, description = "A problem.")))]
async fn create(
    State(node): State<Arc<Node>>,
    input::Json(body): input::Json<Value>,
) -> Answer<(StatusCode, Json<Tenant>)> {
    let request = requested(body, &node.settings.quotas)?;
    name::check("tenant", &request.name).map_err(|wrong| Refusal::new(Code::Invalid, wrong))?;
    read_grants(&request.grants)?;
    request.quotas.check().map_err(|wrong| Refusal::new(Code::Invalid, wrong))?;
    let record = TenantRecord { created_ms: clock::now_ms(), quotas: request.quotas, grants: request.grants };
    node.catalog.change(|change| {
        if change.get::<TenantRecord>(&request.name)?.is_some() {
            return Err(Refusal::new(Code::Conflict, format!("there is a tenant `{}` already", request.name)));
        }
        Ok(change.put(&request.name, &record)?)
    })?;
    Ok((StatusCode::CREATED, Json(shown(&request.name, record))))
}

/// A tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path, description = "Its name.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "The tenant.", body = Tenant), (status = "default", body = Problem, description = "A problem.")))]
async fn show(State(node): State<Arc<Node>>, Names(tenant): Names<String>) -> Answer<Json<Tenant>> {
    Ok(Json(shown(&tenant, node.tenant(&tenant)?)))
}

/// Changes what a tenant may take and touch. Quotas that the request does not name stay; grants are replaced as a whole.
#[utoipa::path(patch, path = "/api/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path, description = "Its name.")),
    request_body = TenantChange, security(("token" = ["node"])),
    responses((status = 200, description = "The tenant.", body = Tenant), (status = "default", body = Problem, description = "A problem.")))]
async fn change(
    State(node): State<Arc<Node>>,
    Names(tenant): Names<String>,
    input::Json(body): input::Json<Value>,
) -> Answer<Json<Tenant>> {
    let request: TenantChange = serde_json::from_value(body.clone()).map_err(invalid)?;
    // Without quotas, none changes.
    let named = body.get("quotas").and_then(Value::as_object).cloned().unwrap_or_default();
    request.grants.as_ref().map(read_grants).transpose()?;
    request.quotas.iter().try_for_each(Quotas::check).map_err(|wrong| Refusal::new(Code::Invalid, wrong))?;
    let changed = node.catalog.change(|change| {
        let Some(mut record) = change.get::<TenantRecord>(&tenant)? else { return Err(Refusal::not_found("tenant")) };
        record.quotas = over(&record.quotas, named)?;
        record.grants = request.grants.unwrap_or(record.grants);
        change.put(&tenant, &record)?;
        Ok(record)
    })?;
    Ok(Json(shown(&tenant, changed)))
}

/// Deletes a tenant that has no jobs, with its tokens, secrets and plugins.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path, description = "Its name.")),
    security(("token" = ["node"])),
    responses((status = 204, description = "It is deleted."), (status = "default", body = Problem, description = "A problem.")))]
async fn delete(State(node): State<Arc<Node>>, Names(tenant): Names<String>) -> Answer<StatusCode> {
    node.catalog.change(|change| {
        let jobs = change.all::<JobRecord>(&key::of(&[&tenant]))?.len();
        if jobs > 0 {
            return Err(Refusal::new(Code::Conflict, format!("the tenant has {jobs} jobs; delete them first")));
        }
        if !change.remove::<TenantRecord>(&tenant)? {
            return Err(Refusal::not_found("tenant"));
        }
        for (id, _) in
            change.all::<TokenRecord>("")?.iter().filter(|(_, token)| token.tenant.as_deref() == Some(&tenant))
        {
            change.remove::<TokenRecord>(id)?;
        }
        change.remove_all::<SecretRecord>(&key::of(&[&tenant]))?;
        change.remove_all::<Submission>(&key::of(&[&tenant]))?;
        change.remove_all::<OperationRecord>(&key::of(&[&tenant]))?;
        Ok(change.remove_all::<PluginRecord>(&key::of(&[&tenant]))?)
    })?;
    node.groups.sweep(|of, _| of != tenant);
    for folder in [node.settings.plugins(&tenant), node.settings.data.join("compiled").join(&tenant)] {
        // What nobody names costs room alone.
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What a tenant takes of its quotas.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/usage", tag = "tenants", params(("tenant" = String, Path, description = "Its name.")),
    security(("token" = ["viewer"])),
    responses((status = 200, description = "What it takes.", body = Usage), (status = "default", body = Problem, description = "A problem.")))]
async fn use_of(State(node): State<Arc<Node>>, Names(tenant): Names<String>) -> Answer<Json<Usage>> {
    let jobs = node.statuses.of_all(&node.jobs_of(Some(&tenant))).await;
    super::blocking(move || usage::of(&node, &tenant, jobs.iter().flatten())).await.map(Json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quota_that_is_not_named_is_that_of_the_settings() {
        let settings = Quotas { jobs: 3, secrets: 4, ..Quotas::default() };
        let quotas = |body| requested(body, &settings).map(|request| request.quotas);
        assert_eq!(quotas(json!({ "name": "acme" })).unwrap(), settings);
        let named = quotas(json!({ "name": "acme", "quotas": { "jobs": 20 } })).unwrap();
        assert_eq!(named, Quotas { jobs: 20, ..settings.clone() });
        for wrong in [json!({ "name": "acme", "quotas": { "job": 20 } }), json!({ "quotas": {} }), json!([])] {
            assert!(quotas(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
