//! Escapes that web servers write: `\xHH` for a byte (nginx, Apache), and `\"`, `\\`, `\n`, `\r`, `\t` and others of C's
//! (Apache).

use std::borrow::Cow;

/// Returns the text without escapes. Where the escaped bytes are not UTF-8, it is unchanged.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    match text.bytes().position(|byte| byte == b'\\') {
        None => Cow::Borrowed(text),
        Some(first) => unescape_from(text, first),
    }
}

#[cold]
fn unescape_from(text: &str, first: usize) -> Cow<'_, str> {
    let mut bytes = text.as_bytes()[..first].to_vec();
    let mut rest = &text.as_bytes()[first..];
    loop {
        (bytes, rest) = match rest {
            [] => break,
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (appended(bytes, hex(*high) << 4 | hex(*low)), after)
            }
            [b'\\', letter, after @ ..] if simple(*letter).is_some() => {
                (appended(bytes, simple(*letter).unwrap_or(*letter)), after)
            }
            [byte, after @ ..] => (appended(bytes, *byte), after),
        };
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn appended(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn simple(letter: u8) -> Option<u8> {
    match letter {
        b'"' | b'\\' => Some(letter),
        b'b' => Some(8),
        b't' => Some(b'\t'),
        b'n' => Some(b'\n'),
        b'v' => Some(11),
        b'r' => Some(b'\r'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_both_servers() {
        assert_eq!(unescape("plain"), "plain");
        assert_eq!(unescape(r#"a \x22b\x22 \xC3\xa9"#), "a \"b\" é");
        assert_eq!(unescape(r#"a \"b\" \\ \t"#), "a \"b\" \\ \t");
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(unescape(r"\q \x4 \"), r"\q \x4 \");
        assert_eq!(unescape(r"a\xff"), r"a\xff");
    }
}
