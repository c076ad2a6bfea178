//! What the jobs of a tenant may touch outside of themselves. Nothing but what is granted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Connectors besides those that touch nothing (`generator`, `nexmark`, `blackhole`, `print`): names or patterns.
    pub connectors: Vec<String>,
    /// Files and folders that may be read: absolute paths or patterns.
    pub read: Vec<String>,
    /// Files and folders that may be written.
    pub write: Vec<String>,
    /// Targets of connections, `HOST:PORT`; `*.example.com:443`. A private or loopback address has to be named itself.
    pub connect: Vec<String>,
}
