//! Folders of parts in jobs without checkpoints, and who may write a folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array};

use super::encoder::RowEncoder;
use super::folder::PartFolder;
use super::parts::{PartLimits, PartsSink};
use crate::settings::SinkFormat;
use crate::sink::{Begin, Boundedness, SinkWriter};
use flowgate_base::error::Result;
use flowgate_base::schema::{DataType, Field, Schema};

fn open(path: &Path, boundedness: Boundedness) -> Result<PartsSink> {
    let schema = Schema::new(vec![Field::new("n", DataType::Int64)]);
    let encoder = RowEncoder::new(SinkFormat::Csv, &schema);
    let limits = PartLimits { bytes: 12, every: Duration::from_secs(3_600) };
    Ok(PartsSink::new(PartFolder::open(path, "csv")?, encoder, limits, boundedness))
}

fn start(path: &Path, boundedness: Boundedness) -> PartsSink {
    let mut sink = open(path, boundedness).unwrap();
    sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
    sink
}

fn write(sink: &mut PartsSink, number: i64) {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![number]));
    sink.write(&[column], 1).unwrap();
    sink.flush().unwrap();
}

/// Returns names and contents, sorted by name.
fn files(folder: &Path) -> Vec<(String, String)> {
    let file = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap().replace('\n', " "))
    };
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| file(entry.unwrap())).collect();
    files.sort();
    files
}

fn expected(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
}

#[test]
fn parts_of_a_job_that_ends_appear_at_its_end_in_place_of_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    for run in 1..=2 {
        let before = if run == 1 { vec![] } else { files(&path) };
        let mut sink = start(&path, Boundedness::Bounded);
        (1..=3).for_each(|i| write(&mut sink, run * 1_000 + i));
        let visible =
            |files: Vec<(String, String)>| files.into_iter().filter(|f| !f.0.starts_with('.')).collect::<Vec<_>>();
        assert_eq!(visible(files(&path)), before);
        let prepared = sink.prepare(true).unwrap();
        sink.commit(prepared.as_slice()).unwrap();
    }
    let parts = [("part-0002-000001.csv", "n 2001 2002 "), ("part-0002-000002.csv", "n 2003 ")];
    assert_eq!(files(&path), expected(&parts));
}

#[test]
fn parts_of_a_job_without_end_appear_when_they_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut sink = start(&path, Boundedness::Unbounded);
    (1..=3).for_each(|i| write(&mut sink, 1_000 + i));
    let parts = [(".part-0001-000002.csv", "n 1003 "), ("part-0001-000001.csv", "n 1001 1002 ")];
    assert_eq!(files(&path), expected(&parts));
    assert_eq!(sink.abandon(), None);
    let parts = [("part-0001-000001.csv", "n 1001 1002 "), ("part-0001-000002.csv", "n 1003 ")];
    assert_eq!(files(&path), expected(&parts));
}

#[test]
fn a_job_that_does_not_end_well_leaves_the_parts_and_says_where_its_rows_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("part-0007-000001.csv"), "old").unwrap();
    let mut sink = start(&path, Boundedness::Bounded);
    write(&mut sink, 1);
    let told = "is as it was before; the rows written so far are in its files .part-0008-*";
    assert_eq!(sink.abandon(), Some(format!("{} {told}", path.display())));
    drop(sink);
    let parts = [(".part-0008-000001.csv", "n 1 "), ("part-0007-000001.csv", "old")];
    assert_eq!(files(&path), expected(&parts));
    // The next job removes what has not come to anything.
    assert_eq!(start(&path, Boundedness::Bounded).abandon(), None);
    assert_eq!(files(&path), expected(&parts[1..]));
}

#[test]
fn a_folder_is_written_by_one_job_and_not_created_before_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    drop(open(&path, Boundedness::Bounded).unwrap());
    assert!(!path.exists());
    let first = start(&path, Boundedness::Bounded);
    let error = open(&path, Boundedness::Bounded).err().unwrap().message;
    assert_eq!(error, format!("cannot write {}: another job is writing it", path.display()));
    drop(first);
    assert!(open(&path, Boundedness::Bounded).is_ok());
    fs::write(folder.path().join("file"), "").unwrap();
    let error = |name: &str| open(&folder.path().join(name), Boundedness::Bounded).err().unwrap().message;
    assert!(error("file").ends_with("it is a file; a path that ends in `/` is a folder of parts"), "{}", error("file"));
    assert!(error("no/out").ends_with("does not exist; create it first"), "{}", error("no/out"));
}
