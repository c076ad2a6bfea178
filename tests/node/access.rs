//! Every route, every verb, and everybody who might try it.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::access_matrix::{Least, Names, ROUTES, Route, documented};
use crate::http::{Http, Response};
use crate::served::Served;

/// A job that runs until it is stopped.
pub(crate) const ENDLESS: &str = "\
job: web
sources: { rows: { generator: { rate: 100, columns: { n: { sequence: {} } } } } }
sinks: { out: { input: rows, blackhole: {} } }
";

/// A job that runs until it is stopped, and whose plugin traps on every row.
pub(crate) const TRAPPING: &str = "\
job: web
sources: { rows: { generator: { rate: 100, columns: { x: { sequence: {} } } } } }
operators: { bad: { input: rows, plugin: traps, function: f } }
sinks: { out: { input: bad, blackhole: {} } }
";

/// The component of that plugin.
pub(crate) fn traps() -> Vec<u8> {
    flowgate_hostile::plugin("(func $apply (param i32 i32 i32) (result i32) unreachable)", false)
}

/// Two tenants. The first one has one of everything.
struct Stage {
    served: Served,
    /// What the first tenant has.
    acme: Names,
    /// Tokens of the first tenant: viewer, operator, administrator.
    roles: [String; 3],
    /// The administrator of the other tenant.
    intruder: String,
}

impl Stage {
    fn set() -> Stage {
        let served = Served::start();
        let admin = served.tenant("acme", &json!({}));
        let intruder = served.tenant("umbrella", &json!({}));
        served.push(&admin, "acme", "text").expect(201);
        served.ask(&admin, "PUT", "/api/v1/tenants/acme/secrets/password", Some(&json!({ "value": "hunter22" })));
        served.push_component(&admin, "acme", "traps", &traps()).expect(201);
        served.submit(&admin, "acme", TRAPPING);
        served.wait_for_phase(&admin, "acme", "web", "running");
        let saving = served.ask(&admin, "POST", "/api/v1/tenants/acme/jobs/web/savepoints", None).expect(202);
        let tokens = served.ask(&admin, "GET", "/api/v1/tenants/acme/tokens", None).expect(200);
        let acme = Names {
            tenant: "acme".into(),
            job: "web".into(),
            plugin: "text".into(),
            version: "1".into(),
            secret: "password".into(),
            token: tokens["items"][0]["id"].as_str().unwrap().into(),
            operation: saving["id"].as_str().unwrap().into(),
            record: served.first_record(&admin, "acme", "web"),
        };
        let roles = [served.token("acme", "viewer"), served.token("acme", "operator"), admin];
        Stage { served, acme, roles, intruder }
    }

    fn ask(&self, token: &str, route: &Route, names: &Names) -> Response {
        let body = route.body();
        loop {
            let response = self.served.ask(token, route.method, &route.target(names), body.as_ref());
            // A token of the node may make 200 requests a second.
            if response.status != 429 {
                return response;
            }
            sleep(Duration::from_secs(1));
        }
    }

    /// Everything is still as it was.
    fn is_untouched(&self) {
        let [viewer, ..] = &self.roles;
        assert_eq!(self.served.job(viewer, "acme", "web")["phase"], "running");
        let plugins = self.served.ask(viewer, "GET", "/api/v1/tenants/acme/plugins", None).expect(200);
        assert_eq!(plugins["items"].as_array().unwrap().len(), 2);
        let secrets = self.served.ask(viewer, "GET", "/api/v1/tenants/acme/secrets", None).expect(200);
        assert_eq!(secrets["items"].as_array().unwrap().len(), 1);
    }
}

fn missing(of: &Names) -> Names {
    Names {
        tenant: of.tenant.clone(),
        job: "wub".into(),
        plugin: "txet".into(),
        version: "7".into(),
        secret: "drowssap".into(),
        token: of.token.chars().rev().collect(),
        operation: of.operation.chars().rev().collect(),
        record: "9-9".into(),
    }
}

/// The matrix is whole: what the node says it has is what this test knows, with the same roles.
#[test]
fn the_matrix_has_every_route_and_no_other() {
    let served = Served::start();
    let document = served.ask(&served.admin, "GET", "/openapi.json", None).expect(200);
    let word = |least: Least| format!("{least:?}").to_lowercase();
    let mut known: Vec<_> =
        ROUTES.iter().map(|of| (of.method.to_string(), of.path.to_string(), word(of.least))).collect();
    known.sort();
    assert_eq!(documented(&document), known);
}

