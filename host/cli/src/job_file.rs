//! From the command line to a checked graph.

use std::sync::Arc;

use super::args::JobArgs;
use super::log_level::LogLevelArg;
use super::terminal;
use flowgate::code::JOB_PROBLEMS;
use flowgate::job::check::Surroundings;
use flowgate::job::graph::JobGraph;
use flowgate::job::load::{Document, Override};
use flowgate::submit::{Accepted, JobPlugins, Submission};
use flowgate_base::error::{Error, Result};
use flowgate_wall::{Limits, RecordLog, Settings};

/// Creates the loader of a job's plugins, which shows what they log from this level upwards.
pub(crate) fn plugins(log_level: LogLevelArg) -> Result<JobPlugins> {
    recorded_plugins(log_level, None)
}

/// As [`plugins`], with what takes calls that end without an answer.
pub(crate) fn recorded_plugins(log_level: LogLevelArg, records: Option<Arc<dyn RecordLog>>) -> Result<JobPlugins> {
    let settings = Settings::of_command(Limits::default())?.log_from(log_level.least());
    Ok(JobPlugins::new(Settings { records, ..settings }))
}

/// Reads and checks the job; warnings go to standard error.
///
/// # Errors
/// The file cannot be read; or the report of all problems of the job.
pub(crate) fn checked_graph(args: &JobArgs, plugins: &mut JobPlugins) -> Result<JobGraph> {
    Ok(checked(args, plugins)?.graph)
}

/// As [`checked_graph`], with what checks the job again while it runs.
pub(crate) fn checked(args: &JobArgs, plugins: &mut JobPlugins) -> Result<Accepted> {
    let document = Document::read(&args.job)?;
    let search_path = std::env::var_os("FLOWGATE_PLUGIN_PATH");
    // Without it, the only plugins that are not found are those that come with Flowgate, and the message lists the folders
    // searched.
    let executable = std::env::current_exe().ok();
    let mut surroundings = Surroundings::of(&document.base, search_path.as_deref(), executable.as_deref());
    // Paths in the job are relative to its folder, this one to the current folder; `-` is no file.
    surroundings.job_file = std::path::absolute(&args.job).ok().filter(|path| path.is_file());
    let mut overrides = args.set.clone();
    if let Some(parallelism) = args.parallelism {
        overrides.push(Override {
            steps: vec!["parallelism".into()],
            value: parallelism.to_string(),
            argument: format!("--parallelism {parallelism}"),
        });
    }
    let submission = Submission::new(document).in_surroundings(surroundings).with_overrides(overrides);
    let checked = submission.with_variables(&|name| std::env::var(name).ok()).check(plugins);
    plugins.take_note().into_iter().for_each(|note| terminal::message(&format!("warning: {note}\n")));
    let colour = terminal::stderr_has_colour();
    let accepted = checked.map_err(|rejected| Error::new(&JOB_PROBLEMS, rejected.report(colour)))?;
    terminal::message(&accepted.warnings(colour));
    Ok(accepted)
}
