//! Plugins without components, for tests of the check and the builder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::JobBuilder;
use super::check::{PluginCatalog, Surroundings, check};
use super::graph::JobGraph;
use super::load::{Document, Language, load};
use super::spec;
use flowgate_base::schema::{DataType, Field};
use flowgate_wall::binding::{Binding, FunctionInfo, Kind, OpenRequest, OutputBinding};

type Opened = Result<Binding, Vec<String>>;
type Open = fn(&OpenRequest) -> Opened;

/// Functions by plugin: their description, and a function that opens them.
pub(crate) struct FakePlugins {
    functions: BTreeMap<String, Vec<(FunctionInfo, Open)>>,
    /// The requests to open a function.
    pub(crate) opened: Vec<OpenRequest>,
    folder: tempfile::TempDir,
}

fn info(name: &str, kind: Kind, inputs: Vec<Field>) -> FunctionInfo {
    FunctionInfo { name: name.into(), kind, doc: String::new(), config_schema: None, inputs: vec![inputs] }
}

fn made(inputs: Vec<Field>, columns: Vec<Field>, passthrough: bool) -> Opened {
    let main = OutputBinding { name: String::new(), columns, passthrough };
    Ok(Binding { inputs: vec![inputs], outputs: vec![main], state: Vec::new() })
}

fn text() -> Vec<Field> {
    vec![Field::new("text", DataType::Text)]
}

/// Reads all columns that it was offered, makes none, and passes all through.
fn all_pass(request: &OpenRequest) -> Opened {
    let main = OutputBinding { name: String::new(), columns: Vec::new(), passthrough: true };
    let inputs = request.inputs.iter().map(|schema| schema.fields.clone()).collect();
    Ok(Binding { inputs, outputs: vec![main], state: Vec::new() })
}

fn parse(_: &OpenRequest) -> Opened {
    let request = vec![
        Field::new("time", DataType::Timestamp),
        Field::new("path", DataType::Text),
        Field::new("status", DataType::Int64),
        Field::nullable("size", DataType::Int64),
        Field::new("latency", DataType::Float64),
        Field::new("extra", DataType::Json),
    ];
    made(text(), request, false)
}

fn split(_: &OpenRequest) -> Opened {
    let mut binding = made(text(), vec![Field::new("word", DataType::Text)], true)?;
    let columns = vec![Field::new("reason", DataType::Text)];
    binding.outputs.push(OutputBinding { name: "odd".into(), columns, passthrough: true });
    Ok(binding)
}

fn upper(_: &OpenRequest) -> Opened {
    made(text(), text(), true)
}

fn grep(request: &OpenRequest) -> Opened {
    match request.config["pattern"].as_str() {
        Some("[") => Err(vec!["the pattern is not closed".into(), "and it is odd".into()]),
        _ => made(text(), Vec::new(), true),
    }
}

fn quantile(request: &OpenRequest) -> Opened {
    made(request.inputs[0].fields[..1].to_vec(), vec![Field::nullable("quantile", DataType::Float64)], false)
}

fn summary(request: &OpenRequest) -> Opened {
    let columns = vec![Field::new("low", DataType::Float64), Field::new("high", DataType::Float64)];
    made(request.inputs[0].fields[..1].to_vec(), columns, false)
}

fn liar(_: &OpenRequest) -> Opened {
    made(vec![Field::new("nowhere", DataType::Text)], vec![Field::new("", DataType::Text)], false)
}

impl FakePlugins {
    /// Creates the plugins `weblog` (parse), `text` (split, upper, grep, all, liar, pairs, session), `stats` (quantile, summary),
    /// and `bad`, which cannot be loaded.
    pub(crate) fn new() -> FakePlugins {
        let value = vec![Field::nullable("value", DataType::Float64)];
        let mut grep_info = info("grep", Kind::Transform, text());
        grep_info.config_schema = Some(json!({
            "type": "object",
            "properties": { "pattern": { "type": "string" }, "invert": { "type": "boolean" } },
            "required": ["pattern"],
            "additionalProperties": false,
        }));
        let functions: [(&str, Vec<(FunctionInfo, Open)>); 4] = [
            ("weblog", vec![(info("parse", Kind::Transform, text()), parse)]),
            (
                "text",
                vec![
                    (info("split", Kind::Transform, text()), split),
                    (info("upper", Kind::Transform, text()), upper),
                    (grep_info, grep),
                    (info("all", Kind::Transform, Vec::new()), all_pass),
                    (info("liar", Kind::Transform, Vec::new()), liar),
                    (info("pairs", Kind::Join, Vec::new()), all_pass),
                    (info("session", Kind::Process, Vec::new()), all_pass),
                ],
            ),
            (
                "stats",
                vec![
                    (info("quantile", Kind::Aggregate, value.clone()), quantile),
                    (info("summary", Kind::Aggregate, value), summary),
                ],
            ),
            ("bad", Vec::new()),
        ];
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for (name, _) in &functions {
            std::fs::write(folder.path().join(format!("{name}.wasm")), "").expect("a file in it can be written");
        }
        let functions = functions.into_iter().map(|(name, functions)| (name.to_string(), functions)).collect();
        FakePlugins { functions, opened: Vec::new(), folder }
    }

    /// Returns surroundings in which these plugins are found.
    pub(crate) fn around(&self) -> Surroundings {
        Surroundings {
            base: "/job".into(),
            job_file: None,
            plugin_folders: vec!["/job".into(), self.folder.path().to_path_buf()],
            broken: Default::default(),
            versions: Default::default(),
        }
    }

    /// The folder with the (empty) component files.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    fn graph(&mut self, job: &spec::Job) -> JobGraph {
        let around = self.around();
        check(job, &around, self).unwrap().graph
    }

    fn of(&self, plugin: &Path) -> &[(FunctionInfo, Open)] {
        let name = plugin.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }
}

impl PluginCatalog for FakePlugins {
    fn functions(&mut self, plugin: &Path) -> Result<Vec<FunctionInfo>, String> {
        match self.of(plugin) {
            [] => Err("it is not a component".into()),
            functions => Ok(functions.iter().map(|(info, _)| info.clone()).collect()),
        }
    }

    fn open(&mut self, plugin: &Path, request: &OpenRequest, _: &spec::Limits) -> Opened {
        self.opened.push(request.clone());
        let function = self.of(plugin).iter().find(|(info, _)| info.name == request.function);
        function.map(|(_, open)| open(request)).expect("the check asks for functions that are described")
    }
}

/// Checks that a built job and a job file are the same, and returns their graph.
pub(crate) fn same_graph(built: &JobBuilder, yaml: &str) -> JobGraph {
    let (built, written) = (built.build().unwrap(), written(yaml));
    assert_eq!(built, written);
    let mut plugins = FakePlugins::new();
    let graph = plugins.graph(&written);
    assert_eq!(plugins.graph(&built), graph);
    graph
}

/// Returns the graph of a job file.
pub(crate) fn graph(yaml: &str) -> JobGraph {
    FakePlugins::new().graph(&written(yaml))
}

fn written(yaml: &str) -> spec::Job {
    let document =
        Document { name: "job.yaml".into(), text: yaml.into(), language: Language::Yaml, base: "/job".into() };
    let loaded = load(document, &[], &|_| None);
    assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
    loaded.job.unwrap()
}
