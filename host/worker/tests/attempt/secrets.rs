//! Secrets: a job uses them, and nobody is shown them.

use std::io::{Read, Write};
use std::net::TcpListener;

use flowgate_control::client;
use flowgate_worker::files::Outcome;
use flowgate_worker::log::{OUTPUT, tail_lines};
use rustix::process::Signal;

use crate::fixture::Job;

const VALUE: &str = "pass/wo\"rd 123";

/// Goal: no text that leaves a worker process has a secret. Method: wrong settings of every kind that are built of one.
#[test]
fn a_problem_does_not_quote_a_secret() {
    for wrong in [
        "parallelism: '${secret:KEY}'",
        "state: { memory: 'x${secret:KEY}' }",
        "sources: { rows: { file: { path: in, format: '${secret:KEY}' } } }",
        "sources: { rows: { file: { path: in, columns: { a: '${secret:KEY}' } } } }",
        "operators: { o: { input: '${secret:KEY}', select: [text] } }",
        "operators: { o: { input: rows, select: ['${secret:KEY}'] } }",
        "operators: { o: { input: rows, plugin: '${secret:KEY}', function: f } }",
        "operators: { o: { input: rows, key: [text], window: { tumbling: '${secret:KEY}' }, aggregate: { n: count() } } }",
        "operators: { o: { input: rows, window: { global: {} }, aggregate: { n: '${secret:KEY}' } } }",
        "sinks: { out: { input: rows, webhook: { url: '${secret:KEY}' } } }",
        "sinks: { out: { input: rows, webhook: { url: 'ftp://${secret:KEY}' } } }",
        "sinks: { out: { input: rows, webhook: { url: 'http://x', batch_rows: '${secret:KEY}' } } }",
        "sinks: { out: { input: rows, file: { path: out, format: '${secret:KEY}' } } }",
        "operators: { o: { input: rows, plugin: text, function: split, config: { column: '${secret:KEY}' } } }",
        "sources: { rows: { generator: { rows: '${secret:KEY}', columns: { n: { sequence: {} } } } } }",
        "sinks: { out: { input: rows, webhook: { url: 'http://x/${secret:KEY}', timeout: '${secret:KEY}' } } }",
    ] {
        let section = wrong.split(':').next().unwrap();
        let rest = [
            ("sources", "sources: { rows: { file: { path: in } } }"),
            ("sinks", "sinks: { out: { input: rows, print: {} } }"),
        ];
        let rest = rest.iter().filter(|(name, _)| *name != section).map(|(_, text)| format!("{text}\n"));
        let job = Job::new(&format!("job: web\n{wrong}\n{}", rest.collect::<String>())).with_secret("KEY", VALUE);
        let checked = job.check().unwrap();
        assert!(!checked.ok, "{wrong}");
        let text = serde_json::to_string(&checked).unwrap();
        assert!(!text.contains("wo\"rd") && !text.contains("wo\\\"rd") && !text.contains("123"), "{wrong}: {text}");
    }
}

/// Goal: a job that uses secrets has none in its files and answers. Method: a job whose sink, source and names have one, which fails
/// with errors about them; every file of the job is searched.
#[test]
fn a_running_job_does_not_tell_its_secrets() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let (requests, request) = std::sync::mpsc::channel();
    let received = std::thread::spawn(move || {
        let mut request = String::new();
        // The sink tries again until the job ends.
        for client in server.incoming().map(Result::unwrap) {
            let mut client = client;
            let mut bytes = [0; 4096];
            let count = client.read(&mut bytes).unwrap_or(0);
            request = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if request.starts_with("END") {
                break;
            }
            let answer = "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 14\r\n\r\nno top-s3cret!";
            let _ = client.write_all(answer.as_bytes());
            requests.send(request.clone()).unwrap();
        }
        request
    });
    let mut job = Job::new(&format!(
        "job: web\nsources: {{ rows: {{ file: {{ path: top.csv, follow: true }} }} }}\nsinks: {{ out: {{ input: rows, \
         webhook: {{ url: 'http://127.0.0.1:{port}/${{secret:WORD}}' }} }} }}\n"
    ))
    .with_secret("WORD", "s3cret");
    job.write("top.csv", "one\n");
    let worker = job.start();
    let status = worker.status("out", 1);
    assert!(request.recv().unwrap().contains("/s3cret"), "the sink has it");
    let answers = [
        serde_json::to_string(&status).unwrap(),
        serde_json::to_string(&client::explanation(&worker.found(), "out").unwrap()).unwrap(),
        serde_json::to_string(&client::status(&worker.found()).unwrap()).unwrap(),
    ];
    worker.signal(Signal::TERM);
    let ended = worker.wait();
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(b"END").unwrap();
    received.join().unwrap();
    assert!(matches!(ended.outcome, Outcome::Stopped | Outcome::Failed(_)));
    for answer in answers {
        assert!(!answer.contains("s3cret"), "{answer}");
    }
    let found = job.files_with("s3cret");
    assert!(found.is_empty(), "{found:?}");
    assert!(!job.files_with("${secret:WORD}").is_empty(), "what the server said is in a file");
}

#[test]
fn a_secret_that_is_missing_is_a_problem_at_its_place() {
    let text = "job: web\nsources: { rows: { file: { path: a, format: 'a${secret:KEYS}' } } }\nsinks: { out: { input: rows, print: {} } }";
    let checked = Job::new(text).with_secret("KEY", VALUE).check().unwrap();
    let problem = &checked.problems[0];
    assert_eq!((problem.line, problem.column), (Some(2), Some(47)), "{}", checked.report);
    assert_eq!(problem.message, "there is no secret KEYS");
}

/// The reason of a dead letter is a text, although it stands in a row: a plugin says it, who knows its config.
#[test]
fn the_reason_of_a_dead_letter_has_no_secret() {
    let mut job = Job::new(
        "job: web\nsources: { numbers: { generator: { rows: 20, columns: { x: { sequence: {} } } } } }\noperators: { o: { \
         input: numbers, plugin: words, function: f } }\nsinks: { out: { input: o.errors, print: {} } }\n",
    )
    .with_secret("WORD", "said_last");
    let component = job.path().join("words.wasm");
    let words = flowgate_hostile::lines("last_words").replace("said\\0alast", "said_last");
    std::fs::write(&component, flowgate_hostile::plugin(&words, false)).unwrap();
    job.assign("words", &component);
    assert_eq!(job.start().wait().outcome, Outcome::Finished);
    let output = tail_lines(&job.assignment.folder, OUTPUT, Some(0), 100).unwrap().lines;
    assert!(output.len() == 1 && output[0].contains("\"message\":\"${secret:WORD}\""), "{output:?}");
    assert_eq!(job.files_with("said_last"), [component]);
}
