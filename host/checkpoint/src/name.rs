//! Names of the objects of a store. Their forms are in `docs/checkpoint-format.md`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use flowgate_base::error::Result;
use flowgate_base::random::random_u64;

/// The id of an attempt, which is one run of a job between two restarts. Random, so that two attempts do not have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptId(pub u64);

impl AttemptId {
    /// Creates an id that no other attempt has.
    ///
    /// # Errors
    /// The system has no randomness: the outside world's.
    pub fn random() -> Result<Self> {
        random_u64().map(AttemptId)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for AttemptId {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        hexadecimal(text)
            .map(AttemptId)
            .ok_or_else(|| format!("`{text}` is no id of an attempt: 16 hexadecimal digits"))
    }
}

impl TryFrom<String> for AttemptId {
    type Error = String;
    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<AttemptId> for String {
    fn from(id: AttemptId) -> String {
        id.to_string()
    }
}

/// Reads 16 lower-case hexadecimal digits.
pub(crate) fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if digits { u64::from_str_radix(text, 16).ok() } else { None }
}

/// What a data file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// What one worker changed.
    Delta,
    /// The compacted rows of one state slot.
    Base,
    /// The same, for a savepoint.
    Savepoint,
}

impl FileKind {
    const ALL: [FileKind; 3] = [FileKind::Delta, FileKind::Base, FileKind::Savepoint];

    fn prefix(self) -> &'static str {
        match self {
            FileKind::Delta => "delta-",
            FileKind::Base => "base-",
            FileKind::Savepoint => "savepoint-",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            FileKind::Delta => ".blocks",
            FileKind::Base | FileKind::Savepoint => ".parquet",
        }
    }
}

/// The name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A record of the sequence.
    Manifest {
        /// Its number.
        number: u64,
    },
    /// Rows of state.
    File {
        /// What it is for.
        kind: FileKind,
        /// The least number of a manifest that can name it.
        number: u64,
        /// The attempt that wrote it.
        attempt: AttemptId,
        /// Counts the files of the attempt.
        file: u64,
    },
}

impl Name {
    /// Reads a name; `None`: it is none of ours.
    pub fn parse(text: &str) -> Option<Name> {
        let name = Name::parse_loosely(text)?;
        // So that each object has one name only.
        (name.to_string() == text).then_some(name)
    }

    fn parse_loosely(text: &str) -> Option<Name> {
        if let Some(number) = text.strip_prefix("manifest-").and_then(|rest| rest.strip_suffix(".json")) {
            return Some(Name::Manifest { number: number.parse().ok()? });
        }
        FileKind::ALL.into_iter().find_map(|kind| {
            let mut parts = text.strip_prefix(kind.prefix())?.strip_suffix(kind.suffix())?.split('-');
            let number = parts.next()?.parse().ok()?;
            let attempt = parts.next()?.parse().ok()?;
            let file = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Name::File { kind, number, attempt, file })
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Manifest { number } => write!(f, "manifest-{number:020}.json"),
            Name::File { kind, number, attempt, file } => {
                write!(f, "{}{number:020}-{attempt}-{file:06}{}", kind.prefix(), kind.suffix())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Goal: a name reads back, and names sort as their numbers do.
        #[test]
        fn a_name_reads_back_and_sorts_by_number(number: u64, other: u64, id: u64, file: u64, kind in 0usize..3) {
            let kind = FileKind::ALL[kind];
            let name = |number| Name::File { kind, number, attempt: AttemptId(id), file };
            for name in [name(number), Name::Manifest { number }] {
                prop_assert_eq!(Name::parse(&name.to_string()), Some(name));
            }
            let texts = [name(number), name(other)].map(|name| name.to_string());
            prop_assert_eq!(texts[0].cmp(&texts[1]), number.cmp(&other));
        }
    }

    #[test]
    fn names_of_others_are_left_alone() {
        for text in [
            "",
            "manifest-7.json",
            "manifest-00000000000000000007.json.tmp",
            ".manifest-00000000000000000007.json",
            "../manifest-00000000000000000007.json",
            "manifest-+0000000000000000007.json",
            "delta-00000000000000000007-00000000000000AB-000001.blocks",
            "delta-00000000000000000007-00000000000000ab-000001.parquet",
            "delta-00000000000000000007-00000000000000ab-000001-2.blocks",
            "notes.txt",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
