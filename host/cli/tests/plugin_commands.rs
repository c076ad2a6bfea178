//! `flowgate plugin inspect` and `plugin test`, from outside.

use std::path::Path;
use std::process::{Command, Output};

fn flowgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .args(arguments)
        .current_dir(folder)
        .env("FLOWGATE_HOME", folder.join("home"))
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder with the plugin that traps on 13, and with numbers.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let wasm = flowgate_hostile::plugin(&flowgate_hostile::lines("trap_on_poison"), false);
    std::fs::write(folder.path().join("p.wasm"), wasm).unwrap();
    std::fs::write(folder.path().join("n.jsonl"), "{\"x\":12}\n{\"x\":13}\n{\"x\":\"no\"}\n{\"x\":14}\n").unwrap();
    folder
}

#[test]
fn inspect_shows_what_a_plugin_has() {
    let folder = folder();
    let output = flowgate(folder.path(), &["plugin", "inspect", "p.wasm"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("contract  flowgate:plugin@0.1.0\n"), "{text}");
    assert!(text.contains("exports   operator, transform\n"), "{text}");
    assert!(text.contains("f(x: int64)  transform\n"), "{text}");
    let output = flowgate(folder.path(), &["plugin", "inspect", "p.wasm", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(json["functions"][0]["name"], "f");
    assert_eq!(json["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn inspect_of_what_is_no_plugin_says_so() {
    let folder = folder();
    let output = flowgate(folder.path(), &["plugin", "inspect", "n.jsonl"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("plugin n.jsonl: is not WebAssembly"), "{}", stderr(&output));
}

#[test]
fn test_shows_rows_and_what_failed_with_its_line() {
    let folder = folder();
    let output = flowgate(folder.path(), &["plugin", "test", "f", "n.jsonl", "--plugin", "p.wasm"]);
    assert_eq!(output.status.code(), Some(1), "rows failed: {}", stderr(&output));
    assert_eq!(stdout(&output), "{\"y\":\"\"}\n{\"y\":\"\"}\n");
    let failures = stderr(&output);
    assert!(failures.contains("f: failures: 2; rows that came out: 2"), "{failures}");
    assert!(failures.contains("n.jsonl:2: trapped: `unreachable` instruction executed"), "{failures}");
    assert!(failures.contains("n.jsonl:3: "), "{failures}");
}

#[test]
fn test_compares_with_what_is_expected() {
    let folder = folder();
    let test = |more: &[&str]| {
        let arguments = ["plugin", "test", "f", "n.jsonl", "--plugin", "p.wasm", "--expect", "f.expected"];
        flowgate(folder.path(), &[&arguments[..], more].concat())
    };
    assert_eq!(test(&[]).status.code(), Some(1), "there is no such file");
    assert!(test(&["--update"]).status.success());
    let output = test(&[]);
    assert!(output.status.success() && stderr(&output).contains("as expected (2 rows, 2 failures)"));
    let path = folder.path().join("f.expected");
    let expected = std::fs::read_to_string(&path).unwrap().replacen("\"\"", "\"other\"", 1);
    std::fs::write(&path, expected).unwrap();
    let output = test(&[]);
    assert_eq!(output.status.code(), Some(1));
    let difference = stdout(&output);
    assert!(difference.contains("- {\"y\":\"other\"}\n") && difference.contains("+ {\"y\":\"\"}\n"), "{difference}");
}

#[test]
fn test_of_an_aggregate_gives_one_row() {
    let folder = folder();
    std::fs::write(folder.path().join("a.wasm"), flowgate_hostile::plugin("", true)).unwrap();
    let output = flowgate(folder.path(), &["plugin", "test", "f", "n.jsonl", "--plugin", "a.wasm"]);
    assert_eq!(stdout(&output), "{\"y\":\"\"}\n", "{}", stderr(&output));
}
