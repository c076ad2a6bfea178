//! What is secret is nowhere: not in answers, logs, files or processes; and how long an answer takes says nothing.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Signal, signal};
use serde_json::{Value, json};

use crate::access::ENDLESS;
use crate::http::Http;
use crate::served::Served;

/// A value that no other text has.
const VALUE: &str = "kD7-sesame-open-93f2";

/// Documents that show a secret, if anything does: it is where it is no secret any more, or makes the job wrong.
const WRONG: [&str; 12] = [
    "job: ${secret:key}\nsources: { a: { generator: { rows: 1, columns: { n: { sequence: {} } } } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: x\nsources: { ${secret:key}: { generator: { rows: 1, columns: { n: { sequence: {} } } } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: x\nsources: { a: { generator: { rows: '${secret:key}', columns: { n: { sequence: {} } } } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: x\nsources: { a: { generator: { rows: 1, columns: { '${secret:key}': { sequence: {} } } } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: x\nsources: { a: { '${secret:key}': {} } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: x\nsources: { a: { file: { path: '${secret:key}' } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: x\nsources: { a: { file: { path: 'no/${secret:key}/such' } } }\nsinks: { b: { input: '${secret:key}', blackhole: {} } }",
    "job: x\ncheckpoint: { store: '${secret:key}', every: '${secret:key}' }\nsources: { a: { generator: { rows: 1, columns: { n: { sequence: {} } } } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: x\nplugins: { text: '${secret:key}' }\nsources: { a: { generator: { rows: 1, columns: { n: { sequence: {} } } } } }\nsinks: { b: { input: a, blackhole: {} } }",
    "job: x\nsources: { a: { generator: { rows: 1, columns: { n: { sequence: {} } } } } }\noperators: { c: { input: a, plugin: text, function: '${secret:key}' } }\nsinks: { b: { input: c, blackhole: {} } }",
    "job: x\nsources: { a: { generator: { rows: 1, columns: { n: { sequence: {} } } } } }\nsinks: { b: { input: a, webhook: { url: '${secret:key}' } } }",
    "job: x\nsources: { a: [${secret:key}\n",
];

/// Returns the files below a folder that have one of some texts, in any place.
fn files_with(folder: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|of| of.is_dir()) {
            found.extend(files_with(&path, texts));
        } else if entry.file_type().is_ok_and(|of| of.is_file()) {
            let content = fs::read(&path).unwrap_or_default();
            let has = |text: &&&str| content.windows(text.len()).any(|window| window == text.as_bytes());
            found.extend(texts.iter().filter(has).map(|text| format!("{} has {text}", path.display())));
        }
    }
    found
}

