//! Tests of taps: of a job whose output has a row at every look.

use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use super::super::*;
use crate::client::{self, AskError};
use crate::place::Found;

/// A job that counts its taps.
#[derive(Default)]
struct TappedJob {
    open: Arc<AtomicUsize>,
}

/// Counts a tap that lasts.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Subject for TappedJob {
    fn status(&self) -> Status {
        unreachable!("nobody asks")
    }

    fn stop(&self, drain: bool) -> bool {
        drain
    }

    fn savepoint(&self, _name: &str, _stops: bool) -> Result<Savepoint, String> {
        unreachable!("nobody asks")
    }

    fn tap(&self, wanted: &Tap) -> Result<TappedOutput, String> {
        if wanted.operator == "none" {
            return Err("there is none".into());
        }
        self.open.fetch_add(1, SeqCst);
        let open = Open(Arc::clone(&self.open));
        let (silent, mut row) = (wanted.operator == "silent", 0);
        Ok(Box::new(move |within| {
            let _ = &open;
            if silent {
                std::thread::sleep(within);
                return Tapped::default();
            }
            row += 2;
            let rows = vec![format!("{{\"n\":{}}}", row - 2), format!("{{\"n\":{}}}", row - 1)];
            Tapped { rows, lost_rows: 1, is_last: false }
        }))
    }
}

fn start() -> (tempfile::TempDir, Arc<TappedJob>, Server, Found) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::in_folders(vec![folder.path().into()]);
    let subject = Arc::<TappedJob>::default();
    let about = About { job: "tapped".into(), pid: 7, since_ms: 1, job_file: None };
    let server = Server::start(&place, about, Arc::clone(&subject) as Arc<dyn Subject>).unwrap();
    let found = Found { path: server.path().into(), name: "tapped".into(), pid: 7 };
    (folder, subject, server, found)
}

fn wanted(operator: &str, rows_max: Option<u64>) -> Tap {
    Tap { operator: operator.into(), output: String::new(), rows_max, rows_per_s: 10 }
}

fn wait_until_none(subject: &TappedJob) {
    let start = Instant::now();
    while subject.open.load(SeqCst) > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "the tap stays");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_tap_ends_after_its_rows() {
    let (_folder, subject, _server, found) = start();
    let mut tapping = client::tap(&found, wanted("rows", Some(3))).unwrap();
    let (mut rows, mut lost) = (Vec::new(), 0);
    while let Some(tapped) = tapping.rows().unwrap() {
        rows.extend(tapped.rows);
        lost += tapped.lost_rows;
    }
    assert_eq!(rows, ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}"]);
    assert_eq!(lost, 3, "one that came with each answer, and the fourth");
    wait_until_none(&subject);
    assert!(
        matches!(client::tap(&found, wanted("none", None)), Err(AskError::Refused(r)) if r.reason == Reason::NoTap)
    );
}

/// Goal: whoever goes leaves no tap behind. Method: one whose output is silent, one that does not read what comes.
#[test]
fn a_client_that_goes_ends_its_tap() {
    let (_folder, subject, _server, found) = start();
    for operator in ["silent", "rows"] {
        let tapping = client::tap(&found, wanted(operator, None)).unwrap();
        assert_eq!(subject.open.load(SeqCst), 1);
        drop(tapping);
        wait_until_none(&subject);
    }
}

#[test]
fn taps_leave_room_for_other_questions_and_end_with_the_job() {
    let (_folder, subject, server, found) = start();
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
    wait_until_none(&subject);
}
