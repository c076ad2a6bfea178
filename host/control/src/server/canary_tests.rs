//! Tests of canaries.

use super::super::watched_job::WatchedJob;
use super::super::*;
use crate::canary::MILLION;
use crate::client::{self, AskError, Comparing};

fn wanted(operator: &str, for_ms: u64) -> CanaryRequest {
    CanaryRequest {
        operator: operator.into(),
        path: "/new.wasm".into(),
        share_ppm: MILLION,
        for_ms,
        ..CanaryRequest::default()
    }
}

fn last(comparing: &mut Comparing) -> CanaryReport {
    let mut last = CanaryReport::default();
    while let Some(report) = comparing.report().unwrap() {
        assert!(report.rows > last.rows);
        last = report;
    }
    last
}

#[test]
fn a_canary_ends_by_its_time_its_client_and_its_job() {
    let (_folder, job, server, found) = WatchedJob::start();
    let mut by_time = client::canary(&found, wanted("f", 700)).unwrap();
    assert_eq!(last(&mut by_time).ended.unwrap(), "its time is over");
    let mut by_client = client::canary(&found, wanted("f", 3_000_000)).unwrap();
    assert_eq!(by_client.report().unwrap().unwrap().ended, None);
    by_client.ends().unwrap().end();
    assert_eq!(last(&mut by_client).ended.unwrap(), "it was ended");
    assert!(by_client.report().unwrap().is_none());
    job.wait_until_none_is_open();
    let mut gone = client::canary(&found, wanted("f", 3_000_000)).unwrap();
    gone.report().unwrap().unwrap();
    drop(gone);
    job.wait_until_none_is_open();
    let mut by_job = client::canary(&found, wanted("f", 3_000_000)).unwrap();
    by_job.report().unwrap().unwrap();
    drop(server);
    assert_eq!(last(&mut by_job).ended.unwrap(), "the job has ended");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (_folder, _job, _server, found) = WatchedJob::start();
    let refused = |request: CanaryRequest| {
        let refused = client::canary(&found, request).and_then(|mut comparing| comparing.report()).unwrap_err();
        let AskError::Refused(refusal) = refused else { panic!("{refused}") };
        refusal.message
    };
    assert_eq!(refused(wanted("none", 1)), "there is none");
    for share_ppm in [0, MILLION + 1] {
        let message = refused(CanaryRequest { share_ppm, ..wanted("f", 1) });
        assert_eq!(message, "the share of a canary is over 0% and at most 100%");
    }
    for for_ms in [0, 3_600_001] {
        assert_eq!(refused(wanted("f", for_ms)), "a canary runs for at most 3600 s");
    }
}
