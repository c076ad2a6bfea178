//! Files that sinks write: their content at each moment, and what happens to the previous content.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use arrow_array::Int64Array;

use std::path::Path;
use std::sync::Arc;

use arrow_array::ArrayRef;

use super::sink::FileSink;
use crate::settings::SinkFormat;
use crate::sink::{Begin, Boundedness, SinkWriter};
use flowgate_base::error::Result;
use flowgate_base::schema::{DataType, Field, Schema};

const BOTH: [Boundedness; 2] = [Boundedness::Bounded, Boundedness::Unbounded];

fn schema() -> Schema {
    Schema::new(vec![Field::new("n", DataType::Int64)])
}

fn open(path: &Path, boundedness: Boundedness) -> Result<FileSink> {
    FileSink::open(path, SinkFormat::Json, &schema(), boundedness)
}

fn write(sink: &mut FileSink, numbers: Vec<i64>) {
    let (row_count, columns) = (numbers.len(), [Arc::new(Int64Array::from(numbers)) as ArrayRef]);
    sink.write(&columns, row_count).unwrap();
    sink.flush().unwrap();
}

fn end(sink: &mut FileSink) {
    let prepared = sink.prepare(true).unwrap();
    sink.commit(prepared.as_slice()).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// Creates a folder with `out`, which contains `old`.
fn folder_with_old() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    fs::write(&path, "old\n").unwrap();
    (folder, path)
}

#[test]
fn the_file_of_a_job_that_ends_is_replaced_when_it_is_whole() {
    for (format, all) in [(SinkFormat::Json, "{\"n\":1}\n{\"n\":2}\n"), (SinkFormat::Csv, "n\n1\n2\n")] {
        let (folder, path) = folder_with_old();
        let mut sink = FileSink::open(&path, format, &schema(), Boundedness::Bounded).unwrap();
        sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
        write(&mut sink, vec![1]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
        write(&mut sink, vec![2]);
        end(&mut sink);
        drop(sink);
        assert_eq!(fs::read_to_string(&path).unwrap(), all);
        assert_eq!(names(folder.path()), ["out"]);
    }
}

#[test]
fn the_file_of_a_job_without_end_is_emptied_at_the_start_and_grows() {
    let (folder, path) = folder_with_old();
    let inode = path.metadata().unwrap().ino();
    let mut sink = open(&path, Boundedness::Unbounded).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
    sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    write(&mut sink, vec![1]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":1}\n");
    write(&mut sink, vec![2]);
    assert_eq!(sink.abandon(), None);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":1}\n{\"n\":2}\n");
    assert_eq!((names(folder.path()), path.metadata().unwrap().ino()), (vec!["out".to_string()], inode));
}

/// A job that was tried leaves no trace: neither in an existing file, nor in a new one, nor in one to which a link leads.
#[test]
fn a_job_that_does_not_start_leaves_no_trace() {
    for boundedness in BOTH {
        let (folder, path) = folder_with_old();
        symlink("later", folder.path().join("link")).unwrap();
        for name in ["out", "new", "link"] {
            drop(open(&folder.path().join(name), boundedness).unwrap());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
        assert_eq!(names(folder.path()), ["link", "out"], "{boundedness:?}");
    }
}

#[test]
fn a_job_that_does_not_end_well_leaves_the_file_and_says_where_its_rows_are() {
    let (folder, path) = folder_with_old();
    let mut sink = open(&path, Boundedness::Bounded).unwrap();
    sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
    write(&mut sink, vec![1]);
    let partial = folder.path().canonicalize().unwrap().join(".out.partial");
    let told = "is as it was before; the rows written so far are in";
    assert_eq!(sink.abandon(), Some(format!("{} {told} {}", path.display(), partial.display())));
    drop(sink);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
    assert_eq!(fs::read_to_string(&partial).unwrap(), "{\"n\":1}\n");

    // The next job begins again, and one without rows reports nothing.
    let mut sink = open(&path, Boundedness::Bounded).unwrap();
    sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
    assert_eq!(sink.abandon(), None);
    assert_eq!(names(folder.path()), ["out"]);
}

#[test]
fn through_a_link_its_target_is_replaced() {
    for boundedness in BOTH {
        let (folder, path) = folder_with_old();
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link");
        symlink(&path, &link).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let mut sink = open(&link, boundedness).unwrap();
        sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
        write(&mut sink, vec![1]);
        end(&mut sink);
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":1}\n");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
        assert_eq!((names(folder.path()), names(elsewhere.path())), (vec!["out".into()], vec!["link".into()]));
    }
}

/// A reader of the file under another name sees the rows there, too.
#[test]
fn a_file_with_several_names_keeps_them() {
    let (folder, path) = folder_with_old();
    let other = folder.path().join("other");
    fs::hard_link(&path, &other).unwrap();
    let mut sink = open(&path, Boundedness::Bounded).unwrap();
    sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
    write(&mut sink, vec![1]);
    end(&mut sink);
    assert_eq!(fs::read_to_string(&other).unwrap(), "{\"n\":1}\n");
}

#[test]
fn two_jobs_cannot_write_one_file() {
    for boundedness in BOTH {
        let (_folder, path) = folder_with_old();
        let first = open(&path, boundedness).unwrap();
        let error = open(&path, boundedness).err().unwrap();
        assert_eq!(error.message, format!("cannot write {}: another job is writing it", path.display()));
        drop(first);
        assert!(open(&path, boundedness).is_ok());
    }
}

#[test]
fn a_path_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    for boundedness in BOTH {
        let error = |path: &Path| open(path, boundedness).err().unwrap().message;
        let missing = folder.path().canonicalize().unwrap().join("no");
        let expected = format!("the folder {} does not exist; create it first", missing.display());
        assert!(error(&missing.join("out")).ends_with(&expected), "{}", error(&missing.join("out")));
        assert!(error(folder.path()).ends_with(": it is a folder"), "{}", error(folder.path()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let mut sink = open(Path::new("/dev/full"), Boundedness::Bounded).unwrap();
    sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
    let columns = [Arc::new(Int64Array::from(vec![1])) as ArrayRef];
    sink.write(&columns, 1).unwrap();
    let error = sink.flush().unwrap_err();
    assert!(error.message.starts_with("cannot write /dev/full: ") && !error.is_reader_gone(), "{error}");
}

/// A file that the parent has opened and passes on as `/dev/fd/7` is written behind its content.
#[cfg(target_os = "linux")]
#[test]
fn an_open_file_is_neither_replaced_nor_emptied() {
    use std::os::fd::AsRawFd;

    let (folder, path) = folder_with_old();
    let opened = File::options().append(true).open(&path).unwrap();
    let handed = format!("/dev/fd/{}", opened.as_raw_fd());
    let mut sink = open(Path::new(&handed), Boundedness::Bounded).unwrap();
    sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
    write(&mut sink, vec![1]);
    end(&mut sink);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old\n{\"n\":1}\n");
    assert_eq!(names(folder.path()), ["out"]);
}
