//! Compilation in a limited child of the `flowgate` program, and the cache of what it compiled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowgate_base::error::{Fault, Result};
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_wall::binding::OpenRequest;
use flowgate_wall::{CompileIn, Function, Limits, Plugin, Plugins, Settings};

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
    let plugin = load(without_cache(Limits::default()), &flowgate_hostile::plugin("", false)).unwrap();
    assert_eq!(plugin.function("f").unwrap().inputs[0][0].name, "x");
    assert_eq!(plugin.manifest().contract, "0.1.0");
    assert!(plugin.manifest().exports.iter().any(|e| e == "flowgate:plugin/transform@0.1.0"));
}

#[test]
fn what_the_child_refuses_is_told() {
    let error = load(without_cache(Limits::default()), b"garbage").err().unwrap();
    assert_eq!(error.fault(), Fault::User);
    assert!(error.message.ends_with("is not WebAssembly: it does not begin with `\\0asm`"), "{error}");
}

/// A module that is large to compile: some tens of MiB of machine code.
fn large() -> Vec<u8> {
    let mut text = String::from("(func $f0 (param i32) (result i32) (local.get 0))\n");
    let step = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 3)) (i32.const 7)))".repeat(400);
    for i in 1..2_000 {
        text.push_str(&format!("(func $f{i} (param i32) (result i32) {step} (call $f{} (local.get 0)))\n", i - 1));
    }
    flowgate_hostile::plugin(&text, false)
}

#[test]
fn a_component_that_takes_too_long_is_given_up() {
    let large = large();
    let limits = Limits { compile_cpu_s_max: 1, ..Limits::default() };
    let error = load(without_cache(limits), &large).err().unwrap();
    assert_eq!(error.fault(), Fault::User);
    assert!(error.message.contains("more than 1 s of processor time to compile"), "{error}");
}

#[test]
fn a_component_that_takes_too_much_memory_is_given_up() {
    // Less than the program has taken before it sets its limit.
    let limits = Limits { compile_memory_bytes_max: 16 << 20, ..Limits::default() };
    let error = load(without_cache(limits), &flowgate_hostile::plugin("", false)).err().unwrap();
    assert_eq!(error.fault(), Fault::User);
    assert!(error.message.contains("more than 16MiB of memory to compile"), "{error}");
}

#[test]
fn an_executable_that_is_not_there_is_not_the_plugins_fault() {
    let compile_in = CompileIn::Child(Path::new("/nowhere/flowgate").into());
    let settings = Settings { compile_in, cache: None, ..Settings::new(Limits::default()) };
    let error = load(settings, &flowgate_hostile::plugin("", false)).err().unwrap();
    assert_eq!(error.fault(), Fault::External);
    assert!(error.message.contains("cannot run /nowhere/flowgate"), "{error}");
}

#[test]
fn a_compiled_plugin_comes_from_the_cache_and_a_damaged_one_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let settings = |compile_in| Settings { compile_in, cache: Some(cache.clone()), ..Settings::new(Limits::default()) };
    let wasm = flowgate_hostile::plugin("", false);
    load(settings(flowgate()), &wasm).unwrap();
    load(settings(nowhere()), &wasm).unwrap();
    for entry in std::fs::read_dir(&cache).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("key") {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    assert!(load(settings(nowhere()), &wasm).is_err(), "damaged machine code must not be loaded");
    load(settings(flowgate()), &wasm).unwrap();
}

#[test]
fn without_a_cache_folder_it_works_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let settings = Settings { cache: Some(file.join("compiled")), ..without_cache(Limits::default()) };
    let plugin = load(settings, &flowgate_hostile::plugin("", false)).unwrap();
    assert!(plugin.cache_note().unwrap().contains("compiled plugins are not kept"));
}

/// Nothing could compile or judge now.
fn nowhere() -> CompileIn {
    CompileIn::Child("/nowhere/flowgate".into())
}

