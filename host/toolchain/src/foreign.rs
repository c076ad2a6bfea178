//! What a plugin's dependencies import that no host of plugins has: JavaScript, WASI, the operating system.
//!
//! A crate that supports browsers takes `wasm32-unknown-unknown` for one and calls JavaScript for the time or for randomness.
//! It is enough that it is linked: wasm-bindgen's imports are there whether or not the plugin calls such a function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use wasmparser::{Parser, Payload};

use super::dependencies::Dependencies;
use super::error::BuildError;
use super::package::Package;
use flowgate_base::error::Result;
use flowgate_base::shown::one_line;

/// What the contract's imports begin with.
const OWN: &str = "flowgate:plugin/";
/// Crates that are nothing but a way to JavaScript: whoever uses them is at fault.
const JAVASCRIPT: [&str; 5] = ["js-sys", "wasm-bindgen", "wasm-bindgen-futures", "web-sys", "serde-wasm-bindgen"];
/// Crates that do not compile for the sandbox where they need random numbers; their messages advise authors to let them call
/// JavaScript.
const RANDOMNESS: [&str; 2] = ["getrandom", "uuid"];
/// Imports of one kind that a message names.
const NAMED_MAX: usize = 3;

/// For crates that are often in the way: what to write in `Cargo.toml`, or instead of them.
const FIXES: [(&str, &str); 16] = [
    ("ahash", "without its randomness: `ahash = { version = \"...\", default-features = false }`"),
    (
        "chrono",
        "without its clock: `chrono = { version = \"...\", default-features = false }`, and the features that it needs \
                but `clock`, `now` and `wasmbind`; the time is `ctx.processing_time()` or a column",
    ),
    ("fastrand", "seed it with something of the row: `fastrand::Rng::with_seed(...)`, with `default-features = false`"),
    ("getrandom", "there is no randomness in the sandbox: leave its features `js`, `wasm_js` out, and what needs it"),
    ("gloo-timers", "it waits in a browser; a process function has timers"),
    ("instant", "it measures time with JavaScript; leave out its features `wasm-bindgen` and `stdweb`, or the crate"),
    ("jiff", "without its clock: `jiff = { version = \"...\", default-features = false, features = [\"std\"] }`"),
    ("nanoid", "an id is made of what is in the row, by a hash, so that a repeated call returns the same one"),
    (
        "rand",
        "without its randomness: `default-features = false`, and a generator that is seeded with something of the row, as \
              `SmallRng::seed_from_u64(...)`",
    ),
    ("reqwest", "there is no network in the sandbox; join with a table file, or send rows by a webhook sink"),
    ("time", "without its clock: leave out the features `wasm-bindgen` and `local-offset`"),
    ("tokio", "there are no tasks and no network in the sandbox: a function is called with rows and returns"),
    ("ulid", "an id is made of what is in the row, by a hash, so that a repeated call returns the same one"),
    (
        "uuid",
        "without its randomness: `uuid = { version = \"...\", default-features = false }`, without the features `js`, `v1`, \
              `v4`, `v6` and `v7`; `v5` makes an id of what is in the row",
    ),
    ("wasm-timer", "it waits in a browser; a process function has timers"),
    ("web-time", "it calls JavaScript for the time; the time is `ctx.processing_time()` or a column"),
];

/// Refuses a module that imports what no host of plugins has, and says which dependency brought it and what to do.
///
/// # Errors
///
/// There is such an import; or the bytes are not WebAssembly.
pub(crate) fn check(module: &[u8], package: &Package) -> Result<()> {
    let imports = imports(module)?;
    if imports.is_empty() {
        return Ok(());
    }
    Err(BuildError::ForeignImport(refusal(&package.name, &imports, &Dependencies::of(package))).into())
}

/// What to say of a plugin that does not compile, where a crate refuses to be compiled for the sandbox: it does so in its own
/// words. `compiled` are the crates that did, as code names them.
pub(super) fn hint(package: &Package, compiled: &BTreeSet<String>) -> Option<String> {
    randomness(&Dependencies::of(package), compiled)
}

