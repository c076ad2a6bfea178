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

/// Checks the layer of a component, after the magic number and the version.
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

    // The SDK that it carries is written again where it is missing, and replaced on request.
    let carried = dir.join("first-one/flowgate-sdk");
    std::fs::remove_dir_all(&carried).unwrap();
    succeed(dir, &["build", "first-one"]);
    std::fs::write(carried.join("README.md"), "another version").unwrap();
    let built = run(dir, &["build", "first-one"]);
    assert!(said(&built).contains("`flowgate plugin build --update-sdk` replaces it"), "{}", said(&built));
    let built = run(dir, &["build", "first-one", "--update-sdk"]);
    assert!(built.status.success() && !said(&built).contains("warning"), "{}", said(&built));
    succeed(dir, &["build", "first-one", "-o", "out/named.wasm"]);
    assert!(is_component(&dir.join("out/named.wasm")));

    let source = dir.join("first-one/src/lib.rs");
    std::fs::write(&source, "fn broken( {").unwrap();
    fail(dir, &["build", "first-one"], "package first-one does not compile (see above)");
    std::fs::write(&source, "").unwrap();
    fail(dir, &["build", "first-one"], "does the crate call `flowgate_sdk::plugin! { ... }`?");
}

/// A colleague has the package and Rust, and nothing of Flowgate.
#[test]
fn a_clone_passes_its_tests_without_flowgate() {
    let dir = tempfile::tempdir().unwrap();
    succeed(dir.path(), &["new", "shared"]);
    let clone = dir.path().join("elsewhere/clone");
    std::fs::create_dir_all(clone.parent().unwrap()).unwrap();
    std::fs::rename(dir.path().join("shared"), &clone).unwrap();
    let nothing = dir.path().join("nothing");
    let home = |variable: &str, folder: &str| {
        std::env::var_os(variable).unwrap_or_else(|| std::env::home_dir().expect("a home").join(folder).into())
    };
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--offline"])
        .current_dir(&clone)
        .env("CARGO_HOME", home("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", home("RUSTUP_HOME", ".rustup"))
        .env("HOME", &nothing)
        .env("XDG_CACHE_HOME", &nothing)
        .env("FLOWGATE_HOME", &nothing)
        .env("CARGO_TARGET_DIR", dir.path().join("target"))
        .output()
        .expect("cargo is there: it runs this test");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("2 passed"), "{text}\n{}", said(&output));
    assert!(!nothing.exists(), "something was written to a home that is not there");
}

/// Goal: a dependency that needs JavaScript is named with the fix, and so is a print whose output is lost. Method: crates with
/// the names and the imports of the real ones, so that the test needs no registry.
#[test]
fn a_dependency_that_asks_for_javascript_is_named_with_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    succeed(dir, &["new", "clocked"]);
    let write = |path: &str, text: &str| {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let package = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.2.100\"\nedition = \"2024\"\n[dependencies]\n")
    };
    write("wasm-bindgen/Cargo.toml", &package("wasm-bindgen"));
    write(
        "wasm-bindgen/src/lib.rs",
        "#[link(wasm_import_module = \"__wbindgen_placeholder__\")]\nunsafe extern \"C\" { pub safe fn __wbindgen_describe(n: u32); }\n",
    );
    write("chrono/Cargo.toml", &(package("chrono") + "wasm-bindgen = { path = \"../wasm-bindgen\" }\n"));
    write("chrono/src/lib.rs", "pub fn now() { wasm_bindgen::__wbindgen_describe(1); }\n");
    let manifest = std::fs::read_to_string(dir.join("clocked/Cargo.toml")).unwrap();
    write(
        "clocked/Cargo.toml",
        &manifest.replace("[dependencies]\n", "[dependencies]\nchrono = { path = \"../chrono\" }\n"),
    );
    let source = std::fs::read_to_string(dir.join("clocked/src/lib.rs")).unwrap();
    write("clocked/src/lib.rs", &source.replace("    Ok(Reading", "    chrono::now();\n    Ok(Reading"));
    fail(dir, &["build", "clocked"], "it comes by clocked -> chrono -> wasm-bindgen\n  chrono: without its clock");

    write("clocked/src/lib.rs", &format!("{source}\npub fn help() {{\n    std::println!(\"lost\");\n}}\n"));
    let built = run(dir, &["build", "clocked"]);
    assert!(
        built.status.success() && said(&built).contains(": `println!`: the sandbox has no standard output"),
        "{}",
        said(&built)
    );
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
    // A message of several lines has its code, too.
    fail(dir, &["build", "library"], "error[FG0600]: package library");
    std::fs::write(library.join("Cargo.toml"), "[package\n").unwrap();
    fail(dir, &["build", "library"], "Cargo does not understand");
}
