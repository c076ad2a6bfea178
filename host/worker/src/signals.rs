//! Signals of a worker process: SIGTERM and SIGINT stop the job, with its last checkpoint; SIGHUP does nothing.

use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::assignment::Level;
use crate::log::Log;
use flowgate::running::JobState;
use flowgate_base::error::{Error, Result};

/// Whether the job is to stop; and the job, when it runs.
#[derive(Default)]
pub(crate) struct Stop(Mutex<(bool, Option<Arc<JobState>>)>);

impl Stop {
    fn request(&self) {
        let mut stop = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stop.0 = true;
        stop.1.iter().for_each(|job| job.request_stop());
    }

    /// Stops this job from now on; at once, if that was requested before.
    pub(crate) fn attach(&self, job: &Arc<JobState>) {
        let mut stop = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stop.1 = Some(Arc::clone(job));
        if stop.0 {
            job.request_stop();
        }
    }
}

/// Handles signals on a thread of its own while the process runs. The end of the node, and of its terminal, is not the end of the job.
///
/// # Errors
/// The system refuses.
pub(crate) fn listen(log: &Arc<Log>) -> Result<Arc<Stop>> {
    let stop = Arc::<Stop>::default();
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|e| Error::io("cannot handle signals", &e))?;
    let (theirs, log) = (Arc::clone(&stop), Arc::clone(log));
    let handle = move || {
        for signal in signals.forever().filter(|signal| *signal != SIGHUP) {
            log.say(Level::Info, format!("stopping, as signal {signal} requested"));
            theirs.request();
        }
    };
    let thread = std::thread::Builder::new().name("flowgate-signals".into()).spawn(handle);
    thread.map(|_| stop).map_err(|e| Error::io("cannot start a thread for signals", &e))
}
