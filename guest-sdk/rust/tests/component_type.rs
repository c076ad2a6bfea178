//! The component types that plugins carry are those of the contract in `wit/`.
//!
//! Run with `BLESS=1` to write them anew after a change of the contract.

use std::path::Path;

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// The kinds that the SDK serves, alone and together.
const WORLDS: &str = "
    package flowgate:sdk-worlds;
    world transformer { include flowgate:plugin/transformer@0.1.0; }
    world aggregator { include flowgate:plugin/aggregator@0.1.0; }
    world both { include flowgate:plugin/transformer@0.1.0; include flowgate:plugin/aggregator@0.1.0; }
";

#[test]
fn component_types_are_those_of_the_contract() {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    resolve.push_dir(sdk.join("../../wit/0.1.0")).expect("the contract parses");
    let package = resolve.push_str("worlds.wit", WORLDS).expect("the worlds parse");
    for world in ["transformer", "aggregator", "both"] {
        let id = resolve.select_world(&[package], Some(world)).expect("the world is there");
        let encoded =
            wit_component::metadata::encode(&resolve, id, StringEncoding::UTF8, None, false).expect("it encodes");
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
