//! Requests that are none, bodies that are not what a route takes, and paths that try to be others.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;

use crate::http::Http;
use crate::neighbour::Neighbour;
use crate::served::Served;

/// What the node says to some bytes: the statuses of its responses, until it closes the connection or nothing more comes.
fn statuses(served: &Served, bytes: &[u8]) -> Vec<u16> {
    let stream = crate::http::connect_from(Ipv4Addr::new(127, 0, 9, 9), served.address).unwrap();
    let mut http = Http::of(stream.try_clone().unwrap());
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let _ = http.raw(bytes);
    let mut all = Vec::new();
    while let Ok(response) = http.response("GET") {
        all.push(response.status);
    }
    all
}

/// Heads that are not requests of HTTP/1.1 are refused, and nothing behind them is taken for another request.
#[test]
fn heads_that_are_none() {
    let served = Served::start();
    let good = served.tenant("good", &json!({}));
    let neighbour = Neighbour::of(&served, &good);
    let get = |headers: &str| format!("GET /healthz HTTP/1.1\r\nHost: node\r\n{headers}\r\n");
    let post = |headers: &str, body: &str| {
        format!(
            "POST /api/v1/tenants/good/jobs HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {good}\r\nContent-Type: application/json\r\n{headers}\r\n{body}"
        )
    };
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n";
    let many: String = (0..100).map(|at| format!("x-{at}: y\r\n")).collect();
    // The bytes, and the only statuses that may come, in this order; none: the connection is closed.
    let cases: Vec<(&str, String, &[&[u16]])> = vec![
        ("good", get(""), &[&[200]]),
        ("many headers", get(&many), &[&[431]]),
        ("a long header", get(&format!("x: {}\r\n", "y".repeat(20 << 10))), &[&[431]]),
        ("a header of a megabyte", get(&format!("x: {}\r\n", "y".repeat(1 << 20))), &[&[431], &[]]),
        ("a header without end", format!("GET /healthz HTTP/1.1\r\nx: {}", "y".repeat(64 << 10)), &[&[431], &[]]),
        ("a long path", format!("GET /{} HTTP/1.1\r\nHost: node\r\n\r\n", "y".repeat(20 << 10)), &[&[414], &[431]]),
        ("a folded header", get("x: y\r\n z: w\r\n"), &[&[400]]),
        ("a blank before the colon", get("Content-Length : 0\r\n"), &[&[400]]),
        ("a header without a name", get(": y\r\n"), &[&[400]]),
        ("a zero byte", get("x: \0\r\n"), &[&[400]]),
        ("a bare line feed in a value", get("x: y\rz: w\r\n"), &[&[400]]),
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 40\r\n", "{}"), &[&[400]]),
        ("two lengths in one", post("Content-Length: 2, 40\r\n", "{}"), &[&[400]]),
        ("a negative length", post("Content-Length: -1\r\n", "{}"), &[&[400]]),
        ("a signed length", post("Content-Length: +2\r\n", "{}"), &[&[400]]),
        ("a length beyond 64 bits", post("Content-Length: 99999999999999999999999\r\n", "{}"), &[&[400]]),
        (
            "length and chunks",
            post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{smuggled}")),
            &[&[400]],
        ),
        (
            "chunks and length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &format!("0\r\n\r\n{smuggled}")),
            &[&[400]],
        ),
        (
            "chunks that are not last",
            post("Transfer-Encoding: chunked, identity\r\n", &format!("0\r\n\r\n{smuggled}")),
            &[&[400]],
        ),
        ("chunks by another name", post("Transfer-Encoding: xchunked\r\n", &format!("0\r\n\r\n{smuggled}")), &[&[400]]),
        ("a chunk of no length", post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), &[&[400]]),
        (
            "a chunk beyond 64 bits",
            post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
            &[&[400]],
        ),
        ("HTTP/0.9", "GET /healthz\r\n\r\n".into(), &[&[400], &[]]),
        ("HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n".into(), &[&[200]]),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), &[&[400], &[505], &[]]),
        ("HTTP/9.9", "GET /healthz HTTP/9.9\r\n\r\n".into(), &[&[400], &[505], &[]]),
        ("garbage", "\u{1}\u{2}\u{3}garbage\r\n\r\n".into(), &[&[400], &[]]),
        ("a greeting of TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".repeat(20), &[&[400], &[]]),
        ("nothing but lines", "\r\n".repeat(50_000), &[&[431], &[400], &[]]),
    ];
    for (what, bytes, expected) in &cases {
        let got = statuses(&served, bytes.as_bytes());
        assert!(expected.contains(&got.as_slice()), "{what}: {got:?}");
    }
    neighbour.judge("heads that are none");
}

