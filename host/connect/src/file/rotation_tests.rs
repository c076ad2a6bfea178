//! Followed files that change while the job runs and while it is down, against a model.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::FileSource;
use crate::source::{Poll, Position, Source, Split, SplitReader};
use crate::test_reading::{Alarm, rows_of};
use flowgate_base::error::Result;

/// What happens to the file.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// Lines are appended; the last one may lack its line end until the next is appended.
    Append { lines: u64, ends: bool },
    /// logrotate's `create`: it is renamed, and a new one created.
    Rename,
    /// logrotate's `copytruncate`.
    CopyTruncate,
    /// It is removed, and a new one created.
    Remove,
    /// It is written again from its beginning: as with a reused inode, the name and the inode stay, the content is another.
    Reuse,
}

/// The content of one file, whatever its names are: from its creation to the next.
#[derive(Debug, Clone, Default)]
struct Stream {
    lines: Vec<u64>,
    /// Whether the last line lacks its line end.
    is_open: bool,
    is_gone: bool,
}

#[derive(Debug, Clone)]
struct Run {
    batch_rows: u32,
    /// While the reader runs: each is read before the next.
    seen: Vec<Change>,
    /// Appended lines, and polls after that, before the job is stopped.
    unread: (u64, usize),
    /// While the job is down.
    down: Vec<Change>,
}

struct World {
    folder: tempfile::TempDir,
    is_csv: bool,
    next_line: u64,
    /// The last one is the present file.
    streams: Vec<Stream>,
    rows: Vec<u64>,
    alarm: Alarm,
}

impl World {
    fn new(is_csv: bool) -> World {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut world =
            World { folder, is_csv, next_line: 100, streams: Vec::new(), rows: Vec::new(), alarm: Alarm::new() };
        world.begin();
        world
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("app.log")
    }

    /// Begins a new file at the path, in place of what is there.
    fn begin(&mut self) {
        fs::write(self.path(), if self.is_csv { "n\n" } else { "" }).unwrap();
        self.streams.push(Stream::default());
    }

