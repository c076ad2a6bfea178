//! HTTP/1.1 by hand: a client that sends what a library would not, from any loopback address.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::FromRawFd;

use harness::PATIENCE;
use serde_json::Value;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}: {}", self.status, self.text()))
    }

    /// What another tenant must not be able to tell apart: everything but the date.
    pub(crate) fn without_date(mut self) -> Response {
        self.headers.retain(|(name, _)| name != "date");
        self
    }

    /// Returns the body.
    ///
    /// # Panics
    /// If the status is another one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

/// A connection.
pub(crate) struct Http<S = TcpStream> {
    stream: S,
    read: Vec<u8>,
}

/// Connects from one of the addresses 127.0.0.0/8, all of which are this machine.
pub(crate) fn connect_from(source: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let SocketAddr::V4(to) = to else { return Err(io::Error::other("an address of IPv4")) };
    let address = |ip: Ipv4Addr, port: u16| libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(ip).to_be() },
        sin_zero: [0; 8],
    };
    let (from, to) = (address(source, 0), address(*to.ip(), to.port()));
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: the addresses outlive the calls, and the descriptor is owned by the stream from here on.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let stream = TcpStream::from_raw_fd(fd);
        for (call, of) in [(libc::bind as unsafe extern "C" fn(_, _, _) -> _, &from), (libc::connect, &to)] {
            if call(fd, (&raw const *of).cast(), length) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(stream)
    }
}

impl Http {
    /// Connects from 127.0.0.1.
    #[track_caller]
    pub(crate) fn connect(to: SocketAddr) -> Http {
        Http::of(TcpStream::connect(to).expect("the node listens"))
    }

    /// Connects from an address.
    #[track_caller]
    pub(crate) fn connect_from(source: Ipv4Addr, to: SocketAddr) -> Http {
        Http::of(connect_from(source, to).expect("the node listens"))
    }

    /// Speaks on a stream.
    pub(crate) fn of(stream: TcpStream) -> Http {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_nodelay(true).expect("a socket");
        Http::over(stream)
    }
}

impl<S: Read + Write> Http<S> {
    /// Speaks on anything.
    pub(crate) fn over(stream: S) -> Http<S> {
        Http { stream, read: Vec::new() }
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request and returns the response.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.try_ask(method, target, headers, body).unwrap_or_else(|e| panic!("{method} {target}: {e}"))
    }

    /// Sends a request and returns the response, unless the connection ends.
    pub(crate) fn try_ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: node\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        let bytes = [text.as_bytes(), b"\r\n", body].concat();
        // One that refuses the body may not read it to its end.
        let sent = self.raw(&bytes);
        self.response(method).map_err(|error| sent.err().unwrap_or(error))
    }

    /// Reads a response to a request with this method.
    pub(crate) fn response(&mut self, method: &str) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.read.drain(..end).collect::<Vec<_>>()).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default().split(' ').nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.ok_or_else(|| io::Error::other(format!("no response: {head}")))?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
            .collect();
        let mut response = Response { status, headers, body: Vec::new() };
        if method == "HEAD" || matches!(status, 100..200 | 204 | 304) {
            return Ok(response);
        }
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
                let chunk = self.exactly(size + 2)?;
                if size == 0 {
                    return Ok(response);
                }
                response.body.extend_from_slice(&chunk[..size]);
            }
        }
        let length = response.header("content-length").map(|length| length.parse::<usize>());
        response.body = match length {
            Some(length) => self.exactly(length.map_err(io::Error::other)?)?,
            None => {
                while self.more().is_ok() {}
                std::mem::take(&mut self.read)
            }
        };
        Ok(response)
    }

    /// Reads a line, such as one of server-sent events.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_string());
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < count {
            self.more()?;
        }
        Ok(self.read.drain(..count).collect())
    }

    fn more(&mut self) -> io::Result<()> {
        let mut part = [0; 16 << 10];
        match self.stream.read(&mut part)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.read.extend_from_slice(&part[..count]);
                Ok(())
            }
        }
    }
}