/// Imports that are not of the contract: names by module.
fn imports(module: &[u8]) -> Result<BTreeMap<String, Vec<String>>> {
    let broken = |e: wasmparser::BinaryReaderError| BuildError::NotAComponent(format!("not WebAssembly: {e}"));
    let mut foreign: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(broken)? {
            // A component's imports are judged when it is loaded.
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => return Ok(BTreeMap::new()),
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(broken)?;
                    if !import.module.starts_with(OWN) {
                        foreign.entry(import.module.to_owned()).or_default().push(import.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(foreign)
}

fn refusal(name: &str, imports: &BTreeMap<String, Vec<String>>, dependencies: &Dependencies) -> String {
    let mut text = format!("package {name} imports what is not in the sandbox:");
    for (module, names) in imports {
        let named: Vec<String> = names.iter().take(NAMED_MAX).map(|name| format!("`{}`", one_line(name, 80))).collect();
        let more = names.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {} of `{}`{more}: {}", named.join(", "), one_line(module, 80), kind(module));
    }
    let javascript = imports.keys().any(|module| is_javascript(module));
    let ways = if javascript { dependencies.ways_to(&JAVASCRIPT) } else { Vec::new() };
    let mut said = BTreeSet::new();
    for way in &ways {
        let (at_fault, explained) = brought(way);
        if said.insert(at_fault) {
            let _ = write!(text, "\n{explained}");
        }
    }
    if javascript && ways.is_empty() {
        text.push_str(
            "\n`cargo tree --target wasm32-unknown-unknown -i wasm-bindgen` shows which dependency brings it",
        );
    }
    text
}

fn is_javascript(module: &str) -> bool {
    module.starts_with("__wbindgen") || module == "wbg" || module.starts_with("wasm_bindgen")
}

fn kind(module: &str) -> &'static str {
    match module {
        _ if is_javascript(module) => "wasm-bindgen, which calls JavaScript",
        _ if module.starts_with("wasi") => {
            "WASI, the interface of operating systems; code in C was compiled for another target"
        }
        "env" => "a function that is declared `extern` and linked from nowhere, in C code or an `extern \"C\"` block",
        _ => "no host of plugins has it",
    }
}

/// The crate that is to change, and a way to what is in the way, with the fix.
fn brought<'a>(way: &[&'a str]) -> (&'a str, String) {
    let through = way.join(" -> ");
    // The one nearest to the end that we know, else the one that uses what is in the way.
    let known = way.iter().rev().find_map(|name| Some((*name, FIXES.iter().find(|(fixed, _)| fixed == name)?.1)));
    match (known, way) {
        (Some((name, fix)), _) => (name, format!("it comes by {through}\n  {name}: {fix}")),
        (None, [_, .., user, _]) => (
            user,
            format!(
                "it comes by {through}\n  {user}: write `default-features = false` for it and choose features without \
                 JavaScript, or take another crate"
            ),
        ),
        _ => (way.last().copied().unwrap_or_default(), format!("it comes by {through}: leave that dependency out")),
    }
}

/// Finds the crate that needs randomness, and the fix.
fn randomness(dependencies: &Dependencies, compiled: &BTreeSet<String>) -> Option<String> {
    let refused: Vec<&str> = RANDOMNESS.into_iter().filter(|name| !compiled.contains(*name)).collect();
    let ways = dependencies.ways_to(&refused);
    let way = ways.first()?;
    let (last, users) = way.split_last()?;
    // The crate that uses random numbers has the better fix than the one that makes them.
    let mut candidates = users.iter().rev().chain([last]);
    let (name, fix) = candidates.find_map(|name| FIXES.iter().find(|(fixed, _)| fixed == name))?;
    Some(format!(
        "if the errors are of `{last}`: there is no randomness in the sandbox, and no JavaScript that would have it; it comes by \
         {}\n  {name}: {fix}",
        way.join(" -> ")
    ))
}

