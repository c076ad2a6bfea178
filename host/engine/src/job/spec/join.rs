//! Joins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use flowgate_base::quantity::Millis;

/// A column by which rows are grouped or joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum KeyColumn {
    /// A name that is the same on every input.
    Name(String),
    /// A different name on each of two inputs.
    Pair(KeyPair),
}

/// The names of a key column on two inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPair {
    /// The name on the first input.
    pub left: String,
    /// The name on the second input.
    pub right: String,
}

impl KeyColumn {
    /// The column's name on the first input.
    pub fn left(&self) -> &str {
        match self {
            KeyColumn::Name(name) => name,
            KeyColumn::Pair(pair) => &pair.left,
        }
    }

    /// The column's name on the second input.
    pub fn right(&self) -> &str {
        match self {
            KeyColumn::Name(name) => name,
            KeyColumn::Pair(pair) => &pair.right,
        }
    }
}

impl From<&str> for KeyColumn {
    fn from(name: &str) -> Self {
        KeyColumn::Name(name.into())
    }
}

impl From<(&str, &str)> for KeyColumn {
    fn from((left, right): (&str, &str)) -> Self {
        KeyColumn::Pair(KeyPair { left: left.into(), right: right.into() })
    }
}

/// The rows that a join emits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JoinType {
    /// Pairs.
    Inner,
    /// Pairs, and the left rows without one.
    Left,
    /// Pairs, and the right rows without one.
    Right,
    /// Pairs, and the rows of both sides without one.
    Full,
    /// Left rows that have a pair, once each.
    Semi,
    /// Left rows that have none.
    Anti,
}

/// The times of the right row of a pair: from `left - before` to `left + after`, both included.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Within {
    /// The greatest time by which the right row may be earlier than the left one. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Millis>,
    /// The greatest time by which the right row may be later than the left one. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Millis>,
}
