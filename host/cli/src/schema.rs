//! `flowgate schema`.

use super::terminal;
use flowgate::job::json_schema::json_schema;
use flowgate_base::error::{Error, Result};

pub(super) const EXAMPLES: &str = "\
Example:
  flowgate schema > job.schema.json

An editor with the YAML language server (VS Code: the extension `YAML` by Red Hat) completes and checks a job \
file whose first line is:
  # yaml-language-server: $schema=job.schema.json";

pub(super) fn run() -> Result<()> {
    let text = serde_json::to_string_pretty(&json_schema()).map_err(|e| Error::internal(e.to_string()))?;
    terminal::print(&format!("{text}\n"))
}
