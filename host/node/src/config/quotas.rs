//! Quotas in a node's settings: by name, as numbers, or as byte sizes that people write.

use std::borrow::Cow;
use std::collections::BTreeMap;

use flowgate::job::problem::{At, Problem};
use flowgate_api::quota::{Quotas, TABLE};
use flowgate_base::quantity::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Quotas that differ from their defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<String, Amount>")]
pub struct ConfigQuotas(BTreeMap<String, f64>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(f64),
    Bytes(Bytes),
}

impl From<BTreeMap<String, Amount>> for ConfigQuotas {
    fn from(amounts: BTreeMap<String, Amount>) -> Self {
        let number = |amount| match amount {
            Amount::Number(number) => number,
            Amount::Bytes(Bytes(bytes)) => bytes as f64,
        };
        ConfigQuotas(amounts.into_iter().map(|(name, amount)| (name, number(amount))).collect())
    }
}

impl ConfigQuotas {
    /// Adds the problems of values that their types allow and their meaning does not.
    pub(super) fn problems(&self, at: &At, problems: &mut Vec<Problem>) {
        let mut quotas = Quotas::default();
        for (name, value) in &self.0 {
            if let Err(message) = quotas.set(name, *value) {
                problems.push(Problem::error(at.field(name), message));
            }
        }
    }

    /// Returns all quotas.
    pub(super) fn quotas(&self) -> Quotas {
        let mut quotas = Quotas::default();
        for (name, value) in &self.0 {
            // What is wrong was a problem of the file.
            let _ = quotas.set(name, *value);
        }
        quotas
    }
}

impl JsonSchema for ConfigQuotas {
    fn schema_name() -> Cow<'static, str> {
        "Quotas".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bytes = generator.subschema_for::<Bytes>().to_value();
        let fields: Map<String, Value> = TABLE
            .iter()
            .map(|about| {
                let kind = match about.unit {
                    "bytes" => bytes.clone(),
                    "cores" => json!({ "type": "number", "format": "double" }),
                    _ => json!({ "type": "integer", "format": "uint64", "minimum": 0 }),
                };
                (about.name.to_string(), kind)
            })
            .collect();
        json_schema!({
            "description": "What a tenant may take; see docs/limits.md.",
            "type": "object",
            "properties": fields,
            "additionalProperties": false,
        })
    }
}
