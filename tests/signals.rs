//! Ctrl-C, SIGTERM and SIGHUP.
#![cfg(target_os = "linux")]

use std::time::Duration;

use harness::{Flowgate, Folder, OnTerminal, Running, Signal, what_is_left};

/// A few seconds on a busy machine; alone it takes 100 ms.
const SOON: Duration = Duration::from_secs(10);
/// Nearly the size of a pipe: a job that writes more waits.
const PIPE_BYTES: u64 = 60_000;
const PATIENCE: Duration = Duration::from_secs(30);

fn endless() -> Folder {
    Folder::with_job(
        "\
job: endless
sources: { rows: { generator: { columns: { n: { sequence: {} } } } } }
operators: { counts: { input: rows, window: { tumbling: 50ms, time: processing }, aggregate: { n: count() } } }
sinks:
  out: { input: counts, print: {} }
  all: { input: rows, blackhole: {} }
",
    )
}

fn followed() -> Folder {
    let folder = Folder::with_job(
        "\
job: followed
sources: { rows: { file: { path: in.log, follow: true } } }
sinks: { out: { input: rows, print: {} } }
",
    );
    folder.write("in.log", "one\n");
    folder
}

fn start(folder: &Folder, parallelism: &str) -> Running {
    Flowgate::new(folder.path(), &["run", "job.yaml", "-p", parallelism]).deadline(SOON).start()
}

/// One signal ends a job cleanly, busy or idle, on one worker and two: 0, soon, "stopped", and no process of it is left.
fn ends_cleanly(signal: Signal) {
    for (folder, name) in [(endless(), "endless"), (followed(), "followed")] {
        for parallelism in ["1", "2"] {
            let mut running = start(&folder, parallelism);
            let lines = running.lines();
            lines.next(PATIENCE);
            let group = running.pid();
            running.wait_until_it_handles(signal);
            running.signal(signal);
            let ended = running.wait().expect(0);
            let ended =
                ended.saying("stopping; Ctrl-C again ends the job at once").saying(&format!("{name}: stopped, "));
            assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
            assert_eq!(what_is_left(group), [0; 0]);
        }
    }
}

#[test]
fn one_interrupt_ends_cleanly() {
    ends_cleanly(Signal::INT);
}

#[test]
fn one_termination_ends_cleanly() {
    ends_cleanly(Signal::TERM);
}

#[test]
fn one_hangup_ends_cleanly() {
    ends_cleanly(Signal::HUP);
}

/// A closed terminal sends SIGHUP more than once: that does not end a job immediately, and Ctrl-C after it does.
#[test]
fn further_hangups_are_nothing() {
    let folder = Folder::with_job(
        "job: stuck\nsources: { rows: { generator: { columns: { n: { sequence: {} } } } } }\nsinks: { out: { input: rows, \
         print: {} } }\n",
    );
    let mut running = start(&folder, "1");
    running.wait_until_unread(PIPE_BYTES);
    running.wait_until_it_handles(Signal::HUP);
    running.signal(Signal::HUP);
    running.wait_until_said("stopping");
    for _ in 0..2 {
        running.signal(Signal::HUP);
        std::thread::sleep(Duration::from_millis(100));
        assert!(!running.has_ended(), "{}", running.said());
    }
    running.signal(Signal::INT);
    running.wait().expect(130);
}

/// Goal: closing the terminal loses no rows that a job writes elsewhere. Method: rows go to the terminal and to a file; the
/// terminal is closed; the file has whole rows, without a gap, at least those that were read before.
#[test]
fn a_closed_terminal_stops_a_job() {
    let folder = Folder::with_job(
        "\
job: closed
sources: { rows: { generator: { rate: 20000, columns: { n: { sequence: {} } } } } }
sinks: { out: { input: rows, file: { path: out.jsonl } }, seen: { input: rows, print: { format: json } } }
",
    );
    let mut terminal = OnTerminal::start(folder.path(), &["run", "job.yaml"], 80, SOON);
    terminal.wait_until_shown("{\"n\":1000}");
    terminal.close();
    assert_eq!(terminal.wait().code(), Some(0));
    let written = folder.read("out.jsonl");
    for (n, line) in written.lines().enumerate() {
        assert_eq!(line, format!("{{\"n\":{n}}}"));
    }
    assert!(written.ends_with("}\n") && written.lines().count() > 1000);
}

/// Under `nohup`, SIGHUP is ignored from the start, and stays ignored.
#[test]
fn a_job_under_nohup_outlives_its_terminal() {
    let folder = endless();
    let mut running = Flowgate::under("nohup", folder.path(), &["run", "job.yaml"]).deadline(SOON).start();
    let lines = running.lines();
    lines.next(PATIENCE);
    running.wait_until_it_handles(Signal::INT);
    running.signal(Signal::HUP);
    // Rows keep arriving.
    for _ in 0..3 {
        lines.next(PATIENCE);
    }
    running.signal(Signal::INT);
    running.wait().expect(0).saying("endless: stopped, ");
}

