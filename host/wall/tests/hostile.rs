//! Hostile guests against the wall: each test has one guest, what it tries, and what the host says. After each, a good
//! call still works, and nothing took longer than its deadline.

#[path = "hostile/aggregates.rs"]
mod aggregates;
#[path = "hostile/calls.rs"]
mod calls;
#[path = "hostile/migrations.rs"]
mod migrations;
#[path = "hostile/recorded.rs"]
mod recorded;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray};
use flowgate_base::schema::{DataType, Field, Schema};
use flowgate_wall::binding::OpenRequest;
use flowgate_wall::{
    Answer, CallContext, CompileIn, Function, GuestLog, Limits, LogLevel, Plugin, Plugins, RowFailure, Selection,
    Settings, VarValues,
};

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
        assert_eq!(e.fault(), flowgate_base::error::Fault::User, "a plugin's mistake is the user's: {e:?}");
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
    let plugin = load_bytes(plugins, &flowgate_hostile::plugin("", false)).unwrap();
    let answer = open(&plugin).unwrap().transform(&column(0..100), 100, &CallContext::default()).unwrap();
    assert_eq!(answer.outputs[0].selection, Selection::All);
    assert_eq!(answer.outputs[0].columns[0].as_string::<i32>().len(), 100);
    assert!(answer.failures.is_empty());
}

/// Runs a hostile transform over these rows.
fn transform(name: &str, rows: std::ops::Range<i64>) -> (Answer, Duration) {
    let plugins = plugins();
    let plugin = load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines(name), false)).unwrap();
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
    let message = match load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines(name), false)) {
        Ok(_) => panic!("{name} was loaded"),
        Err(message) => message,
    };
    assert!(message.contains(expected), "`{message}` should say `{expected}`");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_host_is_well(&plugins);
}

fn does_not_open(name: &str, expected: &str) {
    let plugins = plugins();
    let plugin = load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines(name), false)).unwrap();
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

#[test]
fn traps() {
    both_rows_fail("trap", "trapped: `unreachable` instruction executed in apply");
}

#[test]
fn one_poison_row_among_many_is_found() {
    let (answer, _) = transform("trap_on_poison", 0..1000);
    let expected: Vec<u32> = (0..1000).filter(|row| *row != 13).collect();
    assert_eq!(answer.outputs[0].selection, Selection::Rows(expected));
    assert_eq!(answer.outputs[0].columns[0].len(), 999);
    assert_eq!(answer.failures.len(), 1);
    assert_eq!(answer.failures[0].row, 13);
    assert!(answer.failures[0].message.starts_with("trapped: "), "{:?}", answer.failures);
}

#[test]
fn a_row_that_loops_is_found_in_a_few_deadlines() {
    let (answer, took) = transform("loop_on_poison", 0..1000);
    assert_eq!(answer.failures.len(), 1);
    assert_eq!(answer.failures[0], RowFailure { row: 13, message: "did not finish within 200ms".into() });
    assert!(took < DEADLINE * 10, "{took:?}");
}

#[test]
fn loops_for_ever_also_inside_of_bulk_instructions_and_of_realloc() {
    for name in ["loop", "loop_in_fill", "loop_in_copy", "loop_in_realloc"] {
        let took = both_rows_fail(name, "did not finish within 200ms");
        // One call over both rows and one over each.
        assert!(took < DEADLINE * 3 + Duration::from_secs(1), "{name}: {took:?}");
    }
}

#[test]
fn never_starts() {
    does_not_load("loop_in_start", "does not start: did not finish within 1s");
}

#[test]
fn never_describes() {
    does_not_load("loop_in_describe", "cannot say which functions it has: did not finish within 1s");
}

#[test]
fn never_opens() {
    does_not_open("loop_in_open", "`f` cannot be opened: did not finish within 1s");
}

