//! Files: which are read, which part of them, and the messages when they cannot be.

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::FileSource;
use crate::source::{Poll, Source, Split};
use crate::test_reading::{Alarm, read_split, rows_of};
use flowgate_base::error::Fault;

fn source(base: &Path, settings: serde_json::Value) -> FileSource {
    FileSource::new(&serde_json::from_value(settings).unwrap(), base).unwrap()
}

fn texts(source: &FileSource, split: &str) -> Vec<(u64, String)> {
    let outcome = read_split(source, split, None);
    assert_eq!((outcome.error, outcome.failures), (None, vec![]));
    outcome.rows
}

fn row(line: u64, text: &str) -> (u64, String) {
    (line, serde_json::json!({ "text": text }).to_string())
}

#[test]
fn lines_of_a_text_file() {
    let folder = tempfile::tempdir().unwrap();
    let read = |content: &[u8]| {
        std::fs::write(folder.path().join("f"), content).unwrap();
        texts(&source(folder.path(), serde_json::json!({ "path": "f" })), "f")
    };
    assert_eq!(read(b""), []);
    assert_eq!(read(b"a\r\n\nb"), [row(1, "a"), row(2, ""), row(3, "b")]);
    assert_eq!(read(b"\xef\xbb\xbfa\n"), [row(1, "a")]);
    assert_eq!(read(b"\xef\xbb\xbf"), []);
}

#[test]
fn a_line_that_is_not_utf8_fails_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), b"good\nba\xffd\ngood").unwrap();
    let outcome = read_split(&source(folder.path(), serde_json::json!({ "path": "f" })), "f", None);
    assert_eq!(outcome.rows, [row(1, "good"), row(3, "good")]);
    let failure = &outcome.failures[0];
    assert_eq!((failure.position, &failure.raw[..]), (2, "ba\u{fffd}d"));
    assert_eq!(failure.message, "not UTF-8 at byte 3 of the line (byte 7 of the input)");
}

#[test]
fn what_cannot_be_read_is_said_before_the_job_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    let error = |path: &str| {
        let error = source(folder.path(), serde_json::json!({ "path": path })).splits(1).unwrap_err();
        assert_eq!(error.fault(), Fault::External);
        error.message
    };
    let tried = |name: &str| folder.path().join(name).display().to_string();
    assert_eq!(
        error("access.log"),
        format!("cannot read access.log: there is no such file (tried {})", tried("access.log"))
    );
    std::os::unix::fs::symlink("gone", folder.path().join("b.log")).unwrap();
    let link = format!("cannot read b.log: it is a link to gone, which does not exist (tried {})", tried("b.log"));
    assert_eq!((error("b.log"), error("*.log")), (link.clone(), link));
    assert_eq!(error("logs"), "cannot read logs: it is a folder; its files would be logs/*");
    assert_eq!(error("logs/*.log"), format!("no file matches logs/*.log (looked for {})", tried("logs/*.log")));
}

#[test]
fn a_glob_has_its_files_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.log", "a.log", "c.txt", "[x].log", ".h.log"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    std::fs::create_dir(folder.path().join("d.log")).unwrap();
    let splits = |path: &str| {
        let splits = source(folder.path(), serde_json::json!({ "path": path })).splits(3).unwrap();
        splits.into_iter().map(|s| s.0).collect::<Vec<_>>()
    };
    assert_eq!(splits("*.log"), ["[x].log", "a.log", "b.log"]);
    assert_eq!(splits("[x].log"), ["[x].log"]);
    assert_eq!(splits("[ab].log"), ["a.log", "b.log"]);
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_files_of_several_parts() {
    let folder = tempfile::tempdir().unwrap();
    let zstd = |content: &[u8]| zstd::encode_all(content, 1).unwrap();
    std::fs::write(folder.path().join("f.gz"), [gzip(b"one\ntw"), gzip(b"o\n")].concat()).unwrap();
    std::fs::write(folder.path().join("f.zst"), [zstd(b"one\ntw"), zstd(b"o\n")].concat()).unwrap();
    std::fs::write(folder.path().join("f"), gzip(b"one\ntwo\n")).unwrap();
    for settings in [
        serde_json::json!({ "path": "f.gz" }),
        serde_json::json!({ "path": "f.zst" }),
        serde_json::json!({ "path": "f", "compression": "gzip" }),
    ] {
        let path = settings["path"].as_str().unwrap().to_string();
        assert_eq!(texts(&source(folder.path(), settings), &path), [row(1, "one"), row(2, "two")]);
    }
}