#[cfg(test)]
mod tests {
    use super::super::dependencies::tests::dependencies;
    use super::*;

    fn of(wat: &str) -> BTreeMap<String, Vec<String>> {
        imports(&wat::parse_str(wat).unwrap()).unwrap()
    }

    #[test]
    fn the_imports_of_the_contract_are_fine() {
        let found = of(r#"(module (import "flowgate:plugin/log@0.1.0" "log" (func)) (import "env" "rand" (func)))"#);
        assert_eq!(found, BTreeMap::from([("env".to_owned(), vec!["rand".to_owned()])]));
    }

    #[test]
    fn wasm_bindgen_is_named_with_the_crate_that_brings_it_and_the_fix() {
        let found = of(r#"(module
            (import "__wbindgen_placeholder__" "__wbindgen_describe" (func))
            (import "__wbindgen_placeholder__" "a" (func)) (import "__wbindgen_placeholder__" "b" (func))
            (import "__wbindgen_placeholder__" "c" (func)))"#);
        let crates = dependencies(&[
            ("mine", &["chrono", "odd"]),
            ("chrono", &["iana-time-zone", "js-sys"]),
            ("iana-time-zone", &["js-sys"]),
            ("odd", &["web-sys"]),
            ("js-sys", &["wasm-bindgen"]),
            ("web-sys", &["wasm-bindgen"]),
            ("wasm-bindgen", &[]),
        ]);
        let text = refusal("mine", &found, &crates);
        assert!(
            text.contains("`__wbindgen_describe`, `a`, `b` of `__wbindgen_placeholder__` and 1 more: wasm-bindgen"),
            "{text}"
        );
        assert!(text.contains("by mine -> chrono -> js-sys\n  chrono: without its clock"), "{text}");
        assert_eq!(text.matches("chrono: without").count(), 1, "{text}");
        assert!(text.contains("by mine -> odd -> web-sys\n  odd: write `default-features = false`"), "{text}");
        let own = dependencies(&[("mine", &["wasm-bindgen"]), ("wasm-bindgen", &[])]);
        assert!(refusal("mine", &found, &own).contains("by mine -> wasm-bindgen: leave that dependency out"));
        assert!(refusal("mine", &found, &Dependencies::default()).contains("cargo tree"));
    }

    #[test]
    fn other_hosts_are_named() {
        let found = of(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)) (import "env" "rand" (func)))"#);
        let text = refusal("mine", &found, &Dependencies::default());
        assert!(
            text.contains("`fd_write` of `wasi_snapshot_preview1`: WASI")
                && text.contains("`rand` of `env`: a function"),
            "{text}"
        );
    }

    #[test]
    fn a_crate_that_needs_randomness_is_named_when_it_does_not_compile() {
        let none = BTreeSet::new();
        let crates =
            dependencies(&[("mine", &["rand", "uuid"]), ("rand", &["getrandom"]), ("getrandom", &[]), ("uuid", &[])]);
        let hint = randomness(&crates, &BTreeSet::from(["uuid".to_owned()])).unwrap();
        assert!(hint.contains("by mine -> rand -> getrandom\n  rand: without its randomness"), "{hint}");
        let hint = randomness(&crates, &BTreeSet::from(["getrandom".to_owned()])).unwrap();
        assert!(
            hint.contains("of `uuid`: there is no randomness") && hint.contains("by mine -> uuid\n  uuid: "),
            "{hint}"
        );
        assert_eq!(randomness(&crates, &BTreeSet::from(["getrandom".to_owned(), "uuid".to_owned()])), None);
        let own = dependencies(&[("mine", &["getrandom"]), ("getrandom", &[])]);
        assert!(randomness(&own, &none).unwrap().contains("getrandom: there is no randomness"));
        assert_eq!(randomness(&dependencies(&[("mine", &[])]), &none), None);
    }
}
