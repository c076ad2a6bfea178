//! Splits texts into words.

use flowgate_sdk::{Columns, Output, Row};

use crate::ascii;

/// Settings of `split_words`.
#[flowgate_sdk::config]
#[derive(Debug, Clone)]
pub struct SplitConfig {
    /// Whether words come in lower case.
    #[serde(default = "yes")]
    pub lower_case: bool,
    /// Shorter words are left out, counted in characters.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub length_min: u32,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

/// The text to split.
#[derive(Debug, Row)]
pub struct Text<'a> {
    /// Any text.
    pub text: &'a str,
}

/// One word; the input's other columns are forwarded.
#[derive(Debug, Row)]
#[row(passthrough)]
pub struct Word<'a> {
    /// Letters and digits only.
    pub word: &'a str,
}

/// Splits `text` into words: one row for each, in a new column `word`.
///
/// A word is a run of letters and digits of any script (Unicode's Alphabetic and Numeric); all else separates. By default
/// words are in lower case.
#[flowgate_sdk::transform(columns)]
pub fn split_words<'a>(texts: Columns<'a, Text<'a>>, config: &SplitConfig, out: &mut Output<Word<'a>>) {
    for (row, text) in texts.text.iter().enumerate() {
        if text.is_ascii() {
            ascii::words(text.as_bytes(), |start, end| {
                let word = &text[start..end];
                if !long_enough(word, config.length_min) {
                    return;
                }
                out.select(row);
                if config.lower_case {
                    out.columns.word.append_ascii_lowercase(word);
                } else {
                    out.columns.word.append(word);
                }
                out.columns.word.end_value();
            });
            continue;
        }
        let mut rest = text;
        while let Some(start) = word_start(rest) {
            let len = word_len(&rest[start..]);
            let (word, after) = rest[start..].split_at(len.bytes);
            rest = after;
            if !long_enough(word, config.length_min) {
                continue;
            }
            out.select(row);
            match (config.lower_case, len.ascii) {
                (false, _) => out.columns.word.append(word),
                (true, true) => out.columns.word.append_ascii_lowercase(word),
                // One letter can become several, and the Greek sigma depends on its place: not byte by byte.
                (true, false) => out.columns.word.append(&word.to_lowercase()),
            }
            out.columns.word.end_value();
        }
    }
}

/// The kind of a byte in a word.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Separator,
    Word,
    /// Part of a character beyond ASCII.
    Other,
}

/// By byte: one look-up instead of four comparisons.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Separator; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte >= 128 {
            classes[byte] = Class::Other;
        } else if (byte as u8).is_ascii_alphanumeric() {
            classes[byte] = Class::Word;
        }
        byte += 1;
    }
    classes
};

/// Returns the position of the first byte that is not of this class, and its class; `None` at the end of the text.
#[inline(always)]
fn run(text: &str, class: Class) -> (usize, Option<Class>) {
    for (at, byte) in text.bytes().enumerate() {
        let found = CLASSES[usize::from(byte)];
        if found != class {
            return (at, Some(found));
        }
    }
    (text.len(), None)
}

/// Returns the beginning of the first word.
#[inline(always)]
fn word_start(text: &str) -> Option<usize> {
    match run(text, Class::Separator) {
        (_, None) => None,
        (at, Some(Class::Other)) => text[at..].find(char::is_alphanumeric).map(|start| at + start),
        (at, Some(_)) => Some(at),
    }
}

struct WordLen {
    bytes: usize,
    /// Whether all of its characters are ASCII.
    ascii: bool,
}

/// Returns the length of the word at the beginning.
#[inline(always)]
fn word_len(text: &str) -> WordLen {
    let (at, next) = run(text, Class::Word);
    if next != Some(Class::Other) {
        return WordLen { bytes: at, ascii: true };
    }
    let bytes = text[at..].find(|letter: char| !letter.is_alphanumeric()).map_or(text.len(), |end| at + end);
    WordLen { bytes, ascii: bytes == at }
}

/// Most words are longer than the bound in bytes, too, and need no count of characters.
#[inline(always)]
fn long_enough(word: &str, length_min: u32) -> bool {
    let length_min = length_min as usize;
    length_min <= 1
        || word.len() >= length_min
            && (word.len() >= length_min.saturating_mul(4) || word.chars().count() >= length_min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing;
    use proptest::prelude::*;

    fn words(config: &str, texts: &[&str]) -> Vec<(u32, String)> {
        let out = testing::run::<split_words, _>(config, texts.iter().map(|text| Text { text })).unwrap();
        let words = out.rows::<Word>().into_iter().map(|row| row.word.to_owned()).collect::<Vec<_>>();
        out.selection().iter().copied().zip(words).collect()
    }

    #[test]
    fn words_know_the_row_they_come_from() {
        let found = words("{}", &["To be, or NOT", " ... ", "", "it's"]);
        let expected = [(0, "to"), (0, "be"), (0, "or"), (0, "not"), (3, "it"), (3, "s")];
        assert_eq!(found, expected.map(|(row, word)| (row, word.to_owned())));
    }

    #[test]
    fn any_script() {
        let found = words("{}", &["Ärger im Straßenbau—ΟΔΟΣ 東京2024!"]);
        let found: Vec<&str> = found.iter().map(|(_, word)| &**word).collect();
        assert_eq!(found, ["ärger", "im", "straßenbau", "οδος", "東京2024"]);
    }

    #[test]
    fn settings() {
        let config = r#"{"lower_case": false, "length_min": 3}"#;
        let found = words(config, &["A Day éé ééé of THE year"]);
        let found: Vec<&str> = found.iter().map(|(_, word)| &**word).collect();
        assert_eq!(found, ["Day", "ééé", "THE", "year"]);
        let problems = testing::run::<split_words, _>(r#"{"length": 3}"#, [Text { text: "" }]).unwrap_err();
        assert!(problems[0].contains("unknown field `length`"), "{problems:?}");
    }

    proptest! {
        #[test]
        fn as_the_standard_library_splits(texts in prop::collection::vec("[a-zA-Z0-9 ,.éÉß東Σ—]{0,30}|.{0,20}", 1..6), length_min in 1u32..4) {
            let expected: Vec<(u32, String)> = (0u32..).zip(&texts).flat_map(|(row, text)| {
                text.split(|letter: char| !letter.is_alphanumeric())
                    .filter(|word| word.chars().count() >= length_min as usize)
                    .map(move |word| (row, word.to_lowercase()))
                    .collect::<Vec<_>>()
            }).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(words(&format!("{{\"length_min\": {length_min}}}"), &texts), expected);
        }
    }
}
