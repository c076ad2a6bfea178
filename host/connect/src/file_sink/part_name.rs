//! Names of parts.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The name of a part: `part-0001-000042`. Each run of a job has a number of its own, so that no name is used twice. Names sort in
/// the order of writing, up to 9,999 runs and 999,999 parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PartName {
    /// From 1.
    pub(super) run: u64,
    /// From 1.
    pub(super) number: u64,
}

impl PartName {
    /// Returns the name of the first part of a run.
    pub(crate) fn first_of(run: u64) -> PartName {
        PartName { run, number: 1 }
    }

    /// Returns the name of the part behind it.
    pub(super) fn next(self) -> PartName {
        PartName { number: self.number + 1, ..self }
    }

    /// Parses the name of a file in a folder of parts: the part, and whether it is visible. `None` for files that are no parts.
    pub(crate) fn of_file(name: &str, extension: &str) -> Option<(PartName, bool)> {
        let (shown, is_visible) = name.strip_prefix('.').map_or((name, true), |shown| (shown, false));
        let part: PartName = shown.strip_suffix(extension)?.strip_suffix('.')?.to_string().try_into().ok()?;
        Some((part, is_visible))
    }

    /// Returns the path of the part when it is committed.
    pub(crate) fn visible(self, folder: &Path, extension: &str) -> PathBuf {
        folder.join(format!("{self}.{extension}"))
    }

    /// Returns the path of the part until then.
    pub(super) fn hidden(self, folder: &Path, extension: &str) -> PathBuf {
        folder.join(format!(".{self}.{extension}"))
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part-{:04}-{:06}", self.run, self.number)
    }
}

impl TryFrom<String> for PartName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let numbers = text.strip_prefix("part-").and_then(|rest| rest.split_once('-'));
        let name =
            numbers.and_then(|(run, number)| Some(PartName { run: run.parse().ok()?, number: number.parse().ok()? }));
        // Other spellings, such as `part-1-+2`, are files of somebody else.
        name.filter(|name| name.to_string() == text).ok_or_else(|| format!("`{text}` is not the name of a part"))
    }
}

impl From<PartName> for String {
    fn from(name: PartName) -> String {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_as_they_are_written_are_parts() {
        let part = PartName { run: 1, number: 42 };
        assert_eq!(PartName::of_file("part-0001-000042.csv", "csv"), Some((part, true)));
        assert_eq!(PartName::of_file(".part-0001-000042.csv", "csv"), Some((part, false)));
        let late = PartName { run: 12_345, number: 1_000_000 };
        assert_eq!(PartName::of_file(&format!("{late}.jsonl"), "jsonl"), Some((late, true)));
        for other in
            ["part-1-42.csv", "part-0001-000042.jsonl", "part-0001-000042", "part-0001-+00042.csv", "x.csv", ".csv"]
        {
            assert_eq!(PartName::of_file(other, "csv"), None, "{other}");
        }
    }
}
