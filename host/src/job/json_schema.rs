//! The JSON Schema of the job file: what `flowgate schema` prints, and what a job file is compared with.

use std::sync::LazyLock;

use serde_json::Value;

use super::spec;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = schemars::schema_for!(spec::Job).to_value();
    schema["title"] = "A Flowgate job".into();
    schema
});

/// The schema (draft 2020-12), derived from the structures in [`spec`].
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

pub(crate) fn cached() -> &'static Value {
    &SCHEMA
}
