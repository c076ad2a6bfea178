//! Signals of a running job: the first stop ends it cleanly, the second without delay; SIGUSR1 shows its state.

use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::{dump, terminal};
use flowgate::job::graph::JobGraph;
use flowgate::running::JobState;
use flowgate_base::error::{Error, Result};

/// The exit code of a process that was interrupted twice.
const INTERRUPTED: i32 = 130;

/// What a stop does with open windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenWindows {
    /// They emit no result, and the summary counts them.
    Dropped,
    /// They emit the results that they have so far.
    Drained,
}

/// Handles signals on a thread of its own while the process runs.
///
/// SIGHUP stops a job as SIGINT and SIGTERM do, but never ends it without delay: a terminal that closes may send it twice. Where
/// it was ignored when the program was started, as under `nohup`, it stays ignored.
pub(super) fn listen(graph: JobGraph, state: Arc<JobState>, windows: OpenWindows) -> Result<()> {
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    let handled = [SIGINT, SIGTERM, SIGUSR1].into_iter().chain(hangup);
    let mut signals = Signals::new(handled).map_err(|e| Error::io("cannot handle signals", &e))?;
    let handle = move || {
        let mut is_stopping = false;
        for signal in signals.forever() {
            match signal {
                SIGUSR1 => terminal::message(&dump::of(&graph, &state)),
                SIGHUP if is_stopping => {}
                _ if is_stopping => std::process::exit(INTERRUPTED),
                _ => {
                    is_stopping = true;
                    stop(&state, windows);
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("flowgate-signals".into()).spawn(handle);
    thread.map(drop).map_err(|e| Error::io("cannot start a thread for signals", &e))
}

fn stop(state: &JobState, windows: OpenWindows) {
    match windows {
        OpenWindows::Dropped => {
            terminal::message("\nstopping; Ctrl-C again ends the job at once\n");
            state.request_stop();
        }
        OpenWindows::Drained => {
            terminal::message("\nstopping, open windows emit their results; Ctrl-C again ends the job at once\n");
            state.request_drain();
        }
    }
}

/// Whether the process was started with this signal ignored, by the mask `SigIgn` of Linux's `/proc/self/status`; false where
/// there is none.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}
