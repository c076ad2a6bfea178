//! Patterns, paths, hosts and addresses that somebody would try.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use flowgate_confine::{Network, Role};
use serde_json::json;

use super::*;
use crate::Connector;
use crate::sink::ConfiguredSink;
use crate::source::ConfiguredSource;
use crate::touches::{Place, Target, Touches};

fn policy(value: serde_json::Value) -> Policy {
    serde_json::from_value(value).unwrap()
}

fn target(url: &str) -> Target {
    Target::of_url(url).unwrap()
}

#[test]
fn a_pattern_that_could_be_misread_is_none() {
    for wrong in [
        "data/**",
        "",
        "**",
        "/data/*/x",
        "/data/*.csv",
        "/data/../etc/**",
        "/data/**/..",
        "/a?/**",
        "/[a]/b",
        "/data/",
        "/data/**/*",
        "/da**",
    ] {
        assert!(serde_json::from_value::<PathPattern>(json!(wrong)).is_err(), "{wrong}");
    }
    for wrong in [
        "",
        "host",
        "host:",
        "host:x",
        "host:99999",
        ":443",
        "*.:443",
        "*.*.com:443",
        "a*.com:443",
        "http:///x:1",
        "://h:1",
        "10.0.0.0/33:1",
        "10.0.0.0/x:1",
        "host/8:1",
        "::1:80",
        "[::1:80",
        "[x]:80",
        "[::]/129:1",
        "a b:1",
        "a..b:1",
    ] {
        assert!(serde_json::from_value::<TargetPattern>(json!(wrong)).is_err(), "{wrong}");
    }
    assert!(serde_json::from_value::<Policy>(json!({ "conect": [] })).is_err());
}

#[test]
fn patterns_are_shown_as_they_are_written() {
    for pattern in ["/data/in.csv", "/data/**", "/**"] {
        assert_eq!(serde_json::from_value::<PathPattern>(json!(pattern)).unwrap().to_string(), pattern);
    }
    for pattern in
        ["a.com:443", "*.a.com:*", "*:443", "127.0.0.1:80", "10.0.0.0/8:*", "[::1]:80", "[fd00::]/8:*", "s3://b:*"]
    {
        assert_eq!(serde_json::from_value::<TargetPattern>(json!(pattern)).unwrap().to_string(), pattern);
    }
}

#[test]
fn the_default_grants_what_touches_nothing() {
    let nothing = Policy::default();
    for pure in ["generator", "nexmark", "blackhole"] {
        nothing.connector(pure).unwrap();
    }
    for other in ["file", "stdin", "system", "print", "webhook", "kafka", "*"] {
        assert!(nothing.connector(other).is_err(), "{other}");
    }
    let refused = nothing.connector("file").unwrap_err();
    assert_eq!(refused.grant, "`connectors: [file]`");
    policy(json!({ "connectors": ["*"] })).connector("kafka").unwrap();
}

/// Goal: nothing outside of a folder is granted, whatever its text. Method: a real folder, links included.
#[test]
fn no_path_leads_out_of_a_granted_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let base = root.join("acme");
    std::fs::create_dir_all(base.join("logs")).unwrap();
    std::fs::create_dir_all(root.join("acme-secret")).unwrap();
    std::fs::write(root.join("acme-secret/key"), "").unwrap();
    symlink("/etc", base.join("etc")).unwrap();
    symlink("../../acme-secret/key", base.join("logs/key")).unwrap();
    symlink("logs", base.join("inside")).unwrap();
    symlink("/nowhere/yet", base.join("later")).unwrap();
    let granted = policy(json!({ "read": [format!("{}/**", base.display())] }));
    for outside in [
        "../acme-secret/key",
        "/etc/passwd",
        "etc/passwd",
        "etc/../in.csv",
        "logs/key",
        "logs/../../acme-secret/key",
        "/proc/self/environ",
        "later",
        "",
        ".",
        "..",
        "logs/../..",
        "inside/../../acme-secret/key",
    ] {
        assert!(granted.read(&Place::file(&base, outside)).is_err(), "{outside}");
    }
    for inside in ["in.csv", "logs/a.log", "./logs//a.log", "inside/a.log", "not/yet/there", "logs/../in.csv"] {
        granted.read(&Place::file(&base, inside)).unwrap();
    }
    for glob in ["*/../../*", "../*.csv", "/etc/*", "/*", "etc/*", "l*/../../acme-secret/*"] {
        assert!(Touches::glob(&base, glob).reads.iter().any(|place| granted.read(place).is_err()), "{glob}");
    }
    for glob in ["*.csv", "logs/*.log", "*/*", "logs/**/*.log"] {
        granted.read(&Touches::glob(&base, glob).reads[0]).unwrap();
    }
    // Reading does not grant writing; writing grants reading.
    assert!(granted.write(&Place::file(&base, "out.csv")).is_err());
    let written = policy(json!({ "write": [format!("{}/**", base.display())] }));
    written.write(&Place::file(&base, "out.csv")).unwrap();
    written.read(&Place::file(&base, "out.csv")).unwrap();
    assert!(written.write(&Place::file(&base, "etc/passwd")).is_err());
}

