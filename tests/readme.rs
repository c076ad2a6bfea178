//! The README is true: its job is the example's, and its Rust builds the same.

use flowgate::job::load::{Document, Language, load};
use flowgate::job::spec;
use harness::repository;

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn job(text: &str) -> spec::Job {
    let document = Document { name: "job.yaml".into(), text: text.into(), language: Language::Yaml, base: ".".into() };
    let loaded = load(document, &[], &|_| None);
    assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
    loaded.job.expect("a job")
}

/// Returns the README's block of code that contains `contains`.
fn block(readme: &str, contains: &str) -> String {
    let blocks = readme.split("```").skip(1).step_by(2);
    let found = blocks.filter_map(|b| b.split_once('\n')).find(|(_, code)| code.contains(contains));
    found.unwrap_or_else(|| panic!("no code with `{contains}` in the README")).1.to_string()
}

#[test]
fn the_job_shown_is_the_example() {
    let shown = job(&block(&read("README.md"), "job: weblog\n"));
    assert_eq!(shown, job(&read("examples/weblog/job.yaml")));
}

fn built() -> spec::Job {
    // begin
    use std::time::Duration;

    use flowgate::job::JobBuilder;

    let job = JobBuilder::new("weblog");
    let requests = job
        .file("access.log")
        .name("lines")
        .transform("weblog", "parse")
        .name("requests")
        .event_time("time", Duration::from_secs(5));
    requests
        .key_by(["path"])
        .sliding(Duration::from_secs(60), Duration::from_secs(30))
        .aggregate([
            ("requests", "count()"),
            ("bytes", "sum(size)"),
            ("p95_size", "plugin:stats/quantile(size, q=0.95)"),
        ])
        .name("per_page")
        .print("out");
    requests.errors().write("bad", "bad-lines.jsonl");
    // end
    job.build().expect("a good job")
}

#[test]
fn the_rust_shown_builds_the_same_job() {
    assert_eq!(built(), job(&read("examples/weblog/job.yaml")));
    let source = include_str!("readme.rs");
    let code = source.split_once("    // begin\n").and_then(|(_, rest)| rest.split_once("    // end\n")).unwrap().0;
    let code: String = code.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    assert_eq!(block(&read("README.md"), "JobBuilder::new"), code);
}

/// Goal: the number of aggregates in the README is right, and each has a row in the documentation.
#[test]
fn the_aggregates_are_counted() {
    const NUMBERS: [&str; 20] = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    let names: Vec<&str> = flowgate::job::check::aggregate_names().collect();
    let told = format!("{} built-in aggregates", NUMBERS[names.len() - 1]);
    assert!(read("README.md").contains(&told), "the README does not say: {told}");
    let operators = read("docs/operators.md");
    for name in names {
        assert!(
            operators.contains(&format!("| {} | `", name.replace('_', "-"))),
            "{name} has no row in docs/operators.md"
        );
    }
}

#[test]
fn the_plugin_shown_is_the_template() {
    let template = read("guest-sdk/rust/template/src/lib.rs");
    let shown = block(&read("README.md"), "flowgate_sdk::plugin!");
    let without_docs = |text: &str| {
        let code = text.split("\n#[cfg(test)]").next().unwrap_or(text);
        let lines = code.lines().filter(|l| !l.starts_with("//!") && !l.starts_with("/// The columns"));
        lines.map(str::trim_end).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without_docs(&shown), without_docs(&template));
}
