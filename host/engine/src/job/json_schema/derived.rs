//! The schema that follows from the structures of the job file.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::job::spec;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schema_of::<spec::Job>("A Flowgate job"));

/// Returns the schema (draft 2020-12) of a document whose variables are filled in, derived from its structures. A field may have the
/// keywords that the comparison with documents knows, and no others.
pub fn schema_of<T: JsonSchema>(title: &str) -> Value {
    let mut derived = schemars::schema_for!(T).to_value();
    let mut schema = Map::new();
    derived["title"] = title.into();
    // People read the file too: it begins with its title.
    for key in ["$schema", "title", "description"] {
        schema.insert(key.into(), derived[key].take());
    }
    for (key, value) in derived.as_object_mut().map(std::mem::take).unwrap_or_default() {
        schema.entry(key).or_insert(value);
    }
    Value::Object(schema)
}

/// Returns the schema of a job, derived from the structures in [`spec`].
pub(crate) fn derived() -> &'static Value {
    &SCHEMA
}
