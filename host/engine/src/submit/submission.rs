//! A job on its way from what somebody wrote to workers that run it.

use std::fmt;

use super::job_plugins::JobPlugins;
use super::recheck::Recheck;
use crate::code;
use crate::dataflow::worker::{self, OpenSink, RunningJob, StartOptions, Started};
use crate::dataflow::{self, Beginning, FromSavepoint, Prospect};
use crate::job::check::{Surroundings, check};
use crate::job::graph::{JobGraph, SinkNode};
use crate::job::load::env::Variables;
use crate::job::load::{Document, Listed, Loaded, Override, load_with};
use crate::job::problem::Problem;
use crate::job::spec;
use flowgate_base::error::{Code, Coded, Result};
use flowgate_base::schema::Schema;
use flowgate_base::secret::Secrets;
use flowgate_checkpoint::store::Stores;
use flowgate_connect::sink::{Boundedness, SinkWriter};

/// A job to be checked, and what it is checked with.
pub struct Submission<'a> {
    source: Source,
    overrides: Vec<Override>,
    surroundings: Surroundings,
    variables: Variables<'a>,
    checkpoint: Option<spec::Checkpoint>,
}

/// What somebody wrote.
enum Source {
    Document(Document),
    /// Built in Rust, under this name.
    Job(String, Box<spec::Job>),
}

impl<'a> Submission<'a> {
    /// Creates the submission of a document. It has no environment variables; plugins are looked for in the document's folder.
    pub fn new(document: Document) -> Submission<'a> {
        let surroundings = Surroundings::of(&document.base, None, None);
        Submission::of(Source::Document(document), surroundings)
    }

    fn of(source: Source, surroundings: Surroundings) -> Submission<'a> {
        let variables = Variables::of(&|_| None);
        Submission { source, overrides: Vec::new(), surroundings, variables, checkpoint: None }
    }

    /// Creates the submission of a job that was built in Rust ([`JobBuilder`](crate::job::JobBuilder)).
    pub fn of_job(job: spec::Job, surroundings: Surroundings) -> Submission<'a> {
        let name = job.job.clone();
        Submission::of(Source::Job(name, Box::new(job)), surroundings)
    }

    /// Puts settings in place of those of the document, as `--set` does. A job that was built in Rust has its own.
    #[must_use]
    pub fn with_overrides(mut self, overrides: Vec<Override>) -> Self {
        self.overrides = overrides;
        self
    }

    /// Lets the document use environment variables, by a function that returns the value of one.
    #[must_use]
    pub fn with_variables(mut self, variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        self.variables.environment = variable;
        self
    }

    /// Lets the document use these secrets: those of a tenant of a node.
    #[must_use]
    pub fn with_secrets(mut self, secrets: &'a Secrets) -> Self {
        self.variables.secrets = Some(secrets);
        self
    }

    /// Takes these checkpoints of a job that says nothing about its own.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: spec::Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Looks for plugins there, and knows in which file the job is.
    #[must_use]
    pub fn in_surroundings(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// Reads the document and checks the job. Nothing of it runs, but its plugins are loaded and their functions opened.
    ///
    /// # Errors
    /// Everything that is wrong with the job.
    pub fn check(mut self, plugins: &mut JobPlugins) -> std::result::Result<Accepted, Box<Rejected>> {
        let mut loaded = match self.source {
            Source::Document(document) => load_with(document, &self.overrides, &self.variables),
            Source::Job(name, job) => Loaded::of_job(name, *job, &self.surroundings.base),
        };
        self.surroundings.broken.clone_from(&loaded.broken);
        if let Some(job) = &mut loaded.job
            && job.checkpoint.is_none()
        {
            job.checkpoint = self.checkpoint;
        }
        let checked = match &loaded.job {
            Some(job) => check(job, &self.surroundings, plugins),
            None => Err(Vec::new()),
        };
        match checked {
            Ok(checked) if loaded.problems.is_empty() => {
                let surroundings = self.surroundings;
                Ok(Accepted { graph: checked.graph, warnings: checked.warnings, loaded, surroundings })
            }
            // The warnings can wait.
            Ok(_) => Err(Box::new(Rejected { loaded, further: Vec::new() })),
            Err(further) => Err(Box::new(Rejected { loaded, further })),
        }
    }
}

/// A job that can run.
#[derive(Debug)]
pub struct Accepted {
    /// What runs.
    pub graph: JobGraph,
    warnings: Vec<Problem>,
    loaded: Loaded,
    surroundings: Surroundings,
}

impl Accepted {
    /// Returns what checks the job again while it runs, with another version of a plugin.
    pub fn recheck(&self) -> Recheck {
        Recheck::new(self.loaded.clone(), self.surroundings.clone())
    }

    /// Returns the warnings, with their places in the document: a line or more for each, empty without any.
    pub fn warnings(&self, colour: bool) -> String {
        self.loaded.report(&self.warnings, colour)
    }

    /// Returns the warnings, each with its place in the document, in the order of the document.
    pub fn listed(&self) -> Vec<Listed> {
        self.loaded.listed(&self.warnings)
    }
}

/// A job that cannot run. Displays, for developers too, as its [report](Rejected::report) without colours.
pub struct Rejected {
    loaded: Loaded,
    further: Vec<Problem>,
}

impl Rejected {
    /// Returns everything that is wrong with the job, with its places in the document, and the number of errors.
    pub fn report(&self, colour: bool) -> String {
        let count = self.loaded.problems.len() + self.further.len();
        let count = if count == 1 { "1 error".to_string() } else { format!("{count} errors") };
        format!("{}{count}; nothing was run", self.loaded.report(&self.further, colour))
    }

