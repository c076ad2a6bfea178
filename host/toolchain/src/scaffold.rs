//! A new plugin's folder, from the SDK's template.
//!
//! In the template, `{{name}}` stands for the plugin's name, `{{crate}}` for the same as a Rust identifier, and
//! `{{version}}` for the version of the SDK. A file called `NAME.in` becomes `NAME`, so that the template can hold files
//! that tools would otherwise take for ours.

use std::path::Path;

use super::error::BuildError;
use super::sdk;
use flowgate_base::error::{Error, Result};

/// Bytes of a plugin's name, at most: names are shown in tables and used as file names.
const NAME_BYTES_MAX: usize = 64;

/// Names that Cargo or the compiler keep for themselves.
const TAKEN: [&str; 53] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "flowgate_sdk",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "unsafe",
    "use",
    "where",
    "while",
];

/// Starts the plugin `name` in the folder `dir`, which is made unless it is there and empty.
///
/// # Errors
///
/// The name cannot be used, the folder is not empty, or something cannot be written.
pub fn scaffold(name: &str, dir: &Path) -> Result<()> {
    check_name(name)?;
    check_empty(dir)?;
    write(name, dir, sdk::template())?;
    sdk::carry(dir).map(drop)
}

fn write(name: &str, dir: &Path, template: &[(&str, &[u8])]) -> Result<()> {
    if template.is_empty() {
        return Err(Error::internal("this program was built without the SDK"));
    }
    let mut files = Vec::new();
    for (path, content) in template {
        let text = std::str::from_utf8(content)
            .map_err(|_| Error::internal(format!("file {path} of the template is not text")))?;
        files.push((path.strip_suffix(".in").unwrap_or(path), fill(text, name)));
    }
    sdk::write_all(dir, &files)
}

fn fill(text: &str, name: &str) -> String {
    text.replace("{{name}}", name)
        .replace("{{crate}}", &name.replace('-', "_"))
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
}

fn check_name(name: &str) -> Result<()> {
    let bad = |why: &str| Err(BuildError::NewPlugin(format!("`{name}` cannot be the name of a plugin: {why}")).into());
    if name.len() > NAME_BYTES_MAX {
        return bad(&format!("it is longer than {NAME_BYTES_MAX} bytes"));
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return bad("it has to start with a lower-case letter (a to z)");
    }
    if let Some(odd) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')) {
        return bad(&format!("`{odd}` is not a lower-case letter, digit, `-` or `_`"));
    }
    if TAKEN.contains(&name.replace('-', "_").as_str()) {
        return bad("Rust keeps that word for itself");
    }
    Ok(())
}

fn check_empty(dir: &Path) -> Result<()> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                Err(BuildError::NewPlugin(format!("{} is not empty: choose another folder with --path", dir.display()))
                    .into())
            }
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => {
            Err(BuildError::NewPlugin(format!("{} is a file: choose a folder with --path", dir.display())).into())
        }
        Err(e) => Err(Error::io(format!("cannot open {}", dir.display()), &e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_are_taken() {
        for name in ["weblog", "my-plugin", "a", "geo_ip2"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        let long = "x".repeat(65);
        let cases = [
            ("", "start with a lower-case letter"),
            ("2fast", "start with a lower-case letter"),
            ("Weblog", "start with a lower-case letter"),
            ("web log", "` ` is not"),
            ("web/log", "`/` is not"),
            ("../up", "start with a lower-case letter"),
            ("größe", "`ö` is not"),
            ("match", "Rust keeps"),
            ("flowgate-sdk", "Rust keeps"),
            (long.as_str(), "longer than 64"),
        ];
        for (name, why) in cases {
            let message = check_name(name).unwrap_err().message;
            assert!(message.contains(why), "{name}: {message}");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check_empty(dir.path()), Ok(()));
        assert_eq!(check_empty(&dir.path().join("new")), Ok(()));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(check_empty(dir.path()).unwrap_err().message.contains("is not empty"));
        assert!(check_empty(&file).unwrap_err().message.contains("is a file"));
    }

    #[test]
    fn placeholders_are_filled_in_and_suffixes_go() {
        let dir = tempfile::tempdir().unwrap();
        let template: [(&str, &[u8]); 2] =
            [("Cargo.toml.in", b"name = \"{{name}}\"\n"), ("src/lib.rs", b"//! {{crate}} {{name}}\n")];
        write("my-plugin", dir.path(), &template).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("Cargo.toml")).unwrap(), "name = \"my-plugin\"\n");
        assert_eq!(std::fs::read_to_string(dir.path().join("src/lib.rs")).unwrap(), "//! my_plugin my-plugin\n");
    }
}
