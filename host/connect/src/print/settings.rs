//! What a job file says about the `print` sink.

use std::io::IsTerminal;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PrintLayout, PrintSink, terminal_width};
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::sink::{ConfiguredSink, Writers, Writes};
use crate::touches::Touches;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrintFormat {
    /// A table on a terminal, JSON lines otherwise.
    #[default]
    Auto,
    /// A table.
    Table,
    /// JSON lines.
    Json,
}

/// Writes rows to standard output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Print {
    /// Default: auto.
    pub format: PrintFormat,
}

impl ConnectorSettings for Print {
    type Configured = ConfiguredSink;
    const NAME: &'static str = "print";
    const SUMMARY: &'static str = "Writes rows to standard output.";
    const EXAMPLE: &'static str = "{}";
    const GUARANTEE: Guarantee = Guarantee::AtLeastOnce;

    /// Opens standard output; to print elsewhere, use [`PrintSink::new`].
    fn configure(self, _base: &Path) -> Result<ConfiguredSink, Vec<Problem>> {
        Ok(ConfiguredSink {
            description: "print".into(),
            writes: Writes::StandardOutput,
            touches: Touches::standard_streams(),
            guarantee: Self::GUARANTEE,
            writers: Writers::One,
            open: Box::new(move |schema, _, _| {
                let stdout = std::io::stdout();
                let terminal = stdout.is_terminal();
                let layout = match self.format {
                    PrintFormat::Auto if terminal => PrintLayout::Table { width: terminal_width() },
                    PrintFormat::Table => PrintLayout::Table { width: if terminal { terminal_width() } else { None } },
                    PrintFormat::Auto | PrintFormat::Json => PrintLayout::JsonLines,
                };
                Ok(Box::new(PrintSink::new(Box::new(stdout), layout, schema)))
            }),
        })
    }
}
