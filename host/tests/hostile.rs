//! Hostile guests against the wall: each test has one guest, what it tries, and what the host says. After each, a good
//! call still works, and nothing took longer than its deadline.

#[path = "hostile/fixture.rs"]
mod fixture;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray};
use flowgate::plugin::binding::OpenRequest;
use flowgate::plugin::{
    Answer, CallContext, CompileIn, Function, GuestLog, Limits, LogLevel, Plugin, Plugins, RowFailure, Selection,
    Settings,
};
use flowgate::schema::{DataType, Field, Schema};

/// Short, so that a test which loops is quick; long enough for a busy machine.
const DEADLINE: Duration = Duration::from_millis(200);

fn limits() -> Limits {
    Limits { deadline_ms: DEADLINE.as_millis() as u64, open_deadline_ms: 1_000, ..Limits::default() }
}

fn settings(limits: Limits) -> Settings {
    Settings {
        compile_in: CompileIn::ThisProcess,
        cache: None,
        log: Arc::new(Lines::default()),
        ..Settings::new(limits)
    }
}

/// Keeps log lines.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl GuestLog for Lines {
    fn line(&self, operator: &str, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push(format!("{operator}: {}: {message}", level.name()));
    }
}

fn load_bytes(plugins: &Plugins, wasm: &[u8]) -> Result<Arc<Plugin>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guest.wasm");
    std::fs::write(&path, wasm).unwrap();
    plugins.load(&path).map_err(|e| {
        assert_eq!(e.fault, flowgate::error::Fault::User, "a plugin's mistake is the user's: {e:?}");
        let prefix = format!("plugin {}: ", path.display());
        e.message.strip_prefix(&prefix).expect("the message names the file").to_string()
    })
}

fn request() -> OpenRequest {
    OpenRequest {
        operator: "hostile".into(),
        function: "f".into(),
        config: serde_json::json!({}),
        inputs: vec![Schema::new(vec![Field::new("x", DataType::Int64)])],
        files: BTreeMap::new(),
    }
}

fn plugins() -> Plugins {
    Plugins::with(settings(limits())).unwrap()
}

fn open(plugin: &Arc<Plugin>) -> Result<Function, String> {
    Function::open(plugin, request()).map_err(|problems| problems.join("; "))
}

fn column(rows: impl IntoIterator<Item = i64>) -> Vec<ArrayRef> {
    vec![Arc::new(Int64Array::from_iter_values(rows))]
}

/// Another function of the same process works.
fn assert_host_is_well(plugins: &Plugins) {
    let plugin = load_bytes(plugins, &fixture::plugin("", false)).unwrap();
    let answer = open(&plugin).unwrap().transform(&column(0..100), 100, &CallContext::default()).unwrap();
    assert_eq!(answer.outputs[0].selection, Selection::All);
    assert_eq!(answer.outputs[0].columns[0].as_string::<i32>().len(), 100);
    assert!(answer.failures.is_empty());
}

/// Runs a hostile transform over these rows.
fn transform(name: &str, rows: std::ops::Range<i64>) -> (Answer, Duration) {
    let plugins = plugins();
    let plugin = load_bytes(&plugins, &fixture::plugin(&fixture::lines(name), false)).unwrap();
    let mut function = open(&plugin).unwrap();
    let count = rows.clone().count();
    let start = Instant::now();
    let answer = function.transform(&column(rows), count, &CallContext::default()).unwrap();
    let took = start.elapsed();
    assert_host_is_well(&plugins);
    (answer, took)
}

/// A transform that is hostile on every row: each of two rows fails with this message.
fn both_rows_fail(name: &str, expected: &str) -> Duration {
    let (answer, took) = transform(name, 0..2);
    assert_eq!(answer.outputs[0].selection, Selection::Rows(vec![]));
    let rows: Vec<u32> = answer.failures.iter().map(|f| f.row).collect();
    assert_eq!(rows, [0, 1]);
    for RowFailure { message, .. } in &answer.failures {
        assert!(message.contains(expected), "`{message}` should say `{expected}`");
    }
    took
}

fn does_not_load(name: &str, expected: &str) {
    let plugins = plugins();
    let start = Instant::now();
    let message = match load_bytes(&plugins, &fixture::plugin(&fixture::lines(name), false)) {
        Ok(_) => panic!("{name} was loaded"),
        Err(message) => message,
    };
    assert!(message.contains(expected), "`{message}` should say `{expected}`");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_host_is_well(&plugins);
}

fn does_not_open(name: &str, expected: &str) {
    let plugins = plugins();
    let plugin = load_bytes(&plugins, &fixture::plugin(&fixture::lines(name), false)).unwrap();
    let start = Instant::now();
    let message = match open(&plugin) {
        Ok(_) => panic!("{name} was opened"),
        Err(message) => message,
    };
    assert!(message.contains(expected), "`{message}` should say `{expected}`");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_host_is_well(&plugins);
}

#[test]
fn a_good_guest_works() {
    assert_host_is_well(&plugins());
}
