//! The schema that follows from the structures of the job file.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::job::spec;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut derived = schemars::schema_for!(spec::Job).to_value();
    let mut schema = Map::new();
    derived["title"] = "A Flowgate job".into();
    // People read the file too: it begins with its title.
    for key in ["$schema", "title", "description"] {
        schema.insert(key.into(), derived[key].take());
    }
    for (key, value) in derived.as_object_mut().map(std::mem::take).unwrap_or_default() {
        schema.entry(key).or_insert(value);
    }
    Value::Object(schema)
});

/// Returns the schema (draft 2020-12) of a job whose variables are filled in, derived from the structures in [`spec`].
pub(crate) fn derived() -> &'static Value {
    &SCHEMA
}
