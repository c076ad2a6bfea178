//! A version of a plugin, for people.

use std::fmt::Write;

use flowgate_api::plugin::{FILES, Function, PluginVersion, interface, interfaces};
use flowgate_base::shown;
use flowgate_control::explain::words;
use flowgate_worker::figures;

use super::listing;

/// Maximum bytes of a line of a config's schema.
const LINE_BYTES_MAX: usize = 1_024;

/// Returns name and version, digest, imports, and the functions with their columns. All of it but the first lines is what the plugin
/// says about itself.
pub(super) fn of(plugin: &PluginVersion) -> String {
    let compiled = match plugin.compile_ms {
        0 => "compiled before".into(),
        ms => format!("compiled in {}", words::length(i64::try_from(ms).unwrap_or(i64::MAX))),
    };
    let pushed = listing::time(plugin.pushed_ms);
    let lines = [
        ("plugin", format!("{}@{}", plugin.name, plugin.version)),
        ("sha256", plugin.digest.clone()),
        ("size", format!("{}, {compiled}", figures::bytes(plugin.size_bytes))),
        ("pushed", format!("{pushed} by {}", plugin.pushed_by)),
        ("contract", format!("flowgate:plugin@{}", plugin.contract)),
        ("imports", interfaces(&plugin.imports)),
    ];
    let mut text: String = lines.iter().map(|(name, value)| format!("{name:9} {value}\n")).collect();
    if plugin.imports.iter().any(|name| interface(name) == FILES) {
        text += "          files: those that the job grants by name (`files`), and the policy of its tenant by path (`read`)\n";
    }
    for of in &plugin.functions {
        text.push('\n');
        text += &function(of);
    }
    shown::lines(&text).into_owned()
}

/// Returns a line such as `parse(text: text)  transform`, then its documentation and config, indented.
fn function(of: &Function) -> String {
    let mut text = format!("{}({})  {}\n", of.name, of.columns.join(", "), of.kind);
    for line in of.doc.lines() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", format!("    {line}").trim_end());
    }
    if let Some(schema) = &of.config_schema {
        let properties = schema.get("properties").and_then(serde_json::Value::as_object);
        let names = properties.map(|properties| properties.keys().cloned().collect::<Vec<_>>().join(", "));
        let config = names.unwrap_or_else(|| schema.to_string());
        let _ = writeln!(text, "    config: {}", shown::one_line(&config, LINE_BYTES_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plugin_says_what_it_is() {
        let function = Function {
            name: "parse".into(),
            kind: "transform".into(),
            doc: "Reads lines.\u{1b}[2J".into(),
            columns: vec!["line: text".into(), "n: int64".into()],
            config_schema: Some(json!({"properties": {"sep": {}, "max": {}}})),
        };
        let plugin = PluginVersion {
            name: "sensors".into(),
            version: 2,
            digest: "ab".into(),
            size_bytes: 1_500,
            pushed_ms: 0,
            pushed_by: "ci".into(),
            contract: "0.1.0".into(),
            imports: vec!["flowgate:plugin/log@0.1.0".into(), "flowgate:plugin/files@0.1.0".into()],
            functions: vec![function],
            compile_ms: 1_500,
        };
        let wanted = "\
plugin    sensors@2
sha256    ab
size      1.5 kB, compiled in 1.5s
pushed    1970-01-01 00:00:00Z by ci
contract  flowgate:plugin@0.1.0
imports   log, files
          files: those that the job grants by name (`files`), and the policy of its tenant by path (`read`)

parse(line: text, n: int64)  transform
    Reads lines.\\u{1b}[2J
    config: sep, max
";
        assert_eq!(of(&plugin), wanted);
    }
}
