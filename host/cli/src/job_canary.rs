//! `flowgate job swap --canary`, of jobs on this machine.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use signal_hook::consts::SIGINT;

use super::canary;
use super::terminal::{self, Line};
use flowgate_base::error::{Error, Result};
use flowgate_control::canary::{CanaryReport, CanaryRequest};
use flowgate_control::client::{self, AskError};
use flowgate_control::place::Found;

/// Why a canary has ended whose job has ended without a word.
const GONE: &str = "the job has ended";

/// The exit code of a command that was interrupted twice.
const INTERRUPTED: i32 = 130;

/// Runs a canary until its time is over, and prints what it has found. Ctrl-C ends it before.
///
/// # Errors
/// The new version does not fit, or does something else.
pub(super) fn run(
    job: &Found,
    request: CanaryRequest,
    as_json: bool,
    unanswered: &dyn Fn(AskError) -> Error,
) -> Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let cannot = |e| Error::io("cannot handle signals", &e);
    // The second one ends the command at once.
    signal_hook::flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&interrupted)).map_err(cannot)?;
    signal_hook::flag::register(SIGINT, Arc::clone(&interrupted)).map_err(cannot)?;
    let mut comparing = client::canary(job, request).map_err(unanswered)?;
    let ends = comparing.ends().map_err(|e| Error::io("cannot end the canary", &e))?;
    let is_watched = std::io::stderr().is_terminal();
    let mut line = Line::on_stderr(is_watched);
    let mut last: Option<CanaryReport> = None;
    let found = loop {
        match (comparing.report(), last.take()) {
            (Ok(Some(report)), before) => {
                line.draw(&canary::progress(&report));
                // In a log, a line when it begins, and one at the first difference.
                let was_equal = before.as_ref().map(CanaryReport::is_equal);
                if !is_watched && was_equal != Some(report.is_equal()) {
                    terminal::message(&format!("{}\n", canary::progress(&report)));
                }
                last = Some(report);
            }
            (Ok(None), Some(report)) => break report,
            (Err(AskError::Gone), Some(report)) => break CanaryReport { ended: Some(GONE.into()), ..report },
            (Ok(None), None) => return Err(unanswered(AskError::Confused)),
            (Err(error), _) => return Err(unanswered(error)),
        }
        if interrupted.load(Relaxed) {
            ends.end();
        }
    };
    line.erase();
    canary::conclude(&found, as_json)
}