    fn rotated(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("app.log.{number}"))
    }

    /// Makes room for `app.log.1`.
    fn shift(&self) {
        // Times of files have a granularity of some milliseconds.
        std::thread::sleep(Duration::from_millis(8));
        let count = (1..).take_while(|n| self.rotated(*n).exists()).count();
        (1..=count).rev().for_each(|n| fs::rename(self.rotated(n), self.rotated(n + 1)).unwrap());
    }

    fn change(&mut self, change: Change) {
        let last = self.streams.last_mut().unwrap();
        match change {
            Change::Append { lines, ends } => {
                let mut text = String::new();
                for _ in 0..lines {
                    if std::mem::replace(&mut last.is_open, true) {
                        text.push('\n');
                    }
                    text.push_str(&self.next_line.to_string());
                    last.lines.push(self.next_line);
                    self.next_line += 1;
                }
                if ends && std::mem::take(&mut last.is_open) {
                    text.push('\n');
                }
                let mut file = OpenOptions::new().append(true).open(self.path()).unwrap();
                file.write_all(text.as_bytes()).unwrap();
                return;
            }
            Change::Rename => {
                self.shift();
                fs::rename(self.path(), self.rotated(1)).unwrap();
            }
            Change::CopyTruncate => {
                self.shift();
                fs::copy(self.path(), self.rotated(1)).unwrap();
                File::options().write(true).open(self.path()).unwrap().set_len(0).unwrap();
            }
            Change::Remove => {
                last.is_gone = true;
                fs::remove_file(self.path()).unwrap();
            }
            Change::Reuse => last.is_gone = true,
        }
        self.begin();
    }

    fn open(&self, batch_rows: u32, position: Option<&Position>, on_loss: &str) -> Result<Box<dyn SplitReader>> {
        let mut settings =
            serde_json::json!({ "path": "app.log", "follow": true, "batch_rows": batch_rows, "on_loss": on_loss });
        if self.is_csv {
            settings["format"] = "csv".into();
            settings["columns"] = serde_json::json!({ "n": "int64" });
        }
        let source = FileSource::new(&serde_json::from_value(settings).unwrap(), self.folder.path()).unwrap();
        source.open(&Split("app.log".into()), position, self.alarm.waker())
    }

    /// Returns the stream of the last row: the reader is in it or behind it.
    fn stream_of_last_row(&self) -> usize {
        let Some(last) = self.rows.last() else { return 0 };
        self.streams.iter().position(|stream| stream.lines.contains(last)).unwrap()
    }

    /// Returns the lines that are there, behind the last row. The last one may have to wait for its line end or, while the present file
    /// is empty, for the first byte of that: then it is returned apart.
    fn expected(&self) -> (Vec<u64>, Option<u64>) {
        let from = self.stream_of_last_row();
        let there: Vec<&Stream> = self.streams[from..].iter().filter(|stream| !stream.is_gone).collect();
        let mut lines: Vec<u64> = there.iter().flat_map(|stream| stream.lines.iter().copied()).collect();
        let is_empty = |stream: &&&Stream| stream.lines.is_empty() && !self.is_csv;
        let last = there.iter().rev().find(|stream| !is_empty(stream));
        let waits = last.is_some_and(|stream| stream.is_open).then(|| lines.pop()).flatten();
        let is_new = |line: &u64| self.rows.last().is_none_or(|last| line > last);
        lines.retain(is_new);
        (lines, waits.filter(is_new))
    }

    fn poll(&mut self, reader: &mut dyn SplitReader) -> bool {
        let Poll::Rows(batch) = reader.poll().unwrap() else { return false };
        assert!(batch.failures.is_empty(), "{:?}", batch.failures);
        let schema = flowgate_base::schema::Schema::new(vec![flowgate_base::schema::Field::new(
            "n",
            if self.is_csv { flowgate_base::schema::DataType::Int64 } else { flowgate_base::schema::DataType::Text },
        )]);
        let number = |row: String| row.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u64>().unwrap();
        self.rows.extend(rows_of(&schema, &batch).into_iter().map(|(_, row)| number(row)));
        true
    }

    /// Reads all lines that are there, and checks them.
    fn drain(&mut self, reader: &mut dyn SplitReader) {
        let (had, (mut expected, waits)) = (self.rows.len(), self.expected());
        let begun = std::time::Instant::now();
        while self.rows.len() < had + expected.len() {
            if !self.poll(reader) {
                self.alarm.wait(Duration::from_millis(100));
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?} of {expected:?}", &self.rows[had..]);
        }
        if self.rows.len() > had + expected.len() {
            expected.extend(waits.filter(|_| !self.streams.last().unwrap().is_open));
        }
        assert_eq!(self.rows[had..], expected);
    }

    /// Polls until the reader is in the present file, if that has content: a running job follows one rotation at a time.
    fn catch_up(&mut self, reader: &mut dyn SplitReader) {
        let begun = std::time::Instant::now();
        let now = self.path().metadata().unwrap();
        while now.len() > 0 && reader.position().0["file"]["inode"] != now.ino() {
            assert!(begun.elapsed() < Duration::from_secs(5), "the rotation was not noticed");
            if !self.poll(reader) {
                self.alarm.wait(Duration::from_millis(100));
            }
        }
    }

    /// Polls until the reader is at the beginning of the file: one that has grown again by the next look counts as appended to.
    fn notice_truncation(&mut self, reader: &mut dyn SplitReader) {
        let begun = std::time::Instant::now();
        let header = if self.is_csv { 2 } else { 0 };
        while reader.position().0["offset"].as_u64().unwrap() > header {
            assert!(begun.elapsed() < Duration::from_secs(5), "the truncation was not noticed");
            if !self.poll(reader) {
                self.alarm.wait(Duration::from_millis(100));
            }
        }
    }

    /// Runs the job once, and changes the file afterwards. Returns the position at the stop.
    fn run(&mut self, run: &Run, position: Option<Position>) -> Position {
        let mut reader = match self.open(run.batch_rows, position.as_ref(), "fail") {
            Ok(reader) => reader,
            Err(error) => {
                assert_eq!(error.code.to_string(), "FG0313", "{error}");
                let from = self.stream_of_last_row();
                assert!(self.streams[from..].iter().any(|stream| stream.is_gone), "nothing is gone: {error}");
                let mut reader = self.open(run.batch_rows, position.as_ref(), "skip").unwrap();
                assert!(reader.take_warning().unwrap().contains("that were not read"));
                reader
            }
        };
        self.drain(&mut *reader);
        for change in &run.seen {
            if !matches!(change, Change::Append { .. }) {
                self.catch_up(&mut *reader);
            }
            if let Change::CopyTruncate = change {
                // What is truncated before it is read is lost to a running job.
                self.change(Change::Append { lines: 0, ends: true });
                self.drain(&mut *reader);
            }
            let has_lines = !self.streams.last().unwrap().lines.is_empty();
            self.change(*change);
            self.drain(&mut *reader);
            if let (Change::CopyTruncate, true) = (change, has_lines) {
                self.notice_truncation(&mut *reader);
            }
        }
        let (lines, polls) = run.unread;
        self.change(Change::Append { lines, ends: true });
        for _ in 0..polls {
            self.poll(&mut *reader);
        }
        let kept = serde_json::to_string(&reader.position()).unwrap();
        drop(reader);
        run.down.iter().for_each(|change| self.change(*change));
        serde_json::from_str(&kept).unwrap()
    }
}