    /// Returns everything that is wrong with the job, each with its place in the document, in the order of the document.
    pub fn listed(&self) -> Vec<Listed> {
        self.loaded.listed(&self.further)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report(false))
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Rejected {}

impl Coded for Rejected {
    fn code(&self) -> &'static Code {
        &code::JOB_PROBLEMS
    }
}

/// Starts a job with the plugins that it was checked with. [`open_sink`] opens sinks as the job says; a caller may open some in
/// another way. A job that takes checkpoints must not have any in its store.
///
/// # Errors
/// A source, a sink, a plugin or a store cannot be opened, or the system refuses threads. The store has checkpoints of the job.
pub fn start(graph: JobGraph, plugins: &mut JobPlugins, open_sink: OpenSink<'_>) -> Result<RunningJob> {
    let limits = graph.limits.clone();
    worker::start(graph, plugins.wall(&limits)?, open_sink)
}

/// Starts a job that takes checkpoints, or does not. `stores` are the kinds of stores that the caller knows; `beginning` says what
/// becomes of the checkpoints that are there.
///
/// # Errors
/// As [`start`]. With [`Beginning::Resume`]: the job has changed so that it cannot continue.
pub fn start_from(
    graph: JobGraph,
    plugins: &mut JobPlugins,
    open_sink: OpenSink<'_>,
    stores: &Stores,
    beginning: Beginning,
) -> Result<Started> {
    start_with(graph, plugins, open_sink, stores, beginning, StartOptions::default())
}

/// Starts a job as [`start_from`] does, with options.
///
/// # Errors
/// As [`start_from`].
pub fn start_with(
    graph: JobGraph,
    plugins: &mut JobPlugins,
    open_sink: OpenSink<'_>,
    stores: &Stores,
    beginning: Beginning,
    options: StartOptions,
) -> Result<Started> {
    let limits = graph.limits.clone();
    worker::start_with(graph, plugins.wall(&limits)?, open_sink, stores, beginning, options)
}

/// Says what would become of a savepoint in a job. With `migrates`, each value of a slot whose version has changed is migrated, to see
/// whether that succeeds. Nothing runs.
///
/// # Errors
/// There is no such savepoint, it is damaged, its store fails, or a function cannot be opened.
pub fn prospect(
    graph: &JobGraph,
    plugins: &mut JobPlugins,
    stores: &Stores,
    from: &FromSavepoint,
    migrates: bool,
) -> Result<Prospect> {
    let limits = graph.limits.clone();
    dataflow::prospect(graph, plugins.wall(&limits)?, stores, from, migrates)
}

/// Opens a sink as the job says.
///
/// # Errors
/// As the connector's: it cannot be written to.
pub fn open_sink(sink: &SinkNode, schema: &Schema, boundedness: Boundedness) -> Result<Box<dyn SinkWriter>> {
    sink.connector.open_sink(schema, boundedness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobBuilder;
    use crate::job::load::Language;

    fn document(text: &str) -> Document {
        Document { name: "job.yaml".into(), text: text.into(), language: Language::Yaml, base: "/".into() }
    }

    /// Problems of the shape and of the check are in one report, with places, and have the code of a rejected job.
    #[test]
    fn a_rejected_job_has_one_report_of_all_problems() {
        let text = "\
job: wrong
paralelism: 2
sources:
  numbers: { generator: { rows: 3, columns: { n: { sequence: {} } } } }
sinks:
  out: { input: nubmers, blackhole: {} }
";
        let rejected = Submission::new(document(text)).check(&mut JobPlugins::embedded()).unwrap_err();
        let error = flowgate_base::error::Error::from(*rejected);
        assert_eq!(error.code, &code::JOB_PROBLEMS);
        assert!(error.message.contains("job.yaml:2:1: error: "), "{error}");
        assert!(error.message.contains("job.yaml:6:17: error: "), "{error}");
        assert!(error.message.ends_with("2 errors; nothing was run"), "{error}");
    }

    #[test]
    fn overrides_and_variables_change_the_document() {
        let text = "\
job: ${NAME}
sources:
  numbers: { generator: { rows: 3, columns: { n: { sequence: {} } } } }
sinks:
  out: { input: numbers, blackhole: {} }
";
        let parallel = Override { steps: vec!["parallelism".into()], value: "3".into(), argument: "-p 3".into() };
        let variable = |name: &str| (name == "NAME").then(|| "set".to_string());
        let submission = Submission::new(document(text)).with_overrides(vec![parallel]).with_variables(&variable);
        let accepted = submission.check(&mut JobPlugins::embedded()).unwrap();
        assert_eq!((accepted.graph.name.as_str(), accepted.graph.parallelism), ("set", 3));
        assert_eq!(accepted.warnings(false), "");
    }

    #[test]
    fn a_job_built_in_rust_is_checked_and_runs_as_a_document_does() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.txt"), "a\nb\nc\n").unwrap();
        let build = |input: &str| {
            let job = JobBuilder::new("built");
            job.file(input).write("out", "out.csv");
            job.build().unwrap()
        };
        let surroundings = Surroundings::of(folder.path(), None, None);
        let mut plugins = JobPlugins::embedded();
        let accepted = Submission::of_job(build("in.txt"), surroundings.clone()).check(&mut plugins).unwrap();
        start(accepted.graph, &mut plugins, &mut open_sink).unwrap().wait().unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("out.csv")).unwrap(), "text\na\nb\nc\n");

        let rejected = Submission::of_job(build(""), surroundings).check(&mut plugins).unwrap_err();
        assert!(rejected.to_string().starts_with("built: error: "), "{rejected}");
    }
}
