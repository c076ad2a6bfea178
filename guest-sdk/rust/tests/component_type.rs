//! The component types that plugins carry are those of the contract in `wit/`.
//!
//! Run with `BLESS=1` to write them again after a change of the contract.

use std::path::Path;

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// One for each kind of function; for process functions a second one, if their state migrates.
const WORLDS: [&str; 5] = ["transformer", "aggregator", "joiner", "processor", "migrating-processor"];

#[test]
fn component_types_are_those_of_the_contract() {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    resolve.push_dir(sdk.join("../../wit/0.1.0")).expect("the contract parses");
    let worlds = WORLDS.map(|world| format!("world {world} {{ include flowgate:plugin/{world}@0.1.0; }}\n")).concat();
    let package =
        resolve.push_str("worlds.wit", &format!("package flowgate:sdk-worlds;\n{worlds}")).expect("the worlds parse");
    for world in WORLDS {
        let id = resolve.select_world(&[package], Some(world)).expect("the world is there");
        let encoded = wit_component::metadata::encode(&resolve, id, StringEncoding::UTF8, None).expect("it encodes");
        let file = sdk.join(format!("src/export/{world}.bin"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &encoded).expect("the file is written");
        }
        let checked_in = std::fs::read(&file).expect("the file is there");
        assert!(
            checked_in == encoded,
            "src/export/{world}.bin is not of the contract as it is now: run `BLESS=1 cargo test -p flowgate-sdk --test component_type`"
        );
    }
}

/// A plugin carries a type for each kind of function that it has. Merged, they are the plugin's world.
#[test]
fn types_of_several_kinds_are_merged() {
    // The smallest module: magic number and version; then a custom section for each type.
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for world in WORLDS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/export/{world}.bin"));
        let section =
            wasm_section(&format!("component-type:{world}"), &std::fs::read(file).expect("the file is there"));
        module.extend(section);
    }
    let (_, metadata) = wit_component::metadata::decode(&module).expect("the types go together");
    let world = &metadata.resolve.worlds[metadata.world];
    let names = |items: Vec<_>| -> Vec<String> {
        let mut names: Vec<String> = items.into_iter().map(|key| metadata.resolve.name_world_key(key)).collect();
        names.sort_unstable();
        names
    };
    let own =
        |names: &[&str]| -> Vec<String> { names.iter().map(|name| format!("flowgate:plugin/{name}@0.1.0")).collect() };
    assert_eq!(
        names(world.exports.keys().collect()),
        own(&["aggregate", "join", "migrate", "operator", "process", "transform"])
    );
    let imports = ["columns", "context", "files", "log", "metrics", "output", "state", "timers"];
    let imported = names(world.imports.keys().collect());
    assert!(own(&imports).iter().all(|import| imported.contains(import)), "{imported:?}");
}

/// A custom section of a WebAssembly module.
fn wasm_section(name: &str, content: &[u8]) -> Vec<u8> {
    fn leb128(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }
    let body = [leb128(name.len()), name.as_bytes().to_vec(), content.to_vec()].concat();
    [vec![0], leb128(body.len()), body].concat()
}