#[test]
fn recurses_without_end() {
    both_rows_fail("recursion", "trapped: call stack exhausted");
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn grows_memory_without_end() {
    both_rows_fail("grow_memory", "grew beyond 64MiB of memory");
    // The pages of the instances that ended are returned. Other tests run at the same time.
    assert!(resident_bytes() < 1 << 30);
}

#[test]
fn grows_a_table_without_end() {
    both_rows_fail("grow_table", "grew its tables beyond 50000 elements");
}

#[test]
fn has_too_much_memory_from_the_start() {
    does_not_load("large_memory", "1073741824");
}

#[test]
fn lies_about_its_columns() {
    for (name, expected) in [
        ("wrong_type", "column `y`: returned int64s where its binding says text"),
        ("other_columns", "returned 0 columns where its binding has 1"),
        ("other_outputs", "returned 0 outputs where its binding has 1"),
        ("wrong_case", "unexpected discriminant"),
        ("validity_of_required", "has a validity, but its binding says that every row has a value"),
    ] {
        both_rows_fail(name, expected);
    }
}

#[test]
fn returns_wrong_lengths_and_offsets() {
    for (name, expected) in [
        ("short_column", "values for"),
        ("offsets_beyond", "has offsets that end at 1000, and 0 bytes of data"),
        ("offsets_decrease", "has offsets that"),
    ] {
        both_rows_fail(name, expected);
    }
}

#[test]
fn returns_text_that_is_not_utf8() {
    both_rows_fail("bad_utf8", "has text that is not UTF-8");
}

#[test]
fn splits_a_character_between_two_rows() {
    // The data as a whole is UTF-8: it shows only at the offset. A single row has half a character.
    both_rows_fail("split_character", "has text that is not UTF-8");
}

#[test]
fn returns_more_than_it_may() {
    both_rows_fail("huge_text", "out of bounds");
    both_rows_fail("huge_output", "returned more than 64MiB of data");
    both_rows_fail("empty_lists", "returned more than 64MiB of data");
}

#[test]
fn returns_pointers_out_of_range() {
    both_rows_fail("pointer_out_of_range", "out of bounds");
    both_rows_fail("answer_out_of_range", "trapped: ");
    both_rows_fail("realloc_out_of_range", "realloc return: beyond end of memory");
}

#[test]
fn returns_rows_that_there_are_not() {
    both_rows_fail("selection_out_of_range", "selected row 1000000 of 1");
    both_rows_fail("failure_out_of_range", "failed row 1000000 of 1");
}

#[test]
fn contradicts_itself_about_a_row() {
    both_rows_fail("failed_twice", "failed row 0 twice");
    both_rows_fail("failed_and_selected", "failed row 0 and selected it as well");
}

#[test]
fn messages_are_cut_and_safe_to_show() {
    let (answer, _) = transform("terminal_escape", 0..3);
    assert_eq!(answer.failures.len(), 3);
    for failure in answer.failures {
        assert!(failure.message.starts_with("\\u{1b}[31mred x"), "{}", failure.message);
        assert!(failure.message.len() <= 4_096);
    }
}

#[test]
fn gives_up() {
    let plugins = plugins();
    let plugin = load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines("gives_up"), false)).unwrap();
    let mut function = open(&plugin).unwrap();
    let error = function.transform(&column(0..2), 2, &CallContext::default()).unwrap_err();
    assert_eq!(error.fault(), flowgate_base::error::Fault::User);
    assert_eq!(error.message, "function `f` gave up: no\\u{1b}[2J luck ");
    assert_eq!(error.code.to_string(), "FG0224");
    assert_host_is_well(&plugins);
}

