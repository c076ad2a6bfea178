//! No settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}
