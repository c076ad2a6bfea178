//! `flowgate job list`, of a node.

use flowgate_api::job::Job;
use flowgate_base::clock;
use flowgate_base::error::Result;

use super::job_ask::{is_active, word};
use super::session::Session;
use super::{limits, listing};
use crate::columns;

pub(crate) fn run(session: &Session, as_json: bool) -> Result<()> {
    let jobs: Vec<Job> = session.client.list(&session.path(&["jobs"])?, limits::ENTRIES_MAX)?;
    let none = "the tenant has no jobs; `flowgate job submit FILE` submits one";
    listing::print(&jobs, as_json, none, |cells| text(&jobs, clock::now_ms(), cells))
}

fn text(jobs: &[Job], now_ms: i64, cells: Option<u16>) -> String {
    let row = |job: &Job| {
        let runs_for = job.attempt_ms.filter(|_| is_active(job.phase));
        let runs_for = runs_for.map_or_else(String::new, |at| listing::since(at, now_ms));
        let mut plugins: Vec<&str> = job.plugins.iter().map(|used| used.version.as_str()).collect();
        plugins.sort_unstable();
        plugins.dedup();
        vec![
            job.name.clone(),
            word(job.phase).into(),
            runs_for,
            job.parallelism.to_string(),
            job.restarts.to_string(),
            plugins.join(", "),
            job.failure.as_ref().map_or_else(String::new, |failure| format!("{}: {}", failure.code, failure.message)),
        ]
    };
    let head = ["job", "phase", "runs for", "workers", "restarts", "plugins", "last failure"];
    let (head, rows) = columns::without_empty(&head, jobs.iter().map(row).collect());
    columns::table(&head, &rows, cells)
}

#[cfg(test)]
mod tests {
    use flowgate_api::job::Phase;

    use super::super::job_ask::job_of_test;
    use super::*;

    #[test]
    fn jobs_that_rest_run_for_no_time() {
        let jobs = [job_of_test("web", Phase::Running), job_of_test("old", Phase::Finished)];
        let wanted = "\
job  phase     runs for  workers
web  running   1m 1s           2
old  finished                  2
";
        assert_eq!(text(&jobs, 61_000, None), wanted);
    }
}
