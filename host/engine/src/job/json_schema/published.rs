//! The schema of a job file as it is written, without the values of its variables and without its plugins.

use serde_json::{Map, Value, json};

use super::derived;
use crate::job::spec;

/// The definition of a value that is one variable.
const VARIABLE: &str = "Variable";
/// The definition of a text that contains a variable.
const TEXT_WITH_VARIABLE: &str = "TextWithVariable";

/// Returns the schema (draft 2020-12) that `flowgate schema` prints. In addition to [`derived`]:
///
/// - `${NAME}` and `${NAME:-default}` may stand for a number, `true` or `false`; a text that must have a certain form
///   (a duration, one of several words) may contain them;
/// - a source and a sink have exactly one connector; a job has at least one of each.
pub fn json_schema() -> Value {
    let mut schema = with_variables(derived().clone());
    let definitions = &mut schema["$defs"];
    definitions["Source"]["oneOf"] = exactly_one(spec::Source::connector_names());
    definitions["Sink"]["oneOf"] = exactly_one(spec::Sink::connector_names());
    definitions["GeneratorColumn"]["minProperties"] = 1.into();
    definitions["GeneratorColumn"]["maxProperties"] = 1.into();
    for section in ["sources", "sinks"] {
        schema["properties"][section]["minProperties"] = 1.into();
    }
    schema
}

/// Returns the schema of a document as it is written: `${NAME}` and `${NAME:-default}` may stand for values.
pub fn with_variables(mut schema: Value) -> Value {
    accept_variables(&mut schema);
    let definitions = &mut schema["$defs"];
    let variable = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}";
    definitions[VARIABLE] = json!({
        "description": "An environment variable: `${NAME}`, or `${NAME:-default}`.",
        "type": "string",
        "pattern": format!("^{variable}$"),
    });
    definitions[TEXT_WITH_VARIABLE] = json!({
        "description": "A text with an environment variable: `${NAME}`, or `${NAME:-default}`.",
        "type": "string",
        "pattern": variable,
    });
    schema
}

/// Returns one case for each field: it is present, and has settings (`null` stands for an absent field).
fn exactly_one(fields: impl Iterator<Item = &'static str>) -> Value {
    fields.map(|field| json!({ "required": [field], "properties": { field: { "type": "object" } } })).collect()
}

/// Adds the case of a variable to each value of this schema that would otherwise refuse the variable's text.
fn accept_variables(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(case) = case_of_variables(fields) {
        // The description stays where editors look for it.
        let (about, value): (Map<_, _>, Map<_, _>) =
            std::mem::take(fields).into_iter().partition(|(name, _)| ["description", "default"].contains(&&name[..]));
        *fields = about;
        fields.insert("anyOf".into(), json!([value, { "$ref": format!("#/$defs/{case}") }]));
        return;
    }
    for (keyword, value) in fields {
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(named)) => named.values_mut().for_each(accept_variables),
            ("anyOf", Value::Array(cases)) => cases.iter_mut().for_each(accept_variables),
            ("items" | "additionalProperties", value) => accept_variables(value),
            _ => {}
        }
    }
}

/// Returns the definition to add to the schema of one value; `None` if it accepts every text, or no scalar.
fn case_of_variables(schema: &Map<String, Value>) -> Option<&'static str> {
    let is_word = schema.contains_key("enum") || schema.contains_key("oneOf");
    if is_word || schema.contains_key("pattern") {
        return Some(TEXT_WITH_VARIABLE);
    }
    let types: Vec<&str> = match schema.get("type")? {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let is_scalar = types.iter().any(|name| ["integer", "number", "boolean"].contains(name));
    (is_scalar && !types.contains(&"string")).then_some(VARIABLE)
}