/// A path is what it says: dots, slashes, hosts and escapes lead nowhere else.
#[test]
fn paths_that_try_to_be_others() {
    let served = Served::start();
    let odd = [
        "//healthz",
        "/healthz/",
        "/./healthz",
        "/../healthz",
        "/x/../healthz",
        "/%2e%2e/healthz",
        "/healthz%00",
        "/healthz%2f",
        "/HEALTHZ",
        "/healthz;x",
        "/api/v1//whoami",
        "/api/v1/../v1/whoami",
        "/api/v1/whoami/",
        "/api\\v1\\whoami",
        "/%61pi/v1/whoami",
        "/data/node.key",
        "/../data/node.key",
        "/..%2fnode.key",
        "/js/../../../../etc/passwd",
        "/js/..%2f..%2fCargo.toml",
        "/js//api.js",
    ];
    for path in odd {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\n\r\n", served.admin);
        let got = statuses(&served, bytes.as_bytes());
        assert!([&[404][..], &[400], &[401]].contains(&got.as_slice()), "{path}: {got:?}");
    }
    // The form for proxies names the same paths, whatever host it names, and a proxy this is not.
    for (target, expected) in [
        ("http://node/healthz", 200),
        ("http://elsewhere.example/nothing", 404),
        ("*", 404),
        ("elsewhere.example:443", 404),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\n\r\n", served.admin);
        let got = statuses(&served, bytes.as_bytes());
        assert!(matches!(got[..], [status] if status == expected || status == 400), "{target}: {got:?}");
    }
    let bytes = format!("CONNECT node:443 HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\n\r\n", served.admin);
    let got = statuses(&served, bytes.as_bytes());
    assert!(matches!(got[..], [400..=499]), "CONNECT: {got:?}");
}

