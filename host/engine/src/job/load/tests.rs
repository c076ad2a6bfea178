use std::path::Path;

use super::{Document, Language, Loaded, Override, load};
use crate::job::json_schema;

fn loaded(text: &str, language: Language) -> Loaded {
    let document = Document { name: "job".into(), text: text.into(), language, base: "/".into() };
    load(document, &[], &|_| None)
}

fn messages(text: &str) -> Vec<String> {
    loaded(text, Language::Yaml).problems.into_iter().map(|p| p.message).collect()
}

/// Goal: the schema has no keyword that the walk would silently ignore.
#[test]
fn the_walk_knows_every_keyword_of_the_schema() {
    const KNOWN: [&str; 17] = [
        "$schema",
        "$defs",
        "$ref",
        "title",
        "description",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "oneOf",
        "anyOf",
        "const",
        "default",
        "format",
        "minimum",
    ];
    fn walk(schema: &serde_json::Value, at: &str) {
        let Some(fields) = schema.as_object() else { return };
        for (keyword, value) in fields {
            // `pattern` is for editors: its format says the same.
            let is_known = KNOWN.contains(&keyword.as_str()) || (keyword == "pattern" && fields.contains_key("format"));
            assert!(is_known, "{at} has the keyword {keyword}");
            match (keyword.as_str(), value) {
                ("properties" | "$defs", value) => {
                    value.as_object().unwrap().iter().for_each(|(k, v)| walk(v, &format!("{at}/{k}")));
                }
                ("oneOf" | "anyOf", value) => value.as_array().unwrap().iter().for_each(|v| walk(v, at)),
                ("items" | "additionalProperties", value) => walk(value, at),
                ("format", value) => {
                    const FORMATS: [&str; 8] = [
                        "uint",
                        "uint32",
                        "uint64",
                        "int64",
                        "double",
                        "flowgate-duration",
                        "flowgate-bytes",
                        "flowgate-extent",
                    ];
                    assert!(FORMATS.contains(&value.as_str().unwrap()), "{at} has the format {value}");
                }
                _ => {}
            }
        }
    }
    walk(json_schema::derived(), "");
}

/// The schema for editors is the one in the repository. `UPDATE_GOLDEN=1 cargo test` updates it.
#[test]
fn the_published_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/job.schema.json");
    let schema = serde_json::to_string_pretty(&json_schema::json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == schema,
        "run with UPDATE_GOLDEN=1 and look at the change"
    );
}

