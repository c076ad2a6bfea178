//! Reading a log that is being written.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::LOG;
use super::line::LogLine;
use super::rotated::{aside, current};
use crate::limits::TAIL_BYTES_MAX;

/// Times that the reading begins again because the file was put aside meanwhile.
const TRIES: usize = 5;

/// Lines of a file, and where the next reading continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The lines, oldest first, without their ends.
    pub lines: Vec<String>,
    /// The place behind the last of them, for the next reading.
    pub next: u64,
    /// Bytes between the place that was asked for and the first line: they are gone.
    pub missed_bytes: u64,
}

/// Lines of a log, and where the next reading continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// The place behind the last of them, for the next reading.
    pub next: u64,
    /// Bytes of lines that are gone.
    pub missed_bytes: u64,
}

/// Reads the log of an attempt behind the place `after`, at most `limit` lines and 1 MiB; without a place, its last lines.
///
/// # Errors
/// The files cannot be read. An attempt without a log has no lines.
pub fn tail(folder: &Path, after: Option<u64>, limit: usize) -> io::Result<Logged> {
    let Lines { lines, next, missed_bytes } = tail_lines(folder, LOG, after, limit)?;
    // A line that was not written whole, because the disk was full, is none.
    let lines = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Ok(Logged { lines, next, missed_bytes })
}

/// Reads lines of the bounded file of this name, `log` or `output`, as [`tail`] does.
///
/// # Errors
/// As [`tail`].
pub fn tail_lines(folder: &Path, name: &str, after: Option<u64>, limit: usize) -> io::Result<Lines> {
    for _ in 1..TRIES {
        if let Some(lines) = read(folder, name, after, limit)? {
            return Ok(lines);
        }
    }
    Ok(read(folder, name, after, limit)?.unwrap_or(Lines {
        lines: Vec::new(),
        next: after.unwrap_or(0),
        missed_bytes: 0,
    }))
}

/// Returns the lines; `None` if the files changed their names meanwhile.
fn read(folder: &Path, name: &str, after: Option<u64>, limit: usize) -> io::Result<Option<Lines>> {
    let old = match aside(folder, name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        found => found?,
    };
    let open = |path: &Path| match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    };
    let mut files = Vec::new();
    for of in &old {
        let Some(file) = open(&of.path)? else { return Ok(None) };
        files.push((of.begins_at, of.ends_at, file));
    }
    let last_begins_at = old.last().map_or(0, |of| of.ends_at);
    if let Some(file) = open(&current(folder, name))? {
        let bytes = file.metadata()?.len();
        files.push((last_begins_at, last_begins_at + bytes, file));
    }
    if aside(folder, name).ok().is_some_and(|now| now != old) {
        return Ok(None);
    }
    let (begin, end) = (files.first().map_or(0, |of| of.0), files.last().map_or(0, |of| of.1));
    let from = match after {
        Some(after) => after.clamp(begin, end),
        None => begin.max(end.saturating_sub(TAIL_BYTES_MAX)),
    };
    let mut bytes = Vec::new();
    for (begins_at, ends_at, mut file) in files {
        let start = from.max(begins_at);
        if start < ends_at {
            file.seek(SeekFrom::Start(start - begins_at))?;
            let left = TAIL_BYTES_MAX.saturating_sub(bytes.len() as u64);
            file.take(left.min(ends_at - start)).read_to_end(&mut bytes)?;
        }
    }
    let missed_bytes = after.map_or(0, |after| from.saturating_sub(after));
    Ok(Some(lines_of(&bytes, from, after.is_some() || from == begin, limit, after.is_none(), missed_bytes)))
}

/// Divides bytes into whole lines. The first one is not whole unless `begins_whole`; with `last`, the last lines are taken.
fn lines_of(bytes: &[u8], from: u64, begins_whole: bool, limit: usize, last: bool, missed_bytes: u64) -> Lines {
    let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        // A line that is longer than one reading comes in pieces: nobody waits for its end.
        None if bytes.len() as u64 >= TAIL_BYTES_MAX => bytes.len(),
        None => 0,
    };
    let mut lines: Vec<&[u8]> = bytes[..whole].split_inclusive(|byte| *byte == b'\n').collect();
    let mut begin = 0;
    if !begins_whole && !lines.is_empty() {
        begin = lines.remove(0).len();
    }
    if last && lines.len() > limit {
        begin += lines.drain(..lines.len() - limit).map(<[u8]>::len).sum::<usize>();
    }
    lines.truncate(limit);
    let next = from + begin as u64 + lines.iter().map(|line| line.len() as u64).sum::<u64>();
    let texts = lines.iter().map(|line| String::from_utf8_lossy(line).trim_end().to_string());
    Lines { lines: texts.filter(|line| !line.is_empty()).collect(), next, missed_bytes }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::rotated::Rotated;
    use super::*;

    /// Goal: a reader that follows a log sees each line once, in order, or is told how much it missed. Method: readings between
    /// writes, over several files.
    #[test]
    fn a_log_is_followed_over_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotated::open(folder.path(), "log", 100).unwrap();
        let (mut next, mut seen) = (0, Vec::new());
        for number in 0..50 {
            file.write_all(format!("line {number}\n").as_bytes()).unwrap();
            if number % 3 == 0 {
                let read = tail_lines(folder.path(), "log", Some(next), 2).unwrap();
                assert_eq!(read.missed_bytes, 0);
                seen.extend(read.lines);
                next = read.next;
            }
        }
        loop {
            let read = tail_lines(folder.path(), "log", Some(next), 7).unwrap();
            if read.next == next {
                break;
            }
            next = read.next;
            seen.extend(read.lines);
        }
        assert!(seen.windows(2).all(|two| two[0].len() < two[1].len() || two[0] < two[1]), "{seen:?}");
        assert_eq!(seen.last().unwrap(), "line 49");
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 2);
        let late = tail_lines(folder.path(), "log", Some(0), 1).unwrap();
        assert!(late.missed_bytes > 0 && late.lines.len() == 1);
        let last = tail_lines(folder.path(), "log", None, 2).unwrap();
        assert_eq!((last.lines, last.next), (vec!["line 48".to_string(), "line 49".into()], next));
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Rotated::open(folder.path(), "output", u64::MAX).unwrap();
        let long = "x".repeat(TAIL_BYTES_MAX as usize + 5);
        file.write_all(format!("{long}\nshort\n").as_bytes()).unwrap();
        let first = tail_lines(folder.path(), "output", Some(0), 10).unwrap();
        assert_eq!(first.lines, [&long[5..]]);
        let rest = tail_lines(folder.path(), "output", Some(first.next), 10).unwrap();
        assert_eq!(rest.lines, ["xxxxx", "short"]);
    }

    #[test]
    fn a_line_that_is_not_whole_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(tail(folder.path(), None, 10).unwrap().lines, []);
        std::fs::write(current(folder.path(), "log"), "one\ntw").unwrap();
        let read = tail_lines(folder.path(), "log", None, 10).unwrap();
        assert_eq!((read.lines, read.next), (vec!["one".to_string()], 4));
        // A process that was killed in the middle of a line does not spoil the next one's.
        Rotated::open(folder.path(), "log", 100).unwrap().write_all(b"three\n").unwrap();
        assert_eq!(tail_lines(folder.path(), "log", Some(4), 10).unwrap().lines, ["tw", "three"]);
    }
}
