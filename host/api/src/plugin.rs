//! The registry: components that a tenant has pushed, by name and version.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginVersion {
    /// The plugin's name.
    pub name: String,
    /// The version: 1, 2, 3 in the order of the pushes. A number is never used again.
    pub version: u32,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// Bytes of the component.
    pub size_bytes: u64,
    /// When it was pushed.
    pub pushed_ms: i64,
    /// The name of the token with which it was pushed.
    pub pushed_by: String,
    /// The version of the contract that the component was built for.
    pub contract: String,
    /// Its imports. All of them are interfaces of the contract: what its functions may ask the host for. `files` alone reaches outside, to
    /// files that the job grants by name and the tenant's policy by path.
    pub imports: Vec<String>,
    /// Its functions.
    pub functions: Vec<Function>,
    /// The time that its compilation took, in milliseconds; 0 where it was compiled before.
    pub compile_ms: u64,
}

/// The interface of the contract through which functions read files.
pub const FILES: &str = "files";

/// Returns the short name of an interface of the contract, `log` of `flowgate:plugin/log@0.1.0`; another one in full.
pub fn interface(name: &str) -> &str {
    let own = name.strip_prefix("flowgate:plugin/").and_then(|rest| rest.split_once('@'));
    own.map_or(name, |(interface, _)| interface)
}

/// Returns short names of interfaces in one text.
pub fn interfaces(names: &[String]) -> String {
    if names.is_empty() {
        "none".into()
    } else {
        names.iter().map(|name| interface(name)).collect::<Vec<_>>().join(", ")
    }
}

/// A function of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its kind: `transform`, `aggregate`, `join`, `process`.
    pub kind: String,
    /// What it does, by its author.
    pub doc: String,
    /// Columns that it always reads, as `name: type`, where the plugin says so.
    pub columns: Vec<String>,
    /// The JSON Schema of its config; absent: it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub config_schema: Option<serde_json::Value>,
}
