//! The JSON Schema of the job file: what `flowgate schema` prints, and what a job file is compared with.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::spec;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut derived = schemars::schema_for!(spec::Job).to_value();
    let mut schema = Map::new();
    derived["title"] = "A Flowgate job".into();
    // People open the file too: what it is comes first.
    for key in ["$schema", "title", "description"] {
        schema.insert(key.into(), derived[key].take());
    }
    for (key, value) in derived.as_object_mut().map(std::mem::take).unwrap_or_default() {
        schema.entry(key).or_insert(value);
    }
    Value::Object(schema)
});

/// The schema (draft 2020-12), derived from the structures in [`spec`].
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

pub(crate) fn cached() -> &'static Value {
    &SCHEMA
}
