//! Compilation in a limited child of the `flowgate` program, and the cache of what it compiled.

#[path = "hostile/fixture.rs"]
mod fixture;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowgate::error::{Fault, Result};
use flowgate::plugin::{CompileIn, Limits, Plugin, Plugins, Settings};

fn flowgate() -> CompileIn {
    CompileIn::Child(PathBuf::from(env!("CARGO_BIN_EXE_flowgate")))
}

fn load(settings: Settings, wasm: &[u8]) -> Result<Arc<Plugin>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guest.wasm");
    std::fs::write(&path, wasm).unwrap();
    Plugins::with(settings)?.load(&path)
}

fn without_cache(limits: Limits) -> Settings {
    Settings { compile_in: flowgate(), cache: None, ..Settings::new(limits) }
}

#[test]
fn a_good_guest_is_compiled_in_a_child() {
    let plugin = load(without_cache(Limits::default()), &fixture::plugin("", false)).unwrap();
    assert_eq!(plugin.function("f").unwrap().inputs[0][0].name, "x");
    assert_eq!(plugin.manifest().contract, "0.1.0");
    assert!(plugin.manifest().exports.iter().any(|e| e == "flowgate:plugin/transform@0.1.0"));
}

#[test]
fn what_the_child_refuses_is_told() {
    let error = load(without_cache(Limits::default()), b"garbage").err().unwrap();
    assert_eq!(error.fault, Fault::User);
    assert!(error.message.ends_with("is not WebAssembly: it does not begin with `\\0asm`"), "{error}");
}

/// A module that is large to compile: some tens of MiB of machine code.
fn large() -> Vec<u8> {
    let mut text = String::from("(func $f0 (param i32) (result i32) (local.get 0))\n");
    let step = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 3)) (i32.const 7)))".repeat(400);
    for i in 1..2_000 {
        text.push_str(&format!("(func $f{i} (param i32) (result i32) {step} (call $f{} (local.get 0)))\n", i - 1));
    }
    fixture::plugin(&text, false)
}

#[test]
fn a_component_that_takes_too_long_is_given_up() {
    let large = large();
    let limits = Limits { compile_cpu_s_max: 1, ..Limits::default() };
    let error = load(without_cache(limits), &large).err().unwrap();
    assert_eq!(error.fault, Fault::User);
    assert!(error.message.contains("more than 1 s of processor time to compile"), "{error}");
}

#[test]
fn a_component_that_takes_too_much_memory_is_given_up() {
    // Less than the program has taken before it sets its limit.
    let limits = Limits { compile_memory_bytes_max: 16 << 20, ..Limits::default() };
    let error = load(without_cache(limits), &fixture::plugin("", false)).err().unwrap();
    assert_eq!(error.fault, Fault::User);
    assert!(error.message.contains("more than 16MiB of memory to compile"), "{error}");
}

#[test]
fn an_executable_that_is_not_there_is_not_the_plugins_fault() {
    let compile_in = CompileIn::Child(Path::new("/nowhere/flowgate").into());
    let settings = Settings { compile_in, cache: None, ..Settings::new(Limits::default()) };
    let error = load(settings, &fixture::plugin("", false)).err().unwrap();
    assert_eq!(error.fault, Fault::External);
    assert!(error.message.contains("cannot compile with /nowhere/flowgate"), "{error}");
}

#[test]
fn a_compiled_plugin_comes_from_the_cache_and_a_damaged_one_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let settings = |compile_in| Settings { compile_in, cache: Some(cache.clone()), ..Settings::new(Limits::default()) };
    let wasm = fixture::plugin("", false);
    load(settings(flowgate()), &wasm).unwrap();
    // Nothing could compile now.
    let nowhere = CompileIn::Child("/nowhere/flowgate".into());
    load(settings(nowhere.clone()), &wasm).unwrap();
    for entry in std::fs::read_dir(&cache).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("key") {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    assert!(load(settings(nowhere), &wasm).is_err(), "damaged machine code must not be loaded");
    load(settings(flowgate()), &wasm).unwrap();
}

#[test]
fn without_a_cache_folder_it_works_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let settings = Settings { cache: Some(file.join("compiled")), ..without_cache(Limits::default()) };
    let plugin = load(settings, &fixture::plugin("", false)).unwrap();
    assert!(plugin.cache_note().unwrap().contains("compiled plugins are not kept"));
}
