//! Config schemas come from plugins: they must not make the host recurse, load anything, or judge for ever.
//!
//! Subschemas that apply to the same value as the schema that they are in, and references, form a graph. Each schema in it is
//! visited once, in time that grows with the schema alone: a way back to itself would never end, and the ways through it are
//! counted, since a validator goes each of them.

use std::collections::HashMap;
use std::ptr;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use flowgate_base::shown::one_line;

/// Keywords whose schemas apply to the same value as the schema that they are in.
const IN_PLACE: [&str; 9] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$ref"];

/// Ways from one schema through those that apply to the same value.
const WAYS_MAX: u64 = 50_000;

/// Schemas in a row that apply to the same value.
const CHAIN_MAX: usize = 100;

/// Levels of objects and lists in a schema.
const DEPTH_MAX: usize = 100;

/// Bytes of one compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Compiles a schema. Only references within it are allowed, and none that leads back to itself for the same value.
pub(super) fn compile(schema: &Value) -> Result<Validator, String> {
    check(schema)?;
    // An engine whose time grows with the text alone, and no look-around: a pattern cannot be made to try for ever.
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
    jsonschema::draft202012::options()
        .with_pattern_options(patterns)
        .build(schema)
        .map_err(|e| one_line(&format!("its config schema is not a JSON Schema: {e}"), 1_000))
}

/// Judges what a schema refers to, without compiling it.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let mut schemas = Vec::new();
    collect(schema, 0, &mut schemas)?;
    let mut walk = Walk { root: schema, ways: HashMap::new() };
    for schema in schemas {
        walk.ways(schema, &mut 0)?;
    }
    Ok(())
}

/// Every object, with what it must not have refused.
fn collect<'a>(value: &'a Value, depth: usize, found: &mut Vec<&'a Value>) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("its config schema is more than {DEPTH_MAX} levels deep"));
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("$ref", Value::String(target)) if !target.starts_with('#') => {
                        let target = one_line(target, 100);
                        return Err(format!("its config schema refers to `{target}`, outside of itself"));
                    }
                    (
                        "$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor",
                        Value::String(_) | Value::Bool(_),
                    ) => {
                        return Err(format!("its config schema uses `{key}`; refer to `#/$defs/...` instead"));
                    }
                    _ => {}
                }
                collect(value, depth + 1, found)?;
            }
            found.push(value);
            Ok(())
        }
        Value::Array(values) => values.iter().try_for_each(|value| collect(value, depth + 1, found)),
        _ => Ok(()),
    }
}

/// The schema that a reference names: a JSON pointer behind `#`, which may be percent-encoded.
fn target<'a>(root: &'a Value, reference: &str) -> Result<&'a Value, String> {
    let pointer = percent_decoded(reference.strip_prefix('#').unwrap_or(reference));
    let found = pointer.as_deref().and_then(|pointer| root.pointer(pointer));
    found.ok_or_else(|| format!("its config schema refers to `{}`, which is not in it", one_line(reference, 100)))
}

/// `None`: what is encoded is not text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digit = |at: usize| behind.get(at).and_then(|d| char::from(*d).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

struct Walk<'a> {
    root: &'a Value,
    /// By address of a schema: the ways through it; `None` while they are being counted.
    ways: HashMap<*const Value, Option<u64>>,
}

