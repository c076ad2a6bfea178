//! The progress of readers.

use std::io::Write;

use super::file::FileSource;
use super::generator::GeneratorSource;
use super::source::{Poll, Progress, Source, SplitReader};
use super::test_reading::Alarm;

/// Returns the reader's progress before its first poll and after each poll that returned rows.
fn progress(reader: &mut dyn SplitReader, alarm: &Alarm) -> Vec<Option<Progress>> {
    let mut all = vec![reader.progress()];
    while let Poll::Rows(_) = alarm.poll(reader).unwrap() {
        all.push(reader.progress());
    }
    all
}

#[track_caller]
fn goes_on_to_all(progress: &[Option<Progress>], total: u64) {
    let known: Vec<Progress> = progress.iter().map(|p| p.expect("an end is known")).collect();
    // A header may be read when a file is opened.
    assert!(known[0].done < total, "{known:?}");
    assert!(known.is_sorted_by_key(|p| p.done) && known.iter().all(|p| p.total == total), "{known:?}");
    assert_eq!(known.last().unwrap().done, total);
    assert!(known.iter().any(|p| p.done > 0 && p.done < total), "it came all at once: {known:?}");
}

/// Goal: progress of a file is in bytes as they are stored: of a compressed one, in compressed bytes.
#[test]
fn of_files() {
    let folder = tempfile::tempdir().unwrap();
    // Lines that do not compress to nothing.
    let lines: String = (0..200_000_u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).unwrap();
    let zstd = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    for (name, bytes) in [("a.log", lines.into_bytes()), ("a.gz", gzip.finish().unwrap()), ("a.zst", zstd)] {
        std::fs::write(folder.path().join(name), &bytes).unwrap();
        let spec = serde_json::from_value(serde_json::json!({ "path": name })).unwrap();
        let source = FileSource::new(&spec, folder.path()).unwrap();
        let alarm = Alarm::new();
        let split = source.splits(1).unwrap().remove(0);
        let mut reader = source.open(&split, None, alarm.waker()).unwrap();
        goes_on_to_all(&progress(&mut *reader, &alarm), bytes.len() as u64);
    }
}

/// Goal: a followed file has no end.
#[test]
fn of_a_followed_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.log"), "one\n").unwrap();
    let spec = serde_json::from_value(serde_json::json!({ "path": "a.log", "follow": true })).unwrap();
    let source = FileSource::new(&spec, folder.path()).unwrap();
    let split = source.splits(1).unwrap().remove(0);
    assert_eq!(source.open(&split, None, Alarm::new().waker()).unwrap().progress(), None);
}

/// Goal: each split of a generator has its share of the blocks.
#[test]
fn of_a_generator() {
    let of = |rows: Option<u64>| {
        let columns = serde_json::json!({ "n": { "sequence": {} } });
        let mut spec = serde_json::json!({ "columns": columns, "batch_rows": 10 });
        spec["rows"] = rows.into();
        GeneratorSource::of_spec(&serde_json::from_value(spec).unwrap()).unwrap()
    };
    let source = of(Some(95));
    let totals = source.splits(3).unwrap().into_iter().map(|split| {
        let alarm = Alarm::new();
        let all = progress(&mut *source.open(&split, None, alarm.waker()).unwrap(), &alarm);
        let total = all[0].unwrap().total;
        goes_on_to_all(&all, total);
        total
    });
    assert_eq!(totals.collect::<Vec<_>>(), [4, 3, 3]);
    let endless = of(None);
    let split = endless.splits(1).unwrap().remove(0);
    assert_eq!(endless.open(&split, None, Alarm::new().waker()).unwrap().progress(), None);
}
