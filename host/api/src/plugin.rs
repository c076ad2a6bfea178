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
    /// Its imports. All of them are interfaces of the contract.
    pub imports: Vec<String>,
    /// Its functions.
    pub functions: Vec<Function>,
    /// The time that its compilation took, in milliseconds; 0 where it was compiled before.
    pub compile_ms: u64,
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
