//! Lines of real servers, malformed lines, and lines generated from requests.

use flowgate_sdk::testing::run;
use flowgate_sdk::{Failure, Timestamp};
use proptest::prelude::*;

use crate::request::{Line, ParseConfig, Query, Request, parse};

const COMBINED: &str = r#"203.0.113.9 - ada [10/Oct/2000:13:55:36 -0700] "GET /a/b?c=d HTTP/1.1" 200 2326 "https://example.org/" "Mozilla/5.0 (X11)""#;

fn parsed(line: &str) -> Result<Request<'_>, Failure> {
    parse(Line { text: line }, &ParseConfig::default())
}

fn reason(line: &str) -> String {
    parsed(line).unwrap_err().into_message()
}

#[test]
fn a_line_of_the_combined_format() {
    let expected = Request {
        time: Timestamp::from_civil(2000, 10, 10, 20, 55, 36).unwrap(),
        ip: "203.0.113.9",
        user: Some("ada".into()),
        method: "GET",
        path: "/a/b".into(),
        protocol: Some("HTTP/1.1"),
        status: 200,
        size: Some(2326),
        referrer: Some("https://example.org/".into()),
        agent: Some("Mozilla/5.0 (X11)".into()),
    };
    assert_eq!(parsed(COMBINED).unwrap(), expected);
    assert_eq!(parsed(&format!("{COMBINED} 0.003 \"-\"\r\n")).unwrap(), expected, "further fields");
}

#[test]
fn the_query_string_may_stay() {
    let config = ParseConfig { query: Query::Keep };
    assert_eq!(parse(Line { text: COMBINED }, &config).unwrap().path, "/a/b?c=d");
}

