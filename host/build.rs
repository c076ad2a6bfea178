//! Collects the Rust SDK, so that `flowgate plugin new` and `plugin build` have it wherever the program is: the SDK
//! is in no package registry, and its version has to be that of the host.
//!
//! The files keep their places relative to each other. The one that is made up is the `Cargo.toml` at the top, without
//! the members of our workspace that do not come along.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What comes along: the SDK, and the contract that its bindings are made from.
const FOLDERS: [&str; 2] = ["guest-sdk/rust", "wit"];
/// What a new plugin starts from.
const TEMPLATE: &str = "guest-sdk/rust/template";
/// Not needed to compile against the SDK.
const LEFT_OUT: [&str; 4] = ["benches", "target", "template", "tests"];

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("..");
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));

    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &LEFT_OUT, &mut files);
    }
    let mut template = Vec::new();
    collect(&root.join(TEMPLATE), &[], &mut template);
    if template.is_empty() {
        println!("cargo::warning=there is no SDK in guest-sdk/rust: `flowgate plugin new` will not work");
    }

    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the workspace has a Cargo.toml");
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    let made = out.join("sdk-workspace.toml");
    fs::write(&made, sdk_workspace(&manifest, &root)).expect("OUT_DIR can be written to");

    let mut code = String::new();
    table(&mut code, "SDK", &root, &files, Some(("Cargo.toml", &made)));
    table(&mut code, "TEMPLATE", &root.join(TEMPLATE), &template, None);
    fs::write(out.join("sdk_files.rs"), code).expect("OUT_DIR can be written to");
}

/// All files in a folder and those below it, in the order of their paths.
fn collect(folder: &Path, left_out: &[&str], files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    // Cargo looks at everything within a folder that it watches: not at what is left out, which tests write to.
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if !left_out.iter().any(|name| entry.file_name() == *name) {
                collect(&path, left_out, files);
            }
        } else if entry.file_name() != "Cargo.lock" {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    if folder.ends_with("src") || folder.ends_with("template") {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
}

/// The `Cargo.toml` above the SDK's: what its packages inherit from our workspace, and themselves as its members.
fn sdk_workspace(manifest: &str, root: &Path) -> String {
    let members: Vec<&str> = ["guest-sdk/rust", "guest-sdk/rust/macros"]
        .into_iter()
        .filter(|member| root.join(member).join("Cargo.toml").exists())
        .collect();
    let mut text = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n");
    let mut keep = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keep = line.starts_with("[workspace.");
        }
        if keep {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// A table of relative paths and contents.
fn table(code: &mut String, name: &str, base: &Path, files: &[PathBuf], extra: Option<(&str, &Path)>) {
    let named = files.iter().map(|file| {
        let relative = file.strip_prefix(base).expect("collected below the base");
        (relative.to_str().expect("names in the repository are UTF-8"), file.as_path())
    });
    writeln!(code, "static {name}: &[(&str, &[u8])] = &[").expect("a string takes everything");
    for (relative, file) in named.chain(extra) {
        writeln!(code, "    ({relative:?}, include_bytes!({file:?})),").expect("a string takes everything");
    }
    writeln!(code, "];").expect("a string takes everything");
}
