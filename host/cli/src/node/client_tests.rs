//! The client against a small server on loopback, which answers what a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use flowgate_api::Problem;
use flowgate_api::problem::Code;
use flowgate_base::error::Fault;
use serde_json::{Value, json};

use super::client::Client;
use super::events::Events;
use crate::code;

const TOKEN: &str = "fg_test_secret";

/// A server that answers each connection with the next of its texts, and keeps what it was sent.
struct Server {
    url: String,
    requests: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new(answers: Vec<String>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (to, requests) = channel();
        let serve = move || {
            for answer in answers {
                let (mut connection, _) = listener.accept().unwrap();
                to.send(request(&mut connection)).unwrap();
                connection.write_all(answer.as_bytes()).unwrap();
            }
        };
        Server { url, requests, thread: Some(std::thread::spawn(serve)) }
    }

    fn client(&self) -> Client {
        Client::new(&self.url, TOKEN, None).unwrap()
    }

    /// Returns all requests, after the last answer.
    fn end(mut self) -> Vec<String> {
        self.thread.take().unwrap().join().unwrap();
        self.requests.try_iter().collect()
    }
}

/// Reads a request: its head, and as much of a body as the head says.
fn request(connection: &mut TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the head of the request is cut: {head}");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8_lossy(&body)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn good(body: &Value) -> String {
    answer("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

fn problem(code: Code, headers: &str) -> String {
    let problem = Problem::new(code, "it says why");
    let headers = format!("Content-Type: application/problem+json\r\n{headers}");
    answer(&format!("{} X", problem.status), &headers, &serde_json::to_string(&problem).unwrap())
}

#[test]
fn a_request_has_the_token_and_an_answer_its_value() {
    let server = Server::new(vec![good(&json!({"a": 1})), answer("201 Created", "", "{\"id\": 7}")]);
    let client = server.client();
    assert_eq!(client.get::<Value>("/api/v1/whoami"), Ok(json!({"a": 1})));
    let created = client.post::<_, Value>("/api/v1/tenants", &json!({"name": "acme"})).unwrap();
    assert_eq!((created.value, created.is_new), (json!({"id": 7}), true));
    let requests = server.end();
    assert!(requests[0].starts_with("GET /api/v1/whoami HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].to_lowercase().contains("authorization: bearer fg_test_secret\r\n"), "{}", requests[0]);
    assert!(requests[1].ends_with("\r\n\r\n{\"name\":\"acme\"}"), "{}", requests[1]);
}

#[test]
fn lists_are_read_page_by_page_and_no_further_than_wanted() {
    let pages = || vec![good(&json!({"items": [1, 2], "next": "b"})), good(&json!({"items": [3, 4]}))];
    let server = Server::new(pages());
    assert_eq!(server.client().list::<u32>("/x", 100), Ok(vec![1, 2, 3, 4]));
    let requests = server.end();
    assert!(requests[0].starts_with("GET /x?limit=100 "), "{}", requests[0]);
    assert!(requests[1].starts_with("GET /x?limit=98&after=b "), "{}", requests[1]);
    let server = Server::new(pages());
    assert_eq!(server.client().list::<u32>("/x", 3), Ok(vec![1, 2, 3]));
    server.end();
}

#[test]
fn a_problem_is_an_error_with_its_detail() {
    let cases = [
        (Code::Unauthorized, &code::NODE_TOKEN),
        (Code::Forbidden, &code::NODE_REFUSES),
        (Code::NotFound, &code::NODE_REFUSES),
        (Code::Invalid, &code::NODE_REFUSES),
        (Code::Unavailable, &code::NODE_NOT_NOW),
    ];
    let server = Server::new(cases.iter().map(|(code, _)| problem(*code, "")).collect());
    let client = server.client();
    for (of, code) in cases {
        let error = client.get::<Value>("/x").unwrap_err();
        assert_eq!(error.code, code, "{of:?}");
        assert!(error.message.contains("it says why") && !error.message.contains(TOKEN), "{}", error.message);
    }
    server.end();
}

#[test]
fn a_request_too_many_is_made_again_and_only_that() {
    let wait = "Retry-After: 0\r\n";
    let server = Server::new(vec![problem(Code::TooMany, wait), problem(Code::TooMany, wait), good(&json!(1))]);
    assert_eq!(server.client().post::<_, Value>("/x", &json!({})).unwrap().value, json!(1));
    assert_eq!(server.end().len(), 3);
    let server = Server::new(vec![problem(Code::Unavailable, wait)]);
    assert_eq!(server.client().get::<Value>("/x").unwrap_err().code, &code::NODE_NOT_NOW);
    assert_eq!(server.end().len(), 1);
    // Nobody waits for an hour.
    let server = Server::new(vec![problem(Code::TooMany, "Retry-After: 3600\r\n")]);
    assert_eq!(server.client().get::<Value>("/x").unwrap_err().code, &code::NODE_NOT_NOW);
    assert_eq!(server.end().len(), 1);
}

#[test]
fn a_node_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&url, TOKEN, None).unwrap().get::<Value>("/x").unwrap_err();
    assert_eq!((error.code, error.fault()), (&code::NODE_SILENT, Fault::External));
    assert!(error.message.contains("no node listens") && error.message.contains(&url), "{}", error.message);
}

#[test]
fn an_answer_that_is_cut_is_an_error() {
    let cut = good(&json!({"a": 1}));
    let server = Server::new(vec![cut[..cut.len() - 3].into(), "HTTP/1.1 200".into(), String::new()]);
    let client = server.client();
    for _ in 0..3 {
        let error = client.get::<Value>("/x").unwrap_err();
        assert_eq!(error.code, &code::NODE_SILENT, "{}", error.message);
    }
    server.end();
}

#[test]
fn what_is_no_node_is_said_so() {
    let html = answer("200 OK", "Content-Type: text/html\r\n", "<html>");
    let moved = answer("302 Found", "Location: http://127.0.0.1:1/\r\n", "");
    let server = Server::new(vec![html, moved, answer("404 Not Found", "", "nothing here")]);
    let client = server.client();
    for what in ["HTML", "a redirect", "another server"] {
        let error = client.get::<Value>("/x").unwrap_err();
        assert_eq!(error.code, &code::NODE_ANSWER, "{what}: {}", error.message);
    }
    server.end();
}

#[test]
fn a_token_that_cannot_be_one_is_not_sent() {
    for wrong in ["", "a b", "a\nX-Evil: 1", "ä"] {
        let error = Client::new("http://127.0.0.1:1", wrong, None).err().unwrap();
        assert_eq!(error.code, &code::NODE_TOKEN, "{wrong:?}");
    }
}

#[test]
fn a_stream_is_read_while_it_goes_on() {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let body =
        chunk(": hello\n\n") + &chunk("event: job\ndata: 1\n\n") + &chunk("event: job\nda") + &chunk("ta: 2\n\n");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    // The connection breaks without the last chunk.
    let server = Server::new(vec![format!("{head}{body}")]);
    let mut events = Events::new(server.client().stream("/events").unwrap());
    let data: Vec<String> = events.by_ref().take(2).map(|event| event.unwrap().data).collect();
    assert_eq!(data, ["1", "2"]);
    assert!(events.next().is_none_or(|event| event.is_err()));
    server.end();
}

#[test]
fn certificates_are_pem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "text").unwrap();
    let error = Client::new("https://127.0.0.1:1", TOKEN, Some(&file)).err().unwrap();
    assert!(error.message.contains("no certificate"), "{}", error.message);
    assert!(Client::new("https://127.0.0.1:1", TOKEN, Some(&folder.path().join("none"))).is_err());
}