/// Without a valid token, everything but the probe looks the same.
#[test]
fn nothing_is_reached_without_a_valid_token() {
    let stage = Stage::set();
    let [viewer, _, admin] = &stage.roles;
    let (served, acme) = (&stage.served, &stage.acme);
    let expiring = json!({ "name": "short", "role": "admin", "expires_in_s": 1 });
    let path = "/api/v1/tenants/acme/tokens";
    let expired = served.ask(admin, "POST", path, Some(&expiring)).expect(201)["text"].as_str().unwrap().to_string();
    let created = served.ask(admin, "POST", path, Some(&json!({ "name": "revoked", "role": "admin" }))).expect(201);
    let revoked = created["text"].as_str().unwrap();
    served.ask(revoked, "GET", "/api/v1/whoami", None).expect(200);
    let of_revoked = format!("{path}/{}", created["id"].as_str().unwrap());
    served.ask(admin, "DELETE", &of_revoked, None).expect(204);
    sleep(Duration::from_millis(1_100));
    let (id, secret) = admin.rsplit_once('_').map(|(id, _)| (id, viewer.split('_').nth(2).unwrap())).unwrap();
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".into()),
        Some("Bearer ".into()),
        Some(admin.clone()),
        Some(format!("bearer  {}", &admin[1..])),
        Some(format!("Basic {admin}")),
        Some(format!("Bearer {expired}")),
        Some(format!("Bearer {revoked}")),
        Some(format!("Bearer {id}_{secret}")),
        Some(format!("Bearer {id}_")),
        Some(format!("Bearer {}", &admin[..admin.len() - 1])),
        Some(format!("Bearer {admin}x")),
        Some(format!("Bearer {}", admin.to_uppercase())),
        Some(format!("Bearer {admin},{admin}")),
        Some(format!("Bearer fg_{}_x", "a".repeat(4_000))),
        Some("Bearer fg_%2e%2e%2f_x".into()),
    ];
    let mut expected: Option<Response> = None;
    for (at, authorization) in wrong.iter().enumerate() {
        // An address may make few requests without a token: each case has its own.
        let client = Ipv4Addr::new(127, 0, 1, at as u8 + 1);
        let mut http = Http::connect_from(client, served.address);
        for route in ROUTES {
            let headers: Vec<(&str, &str)> = authorization.iter().map(|of| ("Authorization", of.as_str())).collect();
            let response = http.ask(route.method, &route.target(acme), &headers, b"").without_date();
            if route.least == Least::Public {
                assert_eq!(response.status, 200, "{route:?}");
                continue;
            }
            assert_eq!(response.status, 401, "{authorization:?}: {route:?}: {}", response.text());
            assert_eq!(response.header("www-authenticate"), Some("Bearer"));
            assert_eq!(&response, expected.get_or_insert_with(|| response.clone()), "{authorization:?}: {route:?}");
        }
        let target = format!("/api/v1/whoami?access_token={admin}&token={admin}");
        assert_eq!(http.ask("GET", &target, &[], b"").status, 401);
    }
    // A path that does not exist, and a method that a path does not have, say nothing more.
    let mut http = Http::connect_from(Ipv4Addr::new(127, 0, 2, 1), served.address);
    for (method, target) in
        [("GET", "/nothing"), ("DELETE", "/api/v1/whoami"), ("TRACE", "/"), ("BREW", "/api/v1/tenants/acme")]
    {
        let response = http.ask(method, target, &[], b"").without_date();
        assert!(matches!(response.status, 401 | 405), "{method} {target}: {response:?}");
    }
    stage.is_untouched();
}

/// A role that is too low is told so, and changes nothing; one that is high enough gets past the gate.
#[test]
fn a_role_allows_what_it_should_and_nothing_more() {
    let stage = Stage::set();
    let nobody = missing(&stage.acme);
    for route in ROUTES.iter().filter(|route| route.least != Least::Public) {
        for (token, role) in stage.roles.iter().zip([Least::Viewer, Least::Operator, Least::Admin]) {
            // Where it is allowed, it names what is not there: a deletion that goes through would disturb the next one.
            let allowed = role >= route.least;
            let names = if allowed && route.names_a_thing() { &nobody } else { &stage.acme };
            if allowed && !route.names_a_thing() && (route.path.ends_with("events") || route.least == Least::Node) {
                continue;
            }
            let response = stage.ask(token, route, names);
            match allowed {
                false => assert_eq!(response.status, 403, "{role:?}: {route:?}: {}", response.text()),
                true if route.names_a_thing() => assert_eq!(response.status, 404, "{route:?}: {}", response.text()),
                true => assert!(!matches!(response.status, 401 | 403 | 404 | 500..), "{route:?}: {}", response.text()),
            }
        }
    }
    stage.is_untouched();
}

