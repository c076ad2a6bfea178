//! `flowgate plugin build`

use std::path::PathBuf;

use clap::Args;

use flowgate_base::error::Result;
use flowgate_toolchain::{Built, Order, Profile, build};
use flowgate_wall::binding::FunctionInfo;
use flowgate_wall::{Limits, Settings};

/// Compile a plugin in Rust to a component.
///
/// The component is written next to the package's Cargo.toml; that of a member of a workspace goes to `plugins/` in the
/// workspace's target folder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flowgate plugin build
  flowgate plugin build plugins/weblog -o weblog.wasm
  flowgate plugin build --update-sdk")]
pub(crate) struct BuildArgs {
    /// The folder of the plugin's Cargo.toml
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to write the component
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compile with debug information and checks for overflow, not optimised
    #[arg(long)]
    debug: bool,
    /// Replace the SDK that the plugin carries in its folder `flowgate-sdk` by that of this program first
    #[arg(long)]
    update_sdk: bool,
}

/// Runs the command.
///
/// # Errors
///
/// The folder holds no plugin, nothing here compiles for WebAssembly, the plugin does not compile, or the file cannot
/// be written; or the host refuses the component.
pub(super) fn run(args: &BuildArgs) -> Result<()> {
    let profile = if args.debug { Profile::Debug } else { Profile::Release };
    let order = Order { dir: &args.dir, output: args.output.as_deref(), profile, update_sdk: args.update_sdk };
    let built = build(order)?;
    for warning in &built.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("{}", summary(&built));
    // The host judges its own build: a component that it would refuse in a job is better refused here.
    let wall = flowgate_wall::Plugins::with(Settings::of_command(Limits::default())?)?;
    for function in wall.load(&built.path)?.functions() {
        eprintln!("{}", line(function));
    }
    Ok(())
}

/// Returns a function's kind, name and the first line of its description.
fn line(function: &FunctionInfo) -> String {
    let doc = function.doc.lines().next().unwrap_or_default();
    format!("  {:<9} {:<16} {doc}", function.kind.name(), function.name).trim_end().to_owned()
}

fn summary(built: &Built) -> String {
    let size = built.bytes as f64 / 1024.0;
    // As short as it was typed, where that is possible. Where the current folder is not known, paths are shown whole.
    let here = std::env::current_dir().unwrap_or_default();
    let path = built.path.strip_prefix(&here).unwrap_or(&built.path);
    format!("built {}: {size:.1} KiB in {:.1} s", path.display(), built.took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_file_size_and_time() {
        let built = Built {
            name: "weblog".into(),
            path: "plugins/weblog.wasm".into(),
            bytes: 84_480,
            took: std::time::Duration::from_millis(3_240),
            warnings: Vec::new(),
        };
        assert_eq!(summary(&built), "built plugins/weblog.wasm: 82.5 KiB in 3.2 s");
    }

    #[test]
    fn a_function_is_shown_on_one_line() {
        let mut function = FunctionInfo {
            name: "parse".into(),
            kind: flowgate_wall::binding::Kind::Transform,
            doc: "Parses a line.\n\nIn detail.".into(),
            config_schema: None,
            inputs: Vec::new(),
        };
        assert_eq!(line(&function), "  transform parse            Parses a line.");
        function.doc.clear();
        assert_eq!(line(&function), "  transform parse");
    }
}
