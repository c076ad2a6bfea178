//! Problems with the settings of a connector, and their places.

use std::fmt;

/// One problem with settings. Displays as the message and, on a line of its own, the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path from the settings to the wrong field, as `["columns", "size"]`; empty where the settings as a whole are wrong. A
    /// field that is absent from the settings is missing.
    pub field: Vec<String>,
    /// What is wrong. It does not name the source or the sink.
    pub message: String,
    /// What would be right, where the message does not say it.
    pub help: Option<String>,
}

impl Problem {
    /// Creates the problem that a field of the settings is wrong.
    pub fn of(field: &str, message: impl Into<String>) -> Problem {
        Problem { field: vec![field.into()], message: message.into(), help: None }
    }

    /// Creates the problem that an entry of a field is wrong: a column of `columns`.
    pub fn of_entry(field: &str, entry: &str, message: impl Into<String>) -> Problem {
        Problem { field: vec![field.into(), entry.into()], message: message.into(), help: None }
    }

    /// Creates the problem that the settings as a whole are wrong.
    pub fn of_settings(message: impl Into<String>) -> Problem {
        Problem { field: Vec::new(), message: message.into(), help: None }
    }

    /// Adds what would be right.
    pub fn help(self, help: impl Into<String>) -> Problem {
        Problem { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "\n{help}"))
    }
}

/// Returns problems as one text, at least one line for each.
pub fn listed(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
