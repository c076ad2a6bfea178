//! Values for a terminal.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

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
/// Concatenated, they are the text. A character is what a reader takes for one (a grapheme cluster), since a code point can
/// change the width of the one before it: a digit followed by U+FE0F is an emoji of two cells.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut end) = (0, 0);
    for character in text.graphemes(true) {
        let grown = end + character.len();
        if end > start && text[start..grown].width() > width {
            pieces.push(&text[start..end]);
            start = end;
        }
        end = grown;
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
        // A digit that is shown as an emoji has two cells, and stays in one piece with what makes it one.
        assert_eq!(wrapped("0\u{fe0f}A", 2), ["0\u{fe0f}", "A"]);
        assert_eq!(wrapped("0\u{fe0f}A", 1), ["0\u{fe0f}", "A"]);
    }

    proptest! {
        /// Goal: no part of a value is lost and no line is too wide. Method: the pieces of any text, joined, are the text; each
        /// fits, or is one character. Half of the characters are ones that change the width of their neighbours.
        #[test]
        fn nothing_is_lost(text in "(\\PC|[0#A\u{fe0f}\u{200d}\u{20e3}\u{301}\u{1f3fb}\u{1f469}\u{1f1e9}漢]){0,40}", width in 1_usize..30) {
            let pieces = wrapped(&text, width);
            prop_assert_eq!(pieces.concat(), &text[..]);
            for piece in pieces {
                let fits = piece.width() <= width || piece.graphemes(true).count() == 1;
                prop_assert!(fits, "{:?} at {}", piece, width);
            }
        }
    }
}