impl<'a> Walk<'a> {
    fn ways(&mut self, schema: &'a Value, chain: &mut usize) -> Result<u64, String> {
        let Value::Object(map) = schema else { return Ok(1) };
        match self.ways.get(&ptr::from_ref(schema)) {
            Some(Some(ways)) => return Ok(*ways),
            Some(None) => return Err("its config schema refers to itself for the same value".into()),
            None => {}
        }
        if *chain > CHAIN_MAX {
            return Err("its config schema is too entangled".into());
        }
        *chain += 1;
        self.ways.insert(ptr::from_ref(schema), None);
        let mut ways: u64 = 1;
        for keyword in IN_PLACE {
            let applied: Vec<&'a Value> = match map.get(keyword) {
                Some(Value::String(reference)) if keyword == "$ref" => vec![target(self.root, reference)?],
                Some(Value::Array(schemas)) => schemas.iter().collect(),
                Some(Value::Object(schemas)) if keyword == "dependentSchemas" => schemas.values().collect(),
                Some(schema) => vec![schema],
                None => continue,
            };
            for schema in applied {
                ways = ways.saturating_add(self.ways(schema, chain)?);
            }
        }
        *chain -= 1;
        self.ways.insert(ptr::from_ref(schema), Some(ways));
        if ways > WAYS_MAX { Err("its config schema is too entangled".into()) } else { Ok(ways) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            json!({ "$ref": "#/%24defs/a", "$defs": { "a": { "$ref": "#/$defs/%61" } }, "%24defs": { "a": {} } }),
            json!({ "properties": { "x": { "not": { "$ref": "#/properties/x" } } } }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "not": { "$ref": "#/$defs/b" } }, "b": { "anyOf": [{ "$ref": "#/$defs/a" }] } } }),
        ] {
            assert!(compile(&schema).unwrap_err().contains("refers to itself"), "{schema}");
        }
    }

    /// A schema in which each of `levels` definitions refers twice to the next one, by `prefix` and its number.
    fn forks(levels: usize, prefix: &str) -> Value {
        let mut defs: serde_json::Map<String, Value> = (0..levels)
            .map(|i| {
                let next = json!({ "$ref": format!("{prefix}{}", i + 1) });
                (i.to_string(), json!({ "anyOf": [next.clone(), next] }))
            })
            .collect();
        defs.insert(levels.to_string(), json!({ "type": "string" }));
        // Who does not decode finds these, which end at once.
        let decoys: serde_json::Map<String, Value> = (0..=levels).map(|i| (i.to_string(), json!({}))).collect();
        json!({ "$ref": format!("{prefix}0"), "$defs": defs, "%24defs": decoys })
    }

    #[test]
    fn references_that_fork_are_counted_however_they_are_written() {
        for prefix in ["#/$defs/", "#/%24defs/", "#/%24%64efs/"] {
            assert!(compile(&forks(8, prefix)).is_ok(), "{prefix}");
            assert_eq!(check(&forks(60, prefix)).unwrap_err(), "its config schema is too entangled", "{prefix}");
        }
    }

    #[test]
    fn many_references_to_a_large_schema_are_judged_in_no_time() {
        let large: Vec<Value> = (0..5_000).map(|i| json!({ "const": i })).collect();
        let many: serde_json::Map<String, Value> =
            (0..5_000).map(|i| (i.to_string(), json!({ "$ref": "#/$defs/large" }))).collect();
        let schema = json!({ "properties": many, "$defs": { "large": { "anyOf": large } } });
        let start = std::time::Instant::now();
        assert!(check(&schema).is_ok());
        // Going through the large one for each of them would take 25 million steps.
        assert!(start.elapsed() < std::time::Duration::from_secs(2));
    }

    #[test]
    fn a_chain_and_depth_are_bounded() {
        let mut chain = json!({});
        for _ in 0..DEPTH_MAX + 1 {
            chain = json!({ "not": chain });
        }
        assert!(check(&chain).unwrap_err().contains("levels deep"));
        let links: serde_json::Map<String, Value> =
            (0..2 * CHAIN_MAX).map(|i| (i.to_string(), json!({ "$ref": format!("#/$defs/{}", i + 1) }))).collect();
        let mut schema = json!({ "$ref": "#/$defs/0", "$defs": links });
        schema["$defs"][(2 * CHAIN_MAX).to_string()] = json!({});
        assert_eq!(check(&schema).unwrap_err(), "its config schema is too entangled");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let error = compile(&json!({ "$ref": "https://example.com/schema.json" })).unwrap_err();
        assert!(error.contains("outside of itself"), "{error}");
        for keyword in ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor"] {
            let error = compile(&json!({ "properties": { "a": { keyword: "x" } } })).unwrap_err();
            assert!(error.contains(keyword), "{error}");
        }
        let error = compile(&json!({ "type": "nonsense" })).unwrap_err();
        assert!(error.contains("not a JSON Schema"), "{error}");
    }

    #[test]
    fn a_pattern_takes_time_by_the_length_of_the_text_alone() {
        let validator = compile(&json!({ "pattern": "^(a+)+$" })).unwrap();
        assert!(!validator.is_valid(&json!(format!("{}b", "a".repeat(50_000)))));
        for pattern in ["(?=a)b", "(a)\\1", "((((a{999}){999}){999}){999})"] {
            assert!(compile(&json!({ "pattern": pattern })).is_err(), "{pattern}");
        }
    }
}
