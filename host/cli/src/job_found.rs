//! The running job that the argument JOB names.

use clap::Args;

use super::error::CommandError;
use super::terminal;
use flowgate_base::error::{Error, Result};
use flowgate_control::client::{AskError, Client, Listed};
use flowgate_control::message::Reason;
use flowgate_control::place::{Found, Place};

/// A running job.
#[derive(Debug, Args)]
pub(crate) struct JobName {
    /// The running job: its name, the beginning of its name, or its process id. May be left out if only one job runs.
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
}

/// Returns all running jobs of the user. Folders that were not looked into are named on standard error.
pub(super) fn all() -> Vec<Listed> {
    let (jobs, refused) = Client::new(Place::of_user()).jobs();
    for folder in refused {
        terminal::message(&format!("warning: no jobs were looked for in {folder}\n"));
    }
    jobs
}

/// Returns the job of a name.
///
/// # Errors
/// No job or several jobs have it: the message lists those that run.
pub(super) fn find(name: &JobName) -> Result<Found> {
    let mut jobs = all();
    match one(&jobs, name.job.as_deref()) {
        Ok(at) => Ok(jobs.swap_remove(at).found),
        Err(message) => Err(CommandError::NoJob(message).into()),
    }
}

/// Returns the position of the job of a name, or what is wrong.
fn one(jobs: &[Listed], name: Option<&str>) -> std::result::Result<usize, String> {
    let matching = |is: &dyn Fn(&Listed) -> bool| -> Vec<usize> {
        jobs.iter().enumerate().filter(|(_, job)| is(job)).map(|(at, _)| at).collect()
    };
    let found = match name {
        None => matching(&|_| true),
        Some(name) => {
            let ways: [&dyn Fn(&Listed) -> bool; 3] =
                [&|job| job_name(job) == name, &|job| job.found.pid.to_string() == name, &|job| {
                    job_name(job).starts_with(name)
                }];
            // None matches in any way: the answer below names those that run.
            ways.into_iter().map(matching).find(|found| !found.is_empty()).unwrap_or_default()
        }
    };
    match (found.as_slice(), name) {
        ([at], _) => Ok(*at),
        // Without a name, every job matches.
        ([], Some(name)) if !jobs.is_empty() => Err(format!("no job `{name}` runs; these do: {}", listed(jobs.iter()))),
        ([], _) => Err("no job runs".into()),
        (several, name) => {
            let these = listed(several.iter().filter_map(|at| jobs.get(*at)));
            let which = name
                .map_or_else(|| "several jobs run".into(), |name| format!("several running jobs are called `{name}`"));
            Err(format!("{which}; say which one, by its name or its process id: {these}"))
        }
    }
}

/// Returns the name of a job; the beginning of it if the job does not answer.
pub(super) fn job_name(job: &Listed) -> &str {
    job.about.as_ref().map_or(job.found.name.as_str(), |about| about.job.as_str())
}

fn listed<'a>(jobs: impl Iterator<Item = &'a Listed>) -> String {
    jobs.map(|job| format!("{} (process {})", job_name(job), job.found.pid)).collect::<Vec<_>>().join(", ")
}

/// Returns the error of a job that does not answer.
pub(super) fn no_answer(job: &Found, error: AskError) -> Error {
    let named = format!("the job {} (process {})", job.name, job.pid);
    match error {
        AskError::Refused(refusal) if matches!(refusal.reason, Reason::NoSuchOperator | Reason::NoTap) => {
            CommandError::Arguments(refusal.message).into()
        }
        AskError::Refused(refusal) => CommandError::Unanswered(format!("{named} refuses: {}", refusal.message)).into(),
        error => CommandError::Unanswered(format!("{named} does not answer: {error}")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_control::message::About;

    fn job(name: &str, pid: u32) -> Listed {
        let about = About { job: name.into(), pid, since_ms: 0, job_file: None };
        Listed { found: Found { path: "x".into(), name: name.chars().take(5).collect(), pid }, about: Ok(about) }
    }

    #[test]
    fn a_job_is_found_by_name_beginning_and_process() {
        let jobs = [job("payments", 1), job("payments-eu", 2), job("web", 3), job("web", 4)];
        let of = |name: &str| one(&jobs, Some(name));
        assert_eq!([of("payments"), of("payments-"), of("2"), of("4")], [Ok(0), Ok(1), Ok(1), Ok(3)]);
        let several = "several running jobs are called `web`; say which one, by its name or its process id: web (process 3), web (process 4)";
        assert_eq!(of("web"), Err(several.into()));
        assert!(of("pay").unwrap_err().contains("payments-eu (process 2)"));
        assert!(of("x").unwrap_err().starts_with("no job `x` runs; these do: payments (process 1), "));
    }

    #[test]
    fn the_only_job_needs_no_name() {
        assert_eq!(one(&[job("web", 3)], None), Ok(0));
        assert_eq!(one(&[], None), Err("no job runs".into()));
        assert_eq!(one(&[], Some("x")), Err("no job runs".into()));
        assert!(one(&[job("a", 1), job("b", 2)], None).unwrap_err().starts_with("several jobs run; say which one"));
    }
}