/// Bodies that are not what the route takes are refused with what is wrong, and cost little.
#[test]
fn bodies_that_are_not_what_the_route_takes() {
    let served = Served::start();
    let good = served.tenant("good", &json!({}));
    let rogue = served.tenant("rogue", &json!({}));
    let neighbour = Neighbour::of(&served, &good);
    let deep = |open: &str, count: usize| open.repeat(count);
    let digits = "9".repeat(100_000);
    let tokens = "/api/v1/tenants/rogue/tokens";
    let jobs = "/api/v1/tenants/rogue/jobs";
    let document = |text: &str| json!({ "document": text }).to_string();
    let aliases: String = (1..30).map(|at| format!("a{at}: &a{at} [*a{}, *a{}]\n", at - 1, at - 1)).collect();
    let cases: Vec<(&str, String, &[u16])> = vec![
        (tokens, deep("[", 100_000), &[400, 422]),
        (tokens, deep("{\"a\":", 100_000), &[400, 422]),
        (
            tokens,
            format!("{{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":{}}}", deep("[", 100_000)),
            &[400, 422],
        ),
        (tokens, format!("{{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":{digits}}}"), &[400, 422]),
        (tokens, "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":1e400}".into(), &[400, 422]),
        (tokens, "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":-1}".into(), &[422]),
        (tokens, "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":0}".into(), &[422]),
        (tokens, "{\"name\":\"x\",\"role\":\"viewer\",\"role\":\"admin\"}".into(), &[422]),
        (tokens, "{\"name\":\"x\",\"role\":\"viewer\",\"tenant\":\"good\"}".into(), &[422]),
        (tokens, "{\"name\":\"x\",\"role\":\"node\"}".into(), &[422]),
        (tokens, format!("{{\"name\":\"{}\",\"role\":\"viewer\"}}", "x".repeat(500_000)), &[422]),
        (tokens, "{\"name\":\"\\ud800\",\"role\":\"viewer\"}".into(), &[400]),
        (tokens, "{\"name\":\"x\",\"role\":\"viewer\"} {}".into(), &[400]),
        (tokens, "{\"name\":\"x\",\"role\":".into(), &[400]),
        (tokens, "\u{feff}{\"name\":\"x\",\"role\":\"viewer\"}".into(), &[400]),
        (tokens, "null".into(), &[422]),
        (tokens, "[]".into(), &[422]),
        (tokens, "[\"x\",\"viewer\",null]".into(), &[422]),
        (tokens, "{\"name\":\"x\",\"role\":\"viewer\",\"expires_in_s\":3153600001}".into(), &[422]),
        (tokens, " ".into(), &[400]),
        (jobs, document(""), &[422]),
        (jobs, document(&deep("[", 100_000)), &[422]),
        (jobs, document(&deep("- ", 100_000)), &[422]),
        (jobs, document(&format!("a0: &a0 [x]\n{aliases}")), &[422]),
        (jobs, document(&format!("job: {}", "x".repeat(900_000))), &[422]),
        (jobs, document("job: \"\\0\""), &[422]),
        (jobs, document("job: ../../x\nsources: {}\nsinks: {}"), &[422]),
        (jobs, "{\"document\":\"job: x\",\"parallelism\":0}".into(), &[422]),
        (jobs, "{\"document\":\"job: x\",\"parallelism\":4294967295}".into(), &[422, 403]),
        (jobs, "{\"document\":\"job: x\",\"language\":\"toml\"}".into(), &[422]),
        (jobs, format!("{{\"document\":\"{}\",\"language\":\"json\"}}", deep("[", 100_000)), &[422]),
    ];
    for (target, body, expected) in &cases {
        let authorization = format!("Bearer {rogue}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let response = Http::connect(served.address).ask("POST", target, &headers, body.as_bytes());
        assert!(
            expected.contains(&response.status),
            "{target} {body:.80}: {}: {:.300}",
            response.status,
            response.text()
        );
        assert_eq!(response.header("content-type"), Some("application/problem+json"), "{body:.80}");
        assert!(response.body.len() < 64 << 10, "{body:.80}: an answer of {} bytes", response.body.len());
        assert!(!response.text().contains(&*served.data().to_string_lossy()), "{body:.80}: {}", response.text());
    }
    // Media types that a route does not take.
    for media in [
        "",
        "text/plain",
        "application/xml",
        "application/jsonp",
        "multipart/form-data; boundary=x",
        "application/wasm",
    ] {
        let authorization = format!("Bearer {rogue}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", media)];
        let body = b"{\"name\":\"x\",\"role\":\"viewer\"}";
        let response = Http::connect(served.address).ask("POST", tokens, &headers, body);
        assert_eq!(response.status, 415, "{media}: {}", response.text());
    }
    for component in [&b"not a component"[..], b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0", &[0; 100_000]] {
        let authorization = format!("Bearer {rogue}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/wasm")];
        let target = "/api/v1/tenants/rogue/plugins/none";
        let response = Http::connect(served.address).ask("POST", target, &headers, component);
        assert_eq!(response.status, 422, "{}", response.text());
        assert!(!response.text().contains(&*served.data().to_string_lossy()), "{}", response.text());
    }
    assert_eq!(served.ask(&rogue, "GET", "/api/v1/tenants/rogue/jobs", None).expect(200)["items"], json!([]));
    neighbour.judge("bodies that are not what the route takes");
}
