//! A job for tests of what lasts: it has a row at every look, and counts its taps and canaries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::*;
use crate::place::Found;

/// The job.
#[derive(Default)]
pub(super) struct WatchedJob {
    open: Arc<AtomicUsize>,
}

/// Counts a tap or a canary that lasts.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl WatchedJob {
    /// Starts a job that answers, in a folder of its own.
    pub(super) fn start() -> (tempfile::TempDir, Arc<WatchedJob>, Server, Found) {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::in_folders(vec![folder.path().into()]);
        let job = Arc::<WatchedJob>::default();
        let about = About { job: "watched".into(), pid: 7, since_ms: 1, job_file: None };
        let server = Server::start(&place, about, Arc::clone(&job) as Arc<dyn Subject>).unwrap();
        let found = Found { path: server.path().into(), name: "watched".into(), pid: 7 };
        (folder, job, server, found)
    }

    fn opened(&self) -> Open {
        self.open.fetch_add(1, SeqCst);
        Open(Arc::clone(&self.open))
    }

    /// How many taps and canaries last.
    pub(super) fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    #[track_caller]
    pub(super) fn wait_until_none_is_open(&self) {
        let begun = Instant::now();
        while self.open() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "it stays");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Subject for WatchedJob {
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
        let open = self.opened();
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

    fn canary(&self, canary: &CanaryRequest) -> Result<CanaryReports, Refusal> {
        if canary.operator == "none" {
            return Err(Refusal { reason: Reason::SwapMisfit, message: "there is none".into() });
        }
        let (open, mut rows) = (self.opened(), 0);
        Ok(Box::new(move |why| {
            let _ = &open;
            rows += 1;
            CanaryReport { rows, ended: why.map(String::from), ..CanaryReport::default() }
        }))
    }
}
