//! Which routes there are, and who may use them: written down once more, to be compared with what the node says of itself.

use serde_json::{Value, json};

/// The least role of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Least {
    Public,
    Viewer,
    Operator,
    Admin,
    /// An administrator of the node.
    Node,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) least: Least,
}

use Least::{Admin, Node, Operator, Public, Viewer};

macro_rules! routes {
    ($($least:ident $method:ident $path:literal,)*) => {
        &[$(Route { method: stringify!($method), path: $path, least: $least },)*]
    };
}

/// The contract. A route that the node has and this table has not fails the tests, and the other way round.
pub(crate) const ROUTES: &[Route] = routes![
    Public GET "/healthz",
    Viewer GET "/openapi.json",
    Viewer GET "/metrics",
    Viewer GET "/api/v1/whoami",
    Viewer GET "/api/v1/quotas",
    Node GET "/api/v1/backup",
    Viewer GET "/api/v1/tenants",
    Node POST "/api/v1/tenants",
    Viewer GET "/api/v1/tenants/{tenant}",
    Node PATCH "/api/v1/tenants/{tenant}",
    Node DELETE "/api/v1/tenants/{tenant}",
    Viewer GET "/api/v1/tenants/{tenant}/usage",
    Admin GET "/api/v1/tenants/{tenant}/tokens",
    Admin POST "/api/v1/tenants/{tenant}/tokens",
    Admin DELETE "/api/v1/tenants/{tenant}/tokens/{id}",
    Node GET "/api/v1/tokens",
    Node POST "/api/v1/tokens",
    Node DELETE "/api/v1/tokens/{id}",
    Viewer GET "/api/v1/tenants/{tenant}/secrets",
    Admin PUT "/api/v1/tenants/{tenant}/secrets/{name}",
    Admin DELETE "/api/v1/tenants/{tenant}/secrets/{name}",
    Viewer GET "/api/v1/tenants/{tenant}/plugins",
    Viewer GET "/api/v1/tenants/{tenant}/plugins/{name}",
    Operator POST "/api/v1/tenants/{tenant}/plugins/{name}",
    Viewer GET "/api/v1/tenants/{tenant}/plugins/{name}/{version}",
    Operator DELETE "/api/v1/tenants/{tenant}/plugins/{name}/{version}",
    Viewer GET "/api/v1/tenants/{tenant}/plugins/{name}/{version}/component",
    Viewer GET "/api/v1/tenants/{tenant}/jobs",
    Operator POST "/api/v1/tenants/{tenant}/jobs",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}",
    Operator PUT "/api/v1/tenants/{tenant}/jobs/{job}",
    Operator DELETE "/api/v1/tenants/{tenant}/jobs/{job}",
    Operator POST "/api/v1/tenants/{tenant}/jobs/{job}/start",
    Operator POST "/api/v1/tenants/{tenant}/jobs/{job}/stop",
    Operator POST "/api/v1/tenants/{tenant}/jobs/{job}/cancel",
    Operator POST "/api/v1/tenants/{tenant}/jobs/{job}/restart",
    Operator POST "/api/v1/tenants/{tenant}/jobs/{job}/savepoints",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}/checkpoints",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}/swaps",
    Operator POST "/api/v1/tenants/{tenant}/jobs/{job}/swaps",
    Operator POST "/api/v1/tenants/{tenant}/jobs/{job}/rollback",
    Operator POST "/api/v1/tenants/{tenant}/jobs/{job}/canary",
    Operator DELETE "/api/v1/tenants/{tenant}/jobs/{job}/canary",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}/history",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}/explain",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}/logs",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}/tap",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}/records",
    Viewer GET "/api/v1/tenants/{tenant}/jobs/{job}/records/{record}",
    Viewer GET "/api/v1/tenants/{tenant}/events",
    Viewer GET "/api/v1/tenants/{tenant}/operations",
    Viewer GET "/api/v1/tenants/{tenant}/operations/{id}",
];

/// Names for the parameters of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) tenant: String,
    pub(crate) job: String,
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) operation: String,
    pub(crate) record: String,
}

impl Route {
    /// The route's path with these names, and the query that it needs.
    pub(crate) fn target(&self, of: &Names) -> String {
        let id = if self.path.contains("operations") { &of.operation } else { &of.token };
        let name = if self.path.contains("secrets") { &of.secret } else { &of.plugin };
        let path = self.path.replace("{tenant}", &of.tenant).replace("{job}", &of.job).replace("{id}", id);
        let path = path.replace("{name}", name).replace("{version}", &of.version).replace("{record}", &of.record);
        let query = if self.path.ends_with("/explain") || self.path.ends_with("/tap") { "?operator=rows" } else { "" };
        path + query
    }

    pub(crate) fn has_tenant(&self) -> bool {
        self.path.contains("{tenant}")
    }

    /// Whether it names something of a tenant that has to be there.
    pub(crate) fn names_a_thing(&self) -> bool {
        let behind = self.path.split_once("{tenant}").map_or("", |(_, behind)| behind);
        let creates = ["PUT /secrets/{name}", "POST /plugins/{name}"].contains(&&*format!("{} {behind}", self.method));
        behind.contains('{') && !creates
    }

    /// A body that is right.
    pub(crate) fn body(&self) -> Option<Value> {
        let end = self.path.rsplit('/').next().unwrap_or_default();
        Some(match (self.method, end) {
            ("POST", "tenants") => json!({ "name": "another" }),
            ("PATCH", _) => json!({}),
            ("POST", "swaps") => json!({ "operator": "rows", "plugin": "sensors" }),
            ("POST", "canary") => json!({ "operator": "rows", "plugin": "sensors", "share": 0.05 }),
            ("POST", "tokens") => json!({ "name": "another", "role": "viewer" }),
            ("PUT", "{name}") => json!({ "value": "a value of a secret" }),
            ("POST", "jobs") => json!({ "document": "job: another", "check_only": true }),
            ("PUT", "{job}") => json!({}),
            _ => return None,
        })
    }
}

/// What the node's document says: method, path, and the role that it needs.
pub(crate) fn documented(document: &Value) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let security = &operation["security"][0];
            let role = security.get("token").map_or("public", |scopes| scopes[0].as_str().expect("a role"));
            all.push((method.to_uppercase(), path.clone(), role.to_string()));
        }
    }
    all.sort();
    all
}
