//! What the cache has of one component: its artifact, or why it was refused.
//!
//! Refusal: the number of the error's code (u16, little-endian), then the message.

use std::path::Path;

use super::cache::Cache;
use super::code::CODES;
use super::compile::Artifact;
use flowgate_base::error::{Error, Fault, Result};

/// What the cache's names of refusals end in.
const REFUSED: &str = ".refused";

/// The place of one component in the cache.
pub(super) struct Kept {
    cache: Option<Cache>,
    name: String,
    /// Why the cache could not be used.
    pub(super) note: Option<String>,
}

impl Kept {
    /// Opens the cache in `folder`. Where it cannot be opened, nothing is kept, and the note says why.
    pub(super) fn open(folder: Option<&Path>, name: String) -> Self {
        let mut note = None;
        let cache = folder.and_then(|folder| {
            let opened = Cache::open(folder);
            opened.map_err(|e| note = Some(format!("compiled plugins are not kept: {}: {e}", folder.display()))).ok()
        });
        Kept { cache, name, note }
    }

    /// Returns the artifact, if there is one.
    ///
    /// # Errors
    /// An earlier refusal, with its code.
    pub(super) fn artifact(&self) -> Result<Option<Artifact>> {
        let Some(cache) = &self.cache else { return Ok(None) };
        if let Some(artifact) = cache.get(&self.name).and_then(|bytes| Artifact::from_bytes(&bytes)) {
            return Ok(Some(artifact));
        }
        match cache.get(&self.refusal_name()).and_then(|bytes| refusal(&bytes)) {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// Keeps an artifact. Where that fails, the note says why.
    pub(super) fn put(&mut self, artifact: &Artifact) -> Result<()> {
        let Some(cache) = &self.cache else { return Ok(()) };
        if let Err(e) = cache.put(&self.name, &artifact.to_bytes()?) {
            self.note = Some(format!("the compiled plugin is not kept: {e}"));
        }
        Ok(())
    }

    /// Remembers a refusal, if it is the plugin's fault: it would be every time.
    pub(super) fn refuse(&self, error: Error) -> Error {
        if let (Fault::User, Some(cache)) = (error.fault(), &self.cache) {
            let content = [&error.code.number.to_le_bytes(), error.message.as_bytes()].concat();
            // It is found again where it cannot be kept.
            let _ = cache.put(&self.refusal_name(), &content);
        }
        error
    }

    fn refusal_name(&self) -> String {
        format!("{}{REFUSED}", self.name)
    }
}

/// Reads a refusal; `None` if its code is none of ours.
fn refusal(bytes: &[u8]) -> Option<Error> {
    let (number, message) = bytes.split_first_chunk::<2>()?;
    let code = CODES.iter().find(|code| code.number == u16::from_le_bytes(*number))?;
    Some(Error::new(code, String::from_utf8_lossy(message)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::LoadError;

    /// Goal: a refusal comes back as it was, and only one that is the plugin's fault is kept. Method: one of each kind.
    #[test]
    fn a_refusal_keeps_its_code_and_a_failure_of_the_machine_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let kept = |name: &str| Kept::open(Some(folder.path()), name.into());
        for error in [LoadError::NotAdmitted("a".into()), LoadError::ConfigSchema("b".into())] {
            let error = kept("user").refuse(error.into());
            assert_eq!(kept("user").artifact().err(), Some(error));
        }
        kept("machine").refuse(LoadError::Machine("slow".into()).into());
        assert!(kept("machine").artifact().unwrap().is_none());
    }

    #[test]
    fn a_refusal_without_a_code_of_ours_is_not_there() {
        assert_eq!(refusal(b"is not WebAssembly"), None);
        assert_eq!(refusal(b"x"), None);
    }
}
