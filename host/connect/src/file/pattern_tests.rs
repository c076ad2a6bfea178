//! Files that appear, move and go under a followed pattern.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::FileSource;
use crate::own_output::OwnOutputs;
use crate::sink::Writes;
use crate::source::{Poll, Source, SplitReader};
use crate::test_reading::{Alarm, rows_of};
use flowgate_base::schema::{DataType, Field, Schema};

/// A followed pattern with all of its readers.
struct Followed {
    folder: tempfile::TempDir,
    alarm: Alarm,
    readers: Vec<Box<dyn SplitReader>>,
}

impl Followed {
    /// Creates files with their content, then the pattern.
    fn new(files: &[(&str, &str)], pattern: &str) -> Self {
        Self::avoiding(files, pattern, &[])
    }

    /// The same in a job that writes these files.
    fn avoiding(files: &[(&str, &str)], pattern: &str, written: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let outputs = outputs(written.iter().map(|name| folder.path().join(name)).collect());
        let spec = serde_json::from_value(serde_json::json!({ "path": pattern, "follow": true })).unwrap();
        let mut source = FileSource::new(&spec, folder.path()).unwrap();
        source.avoid(&outputs);
        let alarm = Alarm::new();
        let splits = source.splits(1).unwrap();
        let readers = splits.iter().map(|split| source.open(split, None, alarm.waker()).unwrap()).collect();
        Followed { folder, alarm, readers }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Returns rows as `file:line text`, in the order of the files' names, until there are `count` and no more arrive.
    fn rows(&mut self, count: usize) -> Vec<String> {
        let schema = Schema::new(vec![Field::new("text", DataType::Text)]);
        let mut rows = Vec::new();
        let mut tries = 0;
        while rows.len() < count {
            for reader in &mut self.readers {
                while let Poll::Rows(batch) = reader.poll().unwrap() {
                    let name = Arc::clone(&batch.origin.name);
                    let text = |json: String| json.replace("{\"text\":\"", "").replace("\"}", "");
                    rows.extend(
                        rows_of(&schema, &batch).into_iter().map(|(line, row)| format!("{name}:{line} {}", text(row))),
                    );
                }
            }
            tries += 1;
            assert!(tries < 200, "{rows:?}, and no more came");
            if rows.len() < count {
                self.alarm.wait(Duration::from_millis(50));
            }
        }
        rows.sort();
        rows
    }

    /// Checks that no row arrives, although there was time for it.
    fn is_quiet(&mut self) {
        for _ in 0..15 {
            self.alarm.wait(Duration::from_millis(100));
            assert_eq!(self.rows(0), Vec::<String>::new());
            for reader in &mut self.readers {
                assert!(!matches!(reader.poll().unwrap(), Poll::Rows(_)), "a row came");
            }
        }
    }
}

fn outputs(paths: Vec<PathBuf>) -> Arc<OwnOutputs> {
    Arc::new(OwnOutputs::of(paths.into_iter().map(|path| ("out", Writes::File(path)))))
}

#[test]
fn a_file_that_appears_is_read_from_its_beginning() {
    let mut followed = Followed::new(&[("a1.log", "1\n"), ("a2.log", "1\n")], "a*.log");
    assert_eq!(followed.rows(2), ["a1.log:1 1", "a2.log:1 1"]);
    followed.append("a3.log", "1\n2\n");
    followed.append("b.log", "1\n");
    assert_eq!(followed.rows(2), ["a3.log:1 1", "a3.log:2 2"]);
    followed.append("a3.log", "3\n");
    followed.append("a1.log", "2\n");
    assert_eq!(followed.rows(2), ["a1.log:2 2", "a3.log:3 3"]);
}

/// Folders that match may appear, too; and a file may be moved in with all of its content.
#[test]
fn a_file_that_appears_in_a_folder_that_appears() {
    let mut followed = Followed::new(&[("pods/x/0.log", "1\n"), ("done.log", "1\n2\n")], "pods/*/*.log");
    assert_eq!(followed.rows(1), ["pods/x/0.log:1 1"]);
    fs::create_dir(followed.path("pods/y")).unwrap();
    followed.append("pods/y/0.log", "1\n");
    assert_eq!(followed.rows(1), ["pods/y/0.log:1 1"]);
    followed.append("pods/y/1.log", "1\n");
    assert_eq!(followed.rows(1), ["pods/y/1.log:1 1"]);
    followed.rename("done.log", "pods/y/2.log");
    assert_eq!(followed.rows(2), ["pods/y/2.log:1 1", "pods/y/2.log:2 2"]);
    // The folder of the whole pattern is created again.
    followed.rename("pods", "old");
    followed.append("old/x/0.log", "late\n");
    fs::create_dir_all(followed.path("pods/z")).unwrap();
    followed.append("pods/z/0.log", "1\n");
    assert_eq!(followed.rows(2), ["pods/x/0.log:2 late", "pods/z/0.log:1 1"]);
}

/// Goal: rotation within a pattern (`app.log` becomes `app.log.1`, which becomes `app.log.2`) reads every line once, under any
/// name. Method: several rounds, with lines written before and after each step.
#[test]
fn files_that_change_their_names_within_the_pattern_are_read_once() {
    let mut followed = Followed::new(&[("app.log", "0\n"), ("app.log.1", "old\n")], "app.log*");
    assert_eq!(followed.rows(2), ["app.log.1:1 old", "app.log:1 0"]);
    for round in 1..=4 {
        if followed.path("app.log.2").exists() {
            fs::remove_file(followed.path("app.log.2")).unwrap();
        }
        followed.rename("app.log.1", "app.log.2");
        followed.rename("app.log", "app.log.1");
        followed.append("app.log.1", &format!("{round} late\n"));
        followed.append("app.log", &format!("{round}\n"));
        let rows = followed.rows(2);
        let texts: Vec<&str> = rows.iter().filter_map(|row| row.split_once(' ')).map(|(_, text)| text).collect();
        assert!(texts.contains(&&*format!("{round}")) && texts.contains(&&*format!("{round} late")), "{rows:?}");
    }
    followed.is_quiet();
}

#[test]
fn a_file_that_goes_and_comes_back_is_a_new_one() {
    let mut followed = Followed::new(&[("a.log", "1\n")], "*.log");
    followed.rows(1);
    for round in 0..3 {
        followed.append("b.log", "1\n");
        assert_eq!(followed.rows(1), ["b.log:1 1"], "{round}");
        fs::remove_file(followed.path("b.log")).unwrap();
    }
}

/// A job that reads its own output would never end.
#[test]
fn the_output_of_the_job_is_not_read() {
    let mut followed = Followed::avoiding(&[("a.log", "1\n")], "*.log", &["out/rows"]);
    followed.rows(1);
    fs::create_dir(followed.path("out")).unwrap();
    followed.append("out/rows", "1\n");
    symlink("out/rows", followed.path("link.log")).unwrap();
    fs::hard_link(followed.path("out/rows"), followed.path("hard.log")).unwrap();
    followed.is_quiet();

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.log"), "1\n").unwrap();
    symlink("a.log", folder.path().join("rows")).unwrap();
    let read = |path: &str, follow: bool| {
        let spec = serde_json::from_value(serde_json::json!({ "path": path, "follow": follow })).unwrap();
        let mut source = FileSource::new(&spec, folder.path()).unwrap();
        source.avoid(&outputs(vec![folder.path().join("rows")]));
        source.splits(1).map(|splits| splits.len())
    };
    for (path, follow) in [("a.log", false), ("a.log", true), ("*.log", false), ("*.log", true)] {
        let told = "cannot read a.log: the sink `out` of this job writes to it; write elsewhere, or read other files";
        assert_eq!(read(path, follow).unwrap_err().message, told);
    }
}

/// What cannot be followed is left out: compressed files, and links that lead nowhere, until they do.
#[test]
fn what_is_no_file_to_follow_is_left_out() {
    let mut followed = Followed::new(&[("a.log", "1\n"), ("a.log.1.gz", "no")], "a*");
    followed.rows(1);
    followed.append("a.log.2.gz", "no");
    symlink("later", followed.path("a.link")).unwrap();
    followed.is_quiet();
    fs::write(followed.path("later"), "1\n").unwrap();
    followed.append("a.new", "1\n");
    assert_eq!(followed.rows(2), ["a.link:1 1", "a.new:1 1"]);
}

#[test]
fn many_files_share_the_watches_of_their_folders() {
    let names: Vec<String> = (0..300).map(|i| format!("f{i}.log")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (&name[..], "1\n")).collect();
    let mut followed = Followed::new(&files, "f*.log");
    assert_eq!(followed.rows(300).len(), 300);
    assert!(super::hub::folder_is_watched(&Path::new(followed.folder.path()).canonicalize().unwrap()));
    followed.append("f7.log", "2\n");
    assert_eq!(followed.rows(1), ["f7.log:2 2"]);
}
