//! Swaps by commands.

use harness::{Counter, counted};

use crate::user::User;

fn swap(user: &User, version: &str, more: &[&str]) -> harness::Ended {
    user.command(&[&["job", "swap", "counted", "counted", version][..], more].concat()).run()
}

/// A user tries a new version, sees why it would be refused, swaps, and is told how to go back.
#[test]
fn a_function_is_tried_swapped_and_refused_with_what_to_do() {
    let user = User::of_acme();
    user.submit_counted();
    for version in [Counter::Picky, Counter::OtherColumn, Counter::Second] {
        user.push(version);
    }
    let why = "10 of 10 values of the state slot `rows` cannot be migrated from version 1 to 2: ";
    swap(&user, "counter@2", &["--dry-run"])
        .expect(2)
        .printing(why)
        .printing("too many rows")
        .saying("would be refused");
    let refused = swap(&user, "counter@2", &[]).expect(2).saying("the old version stays on all workers");
    refused.saying("10 values of the state slot `rows` cannot be migrated: too many rows");
    for more in [&["--dry-run"][..], &[]] {
        swap(&user, "counter@3", more).expect(2).saying("others read `counted`").saying("release: int64");
    }
    let of = |arguments: &[&str]| user.fails(&[&["job", "swap"], arguments].concat(), 2);
    let other = of(&["counted", "a", "counter@4"]);
    assert!(other.contains("these do: counted"), "{other}");
    assert!(of(&["counted", "counted", "counter@9"]).contains("there is no such plugin version"));
    assert!(of(&["counted", "counted", "counter@x"]).contains("sensors@2"));
    assert!(of(&["counted", "counted", "counter@1"]).contains("runs with counter@1 already"));
    assert!(of(&["nobody", "counted", "counter@4"]).contains("there is no such job"));
    assert!(of(&["counted", "counted", "counter@4", "--rollback-over", "5"]).contains("5%"));

    let tried = swap(&user, "counter@4", &["--dry-run"]).expect(0);
    let tried = tried
        .printing("counter@1 -> counter@4")
        .printing("10 values of the state slot `rows` are migrated from version 1 to 2");
    tried.printing("run it again without --dry-run");
    // The newest version needs no number.
    let swapped = swap(&user, "counter", &[])
        .expect(0)
        .printing("counted: counter@1 -> counter@4, gap ")
        .printing("10 values migrated");
    let savepoint = swapped.stdout.split("savepoint ").nth(1).expect("a swap has one").trim().to_string();
    let back = user.fails(&["job", "rollback", "counted"], 2);
    assert!(back.contains(&savepoint), "the refusal names the savepoint {savepoint}: {back}");
    let history = user.run(&["job", "history", "counted"]);
    history
        .printing("swapped from counter@1 to counter@4: gap ")
        .printing("the swap of `counted` to counter@2 was refused");
    user.run(&["job", "status", "counted"]).printing("counter@4");
    user.wait_for_checkpoint("counted");
    user.run(&["job", "stop", "counted"]);
    counted(&user.files("counted").join("out"), &[1, 2]);
}

/// A swap is taken back once, and the way back is no swap.
#[test]
fn a_swap_is_taken_back() {
    let user = User::of_acme();
    user.submit_counted();
    let none = user.fails(&["job", "rollback", "counted"], 2);
    assert!(none.contains("has no swap that could be taken back"), "{none}");
    // The same function, known by another content.
    user.folder.write("counter.wasm", [&Counter::First.component()[..], &[0, 2, 1, b'v']].concat());
    user.run(&["plugin", "push", "counter.wasm"]);
    swap(&user, "counter@2", &[]).expect(0);
    user.run(&["job", "rollback", "counted"]).printing("counter@2 -> counter@1, the way back");
    user.fails(&["job", "rollback", "counted"], 2);
    user.run(&["job", "stop", "counted"]);
    counted(&user.files("counted").join("out"), &[1]);
}
