//! Config schemas come from plugins: they must not make the host recurse or load anything.

use jsonschema::Validator;
use serde_json::Value;

use super::message::sanitise;

/// Keywords whose schemas apply to the same value as the schema that they are in: a cycle through them alone never
/// gets anywhere.
const IN_PLACE: [&str; 9] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$ref"];

/// References followed for one schema: a chain may fork at each.
const STEPS_MAX: usize = 10_000;

/// Compiles a schema. Only references within it are allowed, and none that leads back to itself for the same value.
pub(super) fn compile(schema: &Value) -> Result<Validator, String> {
    let mut references = Vec::new();
    collect_references(schema, &mut references)?;
    let mut steps = 0;
    for reference in references {
        follow(schema, reference, &mut Vec::new(), &mut steps)?;
    }
    jsonschema::draft202012::new(schema)
        .map_err(|e| sanitise(&format!("its config schema is not a JSON Schema: {e}"), 1_000))
}

fn collect_references<'a>(value: &'a Value, references: &mut Vec<&'a str>) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("$ref", Value::String(target)) => {
                        if !target.starts_with('#') {
                            let target = sanitise(target, 100);
                            return Err(format!("its config schema refers to `{target}`, outside of itself"));
                        }
                        references.push(target);
                    }
                    ("$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" | "$dynamicAnchor", Value::String(_)) => {
                        return Err(format!("its config schema uses `{key}`; refer to `#/$defs/...` instead"));
                    }
                    _ => {}
                }
                collect_references(value, references)?;
            }
            Ok(())
        }
        Value::Array(values) => values.iter().try_for_each(|value| collect_references(value, references)),
        _ => Ok(()),
    }
}

/// Follows what applies in place from a reference on, to find a way back.
fn follow<'a>(root: &'a Value, target: &'a str, path: &mut Vec<&'a str>, steps: &mut usize) -> Result<(), String> {
    *steps += 1;
    if path.contains(&target) {
        return Err(format!("its config schema refers to itself: `{}`", sanitise(target, 100)));
    }
    if *steps > STEPS_MAX || path.len() > 50 {
        return Err("its config schema is too entangled".into());
    }
    let Some(schema) = root.pointer(target.trim_start_matches('#')) else {
        return Err(format!("its config schema refers to `{}`, which is not in it", sanitise(target, 100)));
    };
    path.push(target);
    in_place(root, schema, path, steps)?;
    path.pop();
    Ok(())
}

fn in_place<'a>(root: &'a Value, schema: &'a Value, path: &mut Vec<&'a str>, steps: &mut usize) -> Result<(), String> {
    let Value::Object(map) = schema else { return Ok(()) };
    for keyword in IN_PLACE {
        match map.get(keyword) {
            Some(Value::String(target)) if keyword == "$ref" => follow(root, target, path, steps)?,
            Some(Value::Array(schemas)) => {
                for schema in schemas {
                    in_place(root, schema, path, steps)?;
                }
            }
            Some(Value::Object(schemas)) if keyword == "dependentSchemas" => {
                for schema in schemas.values() {
                    in_place(root, schema, path, steps)?;
                }
            }
            Some(schema) => in_place(root, schema, path, steps)?,
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::compile;

    #[test]
    fn a_recursive_type_is_fine() {
        let schema = json!({
            "$ref": "#/$defs/tree",
            "$defs": { "tree": { "type": "object", "properties": { "left": { "$ref": "#/$defs/tree" } } } },
        });
        let validator = compile(&schema).unwrap();
        assert!(validator.is_valid(&json!({ "left": { "left": {} } })));
        assert!(!validator.is_valid(&json!({ "left": { "left": 1 } })));
    }

    #[test]
    fn a_schema_that_leads_back_to_itself_is_refused() {
        for schema in [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#" }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "not": { "$ref": "#/$defs/b" } }, "b": { "anyOf": [{ "$ref": "#/$defs/a" }] } } }),
        ] {
            assert!(compile(&schema).unwrap_err().contains("refers to itself"), "{schema}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let error = compile(&json!({ "$ref": "https://example.com/schema.json" })).unwrap_err();
        assert!(error.contains("outside of itself"), "{error}");
        let error = compile(&json!({ "type": "nonsense" })).unwrap_err();
        assert!(error.contains("not a JSON Schema"), "{error}");
    }
}
