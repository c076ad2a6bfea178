//! `flowgate job change` and `flowgate job rescale`.

use flowgate_api::job::{JobChange, Language};
use flowgate_api::operation::Operation;
use flowgate_base::error::Result;

use super::args::{JobChangeArgs, JobRescale};
use super::job_submit::{as_report, document};
use super::operation;
use super::session::Session;
use crate::terminal;

pub(super) fn change(args: &JobChangeArgs) -> Result<()> {
    let session = args.target.session()?;
    let (document, language) = document(&args.file, &args.set)?;
    let drop = args.drop.clone();
    let change = JobChange { document: Some(document), language, parallelism: args.parallelism, drop };
    put(&session, &args.job, &change)?;
    terminal::print(&format!("changed {0}; `flowgate job status {0}` shows it\n", args.job))
}

pub(super) fn rescale(args: &JobRescale) -> Result<()> {
    let session = args.target.session()?;
    let change = JobChange {
        document: None,
        language: Language::default(),
        parallelism: Some(args.parallelism),
        drop: Vec::new(),
    };
    put(&session, &args.job, &change)?;
    terminal::print(&format!("{}: {} workers\n", args.job, args.parallelism))
}

fn put(session: &Session, job: &str, change: &JobChange) -> Result<()> {
    let begun: Operation = session.client.put(&session.path(&["jobs", job])?, change).map_err(as_report)?;
    operation::wait(session, begun).map_err(as_report).map(drop)
}
