//! Server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::io::{self, BufRead};

use super::limits::EVENT_BYTES_MAX;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name.
    pub(super) name: String,
    /// Its data.
    pub(super) data: String,
}

/// The events of a stream.
pub(super) struct Events<R> {
    from: R,
}

impl<R: BufRead> Events<R> {
    /// Reads events from a stream.
    pub(super) fn new(from: R) -> Self {
        Events { from }
    }

    /// Returns the next line, without its end; `None`: the stream has ended.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let part = match self.from.fill_buf() {
                Ok(part) => part,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            // A line without its end is part of an event without its end.
            if part.is_empty() {
                return Ok(None);
            }
            let end = part.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(part.len());
            line.extend_from_slice(&part[..taken]);
            if line.len() > EVENT_BYTES_MAX {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a line has more than {EVENT_BYTES_MAX} bytes"),
                ));
            }
            let used = taken + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
        }
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = io::Result<Event>;

    /// Returns the next event. An event that the stream's end cuts is none.
    fn next(&mut self) -> Option<io::Result<Event>> {
        let (mut name, mut data) = (String::new(), None::<String>);
        loop {
            let line = match self.line() {
                Ok(line) => line?,
                Err(error) => return Some(Err(error)),
            };
            let line = String::from_utf8_lossy(&line);
            if line.is_empty() {
                match data.take() {
                    Some(data) => return Some(Ok(Event { name, data })),
                    // Only comments, which keep the connection alive.
                    None => name.clear(),
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value.into(),
                "data" => match &mut data {
                    Some(data) if data.len() + value.len() > EVENT_BYTES_MAX => {
                        let message = format!("an event has more than {EVENT_BYTES_MAX} bytes");
                        return Some(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
                    }
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.into()),
                },
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        // A small buffer, so that lines are cut anywhere.
        let from = io::BufReader::with_capacity(3, text.as_bytes());
        Events::new(from).map(|event| event.map(|event| (event.name, event.data)).unwrap()).collect()
    }

    #[test]
    fn events_are_read_whole() {
        let text = ": hello\n\nevent: job\ndata: {\"a\": 1}\n\ndata:x\r\ndata: y\r\nid: 7\r\n\r\ndata\n\nevent: cut\ndata: half";
        let pair = |name: &str, data: &str| (name.to_string(), data.to_string());
        assert_eq!(read(text), [pair("job", "{\"a\": 1}"), pair("", "x\ny"), pair("", "")]);
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let text = "data: ".to_string() + &"x".repeat(EVENT_BYTES_MAX);
        assert!(Events::new(text.as_bytes()).next().unwrap().is_err());
    }
}
