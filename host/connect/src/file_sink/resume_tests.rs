//! Sinks of jobs with checkpoints: after a crash anywhere, the rows of the checkpoint are there, each once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array};
use proptest::prelude::*;

use super::encoder::RowEncoder;
use super::folder::PartFolder;
use super::parts::{PartLimits, PartsSink};
use super::sink::FileSink;
use crate::settings::SinkFormat;
use crate::sink::{Begin, Boundedness, Committable, SinkWriter};
use flowgate_base::error::Result;
use flowgate_base::schema::{DataType, Field, Schema};

/// One kind of output.
#[derive(Debug, Clone, Copy)]
struct Kind {
    is_folder: bool,
    format: SinkFormat,
    boundedness: Boundedness,
    limits: PartLimits,
}

/// A job's sink, its checkpoints, and the rows 0, 1, ... that it has written.
struct Job {
    _folder: tempfile::TempDir,
    path: PathBuf,
    kind: Kind,
    sink: Option<Box<dyn SinkWriter>>,
    /// The number of rows that were written.
    rows: i64,
    /// Committables of prepared rows that were not committed.
    pending: Vec<Committable>,
    /// Durable checkpoints: the committables, and the rows before them.
    checkpoints: Vec<(Vec<Committable>, i64)>,
}

#[derive(Debug, Clone)]
enum Step {
    Write(i64),
    Flush,
    /// A checkpoint that fails after `prepare`.
    CheckpointFails,
    /// A crash after `prepare`: before the manifest, or with it but before the commit.
    CrashInCheckpoint {
        has_manifest: bool,
    },
    /// A crash in a commit, after this number of renames.
    CrashInCommit(usize),
    Checkpoint,
    Crash,
    /// A crash, and the last checkpoint is damaged.
    CrashAndGoBack,
}

fn open(kind: Kind, path: &Path) -> Result<Box<dyn SinkWriter>> {
    let schema = Schema::new(vec![Field::new("n", DataType::Int64)]);
    if !kind.is_folder {
        return Ok(Box::new(FileSink::open(path, kind.format, &schema, kind.boundedness)?));
    }
    let folder = PartFolder::open(path, extension(kind))?;
    Ok(Box::new(PartsSink::new(folder, RowEncoder::new(kind.format, &schema), kind.limits, kind.boundedness)))
}

fn extension(kind: Kind) -> &'static str {
    if kind.format == SinkFormat::Csv { "csv" } else { "jsonl" }
}

/// Returns the rows of a file, which must be whole and, in CSV, behind one header.
fn rows_of(kind: Kind, path: &Path) -> Vec<i64> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "half a row in {}: {text:?}", path.display());
    let text = match kind.format {
        SinkFormat::Json => text,
        SinkFormat::Csv => text.strip_prefix("n\n").unwrap_or_else(|| panic!("no header in {text:?}")).to_string(),
    };
    let number = |line: &str| line.trim_start_matches("{\"n\":").trim_end_matches('}').parse().unwrap();
    text.lines().map(number).collect()
}

impl Job {
    fn new(kind: Kind) -> Job {
        // In memory, where a sync costs nothing.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = folder.path().join("out");
        let mut job =
            Job { _folder: folder, path, kind, sink: None, rows: 0, pending: Vec::new(), checkpoints: Vec::new() };
        job.begin();
        job
    }

    /// Starts the sink: with the last checkpoint, if there is one.
    fn begin(&mut self) {
        let mut sink = open(self.kind, &self.path).unwrap();
        self.pending.clear();
        match self.checkpoints.last() {
            Some((committables, rows)) => {
                sink.start(&Arc::default(), Begin::Resume(committables)).unwrap();
                self.rows = *rows;
            }
            None => {
                sink.start(&Arc::default(), Begin::Fresh).unwrap();
                self.rows = 0;
            }
        }
        self.sink = Some(sink);
        assert_eq!(self.all_output().concat(), (0..self.rows).collect::<Vec<_>>(), "after the start");
    }

    fn sink(&mut self) -> &mut dyn SinkWriter {
        &mut **self.sink.as_mut().unwrap()
    }

