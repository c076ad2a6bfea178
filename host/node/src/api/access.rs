//! Who may do what: one gate in front of every route.
//!
//! A route says in its OpenAPI description which role it needs (`security(("token" = ["operator"]))`). The gate reads that from the
//! document, so that a route without a role is closed, and the document cannot differ from what holds.
//!
//! N3: nothing but what is public is reachable without a valid token.
//! N4: what belongs to another tenant is not looked up: the answer is that of something missing, whatever is there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flowgate_api::problem::Code;
use flowgate_api::token::Role;
use flowgate_base::clock;
use tracing::{Instrument, Span};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

use super::metrics::QuotaHit;
use super::refusal::{Answer, Refusal};
use crate::counts::Counted;
use crate::limits::UNKNOWN_PER_S;
use crate::log::log;
use crate::node::Node;
use crate::token::{self, Principal};
use crate::traces::{self, Cause};

/// What begins the paths whose requests are traced. The others are the probe, the metrics and the files of the page.
const API: &str = "/api/";

/// The address of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) IpAddr);

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Nothing,
    /// A role; in the route's tenant, where it has one.
    Role(Role),
    /// To be an administrator of the node.
    Node,
}

/// What each route needs, by method and path.
pub(crate) struct Access(HashMap<(Method, String), Needs>);

impl Access {
    /// Reads the document.
    pub(crate) fn of(document: &OpenApi) -> Access {
        let mut needs = HashMap::new();
        for (path, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ];
            for (method, operation) in operations {
                if let Some(of) = operation.as_ref().and_then(needed) {
                    needs.insert((method, path.clone()), of);
                }
            }
        }
        Access(needs)
    }

    /// Returns what a request needs; `None` if there is no such route.
    fn needs(&self, method: &Method, path: Option<&str>) -> Option<Needs> {
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        self.0.get(&(method, path?.to_string())).copied()
    }

    /// Returns the methods of a path, as the header `Allow` has them; `None` if there is no such path.
    fn methods(&self, path: Option<&str>) -> Option<String> {
        let of_path = self.0.keys().filter(|(_, of)| Some(of.as_str()) == path);
        let mut methods: Vec<&str> = of_path.map(|(method, _)| method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.sort_unstable();
        (!methods.is_empty()).then(|| methods.join(", "))
    }
}

/// Reads the role of an operation: `security: [{ token: [ROLE] }]`, or `[{}]` for none.
fn needed(operation: &Operation) -> Option<Needs> {
    let security = serde_json::to_value(operation.security.as_ref()?.first()?).ok()?;
    let Some(scopes) = security.get("token") else {
        return Some(Needs::Nothing);
    };
    match scopes.get(0)?.as_str()? {
        "viewer" => Some(Needs::Role(Role::Viewer)),
        "operator" => Some(Needs::Role(Role::Operator)),
        "admin" => Some(Needs::Role(Role::Admin)),
        "node" => Some(Needs::Node),
        _ => None,
    }
}

/// The gate.
pub(crate) async fn gate(State(node): State<Arc<Node>>, mut request: Request, next: Next) -> Response {
    let began = clock::monotonic();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_string());
    let method = request.method().clone();
    let mut by = None;
    let span_of = |tenant: Option<&str>, cause: Cause| match route.as_deref() {
        Some(route) if route.starts_with(API) => traces::request(&method, route, tenant, &cause),
        _ => Span::none(),
    };
    let (tenant, span, response) = match admit(&node, &mut request) {
        Ok(_counted) => {
            let tenant = tenant_in(route.as_deref(), request.uri().path());
            by = request.extensions().get::<Principal>().map(|principal| principal.name.clone());
            let span = span_of(tenant.as_deref(), Cause::of_client(request.headers()));
            (tenant, span.clone(), next.run(request).instrument(span).await)
        }
        // Nobody unknown says which trace it is a part of.
        Err(refusal) => (None, span_of(None, Cause::nothing()), refusal.into_response()),
    };
    traces::answered(&span, response.status().as_u16());
    if let Some(hit) = response.extensions().get::<QuotaHit>() {
        node.note_refusal(tenant.as_deref(), hit);
    }
    // Paths that are no routes would be as many as somebody likes.
    let route = route.unwrap_or_else(|| "other".into());
    if let Some(by) = by.filter(|_| !method.is_safe() && response.status().is_success()) {
        let line = log().info(format!("{method} {route}")).field("status", response.status().as_u16()).field("by", by);
        tenant.iter().fold(line, |line, tenant| line.tenant(tenant)).write();
    }
    node.requests.note(&route, method_word(&method), response.status().as_u16(), began.elapsed());
    response
}