#[test]
fn a_refusal_is_remembered_and_compiled_again_within_other_limits() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        |compile_in, limits| Settings { compile_in, cache: Some(folder.path().into()), ..Settings::new(limits) };
    let (large, strict) = (large(), Limits { compile_cpu_s_max: 1, ..Limits::default() });
    let first = load(settings(flowgate(), strict.clone()), &large).err().unwrap();
    assert!(first.message.contains("1 s of processor time"), "{first}");
    let again = load(settings(nowhere(), strict), &large).err().unwrap();
    assert_eq!(again.code.to_string(), "FG0202", "as at first: {again}");
    assert!(again.message.contains("1 s of processor time"), "{again}");
    let within_others = load(settings(nowhere(), Limits::default()), &large).err().unwrap();
    assert_eq!(within_others.fault(), Fault::External, "{within_others}");
}

#[test]
fn a_plugin_that_was_refused_is_refused_again_without_another_try() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guest.wasm");
    std::fs::write(&path, b"garbage").unwrap();
    let plugins = Plugins::with(without_cache(Limits::default())).unwrap();
    let (first, again) = (plugins.load(&path).err().unwrap(), plugins.load(&path).err().unwrap());
    assert_eq!(first, again);
    std::fs::write(&path, flowgate_hostile::plugin("", false)).unwrap();
    plugins.load(&path).unwrap();
}

/// A guest whose function `f` has this config schema.
fn with_schema(schema: &serde_json::Value) -> Vec<u8> {
    let schema = schema.to_string();
    let escaped: String = schema.bytes().map(|b| format!("\\{b:02x}")).collect();
    let length: String = (schema.len() as u32).to_le_bytes().map(|b| format!("\\{b:02x}")).concat();
    flowgate_hostile::plugin(
        &format!(
            "(data (i32.const 132) \"\\01\\00\\00\\00\\00\\00\\01\\00{length}\") (data (i32.const 65536) \"{escaped}\")"
        ),
        false,
    )
}

fn open_with(plugin: &Arc<Plugin>, config: serde_json::Value) -> std::result::Result<Function, Vec<String>> {
    let inputs = vec![Schema::new(vec![Field::new("x", DataType::Int64)])];
    Function::open(
        plugin,
        OpenRequest { operator: "o".into(), function: "f".into(), config, inputs, ..Default::default() },
    )
}

#[test]
fn a_config_is_judged_in_a_child() {
    let schema = serde_json::json!({ "properties": { "n": { "type": "integer" } } });
    let plugin = load(without_cache(Limits::default()), &with_schema(&schema)).unwrap();
    open_with(&plugin, serde_json::json!({ "n": 1 })).unwrap();
    let problems = open_with(&plugin, serde_json::json!({ "n": "x" })).err().unwrap();
    assert!(problems[0].starts_with("config at /n: "), "{problems:?}");
    let wrong = serde_json::json!({ "type": "nonsense" });
    let error = load(without_cache(Limits::default()), &with_schema(&wrong)).err().unwrap();
    assert!(error.message.contains("describes `f` wrongly: its config schema is not a JSON Schema"), "{error}");
}

/// Goal: a schema that makes a validator work without end is given up. Method: a type that refers to itself twice for the
/// same member, so that each level of the config doubles the work, which the look at references cannot know.
#[test]
fn a_schema_that_takes_too_long_for_a_config_is_given_up() {
    let twice = serde_json::json!({ "allOf": [{ "$ref": "#/$defs/t" }, { "$ref": "#/$defs/t" }] });
    let schema = serde_json::json!({ "$ref": "#/$defs/t", "$defs": { "t": { "properties": { "a": twice } } } });
    let limits = Limits { judge_cpu_s_max: 1, ..Limits::default() };
    let plugin = load(without_cache(limits), &with_schema(&schema)).unwrap();
    let config = (0..50).fold(serde_json::json!({}), |config, _| serde_json::json!({ "a": config }));
    let problems = open_with(&plugin, config).err().unwrap();
    assert!(problems[0].contains("judging its config schema takes more than 1 s of processor time"), "{problems:?}");
}
