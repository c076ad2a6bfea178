//! Makes a plugin from a few lines of core WebAssembly text: definitions that the lines lack are added, so that each hostile
//! guest shows only its trick.
//!
//! The parts, by name: `$memory`, `$realloc`, `$describe`, `$open`, `$apply`, for joins `$join`, for aggregates `$update`, `$merge` and `$finish`,
//! for process functions `$batch` and `$timers`, and `$migrate`. The added definitions are a good plugin: one function `f`, which reads
//! `x: int64` and makes `y: text`, empty for every row (as an aggregate: returns accumulators unchanged; as a process function:
//! for every row and timer, with the state slots `v`, a value, `m`, a map, and `l`, a list). The answer's parts are at fixed
//! places (see `DATA`), which hostile guests may change.

use std::path::{Path, PathBuf};

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The usual worlds, which may import anything.
const WORLDS: &str = "package test:fixture;
    world transformer {
        include flowgate:plugin/transformer@0.1.0;
        import flowgate:plugin/state@0.1.0;
        import flowgate:plugin/timers@0.1.0;
    }
    world aggregator { include flowgate:plugin/aggregator@0.1.0; }
    world joiner { include flowgate:plugin/joiner@0.1.0; }
    world processor { include flowgate:plugin/processor@0.1.0; }
    world migrating-processor { include flowgate:plugin/migrating-processor@0.1.0; }";

/// Addresses and little-endian words of the good plugin's answers. Strings: `f` at 16, `x` at 17, `y` at 18.
const DATA: &[(u32, &[u32])] = &[
    (32, &[17, 1, 1]),                        // field x: int64
    (48, &[18, 1, 3]),                        // field y: text
    (64, &[32, 1]),                           // inputs: [[x]]
    (80, &[0, 0, 48, 1, 0]),                  // output: "", [y], no passthrough
    (112, &[16, 1, 0, 0, 0, 0, 0, 0, 64, 1]), // function: f, transform, "", no schema, inputs
    (160, &[112, 1]),                         // describe: [function]
    (176, &[0, 64, 1, 80, 1, 0, 0]),          // open: ok, inputs, outputs, no state
    (256, &[0, 288, 1, 0, 0]),                // apply: ok, outputs, no failures
    (288, &[0, 0, 0, 320, 1]),                // rows-out: all, columns
    (320, &[3, 4096, 0, 0, 0, 0, 0, 0]),      // column: texts, offsets, data, no validity
    (416, &[20, 1, 0, 1, 0, 0, 0, 0]),        // slot v: value
    (448, &[21, 1, 1, 1, 0, 0, 0, 0]),        // slot m: map
    (480, &[22, 1, 2, 1, 0, 0, 0, 0]),        // slot l: list
    (384, &[0, 0, 0, 0, 0, 0, 0]),            // update, merge, finish and migrate write their answers here
];

