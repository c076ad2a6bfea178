//! Sources and sinks as a checked job has them: paths are absolute.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::settings as spec;

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SourceConnector {
    /// Files; `base` is the folder to which the path is relative.
    File {
        /// As the user wrote it.
        spec: spec::FileSource,
        /// The job file's folder.
        base: PathBuf,
    },
    /// Standard input.
    Stdin(spec::StdinSource),
    /// Made rows.
    Generator(spec::Generator),
    /// Events of the Nexmark benchmark; `base` is the folder to which a path is relative.
    Nexmark {
        /// As the user wrote it.
        spec: spec::Nexmark,
        /// The job file's folder.
        base: PathBuf,
    },
    /// Figures of the machine.
    System(spec::System),
}

/// Where rows go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SinkConnector {
    /// Standard output.
    Print(spec::Print),
    /// A file, absolute path.
    File {
        /// Absolute.
        path: PathBuf,
        /// Resolved.
        format: spec::SinkFormat,
    },
    /// A URL.
    Webhook(spec::Webhook),
    /// Standard error, beside the job's own sinks: what leaves an operator (`flowgate run --tap`).
    Tap {
        /// The output, as a job names it: `requests`, `requests.errors`.
        output: String,
    },
    /// Nowhere.
    Blackhole,
}
