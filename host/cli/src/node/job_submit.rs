//! `flowgate job submit`.

use std::time::Duration;

use flowgate::code::JOB_PROBLEMS;
use flowgate::job::load::{self, Document};
use flowgate_api::job::{CheckReport, JobDetail, Language, NewJob, Phase};
use flowgate_base::error::{Error, Result};
use flowgate_control::explain::words;

use super::args::{JobSubmit, NewFile};
use super::error::NodeError;
use super::job_ask::{self, word};
use super::listing;
use super::session::Session;
use crate::terminal;

/// The time between two looks at a job that starts.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Reads a job file, with the settings of the command line in it.
///
/// # Errors
/// The file cannot be read, or a setting does not fit it.
pub(super) fn document(file: &NewFile) -> Result<(String, Language)> {
    let document = Document::read(&file.file)?;
    let document = if file.set.is_empty() { document } else { load::overridden(document, &file.set)? };
    let language = match document.language {
        load::Language::Yaml => Language::Yaml,
        load::Language::Json => Language::Json,
        load::Language::Toml => Language::Toml,
    };
    Ok((document.text, language))
}

/// Makes the report of a job's problems look as that of `flowgate check`.
pub(super) fn as_report(error: Error) -> Error {
    let is_report = error.code == &crate::code::NODE_REFUSES && error.message.contains("error");
    let is_placed = error.message.lines().any(|line| line.contains(": error: "));
    if is_report && is_placed { Error::new(&JOB_PROBLEMS, error.message) } else { error }
}

pub(super) fn run(args: &JobSubmit) -> Result<()> {
    let session = args.target.session()?;
    let (document, language) = document(&args.file)?;
    let request = NewJob {
        document,
        language,
        idempotency_key: args.key.clone(),
        parallelism: args.file.parallelism,
        check_only: args.check,
    };
    let path = session.path(&["jobs"])?;
    if args.check {
        let report: CheckReport = session.client.post(&path, &request).map_err(as_report)?.value;
        terminal::message(&report.warnings);
        let line_end = if report.picture.ends_with('\n') { "" } else { "\n" };
        return terminal::print(&format!("{}{line_end}ok\n", report.picture));
    }
    let submitted = session.client.post::<_, JobDetail>(&path, &request).map_err(as_report)?;
    let job = submitted.value.job;
    if !submitted.is_new {
        terminal::message(&format!(
            "note: {} was submitted with this key before; nothing was submitted again\n",
            job.name
        ));
    }
    if !args.wait {
        return terminal::print(&format!("{0}: {1}; `flowgate job status {0}` shows it\n", job.name, word(job.phase)));
    }
    terminal::print(&format!("{}\n", until_it_runs(&session, &job.name)?))
}

/// Waits until a job runs or has come to rest, and returns what it does: `web: running since 0.3s, 2 workers`.
///
/// # Errors
/// It has failed to start.
pub(super) fn until_it_runs(session: &Session, name: &str) -> Result<String> {
    loop {
        let detail = job_ask::detail(session, name)?;
        let job = &detail.job;
        let why = || match &job.failure {
            Some(failure) => format!("{name} is {}: error[{}]: {}", word(job.phase), failure.code, failure.message),
            None => format!("{name} is {}", word(job.phase)),
        };
        match job.phase {
            Phase::Starting => std::thread::sleep(LOOK_EVERY),
            Phase::Running => {
                let since = job.attempt_ms.map(|at| words::length(flowgate_base::clock::now_ms().saturating_sub(at)));
                let since = since.map_or_else(String::new, |since| format!(" since {since}"));
                return Ok(format!("{name}: running{since}, {}", listing::workers(job.parallelism)));
            }
            Phase::Finished | Phase::Stopped | Phase::Stopping => {
                return Ok(format!("{name}: {}", word(job.phase)));
            }
            Phase::Failed | Phase::Restarting => return Err(NodeError::NotNow(why()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_in_what_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("job.yaml");
        std::fs::write(&file, "job: web # a comment\nsinks:\n  out: { input: a, print: {} }\n").unwrap();
        let (text, language) = document(&NewFile { file: file.clone(), set: Vec::new(), parallelism: None }).unwrap();
        assert!(text.contains("# a comment") && language == Language::Yaml);
        let set = vec![
            load::Override::parse("sinks.out.blackhole={}").unwrap(),
            load::Override::parse("parallelism=2").unwrap(),
        ];
        let (text, language) = document(&NewFile { file, set, parallelism: None }).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let wanted =
            serde_json::json!({"job": "web", "sinks": {"out": {"input": "a", "blackhole": {}}}, "parallelism": 2});
        assert_eq!((value, language), (wanted, Language::Json));
    }

    #[test]
    fn only_a_report_with_places_looks_as_that_of_check() {
        let of = |message: &str| as_report(NodeError::Refused(message.into()).into()).code;
        assert_eq!(of("job.yaml:5:32: error: no column `x`\n1 error; nothing was run\n"), &JOB_PROBLEMS);
        assert_ne!(of("the job `web` exists already"), &JOB_PROBLEMS);
    }
}
