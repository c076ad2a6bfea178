//! `flowgate new job`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::error::CommandError;
use super::terminal;
use flowgate_base::error::{Error, Result};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate new job
  flowgate new job payments
  flowgate new job jobs/payments.yaml";

/// The job that is written. `__NAME__` and `__FILE__` are placeholders for the job's.
const TEMPLATE: &str = include_str!("template/job.yaml");

/// Arguments of `flowgate new job`.
#[derive(Debug, Args)]
pub(crate) struct NewJobArgs {
    /// The job's name, or the file to write, which ends in `.yaml` or `.yml`. NAME stands for `NAME.yaml`.
    #[arg(default_value = "job", value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub name: PathBuf,
}

/// Writes the job and says how to run it.
///
/// # Errors
/// The name cannot be used, the file is there already, or it cannot be written.
pub(super) fn run(args: &NewJobArgs) -> Result<()> {
    let is_file = args.name.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let path = if is_file { args.name.clone() } else { args.name.with_added_extension("yaml") };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    if name.is_empty() || name.len() > 64 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Err(CommandError::Arguments(format!(
            "`{name}` is not a job's name: it has letters, digits, `-` and `_`, 1 to 64 of them"
        ))
        .into());
    }
    let shown = path.display().to_string();
    write_new(&path, &TEMPLATE.replace("__NAME__", &name).replace("__FILE__", &shown))?;
    let commands = [
        (format!("flowgate run {shown}"), "runs it"),
        ("flowgate infer FILE".into(), "prints the `sources` section for a file of your own"),
    ];
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let lines = commands.map(|(command, what)| format!("  {command:width$}  {what}\n")).concat();
    terminal::print(&format!("wrote {shown}\n\n{lines}"))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let shown = path.display();
    let mut file = match File::create_new(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(CommandError::Arguments(format!(
                "{shown} is there already: choose another name, or remove it"
            ))
            .into());
        }
        Err(e) => return Err(Error::io(format_args!("cannot write {shown}"), &e)),
    };
    file.write_all(text.as_bytes()).map_err(|e| Error::io(format_args!("cannot write {shown}"), &e))
}
