//! The README is true: its job is the example's, and its Rust builds the same.

use std::path::Path;
use std::time::{Duration, Instant};

use flowgate::job::load::{Document, Language, load};
use flowgate::job::spec;
use harness::{Folder, OnTerminal, ServedNode, in_shell, repository, settings};

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

/// The section of the README with this heading: its blocks of code, as language and text.
fn blocks_of(heading: &str) -> Vec<(String, String)> {
    let readme = read("README.md");
    let section = readme.split_once(&format!("\n## {heading}\n")).expect("the section is there").1;
    let section = section.split("\n## ").next().unwrap_or(section);
    let blocks = section.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.map(|(language, text)| (language.to_string(), text.to_string())).collect()
}

/// Types a command into a terminal, and the token that it asks for.
fn log_in(folder: &Path, command: &str) {
    let token = std::fs::read_to_string(folder.join("admin.token")).unwrap();
    let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
    let of_tests = settings(folder.parent().unwrap());
    let environment = [("XDG_CONFIG_HOME", of_tests.as_path())];
    let mut terminal = OnTerminal::start_with(folder, &arguments, 100, Duration::from_secs(60), &environment);
    terminal.wait_until_shown("token for ");
    terminal.enter(&format!("{token}\n"));
    terminal.wait_until_shown("logged in to");
    assert!(terminal.wait().success(), "{}", terminal.shown());
    assert!(!terminal.shown().contains(token.trim()), "the token is not shown");
}

/// Goal: the second screen of the README is right: a node with two tenants, a plugin that is pushed, a job that is submitted and
/// swapped while it runs. Method: every command, as it is written, of which only the port of the node is another; what its operator
/// emits afterwards.
#[test]
fn the_second_screen_runs() {
    let folder = Folder::with_job("");
    in_shell(folder.path(), &["flowgate plugin new sensors && flowgate plugin build sensors".into()]);
    let here = folder.path().join("sensors");
    let blocks = blocks_of("A node with two tenants");
    let languages: Vec<&str> = blocks.iter().map(|(language, _)| language.as_str()).collect();
    assert_eq!(languages, ["sh", "sh", "yaml", "sh", "rust", "sh"]);
    let [serve, setup, job, submit, line, swap] = [0, 1, 2, 3, 4, 5].map(|at| blocks[at].1.clone());
    assert!(serve.starts_with("flowgate serve --data ./node "), "{serve}");
    let mut node = ServedNode::start(&here, "./node");
    let commands = |text: &str| {
        let text = text.replace("http://127.0.0.1:7070", &node.address);
        in_shell(folder.path(), &[format!("cd sensors\n{text}")]).remove(0)
    };
    let (login, setup) = setup.split_once('\n').unwrap();
    log_in(&here, &login.replace("http://127.0.0.1:7070", &node.address));
    let said = commands(setup);
    assert!(said.contains("sensors@1"), "{said}");
    std::fs::write(here.join("job.yaml"), job).unwrap();
    let said = commands(&submit);
    assert!(said.contains("\"kitchen\"") || said.contains("\"attic\""), "{said}");
    let source = std::fs::read_to_string(here.join("src/lib.rs")).unwrap();
    let is_last = |of: &&str| of.trim_start().starts_with("Ok(Reading {");
    let last = source.lines().find(is_last).expect("the template ends as the README says");
    std::fs::write(here.join("src/lib.rs"), source.replace(last, line.trim_end())).unwrap();
    let emits = |celsius: &str| {
        let start = Instant::now();
        loop {
            // The window of the swap has readings of both.
            let rows = commands("flowgate job tap sensors per_sensor --rows 2");
            if rows.contains(celsius) {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no row with {celsius}: {rows}");
        }
    };
    emits("21.5");
    let (swap, rollback) = swap.split_once("flowgate job rollback").unwrap();
    let said = commands(swap);
    assert!(said.contains("sensors@2"), "{said}");
    emits("22.0");
    commands(&format!("flowgate job rollback{rollback}"));
    emits("21.5");
    let said = commands("flowgate job history sensors\nflowgate job cancel sensors");
    assert!(said.contains("sensors@2"), "{said}");
    node.stop();
}