#[test]
fn missing_fields_have_no_value() {
    let request = parsed(r#"::1 - - [01/Jan/2024:00:00:00 +0000] "HEAD /" 304 - "-" "-""#).unwrap();
    assert_eq!((request.user, request.protocol, request.size), (None, None, None));
    assert_eq!((request.referrer, request.agent), (None, None));
    let common = parsed(r#"::1 - - [01/Jan/2024:00:00:00 +0000] "HEAD / HTTP/2.0" 304 0"#).unwrap();
    assert_eq!((common.size, common.referrer, common.agent), (Some(0), None, None));
}

#[test]
fn escapes_are_undone() {
    let line =
        r#"::1 - - [01/Jan/2024:00:00:00 +0000] "GET /caf\xC3\xA9 x HTTP/1.1" 200 1 "-" "say \"hi\" \x22ho\x22""#;
    let request = parsed(line).unwrap();
    assert_eq!(request.path, "/café x");
    assert_eq!(request.agent.unwrap(), "say \"hi\" \"ho\"");
}

#[test]
fn users_are_names_of_any_form() {
    let user = |written: &str| {
        let line =
            format!(r#"192.0.2.7 - {written} [03/Oct/2023:21:59:42 +0200] "GET /a HTTP/1.1" 200 742 "-" "curl/8.4.0""#);
        let request = parsed(&line).unwrap();
        assert_eq!((request.path.as_ref(), request.size), ("/a", Some(742)), "{written}");
        request.user.map(|user| user.into_owned())
    };
    assert_eq!(user("jane doe").as_deref(), Some("jane doe"));
    assert_eq!(user(" jane  doe ").as_deref(), Some(" jane  doe "), "as it was logged");
    assert_eq!(user("DOMAIN\\\\jane [admin]").as_deref(), Some("DOMAIN\\jane [admin]"));
    assert_eq!(user("jane\\x20\\x22doe\\x22").as_deref(), Some("jane \"doe\""));
    assert_eq!(user("[01/Jan]").as_deref(), Some("[01/Jan]"));
    let forged = "x [10/Oct/2000:13:55:36 -0700] \\x22GET";
    assert_eq!(user(forged).as_deref(), Some("x [10/Oct/2000:13:55:36 -0700] \"GET"));
    for none in ["-", "", "\"\""] {
        assert_eq!(user(none), None, "{none:?}");
    }
}

#[test]
fn quotes_and_escapes_of_servers() {
    for (line, path, referrer, agent) in [
        // nginx.
        (
            r#"198.51.100.4 - - [12/Mar/2024:06:25:01 +0000] "GET /search?q=\x22a b\x22 HTTP/1.1" 200 512 "https://example.org/?q=\x22x\x22" "Mozilla/5.0 \x5Cx\x5C""#,
            "/search",
            Some("https://example.org/?q=\"x\""),
            Some("Mozilla/5.0 \\x\\"),
        ),
        // Apache.
        (
            r#"198.51.100.4 - ada [12/Mar/2024:06:25:01 +0000] "GET /a\"b\" HTTP/1.1" 404 196 "-" "\"quoted\" \\ agent\\""#,
            "/a\"b\"",
            None,
            Some("\"quoted\" \\ agent\\"),
        ),
        // A browser's name with brackets, and an empty referrer.
        (
            r#"2001:db8::7 - - [12/Mar/2024:06:25:01 +0000] "POST /login HTTP/2.0" 302 0 "" "App/1 [en] (X; \xC3\xA9)""#,
            "/login",
            None,
            Some("App/1 [en] (X; é)"),
        ),
    ] {
        let request = parsed(line).unwrap();
        assert_eq!(
            (request.path.as_ref(), request.referrer.as_deref(), request.agent.as_deref()),
            (path, referrer, agent)
        );
    }
}

#[test]
fn failures_say_what_was_expected_where() {
    let time = r#"::1 - - [01/Jan/2024:00:00:00 +0000] "#;
    assert_eq!(reason(""), "expected the client's address at character 1, found the end of the line");
    assert_eq!(reason("hello world"), "expected the identity (mostly `-`) at character 7, found `world`");
    assert_eq!(reason("é - - 12:00"), "expected the time in brackets at character 7, found `12:00`");
    assert_eq!(
        reason("::1 - - [31/Feb/2024:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1"),
        "expected a time like `10/Oct/2000:13:55:36 -0700` at character 10, found `31/Feb/2024:00:00:00 +00`"
    );
    assert_eq!(
        reason(&format!("{time}\"GET / HTTP/1.1\" 20 1")),
        "expected the status, three digits at character 55, found `20 1`"
    );
    assert_eq!(
        reason(&format!("{time}\"GET / HTTP/1.1\" 200 1k \"-\"")),
        "expected the size in bytes (or `-`) at character 59, found `1k \"-\"`"
    );
    assert_eq!(
        reason(&format!("{time}\"GET / HTTP/1.1\" 200 99999999999999999999")),
        "expected a size below 2^63 at character 59, found `99999999999999999999`"
    );
    assert_eq!(
        reason(&format!("{time}\"GET / HTTP/1.1")),
        "expected a closing `\"` after this at character 39, found `GET / HTTP/1.1`"
    );
    assert_eq!(
        reason(&format!("{time}\"GET / HTTP/1.1\" 200 1 \"-\"")),
        "expected a blank and the agent in quotes at character 64, found the end of the line"
    );
}

#[test]
fn requests_that_are_none() {
    let request =
        |request: &str| reason(&format!("::1 - - [01/Jan/2024:00:00:00 +0000] \"{request}\" 400 150 \"-\" \"-\""));
    let wrong = "the request is not `METHOD path protocol`: ";
    assert_eq!(request(""), format!("{wrong}it is empty: ``"));
    assert_eq!(request("-"), format!("{wrong}it is empty: `-`"));
    assert_eq!(request(r"\x16\x03\x01"), format!(r"{wrong}it has one part: `\x16\x03\x01`"));
    assert_eq!(request(r"\x16\x03 x HTTP/1.1"), format!(r"{wrong}it begins with no method: `\x16\x03 x HTTP/1.1`"));
    assert_eq!(request("GET HTTP/1.1"), format!("{wrong}it has no path: `GET HTTP/1.1`"));
    assert_eq!(request("GET / SSH-2.0"), format!("{wrong}it ends with no `HTTP/` and version: `GET / SSH-2.0`"));
}

#[test]
fn a_job_sees_rows_and_failures() {
    let out = run::<parse, _>(r#"{"query": "keep"}"#, [COMBINED, "x"].map(|text| Line { text })).unwrap();
    assert_eq!(out.selection(), [0]);
    assert_eq!(out.rows::<Request>()[0].path, "/a/b?c=d");
    assert_eq!(out.failures()[0].0, 1);
    let problems = run::<parse, _>(r#"{"query": "drop"}"#, [Line { text: "" }]).unwrap_err();
    assert!(problems[0].contains("expected `strip` or `keep`"), "{problems:?}");
}

/// Formats a request as nginx writes it.
fn format(request: &Request, zone_minutes: i32) -> String {
    let escaped = |text: &str| {
        let mut escaped = String::new();
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' | 0..=31 | 127.. => escaped += &format!("\\x{byte:02X}"),
                _ => escaped.push(byte.into()),
            }
        }
        escaped
    };
    let optional = |text: &Option<std::borrow::Cow<str>>| text.as_ref().map_or("-".to_owned(), |text| escaped(text));
    let local = Timestamp::from_millis(request.time.as_millis() + i64::from(zone_minutes) * 60_000).to_string();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[local[5..7].parse::<usize>().unwrap() - 1];
    let sign = if zone_minutes < 0 { '-' } else { '+' };
    let zone = format!("{sign}{:02}{:02}", zone_minutes.abs() / 60, zone_minutes.abs() % 60);
    let time = format!("{}/{month}/{}:{} {zone}", &local[8..10], &local[0..4], &local[11..19]);
    let protocol = request.protocol.map_or(String::new(), |protocol| format!(" {protocol}"));
    format!(
        "{} - {} [{time}] \"{} {}{protocol}\" {} {} \"{}\" \"{}\"",
        request.ip,
        optional(&request.user),
        request.method,
        escaped(&request.path),
        request.status,
        request.size.map_or("-".to_owned(), |size| size.to_string()),
        optional(&request.referrer),
        optional(&request.agent),
    )
}

proptest! {
    #[test]
    fn what_is_formatted_is_parsed(
        seconds in 0i64..4_000_000_000,
        zone_minutes in -720i32..=840,
        user in prop::option::of("[a-zé\"\\\\][a-zé\"\\\\ \\[\\]]{0,8}[a-zé]"),
        method in "[A-Z]{3,7}",
        path in "/[ -~é]{0,20}[a-z]",
        version in prop::option::of("[0-9]\\.[0-9]"),
        status in 100i64..600,
        size in prop::option::of(0..i64::MAX),
        referrer in prop::option::of("[a-z:/?\"\\\\]{2,12}"),
        agent in prop::option::of("\\PC{2,12}"),
    ) {
        let protocol = version.map(|version| format!("HTTP/{version}"));
        // Without a protocol, what follows a blank in the path would be read as one.
        let path = if protocol.is_none() { path.replace(' ', "+") } else { path };
        let request = Request {
            time: Timestamp::from_millis(seconds * 1000),
            ip: "2001:db8::1",
            user: user.map(Into::into),
            method: &method,
            path: path.into(),
            protocol: protocol.as_deref(),
            status,
            size,
            referrer: referrer.map(Into::into),
            agent: agent.map(Into::into),
        };
        let line = format(&request, zone_minutes);
        let parsed = parse(Line { text: &line }, &ParseConfig { query: Query::Keep });
        prop_assert_eq!(parsed.map_err(Failure::into_message), Ok(request));
    }

    #[test]
    fn any_line_is_a_request_or_a_failure(line in "\\PC{0,80}", cut in 0usize..140, noise in "[ -~]{0,3}") {
        let _ = parsed(&line);
        let cut = cut.min(COMBINED.len());
        let _ = parsed(&format!("{}{noise}{}", &COMBINED[..cut], &COMBINED[cut..]));
    }
}
