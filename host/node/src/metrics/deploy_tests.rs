//! What people deploy beside the node, and the pages about it, speak of metrics that there are.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser};
use serde_json::Value;

use super::table::{self, Kind};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the names of metrics in a text: those of the samples of a histogram count as its own.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let base = |word: &str| {
        let histogram = |suffix| word.strip_suffix(suffix).filter(|name| kind(name) == Some(Kind::Histogram));
        ["_bucket", "_sum", "_count"].into_iter().find_map(histogram).unwrap_or(word).to_string()
    };
    words.filter(|word| word.starts_with("flowgate_")).map(base).collect()
}

fn kind(name: &str) -> Option<Kind> {
    table::ALL.iter().find(|metric| metric.name == name).map(|metric| metric.kind)
}

#[track_caller]
fn assert_known(names: &BTreeSet<String>, at_least: usize) {
    let unknown: Vec<&String> = names.iter().filter(|name| kind(name).is_none()).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "they are not in the table");
    assert!(names.len() >= at_least, "{names:?}");
}

#[test]
fn names_follow_the_conventions() {
    let mut seen = BTreeSet::new();
    for metric in table::ALL {
        let name = metric.name;
        assert!(seen.insert(name), "{name} is there twice");
        assert!(name.starts_with("flowgate_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}: counters end in `_total`");
        let unit = name.trim_end_matches("_total");
        for of in ["seconds", "bytes", "ratio"] {
            assert_eq!(unit.ends_with(of), metric.unit == of, "{name}: the unit {of} comes last");
        }
        assert!(metric.meaning.ends_with('.') && !metric.labels.contains(&"le"), "{name}");
    }
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/flowgate.json")).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let (mut ids, mut expressions) = (BTreeSet::new(), String::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("a panel has a number")), "a number is there twice");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("a target has an expression");
            let count = |of: char| expression.matches(of).count();
            assert!(count('(') == count(')') && count('{') == count('}'), "{expression}");
            expressions += expression;
            expressions.push('\n');
        }
    }
    assert_known(&names(&expressions), 35);
    assert_known(&names(&dashboard.to_string()), 35);
}

/// An alert that nobody can act on is noise: each says why it fires and what to do.
#[test]
fn alerts_are_about_metrics_that_there_are_and_say_what_to_do() {
    let text = read("deploy/prometheus/alerts.yaml");
    let mut scalars = Vec::new();
    for event in Parser::new_from_str(&text) {
        if let (Event::Scalar(value, ..), _) = event.expect("it is YAML") {
            scalars.push(value.to_string());
        }
    }
    let count = |key: &str| scalars.iter().filter(|scalar| *scalar == key).count();
    assert!(count("alert") >= 10);
    for key in ["expr", "labels", "severity", "annotations", "summary", "reason", "action"] {
        assert_eq!(count(key), count("alert"), "{key}");
    }
    assert_known(&names(&scalars.join("\n")), 10);
}

#[test]
fn the_page_of_metrics_lists_all_of_them() {
    let (begin, end) = ("<!-- metrics -->\n", "<!-- /metrics -->");
    let mut table = String::from("| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n");
    for metric in table::ALL {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {labels} | {} | {} |",
            metric.name,
            metric.kind.name(),
            metric.unit,
            metric.meaning
        );
    }
    let page = read("docs/metrics.md");
    let (before, rest) = page.split_once(begin).expect("the table has its mark");
    let (listed, behind) = rest.split_once(end).expect("the table ends with its mark");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path("docs/metrics.md"), format!("{before}{begin}{table}{end}{behind}")).unwrap();
        return;
    }
    assert_eq!(listed, table, "UPDATE_GOLDEN=1 writes it");
    assert_known(&names(&page), table::ALL.len());
    assert_known(&names(&read("docs/operate.md")), 5);
}
