//! JSON lines and CSV: what is a row, what fails, and the messages.

use crate::Connector;
use crate::problem::Problem;
use crate::source::ConfiguredSource;
use crate::test_reading::{Outcome, read_split};

fn connector(path: &std::path::Path, settings: serde_json::Value) -> Connector {
    let mut spec = settings;
    spec["path"] = path.to_str().unwrap().into();
    Connector { name: "file".into(), settings: spec, base: "/".into(), policy: None }
}

fn read(content: &str, settings: serde_json::Value) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, content).unwrap();
    let connector = connector(&path, settings);
    read_split(&*connector.source().unwrap(), path.to_str().unwrap(), None)
}

fn json(line: &str, columns: serde_json::Value) -> Result<String, String> {
    let outcome = read(line, serde_json::json!({ "format": "json", "columns": columns }));
    one(outcome)
}

fn one(outcome: Outcome) -> Result<String, String> {
    assert_eq!(outcome.error, None);
    match (&outcome.rows[..], &outcome.failures[..]) {
        ([row], []) => Ok(row.1.clone()),
        ([], [failure]) => Err(failure.message.clone()),
        other => panic!("{other:?}"),
    }
}

fn csv(record: &str, columns: serde_json::Value) -> Result<String, String> {
    one(read(record, serde_json::json!({ "format": "csv", "header": false, "columns": columns })))
}

#[test]
fn every_type_in_json() {
    let columns = serde_json::json!({
        "b": "boolean", "i": "int64", "f": "float64", "s": "text", "y": "bytes", "t": "timestamp", "j": "json"
    });
    let line = r#"{"j": {"x" : [1, 1e400]}, "t":"2026-01-01T00:00:00Z","y":"aGk=","s":"\u00e4\n","f":2,"i":-7,"b":true,"z":[]}"#;
    let row = r#"{"b":true,"i":-7,"f":2.0,"s":"ä\n","y":"aGk=","t":"2026-01-01T00:00:00.000Z","j":{"x" : [1, 1e40]}}"#;
    assert_eq!(json(&line.replace("1e400", "1e40"), columns), Ok(row.into()));
}

/// A float is the nearest to its digits, to the last bit, in every format; so what a sink wrote reads back as it was.
#[test]
fn a_float_is_the_nearest() {
    for digits in ["-2.8063824493805827e-50", "4.2867892664381747e-106", "9007199254740993.0"] {
        let nearest = format!("{{\"f\":{:?}}}", digits.parse::<f64>().unwrap());
        let columns = serde_json::json!({ "f": "float64" });
        assert_eq!(json(&format!("{{\"f\":{digits}}}"), columns.clone()), Ok(nearest.clone()), "{digits}");
        assert_eq!(csv(digits, columns), Ok(nearest), "{digits}");
    }
}

