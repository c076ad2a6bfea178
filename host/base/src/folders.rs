//! Folders whose paths nobody outside is shown: a text has what stands for them.
//!
//! A process that works in such folders says so once ([`hide`]). From then on [`conceal`](crate::secret::conceal), through which every
//! text leaves the process, replaces their paths. What is data and no text is not looked at: rows, and paths that a program opens.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::secret::forms;

/// What stands for the folder to which paths are relative: paths in it are shown without anything in front.
pub const HERE: &str = ".";

/// A folder, and what stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenFolder {
    /// Its absolute path.
    pub path: PathBuf,
    /// What is shown instead.
    pub shown: String,
}

/// The ways to write the paths of folders, and what stands for each: the longest first.
struct Folders(Vec<(String, String)>);

static FOLDERS: OnceLock<Folders> = OnceLock::new();

/// Hides the paths of these folders from now on. Once for a process; of folders within each other, the inner one counts.
pub fn hide(folders: &[HiddenFolder]) {
    if !folders.is_empty() {
        // A second node in one process would be a mistake that nothing starts.
        let _ = FOLDERS.set(Folders::of(folders));
    }
}

/// Whether this process hides folders.
pub(crate) fn are_hidden() -> bool {
    FOLDERS.get().is_some()
}

/// Returns a text without the paths of hidden folders.
pub(crate) fn conceal(text: Cow<'_, str>) -> Cow<'_, str> {
    match FOLDERS.get().and_then(|folders| folders.shown(&text)) {
        Some(shown) => Cow::Owned(shown),
        None => text,
    }
}

impl Folders {
    fn of(folders: &[HiddenFolder]) -> Folders {
        let mut all: Vec<(String, String)> = Vec::new();
        for folder in folders {
            let path = folder.path.to_string_lossy();
            // The root is no folder that could be hidden: every path begins with it.
            let path = path.trim_end_matches('/');
            let written = (!path.is_empty()).then(|| path.to_string());
            all.extend(written.into_iter().chain(forms(path)).map(|form| (form, folder.shown.clone())));
        }
        all.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup_by(|(a, _), (b, _)| a == b);
        Folders(all)
    }

    /// Returns the text with what stands for the folders in it; `None` where it has none.
    fn shown(&self, text: &str) -> Option<String> {
        if !self.0.iter().any(|(path, _)| text.contains(path.as_str())) {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        // From left to right, so that what was put in is not looked at again.
        while let Some((at, path, shown)) = self.first(rest, &out) {
            out.push_str(&rest[..at]);
            rest = &rest[at + path.len()..];
            match rest.strip_prefix('/') {
                Some(inner) if shown == HERE && inner.starts_with(is_of_name) => rest = inner,
                _ => out.push_str(shown),
            }
        }
        out.push_str(rest);
        Some(out)
    }

    /// Returns where the first path of a folder is in a text that follows another one.
    fn first(&self, text: &str, before: &str) -> Option<(usize, &str, &str)> {
        let places = self.0.iter().filter_map(|(path, shown)| {
            let is_whole = |at: &usize| {
                let follows = text[..*at].chars().next_back().or_else(|| before.chars().next_back());
                !follows.is_some_and(is_of_name) && !goes_on(&text[at + path.len()..])
            };
            let at = text.match_indices(path.as_str()).map(|(at, _)| at).find(is_whole)?;
            Some((at, path.as_str(), shown.as_str()))
        });
        // Of two at one place, the longer one, which comes first.
        places.min_by_key(|(at, ..)| *at)
    }
}

/// Whether a name of a folder would go on with this: it is another folder's.
fn goes_on(text: &str) -> bool {
    let mut behind = text.chars();
    match behind.next() {
        // The end of a sentence, or the dot in a name.
        Some('.') => behind.next().is_some_and(is_of_name),
        Some(next) => is_of_name(next),
        None => false,
    }
}

/// Whether a name of a file may well have this.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folders(of: &[(&str, &str)]) -> Folders {
        let folder = |(path, shown): &(&str, &str)| HiddenFolder { path: path.into(), shown: (*shown).into() };
        Folders::of(&of.iter().map(folder).collect::<Vec<_>>())
    }

    fn of_a_job() -> Folders {
        folders(&[("/srv/n", "(node)"), ("/srv/n/web/files", HERE), ("/srv/n/web", "..")])
    }

    #[test]
    fn the_inner_folder_counts() {
        let folders = of_a_job();
        for (text, expected) in [
            ("cannot read /srv/n/web/files/in.csv: gone", "cannot read in.csv: gone"),
            ("/srv/n/web/files/in.csv:3 and /srv/n/web/checkpoints#a", "in.csv:3 and ../checkpoints#a"),
            ("file:///srv/n/web/checkpoints", "file://../checkpoints"),
            ("`/srv/n/web/files` is no file", "`.` is no file"),
            ("it is in /srv/n.", "it is in (node)."),
            ("/srv/n/web/files/../checkpoints", "../checkpoints"),
            ("/srv/n/web/files/", "./"),
            ("/srv/n/plugins/x.wasm", "(node)/plugins/x.wasm"),
            ("[\"/srv/n\"]", "[\"(node)\"]"),
        ] {
            assert_eq!(folders.shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_paths_stay() {
        let folders = of_a_job();
        for text in ["/srv/n2/x", "/mnt/srv/n/x", "/srv/n.old", "/srv/n-1", "srv/n", "/srv"] {
            assert_eq!(folders.shown(text).as_deref().unwrap_or(text), text);
        }
    }

    #[test]
    fn a_path_is_known_however_it_is_written() {
        let folders = folders(&[("/srv/a \"b\"", "(node)")]);
        let written = [format!("{:?}", "/srv/a \"b\"/x"), "%2Fsrv%2Fa%20%22b%22".into()];
        assert_eq!(written.map(|text| folders.shown(&text).unwrap()), ["\"(node)/x\"", "(node)"]);
    }

    proptest! {
        /// Goal: no path of the folder is left, and what is around it stays. Method: paths below it in any text.
        #[test]
        fn no_path_is_left(around in "[ a(:`'\",;/]{0,6}", inner in "(/[a-z.]{1,4}){0,3}") {
            prop_assume!(!around.ends_with(is_of_name));
            let text = format!("{around}/srv/n{inner}{around}");
            prop_assume!(!goes_on(&format!("{inner}{around}")));
            prop_assert_eq!(folders(&[("/srv/n", "(node)")]).shown(&text), Some(format!("{around}(node){inner}{around}")));
        }
    }
}
