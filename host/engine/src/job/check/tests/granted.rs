//! A job within a tenant's policy.

use crate::job::check::{Checked, check};
use crate::job::fake::FakePlugins;
use crate::job::load::{Document, Language, load};
use crate::job::problem::Problem;
use flowgate_connect::policy::Policy;

const JOB: &str = r#"
job: everything
checkpoint: { store: checkpoints }
state: { spill: spill }
plugins: { weblog: elsewhere/weblog.wasm }
sources:
  lines: { file: { path: logs/*.log } }
  machine: { system: {} }
operators:
  requests: { input: lines, plugin: weblog, function: parse, files: { words: words.txt } }
  priced: { input: lines, key: [text], lookup: { path: prices.csv, columns: { text: text, price: int64 } } }
sinks:
  out: { input: requests, file: { path: out.csv } }
  hook: { input: priced, webhook: { url: "http://169.254.169.254/latest" } }
"#;

fn checked(text: &str, policy: serde_json::Value) -> Result<Checked, Vec<Problem>> {
    let document =
        Document { name: "job.yaml".into(), text: text.into(), language: Language::Yaml, base: "/job".into() };
    let loaded = load(document, &[], &|_| None);
    assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
    let mut plugins = FakePlugins::new();
    let mut around = plugins.around();
    around.policy = Some(serde_json::from_value::<Policy>(policy).unwrap());
    check(loaded.job.as_ref().unwrap(), &around, &mut plugins)
}

/// Goal: everything that a job touches is refused by default, each at its place, with what would grant it. Method: a job that touches
/// all that there is; no file of it exists.
#[test]
fn nothing_is_granted_by_default() {
    let problems = checked(JOB, serde_json::json!({})).unwrap_err();
    let found: Vec<(String, String)> = problems
        .iter()
        .map(|p| (p.at.to_string(), p.help.clone().unwrap().split_once("grants it by ").unwrap().1.to_string()))
        .collect();
    let expected = [
        ("sources.lines.file", "`connectors: [file]`"),
        ("sources.machine.system", "`connectors: [system]`"),
        ("sinks.out.file", "`connectors: [file]`"),
        ("sinks.hook.webhook", "`connectors: [webhook]`"),
        ("plugins.weblog", "`read: [\"/job/elsewhere/weblog.wasm\"]`"),
        ("operators.requests.files.words", "`read: [\"/job/words.txt\"]`"),
        ("operators.priced.lookup.path", "`read: [\"/job/prices.csv\"]`"),
        ("checkpoint.store", "`write: [\"/job/checkpoints/**\"]`"),
        ("state.spill", "`write: [\"/job/spill/**\"]`"),
    ];
    assert_eq!(found, expected.map(|(at, grant)| (at.to_string(), grant.to_string())));
}

#[test]
fn granted_connectors_are_judged_by_what_they_touch() {
    let policy = serde_json::json!({ "connectors": ["*"], "write": ["/job/**"], "connect": ["*:*"] });
    let problems = checked(JOB, policy).unwrap_err();
    let found: Vec<String> = problems.iter().map(|p| p.at.to_string()).collect();
    // The address of the machine's metadata is no public one.
    assert_eq!(found, ["sinks.hook.webhook"], "{problems:?}");
}

/// Goal: a granted job runs with what it was granted, and its limits are known. Method: the graph of a job, and what it touches.
#[test]
fn a_granted_job_carries_its_policy() {
    let text = "
job: quiet
checkpoint: { store: 's3://acme/quiet' }
sources: { n: { generator: { rows: 1, columns: { n: { sequence: {} } } } } }
sinks: { out: { input: n, file: { path: out/ } } }
";
    let policy = serde_json::json!({ "connectors": ["file"], "write": ["/job/out/**"], "connect": ["s3://acme:*"] });
    let Checked { graph, .. } = checked(text, policy).unwrap_or_else(|p| panic!("{p:?}"));
    assert!(graph.sinks().all(|(_, connector)| connector.policy.is_some()));
    let touches = graph.touches().unwrap();
    assert_eq!(touches.writes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/job/out/**"]);
    assert_eq!(touches.connects.iter().map(ToString::to_string).collect::<Vec<_>>(), ["s3://acme:443"]);
    let other = serde_json::json!({ "connectors": ["file"], "write": ["/job/**"], "connect": ["s3://other:*"] });
    assert_eq!(checked(text, other).unwrap_err()[0].at.to_string(), "checkpoint.store");
}

#[test]
fn the_name_of_a_plugin_is_no_path() {
    let text = "
job: climbing
sources: { n: { generator: { rows: 1, columns: { n: { sequence: {} } } } } }
operators: { f: { input: n, plugin: ../../elsewhere/weblog, function: parse } }
sinks: { out: { input: f, blackhole: {} } }
";
    let problems = checked(text, serde_json::json!({})).unwrap_err();
    assert_eq!(problems[0].at.to_string(), "operators.f.plugin", "{problems:?}");
}