    /// Returns the visible rows, or those of hidden parts, in order.
    fn output(&self, is_hidden: bool) -> Vec<i64> {
        if !self.kind.is_folder {
            let has_none = is_hidden || self.path.metadata().unwrap().len() == 0;
            return if has_none { Vec::new() } else { rows_of(self.kind, &self.path) };
        }
        let mut names: Vec<String> =
            fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.starts_with('.') == is_hidden);
        names.sort();
        names.iter().flat_map(|name| rows_of(self.kind, &self.path.join(name))).collect()
    }

    fn all_output(&self) -> [Vec<i64>; 2] {
        [false, true].map(|is_hidden| self.output(is_hidden))
    }

    fn write(&mut self, count: i64) {
        let numbers: Vec<i64> = (self.rows..self.rows + count).collect();
        self.rows += count;
        let column: ArrayRef = Arc::new(Int64Array::from(numbers));
        self.sink().write(&[column], count as usize).unwrap();
    }

    fn prepare(&mut self, is_last: bool) {
        let prepared = self.sink().prepare(is_last).unwrap();
        self.pending.extend(prepared);
    }

    fn manifest(&mut self) {
        self.checkpoints.push((self.pending.clone(), self.rows));
    }

    fn commit(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.sink().commit(&pending).unwrap();
        // A commit may be repeated.
        self.sink().commit(&pending).unwrap();
    }

    /// Commits the first `renames` parts only.
    fn commit_partly(&mut self, mut renames: usize) {
        let mut pending = self.pending.clone();
        for committable in &mut pending {
            if let Some(parts) = committable.0.pointer_mut("/folder/parts").and_then(|parts| parts.as_array_mut()) {
                parts.truncate(renames);
                renames -= parts.len();
            }
        }
        self.sink().commit(&pending).unwrap();
    }

    fn crash(&mut self) {
        self.sink = None;
        let visible = self.output(false);
        assert_eq!(visible, (0..visible.len() as i64).collect::<Vec<_>>(), "after a crash");
        self.begin();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(count) => self.write(*count),
            Step::Flush => self.sink().flush().unwrap(),
            Step::CheckpointFails => self.prepare(false),
            Step::CrashInCheckpoint { has_manifest } => {
                self.prepare(false);
                if *has_manifest {
                    self.manifest();
                }
                self.crash();
            }
            Step::CrashInCommit(renames) => {
                self.prepare(false);
                self.manifest();
                // Rows go on meanwhile.
                self.write(2);
                self.commit_partly(*renames);
                self.crash();
            }
            Step::Checkpoint => {
                self.prepare(false);
                self.manifest();
                self.write(1);
                self.commit();
                if self.kind.is_folder && self.kind.limits.every.is_zero() {
                    assert_eq!(self.output(false).len() as i64, self.rows - 1, "all rows of a checkpoint are visible");
                }
            }
            Step::Crash => self.crash(),
            Step::CrashAndGoBack => {
                self.checkpoints.pop();
                self.crash();
            }
        }
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    let format = prop_oneof![Just(SinkFormat::Json), Just(SinkFormat::Csv)];
    let boundedness = prop_oneof![Just(Boundedness::Bounded), Just(Boundedness::Unbounded)];
    let every = prop_oneof![Just(Duration::ZERO), Just(Duration::from_secs(3_600))];
    (any::<bool>(), format, boundedness, prop_oneof![1u64..60, Just(1 << 20)], every).prop_map(
        |(is_folder, format, boundedness, bytes, every)| Kind {
            is_folder,
            format,
            boundedness,
            limits: PartLimits { bytes, every },
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1i64..9).prop_map(Step::Write),
        1 => Just(Step::Flush),
        1 => Just(Step::CheckpointFails),
        1 => any::<bool>().prop_map(|has_manifest| Step::CrashInCheckpoint { has_manifest }),
        1 => (0usize..4).prop_map(Step::CrashInCommit),
        3 => Just(Step::Checkpoint),
        1 => Just(Step::Crash),
        1 => Just(Step::CrashAndGoBack),
    ];
    proptest::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Goal: E1 to E5 for both kinds of output. Method: random writes, checkpoints and crashes at each step of a checkpoint; the
    /// output always has whole rows in order, after a start exactly those of the checkpoint, and at the end all of them.
    #[test]
    fn after_a_crash_anywhere_every_row_is_there_once(kind in kinds(), steps in steps()) {
        let mut job = Job::new(kind);
        for step in &steps {
            job.step(step);
        }
        job.prepare(true);
        job.manifest();
        job.commit();
        prop_assert_eq!(job.all_output(), [(0..job.rows).collect::<Vec<_>>(), vec![]]);
    }
}

const FILE: Kind = Kind {
    is_folder: false,
    format: SinkFormat::Json,
    boundedness: Boundedness::Bounded,
    limits: PartLimits { bytes: 1 << 20, every: Duration::ZERO },
};

const FOLDER: Kind = Kind { is_folder: true, ..FILE };

/// Returns a job with rows 0 to 2 in a checkpoint, and row 3 behind it; its process has ended.
fn interrupted(kind: Kind) -> (Job, Vec<Committable>) {
    let mut job = Job::new(kind);
    job.write(3);
    job.prepare(false);
    job.manifest();
    job.write(1);
    job.sink().flush().unwrap();
    job.sink = None;
    let committables = job.checkpoints[0].0.clone();
    (job, committables)
}

fn resume(job: &Job, kind: Kind, committables: &[Committable]) -> Result<()> {
    open(kind, &job.path).and_then(|mut sink| sink.start(&Arc::default(), Begin::Resume(committables)))
}

