//! What the node's API takes and returns, as plain data: the node, the command line, the page and the tests read it.
//!
//! Times are Unix milliseconds (`_ms`), sizes are bytes (`_bytes`). A [`Problem`] is every error. Names are checked by [`name`];
//! what a tenant may take is in [`quota`], what it may touch in [`grants`].

#![forbid(unsafe_code)]

pub mod canary;
pub mod grants;
pub mod job;
pub mod name;
pub mod object;
pub mod operation;
pub mod plugin;
pub mod problem;
pub mod quota;
pub mod record;
pub mod secret;
pub mod swap;
pub mod tenant;
pub mod token;

pub use problem::Problem;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The entries, in the order of their names or numbers.
    pub items: Vec<T>,
    /// What `after` has to be in the request for the next part; absent behind the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Who a token belongs to, and which node this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Whoami {
    /// The version of the node.
    pub version: String,
    /// The name of the token.
    pub token: String,
    /// The tenant; absent for a token of the node itself, which sees all tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What the token allows.
    pub role: token::Role,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
}
