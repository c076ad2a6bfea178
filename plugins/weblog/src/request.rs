//! Parses requests from log lines.

use std::borrow::Cow;

use flowgate_sdk::{Failure, Row, Timestamp};

use crate::cursor::Cursor;
use crate::{escapes, time};

/// Settings of `parse`.
#[flowgate_sdk::config]
#[derive(Debug, Clone, Default)]
pub struct ParseConfig {
    /// What happens to the query string of a path: the text after `?`.
    #[serde(default)]
    pub query: Query,
}

/// What happens to a query string.
#[flowgate_sdk::config]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Query {
    /// It is left out.
    #[default]
    Strip,
    /// It stays part of the path.
    Keep,
}

/// A line of a log.
#[derive(Debug, Row)]
pub struct Line<'a> {
    /// In the common or combined log format.
    pub text: &'a str,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Row)]
pub struct Request<'a> {
    /// When the server wrote the line.
    pub time: Timestamp,
    /// The client's address, or name where the server looks it up.
    pub ip: &'a str,
    /// The user who logged in.
    pub user: Option<Cow<'a, str>>,
    /// As in `GET`.
    pub method: &'a str,
    /// The requested path.
    pub path: Cow<'a, str>,
    /// As in `HTTP/1.1`; none in requests of HTTP/0.9.
    pub protocol: Option<&'a str>,
    /// As in 200.
    pub status: i64,
    /// Bytes of the answer's body.
    pub size: Option<i64>,
    /// The page that led here.
    pub referrer: Option<Cow<'a, str>>,
    /// The client's name for itself.
    pub agent: Option<Cow<'a, str>>,
}

/// Parses one line of the combined log format, which nginx and Apache write; the common log format, too.
///
/// A field that the server wrote as `-`, or left empty, has no value, and escapes (`\x22`, `\"`) are decoded. Text after the
/// agent is ignored. A line that cannot be parsed fails with the expected part and its place; so does a line whose request is not
/// `METHOD path protocol`, as port scanners send them.
#[flowgate_sdk::transform]
pub fn parse<'a>(line: Line<'a>, config: &ParseConfig) -> Result<Request<'a>, Failure> {
    let mut cursor = Cursor::new(line.text.trim_ascii_end());
    let ip = cursor.until(b' ', "the client's address")?;
    cursor.until(b' ', "the identity (mostly `-`)")?;
    let (user, time) = user_and_time(&mut cursor)?;
    cursor.expect(b' ', "a blank and the request in quotes")?;
    let request = cursor.quoted("the request in quotes")?;
    let (method, path, protocol) = request_parts(request)?;
    cursor.expect(b' ', "a blank and the status")?;
    let status = cursor.word("the status, three digits")?;
    let status = match status.as_bytes() {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            i64::from(a - b'0') * 100 + i64::from(b - b'0') * 10 + i64::from(c - b'0')
        }
        _ => return Err(cursor.back(status.len()).failure("the status, three digits")),
    };
    cursor.expect(b' ', "a blank and the size")?;
    let size = cursor.word("the size in bytes (or `-`)")?;
    let size = match size {
        "-" => None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse() {
            Ok(size) => Some(size),
            Err(_) => return Err(cursor.back(digits.len()).failure("a size below 2^63")),
        },
        other => return Err(cursor.back(other.len()).failure("the size in bytes (or `-`)")),
    };
    let (mut referrer, mut agent) = (None, None);
    if !cursor.at_end() {
        cursor.expect(b' ', "a blank and the referrer in quotes")?;
        referrer = optional(cursor.quoted("the referrer in quotes")?);
        cursor.expect(b' ', "a blank and the agent in quotes")?;
        agent = optional(cursor.quoted("the agent in quotes")?);
    }
    let path = match (config.query, path.find('?')) {
        (Query::Strip, Some(query)) => &path[..query],
        _ => path,
    };
    let path = escapes::unescape(path);
    // Apache writes an empty name in quotes.
    let user = optional(if user == "\"\"" { "" } else { user });
    Ok(Request { time, ip, user, method, path, protocol, status, size, referrer, agent })
}

/// Returns the user and the time behind it. The user may contain blanks or brackets, or be missing: it ends where a time in
/// brackets begins.
fn user_and_time<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, Timestamp), Failure> {
    // Servers escape quotes in a user's name: no name can look like the time and the request.
    let before_request = |inside: &str, after: &str| time::parse(inside).filter(|_| after.starts_with(" \""));
    let found = cursor.before_brackets(before_request);
    if let Some(found) = found.or_else(|| cursor.before_brackets(|inside, _| time::parse(inside))) {
        return Ok(found);
    }
    // There is no time in brackets: the error says what is there instead, if the user is one word.
    cursor.until(b' ', "the user (or `-`)")?;
    cursor.expect(b'[', "the time in brackets")?;
    let written = cursor.until(b']', "the time, closed by `]`")?;
    let cursor = cursor.back(written.len() + 1);
    Err(cursor.failure("a time like `10/Oct/2000:13:55:36 -0700`"))
}

/// Returns method, path and protocol of `METHOD path protocol`. A path with blanks, as careless clients send it, is one path.
fn request_parts(request: &str) -> Result<(&str, &str, Option<&str>), Failure> {
    let wrong = |reason: &str| {
        let shown: String = request.chars().take(60).collect();
        Failure::new(format!("the request is not `METHOD path protocol`: {reason}: `{shown}`"))
    };
    let Some((method, rest)) = request.split_once(' ') else {
        return Err(wrong(if request.is_empty() || request == "-" { "it is empty" } else { "it has one part" }));
    };
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if method.is_empty() || !method.bytes().all(token) {
        return Err(wrong("it begins with no method"));
    }
    let (path, protocol) = match rest.rsplit_once(' ') {
        Some((path, protocol)) if protocol.starts_with("HTTP/") => (path, Some(protocol)),
        Some(_) => return Err(wrong("it ends with no `HTTP/` and version")),
        None if rest.starts_with("HTTP/") => return Err(wrong("it has no path")),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err(wrong("it has no path"));
    }
    Ok((method, path, protocol))
}

/// Returns a field that may be missing.
fn optional(field: &str) -> Option<Cow<'_, str>> {
    (!matches!(field, "" | "-")).then(|| escapes::unescape(field))
}
