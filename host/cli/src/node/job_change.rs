//! `flowgate job change` and `flowgate job rescale`.

use flowgate_api::job::{JobChange, Language};
use flowgate_api::operation::Operation;
use flowgate_base::error::Result;

use super::args::{JobChangeArgs, JobRescale};
use super::job_ask::{detail, is_active};
use super::job_submit::{as_report, document, until_it_runs};
use super::operation;
use super::session::Session;
use crate::terminal;

pub(super) fn change(args: &JobChangeArgs) -> Result<()> {
    let session = args.target.session()?;
    let (document, language) = document(&args.file)?;
    let drop = args.drop.clone();
    put(
        &session,
        &args.job,
        &JobChange { document: Some(document), language, parallelism: args.file.parallelism, drop },
    )
}

pub(super) fn rescale(args: &JobRescale) -> Result<()> {
    let session = args.target.session()?;
    let parallelism = Some(args.parallelism);
    put(
        &session,
        &args.job,
        &JobChange { document: None, language: Language::default(), parallelism, drop: Vec::new() },
    )
}

/// Changes a job, and waits until it runs again if it did.
fn put(session: &Session, job: &str, change: &JobChange) -> Result<()> {
    let runs = is_active(detail(session, job)?.job.phase);
    let begun: Operation = session.client.put(&session.path(&["jobs", job])?, change).map_err(as_report)?;
    operation::wait(session, begun).map_err(as_report)?;
    terminal::print(&match runs {
        true => format!("changed {}\n", until_it_runs(session, job)?),
        false => format!("changed {job}, which does not run; `flowgate job start {job}` starts it\n"),
    })
}
