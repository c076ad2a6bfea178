//! A login, tenants and their jobs, tokens and roles.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::user::{NUMBERS, User};

/// Goal: what a new user does works. Method: the commands in their order, each with what it prints.
#[test]
fn a_tenant_submits_a_job_and_stops_it() {
    let user = User::of_a_node();
    let without = user.fails(&["whoami"], 2);
    assert!(without.contains("flowgate login"), "{without}");
    user.login(&user.node.token).expect(0);
    assert_eq!(fs::metadata(user.login_file()).unwrap().permissions().mode() & 0o777, 0o600);
    user.run(&["whoami"]).printing("admin of the node");
    let nobody = user.fails(&["job", "list"], 2);
    assert!(nobody.contains("flowgate tenant use"), "{nobody}");
    let created = user.run(&["tenant", "create", "acme", "--jobs", "3", "--memory", "2GiB"]);
    created.printing("commands are about the tenant acme from now on");
    assert_eq!(user.json(&["tenant", "show"])["quotas"]["jobs"], 3);

    assert!(user.run(&["job", "submit", "job.yaml", "--check"]).stdout.ends_with("ok\n"));
    user.run(&["job", "submit", "job.yaml", "--wait", "--key", "build-1"]);
    user.run(&["job", "submit", "job.yaml", "--key", "build-1"]).saying("was submitted with this key before");
    user.run(&["job", "list"]).printing("numbers");
    let status = user.run(&["job", "status"]).stdout;
    assert!(status.starts_with("numbers: running"), "{status}");
    user.run(&["job", "explain", "out"]).printing("`out`");
    let rows = user.run(&["job", "tap", "numbers", "in", "-n", "3"]).stdout;
    assert_eq!(rows.lines().filter(|line| line.starts_with('{')).count(), 3, "{rows}");
    let stopped = user.run(&["job", "stop", "numbers"]).stdout;
    assert!(stopped.starts_with("numbers has stopped"), "{stopped}");
    user.run(&["job", "history", "numbers"]).printing("submitted").printing("stopped");
    user.run(&["job", "delete", "numbers"]);
    assert_eq!(user.json(&["job", "list"]), serde_json::json!([]));
    assert!(user.json(&["job", "list", "--local"]).is_array());
}

#[test]
fn a_job_that_is_wrong_is_reported_with_its_places() {
    let user = User::of_acme();
    user.folder.write("job.yaml", NUMBERS.replace("input: in", "input: inn"));
    let report = user.fails(&["job", "submit", "job.yaml"], 2);
    assert!(report.contains(": error: ") && report.contains("input: inn"), "{report}");
    assert!(!report.starts_with("error["), "{report}");
}

/// Goal: roles and tenants hold, and the messages say what to do. Method: a viewer of one tenant.
#[test]
fn a_viewer_sees_and_does_nothing_else() {
    let user = User::of_acme();
    user.run(&["tenant", "create", "umbrella", "--tenant", "acme"]);
    let created = user.run(&["token", "create", "eve", "--role", "viewer", "--expires", "1h"]);
    let created = created.saying("viewer of the tenant acme");
    let token = created.stdout.trim();
    assert!(token.starts_with("fg_") && token.lines().count() == 1, "only the token is on standard output");
    user.command(&["secret", "set", "api-key"]).input("hunter2\n").run().expect(0);
    let secrets = user.run(&["secret", "list"]).stdout;
    assert!(secrets.contains("api-key") && !secrets.contains("hunter2"), "{secrets}");
    user.login(token).expect(0);
    user.run(&["tenant", "usage"]).printing("memory, reserved");
    let refused = user.fails(&["secret", "delete", "api-key"], 2);
    assert!(refused.contains("flowgate whoami"), "{refused}");
    let other = user.fails(&["job", "list", "--tenant", "umbrella"], 2);
    let missing = user.fails(&["job", "list", "--tenant", "nobody"], 2);
    assert_eq!(other, missing, "another tenant looks like a missing one");
    user.run(&["logout"]);
    user.fails(&["whoami"], 2);
}

/// A token that is revoked is refused at once, and the message says what to do.
#[test]
fn a_token_is_revoked() {
    let user = User::of_acme();
    let token = user.run(&["token", "create", "ci", "--role", "operator"]).stdout.trim().to_string();
    let all = user.json(&["token", "list"]);
    let [of_ci] = &all.as_array().unwrap()[..] else { panic!("{all:#}") };
    assert_eq!((&of_ci["name"], &of_ci["role"]), (&"ci".into(), &"operator".into()));
    let as_ci = |arguments: &[&str]| user.command(arguments).env("FLOWGATE_TOKEN", &token).run();
    as_ci(&["whoami"]).expect(0).printing("operator of the tenant acme");
    user.run(&["token", "revoke", of_ci["id"].as_str().unwrap()]).printing("revoked the token");
    as_ci(&["whoami"]).expect(2).saying("does not accept the token").saying("correct FLOWGATE_TOKEN");
    let again = user.fails(&["token", "revoke", of_ci["id"].as_str().unwrap()], 2);
    assert!(again.contains("there is no such token"), "{again}");
}
