//! Kills a job at random instants, mostly within a checkpoint, and lets it resume.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Chance, Flowgate, Folder, Running, Signal};

use super::case::{Case, store};
use super::output::Output;
use super::store::{Store, is_before_commit};

/// Where kills have hit a job, by what they left in its folders.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Kills {
    /// Within a checkpoint: data of one that is not committed is in the store.
    pub(crate) in_checkpoint: usize,
    /// Within a checkpoint: it is committed, and its sinks are not yet.
    pub(crate) before_commit: usize,
    /// Anywhere else.
    pub(crate) outside: usize,
}

impl Kills {
    /// Returns the number of all kills.
    pub(crate) fn all(&self) -> usize {
        self.inside() + self.outside
    }

    /// Returns the number of kills within a checkpoint.
    pub(crate) fn inside(&self) -> usize {
        self.in_checkpoint + self.before_commit
    }

    /// Adds those of another case.
    pub(crate) fn add(&mut self, other: Kills) {
        self.in_checkpoint += other.in_checkpoint;
        self.before_commit += other.before_commit;
        self.outside += other.outside;
    }
}

/// The longest time that an attempt works before the instant of its kill is sought.
const WORK_MAX: Duration = Duration::from_millis(300);
/// The longest time for which an instant within a checkpoint is awaited.
const AIM_MAX: Duration = Duration::from_millis(700);
/// The longest time for which an instant between a manifest and its sinks is awaited. It lasts for some renames.
const COMMIT_MAX: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs that may end before they are killed, for each kill.
const RUNS_FOR_A_KILL: usize = 20;

/// Kills a case's job `planned` times. Compares its output with that of an undisturbed run, whenever it has come to its end.
///
/// # Panics
/// If an attempt fails, or the output differs.
pub(crate) fn kill(case: &Case, planned: usize, chance: &mut Chance) -> Kills {
    let undisturbed = case.folder(false);
    run_to_end(case, &undisturbed, "2", &[]);
    let expected = Output::read(undisturbed.path(), &case.sinks());
    for (sink, rows) in expected.counts() {
        assert!(rows > 0, "{}: {sink} has no rows", case.name);
    }
    let mut kills = Kills::default();
    let mut attempts = 0;
    // A job that ends before all kills starts again in a folder of its own. A short one ends often where the machine is quick.
    for _ in 0..=RUNS_FOR_A_KILL * planned {
        let folder = case.folder(true);
        while kills.all() < planned {
            attempts += 1;
            if !attempt(case, &folder, chance, &mut kills) {
                break;
            }
        }
        if kills.all() == planned {
            run_to_end(case, &folder, parallelism(chance), &["--resume"]);
        }
        let output = Output::read(folder.path(), &case.sinks());
        if let Some(difference) = output.differs_from(&expected) {
            let kept = keep(folder);
            panic!("{}: after {kills:?} in {attempts} attempts, in {kept}:\n{difference}", case.name);
        }
        if kills.all() == planned {
            break;
        }
    }
    kills
}

fn parallelism(chance: &mut Chance) -> &'static str {
    ["1", "2", "3", "4"][usize::try_from(chance.below(4)).expect("below 4")]
}

fn start(folder: &Path, parallelism: &str, more: &[&str]) -> Running {
    let arguments = [&["run", "-q", "job.yaml", "--no-control", "-p", parallelism], more].concat();
    Flowgate::new(folder, &arguments).deadline(PATIENCE).start()
}

#[track_caller]
fn run_to_end(case: &Case, folder: &Folder, parallelism: &str, more: &[&str]) {
    let ended = start(folder.path(), parallelism, more).wait();
    assert_eq!(ended.code(), Some(0), "{}: {}", case.name, ended.stderr);
}

/// Runs the job until it is killed: true, or until it has ended: false.
fn attempt(case: &Case, folder: &Folder, chance: &mut Chance, kills: &mut Kills) -> bool {
    let path = store(folder.path());
    let before = Store::read(&path);
    let (old, last) = (before.staged(), before.newest());
    let mut running = start(folder.path(), parallelism(chance), &["--resume"]);
    // One in ten dies at any time, also while it starts; the others once they have claimed their manifest.
    let anywhere = chance.below(10) == 0;
    let work = chance.time_below(WORK_MAX);
    let to_commit = chance.below(4) == 0;
    let mut claimed = anywhere.then(Instant::now);
    loop {
        if running.has_ended() {
            let ended = running.wait();
            assert_eq!(ended.code(), Some(0), "{}: {}", case.name, ended.stderr);
            return false;
        }
        let now = Store::read(&path);
        if claimed.is_none() && now.newest() > last {
            claimed = Some(Instant::now());
        }
        if let Some(elapsed) = claimed.map(|at| at.elapsed())
            && elapsed >= work
        {
            let aims_at_commit = to_commit && elapsed < work + COMMIT_MAX;
            let is_there =
                if aims_at_commit { is_before_commit(folder.path(), &path) } else { now.is_in_checkpoint(&old) };
            if anywhere || is_there || elapsed > work + AIM_MAX {
                break;
            }
        }
        // Checkpoints take milliseconds. Others need the processor as well.
        std::thread::sleep(Duration::from_micros(100));
    }
    running.signal(Signal::KILL);
    let ended = running.wait();
    if ended.code().is_some() {
        assert_eq!(ended.code(), Some(0), "{}: {}", case.name, ended.stderr);
        return false;
    }
    let (in_checkpoint, before_commit) =
        (Store::read(&path).is_in_checkpoint(&old), is_before_commit(folder.path(), &path));
    match (in_checkpoint, before_commit) {
        (true, _) => kills.in_checkpoint += 1,
        (false, true) => kills.before_commit += 1,
        (false, false) => kills.outside += 1,
    }
    true
}

/// Keeps the folder of a failed case for its reader, and returns its path.
fn keep(folder: Folder) -> String {
    let path = folder.path().display().to_string();
    std::mem::forget(folder);
    path
}