const PARTS: &[(&str, &str)] = &[
    ("(memory $memory", r#"(memory $memory 4)"#),
    ("(global $top", "(global $top (mut i32) (i32.const 8192))"),
    (
        "(func $realloc",
        "(func $realloc (param i32 i32 i32 i32) (result i32)
            (global.set $top (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
            (global.get $top)
            (global.set $top (i32.add (global.get $top) (local.get 3))))",
    ),
    ("(func $describe", "(func $describe (result i32) (i32.const 160))"),
    ("(func $open", "(func $open (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 176))"),
    (
        "(func $apply",
        "(func $apply (param $rows i32) (param i32 i32) (result i32)
            (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
            (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
            (global.set $top (i32.const 8192))
            (i32.const 256))",
    ),
];

const PROCESS_PARTS: &[(&str, &str)] = &[
    (
        "(func $batch",
        "(func $batch (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $all (local.get 6)))",
    ),
    ("(func $timers", "(func $timers (param i32 i32 i32 i32 i32) (result i32) (call $all (local.get 4)))"),
    (
        "(func $all",
        "(func $all (param $rows i32) (result i32)
            (memory.fill (i32.const 1024) (i32.const 0) (i32.const 6144))
            (i32.store (i32.const 324) (i32.const 1024))
            (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
            (global.set $top (i32.const 8192))
            (i32.const 256))",
    ),
];

/// Returns the values unchanged.
const MIGRATE_PARTS: &[(&str, &str)] = &[(
    "(func $migrate",
    "(func $migrate (param i32 i32 i32) (param $offsets i32) (param $count i32) (param $data i32) (param $bytes i32)
        (result i32)
        (i32.store (i32.const 388) (local.get $offsets)) (i32.store (i32.const 392) (local.get $count))
        (i32.store (i32.const 396) (local.get $data)) (i32.store (i32.const 400) (local.get $bytes))
        (global.set $top (i32.const 8192))
        (i32.const 384))",
)];

const AGGREGATE_PARTS: &[(&str, &str)] = &[
    (
        "(func $update",
        "(func $update (param $offsets i32) (param $count i32) (param $data i32) (param $bytes i32)
            (param i32 i32 i32 i32 i32) (result i32)
            (call $accumulators (local.get $offsets) (local.get $count) (local.get $data) (local.get $bytes)))",
    ),
    (
        "(func $merge",
        "(func $merge (param $offsets i32) (param $count i32) (param $data i32) (param $bytes i32)
            (param i32 i32 i32 i32) (result i32)
            (call $accumulators (local.get $offsets) (local.get $count) (local.get $data) (local.get $bytes)))",
    ),
    (
        "(func $finish",
        "(func $finish (param i32) (param $count i32) (param i32 i32) (result i32)
            (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
            (i32.store (i32.const 328) (local.get $count))
            (i32.store (i32.const 388) (i32.const 320))
            (i32.store (i32.const 392) (i32.const 1))
            (global.set $top (i32.const 8192))
            (i32.const 384))",
    ),
    (
        "(func $accumulators",
        "(func $accumulators (param i32 i32 i32 i32) (result i32)
            (i32.store (i32.const 388) (local.get 0)) (i32.store (i32.const 392) (local.get 1))
            (i32.store (i32.const 396) (local.get 2)) (i32.store (i32.const 400) (local.get 3))
            (global.set $top (i32.const 8192))
            (i32.const 384))",
    ),
];

/// The kind of the one function.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Transform,
    Aggregate,
    Join,
    Process,
    /// A process function that migrates its state.
    Migrating,
}

/// Returns the core WebAssembly text of a whole plugin. `lines` come first, because imports must.
fn module(lines: &str, kind: Kind) -> String {
    let mut text = format!("(module\n{lines}\n");
    let own: &[&[(&str, &str)]] = match kind {
        Kind::Transform | Kind::Join => &[],
        Kind::Aggregate => &[AGGREGATE_PARTS],
        Kind::Process => &[PROCESS_PARTS],
        Kind::Migrating => &[PROCESS_PARTS, MIGRATE_PARTS],
    };
    for (mark, part) in PARTS.iter().chain(own.iter().copied().flatten()) {
        if !lines.contains(mark) {
            text.push_str(part);
        }
    }
    let mut data = vec![(16, b"fxy".to_vec()), (20, b"vml".to_vec())];
    for (address, words) in DATA {
        data.push((*address, words.iter().flat_map(|w| w.to_le_bytes()).collect()));
    }
    match kind {
        Kind::Transform => {}
        Kind::Aggregate => data.push((120, vec![1])),
        // Two inputs, which are the same.
        Kind::Join => {
            data.extend([(72, vec![32, 0, 0, 0, 1, 0, 0, 0]), (120, vec![2]), (148, vec![2]), (184, vec![2])]);
        }
        Kind::Process | Kind::Migrating => data.extend([(120, vec![3]), (196, vec![160, 1, 0, 0, 3, 0, 0, 0])]),
    }
    // Before the lines' own data, which may overwrite it.
    let mut segments = String::new();
    for (address, bytes) in data {
        let escaped: String = bytes.iter().map(|b| format!("\\{b:02x}")).collect();
        segments.push_str(&format!("(data (i32.const {address}) \"{escaped}\")\n"));
    }
    let text = text.replacen("(module\n", &format!("(module\n{segments}"), 1);
    let mut text = text;
    let mut exports = vec![("memory", "memory $memory"), ("cabi_realloc", "func $realloc")];
    exports.push(("flowgate:plugin/operator@0.1.0#describe", "func $describe"));
    exports.push(("flowgate:plugin/operator@0.1.0#open", "func $open"));
    exports.extend_from_slice(match kind {
        Kind::Transform => &[("flowgate:plugin/transform@0.1.0#apply", "func $apply")],
        Kind::Aggregate => &[
            ("flowgate:plugin/aggregate@0.1.0#update", "func $update"),
            ("flowgate:plugin/aggregate@0.1.0#merge", "func $merge"),
            ("flowgate:plugin/aggregate@0.1.0#finish", "func $finish"),
        ],
        Kind::Join => &[("flowgate:plugin/join@0.1.0#apply", "func $join")],
        Kind::Process | Kind::Migrating => &[
            ("flowgate:plugin/process@0.1.0#on-batch", "func $batch"),
            ("flowgate:plugin/process@0.1.0#on-timers", "func $timers"),
        ],
    });
    if kind == Kind::Migrating {
        exports.push(("flowgate:plugin/migrate@0.1.0#migrate", "func $migrate"));
    }
    for (name, item) in exports {
        text.push_str(&format!("(export \"{name}\" ({item}))\n"));
    }
    text.push(')');
    text
}

