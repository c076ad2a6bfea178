//! `flowgate backup`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use flowgate_base::error::Result;

use super::address;
use super::save::save;
use super::session::Target;
use crate::terminal;

pub(super) const EXAMPLES: &str = "\
Example:
  flowgate backup catalog.backup

The copy is one state of the catalog, whatever changes meanwhile. It has the hashes of tokens and the encrypted secrets of all \
tenants, and not the key of the secrets: keep that elsewhere.";

/// Arguments of `flowgate backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to be created.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The node.
    #[command(flatten)]
    target: Target,
}

/// Copies the catalog.
pub(super) fn run(args: &BackupArgs) -> Result<()> {
    let session = args.target.session()?;
    let bytes = save(&session.client, &address::path(&["backup"]), &args.file)?;
    terminal::print(&format!("{}: {bytes}\n", args.file.display()))
}
