//! From the command line to a checked graph.

use super::args::JobArgs;
use super::plugins::Plugins;
use super::terminal;
use flowgate::job::check;
use flowgate::job::check::Surroundings;
use flowgate::job::graph::JobGraph;
use flowgate::job::load;
use flowgate::job::load::{Document, Override};
use flowgate_base::error::{Error, Result};

/// Reads and checks the job; warnings go to standard error.
///
/// # Errors
/// The file cannot be read; or the report of all problems of the job.
pub(crate) fn checked_graph(args: &JobArgs, plugins: &mut Plugins) -> Result<JobGraph> {
    let document = Document::read(&args.job)?;
    let search_path = std::env::var_os("FLOWGATE_PLUGIN_PATH");
    // Without it, the only plugins that are not found are those that come with Flowgate, and the message lists the folders
    // searched.
    let executable = std::env::current_exe().ok();
    let mut around = Surroundings::of(&document.base, search_path.as_deref(), executable.as_deref());
    // Paths in the job are relative to its folder, this one to the current folder; `-` is no file.
    around.job_file = std::path::absolute(&args.job).ok().filter(|path| path.is_file());
    let mut overrides = args.set.clone();
    if let Some(parallelism) = args.parallelism {
        overrides.push(Override {
            steps: vec!["parallelism".into()],
            value: parallelism.to_string(),
            argument: format!("--parallelism {parallelism}"),
        });
    }
    let loaded = load::load(document, &overrides, &|name| std::env::var(name).ok());
    around.broken = loaded.broken.clone();
    let colour = terminal::stderr_has_colour();
    let checked = match &loaded.job {
        Some(job) => check::check(job, &around, plugins),
        None => Err(Vec::new()),
    };
    match checked {
        Ok(checked) if loaded.problems.is_empty() => {
            terminal::message(&loaded.report(&checked.warnings, colour));
            Ok(checked.graph)
        }
        // The warnings can wait.
        Ok(_) => Err(wrong(&loaded.report(&[], colour), loaded.problems.len())),
        Err(further) => Err(wrong(&loaded.report(&further, colour), loaded.problems.len() + further.len())),
    }
}

fn wrong(report: &str, count: usize) -> Error {
    let count = if count == 1 { "1 error".to_string() } else { format!("{count} errors") };
    Error::new(&crate::code::JOB_PROBLEMS, format!("{report}{count}; nothing was run"))
}
