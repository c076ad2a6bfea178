//! Secrets: values that a job uses and nobody is shown.
//!
//! A [`Secret`] does not display its value. A process that runs with secrets says so once ([`hide`]). From then on [`conceal`]
//! replaces each of their values in a text by `${secret:NAME}`; every text that leaves the process passes through it: problems,
//! errors, reasons of dead letters, log lines, what a job says of itself. Rows are not texts: a function that writes its config into
//! a row publishes it. The paths of [hidden folders](crate::folders) are replaced with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::OnceLock;

use crate::{folders, shown};

/// Minimum bytes of a value. A shorter one occurs in texts by chance: replacing it would garble them, and say what it is.
pub const VALUE_BYTES_MIN: usize = 4;

/// Minimum bytes of a line of a value of several lines, such as a key in PEM, for which the line is a secret of its own.
const LINE_BYTES_MIN: usize = 8;

/// Minimum bytes of the beginning of a value that is concealed, too, where a message quotes less than all of it; and at least half
/// of the value.
const BEGINNING_BYTES_MIN: usize = 8;

/// Secrets by name.
pub type Secrets = BTreeMap<String, Secret>;

/// The value of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Creates a secret.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// Returns the value, for the one who uses it.
    pub fn value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

/// What is concealed, by what: the longest first.
struct Hidden(Vec<(String, String)>);

static HIDDEN: OnceLock<Hidden> = OnceLock::new();

/// Conceals these secrets in every text from now on. Once for a process: it runs one job.
pub fn hide(secrets: &Secrets) {
    if !secrets.is_empty() {
        // A second job in one process would be a mistake that nothing starts.
        let _ = HIDDEN.set(Hidden::of(secrets));
    }
}

/// Returns a text in which no value of a hidden secret is left, nor the path of a hidden folder. Costs nothing in a process without
/// either.
pub fn conceal(text: &str) -> Cow<'_, str> {
    folders::conceal(match HIDDEN.get() {
        None => Cow::Borrowed(text),
        Some(hidden) => hidden.conceal(text),
    })
}

/// Whether this process has secrets or hidden folders.
pub fn are_hidden() -> bool {
    HIDDEN.get().is_some() || folders::are_hidden()
}

impl Hidden {
    fn of(secrets: &Secrets) -> Hidden {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, secret) in secrets {
            let shown = format!("${{secret:{name}}}");
            for form in forms(secret.value()) {
                all.push((form, shown.clone()));
            }
        }
        all.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup_by(|(a, _), (b, _)| a == b);
        Hidden(all)
    }

    fn conceal<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(text);
        for (form, shown) in &self.0 {
            if let Some(clean) = without(&out, form, shown) {
                out = Cow::Owned(clean);
            }
        }
        out
    }
}

/// Returns the ways in which a message writes a value: as it is, quoted, on one line, as JSON, in a URL; and each of its lines.
pub(crate) fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![
        value.to_string(),
        value.trim().to_string(),
        value.escape_debug().to_string(),
        value.escape_default().to_string(),
        shown::one_line(value, usize::MAX),
        shown::lines(value).into_owned(),
        in_json(value),
        in_url(value),
    ];
    forms.retain(|form| form.len() >= VALUE_BYTES_MIN);
    if value.trim().contains('\n') {
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= LINE_BYTES_MIN);
        forms.extend(lines.map(String::from));
    }
    forms
}

/// Returns a text as JSON has it between quotes.
fn in_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a string cannot fail.
            c if c.is_control() => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

/// Returns a text as a URL has it: all but unreserved characters (RFC 3986) as percent and two hexadecimal digits.
fn in_url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

/// Replaces a value, and the beginning of it where no more of it stands; `None` where neither is in the text.
fn without(text: &str, value: &str, shown: &str) -> Option<String> {
    let least = BEGINNING_BYTES_MIN.max(value.len().div_ceil(2)).min(value.len());
    let head = &value[..value.ceil_char_boundary(least)];
    if !text.contains(head) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(head) {
        out.push_str(&rest[..at]);
        out.push_str(shown);
        let same = rest[at..].chars().zip(value.chars()).take_while(|(a, b)| a == b);
        rest = &rest[at + same.map(|(c, _)| c.len_utf8()).sum::<usize>()..];
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hidden(secrets: &[(&str, &str)]) -> Hidden {
        Hidden::of(&secrets.iter().map(|(name, value)| (name.to_string(), Secret::new(*value))).collect())
    }

    #[test]
    fn a_value_is_concealed_however_it_is_written() {
        let hidden = hidden(&[("KEY", "p\"ss w\\rd/\u{e9}\n")]);
        for text in [
            format!("found {:?}", "p\"ss w\\rd/\u{e9}\n"),
            format!("found {}", "p\"ss w\\rd/\u{e9}\n"),
            "found p%22ss%20w%5Crd%2F%C3%A9%0A".to_string(),
            "found p\"ss w\\rd/\u{e9}".to_string(),
        ] {
            let shown = hidden.conceal(&text);
            assert!(shown.contains("${secret:KEY}") && !shown.contains("ss"), "{text}: {shown}");
        }
        assert_eq!(hidden.conceal("nothing"), "nothing");
    }

    #[test]
    fn a_secret_within_another_one_goes_with_it() {
        let hidden = hidden(&[("A", "token"), ("B", "https://host/token/path")]);
        assert_eq!(hidden.conceal("cannot reach https://host/token/path"), "cannot reach ${secret:B}");
        assert_eq!(hidden.conceal("a token, a token"), "a ${secret:A}, a ${secret:A}");
    }

    /// A message that quotes a part of a setting is cut somewhere within the secret.
    #[test]
    fn a_beginning_and_a_line_are_concealed() {
        let key = hidden(&[("KEY", "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nshort\n-----END KEY-----\n")]);
        assert_eq!(key.conceal("cannot read MIIEvQIBADANBgkqhkiG"), "cannot read ${secret:KEY}");
        let password = hidden(&[("P", "correct horse battery")]);
        assert_eq!(password.conceal("found `correct horse b`..."), "found `${secret:P}`...");
        assert_eq!(password.conceal("correct, a horse"), "correct, a horse");
    }

    #[test]
    fn a_secret_does_not_display_its_value() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(...)");
    }

    proptest! {
        /// Goal: no value is left. Method: any values, in any text, as it is and quoted.
        #[test]
        fn no_value_is_left(values in prop::collection::vec("\\PC{4,20}", 1..4), around in "\\PC{0,10}") {
            let named: Vec<(String, &str)> =
                values.iter().enumerate().map(|(i, value)| (format!("S{i}"), value.as_str())).collect();
            let named: Vec<(&str, &str)> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let hidden = hidden(&named);
            for value in &values {
                for text in [format!("{around}{value}{around}"), format!("{value:?}")] {
                    let shown = hidden.conceal(&text).into_owned();
                    // What remains may be the name of a secret, or what surrounds the value.
                    let is_ours = ["${secret:S0}", "${secret:S1}", "${secret:S2}"].iter().any(|s| s.contains(value.trim()));
                    prop_assert!(is_ours || around.contains(value.trim()) || !shown.contains(value.as_str()), "{shown}");
                }
            }
        }
    }
}
