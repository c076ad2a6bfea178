//! New versions of functions beside those of jobs on a node, from the command line to the history.

use std::thread::sleep;
use std::time::Duration;

use harness::{Ended, Flowgate, Signal};
use serde_json::{Value, json};

use crate::served::Served;

const JOB: &str = "\
job: numbers
sources: { rows: { generator: { rate: 10000, batch_rows: 100, columns: { x: { sequence: {} } } } } }
operators: { made: { input: rows, plugin: p, function: f } }
sinks: { out: { input: made, blackhole: {} } }
";

/// A transform whose `y` is `x`, but what `odd` leaves where ten divides it.
fn component(odd: &str) -> Vec<u8> {
    flowgate_hostile::made_of(&format!(
        "(if (result i64) (i64.eqz (i64.rem_s (local.get $x) (i64.const 10))) (then {odd}) (else (local.get $x)))"
    ))
}

fn flowgate(served: &Served, token: &str, arguments: &[&str]) -> Flowgate {
    let node = format!("http://{}", served.address);
    let command = Flowgate::new(served.path(), arguments).env("FLOWGATE_NODE", node);
    command.env("FLOWGATE_TOKEN", token).env("FLOWGATE_TENANT", "acme")
}

fn canary(served: &Served, token: &str, version: &str, more: &[&str]) -> Ended {
    flowgate(served, token, &[&["job", "swap", "numbers", "made", version, "--canary"][..], more].concat()).run()
}

/// A user compares pushed versions with that of a job, ends a canary, and finds all of it in the history; nothing of the job changes.
#[test]
fn versions_are_compared_on_a_node() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({}));
    for odd in ["(local.get $x)", "(i64.const -7)", "(i64.add (local.get $x) (i64.const 0))"] {
        served.push_component(&token, "acme", "p", &component(odd)).expect(201);
    }
    served.submit(&token, "acme", &JOB.replace("plugin: p", "plugin: p@1"));
    served.wait_for_phase(&token, "acme", "numbers", "running");
    let same = canary(&served, &token, "p@3", &["100%", "--for", "1s"]).expect(0).stdout;
    assert!(same.contains("p@3 beside p@1\n") && same.contains("were compared (its time is over)"), "{same}");
    let odd = canary(&served, &token, "p@2", &["50%", "--for", "1s"]).expect(1);
    assert!(odd.stderr.contains("FG0709") && odd.stdout.contains(" -> -7\n"), "{}\n{}", odd.stdout, odd.stderr);
    canary(&served, &token, "p@1", &["5%"]).expect(2).saying("runs with p@1 already");

    let path = "/api/v1/tenants/acme/jobs/numbers/canary";
    served.ask(&token, "DELETE", path, None).expect(409);
    for wrong in [
        json!({ "share": 0.0 }),
        json!({ "share": 1.1 }),
        json!({ "share": 0.1, "for_s": 0 }),
        json!({ "share": 0.1, "for_s": 3_601 }),
    ] {
        let mut body = json!({ "operator": "made", "plugin": "p@2" });
        wrong.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        served.ask(&token, "POST", path, Some(&body)).expect(422);
    }
    let body = json!({ "operator": "made", "plugin": "p@2", "share": 1.0, "for_s": 3_600 });
    let begun = served.ask(&token, "POST", path, Some(&body)).expect(202);
    let of_operation = format!("/api/v1/tenants/acme/operations/{}", begun["id"].as_str().unwrap());
    let step = || served.ask(&token, "GET", &of_operation, None).expect(200)["step"].as_str().unwrap().to_string();
    while !step().contains("rows and the state of 0 keys differ") {
        sleep(Duration::from_millis(50));
    }
    let of_job = "/api/v1/tenants/acme/operations?job=numbers&kind=canary&limit=1";
    let newest = &served.ask(&token, "GET", of_job, None).expect(200)["items"][0];
    let so_far = &newest["so_far"];
    assert_eq!((&newest["id"], &so_far["share"], &so_far["for_s"]), (&begun["id"], &json!(1.0), &json!(3_600)));
    assert_eq!((&so_far["to"], &so_far["found"]["differences"][0]["columns"][0]["new"]), (&json!("p@2"), &json!("-7")));
    let second = served.ask(&token, "POST", path, Some(&body)).expect(202);
    let problem = &served.end_of(&token, "acme", &second)["problem"];
    assert!(problem["detail"].as_str().unwrap().contains("a canary of "), "{problem}");
    served.ask(&token, "DELETE", path, None).expect(204);
    let end = served.end_of(&token, "acme", &begun);
    assert_eq!(end["result"]["found"]["ended"], "it was ended", "{end:#}");
    assert_eq!(end["result"]["found"]["differences"][0]["columns"][0]["new"], "-7");

    let long = ["job", "swap", "numbers", "made", "p@2", "--canary", "100%", "--for", "1h"];
    let mut by_user = flowgate(&served, &token, &long).start();
    let lines = by_user.lines();
    by_user.wait_until_it_handles(Signal::INT);
    by_user.signal(Signal::INT);
    // With a difference, or before the first one.
    assert!(matches!(by_user.wait().code(), Some(0 | 1)));
    let printed = lines.rest().join("\n");
    assert!(printed.contains("(it was ended)"), "{printed}");

    let history = served.ask(&token, "GET", "/api/v1/tenants/acme/jobs/numbers/history", None).expect(200);
    let of_canaries: Vec<&Value> =
        history["items"].as_array().unwrap().iter().filter(|event| event["kind"] == "canary").collect();
    assert_eq!(of_canaries.len(), 4, "{history:#}");
    let first = of_canaries[3]["text"].as_str().unwrap();
    assert!(first.starts_with("a canary of `made`, p@3 beside p@1: ") && first.contains("no differences"), "{first}");
    assert_eq!(of_canaries[0]["by"], "admin");
    let job = served.job(&token, "acme", "numbers");
    assert_eq!((&job["phase"], &job["attempt"]), (&json!("running"), &json!(1)), "{job:#}");
    assert!(!served.logs(&token, "acme", "numbers").contains("panicked"));
}
