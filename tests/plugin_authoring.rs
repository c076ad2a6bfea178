//! From nothing to a component: `flowgate plugin new` and `flowgate plugin build`, as an author uses them.

use std::path::Path;
use std::process::{Command, Output};

fn run(dir: &Path, args: &[&str]) -> Output {
    Command::new(harness::program()).current_dir(dir).arg("plugin").args(args).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn succeed(dir: &Path, args: &[&str]) {
    let output = run(dir, args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
}

#[track_caller]
fn fail(dir: &Path, args: &[&str], expected: &str) {
    let output = run(dir, args);
    let said = said(&output);
    assert!(!output.status.success(), "{args:?} succeeded: {said}");
    assert!(said.contains(expected), "{args:?}: {said}");
}

/// The layer of a component, after the magic number and the version.
fn is_component(file: &Path) -> bool {
    std::fs::read(file).expect("the component was written").get(4..8) == Some(&[0x0d, 0, 1, 0])
}

#[test]
fn a_new_plugin_builds_and_what_breaks_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    succeed(dir, &["new", "first-one"]);
    let built = run(dir, &["build", "first-one"]);
    assert!(built.status.success(), "{}", said(&built));
    assert!(said(&built).contains("built first-one/first-one.wasm"), "{}", said(&built));
    assert!(said(&built).contains("  transform "), "no function is shown: {}", said(&built));
    assert!(is_component(&dir.join("first-one/first-one.wasm")));

    // A clone on another machine has no path to the SDK; a build finds it again.
    std::fs::remove_dir_all(dir.join("first-one/.cargo")).unwrap();
    succeed(dir, &["build", "first-one", "-o", "out/named.wasm"]);
    assert!(is_component(&dir.join("out/named.wasm")));

    let source = dir.join("first-one/src/lib.rs");
    std::fs::write(&source, "fn broken( {").unwrap();
    fail(dir, &["build", "first-one"], "package first-one does not compile (see above)");
    std::fs::write(&source, "").unwrap();
    fail(dir, &["build", "first-one"], "does the crate call `flowgate_sdk::plugin! { ... }`?");
}

/// Two plugins of the same name share Cargo's folder; each gets its own code, also when Cargo has nothing to compile.
#[test]
fn namesakes_do_not_get_each_others_code() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for folder in ["a", "b"] {
        succeed(dir, &["new", "namesake", "--path", folder]);
    }
    let source = dir.join("b/src/lib.rs");
    let mut text = std::fs::read_to_string(&source).unwrap();
    text.push_str("#[unsafe(no_mangle)] pub static MARK: [u8; 16] = *b\"only-in-plugin-b\";\n");
    std::fs::write(&source, text).unwrap();
    for round in 0..2 {
        for folder in ["a", "b"] {
            succeed(dir, &["build", folder]);
            let component = std::fs::read(dir.join(folder).join("namesake.wasm")).unwrap();
            let marked = component.windows(16).any(|window| window == b"only-in-plugin-b");
            assert_eq!(marked, folder == "b", "round {round}, plugin {folder}");
        }
    }
}

#[test]
fn what_is_no_plugin_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fail(dir, &["new", "Bad-Name"], "it has to start with a lower-case letter");
    std::fs::write(dir.join("taken"), "").unwrap();
    fail(dir, &["new", "taken"], "is a file: choose a folder with --path");
    fail(dir, &["build"], "it has no Cargo.toml");
    let library = dir.join("library");
    std::fs::create_dir_all(library.join("src")).unwrap();
    std::fs::write(library.join("src/lib.rs"), "").unwrap();
    std::fs::write(library.join("Cargo.toml"), "[package]\nname = \"library\"\nedition = \"2024\"\n[workspace]\n")
        .unwrap();
    fail(dir, &["build", "library"], "crate-type = [\"cdylib\", \"rlib\"]");
    std::fs::write(library.join("Cargo.toml"), "[package\n").unwrap();
    fail(dir, &["build", "library"], "Cargo does not understand");
}
