//! `flowgate savepoint`, which is `flowgate job savepoint` too.

use clap::Args;

use super::checkpoint_record::bytes;
use super::job_found::{self, JobName};
use super::node::session::Where;
use super::{node, terminal};
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_control::client;
use flowgate_control::explain::words;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate savepoint payments
  flowgate savepoint payments --name before-upgrade
  flowgate job stop payments --savepoint=before-upgrade
  flowgate check new-job.yaml --from './checkpoints#before-upgrade'
  flowgate run new-job.yaml --from './checkpoints#before-upgrade'

A savepoint is a checkpoint that stays until somebody deletes it, and from which a changed job can start. It is in the checkpoint \
store of the job. The job goes on.";

/// Arguments of `flowgate savepoint`.
#[derive(Debug, Args)]
pub(crate) struct SavepointArgs {
    /// The job.
    #[command(flatten)]
    job: JobName,
    /// The name of the savepoint. Without it, the present time.
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// Where the job is.
    #[command(flatten)]
    at: Where,
}

/// Reads the name of a savepoint.
pub(super) fn name(name: &str) -> std::result::Result<String, String> {
    flowgate_checkpoint::check_savepoint_name(name).map(|()| name.to_string())
}

/// Returns the name of a savepoint that was given none: the time, in UTC.
pub(super) fn default_name() -> String {
    let time = words::time(clock::now_ms());
    let seconds = time.split('.').next().unwrap_or(&time);
    seconds.trim_end_matches('Z').replace(' ', "-").replace(':', "")
}

pub(super) fn run(args: &SavepointArgs) -> Result<()> {
    if let Some(session) = args.at.node()? {
        let name = args.name.clone().unwrap_or_else(default_name);
        return node::job_end::savepoint(&session, args.job.job.as_deref(), Some(name));
    }
    let job = job_found::find(&args.job)?;
    let unanswered = |error| job_found::no_answer(&job, error);
    let name = args.name.clone().unwrap_or_else(default_name);
    let saving = client::savepoint(&job, &name).map_err(unanswered)?;
    let address = saving.address.clone();
    let saved = saving.wait().map_err(unanswered)?;
    terminal::print(&format!(
        "savepoint {name}: record {}, {}\n{}",
        saved.number,
        bytes(saved.bytes),
        next_step(&address)
    ))
}

/// Says what can be done with a savepoint.
pub(super) fn next_step(address: &str) -> String {
    format!("a job starts from it with: flowgate run JOB.yaml --from '{address}'\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_name_is_a_name() {
        assert_eq!(name(&default_name()).as_deref(), Ok(default_name().as_str()));
        assert_eq!(default_name().len(), "2026-01-02-030405".len());
        for wrong in ["", "12", "a b", "a#b", "a/b", &"x".repeat(65)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
