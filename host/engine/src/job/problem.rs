//! Problems of a job and their places. All problems are collected, then shown together.

use std::fmt;

/// A place in a job, as the path from its top: `operators`, `requests`, `input`. In a job file, it has a line and a column; in a
/// job that was built in Rust, it is shown as `operators.requests.input`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct At(Vec<String>);

impl At {
    /// Returns the place of the job itself.
    pub fn job() -> At {
        At::default()
    }

    /// Returns the place of the field, entry or list position `name` of this place.
    pub fn field(&self, name: impl fmt::Display) -> At {
        let mut steps = self.0.clone();
        steps.push(name.to_string());
        At(steps)
    }

    /// Returns the place that contains this one; `None` for the job itself.
    pub fn parent(&self) -> Option<At> {
        let (_, above) = self.0.split_last()?;
        Some(At(above.to_vec()))
    }

    /// The steps from the top.
    pub fn steps(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("job") } else { f.write_str(&self.0.join(".")) }
    }
}

/// Whether a problem keeps the job from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The job does not run.
    Error,
    /// The job runs, but probably not as its author meant.
    Warning,
}

/// A problem of a job. Displays without a position in a file: `operators.requests.input: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether the job can run nevertheless.
    pub severity: Severity,
    /// Its place in the job.
    pub at: At,
    /// Whether the problem is in the field's name, and not in its value.
    pub on_key: bool,
    /// The offset of the wrong part in the value, in characters, if the value is a text.
    pub offset: Option<usize>,
    /// The message.
    pub message: String,
    /// The correction; one line or more.
    pub help: Option<String>,
}

impl Problem {
    /// Creates an error in the value at a place.
    pub fn error(at: At, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Error, at, on_key: false, offset: None, message: message.into(), help: None }
    }

    /// Creates the problem of a connector or a table whose settings are at the place `settings`.
    pub fn of_settings(settings: &At, wrong: flowgate_connect::problem::Problem) -> Problem {
        let at = wrong.field.iter().fold(settings.clone(), |at, step| at.field(step));
        Problem { help: wrong.help, ..Problem::error(at, wrong.message) }
    }

    /// Creates a warning.
    pub fn warning(at: At, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(at, message) }
    }

    /// Says that the problem is in the field's name, and not in its value.
    pub fn on_key(self) -> Problem {
        Problem { on_key: true, ..self }
    }

    /// Sets the offset of the wrong part of a text, in characters.
    pub fn at_offset(self, offset: usize) -> Problem {
        Problem { offset: Some(offset), ..self }
    }

    /// Sets the correction. An empty text is none.
    pub fn help(self, help: impl Into<String>) -> Problem {
        let help = Some(help.into()).filter(|h| !h.is_empty());
        Problem { help, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, "{}: {warning}{}", self.at, self.message)?;
        for line in self.help.iter().flat_map(|h| h.lines()) {
            let label = if line.starts_with(' ') { "     " } else { "help:" };
            write!(f, "\n  {label} {line}")?;
        }
        Ok(())
    }
}

/// Candidates that are compared with a wrong word: a huge job must not take long to refuse.
const CANDIDATES_MAX: usize = 1_000;

/// Returns the candidate that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &str| {
        if candidate.eq_ignore_ascii_case(word) {
            return Some(0);
        }
        // `int` for `int64`.
        if word.len() >= 3 && candidate.starts_with(word) {
            return Some(1);
        }
        let distance = strsim::damerau_levenshtein(word, candidate);
        let allowed = (word.chars().count().max(candidate.chars().count()) / 3).max(1);
        (distance <= allowed && distance < candidate.chars().count()).then_some(distance)
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.into_iter().take(CANDIDATES_MAX) {
        if let Some(distance) = near(candidate)
            && best.is_none_or(|(least, _)| distance < least)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Candidates that are listed if none is near.
const LISTED_MAX: usize = 30;

/// Returns `did you mean `x`?`, or, if none is near, a list of the candidates.
pub fn suggestion<'a>(word: &str, what: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let mut all: Vec<String> = candidates.into_iter().take(LISTED_MAX + 1).map(|c| format!("`{c}`")).collect();
            if all.len() > LISTED_MAX {
                all[LISTED_MAX] = "...".into();
            }
            if all.is_empty() { format!("there are no {what}") } else { format!("{what}: {}", all.join(", ")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_near_and_another_word_is_not() {
        let fields = ["input", "plugin", "function", "key"];
        assert_eq!(nearest("inptu", fields), Some("input"));
        assert_eq!(nearest("Function", fields), Some("function"));
        assert_eq!(nearest("fucntion", fields), Some("function"));
        assert_eq!(nearest("colour", fields), None);
        assert_eq!(nearest("", fields), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn without_a_near_one_all_are_listed() {
        assert_eq!(suggestion("zzz", "columns", ["a", "b"]), "columns: `a`, `b`");
        assert_eq!(suggestion("zzz", "columns", []), "there are no columns");
    }
}
