//! `flowgate job status` and `flowgate job explain`, of jobs on a node.

use flowgate_api::job::{Job, JobDetail, Phase};
use flowgate_base::error::Result;
use flowgate_base::{clock, shown};
use flowgate_control::explain::{Explanation, words};

use super::session::Session;
use super::{address, json, limits, listing};
use crate::error::CommandError;
use crate::{columns, job_explain, job_status, terminal};

/// Maximum bytes of the reason for which a job failed.
const REASON_BYTES_MAX: usize = 4_096;

/// Returns the name of the job that is meant: the named one, or the only one that has not ended.
///
/// # Errors
/// No job or several jobs are meant.
pub(super) fn named(session: &Session, name: Option<&str>) -> Result<String> {
    if let Some(name) = name {
        return Ok(name.into());
    }
    let jobs: Vec<Job> = session.client.list(&session.path(&["jobs"])?, limits::ENTRIES_MAX)?;
    only(&jobs).map_err(|message| CommandError::NoJob(message).into())
}

fn only(jobs: &[Job]) -> std::result::Result<String, String> {
    let active: Vec<&Job> = jobs.iter().filter(|job| is_active(job.phase)).collect();
    let names = |jobs: &[&Job]| jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", ");
    match active[..] {
        [job] => Ok(job.name.clone()),
        [] if jobs.is_empty() => Err("the tenant has no job; `flowgate job submit FILE` submits one".into()),
        [] => Err(format!("no job runs; say which one: {}", names(&jobs.iter().collect::<Vec<_>>()))),
        _ => Err(format!("several jobs run; say which one: {}", names(&active))),
    }
}

/// Whether a job has not come to rest.
pub(super) fn is_active(phase: Phase) -> bool {
    match phase {
        Phase::Starting | Phase::Running | Phase::Restarting | Phase::Stopping => true,
        Phase::Stopped | Phase::Finished | Phase::Failed => false,
    }
}

/// Returns the word for a phase.
pub(super) fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Restarting => "restarting",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
        Phase::Finished => "finished",
        Phase::Failed => "failed",
    }
}

/// Returns everything about a job.
///
/// # Errors
/// There is none.
pub(super) fn detail(session: &Session, job: &str) -> Result<JobDetail> {
    session.client.get(&session.path(&["jobs", job])?)
}

pub(crate) fn status(session: &Session, job: Option<&str>, as_json: bool) -> Result<()> {
    let job = detail(session, &named(session, job)?)?;
    if as_json {
        return json::print(&job);
    }
    terminal::print(&text(&job, clock::now_ms(), terminal::width()))
}

/// Returns the state of a job as lines of at most `cells` cells, where that is possible.
pub(super) fn text(detail: &JobDetail, now_ms: i64, cells: Option<u16>) -> String {
    let job = &detail.job;
    let mut text = match &detail.status {
        Some(status) => job_status::text(status, cells),
        None => {
            format!("{}: {}, {}\n", job.name, word(job.phase), listing::workers(job.parallelism))
        }
    };
    text.push('\n');
    let since = |at: i64| listing::since(at, now_ms);
    text += &format!("submitted {} ago by {}, attempt {}", since(job.submitted_ms), job.submitted_by, job.attempt);
    text += &match job.restarts {
        0 => "\n".into(),
        1 => ", restarted once\n".into(),
        times => format!(", restarted {times} times\n"),
    };
    if let Some(program) = job.program.as_ref().filter(|program| !program.is_of_node) {
        text += &format!(
            "its process runs another program than the node, Flowgate {}; `flowgate job restart {}` gives it the node's\n",
            program.version, job.name
        );
    }
    if let Some(at) = job.next_attempt_ms {
        text += &format!("tried again in {}\n", words::length(at.saturating_sub(now_ms)));
    }
    if let Some(failure) = &job.failure {
        let of = failure.operator.as_ref().map_or_else(String::new, |operator| format!(" in `{operator}`"));
        let message = shown::one_line(&failure.message, REASON_BYTES_MAX);
        text += &format!("the last attempt failed{of}: error[{}]: {message}\n", failure.code);
    }
    if !job.plugins.is_empty() {
        let row = |used: &flowgate_api::job::UsedPlugin| vec![used.operator.clone(), used.version.clone()];
        let rows: Vec<Vec<String>> = job.plugins.iter().map(row).collect();
        text += &format!("\n{}", columns::table(&["operator", "plugin"], &rows, cells));
    }
    text
}

pub(crate) fn explain(session: &Session, job: Option<&str>, operator: &str, as_json: bool) -> Result<()> {
    let path = session.path(&["jobs", &named(session, job)?, "explain"])?;
    let explanation: Explanation =
        session.client.get(&address::query(&path, &[("operator", Some(operator.into()))]))?;
    if as_json {
        return json::print(&explanation);
    }
    terminal::print(&job_explain::text(&explanation, terminal::width()))
}

/// A job of tests.
#[cfg(test)]
pub(super) fn job_of_test(name: &str, phase: Phase) -> Job {
    Job {
        name: name.into(),
        phase,
        submitted_ms: 0,
        submitted_by: "ci".into(),
        attempt: 1,
        attempt_ms: Some(0),
        restarts: 0,
        next_attempt_ms: None,
        failure: None,
        parallelism: 2,
        plugins: Vec::new(),
        program: None,
    }
}

#[cfg(test)]
mod tests {
    use flowgate_api::job::{Fault, JobError, Language, UsedPlugin};

    use super::*;

    #[test]
    fn the_only_job_that_runs_needs_no_name() {
        let jobs = [job_of_test("a", Phase::Stopped), job_of_test("b", Phase::Restarting)];
        assert_eq!(only(&jobs), Ok("b".into()));
        assert!(only(&jobs[..1]).unwrap_err().contains("say which one: a"));
        assert!(only(&[]).unwrap_err().contains("job submit"));
        assert!(only(&[job_of_test("a", Phase::Running), jobs[1].clone()]).unwrap_err().contains("a, b"));
    }

    #[test]
    fn a_job_that_does_not_run_says_why() {
        let message = "it trapped\nhere".into();
        let failure =
            JobError { code: "FG0220".into(), fault: Fault::User, operator: Some("readings".into()), message };
        let plugin = UsedPlugin {
            operator: "readings".into(),
            plugin: "sensors".into(),
            version: "sensors@2".into(),
            digest: "ab".into(),
        };
        let job = Job {
            failure: Some(failure),
            restarts: 3,
            next_attempt_ms: Some(65_000),
            plugins: vec![plugin],
            ..job_of_test("web", Phase::Restarting)
        };
        let detail =
            JobDetail { job, document: String::new(), language: Language::Yaml, status: None, picture: String::new() };
        let wanted = "\
web: restarting, 2 workers

submitted 1m ago by ci, attempt 1, restarted 3 times
tried again in 5s
the last attempt failed in `readings`: error[FG0220]: it trapped here

operator  plugin
readings  sensors@2
";
        assert_eq!(text(&detail, 60_000, None), wanted);
    }
}
