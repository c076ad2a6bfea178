//! Text made safe to show to a person. Names, messages and values come from plugins and data: on a terminal, a control character
//! moves the cursor, changes the title or pastes into the input, and a mark of direction reorders the text.
//!
//! Such characters are shown escaped, as `\u{1b}`. Every text that goes to a terminal passes through here: pieces where they become
//! part of a message ([`one_line`]), and everything again where it is written ([`painted`]).
//!
//! S6: no text of a plugin or of data reaches a terminal with control characters in it.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character has power over a terminal or over the order in which a text is read: control characters, line
/// separators, marks, embeddings, overrides and isolates of direction.
pub fn has_power(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Returns a text as one line of at most `bytes_max` bytes: line breaks and tabs become blanks, other characters with power are
/// escaped; a longer text is cut between characters.
pub fn one_line(text: &str, bytes_max: usize) -> String {
    // The part that will be cut is not checked.
    let head = &text[..text.floor_char_boundary(bytes_max)];
    if !head.chars().any(has_power) {
        return head.into();
    }
    let mut out = String::with_capacity(head.len());
    for c in head.chars() {
        match c {
            '\n' | '\t' | '\r' => out.push(' '),
            c => escape(c, &mut out),
        }
    }
    out.truncate(out.floor_char_boundary(bytes_max));
    out
}

/// Returns a text of several lines: line feeds and tabs stay, other characters with power are escaped.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |_| 0)
}

/// The codes for colour and weight in our own reports, between `ESC [` and `m`.
pub(crate) const PAINTS: [&str; 6] = ["1;31", "1;33", "1", "36", "34", "0"];

/// Does the same as [`lines`] for a report; its own colours (`PAINTS`) stay.
pub fn painted(text: &str) -> Cow<'_, str> {
    escaped(text, |rest| {
        let code = rest.strip_prefix("\x1b[").and_then(|rest| rest.split_once('m')).map(|(code, _)| code);
        code.filter(|code| PAINTS.contains(code)).map_or(0, |code| code.len() + "\x1b[m".len())
    })
}

/// Returns JSON made safe to show: characters with power, which can only be within strings, are escaped as in JSON.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            c if has_power(c) => {
                // All of them are in the basic plane. Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Appends a character, escaped if it has power.
fn escape(c: char, out: &mut String) {
    if has_power(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
}

/// Escapes characters with power, except line feeds, tabs, and where `kept` returns the length of a prefix that stays.
fn escaped(text: &str, kept: impl Fn(&str) -> usize) -> Cow<'_, str> {
    let stays = |c: char| !has_power(c) || matches!(c, '\n' | '\t');
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let kept = if stays(c) { c.len_utf8() } else { kept(rest) };
        if kept > 0 {
            out.push_str(&rest[..kept]);
            rest = &rest[kept..];
        } else {
            escape(c, &mut out);
            rest = &rest[c.len_utf8()..];
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_escapes_are_shown_and_have_no_effect() {
        assert_eq!(one_line("a\x1b[31mred\nb\x07", 100), "a\\u{1b}[31mred b\\u{7}");
        assert_eq!(lines("\u{9b}2J\tx\r\n\u{202e}y"), "\\u{9b}2J\tx\\u{d}\n\\u{202e}y");
        assert_eq!(json("{\n\"a\": \"\u{9b}\u{7f}\u{2066}\"}"), "{\n\"a\": \"\\u009b\\u007f\\u2066\"}");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(one_line("aéé", 4), "aé");
        assert_eq!(one_line("plain", 100), "plain");
        assert_eq!(one_line("\u{7}\u{7}\u{7}", 7), "\\u{7}\\u");
    }

    #[test]
    fn only_our_own_colours_stay() {
        let ours = "\x1b[1;31merror\x1b[0m: \x1b[1mx\x1b[0m";
        assert_eq!(painted(ours), ours);
        assert_eq!(painted("\x1b[8mhidden\x1b[0m"), "\\u{1b}[8mhidden\x1b[0m");
        assert_eq!(painted("\x1b]0;title\x07\x1b[34"), "\\u{1b}]0;title\\u{7}\\u{1b}[34");
    }

    proptest! {
        /// Goal: nothing with power gets through. Method: any text, made mostly of such characters.
        #[test]
        fn nothing_with_power_is_left(text in "(\\PC|[\u{0}-\u{1f}]|[\u{7f}-\u{9f}]|[\u{2028}-\u{202e}]|\u{1b}\\[1m|é){0,40}", max in 0_usize..100) {
            let one = one_line(&text, max);
            prop_assert!(one.len() <= max && !one.chars().any(has_power), "{one:?}");
            prop_assert!(!lines(&text).chars().any(|c| has_power(c) && c != '\n' && c != '\t'));
            prop_assert!(!json(&text).chars().any(|c| has_power(c) && c != '\n'));
            let painted = painted(&text);
            let unpainted = PAINTS.iter().fold(painted.into_owned(), |t, code| t.replace(&format!("\x1b[{code}m"), ""));
            prop_assert!(!unpainted.chars().any(|c| has_power(c) && c != '\n' && c != '\t'), "{unpainted:?}");
        }
    }
}