/// Returns the word for a method; a client may invent some.
fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Admits a request. It counts as one of its tenant's until what is returned is dropped.
fn admit(node: &Arc<Node>, request: &mut Request) -> Answer<Option<Counted<String>>> {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_string());
    let needs = node.access().needs(request.method(), path.as_deref());
    if needs == Some(Needs::Nothing) {
        return Ok(None);
    }
    let client = request.extensions().get::<Client>().map_or_else(String::new, |client| client.0.to_string());
    let Some(principal) = principal(node, request)? else {
        let unknown =
            node.rates.take(&format!("unknown/{client}"), UNKNOWN_PER_S, 5.0 * UNKNOWN_PER_S, clock::monotonic());
        unknown.map_err(too_many)?;
        return Err(Refusal::new(Code::Unauthorized, "send a valid token as `Authorization: Bearer TOKEN`"));
    };
    let per_s = node.requests_per_s(principal.tenant.as_deref())?;
    node.rates.take(&format!("token/{}", principal.id), per_s, 2.0 * per_s, clock::monotonic()).map_err(too_many)?;
    // The tenant first: whether a role is enough says nothing about what is there, but the tenant's name would.
    if let Some(tenant) = tenant_in(path.as_deref(), request.uri().path())
        && !principal.sees(&tenant)
    {
        return Err(Refusal::not_found("tenant"));
    }
    let allowed = match needs {
        // A route that the document does not have is closed, whatever the router has.
        None => {
            return Err(match node.access().methods(path.as_deref()) {
                Some(methods) => Refusal::no_such_method(methods),
                None => Refusal::not_found("path"),
            });
        }
        Some(Needs::Nothing) => true,
        Some(Needs::Role(role)) => principal.role >= role,
        Some(Needs::Node) => principal.is_node_admin(),
    };
    if !allowed {
        let needed = match needs {
            Some(Needs::Role(role)) => format!("the role {}", role.word()),
            _ => "a token of the node's administrators".into(),
        };
        return Err(Refusal::new(
            Code::Forbidden,
            format!("this needs {needed}; the token has the role {}", principal.role.word()),
        ));
    }
    if let Some(tenant) = tenant_in(path.as_deref(), request.uri().path()) {
        node.tenant(&tenant)?;
    }
    let counted = principal.tenant.as_ref().map(|tenant| node.at_once.open(tenant)).transpose()?;
    request.extensions_mut().insert(principal);
    Ok(counted)
}

fn principal(node: &Arc<Node>, request: &Request) -> Answer<Option<Principal>> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // None, or another scheme: the empty token is nobody's, and takes as long as a wrong one.
    let text = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().trim();
    Ok(token::recognise(&node.catalog, text, clock::now_ms())?)
}

fn too_many(seconds: u64) -> Refusal {
    Refusal::new(Code::TooMany, format!("too many requests; the next one is served in {seconds} s"))
        .retry_after(seconds)
}

/// Returns the tenant in a path, as its route has it. A name that is not one is returned as it is: no tenant has it.
fn tenant_in(route: Option<&str>, path: &str) -> Option<String> {
    let at = route?.split('/').position(|part| part == "{tenant}")?;
    // A path that is shorter than its route would be a mistake of the router: no tenant has the empty name.
    Some(path.split('/').nth(at).unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_where_the_route_has_it() {
        let of = |path| tenant_in(Some("/api/v1/tenants/{tenant}/jobs/{job}"), path);
        assert_eq!(of("/api/v1/tenants/acme/jobs/x").as_deref(), Some("acme"));
        assert_eq!(of("/api/v1/tenants/%61cme/jobs/x").as_deref(), Some("%61cme"));
        assert_eq!(tenant_in(Some("/api/v1/whoami"), "/api/v1/whoami"), None);
        assert_eq!(tenant_in(None, "/api/v1/tenants/acme"), None);
    }
}
