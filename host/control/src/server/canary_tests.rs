//! Tests of canaries: of a job that finds a row at every look.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use super::super::*;
use crate::canary::MILLION;
use crate::client::{self, AskError, Comparing};
use crate::place::Found;

/// A job that counts its canaries.
#[derive(Default)]
struct Compared {
    open: Arc<AtomicUsize>,
}

struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Subject for Compared {
    fn status(&self) -> Status {
        unreachable!("nobody asks")
    }

    fn stop(&self, drain: bool) -> bool {
        drain
    }

    fn savepoint(&self, _name: &str, _stops: bool) -> Result<Savepoint, String> {
        unreachable!("nobody asks")
    }

    fn canary(&self, canary: &CanaryRequest) -> Result<CanaryReports, Refusal> {
        if canary.operator == "none" {
            return Err(Refusal { reason: Reason::SwapMisfit, message: "there is none".into() });
        }
        self.open.fetch_add(1, SeqCst);
        let (open, mut rows) = (Open(Arc::clone(&self.open)), 0);
        Ok(Box::new(move |why| {
            let _ = &open;
            rows += 1;
            CanaryReport { rows, ended: why.map(String::from), ..CanaryReport::default() }
        }))
    }
}

fn start() -> (tempfile::TempDir, Arc<Compared>, Server, Found) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::in_folders(vec![folder.path().into()]);
    let job = Arc::<Compared>::default();
    let about = About { job: "compared".into(), pid: std::process::id(), since_ms: 0, job_file: None };
    let server = Server::start(&place, about, Arc::clone(&job) as Arc<dyn Subject>).unwrap();
    let found = Found { path: server.path().into(), name: "compared".into(), pid: std::process::id() };
    (folder, job, server, found)
}

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

fn wait_until_none_is_open(job: &Compared) {
    let begun = Instant::now();
    while job.open.load(SeqCst) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_canary_ends_by_its_time_its_client_and_its_job() {
    let (_folder, job, server, found) = start();
    let mut by_time = client::canary(&found, wanted("f", 700)).unwrap();
    assert_eq!(last(&mut by_time).ended.unwrap(), "its time is over");
    let mut by_client = client::canary(&found, wanted("f", 3_000_000)).unwrap();
    assert_eq!(by_client.report().unwrap().unwrap().ended, None);
    by_client.ends().unwrap().end();
    assert_eq!(last(&mut by_client).ended.unwrap(), "it was ended");
    assert!(by_client.report().unwrap().is_none());
    wait_until_none_is_open(&job);
    let mut gone = client::canary(&found, wanted("f", 3_000_000)).unwrap();
    gone.report().unwrap().unwrap();
    drop(gone);
    wait_until_none_is_open(&job);
    let mut by_job = client::canary(&found, wanted("f", 3_000_000)).unwrap();
    by_job.report().unwrap().unwrap();
    drop(server);
    assert_eq!(last(&mut by_job).ended.unwrap(), "the job has ended");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (_folder, _job, _server, found) = start();
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
