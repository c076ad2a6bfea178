//! A plugin with state, in several versions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::folder::Folder;

/// The rows of ten keys, counted by a function with state.
pub const COUNTED: &str = "\
job: counted
sources:
  a:
    generator: { rate: 2000, batch_rows: 100, columns: { k: { int: { min: 0, max: 9 } }, n: { sequence: {} } } }
operators:
  counted: { input: a, key: [k], plugin: counter, function: count }
sinks:
  out: { input: counted, file: { path: out/, format: json } }
";

/// A function that counts the rows of each key, with a state slot of version 1. Its rows have its version.
const FIRST: &str = r#"
use flowgate_sdk::{Context, Failure, Process, Row, State, Value};

#[derive(Row)]
struct Numbered { n: i64 }

#[derive(Row)]
#[row(passthrough)]
struct Counted { count: f64, version: i64 }

#[derive(State)]
struct Kept {
    rows: Value<i64>,
}

#[flowgate_sdk::config]
struct Count;

/// Counts the rows of each key.
#[flowgate_sdk::process]
impl Process for Count {
    type Row<'a> = Numbered;
    type State = Kept;
    type Output = Counted;

    fn on_row(&self, row: Numbered, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let _ = row.n;
        let count = ctx.state.rows.get().copied().unwrap_or_default() + 1;
        ctx.state.rows.set(count);
        ctx.emit(Counted { count: count as f64, version: 1 });
        Ok(())
    }
}

flowgate_sdk::plugin! { processes: [Count] }
"#;

/// The next version keeps halves: it reads version 1, but no count over the limit.
fn halves(limit: u32) -> String {
    let kept = "#[state(version = 2, migrate(1 = halves))]\n    rows: Value<f64>,";
    let halves = format!(
        "fn halves(rows: i64) -> Result<f64, Failure> {{\n    if rows > {limit} {{ return Err(Failure::new(\"too many rows\")); }}\n    \
         Ok(rows as f64 / 2.0)\n}}\n\n#[derive(State)]"
    );
    let count = FIRST
        .replace("rows: Value<i64>,", kept)
        .replace("#[derive(State)]", &halves)
        .replace("version: 1 }", "version: 2 }");
    count.replace("unwrap_or_default() + 1", "unwrap_or_default() + 0.5").replace("count as f64", "count * 2.0")
}

/// A version of the plugin `counter`, whose process function `count` emits for each row the number of rows of its key, `count`, and
/// its own `version`, 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Version 1.
    First,
    /// Version 2, which keeps halves and migrates the state of version 1.
    Second,
    /// Version 2, which migrates no value.
    Picky,
    /// Version 1, with `release` in the place of the column `version`.
    OtherColumn,
    /// Version 1, which fails every second row.
    Failing,
}

impl Counter {
    fn source(self) -> String {
        match self {
            Counter::First => FIRST.to_string(),
            Counter::Second => halves(1_000_000_000),
            Counter::Picky => halves(0),
            Counter::OtherColumn => {
                FIRST.replace("version: i64 }", "release: i64 }").replace("version: 1 }", "release: 1 }")
            }
            Counter::Failing => {
                FIRST.replace("let _ = row.n;", "if row.n % 2 == 0 { return Err(Failure::new(\"an even number\")); }")
            }
        }
    }

    /// Returns its component. A process compiles each once.
    ///
    /// # Panics
    /// If it cannot be compiled.
    pub fn component(self) -> Vec<u8> {
        let mut compiled = COMPILED.lock().expect("no test goes on behind a failure to compile");
        compiled.entry(self).or_insert_with(|| self.compile()).clone()
    }

    fn compile(self) -> Vec<u8> {
        let folder = Folder::with_job("");
        folder.flowgate(&["plugin", "new", "counter"]).run().expect(0);
        folder.write("counter/src/lib.rs", self.source());
        let build = folder.flowgate(&["plugin", "build", "counter", "-o", "counter.wasm"]);
        build.deadline(Duration::from_secs(300)).run().expect(0);
        std::fs::read(folder.join("counter.wasm")).expect("it was built")
    }
}

static COMPILED: Mutex<BTreeMap<Counter, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// Checks what a `file` sink has written into a folder, as JSON: each count of each key `k` came once, and versions came in this order.
/// Returns the rows of each version.
///
/// # Panics
/// If a row is lost or there twice, or a version came back.
#[track_caller]
pub fn counted(folder: &Path, versions: &[i64]) -> BTreeMap<i64, usize> {
    let mut of_keys: BTreeMap<i64, BTreeMap<i64, i64>> = BTreeMap::new();
    let mut of_versions = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the sink has written") {
        let path = entry.expect("a folder").path();
        // The job was stopped, so that its last part is not full: it begins with a dot.
        if !path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("part-")) {
            continue;
        }
        for line in std::fs::read_to_string(&path).expect("a part is readable").lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("no {name}: {line}")) as i64;
            let (key, count, version) = (number("k"), number("count"), number("version"));
            *of_versions.entry(version).or_default() += 1;
            let twice = of_keys.entry(key).or_default().insert(count, version);
            assert_eq!(twice, None, "key {key} has the count {count} twice");
        }
    }
    for (key, counts) in of_keys {
        assert!(counts.keys().copied().eq(1..=counts.len() as i64), "key {key}: a count is lost");
        let places =
            counts.values().map(|version| versions.iter().position(|of| of == version).expect("a version of the test"));
        assert!(places.is_sorted(), "key {key}: a version came back");
    }
    of_versions
}
