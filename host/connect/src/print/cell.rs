//! Values for a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use flowgate_base::shown::has_power;

/// Returns a value's text, in which characters that would move the cursor, change colours or the direction of the text are
/// replaced.
pub(super) fn shown(plain: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(plain).chars() {
        match c {
            '\n' | '\r' | '\t' => text.extend(c.escape_default()),
            c if has_power(c) => text.extend(c.escape_unicode()),
            c => text.push(c),
        }
    }
    text
}

/// Returns the pieces of a text, each of at most `width` cells, or of one character that is wider; at least one piece.
/// Concatenated, they are the text.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<&str> {
    if text.width() <= width {
        return vec![text];
    }
    let mut pieces = Vec::new();
    let (mut start, mut cells) = (0, 0);
    for (at, c) in text.char_indices() {
        let of_char = c.width().unwrap_or(0);
        if cells + of_char > width && at > start {
            pieces.push(&text[start..at]);
            (start, cells) = (at, 0);
        }
        cells += of_char;
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_are_as_long_as_fits() {
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("abc", 3), ["abc"]);
        assert_eq!(wrapped("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(wrapped("漢字漢", 3), ["漢", "字", "漢"]);
        assert_eq!(wrapped("漢字", 0), ["漢", "字"]);
        // A mark above a letter stays with it.
        assert_eq!(wrapped("abe\u{301}f", 3), ["abe\u{301}", "f"]);
    }

    proptest! {
        /// Goal: no part of a value is lost. Method: the pieces of any text, joined, are the text.
        #[test]
        fn nothing_is_lost(text in "\\PC{0,40}", width in 1_usize..30) {
            let pieces = wrapped(&text, width);
            prop_assert_eq!(pieces.concat(), &text[..]);
            for piece in pieces {
                prop_assert!(piece.width() <= width.max(2), "{:?} at {}", piece, width);
            }
        }
    }
}
