//! Quotas of what jobs leave behind: enforced by what is so, shown as it was some seconds ago at most.

use std::fs;

use harness::wait_until;
use serde_json::json;

use crate::access::ENDLESS;
use crate::served::Served;

/// Goal: the quota of checkpoints is enforced by what the store has now, however lately somebody has asked for the usage, and both the usage
/// and the metrics follow. Method: the usage is asked, the store of a job that rests grows, and a job is submitted behind it.
#[test]
fn a_store_that_has_grown_is_seen_at_once() {
    let served = Served::start();
    let token = served.tenant("acme", &json!({}));
    let used = || {
        let usage = served.ask(&token, "GET", "/api/v1/tenants/acme/usage", None).expect(200);
        usage["checkpoint_bytes"].as_u64().expect("bytes")
    };
    served.submit(&token, "acme", &ENDLESS.replace("web", "first"));
    served.wait_for_phase(&token, "acme", "first", "running");
    served.stop(&token, "acme", "first");
    wait_until("the usage does not have the last checkpoint", || used() > 0);
    let before = used();
    fs::write(served.data().join("jobs/acme/first/checkpoints/grown"), [0; 10_000]).expect("it is ours");
    let limit = |bytes: u64| {
        let request = json!({ "quotas": { "checkpoint_bytes": bytes } });
        served.ask(&served.admin, "PATCH", "/api/v1/tenants/acme", Some(&request)).expect(200);
    };
    let submit = || {
        let request = json!({ "document": ENDLESS.replace("web", "second") });
        served.ask(&token, "POST", "/api/v1/tenants/acme/jobs", Some(&request))
    };
    limit(before);
    let refused = submit();
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(
        refused.text().contains(&format!("the tenant's quota `checkpoint_bytes` is {before}")),
        "{}",
        refused.text()
    );
    limit(1 << 30);
    assert_eq!(submit().status, 201);

    wait_until("the usage does not follow", || used() >= before + 10_000);
    let gauge = "flowgate_quota_used{tenant=\"acme\",quota=\"checkpoint_bytes\"} ";
    wait_until("the metrics do not follow", || {
        let page = served.ask(&token, "GET", "/metrics", None).text();
        let value = page.lines().find_map(|line| line.strip_prefix(gauge)).map(str::to_string);
        value.and_then(|value| value.parse::<f64>().ok()).is_some_and(|bytes| bytes > before as f64)
    });
    served.ask(&token, "POST", "/api/v1/tenants/acme/jobs/second/cancel", None).expect(202);
    served.wait_for_phase(&token, "acme", "second", "stopped");
    for job in ["first", "second"] {
        served.ask(&token, "DELETE", &format!("/api/v1/tenants/acme/jobs/{job}"), None).expect(204);
    }
    assert_eq!(used(), 0, "what is deleted takes nothing");
}
