//! What goes wrong when a plugin is started or built. Each variant is a case that a user handles in a way of its own; the text
//! says what happened.

use flowgate_base::error::{Code, Coded};

use crate::code;

/// Why there is no plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuildError {
    /// The folder is no package, or a package that does not compile to a plugin.
    #[error("{0}")]
    NotAPlugin(String),
    /// Cargo or the compiler failed in a way that is not the package's fault.
    #[error("{0}")]
    ToolFailed(String),
    /// The compiler has reported errors.
    #[error("{0}")]
    NotCompiled(String),
    /// The module imports what no host of plugins has.
    #[error("{0}")]
    ForeignImport(String),
    /// There is no module, or it does not fit a component type.
    #[error("{0}")]
    NotAComponent(String),
    /// Rust or its target for WebAssembly is not installed.
    #[error("{0}")]
    ToolsMissing(String),
    /// The name or the folder of a new plugin is taken or not allowed.
    #[error("{0}")]
    NewPlugin(String),
    /// No variable of the environment names a folder for caches.
    #[error("there is no folder for caches: set FLOWGATE_HOME (or HOME)")]
    NoHome,
}

impl BuildError {
    /// Creates the error of a program of Rust that was not found.
    pub(crate) fn no_rust(program: &str) -> BuildError {
        BuildError::ToolsMissing(format!(
            "Rust is not installed: `{program}` was not found (https://rustup.rs says how to install it)"
        ))
    }
}

impl Coded for BuildError {
    fn code(&self) -> &'static Code {
        match self {
            BuildError::NotAPlugin(_) => &code::NOT_A_PLUGIN,
            BuildError::ToolFailed(_) => &code::TOOL_FAILED,
            BuildError::NotCompiled(_) => &code::NOT_COMPILED,
            BuildError::ForeignImport(_) => &code::FOREIGN_IMPORT,
            BuildError::NotAComponent(_) => &code::NOT_A_COMPONENT,
            BuildError::ToolsMissing(_) => &code::TOOLS_MISSING,
            BuildError::NewPlugin(_) => &code::NEW_PLUGIN,
            BuildError::NoHome => &code::NO_HOME,
        }
    }
}
