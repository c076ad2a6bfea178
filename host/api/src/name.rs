//! Names of tenants, jobs, plugins and secrets: the same rule for all of them.

/// Maximum characters of a name: it is part of the names of files and sockets.
pub const NAME_CHARS_MAX: usize = 63;

/// Checks a name: letters, digits, `-` and `_`, a letter or digit first.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check(what: &str, name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let first = name.chars().next();
    if first.is_some_and(|c| c.is_ascii_alphanumeric()) && name.len() <= NAME_CHARS_MAX && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "the name of a {what} has letters, digits, `-` and `_`, a letter or digit first, and at most {NAME_CHARS_MAX} characters"
    ))
}

/// A plugin by its name, perhaps with a version: `sensors`, `sensors@2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRef {
    /// Its name.
    pub name: String,
    /// Its version; absent: the newest.
    pub version: Option<u32>,
}

impl PluginRef {
    /// Reads `NAME` or `NAME@VERSION`.
    ///
    /// # Errors
    /// It is neither; what would be right.
    pub fn parse(text: &str) -> Result<PluginRef, String> {
        let (name, version) = match text.split_once('@') {
            None => (text, None),
            Some((name, version)) => match version.parse() {
                Ok(version) if version > 0 => (name, Some(version)),
                _ => return Err(format!("`{text}` is no plugin: expected NAME or NAME@VERSION, as in `sensors@2`")),
            },
        };
        check("plugin", name)?;
        Ok(PluginRef { name: name.into(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths() {
        for good in ["a", "0", "sensors-2_x", &"x".repeat(63)] {
            assert_eq!(check("job", good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "_a", ".", "..", "a/b", "a b", "ä", "a\0", "a%2f", &"x".repeat(64)] {
            assert!(check("job", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn plugins_have_versions() {
        let plugin = |name: &str, version| Ok(PluginRef { name: name.into(), version });
        assert_eq!(PluginRef::parse("sensors"), plugin("sensors", None));
        assert_eq!(PluginRef::parse("sensors@2"), plugin("sensors", Some(2)));
        for bad in ["sensors@", "sensors@0", "sensors@x", "@2", "a@1@2"] {
            assert!(PluginRef::parse(bad).is_err(), "{bad}");
        }
    }
}
