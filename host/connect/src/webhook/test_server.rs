//! An HTTP server on loopback that answers by a script and remembers its requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// The reply to one request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    /// This answer, unchanged.
    Answer(&'static str),
    /// The connection is closed without an answer.
    Close,
    /// No answer, until the client goes away.
    Silence,
}

pub(super) const OK: Reply = Reply::Answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) line: String,
    /// The headers; names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Answers requests one after another by a script, whose last reply is repeated. Ends when it is dropped.
pub(super) struct Server {
    pub(super) address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    /// Dropped to end the server.
    _alive: mpsc::Sender<()>,
}

impl Server {
    pub(super) fn start(script: &[Reply]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (alive, dead) = mpsc::channel();
        let seen = Arc::clone(&requests);
        let script = script.to_vec();
        thread::spawn(move || {
            let mut replies = script.iter().copied();
            while dead.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                match listener.accept() {
                    Ok((stream, _)) => serve(&stream, &mut replies, script[script.len() - 1], &seen),
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Server { address, requests, _alive: alive }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Serves the requests of one connection.
fn serve(stream: &TcpStream, script: &mut impl Iterator<Item = Reply>, last: Reply, seen: &Mutex<Vec<Request>>) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        seen.lock().unwrap().push(request);
        match script.next().unwrap_or(last) {
            Reply::Answer(text) => {
                let mut stream = stream;
                if stream.write_all(text.as_bytes()).is_err() || text.contains("connection: close") {
                    return;
                }
            }
            Reply::Close => return,
            Reply::Silence => drop(reader.read(&mut [0])),
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_string()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: line.trim().into(), headers, body: String::from_utf8(body).unwrap() })
}
