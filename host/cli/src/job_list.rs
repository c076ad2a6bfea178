//! `flowgate job list`.

use clap::Args;
use serde_json::json;

use super::node::session::Where;
use super::{columns, job_found, node, terminal};
use flowgate_base::clock;
use flowgate_base::error::Result;
use flowgate_base::shown;
use flowgate_control::client::Listed;
use flowgate_control::explain::words;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate job list
  flowgate job list --json | jq -r '.[].pid'";

/// Arguments of `flowgate job list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Where the jobs are.
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(args: &ListArgs) -> Result<()> {
    if let Some(session) = args.at.node()? {
        return node::job_list::run(&session, args.json);
    }
    let jobs = job_found::all();
    if args.json {
        let list: Vec<_> = jobs.iter().map(as_json).collect();
        return terminal::print(&format!("{}\n", shown::json(&format!("{:#}", json!(list)))));
    }
    if jobs.is_empty() {
        terminal::message("no job runs\n");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    terminal::print(&columns::table(&["job", "process", "runs for", "file"], &rows, terminal::width()))
}

fn row(job: &Listed) -> Vec<String> {
    let (runs_for, file) = match &job.about {
        Ok(about) => {
            let file = about.job_file.as_deref().unwrap_or("standard input");
            (words::length(clock::now_ms().saturating_sub(about.since_ms)), file.to_string())
        }
        Err(error) => ("-".into(), format!("does not answer: {error}")),
    };
    vec![job_found::job_name(job).into(), job.found.pid.to_string(), runs_for, file]
}

fn as_json(job: &Listed) -> serde_json::Value {
    // A job that does not answer has the field `error` instead.
    let about = job.about.as_ref().ok();
    json!({
        "job": job_found::job_name(job),
        "pid": job.found.pid,
        "since_ms": about.map(|about| about.since_ms),
        "job_file": about.and_then(|about| about.job_file.as_deref()),
        "error": job.about.as_ref().err().map(ToString::to_string),
    })
}
