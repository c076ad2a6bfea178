//! `flowgate plugin new`

use std::path::PathBuf;

use clap::Args;
use flowgate_base::error::Result;
use flowgate_toolchain::scaffold;

/// Start a plugin in Rust.
///
/// Writes a package with one function and its test, ready for `flowgate plugin build`, `cargo test` and editors.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flowgate plugin new weblog
  flowgate plugin new weblog --path plugins/weblog")]
pub(crate) struct NewArgs {
    /// The plugin's name: lower-case letters, digits, `-` and `_`
    name: String,
    /// The folder to write to, which must be empty or not there yet [default: NAME]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
///
/// The name cannot be used, the folder is not empty, or something cannot be written.
pub(super) fn run(args: &NewArgs) -> Result<()> {
    let dir = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    scaffold(&args.name, &dir)?;
    let shown = dir.display();
    eprintln!("started plugin {} in {shown}", args.name);
    eprintln!();
    eprintln!("  {shown}/src/lib.rs             its functions");
    eprintln!("  {shown}/flowgate-sdk           the SDK that it is built with, part of the package");
    eprintln!("  flowgate plugin build {shown}  compiles it to {shown}/{}.wasm", args.name);
    Ok(())
}
