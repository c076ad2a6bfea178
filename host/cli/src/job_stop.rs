//! `flowgate job stop`.

use clap::Args;

use super::error::CommandError;
use super::job_found::{self, JobName};
use super::node::session::Where;
use super::{explain, job_savepoint, node, terminal};
use flowgate_base::error::{Error, Result};
use flowgate_control::client::{self, AskError};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate job stop payments
  flowgate job stop payments --drain
  flowgate job stop payments --savepoint=before-upgrade
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
    /// The job stops with a savepoint, from which a changed job can start: `flowgate run JOB.yaml --from STORE#NAME`. Without NAME, it is
    /// called after the present time.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, conflicts_with = "drain",
          value_parser = job_savepoint::name)]
    savepoint: Option<Option<String>>,
    /// Request the stop, and do not wait for the end of the job.
    #[arg(long)]
    no_wait: bool,
    /// Where the job is.
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(args: &StopArgs) -> Result<()> {
    let savepoint = args.savepoint.clone().map(|name| name.unwrap_or_else(job_savepoint::default_name));
    if let Some(session) = args.at.node()? {
        return node::job_end::stop(&session, args.job.job.as_deref(), args.drain, savepoint, !args.no_wait);
    }
    let job = job_found::find(&args.job)?;
    let unanswered = |error| job_found::no_answer(&job, error);
    let stopped = client::stop(&job, args.drain, !args.no_wait, savepoint).map_err(unanswered)?;
    let saved = stopped.savepoint.clone();
    if args.drain && !stopped.drains {
        terminal::message("note: the job was being stopped already, without `--drain`: open windows emit nothing\n");
    }
    if args.no_wait {
        let how = match saved {
            Some(address) => format!(" with the savepoint {address}"),
            None if stopped.drains => ", and open windows emit their results".into(),
            None => String::new(),
        };
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
        None => saved.map_or(Ok(()), |address| terminal::print(&job_savepoint::next_step(&address))),
        Some(error) => Err(match explain::known(&error.code) {
            Some(code) => Error { code, operator: error.operator, message: error.message },
            // A job of another version of Flowgate.
            None => CommandError::EndUnknown(format!("error {} in the job: {}", error.code, error.message)).into(),
        }),
    }
}
