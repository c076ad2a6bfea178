//! The places of the values of a JSON object in its text. The text is a valid object: serde_json has parsed it.

use std::borrow::Cow;

/// Iterates over the members of an object: names, and the texts of values.
pub(super) fn members(object: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let inside = object.trim_ascii();
    // A text that is not an object, against the condition above, has no members.
    let mut rest = inside.strip_prefix('{').and_then(|r| r.strip_suffix('}')).unwrap_or_default();
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let (quoted, after) = rest.split_at(value_len(rest));
        let raw = quoted.strip_prefix('"')?.strip_suffix('"')?;
        let name = match raw.contains('\\') {
            true => Cow::Owned(serde_json::from_str(quoted).ok()?),
            false => Cow::Borrowed(raw),
        };
        let after = after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
        let (value, after) = after.split_at(value_len(after));
        rest = after.trim_ascii_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
        Some((name, value))
    })
}

/// Returns how deep arrays and objects are nested.
pub(super) fn depth(value: &str) -> usize {
    let mut deepest = 0;
    walk(value, |_, depth| {
        deepest = deepest.max(depth);
        true
    });
    deepest
}

/// Returns the length of the value at the beginning of `text`.
fn value_len(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(b'{' | b'[' | b'"') => {
            let mut len = text.len();
            walk(text, |at, depth| {
                if depth == 0 {
                    len = at + 1;
                }
                depth > 0
            });
            len
        }
        _ => text.find(|c: char| matches!(c, ',' | '}' | ']' | ':') || c.is_ascii_whitespace()).unwrap_or(text.len()),
    }
}

/// Calls `at` behind each bracket and each string with its position and the number of open brackets there, until it returns
/// false.
fn walk(text: &str, mut at: impl FnMut(usize, usize) -> bool) {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'"' => {
                i += 1;
                while i < bytes.len() && bytes[i] != b'"' {
                    i += if bytes[i] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {
                i += 1;
                continue;
            }
        }
        if !at(i, depth) {
            return;
        }
        i += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(object: &str) -> Vec<(String, String)> {
        members(object).map(|(n, v)| (n.into_owned(), v.into())).collect()
    }

    #[test]
    fn values_are_returned_as_written() {
        let object = r#" { "a" : {"x": "}\"" , "y":[1, 2] } ,"\u0062":1.50e3,"c":"é\\","d":[],"e" :null } "#;
        let expected =
            [("a", r#"{"x": "}\"" , "y":[1, 2] }"#), ("b", "1.50e3"), ("c", r#""é\\""#), ("d", "[]"), ("e", "null")];
        assert_eq!(spans(object), expected.map(|(n, v)| (n.to_string(), v.to_string())));
        assert!(spans("{}").is_empty());
    }

    #[test]
    fn depth_counts_what_is_open() {
        assert_eq!(depth("1"), 0);
        assert_eq!(depth(r#"["[[[["]"#), 1);
        assert_eq!(depth(r#"{"a":[[1],[2]]}"#), 3);
    }
}
