//! Collects the Rust SDK, so that `flowgate plugin new` and `plugin build` have it wherever the program is: the SDK
//! is in no package registry, and its version has to be that of the host.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The SDK, from the top of the repository.
const SDK: &str = "guest-sdk/rust";
/// Not needed to compile against the SDK.
const LEFT_OUT: [&str; 4] = ["benches", "target", "template", "tests"];

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));

    let sdk = root.join(SDK);
    let mut files = Vec::new();
    collect(&sdk, &LEFT_OUT, &mut files);
    let mut template = Vec::new();
    collect(&sdk.join("template"), &[], &mut template);
    if files.is_empty() || template.is_empty() {
        println!("cargo::warning=no SDK and template in {SDK}: `flowgate plugin new` will not work");
    }
    for manifest in files.iter().filter(|file| file.ends_with("Cargo.toml")) {
        // The copy stands alone: there is no workspace above it to inherit from.
        let text = fs::read_to_string(manifest).expect("a Cargo.toml is text");
        assert!(!text.contains("workspace = true"), "{} inherits from the workspace", manifest.display());
    }

    let mut code = String::new();
    table(&mut code, "SDK", &sdk, &files);
    table(&mut code, "TEMPLATE", &sdk.join("template"), &template);
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

/// A table of relative paths and contents.
fn table(code: &mut String, name: &str, base: &Path, files: &[PathBuf]) {
    let _ = writeln!(code, "static {name}: &[(&str, &[u8])] = &[");
    for file in files {
        let relative = file.strip_prefix(base).expect("collected below the base");
        // Writing to a string cannot fail.
        let _ = writeln!(code, "    ({relative:?}, include_bytes!({file:?})),");
    }
    code.push_str("];\n");
}
