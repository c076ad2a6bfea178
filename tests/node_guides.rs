//! The guides to a node are true: their commands run as they are written, one after the other, in one shell.

use std::fs;
use std::process::Command;

use harness::{Folder, ServedNode, in_shell, plugin, repository};
use serde_json::Value;

/// A block of code of a guide.
struct Block {
    language: String,
    text: String,
}

fn blocks(name: &str) -> Vec<Block> {
    let text = fs::read_to_string(repository().join(name)).unwrap();
    let of = |block: &str| block.split_once('\n').map(|(language, text)| (language.to_string(), text.to_string()));
    let blocks = text.split("```").skip(1).step_by(2).filter_map(of);
    blocks.map(|(language, text)| Block { language, text }).collect()
}

/// Whether an object is like the one that a guide shows: the same fields, and the same values where the guide has no `...`.
fn is_like(shown: &Value, is: &Value) -> bool {
    match (shown, is) {
        (Value::String(shown), Value::String(is)) => shown == "..." || shown == is,
        (Value::Object(shown), Value::Object(is)) => {
            shown.len() == is.len()
                && shown.iter().all(|(name, value)| is.get(name).is_some_and(|of| is_like(value, of)))
        }
        _ => shown == is,
    }
}

/// Whether the tools that the guides use are there.
fn has_tools() -> bool {
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    let all = has("curl") && has("jq");
    assert!(all || std::env::var_os("CI").is_none(), "curl and jq are needed");
    all
}

/// Goal: `docs/api.md` is right. Method: all of its commands in a row, in a fresh node; what it shows as JSON is what the last line
/// before it was.
#[test]
fn the_guide_to_the_api_is_right() {
    if !has_tools() {
        return;
    }
    let folder = Folder::with_job("");
    let mut node = ServedNode::start(folder.path(), "node");
    fs::copy(plugin("text"), folder.path().join("text.wasm")).unwrap();
    let blocks = blocks("docs/api.md");
    let shell = |block: &&Block| block.language == "sh";
    let commands: Vec<String> =
        blocks.iter().filter(shell).map(|block| block.text.replace("http://127.0.0.1:7070", &node.address)).collect();
    assert!(commands.len() >= 10);
    let mut printed = in_shell(folder.path(), &commands).into_iter();
    let mut last = String::new();
    for block in &blocks {
        match block.language.as_str() {
            "sh" => last = printed.next().unwrap(),
            "json" => {
                let shown: Value = serde_json::from_str(&block.text).unwrap();
                // The probe says `ok` in front of it.
                let is: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
                assert!(is_like(&shown, &is), "the guide has {shown}, and it is {is}");
            }
            _ => assert!(last.contains("event: row\ndata: {"), "{last}"),
        }
    }
    node.stop();
}

/// A job with a secret and a plugin.
const JOB: &str = "\
job: words
sources: { lines: { generator: { rate: 100, columns: { text: { choice: ['${secret:word}'] } } } } }
operators: { words: { input: lines, plugin: text, function: split_words } }
sinks: { out: { input: words, blackhole: {} } }
";

/// What the test asks a node, as the functions of its shell.
const ASK: &str = r#"
ask() { curl -sf -H "Authorization: Bearer $TOKEN" "$@"; }
phase() { ask "$NODE/api/v1/tenants/acme/jobs/words" | jq -r .phase; }
newest() { ask "$NODE/api/v1/tenants/acme/jobs/words/checkpoints" | jq '[.items[].number] | max // 0'; }
until_phase() { for _ in $(seq 300); do [ "$(phase)" = "$1" ] && return; sleep 0.1; done; phase; return 1; }
"#;

/// Returns the code of a guide in this language.
fn code(blocks: &[Block], language: &str) -> String {
    blocks.iter().find(|block| block.language == language).unwrap_or_else(|| panic!("no {language}")).text.clone()
}

/// Goal: what `docs/operate.md` copies is enough for a node that goes on: tenants, tokens, plugins, secrets, jobs and their state.
/// Method: its commands, at a node that runs; a second node on the copies.
#[test]
fn a_node_is_restored_from_its_backup() {
    if !has_tools() {
        return;
    }
    let folder = Folder::with_job(JOB);
    fs::copy(plugin("text"), folder.path().join("text.wasm")).unwrap();
    let guide = blocks("docs/operate.md");
    let mut node = ServedNode::start(folder.path(), "node");
    let with = |node: &ServedNode| {
        let who = format!("export NODE={0} FLOWGATE_NODE={0}\nexport TOKEN=$(cat admin.token)\n", node.address);
        format!("{who}export FLOWGATE_TOKEN=$TOKEN\n{ASK}")
    };
    let made = r#"
ask --json '{ "name": "acme" }' "$NODE/api/v1/tenants"
ask -X PUT --json '{ "value": "hunter two" }' "$NODE/api/v1/tenants/acme/secrets/word"
ask -H "Content-Type: application/wasm" --data-binary @text.wasm "$NODE/api/v1/tenants/acme/plugins/text"
jq -n --rawfile document job.yaml '{ document: $document }' | ask --json @- "$NODE/api/v1/tenants/acme/jobs"
until_phase running
for _ in $(seq 300); do [ "$(newest)" -gt 0 ] && break; sleep 0.1; done
"#;
    let later = r#"
ask --json '{ "name": "later" }' "$NODE/api/v1/tenants"
ask -X POST "$NODE/api/v1/tenants/acme/jobs/words/cancel"
until_phase stopped
exec > before
newest
"#;
    in_shell(folder.path(), &[with(&node), made.into(), code(&guide, "sh backup"), later.into()]);
    node.stop();
    let checkpoints =
        "mkdir -p restored/jobs/acme/words\ncp -a node/jobs/acme/words/checkpoints restored/jobs/acme/words";
    in_shell(folder.path(), &[code(&guide, "sh restore"), checkpoints.into()]);
    let mut restored = ServedNode::start(folder.path(), "restored");
    let asked = r#"
until_phase running
for _ in $(seq 300); do [ "$(newest)" -gt "$(cat before)" ] && break; sleep 0.1; done
[ "$(newest)" -gt "$(cat before)" ]
ask "$NODE/api/v1/tenants" | jq -r '[.items[].name] | join(" ")'
ask "$NODE/api/v1/tenants/acme/jobs/words/logs" | jq -r '.items[].message'
ask -X POST "$NODE/api/v1/tenants/acme/jobs/words/cancel" > cancelled
"#;
    let printed = in_shell(folder.path(), &[with(&restored), asked.into()]);
    assert_eq!(printed[1].lines().next(), Some("acme"), "what came behind the backup is not in it: {printed:?}");
    restored.stop();
}