#[test]
fn what_is_missing_or_null() {
    let columns = serde_json::json!({ "i": "int64?", "j": "json?", "s": "text?" });
    assert_eq!(json(r#"{"j":null,"i":null}"#, columns.clone()), Ok(r#"{"i":null,"j":null,"s":null}"#.into()));
    assert_eq!(json("{}", columns), Ok(r#"{"i":null,"j":null,"s":null}"#.into()));
    let required = |line| json(line, serde_json::json!({ "i": "int64" })).unwrap_err();
    assert_eq!(required("{}"), "column `i` has no value; it is int64");
    assert_eq!(required(r#"{"i":null}"#), "column `i`: expected int64, found null");
    assert_eq!(
        json(r#"{"j":null}"#, serde_json::json!({ "j": "json" })),
        Err("column `j` has no value; it is json".into())
    );
}

#[test]
fn values_of_another_type_are_named() {
    let wrong = |value: &str, data_type: &str| {
        json(&format!("{{\"c\":{value}}}"), serde_json::json!({ "c": data_type })).unwrap_err()
    };
    assert_eq!(wrong("\"x\"", "int64"), "column `c`: expected int64, found the text `x`");
    assert_eq!(wrong("1.5", "int64"), "column `c`: expected int64, found the number 1.5");
    assert_eq!(wrong("true", "text"), "column `c`: expected text, found true");
    assert_eq!(wrong("[1]", "float64"), "column `c`: expected float64, found an array");
    assert_eq!(wrong("{}", "boolean"), "column `c`: expected boolean, found an object");
    assert!(
        wrong("9223372036854775808", "int64")
            .starts_with("column `c`: expected int64, found the number 9223372036854775808")
    );
    assert!(wrong("\"soon\"", "timestamp").starts_with("column `c`: `soon` is not a timestamp"));
    assert_eq!(wrong("\"?\"", "bytes"), "column `c`: `?` is not base64");
}

#[test]
fn numbers_that_are_whole() {
    let columns = serde_json::json!({ "i": "int64", "t": "timestamp" });
    let row = r#"{"i":1000,"t":"1970-01-01T00:00:01.000Z"}"#;
    assert_eq!(json(r#"{"i":1e3,"t":1000}"#, columns), Ok(row.into()));
    let largest = r#"{"i":9223372036854775807}"#;
    assert_eq!(json(largest, serde_json::json!({ "i": "int64" })), Ok(largest.into()));
}

#[test]
fn lines_that_are_no_objects() {
    let wrong = |line| json(line, serde_json::json!({ "c": "int64?" })).unwrap_err();
    assert_eq!(wrong("[1]"), "not a JSON object: invalid type: sequence, expected a JSON object at character 0");
    assert!(wrong(r#"{"c":1"#).starts_with("not a JSON object: EOF while parsing"));
    assert!(wrong(r#"{"c":1} 2"#).starts_with("not a JSON object: trailing characters"));
    assert_eq!(wrong(r#"{"c":1,"\u0063":2}"#), "column `c` is given twice");
    let deep = format!("{{\"c\":1,\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(json(&deep, serde_json::json!({ "c": "int64" })), Ok("{\"c\":1}".into()));
    assert!(json(&deep, serde_json::json!({ "x": "json" })).unwrap_err().contains("nested deeper"));
}

/// A row that fails half way leaves nothing behind in any column.
#[test]
fn rows_around_a_failure_stay_whole() {
    let content = "{\"s\":\"a\",\"i\":1}\n\n{\"s\":\"lost\",\"i\":\"x\"}\r\nnot json\n{\"i\":2,\"s\":\"b\"}\n  \n{\"s\":\"c\",\"i\":3}";
    let outcome = read(content, serde_json::json!({ "format": "json", "columns": { "s": "text", "i": "int64" } }));
    let rows = [(1, r#"{"s":"a","i":1}"#), (5, r#"{"s":"b","i":2}"#), (7, r#"{"s":"c","i":3}"#)];
    assert_eq!(outcome.rows, rows.map(|(n, r)| (n, r.to_string())));
    assert_eq!(
        outcome.failures.iter().map(|f| (f.position, &f.raw[..])).collect::<Vec<_>>(),
        [(3, "{\"s\":\"lost\",\"i\":\"x\"}"), (4, "not json")]
    );
}

#[test]
fn every_type_in_csv() {
    let columns = serde_json::json!({
        "b": "boolean", "i": "int64", "f": "float64", "s": "text", "y": "bytes", "t": "timestamp", "j": "json"
    });
    let row = r#"{"b":false,"i":-7,"f":2.5,"s":"a, \"b\"\nc","y":"aGk=","t":"1970-01-01T00:00:00.005Z","j":[1]}"#;
    assert_eq!(csv("false,-7,2.5,\"a, \"\"b\"\"\nc\",aGk=,5,[1]\r\n", columns), Ok(row.into()));
}

#[test]
fn empty_fields_in_csv() {
    let columns = serde_json::json!({ "i": "int64?", "s": "text?", "q": "text?", "r": "text" });
    assert_eq!(csv(",,\"\",", columns), Ok(r#"{"i":null,"s":null,"q":"","r":""}"#.into()));
    assert_eq!(
        csv(",1", serde_json::json!({ "i": "int64", "k": "int64" })),
        Err("column `i` is empty; it is int64".into())
    );
}

#[test]
fn records_that_are_wrong() {
    let columns = serde_json::json!({ "a": "int64", "b": "text" });
    let wrong = |record| csv(record, columns.clone()).unwrap_err();
    assert_eq!(wrong("1,2,3"), "3 fields, expected 2");
    assert_eq!(wrong("x,2"), "column `a`: expected int64, found `x`");
    assert_eq!(wrong("\"1\"2,b"), "text after a closing quote");
    assert_eq!(wrong("1,\"b"), "a quote is not closed");
}

/// Line numbers count the lines within quotes; a quote that is not closed costs its line, not the file.
#[test]
fn csv_with_a_header_in_another_order() {
    let content = "b,x,a\n\"two\nlines\",0,1\n\nb,0,2\nb,0\nb,0,3\n\"open,0,4\nb,0,5\n";
    let outcome = read(content, serde_json::json!({ "format": "csv", "columns": { "a": "int64", "b": "text" } }));
    let rows: Vec<(u64, &str)> = outcome.rows.iter().map(|(n, r)| (*n, &r[..])).collect();
    assert_eq!(
        rows,
        [
            (2, r#"{"a":1,"b":"two\nlines"}"#),
            (5, r#"{"a":2,"b":"b"}"#),
            (7, r#"{"a":3,"b":"b"}"#),
            (9, r#"{"a":5,"b":"b"}"#)
        ]
    );
    let failures: Vec<(u64, &str)> = outcome.failures.iter().map(|f| (f.position, &f.message[..])).collect();
    assert_eq!(failures, [(6, "2 fields, expected 3"), (8, "a quote is not closed")]);
}

#[test]
fn a_header_without_a_column_ends_the_job() {
    let settings = serde_json::json!({ "format": "csv", "columns": { "a": "int64", "c": "text" } });
    let error = read("a,b\n1,2\n", settings).error.unwrap();
    assert!(error.message.contains("the header has no column `c`; it has a, b"), "{error}");
}

#[test]
fn everything_wrong_with_the_settings_is_said_at_once() {
    let settings = serde_json::json!({
        "format": "csv", "columns": { "a": "integer", "b": "text?" }, "delimiter": ";;", "batch_rows": 0,
        "follow": true, "compression": "gzip"
    });
    let problems = |settings| -> Vec<Problem> {
        connector("nowhere".as_ref(), settings).configure::<ConfiguredSource>().err().unwrap()
    };
    let wrong = problems(settings);
    let told = |field: &[&str], part: &str| {
        let is = |problem: &Problem| problem.field == field && problem.message.contains(part);
        assert!(wrong.iter().any(is), "{part} in {wrong:?}");
    };
    told(&["columns", "a"], "column `a` has the unknown type `integer`; types are boolean, int64");
    told(&["delimiter"], "`delimiter` is `;;`");
    told(&["batch_rows"], "`batch_rows` is 0");
    told(&["follow"], "`follow` goes with files that are not compressed");
    assert_eq!(wrong.len(), 4);
    let wrong = problems(serde_json::json!({ "format": "json" }));
    assert!(wrong[0].field == ["columns"] && wrong[0].message.contains("`columns` is missing"));
}