/// What follows the members of gzip and the frames of zstd: padding and skippable frames are skipped; all else is an error that
/// names it, behind the rows before it.
#[test]
fn what_follows_compressed_content() {
    let folder = tempfile::tempdir().unwrap();
    let zstd = |content: &[u8]| zstd::encode_all(content, 1).unwrap();
    let skippable = [&0x184D_2A50u32.to_le_bytes()[..], &3u32.to_le_bytes(), b"abc"].concat();
    let zeros = vec![0; 300_000];
    let read = |name: &str, parts: &[&[u8]]| {
        std::fs::write(folder.path().join(name), parts.concat()).unwrap();
        read_split(&source(folder.path(), serde_json::json!({ "path": name })), name, None)
    };
    let (one, two) = (gzip(b"one\n"), gzip(b"two\n"));
    for parts in [
        &[&one[..], &two][..],
        &[&one, &two, &[0]],
        &[&one, &two, &zeros],
        &[&one, &zeros, &two],
        &[&one, &gzip(b""), &two, &zeros],
    ] {
        let outcome = read("f.gz", parts);
        assert_eq!((outcome.rows, outcome.error), (vec![row(1, "one"), row(2, "two")], None));
    }
    let outcome = read("f.zst", &[&skippable, &zstd(b"one\n"), &skippable, &zstd(b"two\n"), &skippable]);
    assert_eq!((outcome.rows, outcome.error), (vec![row(1, "one"), row(2, "two")], None));

    let refused = |outcome: crate::test_reading::Outcome, told: &str| {
        assert_eq!(outcome.rows, [row(1, "one")]);
        let error = outcome.error.unwrap();
        assert!(error.message.contains(told) && error.message.contains("after 4 decompressed bytes"), "{error}");
    };
    refused(read("f.gz", &[&one, b"more"]), "bytes follow that are neither gzip nor padding");
    refused(read("f.gz", &[&one, &zeros, b"more"]), "bytes follow that are neither gzip nor padding");
    refused(read("f.gz", &[&one, &two[..9]]), "is not whole gzip");
    refused(read("f.zst", &[&zstd(b"one\n"), b"more, and more"]), "bytes follow that are no zstd frame");

    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    std::io::Write::write_all(&mut encoder, b"two\n").unwrap();
    let wide = encoder.finish().unwrap();
    refused(read("f.zst", &[&zstd(b"one\n"), &wide]), "needs a window of more than 128 MiB");
}

/// What precedes the break is read; then the job fails with the file's name and the place.
#[test]
fn a_compressed_file_that_breaks_off() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..50_000).map(|i| format!("line {i} {}\n", i * 7_919 % 1_000)).collect();
    for (name, whole) in [("f.gz", gzip(lines.as_bytes())), ("f.zst", zstd::encode_all(lines.as_bytes(), 1).unwrap())] {
        std::fs::write(folder.path().join(name), &whole[..whole.len() / 2]).unwrap();
        let outcome = read_split(&source(folder.path(), serde_json::json!({ "path": name })), name, None);
        assert!(outcome.rows.len() > 1_000 && outcome.rows.len() < 40_000, "{name}: {} rows", outcome.rows.len());
        for ((line, text), expected) in outcome.rows.iter().zip(lines.lines()) {
            assert_eq!((*line, text), (row(*line, expected).0, &row(*line, expected).1));
        }
        let error = outcome.error.unwrap();
        assert_eq!(error.fault(), Fault::External);
        assert!(error.message.starts_with(&format!("{name} is not whole ")), "{error}");
        assert!(error.message.contains(" decompressed bytes: "), "{error}");
    }
}

#[test]
fn a_file_that_is_no_gzip() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f.gz"), b"plain text\n").unwrap();
    let outcome = read_split(&source(folder.path(), serde_json::json!({ "path": "f.gz" })), "f.gz", None);
    assert!(outcome.error.unwrap().message.starts_with("f.gz is not whole gzip: after 0 decompressed bytes: "));
}

