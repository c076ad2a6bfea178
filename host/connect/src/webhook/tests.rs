//! Deliveries to a server on loopback that answers well, badly, late or not at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array};
use proptest::prelude::*;

use super::test_server::{OK, Reply, Server};
use super::{Endpoint, WebhookSink};
use crate::problem;
use crate::settings::shown_url;
use crate::sink::{Begin, SinkWriter};
use crate::stop::Stop;
use flowgate_base::error::{Fault, Result};
use flowgate_base::schema::{DataType, Field, Schema};

const BUSY: Reply = Reply::Answer("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 8\r\n\r\nso\n busy");

fn open(url: &str, mut settings: serde_json::Value) -> WebhookSink {
    settings["url"] = url.into();
    if settings["backoff"].is_null() {
        settings["backoff"] = "1ms".into();
    }
    let endpoint = Endpoint::new(&serde_json::from_value(settings).unwrap()).unwrap();
    WebhookSink::new(endpoint, &Schema::new(vec![Field::new("n", DataType::Int64)]), None)
}

/// Writes these batches, with a flush behind each.
fn deliver(sink: &mut WebhookSink, batches: &[Vec<i64>]) -> Result<()> {
    for batch in batches {
        let columns: [ArrayRef; 1] = [Arc::new(Int64Array::from(batch.clone()))];
        sink.write(&columns, batch.len())?;
        sink.flush()?;
    }
    sink.prepare(true).map(drop)
}

fn bodies(server: &Server) -> Vec<String> {
    server.requests().into_iter().map(|request| request.body).collect()
}

#[test]
fn rows_come_in_requests_of_at_most_so_many() {
    let server = Server::start(&[OK]);
    let headers = serde_json::json!({ "Authorization": "Bearer 1", "x-more": "ä" });
    let mut sink = open(&server.url(), serde_json::json!({ "batch_rows": 2, "headers": headers }));
    deliver(&mut sink, &[vec![1, 2, 3], vec![], vec![4]]).unwrap();
    assert_eq!(bodies(&server), ["{\"n\":1}\n{\"n\":2}\n", "{\"n\":3}\n", "{\"n\":4}\n"]);
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /hook HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!((request.header("authorization"), request.header("x-more")), (Some("Bearer 1"), Some("ä")));
    assert!(request.header("user-agent").unwrap().starts_with("flowgate/"));
}

#[test]
fn rows_as_an_array_with_another_content_type() {
    let server = Server::start(&[OK]);
    let headers = serde_json::json!({ "Content-Type": "application/vnd.rows+json" });
    let mut sink = open(&server.url(), serde_json::json!({ "format": "array", "headers": headers }));
    deliver(&mut sink, &[vec![1, 2], vec![3]]).unwrap();
    assert_eq!(bodies(&server), [r#"[{"n":1},{"n":2}]"#, r#"[{"n":3}]"#]);
    assert_eq!(server.requests()[0].header("content-type"), Some("application/vnd.rows+json"));
}

/// A request that fails twice and may succeed is tried a third time, with the same rows.
#[test]
fn a_failing_server_is_asked_again() {
    let moved = "HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\n\r\n";
    let many = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n";
    for trouble in [BUSY, Reply::Close, Reply::Answer(moved), Reply::Answer(many)] {
        let server = Server::start(&[trouble, trouble, OK]);
        deliver(&mut open(&server.url(), serde_json::json!({})), &[vec![1], vec![2]]).unwrap();
        let got = bodies(&server);
        assert_eq!(got, ["{\"n\":1}\n", "{\"n\":1}\n", "{\"n\":1}\n", "{\"n\":2}\n"], "{trouble:?}");
    }
}

/// Goal: a job that is stopped does not wait for a server that fails, and reports what was not delivered. Method: the stop
/// arrives while the first request waits for its next attempt; two requests are behind it.
#[test]
fn a_stop_ends_the_attempts() {
    for (policy, fails) in [("fail", true), ("skip", false)] {
        let server = Server::start(&[BUSY]);
        let settings = serde_json::json!({ "batch_rows": 2, "retries": 1000, "backoff": "1m", "on_error": policy });
        let (mut sink, stop) = (open(&server.url(), settings), Arc::new(Stop::default()));
        sink.start(&stop, Begin::WithoutCheckpoints).unwrap();
        let start = Instant::now();
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                stop.ask();
            });
            deliver(&mut sink, &[vec![1, 2, 3, 4, 5]])
        });
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        let dropped = sink.take_dropped();
        let why = format!("cannot deliver rows to {}: the answer was 503 Service Unavailable: so busy", server.url());
        assert_eq!((dropped.rows, &dropped.first), (5, &Some(why.clone())));
        assert_eq!(server.requests().len(), 1, "rows behind the first request were tried");
        let told = format!("{why}; the job was stopped, 5 rows were not delivered");
        assert_eq!(result.map_err(|e| e.message), if fails { Err(told) } else { Ok(()) });
    }
}

/// A stop costs nothing where the server answers well.
#[test]
fn a_stop_does_not_drop_what_can_be_delivered() {
    let server = Server::start(&[BUSY, OK]);
    let (mut sink, stop) = (open(&server.url(), serde_json::json!({ "batch_rows": 1 })), Arc::new(Stop::default()));
    sink.start(&stop, Begin::WithoutCheckpoints).unwrap();
    stop.ask();
    deliver(&mut sink, &[vec![1, 2, 3]]).unwrap();
    assert_eq!(bodies(&server), ["{\"n\":1}\n", "{\"n\":1}\n", "{\"n\":2}\n", "{\"n\":3}\n"]);
}

