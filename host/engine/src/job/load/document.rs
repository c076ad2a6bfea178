//! The text of a job file.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::StartError;
use flowgate_base::error::{Error, Result};

/// The greatest size of a job file, in bytes. The largest sensible one has a few hundred operators.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;

/// The language of a job file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// YAML, also if the name has no known extension.
    Yaml,
    /// JSON, by the extension `.json`.
    Json,
    /// TOML, by the extension `.toml`.
    Toml,
}

/// A job file that has been read, not parsed.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its name as the user wrote it; `stdin` for `-`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its language.
    pub language: Language,
    /// The folder to which paths in it are relative, absolute.
    pub base: PathBuf,
}

impl Document {
    /// Reads a job file; `-` is standard input.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 1 MiB, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Document> {
        Document::read_as("job file", path)
    }

    /// Reads a file of another kind, which messages call `what`; `-` is standard input.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 1 MiB, or is not UTF-8.
    pub fn read_as(what: &str, path: &Path) -> Result<Document> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "stdin".to_string() } else { path.display().to_string() };
        let failed = |e: &std::io::Error| {
            // A missing job file is the user's mistake, not a failure of the outside world.
            StartError::JobFile(Error::io(format_args!("cannot read the {what} {name}"), e).message)
        };
        let mut bytes = Vec::new();
        let read = if is_stdin {
            std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
        } else {
            let file = std::fs::File::open(path).map_err(|e| failed(&e))?;
            file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
        };
        read.map_err(|e| failed(&e))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            let message = format!("the {what} {name} is larger than {FILE_BYTES_MAX} bytes");
            return Err(StartError::JobFile(message).into());
        }
        let text = String::from_utf8(bytes).map_err(|e| {
            let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
            StartError::JobFile(format!("{name}:{line}: the {what} is not UTF-8"))
        })?;
        let folder = if is_stdin { None } else { path.parent() };
        let base = std::path::absolute(folder.filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new(".")))
            .map_err(|e| Error::io("cannot find the current folder", &e))?;
        Ok(Document { language: Language::of(path), name, text, base })
    }
}

impl Language {
    /// Returns the language of a file, by the extension of its name.
    pub fn of(path: &Path) -> Language {
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => Language::Json,
            Some("toml") => Language::Toml,
            _ => Language::Yaml,
        }
    }
}
