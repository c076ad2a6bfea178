//! `flowgate backup`.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Bytes;

use super::address;
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
    let shown = args.file.display();
    let failed = |error: io::Error| Error::io(format!("cannot write {shown}"), &error);
    let mut copy = session.client.stream(&address::path(&["backup"]))?;
    // For nobody else: it has what belongs to all tenants.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file);
    let mut file = file.map_err(failed)?;
    let copied = io::copy(&mut copy, &mut file).and_then(|bytes| file.sync_all().map(|()| bytes));
    let bytes = copied.inspect_err(|_| {
        // Half of a copy is none.
        let _ = std::fs::remove_file(&args.file);
    });
    terminal::print(&format!("{shown}: {}\n", Bytes(bytes.map_err(failed)?)))
}
