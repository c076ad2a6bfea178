//! `flowgate job tap`.

use clap::Args;

use super::job_found::{self, JobName};
use super::node::job_tap::Tapped;
use super::node::session::Where;
use super::{node, terminal};
use flowgate_base::error::Result;
use flowgate_control::client::{self, AskError};
use flowgate_control::message::Tap;
use flowgate_worker::figures::whole;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate job tap requests               # the only job that runs; Ctrl-C ends it
  flowgate job tap web requests -n 5
  flowgate job tap web requests.errors | jq .message
  flowgate job tap web requests --rate 1000 > sample.jsonl

The job does not wait for this: rows that do not fit are left out and counted.";

/// Arguments of `flowgate job tap`.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct TapArgs {
    /// The job.
    #[command(flatten)]
    job: JobName,
    /// The source or operator whose rows are shown, or a side output of it: `requests`, `requests.errors`.
    operator: String,
    /// End after N rows.
    #[arg(short = 'n', long = "rows", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rows: Option<u64>,
    /// Show at most this many rows a second.
    #[arg(long, value_name = "ROWS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rate: u64,
    /// Where the job is.
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(args: &TapArgs) -> Result<()> {
    let (operator, output) = args.operator.split_once('.').unwrap_or((&args.operator, ""));
    if let Some(session) = args.at.node()? {
        let tapped = Tapped { operator, output, rows: args.rows, rows_per_s: args.rate };
        return node::job_tap::run(&session, args.job.job.as_deref(), &tapped);
    }
    let job = job_found::find(&args.job)?;
    let wanted = Tap { operator: operator.into(), output: output.into(), rows_max: args.rows, rows_per_s: args.rate };
    let unanswered = |error| job_found::no_answer(&job, error);
    let mut tapping = client::tap(&job, wanted).map_err(unanswered)?;
    let (mut shown, mut left_out) = (0, 0);
    loop {
        let tapped = match tapping.rows() {
            Ok(Some(tapped)) => tapped,
            // The job has ended.
            Ok(None) | Err(AskError::Gone) => break,
            Err(error) => return Err(unanswered(error)),
        };
        shown += tapped.rows.len() as u64;
        left_out += tapped.lost_rows;
        let lines: String = tapped.rows.iter().map(|row| format!("{row}\n")).collect();
        terminal::print(&lines)?;
    }
    if left_out > 0 {
        terminal::message(&format!("note: {} rows shown, {} left out\n", whole(shown), whole(left_out)));
    }
    Ok(())
}
