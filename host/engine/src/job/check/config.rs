//! The check of a function's config by the JSON Schema of the function.

use serde_json::Value;

use crate::job::problem::{At, Problem};

/// Returns all problems of the config.
pub(super) fn check_config(schema: Option<&Value>, config: Option<&Value>, function: &str, at: &At) -> Vec<Problem> {
    let Some(schema) = schema else {
        return match config {
            Some(Value::Object(fields)) if fields.is_empty() => Vec::new(),
            Some(_) => vec![Problem::error(at.clone(), format!("`{function}` takes no config")).on_key()],
            None => Vec::new(),
        };
    };
    let validator = match jsonschema::draft202012::new(schema) {
        Ok(validator) => validator,
        Err(e) => {
            let message = format!("the plugin's schema for the config of `{function}` is not a JSON Schema: {e}");
            return vec![Problem::error(at.clone(), message)];
        }
    };
    let empty = Value::Object(serde_json::Map::new());
    let config = config.unwrap_or(&empty);
    let problem = |error: jsonschema::ValidationError<'_>| {
        let mut place = at.clone();
        for step in error.instance_path().to_string().split('/').skip(1) {
            place = place.field(step.replace("~1", "/").replace("~0", "~"));
        }
        let message = format!("the config of `{function}` does not match: {error}");
        Problem::error(place, message).help(described(schema))
    };
    validator.iter_errors(config).map(problem).collect()
}

/// Lists the fields that the schema names, with their types.
fn described(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object().filter(|p| !p.is_empty()) else { return String::new() };
    let fields = properties.iter().map(|(name, schema)| match schema["type"].as_str() {
        Some(kind) => format!("`{name}` ({kind})"),
        None => format!("`{name}`"),
    });
    format!("its config has {}", fields.collect::<Vec<_>>().join(", "))
}
