//! The outcome of an attempt, and whether another makes sense.

use std::io::Read;

use ureq::http::{Response, StatusCode, header};
use ureq::{Body, Error};

use crate::limits;
use crate::settings::shown_url;
use flowgate_base::clock;

/// The outcome of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    Delivered,
    /// Another attempt may succeed, after the wait that the server requested, if it did.
    Again {
        why: String,
        after_ms: Option<i64>,
    },
    /// Another attempt would fail as well.
    Refused(String),
}

impl Outcome {
    pub(super) fn of(answer: Result<Response<Body>, Error>) -> Self {
        match answer {
            Ok(response) => of_response(response),
            Err(error) => of_error(&error),
        }
    }
}

fn of_error(error: &Error) -> Outcome {
    let why = match error {
        Error::Io(e) => e.to_string(),
        Error::Timeout(_) => "no answer in time".to_string(),
        Error::HostNotFound => "the host is not known".to_string(),
        // The guard of connections.
        Error::Other(why) => why.to_string(),
        other => other.to_string(),
    };
    match error {
        // A certificate that is not valid: rustls reports it through `InvalidData`.
        Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => Outcome::Refused(why),
        Error::Io(_)
        | Error::Timeout(_)
        | Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Protocol(_)
        | Error::BodyStalled => Outcome::Again { why, after_ms: None },
        _ => Outcome::Refused(why),
    }
}

fn of_response(mut response: Response<Body>) -> Outcome {
    let status = response.status();
    if status.is_success() {
        // Read, so that the connection can be used again; its content does not matter.
        let _ = std::io::copy(&mut response.body_mut().as_reader().take(64 << 10), &mut std::io::sink());
        return Outcome::Delivered;
    }
    let mut why = format!("the answer was {status}");
    if status.is_redirection() {
        let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        let to = to.map_or_else(String::new, |to| format!(" to {}", shown_url(to)));
        return Outcome::Refused(format!("{why}, a redirect{to}, which is not followed; write the new URL"));
    }
    let after_ms = response.headers().get(header::RETRY_AFTER).and_then(|after| retry_after_ms(after.to_str().ok()?));
    let beginning = beginning(&mut response);
    if !beginning.is_empty() {
        why += ": ";
        why += &beginning;
    }
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Outcome::Again { why, after_ms },
        status if status.is_server_error() => Outcome::Again { why, after_ms },
        _ => Outcome::Refused(why),
    }
}

/// Parses seconds, or a date of HTTP.
fn retry_after_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(i64::from(seconds) * 1_000);
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(date.timestamp().as_millisecond().saturating_sub(clock::now_ms()).max(0))
}

/// Returns the beginning of an answer as one line.
fn beginning(response: &mut Response<Body>) -> String {
    let mut bytes = Vec::new();
    // An answer that breaks off is shown as far as it arrived.
    let _ = response.body_mut().as_reader().take(limits::WEBHOOK_ANSWER_BYTES_MAX).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}
