//! A node as a service of systemd: what it says to the service manager, and whether the unit in `deploy/` fits the program.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;

use harness::{Flowgate, PATIENCE, program, repository};
use serde_json::json;

use crate::access::ENDLESS;
use crate::served::Served;

/// Returns the next message to the service manager, as lines.
fn told(manager: &UnixDatagram) -> Vec<String> {
    let mut message = [0; 1_024];
    manager.set_read_timeout(Some(PATIENCE)).expect("it is ours");
    let length = manager.recv(&mut message).expect("the node says something");
    String::from_utf8_lossy(&message[..length]).lines().map(String::from).collect()
}

/// Goal: the service manager knows when the node serves and when it stops, and nobody else can tell it so. Method: sockets as systemd has
/// them, with a path and with a name; the node is asked as soon as it says that it serves.
#[test]
fn a_node_says_when_it_serves_and_when_it_stops() {
    let mut served = Served::start();
    let token = served.tenant("acme", &json!({}));
    let path = served.path().join("notify");
    let name = format!("flowgate-test-{}", std::process::id());
    let of_name = SocketAddr::from_abstract_name(&name).expect("it is short");
    for (job, manager, address) in [
        ("path", UnixDatagram::bind(&path), path.display().to_string()),
        ("name", UnixDatagram::bind_addr(&of_name), format!("@{name}")),
    ] {
        let manager = manager.expect("a socket");
        served.terminate();
        let serves_at = std::thread::scope(|scope| {
            let serves = scope.spawn(|| {
                let said = told(&manager);
                let at =
                    said.iter().find_map(|line| line.strip_prefix("STATUS=serves at http://")).expect("an address");
                assert!(said.contains(&"READY=1".into()), "{said:?}");
                TcpStream::connect(at).expect("it serves");
                at.to_string()
            });
            served.begin(&[("NOTIFY_SOCKET", &address)]);
            serves.join().expect("the node is ready when it says so")
        });
        assert_eq!(serves_at, served.address.to_string());
        served.submit(&token, "acme", &ENDLESS.replace("web", job));
        served.wait_for_phase(&token, "acme", job, "running");
        let workers = served.workers();
        let (_, worker) =
            workers.iter().find(|(of, _)| of.components().any(|of| of.as_os_str() == job)).expect("a worker");
        let environment = fs::read(format!("/proc/{worker}/environ")).expect("it is ours");
        assert!(!String::from_utf8_lossy(&environment).contains("NOTIFY_SOCKET"), "a job knows the service manager");
        served.terminate();
        assert_eq!(told(&manager), ["STOPPING=1"]);
        served.begin(&[]);
    }
}

/// Returns the settings of the unit in the repository, in order.
fn unit() -> Vec<(String, String)> {
    let text = fs::read_to_string(repository().join("deploy/systemd/flowgate.service")).expect("it is there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

/// Goal: the unit starts this program, with the settings that are beside it, in the folder that both name, as its README installs them.
/// Method: the commands of the unit, with paths of the test.
#[test]
fn the_unit_fits_the_program_and_its_settings() {
    let unit = unit();
    let of = |key: &str| unit.iter().filter(|(of, _)| of == key).map(|(_, value)| value.as_str()).collect::<Vec<_>>();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = repository().join("deploy/node.yaml").display().to_string();
    let state = folder.path().join("state").display().to_string();
    let installed = fs::read_to_string(repository().join("deploy/systemd/README.md")).expect("it is there");
    let mut in_force = String::new();
    for command in of("ExecStartPre").into_iter().chain(of("ExecStart")) {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        let path = words.remove(0);
        assert!(installed.contains(&format!(" {path}\n")), "the README installs no {path}");
        let config = words.iter().position(|word| *word == "--config").map(|at| at + 1).expect("settings");
        assert!(installed.contains(&format!(" {}\n", words[config])), "the README installs no {}", words[config]);
        words[config] = &settings;
        if !words.contains(&"--check") {
            words.push("--check");
        }
        let checked = Flowgate::new(folder.path(), &words).env("STATE_DIRECTORY", &state).run().expect(0);
        in_force = checked.stdout;
    }
    assert!(
        in_force.contains(&format!("data: \"{state}\"\n")),
        "the settings do not follow the unit's folder: {in_force}"
    );
    let folder = format!("/var/lib/{}", of("StateDirectory")[0]);
    assert_eq!((of("ReadWritePaths"), of("WorkingDirectory")), (vec![folder.as_str()], vec![folder.as_str()]));
    let text = fs::read_to_string(&settings).expect("it is there");
    assert!(text.contains(&format!("data: ${{STATE_DIRECTORY:-{folder}}}\n")), "{text}");

    // What the node relies on.
    assert_eq!((of("Type"), of("KillMode"), of("DelegateSubgroup")), (vec!["notify"], vec!["process"], vec!["node"]));
    let delegated: BTreeSet<&str> = of("Delegate")[0].split_whitespace().collect();
    assert_eq!(delegated, BTreeSet::from(["cpu", "memory", "pids"]));
    let stop_within = text.split_once("stop_within: ").and_then(|(_, rest)| rest.split_once('s')).expect("seconds").0;
    let stop_within: u64 = stop_within.parse().expect("seconds");
    assert!(of("TimeoutStopSec")[0].parse::<u64>().expect("seconds") >= stop_within + 20);
    for removed in ["RuntimeDirectory", "PrivateTmp", "MemoryDenyWriteExecute", "ProtectControlGroups", "ProtectProc"] {
        assert!(of(removed).is_empty(), "{removed} takes something from jobs or the node");
    }
}

/// Goal: systemd understands the unit. Method: `systemd-analyze verify`, where it is installed, on the unit with the path of this program.
#[test]
fn systemd_understands_the_unit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flowgate.service");
    let text = fs::read_to_string(repository().join("deploy/systemd/flowgate.service")).expect("it is there");
    let here = text.replace("/usr/local/bin/flowgate", &program().display().to_string());
    let verify = |text: &str, path: &Path| {
        fs::write(path, text).expect("the folder can be written");
        Command::new("systemd-analyze").arg("verify").arg(path).output()
    };
    let Ok(verified) = verify(&here, &path) else {
        println!("systemd-analyze is not installed: the unit is not verified");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    // Older ones than 254 do not know it; the README says so.
    let wrong: Vec<&str> =
        said.lines().filter(|line| line.contains("flowgate.service") && !line.contains("'DelegateSubgroup'")).collect();
    assert!(verified.status.success() && wrong.is_empty(), "{}\n{said}", verified.status);
    // It finds mistakes.
    let mistaken = verify(&here.replace("NoNewPrivileges=yes", "NoNewPrivilege=yes"), &path).expect("it is installed");
    assert!(String::from_utf8_lossy(&mistaken.stderr).contains("NoNewPrivilege"), "{mistaken:?}");
}
