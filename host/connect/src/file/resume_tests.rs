//! Files of a checkpoint: patterns whose files come and go, and files that are replaced while the job is down.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use super::FileSource;
use crate::source::{Poll, Source, Split, SplitReader, SplitState};
use crate::test_reading::{Alarm, rows_of};
use flowgate_base::error::Result;
use flowgate_base::schema::{DataType, Field, Schema};

/// A job over files, which is stopped and resumed.
struct Job {
    folder: tempfile::TempDir,
    settings: serde_json::Value,
    checkpoint: Vec<SplitState>,
}

impl Job {
    fn new(files: &[(&str, &str)], mut settings: serde_json::Value) -> Job {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        settings["batch_rows"] = 1.into();
        Job { folder, settings, checkpoint: Vec::new() }
    }

    fn source(&self) -> FileSource {
        FileSource::new(&serde_json::from_value(self.settings.clone()).unwrap(), self.folder.path()).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn append(&self, name: &str, text: &str) {
        let file = fs::File::options().append(true).open(self.folder.path().join(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.folder.path().join(from), self.folder.path().join(to)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    /// Resumes, reads at most `rows` of each split, and stops. Returns the rows as `file:line text`.
    fn run(&mut self, rows: usize) -> Result<Vec<String>> {
        let (source, alarm) = (self.source(), Alarm::new());
        // A checkpoint survives the way to another process.
        let kept = serde_json::to_string(&self.checkpoint).unwrap();
        let splits = source.resume_splits(1, serde_json::from_str(&kept).unwrap())?;
        let mut all = Vec::new();
        let mut open = Vec::new();
        for state in splits {
            let reader = match state.has_ended {
                true => None,
                false => Some(source.open(&state.split, state.position.as_ref(), alarm.waker())?),
            };
            open.push((state, reader));
        }
        for (state, reader) in &mut open {
            let Some(reader) = reader else { continue };
            state.has_ended = read(&mut **reader, &alarm, rows, &mut all)?;
            state.position = Some(reader.position());
        }
        self.checkpoint = open.into_iter().map(|(state, _)| state).collect();
        all.sort();
        Ok(all)
    }

    fn splits(&self) -> Vec<&str> {
        self.checkpoint.iter().map(|state| state.split.0.as_str()).collect()
    }
}

/// Reads at most `count` rows, as long as some come soon. Returns whether the split has ended.
fn read(reader: &mut dyn SplitReader, alarm: &Alarm, count: usize, all: &mut Vec<String>) -> Result<bool> {
    let schema = Schema::new(vec![Field::new("text", DataType::Text)]);
    let (before, mut waits) = (all.len(), 0);
    while all.len() < before + count && waits < 3 {
        match reader.poll()? {
            Poll::Rows(batch) => {
                let name = batch.origin.name.clone();
                let text = |json: String| json.replace("{\"text\":\"", "").replace("\"}", "");
                all.extend(
                    rows_of(&schema, &batch).into_iter().map(|(line, row)| format!("{name}:{line} {}", text(row))),
                );
            }
            Poll::End => return Ok(true),
            _ => {
                alarm.wait(Duration::from_millis(30));
                waits += 1;
            }
        }
    }
    Ok(false)
}

#[test]
fn of_a_glob_ended_files_stay_ended_unfinished_ones_go_on_and_new_ones_are_read() {
    let files = [("a.log", "1\n"), ("b.log", "1\n2\n3\n"), ("c.log", "")];
    let mut job = Job::new(&files, serde_json::json!({ "path": "*.log" }));
    assert_eq!(job.run(2).unwrap(), ["a.log:1 1", "b.log:1 1", "b.log:2 2"]);
    job.write("a2.log", "1\n");
    job.append("b.log", "4\n");
    assert_eq!(job.run(1).unwrap(), ["a2.log:1 1", "b.log:3 3"]);
    assert_eq!(job.run(9).unwrap(), ["b.log:4 4"]);
    // An ended file may go; one that takes its name is a new one.
    job.remove("a.log");
    assert!(job.run(9).unwrap().is_empty());
    job.write("a.log", "1\n");
    assert!(job.run(9).unwrap().is_empty(), "it is back");
    job.write("b.log", "another\n");
    assert_eq!(job.run(9).unwrap(), ["b.log:1 another"]);
    assert!(job.run(9).unwrap().is_empty());
}

#[test]
fn files_of_a_glob_are_known_by_other_names() {
    let files = [("a.log", "1\n2\n3\n"), ("b.log", "4\n5\n"), ("c.log", "6\n")];
    let mut job = Job::new(&files, serde_json::json!({ "path": "*.log*" }));
    assert_eq!(job.run(2).unwrap().len(), 5);
    // All are rotated; the last one had been read to its end.
    for (from, to) in [("b.log", "b.log.1"), ("a.log", "b.log"), ("c.log", "a.log")] {
        job.rename(from, to);
    }
    assert_eq!(job.run(9).unwrap(), ["b.log:3 3"]);
}

#[test]
fn an_unfinished_file_that_is_missing_or_another_is_refused_and_both_are_named() {
    for path in ["a.log", "*.log"] {
        type Change = fn(&Job);
        let changes: [(&str, Change); 4] = [
            ("it does not exist now", |job| job.rename("a.log", "a.old")),
            ("12 bytes and is another one", |job| job.write("a.log", "1\n2\nanother\n")),
            ("4 bytes and is another one", |job| job.write("a.log", "1\n2\n")),
            // Equal where it was read, and at its length then.
            ("14 bytes and is another one", |job| {
                job.remove("a.log");
                job.write("a.log", "1\n2\n4\n5\n6\n7\n8\n");
            }),
        ];
        for (told, change) in changes {
            let files = [("a.log", "1\n2\n3\n4\n5\n"), ("b.log", "")];
            let mut job = Job::new(&files, serde_json::json!({ "path": path }));
            assert_eq!(job.run(1).unwrap(), ["a.log:1 1"]);
            change(&job);
            let error = job.run(9).unwrap_err();
            assert_eq!(error.code.to_string(), "FG0305");
            let known = "cannot go on reading a.log: 2 bytes of it were read when it had inode ";
            assert!(error.message.starts_with(known) && error.message.contains(told), "{told}: {error}");
        }
    }
}

#[test]
fn a_file_that_has_grown_or_was_copied_goes_on() {
    for path in ["a.log", "*.log"] {
        let mut job = Job::new(&[("a.log", "1\n2\n")], serde_json::json!({ "path": path }));
        assert_eq!(job.run(1).unwrap(), ["a.log:1 1"]);
        job.append("a.log", "3\n");
        fs::copy(job.folder.path().join("a.log"), job.folder.path().join("copy")).unwrap();
        job.rename("copy", "a.log");
        assert_eq!(job.run(9).unwrap(), ["a.log:2 2", "a.log:3 3"]);
    }
}

#[test]
fn a_path_that_changes_in_the_middle_of_a_file_is_refused() {
    let mut job = Job::new(&[("a.log", "1\n2\n"), ("b.log", "3\n")], serde_json::json!({ "path": "a.log" }));
    job.run(1).unwrap();
    job.settings["path"] = "b.log".into();
    let error = job.run(9).unwrap_err().message;
    assert!(error.starts_with("the checkpoint has read a part of a.log, which is not b.log"), "{error}");
    job.settings["path"] = "a.log".into();
    job.run(9).unwrap();
    job.settings["path"] = "b.log".into();
    assert_eq!(job.run(9).unwrap(), ["b.log:1 3"]);
}

/// Goal: files that appear, rotate and vanish under a followed pattern, while the job runs and while it is down, are read once.
#[test]
fn a_followed_pattern_goes_on_with_all_of_its_files() {
    let mut job = Job::new(&[("a.log", "1\n")], serde_json::json!({ "path": "*.log*", "follow": true }));
    assert_eq!(job.run(9).unwrap(), ["a.log:1 1"]);
    // Appears and is rotated while the job is down.
    job.write("b.log", "1\n2\n");
    job.append("a.log", "2\n");
    job.rename("a.log", "a.log.1");
    job.write("a.log", "3\n");
    assert_eq!(job.run(9).unwrap(), ["a.log.1:2 2", "a.log:1 3", "b.log:1 1", "b.log:2 2"]);
    assert_eq!(job.splits(), ["a.log.1", "a.log", "b.log"]);
    assert!(job.run(9).unwrap().is_empty());
}

#[test]
fn files_that_appeared_while_the_job_ran_have_positions_of_their_own() {
    let job = Job::new(&[("a.log", "1\n")], serde_json::json!({ "path": "*.log*", "follow": true }));
    let (source, alarm) = (job.source(), Alarm::new());
    let splits = source.resume_splits(1, Vec::new()).unwrap();
    let mut reader = source.open(&splits[0].split, None, alarm.waker()).unwrap();
    let mut rows = Vec::new();
    let mut read_until = |count: usize| {
        for _ in 0..100 {
            if rows.len() < count {
                read(&mut *reader, &alarm, count - rows.len(), &mut rows).unwrap();
            }
        }
        rows.sort();
        rows.clone()
    };
    read_until(1);
    job.write("b.log", "1\n2\n3\n");
    assert_eq!(read_until(3).last().unwrap(), "b.log:2 2");
    // The file of the split itself is rotated while it is followed, so that its old name's file is done.
    job.rename("a.log", "a.log.1");
    job.write("a.log", "2\n");
    let all = read_until(5);
    assert_eq!(all, ["a.log:1 1", "a.log:1 2", "b.log:1 1", "b.log:2 2", "b.log:3 3"]);
    job.append("b.log", "4\n");
    let checkpoint = vec![SplitState { position: Some(reader.position()), ..SplitState::new(Split("a.log".into())) }];
    drop(reader);
    let mut resumed = Job { checkpoint, ..job };
    resumed.rename("b.log", "b.log.1");
    assert_eq!(resumed.run(9).unwrap(), ["b.log.1:4 4"]);
    assert_eq!(resumed.splits(), ["a.log", "b.log.1"]);
}

#[test]
fn what_cannot_be_read_again_takes_no_checkpoints() {
    let job = Job::new(&[("a.log", "1\n")], serde_json::json!({ "path": "a.log" }));
    assert_eq!(job.source().refuses_checkpoints(), None);
    let path = job.folder.path().join("p.log");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    for path in ["p.log", "*.log"] {
        let spec = serde_json::from_value(serde_json::json!({ "path": path })).unwrap();
        let told = FileSource::new(&spec, job.folder.path()).unwrap().refuses_checkpoints();
        assert_eq!(told.as_deref(), Some("p.log is a pipe, which cannot be read again"));
    }
}