fn appends() -> impl Strategy<Value = Change> {
    (0u64..6, any::<bool>()).prop_map(|(lines, ends)| Change::Append { lines, ends })
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let lossless = || prop_oneof![2 => appends(), 1 => Just(Change::Rename), 1 => Just(Change::CopyTruncate)];
    let down = prop_oneof![
        6 => appends(),
        2 => Just(Change::Rename),
        2 => Just(Change::CopyTruncate),
        1 => Just(Change::Remove),
        1 => Just(Change::Reuse),
    ];
    let run = (
        1u32..6,
        proptest::collection::vec(lossless(), 0..3),
        (0u64..12, 0usize..4),
        proptest::collection::vec(down, 0..5),
    );
    let run = run.prop_map(|(batch_rows, seen, unread, down)| Run { batch_rows, seen, unread, down });
    proptest::collection::vec(run, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20, ..ProptestConfig::with_cases(40) })]

    /// Goal: whatever happens to a followed file, each line that is still there comes once and in order, and an error says that the
    /// file of the position is gone. Method: random changes while the job runs and while it is down, stops at random positions.
    #[test]
    fn lines_come_once_whatever_happens_to_the_file(is_csv: bool, runs in runs()) {
        let mut world = World::new(is_csv);
        let mut position = None;
        for run in &runs {
            position = Some(world.run(run, position));
        }
        let last = Run { batch_rows: 100, seen: vec![Change::Append { lines: 1, ends: true }], unread: (0, 0), down: vec![] };
        world.run(&last, position);
    }
}

/// Goal: a position between the end of the old file and the beginning of the new one is one in the old file. Method: the last line,
/// which has no line end, fills a batch of its own.
#[test]
fn a_position_before_the_new_file_is_one_in_the_old_file() {
    let mut world = World::new(false);
    world.change(Change::Append { lines: 2, ends: false });
    let mut reader = world.open(1, None, "fail").unwrap();
    world.drain(&mut *reader);
    world.change(Change::Rename);
    world.change(Change::Append { lines: 1, ends: true });
    while world.rows.len() < 2 {
        if !world.poll(&mut *reader) {
            world.alarm.wait(Duration::from_millis(100));
        }
    }
    let old = world.rotated(1).metadata().unwrap().ino();
    let position = reader.position();
    assert_eq!((position.0["file"]["inode"].as_u64(), position.0["offset"].as_u64()), (Some(old), Some(7)));
    drop(reader);
    let mut reader = world.open(1, Some(&position), "fail").unwrap();
    world.drain(&mut *reader);
    assert_eq!(world.rows, [100, 101, 102]);
}

/// What was truncated, and has grown again before anybody looked, is found in its copy.
#[test]
fn a_position_in_a_file_that_was_truncated_meanwhile_is_one_in_its_copy() {
    let mut world = World::new(false);
    world.change(Change::Append { lines: 3, ends: true });
    let mut reader = world.open(1, None, "fail").unwrap();
    world.poll(&mut *reader);
    world.change(Change::CopyTruncate);
    world.change(Change::Append { lines: 9, ends: true });
    let position = reader.position();
    drop(reader);
    let mut reader = world.open(100, Some(&position), "fail").unwrap();
    world.drain(&mut *reader);
    assert_eq!(world.rows, (100..112).collect::<Vec<_>>());
}

#[test]
fn a_loss_is_an_error_or_a_warning_with_its_size() {
    let mut world = World::new(false);
    world.change(Change::Append { lines: 3, ends: true });
    let mut reader = world.open(1, None, "fail").unwrap();
    world.poll(&mut *reader);
    let position = reader.position();
    drop(reader);
    world.change(Change::Remove);
    world.change(Change::Append { lines: 1, ends: true });
    let error = world.open(1, Some(&position), "fail").err().unwrap();
    let told = "Of it, 8 bytes that were not read, and what was written to it later, are lost";
    assert!(error.message.contains(told) && error.message.contains("`on_loss: skip`"), "{error}");
    let mut reader = world.open(1, Some(&position), "skip").unwrap();
    let warning = reader.take_warning().unwrap();
    assert!(warning.contains(told) && reader.take_warning().is_none(), "{warning}");
    world.drain(&mut *reader);
    assert_eq!(world.rows, [100, 103]);
}
