//! The connector of a source or a sink: a field with the connector's name, which holds its settings.

use indexmap::IndexMap;
use schemars::{Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use flowgate_connect::entry::{Entry, Kind};

/// Settings by the connector's name, with every default filled in. A valid source or sink has exactly one connector.
pub type Connectors = IndexMap<String, Value>;

/// Returns the names of the connectors of a kind.
pub(super) fn names<K: Kind>() -> impl Iterator<Item = &'static str> {
    K::LISTED.iter().map(|entry| entry.name)
}

/// Reads the fields that are connectors; `null` stands for an absent field.
///
/// # Errors
/// A field is no connector of this kind, or its settings are not those of the connector.
pub(super) fn read<'de, D: Deserializer<'de>, K: Kind>(deserializer: D) -> Result<Connectors, D::Error> {
    let mut connectors = Connectors::deserialize(deserializer)?;
    connectors.retain(|_, settings| !settings.is_null());
    for (name, settings) in &mut connectors {
        let Some(entry) = K::LISTED.iter().find(|entry| entry.name == name) else {
            return Err(D::Error::custom(format!("unknown field `{name}` of a {}", K::WORD)));
        };
        let complete = (entry.complete)(settings.take());
        *settings = complete.map_err(|error| D::Error::custom(format!("{name}: {error}")))?;
    }
    Ok(connectors)
}

/// Returns the fields that are connectors, for the JSON Schema.
pub(super) fn properties<K: Kind>(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let property = |entry: &Entry<K>| {
        let mut schema = (entry.schema)(generator);
        schema.insert("description".into(), entry.summary.into());
        (entry.name.to_string(), schema.to_value())
    };
    K::LISTED.iter().map(property).collect()
}

/// Returns the JSON Schema of a source or a sink with these fields.
pub(super) fn object(description: String, properties: Map<String, Value>, required: &[&str]) -> Schema {
    let fields = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let mut schema = Schema::try_from(fields).expect("an object is a schema");
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema.insert("description".into(), description.into());
    schema
}

/// Lists the names as in a sentence: `` `file`, `stdin` or `system` ``.
pub(in crate::job) fn listed<K: Kind>(last: &str, quoted: impl Fn(&Entry<K>) -> String) -> String {
    let all: Vec<String> = K::LISTED.iter().map(quoted).collect();
    match all.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, before)) => format!("{} {last} {end}", before.join(", ")),
        None => String::new(),
    }
}
