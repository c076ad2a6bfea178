//! The commands about a node, against a real one.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const JOB: &str = "\
job: numbers
sources:
  in: { generator: { rate: 50, columns: { n: { int: { min: 1, max: 9 } } } } }
sinks:
  out: { input: in, blackhole: {} }
";

/// A node, and the folder in which somebody uses it.
struct World {
    folder: tempfile::TempDir,
    node: Child,
    url: String,
    token: String,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
        command.args(["serve", "--stop-jobs", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("node"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut node = command.spawn().unwrap();
        // What it prints has the address and the first token.
        let mut lines = BufReader::new(node.stderr.take().unwrap()).lines().map(Result::unwrap);
        let (mut url, mut token) = (None, None);
        while url.is_none() || token.is_none() {
            let line = lines.next().expect("the node says where it listens, and its first token");
            for word in line.split_whitespace() {
                let word = word.trim_matches(|c: char| "`,;'\"()".contains(c));
                if word.starts_with("http://") {
                    url = Some(word.trim_end_matches('/').to_string());
                }
                if word.starts_with("fg_") {
                    token = Some(word.to_string());
                }
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        World { folder, node, url: url.unwrap(), token: token.unwrap() }
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
        for name in ["FLOWGATE_NODE", "FLOWGATE_TOKEN", "FLOWGATE_TENANT"] {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a command that succeeds, and returns its standard output.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.run_with(arguments, "");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that fails with this exit code, and returns its standard error.
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run_with(arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }

    fn login(&self) {
        let output = self.run_with(&["login", &self.url, "--token-stdin"], &format!("{}\n", self.token));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            !stderr(&output).contains(&self.token) && !String::from_utf8_lossy(&output.stdout).contains(&self.token)
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It stops its jobs, and then itself.
        let stopped = Command::new("kill").arg(self.node.id().to_string()).status();
        let _ = stopped.and_then(|_| self.node.wait());
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Goal: what a new user does works. Method: the commands in their order, each with what it prints.
#[test]
fn a_tenant_submits_a_job_and_stops_it() {
    let world = World::new();
    let without = world.fails(&["whoami"], 2);
    assert!(without.contains("flowgate login"), "{without}");
    world.login();
    assert_eq!(mode(&world.folder.path().join("config/flowgate/node.json")), 0o600);
    assert!(world.run(&["whoami"]).contains("admin of the node"));
    let nobody = world.fails(&["job", "list"], 2);
    assert!(nobody.contains("flowgate tenant use"), "{nobody}");
    let created = world.run(&["tenant", "create", "acme", "--jobs", "3", "--memory", "2GiB"]);
    assert!(created.contains("commands are about the tenant acme from now on"), "{created}");
    let tenant: String = world.run(&["tenant", "show", "--json"]);
    assert!(tenant.contains("\"jobs\": 3"), "{tenant}");

    std::fs::write(world.folder.path().join("job.yaml"), JOB).unwrap();
    assert!(world.run(&["job", "submit", "job.yaml", "--check"]).ends_with("ok\n"));
    world.run(&["job", "submit", "job.yaml", "--wait", "--key", "build-1"]);
    let again = world.run_with(&["job", "submit", "job.yaml", "--key", "build-1"], "");
    assert!(stderr(&again).contains("was submitted with this key before"), "{}", stderr(&again));
    assert!(world.run(&["job", "list"]).contains("numbers"));
    let status = world.run(&["job", "status"]);
    assert!(status.starts_with("numbers: running"), "{status}");
    assert!(world.run(&["job", "explain", "out"]).contains("`out`"));
    let rows = world.run(&["job", "tap", "numbers", "in", "-n", "3"]);
    assert_eq!(rows.lines().filter(|line| line.starts_with('{')).count(), 3, "{rows}");
    let stopped = world.run(&["job", "stop", "numbers"]);
    assert!(stopped.starts_with("numbers has stopped"), "{stopped}");
    let history = world.run(&["job", "history", "numbers"]);
    assert!(history.contains("submitted") && history.contains("stopped"), "{history}");
    world.run(&["job", "delete", "numbers"]);
    assert_eq!(world.run(&["job", "list", "--json"]).trim(), "[]");
    assert_eq!(world.run(&["job", "list", "--local", "--json"]).trim().chars().next(), Some('['));
}

#[test]
fn a_job_that_is_wrong_is_reported_with_its_places() {
    let world = World::new();
    world.login();
    world.run(&["tenant", "create", "acme"]);
    std::fs::write(world.folder.path().join("job.yaml"), JOB.replace("input: in", "input: inn")).unwrap();
    let report = world.fails(&["job", "submit", "job.yaml"], 2);
    assert!(report.contains(": error: ") && report.contains("input: inn"), "{report}");
    assert!(!report.starts_with("error["), "{report}");
}

/// Goal: roles and tenants hold, and the messages say what to do. Method: a viewer of one tenant.
#[test]
fn a_viewer_sees_and_does_nothing_else() {
    let world = World::new();
    world.login();
    world.run(&["tenant", "create", "acme"]);
    world.run(&["tenant", "create", "umbrella", "--tenant", "acme"]);
    let output = world.run_with(&["token", "create", "eve", "--role", "viewer", "--expires", "1h"], "");
    let token = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(token.starts_with("fg_") && token.lines().count() == 1, "only the token is on standard output");
    assert!(stderr(&output).contains("viewer of the tenant acme"), "{}", stderr(&output));
    let set = world.run_with(&["secret", "set", "api-key"], "hunter2\n");
    assert_eq!(set.status.code(), Some(0), "{}", stderr(&set));
    let secrets = world.run(&["secret", "list"]);
    assert!(secrets.contains("api-key") && !secrets.contains("hunter2"), "{secrets}");
    let login = world.run_with(&["login", &world.url, "--token-stdin"], &token);
    assert_eq!(login.status.code(), Some(0), "{}", stderr(&login));
    assert!(world.run(&["tenant", "usage"]).contains("memory, reserved"));
    let refused = world.fails(&["secret", "delete", "api-key"], 2);
    assert!(refused.contains("flowgate whoami"), "{refused}");
    let other = world.fails(&["job", "list", "--tenant", "umbrella"], 2);
    let missing = world.fails(&["job", "list", "--tenant", "nobody"], 2);
    assert_eq!(other, missing, "another tenant looks like a missing one");
    world.run(&["logout"]);
    world.fails(&["whoami"], 2);
}