/// With `--drain`, open windows emit the results that they have, every row is in one, and the job ends cleanly.
#[test]
fn a_drained_job_emits_its_open_windows() {
    let folder = Folder::with_job(
        "\
job: drained
sources:
  rows:
    generator: { rate: 20000, columns: { t: { time: { start: \"2026-01-01T00:00:00Z\", step_us: 1000 } }, n: { sequence: {} } } }
    event_time: { column: t }
operators:
  days: { input: rows, window: { tumbling: 1d }, aggregate: { n: count(), last: max(n) } }
sinks: { out: { input: days, file: { path: out.jsonl } }, seen: { input: rows, print: {} } }
",
    );
    let mut running = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2", "--drain"]).deadline(SOON).start();
    running.lines().next(PATIENCE);
    running.wait_until_it_handles(Signal::TERM);
    running.signal(Signal::TERM);
    running.wait().expect(0).saying("open windows emit their results").saying("drained: stopped, ");
    let result: serde_json::Value = serde_json::from_str(folder.read("out.jsonl").trim()).expect("one window");
    let (count, last) = (result["n"].as_i64(), result["last"].as_i64());
    assert!(count.is_some_and(|count| count > 0) && count == last.map(|last| last + 1), "{result}");
}

/// Rows that were read before a stop are written: the output is a prefix of the input, and the summary counts it.
#[test]
fn what_was_read_is_written() {
    let folder = Folder::with_job(
        "\
job: prefix
sources: { rows: { generator: { rate: 20000, columns: { n: { sequence: {} } } } } }
sinks: { out: { input: rows, file: { path: out.jsonl } }, seen: { input: rows, print: {} } }
",
    );
    let mut running = start(&folder, "1");
    let lines = running.lines();
    lines.until(PATIENCE, |line| line == "{\"n\":1000}");
    running.wait_until_it_handles(Signal::INT);
    running.signal(Signal::INT);
    let ended = running.wait().expect(0);
    let written = folder.read("out.jsonl");
    for (n, line) in written.lines().enumerate() {
        assert_eq!(line, format!("{{\"n\":{n}}}"));
    }
    let count = written.lines().count();
    assert!(count > 1000);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let read = ended.stderr.lines().find(|line| line.ends_with(" read")).expect("a line for the source");
    assert_eq!(digits(read), count.to_string(), "{}", ended.stderr);
}

/// While nobody reads its output, a job cannot end cleanly: the second signal ends it immediately, with 130.
#[test]
fn two_interrupts_end_a_job_that_is_stuck() {
    for second in [Signal::INT, Signal::TERM] {
        let folder = Folder::with_job(
            "job: stuck\nsources: { rows: { generator: { columns: { n: { sequence: {} } } } } }\nsinks: { out: { input: rows, \
             print: {} } }\n",
        );
        // Its output is a pipe that is never read.
        let mut running = start(&folder, "2");
        running.wait_until_unread(PIPE_BYTES);
        running.wait_until_it_handles(Signal::TERM);
        running.signal(Signal::INT);
        running.wait_until_said("stopping; Ctrl-C again ends the job at once");
        std::thread::sleep(Duration::from_millis(300));
        assert!(!running.has_ended(), "rows in flight were dropped: {}", running.said());
        let group = running.pid();
        running.signal(second);
        let ended = running.wait().expect(130);
        assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
        assert_eq!(what_is_left(group), [0; 0]);
    }
}

/// A job that was stopped while nobody read ends by itself once somebody reads.
#[test]
fn a_stopped_job_ends_when_its_output_is_read() {
    let folder = Folder::with_job(
        "job: late\nsources: { rows: { generator: { columns: { n: { sequence: {} } } } } }\nsinks: { out: { input: rows, \
         print: {} } }\n",
    );
    let mut running = start(&folder, "1");
    running.wait_until_unread(PIPE_BYTES);
    running.wait_until_it_handles(Signal::INT);
    running.signal(Signal::INT);
    running.wait_until_said("stopping");
    let lines = running.lines();
    lines.next(PATIENCE);
    running.wait().expect(0).saying("late: stopped, ");
}

/// A webhook whose server fails for long does not delay a stopped job: undelivered rows are counted, and the other sink has all
/// of its rows.
#[test]
fn a_stop_does_not_wait_for_a_server_that_is_out_of_order() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    // Nobody listens there any more.
    drop(server);
    let folder = Folder::with_job(&format!(
        "\
job: hook
sources: {{ rows: {{ generator: {{ rows: 3, columns: {{ n: {{ sequence: {{}} }} }} }} }} }}
sinks:
  hook: {{ input: rows, webhook: {{ url: 'http://{address}/', retries: 1000, batch_rows: 1 }} }}
  all: {{ input: rows, file: {{ path: all.jsonl }} }}
"
    ));
    let running = Flowgate::new(folder.path(), &["run", "job.yaml"]).start();
    running.wait_until_it_handles(Signal::TERM);
    std::thread::sleep(Duration::from_millis(500));
    running.signal(Signal::TERM);
    let ended = running.wait().expect(1);
    assert!(ended.took < Duration::from_secs(20), "{:?}", ended.took);
    ended.saying("the job was stopped, 3 rows were not delivered").saying("0 delivered, 3 dropped");
    assert_eq!(folder.read("all.jsonl").lines().count(), 3);
}
