//! A look at a component: it is admitted, compiled and asked what its functions are, in a process of its own.

use std::io::Read;
use std::path::PathBuf;

use flowgate_base::error::{Error, Result};
use flowgate_wall::Plugins;
use flowgate_wall::binding::FunctionInfo;
use serde::{Deserialize, Serialize};

use crate::confine::confine_inspection;
use crate::limits::INSPECTION_BYTES_MAX;
use crate::prepare::{self, Told};

/// The argument behind [`ARGUMENT`](crate::ARGUMENT) with which the process looks at a component.
pub(crate) const TASK: &str = "inspect";

/// What such a process is told, as JSON on its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inspection {
    /// The component's file, absolute.
    pub component: PathBuf,
    /// The folder for machine code of compiled plugins, which belongs to the tenant.
    pub compiled: PathBuf,
}

/// What it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// The version of the contract, as `1.0`.
    pub contract: String,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// Its functions.
    pub functions: Vec<FunctionInfo>,
}

/// Reads from `from` which component it is, confines this process, and looks.
pub(crate) fn answer(from: impl Read) -> Result<Inspected> {
    let mut text = Vec::new();
    from.take(INSPECTION_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(|e| Error::io("cannot read what is to be inspected", &e))?;
    let inspection: Inspection =
        serde_json::from_slice(&text).map_err(|e| Error::internal(format!("what is to be inspected: {e}")))?;
    confine_inspection(&inspection)?;
    let plugins = Plugins::with(prepare::settings(Some(inspection.compiled), Told::nobody(), false))?;
    let plugin = plugins.load(&inspection.component)?;
    let manifest = plugin.manifest();
    Ok(Inspected {
        contract: manifest.contract.clone(),
        imports: manifest.imports.clone(),
        functions: plugin.functions().to_vec(),
    })
}