#[test]
fn floods_the_log() {
    let lines = Arc::new(Lines::default());
    // A call that logs this much takes longer than the others.
    let limits = Limits { deadline_ms: 10_000, ..limits() };
    let plugins = Plugins::with(Settings { log: lines.clone(), ..settings(limits) }).unwrap();
    let plugin = load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines("log_flood"), false)).unwrap();
    let start = Instant::now();
    open(&plugin).unwrap().transform(&column(0..2), 2, &CallContext::default()).unwrap();
    let seconds = start.elapsed().as_secs() as usize + 2;
    let lines = lines.0.lock().unwrap();
    assert!(lines.len() <= 2 * seconds, "{} lines in {seconds} s", lines.len());
    assert_eq!(lines[0], "hostile: warn: \\u{1b}[31mflood");
    assert!(lines[1].starts_with("hostile: warn: the last line came "), "{}", lines[1]);
}

/// An error that is logged last is why a call traps: the row's message, and no line of the log. Where no trap follows, it is one.
#[test]
fn says_why_it_traps() {
    let lines = Arc::new(Lines::default());
    let plugins = Plugins::with(Settings { log: lines.clone(), ..settings(limits()) }).unwrap();
    let plugin =
        load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines("last_words"), false)).unwrap();
    let rows = column([12, 13]);
    let answer = open(&plugin).unwrap().transform(&rows, 2, &CallContext::default()).unwrap();
    assert_eq!(answer.failures, [RowFailure { row: 1, message: "said last".into() }]);
    assert_eq!(*lines.0.lock().unwrap(), ["hostile: error: said last"], "of the call over the first row alone");
}

#[test]
fn floods_the_metrics() {
    let lines = Arc::new(Lines::default());
    let plugins = Plugins::with(Settings { log: lines.clone(), ..settings(limits()) }).unwrap();
    let plugin =
        load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines("metric_flood"), false)).unwrap();
    let mut function = open(&plugin).unwrap();
    function.transform(&column(0..2), 2, &CallContext::default()).unwrap();
    let metrics = function.metrics();
    assert_eq!(metrics.len(), 100);
    assert_eq!(metrics.get("m099"), Some(&flowgate_wall::Metric::Counter(7)));
    assert_eq!(lines.0.lock().unwrap().len(), 1, "one line says that names are dropped");
}

#[test]
fn uses_state_in_a_transform() {
    both_rows_fail("state_in_transform", "called `state.get-all`, which only process functions may use");
}

#[test]
fn describes_what_is_not_right() {
    for (name, expected) in [
        ("describes_nothing", "describes no function"),
        ("describes_twice", "describes two functions named `f`"),
        ("describes_unserved", "describes `f` as aggregate, but does not export the interface `aggregate`"),
        ("describes_bad_name", "a name has 1 to 64 letters"),
        ("describes_bad_schema", "its config schema is not a JSON Schema"),
        ("describes_endless_schema", "its config schema refers to itself"),
        ("describes_without_end", "out of bounds"),
        ("describes_large", "cannot say which functions it has"),
        ("describes_forking_schema", "its config schema is too entangled"),
        ("describes_many_values", "describes config schemas of about 65537 JSON values; 50000 is the most"),
    ] {
        does_not_load(name, expected);
    }
}

#[test]
fn binds_what_is_not_right() {
    for (name, expected) in [
        ("binds_missing", "reads a column `y` that is not there; there are: x: int64"),
        ("binds_other_type", "reads column `x` as text, but it is int64"),
        ("binds_no_output", "binds 0 outputs"),
        ("binds_twice", "has two columns named `y`"),
    ] {
        does_not_open(name, expected);
    }
}

#[test]
fn refuses_to_open_for_many_reasons() {
    does_not_open("refuses_to_open", "and 100 more problems");
}

#[test]
fn binds_other_columns_after_a_trap() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("g");
    std::fs::write(&file, "0").unwrap();
    let plugins = plugins();
    let plugin =
        load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines("changes_binding"), false)).unwrap();
    let request = OpenRequest { files: BTreeMap::from([("g".into(), file.clone())]), ..request() };
    let mut function = Function::open(&plugin, request).unwrap();
    std::fs::write(&file, "1").unwrap();
    let error = function.transform(&column(0..2), 2, &CallContext::default()).unwrap_err();
    assert!(error.message.contains("it binds other columns than before"), "{}", error.message);
    assert_host_is_well(&plugins);
}

