//! What is wrong with a job, and where: all of it is collected, then shown at once.

use std::fmt;

/// A place in a job, as the way from its top: `operators`, `requests`, `input`. The job file gives it line and column;
/// a job that was built in Rust shows it as `operators.requests.input`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct At(Vec<String>);

impl At {
    /// The job itself.
    pub fn job() -> At {
        At::default()
    }

    /// The field, entry or list position `name` of this place.
    pub fn field(&self, name: impl fmt::Display) -> At {
        let mut steps = self.0.clone();
        steps.push(name.to_string());
        At(steps)
    }

    /// The place that this one is a field of; none for the job itself.
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

/// One thing that is wrong with a job. Displays without a position in a file: `operators.requests.input: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether the job can run all the same.
    pub severity: Severity,
    /// Where it is.
    pub at: At,
    /// Whether the field's name is meant, not its value.
    pub on_key: bool,
    /// Characters into the value, where it is a text with a wrong part.
    pub offset: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right; one line or more.
    pub help: Option<String>,
}

impl Problem {
    /// The value at this place is wrong.
    pub fn error(at: At, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Error, at, on_key: false, offset: None, message: message.into(), help: None }
    }

    /// What is wrong with the settings of a connector, or of a table, that stand at this place.
    pub fn of_settings(settings: &At, wrong: flowgate_connect::problem::Problem) -> Problem {
        let at = wrong.field.iter().fold(settings.clone(), |at, step| at.field(step));
        Problem { help: wrong.help, ..Problem::error(at, wrong.message) }
    }

    /// The job runs, but look here.
    pub fn warning(at: At, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(at, message) }
    }

    /// The field's name is meant, not its value.
    pub fn on_key(self) -> Problem {
        Problem { on_key: true, ..self }
    }

    /// The wrong part of a text begins this many characters into it.
    pub fn at_offset(self, offset: usize) -> Problem {
        Problem { offset: Some(offset), ..self }
    }

    /// Says what would be right. An empty text is no help.
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

/// The candidate that `word` was probably meant to be.
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

/// Candidates that are listed where none is near.
const LISTED_MAX: usize = 30;

/// `did you mean `x`?`, or, where nothing is near, what there is.
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
    fn a_slip_of_the_finger_is_near_and_another_word_is_not() {
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
