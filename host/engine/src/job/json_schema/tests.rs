//! The published schema, applied to job files as editors do.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::json_schema;
use crate::job::{load, spec};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::validator_for(schema).unwrap()
}

fn wrong(schema: &Value, job: &Value) -> Vec<String> {
    validator(schema).iter_errors(job).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

/// Returns the value of a YAML text, as an editor sees it: variables are texts.
fn yaml(text: &str) -> Value {
    load::value_of_yaml(text).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

/// Returns the blocks of YAML in a Markdown text.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

/// Goal: an editor finds no error in a valid job. Method: every job of the examples, the plugins, the template and the
/// documentation is compared with the schema; a block that shows only a part of a job, with the schema of that part.
#[test]
fn the_schema_accepts_every_job_that_the_repository_shows() {
    let whole = json_schema();
    let mut part = whole.clone();
    part.as_object_mut().unwrap().remove("required");
    let mut jobs = Vec::new();
    files(&repository().join("examples"), "yaml", &mut jobs);
    assert!(jobs.len() >= 15, "the examples were not found");
    let mut texts: Vec<(String, String)> =
        jobs.iter().map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect();
    let template = repository().join("host/cli/src/template/job.yaml");
    texts.push((template.display().to_string(), std::fs::read_to_string(&template).unwrap()));
    let mut documents = vec![repository().join("README.md"), repository().join("guest-sdk/rust/README.md")];
    for folder in ["docs", "plugins", "examples"] {
        files(&repository().join(folder), "md", &mut documents);
    }
    for path in documents {
        let text = std::fs::read_to_string(&path).unwrap();
        texts.extend(blocks(&text).map(|block| (path.display().to_string(), block.to_string())));
    }
    let mut differing = Vec::new();
    for (name, text) in &texts {
        let schema = if text.contains("job: ") { &whole } else { &part };
        // A block with an ellipsis is no job.
        if text.contains("...") {
            continue;
        }
        differing.extend(wrong(schema, &yaml(text)).into_iter().map(|e| format!("{name}: {e}")));
    }
    assert!(texts.len() >= 30, "only {} jobs were found", texts.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Goal: the same for the operators in the tables of `docs/operators.md`.
#[test]
fn the_schema_accepts_every_operator_of_the_documentation() {
    let mut schema = json_schema();
    schema.as_object_mut().unwrap().retain(|key, _| key == "$defs" || key == "$schema");
    schema["$ref"] = "#/$defs/Operator".into();
    let text = std::fs::read_to_string(repository().join("docs/operators.md")).unwrap();
    let operators = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let operators: Vec<&str> = operators.filter_map(|code| code.strip_prefix('`')?.strip_suffix('`')).collect();
    assert!(operators.len() > 40, "only {} operators were found", operators.len());
    for operator in operators {
        assert_eq!(wrong(&schema, &yaml(operator)), Vec::<String>::new(), "{operator}");
    }
}

fn job(source: Value, sink: Value) -> Value {
    json!({ "job": "x", "sources": { "s": source }, "sinks": { "out": sink } })
}

#[test]
fn a_source_and_a_sink_have_exactly_one_connector() {
    let schema = json_schema();
    let (source, sink) = (json!({ "stdin": {} }), json!({ "input": "s", "print": {} }));
    assert_eq!(wrong(&schema, &job(source.clone(), sink.clone())), Vec::<String>::new());
    for none in [json!({}), json!({ "event_time": { "column": "t" } }), json!({ "stdin": null })] {
        assert_ne!(wrong(&schema, &job(none.clone(), sink.clone())), Vec::<String>::new(), "{none}");
    }
    let two = json!({ "stdin": {}, "file": { "path": "a" } });
    assert_ne!(wrong(&schema, &job(two, sink.clone())), Vec::<String>::new());
    for other in [json!({ "input": "s" }), json!({ "input": "s", "print": {}, "blackhole": {} })] {
        assert_ne!(wrong(&schema, &job(source.clone(), other.clone())), Vec::<String>::new(), "{other}");
    }
    let empty = json!({ "job": "x", "sources": {}, "sinks": { "out": sink } });
    assert_ne!(wrong(&schema, &empty), Vec::<String>::new());
}

/// Goal: a job can name exactly the connectors of the registry. Method: the fields of a source and of a sink.
#[test]
fn every_connector_of_the_registry_is_a_field() {
    let schema = super::derived();
    let fields = |name: &str| -> Vec<String> {
        schema["$defs"][name]["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let sources: Vec<&str> = spec::Source::connector_names().chain(["event_time"]).collect();
    let sinks: Vec<&str> = ["input"].into_iter().chain(spec::Sink::connector_names()).collect();
    assert_eq!(fields("Source"), sources);
    assert_eq!(fields("Sink"), sinks);
    assert!(!sinks.contains(&"tap"), "a tap is no sink of a job file");
}

#[test]
fn variables_stand_for_values_of_every_type() {
    let schema = json_schema();
    let sink = json!({ "input": "s", "webhook": { "url": "${URL}", "retries": "${RETRIES:-3}", "timeout": "${T}s" } });
    let source = json!({ "file": {
        "path": "${P:-a.csv}", "format": "${F:-csv}", "follow": "${FOLLOW:-false}", "columns": { "a": "${TYPE:-int64}?" },
        "batch_rows": "${ROWS}",
    } });
    let good = job(source.clone(), sink.clone());
    assert_eq!(wrong(&schema, &good), Vec::<String>::new());
    let mut good = good;
    good["parallelism"] = "${WORKERS:-}".into();
    good["state"] = json!({ "memory": "${MEMORY:-1GiB}" });
    assert_eq!(wrong(&schema, &good), Vec::<String>::new());
    for (pointer, value) in [
        ("/parallelism", json!("4")),
        ("/parallelism", json!("${WORKERS}0")),
        ("/parallelism", json!("${1}")),
        ("/state/memory", json!("much")),
        ("/sources/s/file/format", json!("xml")),
        ("/sources/s/file/follow", json!("yes")),
        ("/sinks/out/webhook/timeout", json!("soon")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value.clone();
        assert_ne!(wrong(&schema, &bad), Vec::<String>::new(), "{pointer}: {value}");
    }
}
