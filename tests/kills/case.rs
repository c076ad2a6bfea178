//! A job that is killed: its text, with checkpoints and without, and its files.

use std::path::Path;

use harness::Folder;

/// A job of a sink for each operator, and the files that it reads.
pub(crate) struct Case {
    /// What the case is about.
    pub(crate) name: &'static str,
    /// The sources, as YAML below `sources:`.
    pub(crate) sources: String,
    /// The operators: the name, and the settings as YAML.
    pub(crate) operators: Vec<(&'static str, String)>,
    /// Operators that others read, without a sink.
    pub(crate) inner: Vec<(&'static str, String)>,
    /// Further sinks: the name, which is also the folder's, and the input.
    pub(crate) side_outputs: Vec<(&'static str, &'static str)>,
    /// The memory for state.
    pub(crate) memory: &'static str,
    /// Bytes of rows in flight.
    pub(crate) in_flight: &'static str,
    /// Operators whose event times are compared too: the number of rows of each millisecond.
    pub(crate) timed: Vec<&'static str>,
    /// Files to write: the name and the content.
    pub(crate) files: Vec<(String, String)>,
}

impl Case {
    /// Creates a case without files, with memory for all state.
    pub(crate) fn new(name: &'static str, sources: impl Into<String>, operators: Vec<(&'static str, String)>) -> Self {
        let timed = operators.iter().map(|(name, _)| *name).collect();
        Case {
            name,
            sources: sources.into(),
            operators,
            inner: vec![],
            side_outputs: vec![],
            memory: "1GiB",
            in_flight: "16MiB",
            timed,
            files: vec![],
        }
    }

    /// Creates a folder with its job and its files.
    pub(crate) fn folder(&self, checkpoint: bool) -> Folder {
        let mut job = self.job(checkpoint);
        if !checkpoint {
            // An undisturbed run needs no time in which it could be killed.
            job = job.lines().filter(|line| !line.trim_start().starts_with("rate:")).collect::<Vec<_>>().join("\n");
        }
        let folder = Folder::with_job(&job);
        for (name, content) in &self.files {
            folder.write(name, content);
        }
        folder
    }

    /// Returns the names of the sinks, which are those of their folders.
    pub(crate) fn sinks(&self) -> Vec<String> {
        let operators = self.operators.iter().map(|(name, _)| format!("out_{name}"));
        let side = self.side_outputs.iter().map(|(name, _)| format!("out_{name}"));
        operators.chain(side).chain(self.timed.iter().map(|name| format!("out_{name}_times"))).collect()
    }

    fn job(&self, checkpoint: bool) -> String {
        let mut job = "job: recovery\n".to_owned();
        if checkpoint {
            job += "checkpoint: { every: 20ms, store: store, keep: 3 }\n";
        }
        job += &format!("in_flight: {{ bytes: {} }}\n", self.in_flight);
        job += &format!("state: {{ memory: {} }}\nsources:\n{}operators:\n", self.memory, self.sources);
        for (name, settings) in self.inner.iter().chain(&self.operators) {
            job += &format!("  {name}: {settings}\n");
        }
        for name in &self.timed {
            let window = "window: { tumbling: 1ms }, aggregate: { n: count() }";
            job += &format!("  {name}_times: {{ input: {name}, {window} }}\n");
        }
        job += "sinks:\n";
        let operators = self.operators.iter().map(|(name, _)| (*name, *name));
        let times: Vec<String> = self.timed.iter().map(|name| format!("{name}_times")).collect();
        let times = times.iter().map(|name| (name.as_str(), name.as_str()));
        for (n, (name, input)) in operators.chain(self.side_outputs.iter().copied()).chain(times).enumerate() {
            // One part for each checkpoint, or a part that many checkpoints continue; both formats.
            let every = if n % 2 == 0 { "0s" } else { "1m" };
            let format = if n % 3 == 2 { "csv" } else { "json" };
            let settings = format!("path: out_{name}/, format: {format}, part_every: {every}");
            job += &format!("  out_{name}: {{ input: {input}, file: {{ {settings} }} }}\n");
        }
        job
    }
}

/// Returns the store of a job in `folder`.
pub(crate) fn store(folder: &Path) -> std::path::PathBuf {
    folder.join("store")
}
