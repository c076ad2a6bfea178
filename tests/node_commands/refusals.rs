//! What a user types that is wrong, and whether the answer says what would be right.

use harness::plugin;

use crate::user::{NUMBERS, User};

/// Each command with something wrong: exit code 2, and a message that says what to do.
#[test]
fn a_wrong_command_says_what_is_right() {
    let user = User::of_acme();
    user.folder.write("text.wasm", std::fs::read(plugin("text")).unwrap());
    user.folder.write("no.wasm", "no component");
    user.folder.write("my plugin.wasm", b"\0asm\x0d\0\x01\0");
    user.run(&["job", "submit", "job.yaml", "--wait"]);
    let cases: &[(&[&str], &str)] = &[
        (&["login", "node.example.com"], "http://127.0.0.1:7070"),
        (&["login", "http://127.0.0.1:1"], "--token-stdin"),
        (&["tenant", "create", "Acme!"], "the name of a tenant has"),
        (&["tenant", "create", "acme"], "there is a tenant `acme` already"),
        (&["tenant", "create", "x", "--quota", "job=3"], "did you mean `jobs`?"),
        (&["tenant", "create", "x", "--memory", "much"], "1GiB"),
        (&["tenant", "set", "acme"], "--jobs 20"),
        (&["tenant", "set", "acme", "--revoke", "/nothing"], "is not granted"),
        (&["tenant", "set", "acme", "--grant-read", "data/**"], "begins with `/`"),
        (&["tenant", "set", "nobody", "--jobs", "3"], "there is no such tenant"),
        (&["tenant", "use", "nobody"], "there is no such tenant"),
        (&["tenant", "delete", "acme"], "jobs"),
        (&["token", "create", "ci"], "--role"),
        (&["token", "create", "ci", "--role", "boss"], "viewer, operator, admin"),
        (&["token", "create", "ci", "--role", "admin", "--expires", "soon"], "1d"),
        (&["token", "revoke", "nothing"], "there is no such token"),
        (&["secret", "set", "key"], "the value is empty"),
        (&["secret", "delete", "key"], "there is no such secret"),
        (&["plugin", "push", "nothing.wasm"], "cannot read the component"),
        (&["plugin", "push", "no.wasm"], "`flowgate plugin build` makes one"),
        (&["plugin", "push", "my plugin.wasm"], "--name"),
        (&["plugin", "push", "my plugin.wasm", "--name", "mine"], "error"),
        (&["plugin", "show", "nothing"], "there is no such plugin"),
        (&["plugin", "show", "text@0"], "sensors@2"),
        (&["plugin", "delete", "text"], "text@1"),
        (&["plugin", "delete", "text@1"], "there is no such plugin version"),
        (&["job", "submit", "nothing.yaml"], "nothing.yaml"),
        (&["job", "submit", "job.yaml"], "change it, or delete it first"),
        (&["job", "submit", "job.yaml", "-p", "0"], "1..=256"),
        (&["job", "submit", "job.yaml", "--set", "sources"], "KEY=VALUE"),
        (&["job", "status", "nothing"], "there is no such job"),
        (&["job", "explain", "numbers", "nothing"], "in"),
        (&["job", "tap", "numbers", "nothing"], "in"),
        (&["job", "start", "numbers"], "runs"),
        (&["job", "delete", "numbers"], "stop or cancel it first"),
        (&["job", "rescale", "numbers", "-p", "100"], "parallelism"),
        (&["job", "rescale", "numbers"], "--parallelism"),
        (&["job", "change", "numbers", "nothing.yaml"], "nothing.yaml"),
        (&["job", "logs", "numbers", "--level", "loud"], "trace, debug, info, warn, error"),
        (&["job", "history", "nothing"], "there is no such job"),
        (&["job", "checkpoints", "nothing"], "there is no such job"),
        (&["job", "rollback", "numbers"], "no swap that could be taken back"),
        (&["job", "swap", "numbers", "in", "text@1"], "there is no such"),
        (&["job", "swap", "numbers", "in", "text.wasm"], "flowgate plugin push"),
        (&["job", "savepoint", "numbers", "--name", "../x"], "a savepoint's name"),
        (&["job", "stop", "numbers", "--drain", "--savepoint=x"], "cannot be used with"),
        (&["job", "cancel", "nothing"], "there is no such job"),
        (&["whoami", "--node", "http://127.0.0.1:1"], "flowgate login"),
        (&["backup", "job.yaml"], "exists already"),
    ];
    let mut wrong = Vec::new();
    for (arguments, says) in cases {
        let ended = user.command(arguments).run();
        if ended.code() != Some(2) || !ended.stderr.contains(says) {
            wrong.push(format!("{arguments:?}: {:?}, without {says:?}: {}", ended.code(), ended.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Whatever was typed, the job is as it was.
    assert_eq!(user.json(&["job", "status", "numbers"])["attempt"], 1);
}

/// At a quota, the message names it, and the command that shows what is used of it.
#[test]
fn a_quota_is_named_where_it_is_reached() {
    let user = User::of_acme();
    let set = |quota: &str| {
        user.run(&["tenant", "set", "acme", "--quota", quota]);
    };
    let component = std::fs::read(plugin("text")).unwrap();
    user.folder.write("text.wasm", &component);
    user.folder.write("next.wasm", [&component[..], &[0, 2, 1, b'v']].concat());
    user.run(&["plugin", "push", "text.wasm"]);
    user.run(&["job", "submit", "job.yaml", "--wait"]);
    user.folder.write("other.yaml", NUMBERS.replace("job: numbers", "job: other"));
    let submit: &[&str] = &["job", "submit", "other.yaml"];
    let push: &[&str] = &["plugin", "push", "next.wasm", "--name", "text"];
    // There is something in the job's store.
    user.run(&["job", "savepoint", "numbers", "--name", "first"]);
    let savepoint: &[&str] = &["job", "savepoint", "numbers"];
    let cases: [(&str, &str, &[&str]); 9] = [
        ("checkpoint_bytes=1", "checkpoint_bytes", savepoint),
        ("jobs=1", "jobs", submit),
        ("jobs_stored=1", "jobs_stored", submit),
        ("workers=1", "workers", submit),
        ("memory_bytes=512MiB", "memory_bytes", submit),
        ("parallelism=1", "parallelism", &["job", "submit", "other.yaml", "-p", "2"]),
        ("plugins=1", "plugins", push),
        ("plugin_bytes=1", "plugin_bytes", push),
        ("tokens=0", "tokens", &["token", "create", "ci", "--role", "viewer"]),
    ];
    let before = user.json(&["tenant", "show"])["quotas"].clone();
    for (quota, name, command) in cases {
        set(quota);
        let refused = user.fails(command, 2);
        assert!(refused.contains(name) && refused.contains("flowgate tenant usage"), "{quota}: {refused}");
        set(&format!("{name}={}", before[name]));
    }
    user.run(submit);
    user.run(push);
    // What comes too fast is made again when there is room. The administrator's own token has another rate.
    set("requests_per_s=1");
    let token = user.run(&["token", "create", "ci", "--role", "viewer"]).stdout;
    let list = || user.command(&["job", "list"]).env("FLOWGATE_TOKEN", token.trim()).run().expect(0).stderr;
    let said: String = (0..6).map(|_| list()).collect();
    assert!(said.contains("tried again in 1 second"), "{said}");
}
