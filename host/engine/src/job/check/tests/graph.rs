//! The graphs of valid jobs.

use crate::job::check::{Checked, check};
use crate::job::fake::FakePlugins;
use crate::job::graph::{ColumnOrigin, JobGraph, Node, NodeKind, Read, Windows};
use crate::job::load::{Document, Language, load};
use flowgate_base::schema::Field;

pub(super) const WEBLOG: &str = r#"
job: weblog
parallelism: ${P:-2}
sources:
  lines: { file: { path: access.log } }
operators:
  per_page:
    input: requests
    key: [path]
    window: { sliding: 10s, every: 5s }
    allowed_lateness: 1m
    aggregate: { views: count(), bytes: sum(size), p95: plugin:stats/quantile(status), s: plugin:stats/summary(size) }
  requests:
    input: lines
    plugin: weblog
    function: parse
    event_time: { column: time, max_out_of_orderness: 5s }
sinks:
  out: { input: per_page, print: {} }
  late: { input: per_page.late, file: { path: late.CSV } }
  bad: { input: requests.errors, file: { path: bad.jsonl } }
"#;

fn checked(text: &str) -> (Checked, FakePlugins) {
    let document =
        Document { name: "job.yaml".into(), text: text.into(), language: Language::Yaml, base: "/job".into() };
    let loaded = load(document, &[], &|_| None);
    assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
    let mut plugins = FakePlugins::new();
    let around = plugins.around();
    let checked = check(loaded.job.as_ref().unwrap(), &around, &mut plugins);
    (checked.unwrap_or_else(|p| panic!("{}", loaded.report(&p, false))), plugins)
}

fn node<'a>(graph: &'a JobGraph, name: &str) -> &'a Node {
    graph.nodes.iter().find(|n| n.name == name).unwrap()
}

fn columns(graph: &JobGraph, name: &str, output: usize) -> String {
    node(graph, name).outputs[output].schema.to_string()
}

#[test]
fn inputs_come_before_readers_and_every_edge_has_a_type() {
    let (Checked { graph, warnings }, _) = checked(WEBLOG);
    assert_eq!(warnings, []);
    assert_eq!(graph.parallelism, 2);
    assert_eq!((graph.key_groups, graph.in_flight_bytes, graph.in_flight_ticks), (256, 16 << 20, 256));
    let names: Vec<&str> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["lines", "requests", "per_page", "out", "late", "bad"]);
    for (id, node) in graph.numbered() {
        assert!(node.inputs.iter().all(|input| input.node < id), "{}", node.name);
    }
    assert_eq!(columns(&graph, "lines", 0), "text: text");
    assert_eq!(
        columns(&graph, "requests", 0),
        "time: timestamp, path: text, status: int64, size: int64?, latency: float64, extra: json"
    );
    assert_eq!(
        columns(&graph, "per_page", 0),
        "path: text, window_start: timestamp, window_end: timestamp, window_result: text, views: int64, bytes: int64?, p95: float64?, \
         s_low: float64, s_high: float64"
    );
    assert_eq!(columns(&graph, "per_page", 2), columns(&graph, "requests", 0));
    let outputs: Vec<&str> = node(&graph, "per_page").outputs.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(outputs, ["", "errors", "late"]);
    let has: Vec<bool> = graph.nodes[..3].iter().map(|n| n.outputs[0].has_event_time).collect();
    assert_eq!(has, [false, true, true]);
    assert_eq!((node(&graph, "late").inputs[0].node.0, node(&graph, "late").inputs[0].output), (2, 2));
    let NodeKind::Window(window) = &node(&graph, "per_page").kind else { panic!() };
    let windows = Windows::Time { size_ms: 10_000, slide_ms: 5_000 };
    assert_eq!((window.windows, window.allowed_lateness_ms), (windows, 60_000));
}

#[test]
fn integers_are_offered_as_floats_where_the_function_wants_those() {
    let (Checked { graph, .. }, plugins) = checked(WEBLOG);
    let NodeKind::Window(window) = &node(&graph, "per_page").kind else { panic!() };
    let crate::job::graph::Aggregate::Plugin(quantile) = &window.aggregates[2].aggregate else { panic!() };
    assert_eq!(quantile.inputs[0].reads, [Read { column: 2, widen: true }]);
    let request = plugins.opened.iter().find(|r| r.function == "quantile").unwrap();
    assert_eq!(request.inputs[0].to_string(), "value: float64");
    assert_eq!(request.operator, "per_page");
}

#[test]
fn a_graph_survives_serialisation() {
    let (Checked { graph, .. }, _) = checked(WEBLOG);
    let text = serde_json::to_string(&graph).unwrap();
    assert_eq!(serde_json::from_str::<JobGraph>(&text).unwrap(), graph);
}

#[test]
fn renamed_columns_keep_the_streams_names() {
    let (Checked { graph, .. }, plugins) = checked(
        r#"
job: rename
sources:
  in: { stdin: { format: json, columns: { id: int64, text: bytes, line: text? , title: text } } }
operators:
  up: { input: in, plugin: text, function: upper, columns: { text: title } }
  words: { input: up, plugin: text, function: split, columns: { text: title } }
sinks:
  out: { input: words, blackhole: {} }
  odd: { input: words.odd, blackhole: {} }
"#,
    );
    // `text` of the stream is hidden from the function, but passes through.
    assert_eq!(plugins.opened[0].inputs[0].to_string(), "id: int64, line: text?, text: text");
    assert_eq!(columns(&graph, "up", 0), "id: int64, text: bytes, line: text?, title: text");
    let NodeKind::Transform(up) = &node(&graph, "up").kind else { panic!() };
    let origins = &up.outputs[0].columns;
    assert_eq!(origins[..3], [0, 1, 2].map(ColumnOrigin::Input));
    assert_eq!(origins[3], ColumnOrigin::Made(0));
    assert_eq!(up.function.inputs[0].reads, [Read { column: 3, widen: false }]);
    let words = node(&graph, "words");
    let outputs: Vec<&str> = words.outputs.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(outputs, ["", "errors", "odd"]);
    assert_eq!(
        words.outputs[2].schema.fields.last(),
        Some(&Field::new("reason", flowgate_base::schema::DataType::Text))
    );
    let NodeKind::Transform(words) = &words.kind else { panic!() };
    assert_eq!(words.outputs.iter().map(|o| o.output).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn the_same_job_in_toml_and_json_has_the_same_graph() {
    let (Checked { graph, .. }, _) = checked(WEBLOG);
    let document = |text: String, language| Document { name: "job".into(), text, language, base: "/job".into() };
    let yaml = load(document(WEBLOG.into(), Language::Yaml), &[], &|_| None).job.unwrap();
    let json = serde_json::to_string_pretty(&yaml).unwrap();
    let toml = toml::to_string(&yaml).unwrap();
    for (text, language) in [(json, Language::Json), (toml, Language::Toml)] {
        let loaded = load(document(text, language), &[], &|_| None);
        let mut plugins = FakePlugins::new();
        let around = plugins.around();
        let again = check(loaded.job.as_ref().unwrap(), &around, &mut plugins).unwrap().graph;
        // The components are in another temporary folder.
        let names = |g: &JobGraph| g.nodes.iter().map(|n| (n.name.clone(), n.outputs.clone())).collect::<Vec<_>>();
        assert_eq!(names(&again), names(&graph), "{language:?}");
    }
}
