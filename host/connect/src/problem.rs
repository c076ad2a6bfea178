//! What is wrong with the settings of a connector, and where.

use std::fmt;

/// One thing that is wrong with settings. Displays as the message and, on a line of its own, the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The way from the settings to the field that is wrong, as `["columns", "size"]`; empty where it is the settings as a
    /// whole. A field may be absent from the settings: then it should be there.
    pub field: Vec<String>,
    /// What is wrong. It does not name the source or the sink.
    pub message: String,
    /// What would be right, where the message does not say it.
    pub help: Option<String>,
}

impl Problem {
    /// A field of the settings is wrong.
    pub fn of(field: &str, message: impl Into<String>) -> Problem {
        Problem { field: vec![field.into()], message: message.into(), help: None }
    }

    /// An entry of a field is wrong: a column of `columns`.
    pub fn of_entry(field: &str, entry: &str, message: impl Into<String>) -> Problem {
        Problem { field: vec![field.into(), entry.into()], message: message.into(), help: None }
    }

    /// The settings as a whole are wrong.
    pub fn of_settings(message: impl Into<String>) -> Problem {
        Problem { field: Vec::new(), message: message.into(), help: None }
    }

    /// Says what would be right.
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

/// Problems as one text, a line or more for each.
pub fn listed(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