/// What belongs to another tenant is answered byte for byte as what does not exist.
#[test]
fn another_tenant_is_not_there() {
    let stage = Stage::set();
    let nobody = Names { tenant: "nobody".into(), ..stage.acme.clone() };
    let here = Names { tenant: "umbrella".into(), ..stage.acme.clone() };
    let neither = Names { tenant: "umbrella".into(), ..missing(&stage.acme) };
    for route in ROUTES.iter().filter(|route| route.has_tenant()) {
        let theirs = stage.ask(&stage.intruder, route, &stage.acme).without_date();
        let missing = stage.ask(&stage.intruder, route, &nobody).without_date();
        assert_eq!(theirs.status, 404, "{route:?}: {}", theirs.text());
        assert_eq!(theirs, missing, "{route:?}");
        // Their names and ids, as if they were one's own.
        if route.names_a_thing() {
            let theirs = stage.ask(&stage.intruder, route, &here).without_date();
            assert_eq!(theirs.status, 404, "{route:?}: {}", theirs.text());
            assert_eq!(theirs, stage.ask(&stage.intruder, route, &neither).without_date(), "{route:?}");
        }
    }
    // A node's token is not a tenant's affair, and lists are of the own tenant alone.
    let tenants = stage.served.ask(&stage.intruder, "GET", "/api/v1/tenants", None);
    assert!(!tenants.text().contains("acme"), "{}", tenants.text());
    stage.is_untouched();
}

/// Names that are none are names of nothing, however they are written: for the tenant's own people, for others, for the node's.
#[test]
fn odd_names_name_nothing() {
    let stage = Stage::set();
    let admin = &stage.roles[2];
    let long = "x".repeat(8_000);
    let odd = [
        "ACME",
        "Acme",
        "acme%2f",
        "%2facme",
        "acme%00",
        "%00",
        "..",
        "%2e%2e",
        "%2e%2e%2facme",
        "..%2facme",
        ".",
        "acme%20",
        "%20acme",
        "acme%0a",
        "acme%0d%0aX-Injected:%20yes",
        "%ff%fe",
        "%c0%af",
        "acme;x",
        "acme,web",
        "%D0%B0cme",
        "*",
        "%25",
        "%61cme%2fjobs",
        "acme%252f",
        "~",
        "%F0%9F%90%9D",
        "acme%2f..%2facme",
        "-",
        "0x1",
        "null",
        &long,
    ];
    for odd in odd {
        for (at, token) in [admin, &stage.intruder, &stage.served.admin].into_iter().enumerate() {
            for route in ROUTES.iter().filter(|route| route.has_tenant() && route.least != Least::Node) {
                let names = Names { tenant: odd.into(), ..stage.acme.clone() };
                let response = stage.ask(token, route, &names);
                assert!(matches!(response.status, 404 | 405), "{at}: {odd:.40}: {route:?}: {}", response.text());
                assert!(response.header("x-injected").is_none());
            }
        }
        let names = Names {
            tenant: "acme".into(),
            job: odd.into(),
            plugin: odd.into(),
            version: "1".into(),
            secret: odd.into(),
            token: odd.into(),
            operation: odd.into(),
            record: odd.into(),
        };
        for route in
            ROUTES.iter().filter(|route| route.path.split_once("{tenant}").is_some_and(|(_, of)| of.contains('{')))
        {
            let response = stage.ask(admin, route, &names);
            // A name is free; only one that has the form of a name may be created, and then deleted.
            let is_name = ["ACME", "Acme", "0x1", "null"].contains(&odd);
            let expected: &[u16] = match (route.names_a_thing(), route.path.contains("secrets")) {
                (true, true) if is_name => &[204],
                (true, _) => &[404, 405],
                (false, _) if is_name => &[204, 415],
                (false, _) => &[404, 405, 415, 422],
            };
            assert!(
                expected.contains(&response.status),
                "{odd:.40}: {route:?}: {}: {}",
                response.status,
                response.text()
            );
        }
    }
    let secrets = stage.served.ask(admin, "GET", "/api/v1/tenants/acme/secrets", None).expect(200);
    let names: Vec<&str> = secrets["items"].as_array().unwrap().iter().filter_map(|of| of["name"].as_str()).collect();
    assert_eq!(names, ["password"]);
    assert_eq!(stage.served.job(admin, "acme", "web")["phase"], "running");
}

/// Methods that a path does not have are refused with those that it has.
#[test]
fn other_methods_are_refused() {
    let stage = Stage::set();
    for path in ROUTES.iter().map(|route| route.path).collect::<std::collections::BTreeSet<_>>() {
        let known: Vec<&str> = ROUTES.iter().filter(|route| route.path == path).map(|route| route.method).collect();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if known.contains(&method) || (method == "HEAD" && known.contains(&"GET")) {
                continue;
            }
            let route = Route { method, path, least: Least::Viewer };
            let response = stage.ask(&stage.served.admin, &route, &stage.acme);
            assert_eq!(response.status, 405, "{method} {path}: {}", response.text());
            let allowed: Vec<&str> = response.header("allow").unwrap_or_default().split([',', ' ']).collect();
            assert!(known.iter().all(|method| allowed.contains(method)), "{method} {path}: {allowed:?}");
        }
    }
    stage.is_untouched();
}