#[test]
fn a_file_that_is_not_the_checkpoints_is_refused_and_both_are_named() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("there is no file", |path| fs::remove_file(path).unwrap()),
        ("bytes", |path| fs::File::options().write(true).open(path).unwrap().set_len(20).unwrap()),
        ("the file there now has inode", |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
        ("but other content: it was written by somebody else", |path| {
            let text = fs::read_to_string(path).unwrap();
            fs::write(path, text.replace('1', "7")).unwrap();
        }),
    ];
    for (told, change) in changes {
        let (job, committables) = interrupted(FILE);
        change(&job.path);
        // `None`: one of the changes removes the file, which must not come back.
        let before = fs::read(&job.path).ok();
        let error = resume(&job, FILE, &committables).unwrap_err();
        assert_eq!(error.code.to_string(), "FG0353");
        let known = format!("cannot resume writing {0}: the checkpoint has {0} (inode ", job.path.display());
        assert!(error.message.starts_with(&known) && error.message.contains(", 24 bytes), and"), "{error}");
        assert!(error.message.contains(told), "{error}");
        assert_eq!(fs::read(&job.path).ok(), before, "{told}");
    }
}

#[test]
fn rows_behind_the_checkpoint_are_cut_from_the_same_inode() {
    use std::os::unix::fs::MetadataExt;
    let (job, committables) = interrupted(FILE);
    let inode = job.path.metadata().unwrap().ino();
    assert_eq!(fs::read_to_string(&job.path).unwrap().lines().count(), 4);
    resume(&job, FILE, &committables).unwrap();
    assert_eq!(fs::read_to_string(&job.path).unwrap().lines().count(), 3);
    assert_eq!(job.path.metadata().unwrap().ino(), inode);
}

#[test]
fn a_checkpoint_finds_that_somebody_else_writes_the_file() {
    let mut job = Job::new(FILE);
    job.write(3);
    job.sink().flush().unwrap();
    let mut text = fs::read_to_string(&job.path).unwrap();
    text.push_str("mine\n");
    fs::write(&job.path, text).unwrap();
    let error = job.sink().prepare(false).unwrap_err();
    assert!(error.message.ends_with("has 29 bytes, and this job has made it 24: somebody else writes it"), "{error}");
}

#[test]
fn a_part_that_is_missing_or_another_is_refused() {
    for kind in [FOLDER, Kind { limits: PartLimits { every: Duration::from_secs(3_600), ..FOLDER.limits }, ..FOLDER }] {
        let (job, committables) = interrupted(kind);
        let part = job.path.join(".part-0001-000001.jsonl");
        fs::write(&part, "{}\n").unwrap();
        let error = resume(&job, kind, &committables).unwrap_err().message;
        let told = "the checkpoint has 24 bytes of it, and the file there has 3 bytes";
        assert!(error.contains("part-0001-000001") && error.contains(told), "{error}");
        fs::remove_file(&part).unwrap();
        let error = resume(&job, kind, &committables).unwrap_err().message;
        assert!(error.contains("the checkpoint has 24 bytes of it, and No such file"), "{error}");
    }
}

#[test]
fn a_checkpoint_of_the_other_kind_is_refused() {
    for (from, to) in [(FILE, FOLDER), (FOLDER, FILE)] {
        let (job, committables) = interrupted(from);
        let elsewhere = Job::new(to);
        let path = elsewhere.path.clone();
        drop(elsewhere.sink);
        let other = Job { path, sink: None, ..job };
        let error = resume(&other, to, &committables).unwrap_err().message;
        assert!(error.contains("keep the path's kind, or start afresh"), "{error}");
    }
}

/// Rows of an earlier run are replaced, names are not used again, and what is not ours stays.
#[test]
fn a_fresh_start_replaces_parts_and_nothing_else() {
    let mut job = Job::new(FOLDER);
    job.write(2);
    job.step(&Step::Checkpoint);
    job.sink = None;
    let others = ["notes.txt", "part-0001-000001.csv", "part-1.jsonl", ".hidden"];
    others.iter().for_each(|name| fs::write(job.path.join(name), "x").unwrap());
    let mut sink = open(FOLDER, &job.path).unwrap();
    sink.start(&Arc::default(), Begin::Fresh).unwrap();
    let column: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    sink.write(&[column], 1).unwrap();
    let prepared = sink.prepare(true).unwrap();
    sink.commit(prepared.as_slice()).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&job.path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [".hidden", "notes.txt", "part-0001-000001.csv", "part-0002-000001.jsonl", "part-1.jsonl"]);
}

#[test]
fn checkpoints_without_rows_make_no_parts() {
    let mut job = Job::new(FOLDER);
    for _ in 0..3 {
        job.prepare(false);
        job.manifest();
        job.commit();
    }
    assert_eq!(fs::read_dir(&job.path).unwrap().count(), 0);
}

#[test]
fn frequent_checkpoints_continue_one_part() {
    let mut job =
        Job::new(Kind { limits: PartLimits { every: Duration::from_secs(3_600), ..FOLDER.limits }, ..FOLDER });
    for _ in 0..5 {
        job.step(&Step::Checkpoint);
    }
    assert_eq!(fs::read_dir(&job.path).unwrap().count(), 1);
    assert!(job.output(false).is_empty());
    job.prepare(true);
    job.commit();
    assert_eq!(job.all_output(), [vec![0, 1, 2, 3, 4], vec![]]);
    assert_eq!(fs::read_dir(&job.path).unwrap().count(), 1);
}
