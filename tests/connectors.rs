//! Connectors other than files: the rows that they emit, and those that reach a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

use harness::{Flowgate, Folder, Signal, cpu_ticks};

/// Starts an HTTP server on loopback that answers the first `failures` requests with 503 and all others with 200. It ends with
/// the test's process.
fn server(failures: usize) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let bodies = Arc::clone(&accepted);
    let mut left = failures;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut lines = (&mut reader).lines().map_while(Result::ok);
            let head: Vec<String> =
                lines.by_ref().take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
            let value = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let Some(length) = value("content-length:").and_then(|n| n.parse().ok()) else { continue };
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = if left == 0 { "200 OK" } else { "503 Service Unavailable" };
            if left == 0 {
                assert_eq!(value("x-token:"), Some("secret"));
                bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
            }
            left = left.saturating_sub(1);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, accepted)
}

fn webhook(address: SocketAddr, more: &str) -> Folder {
    Folder::with_job(&format!(
        "\
job: webhook
sources: {{ rows: {{ generator: {{ rows: 250, columns: {{ n: {{ sequence: {{}} }} }} }} }} }}
sinks:
  hook:
    input: rows
    webhook:
      url: http://{address}/hook?key=secret
      headers: {{ X-Token: '${{TOKEN}}' }}
      backoff: 10ms
      {more}
"
    ))
}

/// Every row arrives once and in order at a server that fails at first; the header's value comes from the environment.
#[test]
fn a_webhook_delivers_every_row() {
    let (address, accepted) = server(3);
    let folder = webhook(address, "batch_rows: 100");
    let ended = Flowgate::new(folder.path(), &["run", "job.yaml"]).env("TOKEN", "secret").run().expect(0);
    assert!(ended.stderr.contains("hook  250 delivered (3 retries)\n"), "{}", ended.stderr);
    let bodies = accepted.lock().unwrap().clone();
    assert_eq!(bodies.iter().map(|body| body.lines().count()).collect::<Vec<_>>(), [100, 100, 50]);
    let rows: Vec<String> = bodies.iter().flat_map(|body| body.lines()).map(String::from).collect();
    assert_eq!(rows, (0..250).map(|n| format!("{{\"n\":{n}}}")).collect::<Vec<_>>());
}

/// A server that keeps failing fails the job, or drops rows that are counted; no message contains a secret.
#[test]
fn a_webhook_that_cannot_deliver() {
    let (address, _) = server(usize::MAX);
    let told = format!(
        "cannot deliver rows to http://{address}/hook: the answer was 503 Service Unavailable (after 3 attempts)"
    );
    for (policy, code, part) in [
        ("fail", 1, format!("error[FG0352]: `hook`: {told}\n")),
        ("skip", 0, "0 delivered, 250 dropped (6 retries)".to_string()),
    ] {
        let folder = webhook(address, &format!("retries: 2\n      on_error: {policy}"));
        let ended = Flowgate::new(folder.path(), &["run", "job.yaml"]).env("TOKEN", "secret").run().expect(code);
        assert!(ended.stderr.contains(&told) && ended.stderr.contains(&part), "{}", ended.stderr);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
}

/// The rows of Nexmark are the same for any number of workers, generated or held in memory.
#[test]
fn nexmark_emits_the_same_rows_on_any_number_of_workers() {
    let sorted = |preload: &str, parallelism: &str| {
        let folder = Folder::with_job(&format!(
            "\
job: nexmark
sources: {{ bids: {{ nexmark: {{ table: bid, events: 20000, batch_rows: 500, preload: {preload} }} }} }}
sinks: {{ out: {{ input: bids, print: {{}} }} }}
"
        ));
        let ended = Flowgate::new(folder.path(), &["run", "-q", "job.yaml", "-p", parallelism]).run().expect(0);
        let mut rows: Vec<String> = ended.lines().into_iter().map(String::from).collect();
        rows.sort_unstable();
        rows
    };
    let expected = sorted("false", "1");
    assert_eq!(expected.len(), 20_000 / 50 * 46);
    for (preload, parallelism) in [("false", "2"), ("true", "1"), ("true", "4")] {
        assert!(sorted(preload, parallelism) == expected, "preload {preload}, parallelism {parallelism}");
    }
}

/// Between samples of the machine's figures, a job does nothing.
#[test]
fn a_system_source_costs_nothing_between_samples() {
    let folder = Folder::with_job(
        "job: system\nsources: { figures: { system: { every: 1h } } }\nsinks: { out: { input: figures, print: {} } }\n",
    );
    let running = Flowgate::new(folder.path(), &["run", "job.yaml", "-p", "2"]).start();
    running.wait_until_it_handles(Signal::TERM);
    sleep(Duration::from_millis(500));
    let before = cpu_ticks(running.pid());
    sleep(Duration::from_secs(2));
    let after = cpu_ticks(running.pid());
    assert!(after - before <= 1, "{} ticks in two seconds", after - before);
    running.signal(Signal::TERM);
    running.wait().expect(0);
}