#[test]
fn the_published_schema_accepts_a_good_job() {
    let validator = jsonschema::validator_for(&json_schema::json_schema()).unwrap();
    let job = serde_json::json!({
        "job": "x", "in_flight": { "bytes": 65536 }, "limits": { "memory": "64MiB", "deadline": "1m30s" },
        "sources": { "s": { "file": { "path": "a", "format": "csv", "columns": { "a": "int64?" } } } },
        "operators": { "w": { "input": "s", "window": { "tumbling": "10s" }, "aggregate": { "n": "count()" } } },
        "sinks": { "out": { "input": "w", "print": {} } },
    });
    assert!(validator.is_valid(&job), "{:?}", validator.iter_errors(&job).map(|e| e.to_string()).collect::<Vec<_>>());
    let mut wrong = job.clone();
    wrong["limits"]["deadline"] = "soon".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn a_variable_takes_the_type_that_its_place_asks_for() {
    let env = |name: &str| (name == "N").then(|| "3".to_string());
    for (text, language) in [
        (
            "job: x\nparallelism: ${N}\nsources: {}\nsinks: { '${N}': { input: a, file: { path: '${N}' } } }",
            Language::Yaml,
        ),
        (
            r#"{"job": "x", "parallelism": "${N}", "sources": {}, "sinks": {"${N}": {"input": "a", "file": {"path": "${N}"}}}}"#,
            Language::Json,
        ),
        (
            "job = 'x'\nparallelism = '${N}'\n[sources]\n[sinks.'${N}']\ninput = 'a'\nfile = { path = '${N}' }",
            Language::Toml,
        ),
    ] {
        let document = Document { name: "job".into(), text: text.into(), language, base: "/".into() };
        let loaded = load(document, &[], &env);
        assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
        let job = loaded.job.unwrap();
        assert_eq!(job.parallelism, Some(3));
        // Names are not filled in; a path stays a text.
        assert_eq!(job.sinks["${N}"].connectors["file"]["path"], "3");
    }
}

#[test]
fn settings_from_the_command_line_override_those_of_the_file() {
    let text = "job: x\nparallelism: 1\nsources: { s: { stdin: {} } }\nsinks: { out: { input: s, print: {} } }";
    let document = Document { name: "job".into(), text: text.into(), language: Language::Yaml, base: "/".into() };
    let set: Vec<Override> =
        ["parallelism=4", "in_flight.bytes=1MiB", "sinks.out.print={format: json}", "sinks.out.input="]
            .iter()
            .map(|s| Override::parse(s).unwrap())
            .collect();
    let job = load(document, &set, &|_| None).job.unwrap();
    assert_eq!(job.parallelism, Some(4));
    assert_eq!(job.in_flight.unwrap().bytes.unwrap().0, 1 << 20);
    assert_eq!(job.sinks["out"].connectors["print"]["format"], "json");
    assert_eq!(job.sinks["out"].input, "");
    for wrong in ["", "x", "=1", "a..b=1", ".a=1"] {
        assert!(Override::parse(wrong).is_err(), "{wrong}");
    }
}

/// Returns a job whose sink and source were set on the command line, as JSON.
fn set(arguments: &[&str]) -> serde_json::Value {
    let text = "job: x\nsources: { s: { file: { path: in, follow: true }, event_time: { column: t } } }\n\
                sinks: { out: { input: s, file: { path: out, format: csv } } }";
    let document = Document { name: "job".into(), text: text.into(), language: Language::Yaml, base: "/".into() };
    let set: Vec<Override> = arguments.iter().map(|s| Override::parse(s).unwrap()).collect();
    let loaded = load(document, &set, &|_| None);
    assert!(loaded.problems.is_empty(), "{arguments:?}: {}", loaded.report(&[], false));
    let job = loaded.job.unwrap();
    serde_json::json!([job.sources["s"], job.sinks["out"]])
}

/// Goal: the command line can replace the connector of a source or a sink, as a whole or by one of its settings.
#[test]
fn a_setting_replaces_a_connector() {
    let before = set(&[]);
    let print = serde_json::json!({ "input": "s", "print": { "format": "auto" } });
    for arguments in [&["sinks.out=print: {}"][..], &["sinks.out.print={}"], &["sinks.out={print: {}, input: s}"]] {
        assert_eq!(set(arguments)[1], print, "{arguments:?}");
        assert_eq!(set(arguments)[0], before[0]);
    }
    // Fields that are not named stay: the input, the event time, the other settings of the same connector.
    assert_eq!(set(&["sinks.out.file.path=other"])[1]["file"]["format"], "csv");
    assert_eq!(set(&["sinks.out=file: { path: other }"])[1]["file"], serde_json::json!({ "path": "other" }));
    assert_eq!(set(&["sinks.out=input: s.errors"])[1]["file"], before[1]["file"]);
    let source = &set(&["sources.s=stdin: {}"])[0];
    assert!(
        source["stdin"].is_object() && source["file"].is_null() && source["event_time"]["column"] == "t",
        "{source}"
    );
    // The last one counts.
    assert_eq!(set(&["sinks.out.blackhole={}", "sinks.out=print: {}"])[1], print);
}

#[test]
fn huge_and_deep_files_are_refused() {
    let deep = "[".repeat(100);
    assert!(messages(&deep)[0].contains("levels deep"), "{:?}", messages(&deep));
    assert!(!messages(&"[".repeat(100_000)).is_empty());
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\n";
    assert_eq!(messages(bomb), ["YAML aliases (`*name`) are not allowed in job files"]);
    let json = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(!loaded(&json, Language::Json).problems.is_empty());
    assert!(!loaded(&format!("a = {}", "[".repeat(10_000)), Language::Toml).problems.is_empty());
}

#[test]
fn scalars_follow_the_core_schema_of_yaml() {
    use super::tree::Tree;
    let plain = |text| super::yaml::plain(text).unwrap();
    for text in ["", "~", "null"] {
        assert_eq!(plain(text), Tree::Null);
    }
    for text in
        ["yes", "no", "on", "1s", "1_000", "0x", "0x+5", "0xG", "-", ".", "e5", "1.2.3", "+-1", "2026-01-01", "nan"]
    {
        assert_eq!(plain(text), Tree::Text(text.into()), "{text}");
    }
    for (text, number) in [("0", 0), ("-1", -1), ("+7", 7), ("0x1F", 31), ("0o17", 15), ("010", 10)] {
        assert_eq!(plain(text), Tree::Number(number.into()), "{text}");
    }
    assert_eq!(plain("18446744073709551615"), Tree::Number(u64::MAX.into()));
    assert!(matches!(plain("1e3"), Tree::Number(n) if n.as_f64() == Some(1000.0)));
    for text in ["18446744073709551616", "-9223372036854775809", "123456789012345678901", "0x10000000000000000"] {
        let wrong = super::yaml::plain(text).unwrap_err();
        assert!(wrong.contains(&format!("the number {text} needs more than 64 bits")), "{wrong}");
    }
    assert!(super::yaml::plain(".inf").is_err() && super::yaml::plain("1e999").is_err());
}

/// Goal: a file at the limit that is wrong everywhere is refused quickly. A quadratic check would take minutes.
#[test]
fn a_large_wrong_file_is_refused_quickly() {
    let fields: String = (0..60_000).map(|i| format!("field{i}: 1\n")).collect();
    let variables = format!("job: \"{}\"\n", "${NO}".repeat(200_000));
    let sinks: String = (0..20_000).map(|i| format!("\"s{i}\":{{\"input\":\"a\",\"prnt\":{{}}}},")).collect();
    let sinks = format!("{{\"job\":\"x\",\"sources\":{{}},\"sinks\":{{{}}}}}", sinks.trim_end_matches(','));
    let started = std::time::Instant::now();
    for text in [fields, variables, sinks] {
        let report = loaded(&text, Language::Yaml).report(&[], false);
        assert!(report.contains("more\n"));
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn texts_that_need_quotes_are_errors_with_help() {
    let help = |text: &str| {
        let loaded = loaded(text, Language::Yaml);
        assert!(!loaded.problems.is_empty(), "{text}");
        loaded.problems.into_iter().filter_map(|p| p.help).collect::<Vec<_>>().join("; ")
    };
    for (text, expected) in [
        ("job: t\nsources: { s: { file: { path: *.log } } }", "begins with `*`"),
        ("job: t\nsources:\n  s:\n    file:\n      path: *.log\n", "begins with `*`"),
        ("job: t\nsources: { s: { file: { path: a, columns: { @timestamp: timestamp } } } }", "begins with `@`"),
        ("job: `t`", "begins with `@` or a backtick"),
        ("job: %t", "begins with `%`"),
        ("job: !secret t", "begins with `!`"),
        ("job: t\nsources: !all { s: {} }", "begins with `!`"),
        ("job: &a t\nx: *a", "begins with `*`"),
    ] {
        assert!(help(text).contains(expected) && help(text).contains("quotes"), "{text}: {}", help(text));
    }
}

#[test]
fn unknown_tags_are_refused_and_yamls_own_are_not() {
    assert_eq!(messages("job: !secret t"), ["the YAML tag `!secret` means nothing in a job file"]);
    assert!(messages("job: !!binary dA==")[0].contains("means nothing"));
    let spec = "sources: { s: { file: { path: !!str 7 } } }\nsinks: { o: { input: s, print: {} } }";
    assert_eq!(messages(&format!("job: ! t\n{spec}")), Vec::<String>::new());
}
