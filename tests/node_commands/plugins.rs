//! The registry of plugins.

use harness::plugin;

use crate::user::User;

/// A component is pushed, shown with what it has, and deleted when no job uses it.
#[test]
fn a_plugin_is_pushed_shown_and_deleted() {
    let user = User::of_acme();
    user.run(&["plugin", "list"]).saying("`flowgate plugin push FILE.wasm` adds one");
    let component = std::fs::read(plugin("text")).unwrap();
    user.folder.write("text.wasm", &component);
    let pushed = user.run(&["plugin", "push", "text.wasm"]);
    let pushed =
        pushed.printing("text@1").printing("sha256").printing("split_words").printing("contract").printing("imports");
    user.run(&["plugin", "push", "text.wasm"]).saying("is the newest version already");
    user.folder.write("next.wasm", [&component[..], &[0, 2, 1, b'v']].concat());
    user.run(&["plugin", "push", "next.wasm", "--name", "text"]).printing("text@2");
    let shown = user.json(&["plugin", "show", "text"]);
    assert_eq!((&shown["version"], &shown["pushed_by"]), (&2.into(), &"first".into()));
    let all = user.json(&["plugin", "list"]);
    let [first, second] = &all.as_array().unwrap()[..] else { panic!("{all:#}") };
    assert_eq!((&second["version"], &first["version"]), (&2.into(), &1.into()));
    assert!(first["digest"].as_str().is_some_and(|of| pushed.stdout.contains(of)), "{first:#}");
    user.run(&["plugin", "list", "text"]).printing("text@1").printing("text@2");
    user.run(&["plugin", "show", "text@1"]).printing("text@1");

    let job = "\
job: words
sources: { lines: { generator: { rate: 10, columns: { text: { words: 3 } } } } }
operators: { words: { input: lines, plugin: text@1, function: split_words } }
sinks: { out: { input: words, blackhole: {} } }
";
    user.folder.write("job.yaml", job);
    user.run(&["job", "submit", "job.yaml"]);
    let used = user.fails(&["plugin", "delete", "text@1"], 2);
    assert!(used.contains("words"), "the refusal names the job: {used}");
    user.run(&["plugin", "delete", "text@2"]).printing("deleted text@2");
    user.run(&["job", "cancel", "words"]);
    user.run(&["job", "delete", "words"]);
    user.run(&["plugin", "delete", "text@1"]);
    // A number is not used again.
    user.run(&["plugin", "push", "text.wasm"]).printing("text@3");
}
