//! Text that comes from a plugin and goes to a person's terminal.

/// Makes a plugin's text safe to show: control characters (and with them terminal escapes) and characters that
/// reorder text are replaced, and what is over `bytes_max` bytes is cut at a character.
pub(super) fn sanitise(text: &str, bytes_max: usize) -> String {
    let cut = if text.len() <= bytes_max { text } else { &text[..text.floor_char_boundary(bytes_max)] };
    if !cut.chars().any(is_hostile) {
        return cut.to_string();
    }
    cut.chars()
        .map(|c| match c {
            '\n' | '\t' | '\r' => ' ',
            c if is_hostile(c) => '\u{FFFD}',
            c => c,
        })
        .collect()
}

fn is_hostile(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}')
}

#[cfg(test)]
mod tests {
    use super::sanitise;

    #[test]
    fn terminal_escapes_do_not_pass() {
        assert_eq!(sanitise("a\x1b[31mred\nb\x07", 100), "a\u{FFFD}[31mred b\u{FFFD}");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(sanitise("aéé", 4), "aé");
        assert_eq!(sanitise("plain", 100), "plain");
    }
}