/// What was found before the search gave up counts.
#[test]
fn more_traps_than_the_search_may_take_end_the_operator_behind_what_was_found() {
    let plugins = Plugins::with(settings(Limits { traps_per_batch_max: 100, ..limits() })).unwrap();
    let plugin = load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines("trap"), false)).unwrap();
    let answer = open(&plugin).unwrap().transform(&column(0..1000), 1000, &CallContext::default()).unwrap();
    let error = answer.gave_up.expect("it gives up");
    assert_eq!(error.fault(), flowgate_base::error::Fault::User);
    assert!(error.message.contains("too many rows fail") && error.message.contains("unreachable"), "{error}");
    assert_eq!(error.code.to_string(), "FG0226");
    assert!(answer.failures.len() > 40, "{} rows were found", answer.failures.len());
}

#[test]
fn gives_a_row_a_million_times() {
    both_rows_fail("amplifies", "returned 1000001 rows; 1000000 is the most for one call");
}

/// Goal: what the host holds of the answers to one batch is bounded, however many calls they come from. Method: a guest that
/// traps unless it is called for a single row, which it answers with 60 MB.
#[test]
fn gives_much_for_each_of_many_rows() {
    let plugins = Plugins::with(settings(Limits { deadline_ms: 10_000, ..limits() })).unwrap();
    let plugin =
        load_bytes(&plugins, &flowgate_hostile::plugin(&flowgate_hostile::lines("much_for_each_row"), false)).unwrap();
    let before = resident_bytes();
    let answer = open(&plugin).unwrap().transform(&column(0..100), 100, &CallContext::default()).unwrap();
    let error = answer.gave_up.expect("it gives up");
    assert!(error.message.contains("more than 4000000 rows or 256MiB"), "{error}");
    let Selection::Rows(rows) = &answer.outputs[0].selection else { panic!("not all rows were answered") };
    assert_eq!(rows[..], [0, 1, 2, 3, 4], "rows so far count");
    assert!(resident_bytes().saturating_sub(before) < 1 << 30);
    assert_host_is_well(&plugins);
}

#[test]
fn is_no_component() {
    let plugins = plugins();
    let large = Plugins::with(settings(Limits { component_bytes_max: 1000, ..limits() })).unwrap();
    let message = |plugins: &Plugins, bytes: &[u8]| load_bytes(plugins, bytes).err().expect("it must not load");
    assert!(message(&plugins, b"garbage").contains("is not WebAssembly"));
    assert!(message(&plugins, b"").contains("is not WebAssembly"));
    assert_eq!(message(&large, &[0; 1001]), "has 1001 bytes; a plugin has at most 1000");
    let unknown = flowgate_hostile::plugin("", false);
    let cut = &unknown[..unknown.len() / 2];
    assert!(message(&plugins, cut).contains("WebAssembly"), "{}", message(&plugins, cut));
    let other = wat::parse_str(r#"(component (import "acme:db/query@1.0.0" (instance)))"#).unwrap();
    assert!(message(&plugins, &other).contains("imports `acme:db/query@1.0.0`, which no host of plugins has"));
    let wasi = wat::parse_str(r#"(component (import "wasi:cli/exit@0.2.0" (instance)))"#).unwrap();
    assert!(message(&plugins, &wasi).contains("there is no WASI in the sandbox"));
    let mistyped = wat::parse_str(
        r#"(component
            (import "flowgate:plugin/log@0.1.0" (instance (export "log" (func (param "level" u8)))))
            (instance $i) (export "flowgate:plugin/operator@0.1.0" (instance $i)))"#,
    );
    assert!(message(&plugins, &mistyped.unwrap()).contains("does not fit the plugin contract"));
    assert_host_is_well(&plugins);
}
