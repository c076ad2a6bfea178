//! Tests of taps.

use super::super::watched_job::WatchedJob;
use super::super::*;
use crate::client::{self, AskError};

fn wanted(operator: &str, rows_max: Option<u64>) -> Tap {
    Tap { operator: operator.into(), output: String::new(), rows_max, rows_per_s: 10 }
}

#[test]
fn a_tap_ends_after_its_rows() {
    let (_folder, subject, _server, found) = WatchedJob::start();
    let mut tapping = client::tap(&found, wanted("rows", Some(3))).unwrap();
    let (mut rows, mut lost) = (Vec::new(), 0);
    while let Some(tapped) = tapping.rows().unwrap() {
        rows.extend(tapped.rows);
        lost += tapped.lost_rows;
    }
    assert_eq!(rows, ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}"]);
    assert_eq!(lost, 3, "one that came with each answer, and the fourth");
    subject.wait_until_none_is_open();
    assert!(
        matches!(client::tap(&found, wanted("none", None)), Err(AskError::Refused(r)) if r.reason == Reason::NoTap)
    );
}

/// Goal: whoever goes leaves no tap behind. Method: one whose output is silent, one that does not read what comes.
#[test]
fn a_client_that_goes_ends_its_tap() {
    let (_folder, subject, _server, found) = WatchedJob::start();
    for operator in ["silent", "rows"] {
        let tapping = client::tap(&found, wanted(operator, None)).unwrap();
        assert_eq!(subject.open(), 1);
        drop(tapping);
        subject.wait_until_none_is_open();
    }
}

#[test]
fn taps_leave_room_for_other_questions_and_end_with_the_job() {
    let (_folder, subject, server, found) = WatchedJob::start();
    let mut taps: Vec<_> =
        (0..crate::limits::TAPS_MAX).map(|_| client::tap(&found, wanted("silent", None)).unwrap()).collect();
    let more = client::tap(&found, wanted("silent", None));
    assert!(matches!(more, Err(AskError::Refused(r)) if r.reason == Reason::TooMany));
    assert!(client::stop(&found, true, false, None).unwrap().drains);
    server.end(Ended { summary: "done".into(), error: None });
    for tap in &mut taps {
        assert!(tap.rows().unwrap().is_some_and(|tapped| tapped.is_last));
        assert!(tap.rows().unwrap().is_none());
    }
    subject.wait_until_none_is_open();
}
