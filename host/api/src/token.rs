//! Tokens: who may do what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a token allows; each role allows what those before it allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything of the tenant except values of secrets.
    Viewer,
    /// Pushes plugins; submits, stops, swaps and deletes jobs.
    Operator,
    /// Manages tokens and secrets. Without a tenant: manages tenants, too.
    Admin,
}

impl Role {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

/// A token, without the part that is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id: the part of it that is not secret.
    pub id: String,
    /// What its creator calls it.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// When it was created.
    pub created_ms: i64,
    /// When it expires; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<i64>,
}

/// A request for a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// A name to recognise it by, such as the machine that has it.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// Seconds until it expires; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3_153_600_000u64)]
    pub expires_in_s: Option<u64>,
}

/// A new token. Its text is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// The token.
    #[serde(flatten)]
    pub token: Token,
    /// What a client sends as `Authorization: Bearer ...`. The node keeps a hash of it alone.
    pub text: String,
}
