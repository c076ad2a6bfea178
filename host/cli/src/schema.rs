//! `flowgate schema`.

use clap::Args;

use super::terminal;
use flowgate::job::json_schema::json_schema;
use flowgate_base::error::{Error, Result};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate schema > job.schema.json
  flowgate schema --node > node.schema.json

An editor with the YAML language server (VS Code: the extension `YAML` by Red Hat) completes and checks a job \
file whose first line is:
  # yaml-language-server: $schema=job.schema.json";

/// Arguments of `flowgate schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The schema of a node's settings (`flowgate serve --config`), instead of the job file's.
    #[arg(long)]
    node: bool,
}

pub(super) fn run(args: &SchemaArgs) -> Result<()> {
    let schema = if args.node { flowgate_node::config_schema() } else { json_schema() };
    let text = serde_json::to_string_pretty(&schema).map_err(|e| Error::internal(e.to_string()))?;
    terminal::print(&format!("{text}\n"))
}
