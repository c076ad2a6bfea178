//! `flowgate plugin inspect`

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::terminal;
use flowgate_api::plugin::interfaces;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use flowgate_base::shown;
use flowgate_wall::binding::FunctionInfo;
use flowgate_wall::{Limits, Plugin, Plugins, Settings};

/// Maximum bytes of a property in the text; `--json` has all of it.
const CONFIG_LINE_BYTES_MAX: usize = 4_096;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate plugin inspect weblog.wasm
  flowgate plugin inspect weblog.wasm --json | jq '.functions[].name'";

/// Arguments of `flowgate plugin inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The component.
    #[arg(value_hint = ValueHint::FilePath)]
    plugin: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &InspectArgs) -> Result<()> {
    let plugins = Plugins::with(Settings::of_command(Limits::default())?)?;
    let plugin = plugins.load(&args.plugin)?;
    if let Some(note) = plugin.cache_note() {
        terminal::message(&format!("warning: {note}\n"));
    }
    if args.json {
        let text = serde_json::to_string_pretty(&as_json(&plugin)).map_err(|e| Error::internal(e.to_string()))?;
        return terminal::print(&format!("{}\n", shown::json(&text)));
    }
    // All of it is the plugin's own description.
    terminal::print(&shown::lines(&as_text(&plugin)))
}

fn as_json(plugin: &Plugin) -> Value {
    json!({
        "path": plugin.path(),
        "size_bytes": plugin.size_bytes(),
        "sha256": plugin.digest(),
        "contract": plugin.manifest().contract,
        "imports": plugin.manifest().imports,
        "exports": plugin.manifest().exports,
        "functions": plugin.functions(),
    })
}

fn as_text(plugin: &Plugin) -> String {
    let manifest = plugin.manifest();
    let lines = [
        ("plugin", plugin.path().display().to_string()),
        ("size", format!("{} bytes", plugin.size_bytes())),
        ("sha256", plugin.digest().to_string()),
        ("contract", format!("flowgate:plugin@{}", manifest.contract)),
        ("imports", interfaces(&manifest.imports)),
        ("exports", interfaces(&manifest.exports)),
    ];
    let mut text: String = lines.iter().map(|(name, value)| format!("{name:9} {value}\n")).collect();
    for function in plugin.functions() {
        text.push('\n');
        text.push_str(&function_text(function));
    }
    text
}

/// Returns a line such as `parse(text: text)  transform`, then the documentation and the config, indented.
fn function_text(function: &FunctionInfo) -> String {
    let mut text = format!("{}({})  {}\n", function.name, signature(&function.inputs), function.kind.name());
    for line in function.doc.lines() {
        let _ = writeln!(text, "{}", format!("    {line}").trim_end());
    }
    if let Some(schema) = &function.config_schema {
        text.push_str("    config:\n");
        for line in config_lines(schema) {
            let _ = writeln!(text, "      {line}");
        }
    }
    text
}

fn signature(inputs: &[Vec<Field>]) -> String {
    let one = |fields: &Vec<Field>| fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    inputs.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Returns one line for each property: name, type, whether it is required, its description.
fn config_lines(schema: &Value) -> Vec<String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return vec![shown::one_line(&schema.to_string(), CONFIG_LINE_BYTES_MAX)];
    };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|r| r.iter().any(|v| v.as_str() == Some(name)));
    properties
        .iter()
        .map(|(name, property)| {
            let kind = match property.get("type") {
                Some(Value::String(kind)) => kind.clone(),
                Some(kinds) => kinds.to_string(),
                None => "any".into(),
            };
            let required = if is_required(name) { ", required" } else { "" };
            let default = property.get("default").map(|d| format!(", default {d}")).unwrap_or_default();
            let doc = property.get("description").and_then(Value::as_str).unwrap_or_default();
            // A line break would begin a line whose author a reader could not know.
            let text = format!("{name}: {kind}{required}{default}  {doc}");
            shown::one_line(text.trim_end(), CONFIG_LINE_BYTES_MAX)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use flowgate_base::schema::DataType;
    use flowgate_wall::binding::Kind;

    #[test]
    fn a_function_is_shown_with_its_signature_and_config() {
        let function = FunctionInfo {
            name: "quantile".into(),
            kind: Kind::Aggregate,
            doc: "The quantile.\n\nOf many rows.".into(),
            config_schema: Some(json!({
                "properties": { "q": { "type": "number", "description": "Which one." }, "k": { "default": 200 } },
                "required": ["q"],
            })),
            inputs: vec![vec![Field::nullable("value", DataType::Float64)]],
        };
        let expected = "\
quantile(value: float64?)  aggregate
    The quantile.

    Of many rows.
    config:
      q: number, required  Which one.
      k: any, default 200
";
        assert_eq!(function_text(&function), expected);
    }

    #[test]
    fn what_a_plugin_says_has_no_power_over_the_terminal() {
        let function = FunctionInfo {
            name: "f".into(),
            kind: Kind::Transform,
            doc: "harmless".into(),
            config_schema: Some(json!({
                "properties": { "a\u{9b}": { "type": "string", "description": "x\u{1b}]0;title\u{7}\nforged: line" } },
            })),
            inputs: Vec::new(),
        };
        let text = shown::lines(&function_text(&function)).into_owned();
        assert!(!text.chars().any(|c| shown::has_power(c) && c != '\n'), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("forged")), "{text}");
        assert!(text.contains("a\\u{9b}: string  x\\u{1b}]0;title\\u{7} forged: line"), "{text}");
    }
}
