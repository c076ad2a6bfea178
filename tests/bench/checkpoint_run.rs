//! A run of the program with checkpoints, observed through the manifests of its store.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::report;

/// The time between looks into the store.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a checkpoint may take to appear.
const PATIENCE: Duration = Duration::from_secs(180);

/// The store of the job, relative to its file.
pub(crate) const STORE: &str = "store";

/// Variables of a job file.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// What a manifest says of one checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    /// Bytes of data files that it added.
    pub bytes: u64,
    /// Rows that it added.
    pub rows: u64,
    /// The longest pause of a worker, in milliseconds.
    pub pause_ms: f64,
    /// From the boundary until all operators had aligned, in milliseconds.
    pub alignment_ms: f64,
    /// From the boundary until the manifest was written, in milliseconds.
    pub duration_ms: f64,
    /// Compacted files that it names, with their sizes.
    bases: BTreeMap<String, u64>,
}

/// The folder of a job: its file and its store.
#[derive(Debug)]
pub(crate) struct Workplace {
    folder: PathBuf,
    checkpoints: BTreeMap<u64, Option<Checkpoint>>,
}

impl Workplace {
    /// Creates an empty folder.
    pub(crate) fn new() -> Self {
        let folder = report::target_folder().join("bench").join("checkpoint");
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("the folder of the last run can be removed");
        }
        fs::create_dir_all(&folder).expect("target/bench can be made");
        Workplace { folder, checkpoints: BTreeMap::new() }
    }

    /// Writes a job, and removes the store of the one before it.
    pub(crate) fn set_job(&mut self, job: &str) {
        fs::write(self.folder.join("job.yaml"), job).expect("the job can be written");
        let _ = fs::remove_dir_all(self.folder.join(STORE));
        self.checkpoints.clear();
    }

    /// Runs the job to its end. Returns the time that it took.
    pub(crate) fn run_to_end(&mut self, variables: &Variables) -> Duration {
        let started = Instant::now();
        let status = self.command(variables).status().expect("the program runs");
        assert!(status.success(), "the job ends with {status}");
        let took = started.elapsed();
        self.look();
        took
    }

    /// Starts or resumes the job.
    pub(crate) fn start(&mut self, variables: &Variables) -> Running<'_> {
        self.look();
        let from = self.newest();
        let started = Instant::now();
        let child = self.command(variables).arg("--resume").spawn().expect("the program runs");
        Running { place: self, child, started, from }
    }

    /// Returns the checkpoints so far, oldest first.
    pub(crate) fn checkpoints(&self) -> Vec<Checkpoint> {
        self.checkpoints.values().flatten().cloned().collect()
    }

    fn command(&self, variables: &Variables) -> Command {
        let bench = std::env::current_exe().expect("a running program has a path");
        let program = bench.ancestors().nth(2).expect("PROFILE/deps/BENCH").join("flowgate");
        assert!(program.exists(), "{} is not built: run `make bench`", program.display());
        let mut command = Command::new(program);
        command.args(["run", "-q", "job.yaml"]).current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        let plugins = report::target_folder().join("plugins");
        command.env("FLOWGATE_PLUGIN_PATH", fs::canonicalize(&plugins).unwrap_or(plugins));
        command.env("STORE", STORE).envs(variables.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn newest(&self) -> u64 {
        self.checkpoints.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Reads the manifests that are new.
    fn look(&mut self) {
        while let Some(checkpoint) = read(&self.folder.join(STORE), self.newest() + 1) {
            self.checkpoints.insert(self.newest() + 1, checkpoint);
        }
    }
}

/// A job that runs. It is killed at the end, as a crash would.
pub(crate) struct Running<'a> {
    place: &'a mut Workplace,
    child: Child,
    started: Instant,
    /// The number of the newest manifest before it.
    from: u64,
}

impl Running<'_> {
    /// Waits until there is a checkpoint. Returns the time since the start of the program.
    pub(crate) fn until_first(&mut self) -> Duration {
        self.wait(1, Duration::ZERO);
        self.started.elapsed()
    }

    /// Waits until `time` has passed and there are `least` checkpoints. Returns those of this run, and the bytes of files that were
    /// compacted meanwhile.
    pub(crate) fn observe(mut self, least: usize, time: Duration) -> (Vec<Checkpoint>, u64) {
        self.wait(least, time);
        let checkpoints = self.checkpoints();
        let before = self.place.checkpoints.range(..=self.from).filter_map(|(_, checkpoint)| checkpoint.as_ref());
        let known: BTreeMap<String, u64> = before.flat_map(|checkpoint| checkpoint.bases.clone()).collect();
        let bases: BTreeMap<String, u64> = checkpoints.iter().flat_map(|checkpoint| checkpoint.bases.clone()).collect();
        let compacted = bases.iter().filter(|(name, _)| !known.contains_key(*name)).map(|(_, bytes)| bytes).sum();
        (checkpoints, compacted)
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        self.place.checkpoints.range(self.from + 1..).filter_map(|(_, checkpoint)| checkpoint.clone()).collect()
    }

    fn wait(&mut self, least: usize, time: Duration) {
        let observed = Instant::now();
        while observed.elapsed() < time || self.checkpoints().len() < least {
            let ended = self.child.try_wait().expect("the program's state");
            assert!(ended.is_none(), "the job has ended: {ended:?}");
            assert!(observed.elapsed() < time + PATIENCE, "{} checkpoints of {least}", self.checkpoints().len());
            std::thread::sleep(LOOK_EVERY);
            self.place.look();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a manifest. `None`: it does not exist, or is being written; `Some(None)`: it is no checkpoint.
fn read(store: &Path, number: u64) -> Option<Option<Checkpoint>> {
    let bytes = fs::read(store.join(format!("manifest-{number:020}.json"))).ok()?;
    let manifest: Value = serde_json::from_slice(&bytes).ok()?;
    let checkpoint = &manifest["record"]["checkpoint"];
    if checkpoint.is_null() {
        return Some(None);
    }
    let stat = |name: &str| checkpoint["stats"][name].as_u64().expect("a number");
    let files = checkpoint["files"].as_array().expect("files").iter();
    let bases = files.filter_map(|file| {
        let path = file["path"].as_str().filter(|path| path.starts_with("base-"))?;
        Some((path.to_string(), file["bytes"].as_u64()?))
    });
    Some(Some(Checkpoint {
        bytes: stat("bytes"),
        rows: stat("rows"),
        pause_ms: stat("pause_us") as f64 / 1e3,
        alignment_ms: stat("alignment_us") as f64 / 1e3,
        duration_ms: stat("duration_us") as f64 / 1e3,
        bases: bases.collect(),
    }))
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