/// Returns a core module with embedded component type, as toolchains make it.
pub fn plugin(lines: &str, aggregate: bool) -> Vec<u8> {
    component(lines, if aggregate { Kind::Aggregate } else { Kind::Transform })
}

/// What a guest has that makes `y: int64`: its values are at 1 MiB, and columns pass through. `$y` sets one, `$answer` answers with this many.
pub const MAKES_Y: &str = r#"
    (memory $memory 700)
    (data (i32.const 56) "\01") (data (i32.const 96) "\01")
    (func $answer (param $rows i32) (result i32)
        (i32.store (i32.const 320) (i32.const 1))
        (i32.store (i32.const 324) (i32.const 1048576))
        (i32.store (i32.const 328) (local.get $rows))
        (global.set $top (i32.const 8192))
        (i32.const 256))
    (func $y (param $row i32) (param $value i64)
        (i64.store (i32.add (i32.const 1048576) (i32.mul (local.get $row) (i32.const 8))) (local.get $value)))
"#;

/// Returns a transform whose `y` is what the expression `y` leaves, which has the row's `$x`.
pub fn made_of(y: &str) -> Vec<u8> {
    let lines = format!(
        "{MAKES_Y}
        (func $of (param $x i64) (result i64) {y})
        (func $apply (param $rows i32) (param $columns i32) (param i32) (result i32) (local $i i32)
            (block $done (loop $next
                (br_if $done (i32.eq (local.get $i) (local.get $rows)))
                (call $y (local.get $i) (call $of (i64.load
                    (i32.add (i32.load offset=4 (local.get $columns)) (i32.mul (local.get $i) (i32.const 8))))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))
            (call $answer (local.get $rows)))"
    );
    plugin(&lines, false)
}

/// Returns the same for a join function, which is `$join`.
pub fn join_plugin(lines: &str) -> Vec<u8> {
    component(lines, Kind::Join)
}

/// Returns the same for a process function.
pub fn process_plugin(lines: &str) -> Vec<u8> {
    component(lines, Kind::Process)
}

/// Returns the same for a process function that migrates its state.
pub fn migrating_plugin(lines: &str) -> Vec<u8> {
    component(lines, Kind::Migrating)
}

fn component(lines: &str, kind: Kind) -> Vec<u8> {
    let text = module(lines, kind);
    let mut wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/0.1.0");
    resolve.push_dir(wit).expect("the contract parses");
    let package = resolve.push_str("fixture.wit", WORLDS).expect("the worlds parse");
    let world = match kind {
        Kind::Transform => "transformer",
        Kind::Aggregate => "aggregator",
        Kind::Join => "joiner",
        Kind::Process => "processor",
        Kind::Migrating => "migrating-processor",
    };
    let world = resolve.select_world(&[package], Some(world)).expect("there is this world");
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8).expect("the type can be embedded");
    wasm
}

/// Returns the lines of `tests/hostile/components/NAME.wat`.
pub fn lines(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "components", &format!("{name}.wat")].iter().collect();
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