/// A folder that an administrator names by a link is the folder that it leads to.
#[test]
fn a_granted_folder_may_be_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("v1")).unwrap();
    symlink("v1", root.join("current")).unwrap();
    let granted = policy(json!({ "read": [format!("{}/current/**", root.display())] }));
    granted.read(&Place::File(root.join("current/a.csv"))).unwrap();
    assert!(granted.read(&Place::File(root.join("v1/a.csv"))).is_err());
}

#[test]
fn a_single_file_grants_itself_alone() {
    let granted = policy(json!({ "read": ["/data/in.csv"], "write": ["/data/out.csv"] }));
    granted.read(&Place::File("/data/in.csv".into())).unwrap();
    assert!(granted.read(&Place::File("/data/in.csv/x".into())).is_err());
    assert!(granted.read(&Place::Within("/data".into())).is_err());
    let refused = granted.write(&Place::File("/data/out.csv".into())).unwrap_err();
    assert_eq!(refused.grant, "`write: [\"/data/**\"]`");
}

#[test]
fn hosts_match_as_whole_names() {
    let granted =
        policy(json!({ "connect": ["hooks.example.com:443", "*.acme.com:*", "10.1.0.0/16:80", "s3://acme:*"] }));
    for yes in [
        "https://hooks.example.com/x",
        "https://HOOKS.example.COM./x",
        "http://a.acme.com:1/",
        "http://b.a.acme.com/",
        "http://10.1.2.3/",
        "s3://acme/x",
    ] {
        granted.connect(&target(yes)).unwrap();
    }
    for no in [
        "http://hooks.example.com/",
        "https://example.com/",
        "https://evil-hooks.example.com/",
        "https://acme.com/",
        "https://evilacme.com/",
        "https://hooks.example.com.evil.com/",
        "https://hooks.example.com@evil.com/",
        "http://10.2.0.1/",
        "http://10.1.2.3:81/",
        "s3://other/x",
        "gs://acme/x",
        "https://acme/x",
        "ftp://a.acme.com/",
    ] {
        assert!(granted.connect(&target(no)).is_err(), "{no}");
    }
    let all = policy(json!({ "connect": ["*:*"] }));
    all.connect(&target("https://anything.example/")).unwrap();
    assert!(all.connect(&target("http://127.0.0.1/")).is_err());
    assert!(all.connect(&target("http://[::1]/")).is_err());
}

#[test]
fn addresses_that_are_not_public_need_their_own_grant() {
    let any = policy(json!({ "connect": ["*:*"] }));
    for special in [
        "0.0.0.0:80",
        "127.0.0.1:80",
        "127.8.8.8:80",
        "10.0.0.1:80",
        "172.16.0.1:80",
        "172.31.255.255:80",
        "192.168.1.1:80",
        "169.254.169.254:80",
        "100.64.0.1:80",
        "192.0.0.8:80",
        "198.18.0.1:80",
        "224.0.0.1:80",
        "240.0.0.1:80",
        "255.255.255.255:80",
        "[::]:80",
        "[::1]:80",
        "[fe80::1]:80",
        "[fd00:ec2::254]:80",
        "[fc00::1]:80",
        "[ff02::1]:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:169.254.169.254]:80",
        "[::ffff:8.8.8.8]:80",
        "[::127.0.0.1]:80",
        "[::ffff:0:10.0.0.1]:80",
        "[64:ff9b::7f00:1]:80",
        "[64:ff9b:1::1]:80",
        "[2002:7f00:1::]:80",
        "[2001::1]:80",
        "[fec0::1]:80",
        "[4000::1]:80",
    ] {
        assert!(any.address(special.parse().unwrap()).is_err(), "{special}");
    }
    for public in ["8.8.8.8:53", "172.32.0.1:80", "100.128.0.1:80", "[2606:4700::1111]:443", "[64:ff9b::808:808]:80"] {
        any.address(public.parse().unwrap()).unwrap();
    }
    let granted = policy(json!({ "connect": ["127.0.0.1:8080", "[fd00::]/8:443"] }));
    for yes in ["127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", "[fd12::1]:443"] {
        granted.address(yes.parse().unwrap()).unwrap();
    }
    for no in ["127.0.0.1:8081", "127.0.0.2:8080", "[fd12::1]:80", "[fe80::1]:443"] {
        assert!(granted.address(no.parse().unwrap()).is_err(), "{no}");
    }
}

