//! A query's job, with rows from memory and a sink that drops them.

use std::sync::atomic::Ordering::Relaxed;

use flowgate::job::check::{Surroundings, check};
use flowgate::job::graph::{JobGraph, NodeKind, SinkNode};
use flowgate::job::load::{Document, Language, Override, load};
use flowgate::running;
use flowgate_wall::Plugins;

use crate::nexmark_cost::{Cost, Meter};
use crate::report;

/// A job that can be run.
pub(crate) struct Job {
    graph: JobGraph,
}

impl Job {
    /// Reads a query's job file.
    ///
    /// # Panics
    /// If something is wrong with it.
    pub(crate) fn read(query: &str, events: u64, workers: usize, plugins: &Plugins) -> Job {
        let path = report::repository().join("examples/nexmark").join(query).with_extension("yaml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Job::of(text, events, workers, plugins)
    }

    /// Creates a job from a job file's text.
    ///
    /// # Panics
    /// If something is wrong with it.
    pub(crate) fn of(text: String, events: u64, workers: usize, plugins: &Plugins) -> Job {
        let tables =
            ["persons", "auctions", "bids"].into_iter().filter(|table| text.contains(&format!("\n  {table}:\n")));
        let mut settings: Vec<_> = tables.map(|table| format!("sources.{table}.nexmark.preload=true")).collect();
        settings.push("sinks.out={ input: result, blackhole: {} }".into());
        settings.push(format!("parallelism={workers}"));
        let settings: Vec<_> = settings.iter().map(|s| Override::parse(s).expect("a good setting")).collect();
        let environment = |name: &str| (name == "EVENTS").then(|| events.to_string());
        let document = Document { name: "job.yaml".into(), text, language: Language::Yaml, base: ".".into() };
        let loaded = load(document, &settings, &environment);
        assert!(loaded.problems.is_empty(), "{}", loaded.report(&[], false));
        let job = loaded.job.expect("a job");
        let folders = ["bench", "plugins"].map(|folder| report::target_folder().join(folder));
        let around = Surroundings { plugin_folders: folders.into(), ..Surroundings::default() };
        let graph = check(&job, &around, &mut plugins.clone()).unwrap_or_else(|problems| panic!("{problems:?}")).graph;
        Job { graph }
    }

    /// Runs it. Returns its cost, and the number of rows that its sources emitted.
    pub(crate) fn run(&self, plugins: &Plugins) -> (Cost, u64) {
        let meter = Meter::start();
        let mut open_sink = |sink: &SinkNode, schema: &_, ends| sink.connector.open_sink(schema, ends);
        let running = running::start(self.graph.clone(), plugins, &mut open_sink).expect("the job starts");
        let state = running.state().clone();
        running.wait().expect("the job ends well");
        let cost = meter.stop();
        let nodes = self.graph.nodes.iter().zip(&state.metrics.nodes);
        let sources = nodes.filter(|(node, _)| matches!(node.kind, NodeKind::Source(_)));
        (cost, sources.map(|(_, metrics)| metrics.rows_in.load(Relaxed)).sum())
    }
}
