//! Values at their limits, from files through operators to rows: the same on one worker and two, with much memory and little.

use harness::{Ended, Flowgate, Folder};
use serde_json::{Value, json};

fn run(folder: &Folder, parallelism: &str) -> Ended {
    Flowgate::new(folder.path(), &["run", "-q", "job.yaml", "-p", parallelism]).run()
}

fn json_lines(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Returns the rows that the folder's job prints, as texts, in order.
fn printed(folder: &Folder, parallelism: &str) -> Vec<String> {
    let mut rows: Vec<String> = run(folder, parallelism).expect(0).stdout.lines().map(String::from).collect();
    rows.sort_unstable();
    rows
}

/// Null keys are keys like others: of every type, in several sessions that fire together, in panes of sliding windows, and when
/// the state spills to files.
#[test]
fn null_keys_stay_null() {
    let keys = [
        ("int64?", ["null", "0", "7"]),
        ("timestamp?", ["null", "\"1970-01-01T00:00:00.000Z\"", "\"2026-01-01T00:00:00.000Z\""]),
        ("text?", ["null", "\"\"", "\"a text that is longer than a tag\""]),
        ("bytes?", ["null", "\"\"", "\"aGVsbG8=\""]),
        ("boolean?", ["null", "false", "true"]),
    ];
    for (data_type, keys) in keys {
        for (window, memory) in [
            ("{ session: 1s }", "1GiB"),
            ("{ session: 1s }", "1MiB"),
            ("{ tumbling: 1s }", "1GiB"),
            ("{ sliding: 2s, every: 1s }", "1GiB"),
        ] {
            let folder = Folder::with_job(&format!(
                "job: nulls\nstate: {{ memory: {memory} }}\nsources:\n  s:\n    \
                 file: {{ path: s.jsonl, format: json, columns: {{ t: timestamp, k: \"{data_type}\" }} }}\n    \
                 event_time: {{ column: t, max_out_of_orderness: 1h }}\noperators:\n  \
                 w: {{ input: s, key: [k], window: {window}, aggregate: {{ n: count() }} }}\n\
                 sinks: {{ out: {{ input: w, print: {{ format: json }} }} }}\n"
            ));
            let mut input = String::new();
            for at in 0..20 {
                keys.iter().for_each(|key| input += &format!("{{\"t\":{},\"k\":{key}}}\n", at * 10_000));
            }
            folder.write("s.jsonl", input);
            let windows = if window.contains("sliding") { 40 } else { 20 };
            for parallelism in ["1", "2"] {
                let rows = printed(&folder, parallelism);
                for key in keys {
                    let of_key = rows.iter().filter(|row| row.starts_with(&format!("{{\"k\":{key},"))).count();
                    assert_eq!(of_key, windows, "{data_type} {window} {key} -p {parallelism}");
                }
                assert_eq!(rows.len(), 3 * windows);
            }
        }
    }
}

/// Sums that fit are exact, whatever the intermediate sums: between workers, in sliding windows, in any order.
#[test]
fn sums_that_fit_never_fail() {
    let folder = Folder::with_job(
        "\
job: sums
sources:
  s:
    file: { path: s.jsonl, format: json, columns: { t: timestamp, k: text, i: int64, f: float64 } }
    event_time: { column: t, max_out_of_orderness: 1h }
operators:
  w: { input: s, key: [k], window: { sliding: 4s, every: 1s }, aggregate: { i: sum(i), m: avg(i), f: sum(f), a: avg(f) } }
sinks: { out: { input: w, print: { format: json } } }
",
    );
    let mut input = String::new();
    // Each second, every key receives the greatest and the least value, twice, and the rest.
    for second in 0..10 {
        for key in ["a", "b", "c"] {
            for (i, f) in
                [(i64::MAX, 1.5e308), (i64::MAX, 1.5e308), (i64::MIN, -1.5e308), (i64::MIN, -1.5e308), (7, 0.0)]
            {
                input += &format!("{{\"t\":{},\"k\":\"{key}\",\"i\":{i},\"f\":{f}}}\n", second * 1_000);
            }
        }
    }
    folder.write("s.jsonl", input);
    for parallelism in ["1", "2"] {
        let rows = json_lines(&run(&folder, parallelism).expect(0).stdout);
        assert_eq!(rows.len(), 3 * 13);
        for row in rows {
            let seconds = match row["window_start"].as_str().unwrap().get(0..19).unwrap() {
                "1969-12-31T23:59:57" | "1970-01-01T00:00:09" => 1,
                "1969-12-31T23:59:58" | "1970-01-01T00:00:08" => 2,
                "1969-12-31T23:59:59" | "1970-01-01T00:00:07" => 3,
                _ => 4,
            };
            assert_eq!((&row["i"], &row["m"]), (&json!(5 * seconds), &json!(1.0)), "{row}");
            assert_eq!((&row["f"], &row["a"]), (&json!(0.0), &json!(0.0)), "{row}");
        }
    }
}

/// A sum that does not fit ends the job with an error that has the sum; means of numbers of any size are computed.
#[test]
fn a_sum_that_does_not_fit_is_said() {
    let folder = Folder::with_job(
        "\
job: sums
sources: { s: { file: { path: s.jsonl, format: json, columns: { i: int64, f: float64 } } } }
operators: { w: { input: s, window: { tumbling: 3 rows }, aggregate: { i: AGGREGATE, f: avg(f) } } }
sinks: { out: { input: w, print: { format: json } } }
",
    );
    let job = folder.read("job.yaml");
    folder.write("s.jsonl", "{\"i\":9223372036854775807,\"f\":1e308}\n".repeat(3));
    folder.write("job.yaml", job.replace("AGGREGATE", "avg(i)"));
    assert_eq!(printed(&folder, "1"), [r#"{"i":9.223372036854776e18,"f":1e308}"#]);
    folder.write("job.yaml", job.replace("AGGREGATE", "sum(i)"));
    run(&folder, "1").expect(2).saying("a sum of int64 values is 27670116110564327421, which int64 cannot hold");
}

/// Integers are exact or refused, in JSON and in CSV, in any notation.
#[test]
fn integers_are_exact_or_refused() {
    let exact = [
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993.0", "9007199254740993"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1e3", "1000"),
        ("1.50E1", "15"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("12300e-2", "123"),
    ];
    let refused = [
        "9223372036854775808",
        "-9223372036854775809",
        "123456789012345678901",
        "1e19",
        "1E400",
        "1.5",
        "1e-1",
        "0.99999999999999999999",
    ];
    for format in ["json", "csv"] {
        let folder = Folder::with_job(&format!(
            "job: integers\nsources: {{ s: {{ file: {{ path: s.txt, format: {format}, columns: {{ i: int64 }} }} }} }}\nsinks:\n  \
             out: {{ input: s, print: {{ format: json }} }}\n  bad: {{ input: s.errors, file: {{ path: bad.jsonl }} }}\n"
        ));
        let line =
            |number: &str| if format == "json" { format!("{{\"i\":{number}}}\n") } else { format!("{number}\n") };
        let mut input = if format == "csv" { "i\n".to_string() } else { String::new() };
        exact.iter().for_each(|(written, _)| input += &line(written));
        refused.iter().for_each(|written| input += &line(written));
        folder.write("s.txt", input);
        let rows = run(&folder, "1").expect(0).stdout;
        let got: Vec<&str> = rows.lines().collect();
        let want: Vec<String> = exact.iter().map(|(_, value)| format!("{{\"i\":{value}}}")).collect();
        assert_eq!(got, want, "{format}");
        assert_eq!(folder.read("bad.jsonl").lines().count(), refused.len(), "{format}");
    }
}

/// Times to the last millisecond of the year 9999 are read and written, in tables of lookup joins too.
#[test]
fn the_end_of_9999_is_a_time() {
    let folder = Folder::with_job(
        "\
job: ever
sources: { s: { file: { path: s.jsonl, format: json, columns: { k: text, t: timestamp } } } }
operators: { r: { input: s, key: [k], join: left, lookup: { path: dim.csv, columns: { k: text, valid_to: timestamp } } } }
sinks: { out: { input: r, print: { format: json } } }
",
    );
    folder.write("dim.csv", "k,valid_to\na,9999-12-31T23:59:59Z\nb,253402300799999\n");
    folder
        .write("s.jsonl", "{\"k\":\"a\",\"t\":253402300799999}\n{\"k\":\"b\",\"t\":\"9999-12-31T23:59:59.999999Z\"}\n");
    let end = run(&folder, "1").expect(0);
    assert_eq!(
        end.stdout,
        "{\"k\":\"a\",\"t\":\"9999-12-31T23:59:59.999Z\",\"valid_to\":\"9999-12-31T23:59:59.000Z\"}\n\
         {\"k\":\"b\",\"t\":\"9999-12-31T23:59:59.999Z\",\"valid_to\":\"9999-12-31T23:59:59.999Z\"}\n"
    );
    assert_eq!(end.stderr, "", "the end of 9999 stands for ever, and is no mistake");
}

/// The column sets the unit of integer times; an implausible time causes one warning, with the unit that may be meant.
#[test]
fn integer_times_have_a_unit() {
    let folder = Folder::with_job(
        "\
job: units
sources:
  s:
    file:
      path: s.csv
      format: csv
      columns:
        s: { type: timestamp, unit: s }
        ms: timestamp
        us: { type: timestamp, unit: us }
        ns: { type: \"timestamp?\", unit: ns }
sinks: { out: { input: s, print: { format: json } } }
",
    );
    let row = |ms: &str| format!("1700000000,{ms},1700000000123456,\n");
    folder.write("s.csv", format!("s,ms,us,ns\n{}{}", row("1700000000123"), row("\"2023-11-14T22:13:20.123Z\"")));
    let end = run(&folder, "1").expect(0);
    let times = "{\"s\":\"2023-11-14T22:13:20.000Z\",\"ms\":\"2023-11-14T22:13:20.123Z\",\"us\":\"2023-11-14T22:13:20.123Z\",\"ns\":null}\n";
    assert_eq!((end.stdout, end.stderr), (times.repeat(2), String::new()));
    folder.write("s.csv", format!("s,ms,us,ns\n{}", row("1700000000123456").repeat(20_000)));
    for parallelism in ["1", "2"] {
        let end = run(&folder, parallelism).expect(0).saying(
            "warning: `s`: s.csv: column `ms`: 1700000000123456 milliseconds since 1970 is the year 55840; as microseconds it would \
             be 2023-11-14: set `unit: us` for the column",
        );
        assert_eq!(end.stderr.lines().count(), 1, "{}", end.stderr);
    }
}

/// `unit` is for timestamps, and one of four.
#[test]
fn units_are_checked() {
    let job = |column: &str| {
        Folder::with_job(&format!(
            "job: units\nsources: {{ s: {{ file: {{ path: s.csv, format: csv, columns: {{ a: {column} }} }} }} }}\n\
             sinks: {{ out: {{ input: s, blackhole: {{}} }} }}\n"
        ))
    };
    let check = |column: &str| Flowgate::new(job(column).path(), &["check", "job.yaml"]).run();
    check("{ type: int64, unit: us }").expect(2).saying("column `a` is int64; `unit` goes with the type timestamp");
    check("{ type: timestamp, unit: minutes }")
        .expect(2)
        .saying("expected one of `s`, `ms`, `us`, `ns`, found `minutes`");
    check("{ unit: us }").expect(2).saying("missing field `type`");
}

/// Both zeros are one value, and so are all NaNs, wherever values are compared.
#[test]
fn two_zeros_are_one() {
    let folder = Folder::with_job(
        "\
job: zeros
sources: { s: { file: { path: s.csv, format: csv, columns: { v: float64 } } } }
operators:
  w:
    input: s
    window: { tumbling: 4 rows }
    aggregate: { d: distinct(v), a: approx_distinct(v), least: min(v), best: \"top_k(v, v, k=4)\" }
sinks: { out: { input: w, print: { format: json } } }
",
    );
    for rows in ["0.0\n-0.0\nNaN\n-NaN\n", "-0.0\n0.0\n-NaN\nNaN\n", "NaN\n-0.0\nNaN\n-0\n"] {
        folder.write("s.csv", format!("v\n{rows}"));
        let best =
            r#"[{"value":null,"by":null},{"value":null,"by":null},{"value":0.0,"by":0.0},{"value":0.0,"by":0.0}]"#;
        assert_eq!(printed(&folder, "1"), [format!("{{\"d\":2,\"a\":2,\"least\":0.0,\"best\":{best}}}")]);
    }
}

/// A header names each column that the job reads once; others may occur more often.
#[test]
fn a_header_names_a_column_twice() {
    let folder = Folder::with_job(
        "\
job: header
sources: { s: { file: { path: s.csv, format: csv, columns: { id: int64, v: text } } } }
sinks: { out: { input: s, print: { format: json } } }
",
    );
    folder.write("s.csv", "id,x,v,x\n1,a,b,c\n");
    assert_eq!(printed(&folder, "1"), [r#"{"id":1,"v":"b"}"#]);
    folder.write("s.csv", "id,v,v\n1,first,second\n");
    run(&folder, "1").expect(2).saying("s.csv: the header has the column `v` twice; it has id, v, v");
}
