//! Settings files: what they say, and what is said of wrong ones.

use std::fs;

use super::*;

/// Reads settings whose environment has one variable.
fn read(text: &str) -> std::result::Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.yaml");
    fs::write(&path, text).unwrap();
    let environment = |name: &str| (name == "PORT").then(|| "7171".to_string());
    Config::read(&path, &environment).map_err(|error| {
        assert_eq!(error.code.to_string(), "FG0902");
        error.message.replace(&format!("{}", path.display()), "node.yaml")
    })
}

fn settings(text: &str) -> Settings {
    read(text).unwrap().settings("flowgate".into()).unwrap()
}

#[test]
fn everything_can_be_set() {
    let settings = settings(
        "
data: /var/lib/flowgate
listen: 0.0.0.0:${PORT}
tls: { cert: node.crt, key: /etc/flowgate/node.pem }
key_file: node.key
log: { format: json, level: warn }
tenants: { quotas: { jobs: 7, memory_bytes: 4GiB, cpu_cores: 1.5 } }
jobs: { checkpoint_every: 1m }
limits: { compilations: 3, connections: 10, connections_of_address: 5, requests_per_s: 9, streams_of_tenant: 4, check_within: 1m, stop_within: 5s }
",
    );
    assert_eq!(settings.listen.to_string(), "0.0.0.0:7171");
    let (cert, key) = settings.tls.unwrap();
    assert!(cert.is_absolute() && cert.ends_with("node.crt"), "relative to the file's folder");
    assert_eq!(key, Path::new("/etc/flowgate/node.pem"));
    assert_eq!(settings.quotas, Quotas { jobs: 7, memory_bytes: 4 << 30, cpu_cores: 1.5, ..Quotas::default() });
    assert_eq!(settings.checkpoint_every, Duration::from_secs(60));
    assert_eq!(settings.limits.compilations, 3);
    assert_eq!(settings.limits.stop_within, Duration::from_secs(5));
    assert_eq!((settings.log.format, settings.log.level), (Format::Json, Level::Warn));
}

#[test]
fn what_is_absent_has_its_default() {
    let read = settings("data: x");
    assert_eq!((read.listen.to_string(), read.quotas), ("127.0.0.1:7070".into(), Quotas::default()));
    assert_eq!(read.limits, NodeLimits::default());
    assert_eq!(super::Config::default(), super::tests::read("{}").unwrap());
}

#[test]
fn what_is_wrong_is_reported_with_its_place() {
    let wrong = |text: &str| read(text).unwrap_err();
    let cases = [
        ("data: x\nlisten: here\n", "node.yaml:2:9: error: `here` is no address"),
        ("data: x\nlisen: 1.2.3.4:5\n", "node.yaml:2:1: error: unknown field `lisen`"),
        ("tls: { cert: a }\n", "node.yaml:1:1: error: missing field `key`"),
        ("log: { format: xml }\n", "node.yaml:1:16: error: expected one of `text`, `json`"),
        ("tenants: { quotas: { job: 1 } }\n", "node.yaml:1:22: error: unknown field `job`"),
        ("tenants: { quotas: { jobs: many } }\n", "node.yaml:1:28: error: expected a whole number"),
        ("tenants: { quotas: { cpu_cores: -1 } }\n", "node.yaml:1:33: error: a quota is a number from 0 to"),
        ("limits: { compilations: 0 }\n", "node.yaml:1:25: error: expected at least 1, found 0"),
        ("jobs: { checkpoint_every: 10ms }\n", "node.yaml:1:27: error: expected at least 1s"),
        ("", "node.yaml: error: the file is empty"),
        ("data: ${NOWHERE}\n", "node.yaml:1:7: error: the environment variable NOWHERE is not set"),
    ];
    for (text, said) in cases {
        let report = wrong(text);
        assert!(report.contains(said), "{text}\n{report}");
    }
    assert!(wrong("data: x\nlisen: 1.2.3.4:5\n").contains("did you mean `listen`?"));
}

#[test]
fn an_address_for_others_needs_tls_or_a_word() {
    let of = |text: &str| read(text).unwrap().settings("flowgate".into());
    assert!(of("{ data: x, listen: \"0.0.0.0:7070\" }").unwrap_err().message.contains("tokens would cross"));
    of("{ data: x, listen: \"0.0.0.0:7070\", without_tls: true }").unwrap();
    of("{ data: x, listen: \"[::1]:7070\" }").unwrap();
    assert!(of("{}").unwrap_err().message.contains("--data"));
}

/// Goal: what `--check` prints can be used as a file, and says the same.
#[test]
fn what_is_in_force_is_a_file() {
    let config = read("{ data: /x, tenants: { quotas: { jobs: 2 } }, limits: { stop_within: 90s } }").unwrap();
    let settings = config.settings("flowgate".into()).unwrap();
    let again = read(&config.in_force(&settings)).unwrap().settings("flowgate".into()).unwrap();
    assert_eq!(
        (again.data, again.quotas, again.limits),
        (settings.data.clone(), settings.quotas.clone(), settings.limits)
    );
    assert_eq!(again.key, Some(settings.key_file()));
}

/// A program without traces says what it lacks; one with them shows no value of a header.
#[test]
fn traces_need_their_feature() {
    let text = "data: d\ntraces: { endpoint: \"http://127.0.0.1:4318/v1/traces\", headers: { X-Key: hunter22 } }\n";
    let config = read(text);
    assert_eq!(config.is_ok(), crate::traces::BUILT_IN);
    match config {
        Ok(config) => {
            let settings = config.settings("flowgate".into()).unwrap();
            assert_eq!(settings.traces.as_ref().unwrap().headers, [("X-Key".to_string(), "hunter22".to_string())]);
            let shown = format!("{config:?} {settings:?} {}", config.in_force(&settings));
            assert!(!shown.contains("hunter22") && shown.contains("X-Key"), "{shown}");
        }
        Err(report) => {
            assert!(report.contains("node.yaml:2:1") && report.contains("--features otel"), "{report}");
        }
    }
    let report = read("data: d\ntraces: { endpoint: \"127.0.0.1:4318\", headers: { \"a b\": x } }\n").unwrap_err();
    assert!(report.contains("expected an address such as") && report.contains("this is no header of HTTP"), "{report}");
}

/// The schema for editors is the one in the repository. `UPDATE_GOLDEN=1 cargo test` updates it.
#[test]
fn the_published_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/node.schema.json");
    let schema = serde_json::to_string_pretty(&config_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &schema).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), schema);
}

/// Goal: an editor finds no error in the files that the repository shows, and finds those of others.
#[test]
fn the_schema_accepts_what_is_shown() {
    let validator = jsonschema::validator_for(&config_schema()).unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shown = fs::read_to_string(repository.join("deploy/node.yaml")).unwrap();
    // JSON has the same values as this YAML: one field a line, as the file has them.
    for text in shown.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        read(text).unwrap_or_else(|report| panic!("{report}"));
    }
    let accepts = |value: serde_json::Value| validator.is_valid(&value);
    assert!(accepts(serde_json::json!({ "data": "x", "limits": { "compilations": "${N:-2}" } })));
    assert!(accepts(serde_json::json!({ "tenants": { "quotas": { "memory_bytes": "2GiB", "jobs": 3 } } })));
    assert!(!accepts(serde_json::json!({ "lisen": "x" })));
    assert!(!accepts(serde_json::json!({ "tenants": { "quotas": { "job": 3 } } })));
    assert!(!accepts(serde_json::json!({ "limits": { "compilations": "two" } })));
}
