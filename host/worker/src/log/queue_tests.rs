//! Tests of the queue with writers that are slow, full, or quick.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

fn log(lines_max: u32, bytes_max: u64, file: impl Write + Send + 'static) -> Arc<Log> {
    let identity = Identity { tenant: "acme".into(), job: "web".into(), attempt: 3 };
    let (queue, changed, least, echo) = (Mutex::default(), Condvar::new(), Level::Info, None);
    Log::write_to(Log { queue, changed, identity, lines_max, bytes_max, least, echo }, file).unwrap()
}

/// A file that takes what a test lets it, and shows it.
struct Gated {
    go: Receiver<io::Result<()>>,
    written: Sender<String>,
}

impl Write for Gated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Without a test, it takes everything.
        self.go.recv().unwrap_or(Ok(()))?;
        let _ = self.written.send(String::from_utf8(line.to_vec()).unwrap());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated() -> (Gated, Sender<io::Result<()>>, Receiver<String>) {
    let (go, gate) = channel();
    let (written, lines) = channel();
    (Gated { go: gate, written }, go, lines)
}

/// Returns lines up to the one that counts what is not among them, and that one's text.
fn until_counted(lines: &Receiver<String>) -> (Vec<LogLine>, String) {
    let mut before = Vec::new();
    loop {
        let line = lines.recv_timeout(Duration::from_secs(30)).expect("a line that counts the others");
        let line: LogLine = serde_json::from_str(&line).unwrap();
        if line.message.starts_with("log lines were dropped") {
            assert_eq!(line.level, Level::Warn);
            return (before, line.message);
        }
        before.push(line);
    }
}

/// Goal: a disk that is slow or stands still keeps nobody waiting, and takes no memory without end. Method: a file that takes nothing
/// while far more is logged than the queue holds.
#[test]
fn a_disk_that_stands_still_keeps_nobody_waiting() {
    let (file, go, lines) = gated();
    let log = log(u32::MAX, u64::MAX, file);
    let begun = clock::monotonic();
    let message = "x".repeat(1_000);
    for _ in 0..10_000 {
        log.say(Level::Info, message.clone());
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(log.queue().waiting_bytes <= LOG_WAITING_BYTES_MAX);
    drop(go);
    let (before, counted) = until_counted(&lines);
    let lost = 10_000 - before.len();
    assert!(counted.contains(&format!("{lost}: the disk was too slow")), "{counted}, and {} came", before.len());
}

#[test]
fn what_is_over_the_rate_is_counted() {
    for (lines_max, bytes_max) in [(10, u64::MAX), (u32::MAX, 1_200)] {
        let (file, go, lines) = gated();
        drop(go);
        let log = log(lines_max, bytes_max, file);
        for number in 0..1_000 {
            log.say(Level::Info, format!("line {number}"));
        }
        let (before, counted) = until_counted(&lines);
        assert!((1..=40).contains(&before.len()), "{}", before.len());
        let lost = 1_000 - before.len();
        assert!(counted.contains(&format!("{lost}: more came than the limit allows")), "{counted}");
        assert_eq!((before[0].tenant.as_str(), before[0].job.as_str(), before[0].attempt), ("acme", "web", 3));
    }
}

#[test]
fn lines_that_a_full_disk_does_not_take_are_counted_when_it_does() {
    let (file, go, lines) = gated();
    for _ in 0..2 {
        go.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    }
    drop(go);
    let log = log(u32::MAX, u64::MAX, file);
    log.say(Level::Info, "one");
    log.say(Level::Info, "two");
    log.flush(Duration::from_secs(10));
    let (before, counted) = until_counted(&lines);
    assert_eq!(before, []);
    assert!(counted.contains("2: the file could not be written"), "{counted}");
}

#[test]
fn a_line_shows_no_control_characters() {
    let (file, go, lines) = gated();
    drop(go);
    log(10, u64::MAX, file).say(Level::Error, "a\x1b[31mb\u{202e}c");
    assert!(lines.recv_timeout(Duration::from_secs(30)).unwrap().contains("a\\\\u{1b}[31mb\\\\u{202e}c"));
}