/// Every connector says what it touches.
#[test]
fn what_each_connector_touches() {
    let connector = |name: &str, settings: serde_json::Value| Connector {
        name: name.into(),
        settings,
        base: "/job".into(),
        policy: None,
    };
    let source = |name, settings| connector(name, settings).configure::<ConfiguredSource>().ok().unwrap().touches;
    let sink = |name, settings| connector(name, settings).configure::<ConfiguredSink>().ok().unwrap().touches;
    let reads = |place: &str| Touches { reads: vec![place_of(place)], ..Touches::default() };
    let writes = |place: &str| Touches { writes: vec![place_of(place)], ..Touches::default() };
    assert_eq!(source("file", json!({ "path": "a.log" })), reads("/job/a.log"));
    assert_eq!(source("file", json!({ "path": "../a.log" })), reads("/job/../a.log"));
    assert_eq!(source("file", json!({ "path": "logs/*.log" })), reads("/job/logs/**"));
    assert_eq!(source("file", json!({ "path": "logs/a.log", "follow": true })), reads("/job/logs/**"));
    assert_eq!(source("stdin", json!({})), Touches::standard_streams());
    assert_eq!(source("generator", json!({ "rows": 1, "columns": { "n": { "sequence": {} } } })), Touches::nothing());
    assert_eq!(source("nexmark", json!({ "table": "bid", "events": 1 })), Touches::nothing());
    assert_eq!(source("nexmark", json!({ "table": "bid", "path": "a.jsonl" })), reads("/job/a.jsonl"));
    assert_eq!(source("nexmark", json!({ "table": "bid", "path": "b/*.jsonl" })), reads("/job/b/**"));
    assert_eq!(source("system", json!({})), Touches::system_figures());
    assert_eq!(sink("print", json!({})), Touches::standard_streams());
    assert_eq!(sink("blackhole", json!({})), Touches::nothing());
    assert_eq!(sink("file", json!({ "path": "out.csv" })), writes("/job/out.csv"));
    assert_eq!(sink("file", json!({ "path": "out/" })), writes("/job/out/**"));
    let webhook = sink("webhook", json!({ "url": "https://a.example/x" }));
    assert_eq!(webhook, Touches { connects: vec![target("https://a.example/")], ..Touches::default() });
}

fn place_of(pattern: &str) -> Place {
    match pattern.strip_suffix("/**") {
        Some(folder) => Place::Within(folder.into()),
        None => Place::File(pattern.into()),
    }
}

/// Goal: the kernel is told the policy's folders, and only those that the job needs. Method: a job that uses some of them.
#[test]
fn limits_follow_from_the_grants_that_a_job_needs() {
    let granted = policy(json!({
        "read": ["/data/in/**", "/data/other/**", "/data/one.csv"],
        "write": ["/data/out/**", "/data/more/**"],
        "connect": ["*.example.com:*"],
    }));
    let mut touches = Touches::file(Path::new("/"), "data/in/link/to/x.csv");
    let quiet = confinement_of(&granted, &touches);
    assert_eq!((quiet.role, quiet.network), (Role::Worker, Network::Unix));
    assert_eq!((quiet.read, quiet.write), (vec![PathBuf::from("/data/in")], vec![]));
    touches.add(Touches::written_file(Path::new("/data"), "out/x.csv"));
    touches.add(Touches::file(Path::new("/data"), "more/table.csv"));
    touches.add(Touches::url("https://a.example.com/"));
    touches.add(Touches::url("https://b.example.com:8443/"));
    let limits = confinement_of(&granted, &touches);
    assert_eq!(limits.read, [PathBuf::from("/data/in"), "/data/more".into()]);
    assert_eq!(limits.write, [PathBuf::from("/data/out")]);
    assert_eq!(limits.network, Network::Outgoing { ports: vec![443, 8443] });
    // Nothing that the check would have refused.
    let stray = confinement_of(&granted, &Touches::file(Path::new("/"), "etc/passwd"));
    assert_eq!(stray.read, Vec::<PathBuf>::new());
}