#[test]
fn a_pipe_is_read_on_a_thread_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let source = source(folder.path(), serde_json::json!({ "path": "p" }));
    assert_eq!(source.splits(1).unwrap().len(), 1);
    let alarm = Alarm::new();
    let mut reader = source.open(&Split("p".into()), None, alarm.waker()).unwrap();
    assert!(matches!(reader.poll().unwrap(), Poll::Pending));
    std::fs::write(&path, "one\n").unwrap();
    assert_eq!(alarm.next(&mut *reader), [row(1, "one")]);
    assert_eq!(alarm.next(&mut *reader), []);
}

/// Returns content of any of the formats, and the settings that read it.
fn contents() -> impl Strategy<Value = (serde_json::Value, String)> {
    let text = proptest::collection::vec("[a-cä]{0,9}(\r)?", 0..60).prop_map(|lines| lines.join("\n"));
    let text = text.prop_map(|content| (serde_json::json!({}), content));
    let json =
        proptest::collection::vec(prop_oneof!["\\{\"a\":[0-9]{1,3}\\}", "", "\\{", "\\{\"b\":\"x\",\"a\":1\\}"], 0..60);
    let json_columns = serde_json::json!({ "format": "json", "columns": { "a": "int64", "b": "text?" } });
    let json = json.prop_map(move |lines| (json_columns.clone(), lines.join("\n")));
    let record = prop_oneof!["[0-9],[a-c]{0,3}", "[0-9],\"[a-c\n]{0,5}\"", "", "x", "\"[a-c],[0-9]"];
    let csv_columns = serde_json::json!({ "format": "csv", "columns": { "a": "int64", "b": "text?" } });
    let csv = proptest::collection::vec(record, 0..60);
    let csv =
        csv.prop_map(move |lines| (csv_columns.clone(), format!("b,a\n{}", lines.join("\n")).replace("b,a", "a,b")));
    prop_oneof![text, json, csv]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However often reading is interrupted and continued at a position, and whatever the batch size, the rows and failures are
    /// those of reading in one go.
    #[test]
    fn positions_are_exact(
        (mut settings, content) in contents(),
        stops in proptest::collection::vec((1u32..20, 1usize..4), 1..12),
        (name, parts) in (prop_oneof![Just("f"), Just("f.gz"), Just("f.zst")], 1usize..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        // gzip members and zstd frames end anywhere in a line.
        let part = |bytes: &[u8]| match name {
            "f.gz" => gzip(bytes),
            "f.zst" => zstd::encode_all(bytes, 1).unwrap(),
            _ => bytes.to_vec(),
        };
        let mut bytes = part(b"");
        content.as_bytes().chunks(content.len() / parts + 1).for_each(|chunk| bytes.extend(part(chunk)));
        std::fs::write(folder.path().join(name), bytes).unwrap();
        settings["path"] = name.into();
        let whole = read_split(&source(folder.path(), settings.clone()), name, None);

        let (mut rows, mut failures, mut position) = (Vec::new(), Vec::new(), None);
        let alarm = Alarm::new();
        'runs: for (batch_rows, polls) in stops.iter().cycle() {
            settings["batch_rows"] = (*batch_rows).into();
            let source = source(folder.path(), settings.clone());
            let mut reader = source.open(&Split(name.into()), position.as_ref(), alarm.waker()).unwrap();
            for _ in 0..*polls {
                match reader.poll().unwrap() {
                    Poll::Rows(batch) => {
                        prop_assert!(batch.row_count + batch.failures.len() <= *batch_rows as usize);
                        rows.extend(rows_of(&source.schema(), &batch));
                        failures.extend(batch.failures);
                        prop_assert!(rows.len() <= whole.rows.len() && failures.len() <= whole.failures.len());
                    }
                    Poll::End => break 'runs,
                    other => panic!("{other:?}"),
                }
            }
            position = Some(reader.position());
        }
        prop_assert_eq!(rows, whole.rows);
        prop_assert_eq!(failures, whole.failures);
    }
}
