//! Words out of texts.

use flowgate_sdk::{Columns, Output, Row};

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

/// One word; the input's other columns stay beside it.
#[derive(Debug, Row)]
#[row(passthrough)]
pub struct Word<'a> {
    /// Letters and digits alone.
    pub word: &'a str,
}

/// Splits `text` into words: one row for each, in a new column `word`.
///
/// A word is a run of letters and digits of any script (Unicode's Alphabetic and Numeric); all else separates. By default
/// words are in lower case.
#[flowgate_sdk::transform(columns)]
pub fn split_words<'a>(texts: Columns<'a, Text<'a>>, config: &SplitConfig, out: &mut Output<Word<'a>>) {
    for (row, text) in texts.text.iter().enumerate() {
        let mut rest = text;
        while let Some(start) = word_start(rest) {
            let (word, after) = rest[start..].split_at(word_len(&rest[start..]));
            rest = after;
            if !long_enough(word, config.length_min) {
                continue;
            }
            out.select(row);
            if config.lower_case {
                append_lower_case(word, &mut out.columns.word);
            } else {
                out.columns.word.push(word);
            }
        }
    }
}

/// Where the first word begins.
fn word_start(text: &str) -> Option<usize> {
    let ascii = text.bytes().take_while(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric()).count();
    match text.as_bytes().get(ascii)? {
        byte if byte.is_ascii() => Some(ascii),
        _ => text[ascii..].find(char::is_alphanumeric).map(|start| ascii + start),
    }
}

/// How many bytes the word at the beginning has.
fn word_len(text: &str) -> usize {
    let ascii = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    match text.as_bytes().get(ascii) {
        Some(byte) if !byte.is_ascii() => {
            text[ascii..].find(|letter: char| !letter.is_alphanumeric()).map_or(text.len(), |end| ascii + end)
        }
        _ => ascii,
    }
}

/// Most words are longer than the bound in bytes, too, and need no count of characters.
fn long_enough(word: &str, length_min: u32) -> bool {
    let length_min = length_min as usize;
    word.len() >= length_min && (word.len() >= length_min.saturating_mul(4) || word.chars().count() >= length_min)
}

/// As `str::to_lowercase`, without the string.
fn append_lower_case(word: &str, column: &mut flowgate_sdk::TextBuilder) {
    if word.is_ascii() {
        column.append_ascii_lowercase(word);
    } else {
        // One letter can become several, and the Greek sigma depends on its place.
        column.append(&word.to_lowercase());
    }
    column.end_value();
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_sdk::testing::run;
    use proptest::prelude::*;

    fn words(config: &str, texts: &[&str]) -> Vec<(u32, String)> {
        let out = run::<split_words, _>(config, texts.iter().map(|text| Text { text })).unwrap();
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
        let problems = run::<split_words, _>(r#"{"length": 3}"#, [Text { text: "" }]).unwrap_err();
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
