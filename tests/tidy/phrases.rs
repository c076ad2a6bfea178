//! Phrases for which the field has words, or which a stranger has to read twice. `docs/glossary.md` has the words.

use crate::repository::File;

/// The file of this rule, which has to name its phrases.
const HERE: &str = "tests/tidy/phrases.rs";

/// A phrase, and its replacement.
const BANNED: [(&str, &str); 10] = [
    ("so many", "the parameter's name, or `n`"),
    ("at the most", "at most"),
    ("at the least", "at least"),
    ("put together", "merged, built, assembled"),
    ("puts together", "merges, builds, assembles"),
    ("gives on", "forwards"),
    ("longer than nothing", "greater than 0"),
    ("more than nothing", "greater than 0"),
    ("under way", "in flight"),
    ("the host's own", "built-in"),
];

/// The endings of the names of files of prose.
const PROSE: [&str; 9] = [".rs", ".md", ".wit", ".toml", ".yaml", ".sh", ".json", ".stderr", "Makefile"];

pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.path != HERE && PROSE.iter().any(|end| file.path.ends_with(end))) {
        let mut last = String::new();
        for (number, line) in file.lines() {
            let words = line.trim().trim_start_matches(['/', '!', '#']).trim().to_lowercase();
            // A phrase may cross the end of a line.
            let both = format!("{last} {words}");
            for (phrase, instead) in BANNED {
                let here =
                    both.match_indices(phrase).any(|(at, _)| at + phrase.len() > last.len() + 1 || last.is_empty());
                if here {
                    wrong.push(format!("{}:{number}: `{phrase}`; write {instead}", file.path));
                }
            }
            last = words;
        }
    }
    wrong
}

#[test]
fn a_banned_phrase_is_found_on_one_line_and_on_two() {
    let of = |text: &str| check(&[File::new("a.rs", text)]).len();
    assert_eq!(of("// Ends after so many rows."), 1);
    assert_eq!(of("/// Ends after so\n/// many rows."), 1);
    assert_eq!(of("/// At the most 3.\n/// Rows."), 1);
    assert_eq!(of("/// Ends after `rows` rows, at most 3."), 0);
}
