//! `flowgate job stop`.

use clap::Args;

use super::error::CommandError;
use super::job_found::{self, JobName};
use super::{explain, terminal};
use flowgate_base::error::{Error, Result};
use flowgate_control::client::{self, AskError};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate job stop payments
  flowgate job stop payments --drain
  flowgate job stop 4711 --no-wait

Prints the summary of the job when it has ended, and ends with the exit code of the job.";

/// Arguments of `flowgate job stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The job.
    #[command(flatten)]
    job: JobName,
    /// Windows that are open emit the results that they have so far. Without it they emit none.
    #[arg(long)]
    drain: bool,
    /// Request the stop, and do not wait for the end of the job.
    #[arg(long)]
    no_wait: bool,
}

pub(super) fn run(args: &StopArgs) -> Result<()> {
    let job = job_found::find(&args.job)?;
    let unanswered = |error| job_found::no_answer(&job, error);
    let stopped = client::stop(&job, args.drain, !args.no_wait).map_err(unanswered)?;
    if args.drain && !stopped.drains {
        terminal::message("note: the job was being stopped already, without `--drain`: open windows emit nothing\n");
    }
    if args.no_wait {
        let how = if stopped.drains { ", and open windows emit their results" } else { "" };
        return terminal::print(&format!("{} (process {}) is stopping{how}\n", job.name, job.pid));
    }
    let ended = match stopped.wait() {
        Ok(ended) => ended,
        Err(AskError::Gone) => {
            let message =
                format!("the job {} (process {}) ended without saying how; was it killed?", job.name, job.pid);
            return Err(CommandError::EndUnknown(message).into());
        }
        Err(error) => return Err(unanswered(error)),
    };
    terminal::print(&ended.summary)?;
    match ended.error {
        None => Ok(()),
        Some(error) => Err(match explain::known(&error.code) {
            Some(code) => Error { code, operator: error.operator, message: error.message },
            // A job of another version of Flowgate.
            None => CommandError::EndUnknown(format!("error {} in the job: {}", error.code, error.message)).into(),
        }),
    }
}