#[test]
fn a_server_that_stays_busy_fails_the_job_or_costs_the_rows() {
    let server = Server::start(&[BUSY]);
    let url = server.url().replace("http://", "http://me:secret@") + "?token=secret";
    let error = deliver(&mut open(&url, serde_json::json!({ "retries": 2 })), &[vec![1]]).unwrap_err();
    assert_eq!(error.fault(), Fault::External);
    let why = "the answer was 503 Service Unavailable: so busy (after 3 attempts)";
    assert_eq!(error.message, format!("cannot deliver rows to {}: {why}", server.url()));
    assert_eq!(server.requests().len(), 3);
    assert!(server.requests()[0].line.starts_with("POST /hook?token=secret "));
    assert_eq!(server.requests()[0].header("authorization"), Some("Basic bWU6c2VjcmV0"));

    let mut sink = open(&url, serde_json::json!({ "retries": 0, "on_error": "skip" }));
    deliver(&mut sink, &[vec![1, 2], vec![3]]).unwrap();
    let dropped = sink.take_dropped();
    assert_eq!(dropped.rows, 3);
    assert!(dropped.first.unwrap().ends_with("503 Service Unavailable: so busy"));
    assert_eq!(sink.take_dropped().rows, 0);
}

#[test]
fn a_refusal_is_final() {
    let refused = "HTTP/1.1 400 Bad Request\r\ncontent-length: 7\r\n\r\nno rows";
    let moved =
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://elsewhere.test/a?token=1\r\ncontent-length: 0\r\n\r\n";
    for (answer, part) in [
        (refused, ": the answer was 400 Bad Request: no rows"),
        (
            moved,
            "307 Temporary Redirect, a redirect to http://elsewhere.test/a, which is not followed; write the new URL",
        ),
    ] {
        let server = Server::start(&[Reply::Answer(answer)]);
        let error = deliver(&mut open(&server.url(), serde_json::json!({})), &[vec![1]]).unwrap_err();
        assert!(error.message.ends_with(part), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_silent_server_and_one_that_is_not_there() {
    let server = Server::start(&[Reply::Silence, OK]);
    let start = Instant::now();
    deliver(&mut open(&server.url(), serde_json::json!({ "timeout": "100ms" })), &[vec![1]]).unwrap();
    assert_eq!(server.requests().len(), 2);
    assert!(start.elapsed() < Duration::from_secs(4));

    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = deliver(&mut open(&format!("http://{gone}/"), serde_json::json!({ "retries": 1 })), &[vec![1]]);
    let message = error.unwrap_err().message;
    assert!(message.contains("refused") && message.ends_with("(after 2 attempts)"), "{message}");
}

/// A server's `Retry-After` counts where it is longer than the sink's own wait.
#[test]
fn a_server_says_when_to_come_again() {
    let later = Reply::Answer("HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n");
    let server = Server::start(&[later, OK]);
    let start = Instant::now();
    deliver(&mut open(&server.url(), serde_json::json!({})), &[vec![1]]).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn waits_double_up_to_a_bound() {
    let spec = serde_json::json!({ "url": "http://a", "backoff": "100ms" });
    let endpoint = Endpoint::new(&serde_json::from_value(spec).unwrap()).unwrap();
    let waits = [1, 2, 3, 9, 10, 500].map(|attempt| endpoint.wait_ms(attempt, None));
    assert_eq!(waits, [100, 200, 400, 25_600, 30_000, 30_000]);
    assert_eq!([50, 5_000, i64::MAX].map(|asked_ms| endpoint.wait_ms(1, Some(asked_ms))), [100, 5_000, 60_000]);
}

#[test]
fn what_is_wrong_is_said_at_once() {
    let wrong = |spec: serde_json::Value| Endpoint::new(&serde_json::from_value(spec).unwrap()).unwrap_err();
    let all = wrong(serde_json::json!({
        "url": "ftp://x", "batch_rows": 0, "retries": 1_001, "backoff": "0s", "timeout": "0s",
        "headers": { "a b": "1", "Host": "x", "X-Key": "top\nsecret" },
    }));
    let expected = [
        "`url` has the scheme `ftp`",
        "`headers` has `a b`",
        "`headers` has `Host`",
        "`headers` has a value of `X-Key`",
        "`batch_rows` is 0",
        "`retries` is 1001",
        "`backoff` must be greater",
        "`timeout` must be greater",
    ];
    assert_eq!(all.len(), expected.len(), "{all:?}");
    assert!(all.iter().zip(expected).all(|(problem, start)| problem.message.starts_with(start)), "{all:?}");
    assert!(!problem::listed(&all).contains("secret"));
    for url in ["", "example.com/hook", "/hook", "http://", "https:///x", "http://a b", "http://[::1"] {
        let message = problem::listed(&wrong(serde_json::json!({ "url": url })));
        assert!(message.starts_with("`url` is ") && message.ends_with("https://example.com/hook"), "{url}: {message}");
    }
}

proptest! {
    #[test]
    fn a_shown_url_has_no_secrets(name in "[a-z]{0,5}", password in "[A-Z@:]{1,8}", path in "(/[a-z]{1,3}){0,2}", query in "[A-Z/@?]{1,9}") {
        let url = format!("https://{name}:{password}@host:80{path}?{query}");
        prop_assert_eq!(shown_url(&url), format!("https://host:80{}", path));
    }
}
