//! Somebody who uses a node by commands.

use std::path::Path;

use harness::{COUNTED, Counter, Ended, Flowgate, Folder, ServedNode, settings, wait_for};
use serde_json::Value;

/// A job without end.
pub(crate) const NUMBERS: &str = "\
job: numbers
sources:
  in: { generator: { rate: 50, columns: { n: { int: { min: 1, max: 9 } } } } }
sinks:
  out: { input: in, blackhole: {} }
";

/// Settings of a node whose jobs take checkpoints often.
const SETTINGS: &str = "jobs: { checkpoint_every: 1s }\n";

/// A node, and the folder in which somebody uses it.
pub(crate) struct User {
    pub(crate) node: ServedNode,
    pub(crate) folder: Folder,
}

impl User {
    /// Starts a node. Nobody is logged in.
    pub(crate) fn of_a_node() -> User {
        let folder = Folder::with_job(NUMBERS);
        folder.write("node.yaml", SETTINGS);
        User { node: ServedNode::start_with(folder.path(), "node", &["--config", "node.yaml"]), folder }
    }

    /// Starts a node with the tenant `acme`, in which its administrator is logged in.
    pub(crate) fn of_acme() -> User {
        let user = User::of_a_node();
        user.login(&user.node.token).expect(0);
        user.run(&["tenant", "create", "acme", "--quota", "requests_per_s=1000", "--quota", "compiles_per_min=1000"]);
        user
    }

    /// Pushes a version of the plugin `counter`.
    pub(crate) fn push(&self, version: Counter) {
        self.folder.write("counter.wasm", version.component());
        self.run(&["plugin", "push", "counter.wasm"]);
    }

    /// Submits [`COUNTED`] with the first version of its plugin, and waits until it counts.
    pub(crate) fn submit_counted(&self) {
        self.push(Counter::First);
        self.folder.write("counted.yaml", COUNTED);
        self.run(&["job", "submit", "counted.yaml", "--wait"]);
        self.wait_for_checkpoint("counted");
    }

    /// Waits for the next checkpoint of a job with rows in it.
    pub(crate) fn wait_for_checkpoint(&self, job: &str) {
        let newest = || self.json(&["job", "checkpoints", job])[0]["number"].as_u64().unwrap_or(0);
        let before = newest();
        wait_for(&format!("no checkpoint behind {before}"), || (newest() > before + 1).then_some(()));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Flowgate {
        Flowgate::new(self.folder.path(), arguments)
    }

    pub(crate) fn login(&self, token: &str) -> Ended {
        let ended = self.command(&["login", &self.node.address, "--token-stdin"]).input(&format!("{token}\n")).run();
        assert!(!ended.stdout.contains(token) && !ended.stderr.contains(token), "the token is shown");
        ended
    }

    /// Runs a command that succeeds.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let ended = self.command(arguments).run();
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        ended
    }

    /// Runs a command that fails with this exit code, and returns its standard error.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str], code: i32) -> String {
        let ended = self.command(arguments).run();
        assert_eq!(ended.code(), Some(code), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        ended.stderr
    }

    /// Runs a command that prints JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.run(&[arguments, &["--json"]].concat()).stdout;
        serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {printed}"))
    }

    /// The folder of a job's files on the node.
    pub(crate) fn files(&self, job: &str) -> std::path::PathBuf {
        self.node.data().join("jobs/acme").join(job).join("files")
    }

    /// Where the login is.
    pub(crate) fn login_file(&self) -> std::path::PathBuf {
        settings(Path::new(self.folder.path())).join("flowgate/node.json")
    }
}
