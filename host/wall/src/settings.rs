//! The limits that a job may set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use flowgate_base::quantity::{Bytes, Millis};

/// Limits of plugin calls.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Limits")]
pub struct LimitSettings {
    /// Linear memory of one plugin instance. Default: 64MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Time of one call before it is ended. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Millis>,
    /// Data that one call may return; the calls over one batch may return four times as much together. Default: 64MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Bytes>,
    /// One map or list that a process function keeps for one key; a write that makes it larger fails. Default: 256MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_state: Option<Bytes>,
}