/// Tokens and values of secrets are in no answer but the one that makes a token, in no log, no file and no list of processes: not
/// after jobs that are wrong, that fail and that are killed, and not after the node is.
#[test]
fn what_is_secret_is_nowhere() {
    let mut served = Served::start();
    let admin = served.tenant("acme", &json!({ "compiles_per_min": 1_000 }));
    served.push(&admin, "acme", "text").expect(201);
    let viewer = served.token("acme", "viewer");
    let secrets = [&*served.admin.clone(), &admin, &viewer, VALUE];
    let answers = std::cell::RefCell::new(String::new());
    let ask = |served: &Served, method: &str, path: &str, body: Option<&Value>| {
        let response = served.ask(&admin, method, &format!("/api/v1/tenants/acme{path}"), body);
        *answers.borrow_mut() += &format!("{method} {path}: {:?} {}\n", response.headers, response.text());
        response
    };
    ask(&served, "PUT", "/secrets/key", Some(&json!({ "value": VALUE }))).expect(204);
    ask(&served, "PUT", "/secrets/no", Some(&json!({ "value": VALUE, "more": VALUE })));
    for document in WRONG {
        for language in ["yaml", "toml"] {
            ask(&served, "POST", "/jobs", Some(&json!({ "document": document, "language": language })));
        }
    }
    // A job that has the secret where it belongs, and whose source and sink fail with it.
    let failing = "job: failing\nsources: { a: { file: { path: 'in-${secret:key}.csv', format: csv, columns: { n: int64 } } } }\n\
         operators: { c: { input: a, plugin: text, function: words, config: { pattern: '${secret:key}' } } }\n\
         sinks: { b: { input: a, webhook: { url: 'http://127.0.0.1:9/', headers: { Authorization: 'Bearer ${secret:key}' } } } }\n";
    let hooked = "job: hooked\ncheckpoint: { every: 100ms, store: store }\n\
         sources: { rows: { generator: { rate: 100, columns: { n: { sequence: {} } } } } }\n\
         sinks: { b: { input: rows, webhook: { url: 'http://127.0.0.1:9/', headers: { Authorization: 'Bearer ${secret:key}' } } } }\n";
    for document in [failing, hooked] {
        ask(&served, "POST", "/jobs", Some(&json!({ "document": document })));
    }
    served.submit(&admin, "acme", ENDLESS);
    served.wait_for_phase(&admin, "acme", "web", "running");
    for round in 0..2 {
        sleep(Duration::from_millis(500));
        for job in ["failing", "hooked", "web"] {
            for path in ["", "/logs?limit=1000", "/history", "/checkpoints", "/explain?operator=a"] {
                ask(&served, "GET", &format!("/jobs/{job}{path}"), None);
            }
        }
        for path in ["/jobs", "/secrets", "/tokens", "/plugins", "/usage", ""] {
            ask(&served, "GET", path, None);
        }
        for (_, pid) in served.workers() {
            for file in ["cmdline", "environ"] {
                let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                *answers.borrow_mut() += &format!("{file}: {}\n", String::from_utf8_lossy(&text));
            }
        }
        served.workers().iter().for_each(|(_, pid)| signal(*pid, Signal::ABORT));
        if round == 0 {
            served.kill();
            served.begin(&[]);
        }
    }
    served.terminate();
    let answers = answers.into_inner();
    for secret in secrets {
        let place = answers.find(secret).map(|at| &answers[answers[..at].rfind('\n').unwrap_or(0)..at]);
        assert_eq!(place, None, "{secret} is in an answer");
    }
    let said = served.said();
    let first = format!("shown this once: {}\n", served.admin);
    let said = said.replacen(&first, "", 1);
    assert!(secrets.iter().all(|secret| !said.contains(secret)), "{said}");
    let files = files_with(served.path(), &secrets);
    assert!(files.is_empty(), "{files:#?}");
}

/// The time of an answer about another tenant is that about none, and the time of a token with a known id that of any.
#[test]
fn time_says_nothing() {
    let served = Served::start();
    let admin = served.tenant("acme", &json!({}));
    let intruder = served.tenant("umbrella", &json!({}));
    served.submit(&admin, "acme", ENDLESS);
    served.wait_for_phase(&admin, "acme", "web", "running");
    let known = format!("Bearer {}_{}", admin.rsplit_once('_').unwrap().0, "x".repeat(43));
    let unknown = format!("Bearer fg_{}_{}", "a".repeat(12), "x".repeat(43));
    let intruder = format!("Bearer {intruder}");
    let cases = [
        ("a tenant", &intruder, "/api/v1/tenants/acme", &intruder, "/api/v1/tenants/nope"),
        ("a job", &intruder, "/api/v1/tenants/acme/jobs/web", &intruder, "/api/v1/tenants/nope/jobs/web"),
        ("a job's name", &intruder, "/api/v1/tenants/acme/jobs/web", &intruder, "/api/v1/tenants/acme/jobs/wub"),
        ("a token", &known, "/api/v1/whoami", &unknown, "/api/v1/whoami"),
    ];
    for (what, present, at_present, absent, at_absent) in cases {
        // A busy machine may disturb one measurement; a difference that is there is there in all of them.
        let apart = (0..4).all(|round| {
            let (mut of_present, mut of_absent) = (Vec::new(), Vec::new());
            for batch in 0..6u8 {
                // Few requests without a token are allowed from one address.
                let client = std::net::Ipv4Addr::new(127, 0, 20 + round * 8 + batch, what.len() as u8);
                let mut http = Http::connect_from(client, served.address);
                for _ in 0..24 {
                    for (token, path, took) in
                        [(present, at_present, &mut of_present), (absent, at_absent, &mut of_absent)]
                    {
                        let begun = Instant::now();
                        let status = http.ask("GET", path, &[("Authorization", token.as_str())], b"").status;
                        took.push(begun.elapsed());
                        assert!(matches!(status, 401 | 404), "{what}: {status}");
                    }
                }
            }
            of_present.sort_unstable();
            of_absent.sort_unstable();
            let (left, right) = (of_present[of_present.len() / 2], of_absent[of_absent.len() / 2]);
            let bound = (left.min(right) / 5).max(Duration::from_micros(60));
            println!("{what}: {left:?} where it is, {right:?} where it is not");
            left.abs_diff(right) > bound
        });
        assert!(!apart, "{what}: the time says whether it is there");
    }
}
