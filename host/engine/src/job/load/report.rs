//! The report of problems, with the lines of the job file in which they are.

use std::fmt::Write;

use super::file::Loaded;
use super::tree::{Place, Span};
use crate::job::problem::{Problem, Severity};
use flowgate_base::{secret, shown};

/// Problems that are shown; more would not be read.
const SHOWN_MAX: usize = 100;

/// Writes escape sequences for colours, if they are on.
struct Paint {
    on: bool,
}

impl Paint {
    fn wrap(&self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// A problem with its place in the document, for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Whether it keeps the job from running.
    pub severity: Severity,
    /// Its place in the job, as `operators.requests.input`.
    pub at: String,
    /// The line and the column in the text, from 1, where it is there.
    pub position: Option<(usize, usize)>,
    /// The message.
    pub message: String,
    /// The correction; one line or more.
    pub help: Option<String>,
}

impl Loaded {
    /// Returns the problems of the file's shape and `further` problems of the same job, in the order of the file, at most 100.
    pub fn listed(&self, further: &[Problem]) -> Vec<Listed> {
        let mut placed = self.placed(further);
        placed.truncate(SHOWN_MAX);
        let listed = placed.into_iter().map(|(place, problem)| Listed {
            severity: problem.severity,
            at: problem.at.to_string(),
            position: match place {
                Some(Place::Text(span)) => Some((span.line, mark(&span, problem.offset).0)),
                Some(Place::Argument(_)) | None => None,
            },
            message: shown::lines(&secret::conceal(&problem.message)).into_owned(),
            help: problem.help.as_deref().map(|help| shown::lines(&secret::conceal(help)).into_owned()),
        });
        listed.collect()
    }

    /// Returns the problems of the file's shape and `further` problems of the same job as text, in the order of the file. Each has
    /// its position (`file:line:column`), the message, the line with a mark under it, and the help.
    pub fn report(&self, further: &[Problem], colour: bool) -> String {
        let paint = Paint { on: colour };
        let placed = self.placed(further);
        let mut out = String::new();
        for (place, problem) in placed.iter().take(SHOWN_MAX) {
            self.one(&mut out, place.as_ref(), problem, &paint);
        }
        if placed.len() > SHOWN_MAX {
            let _ = writeln!(out, "... and {} more", placed.len() - SHOWN_MAX);
        }
        out
    }

    /// Returns all problems with their places, in the order of the file.
    fn placed<'a>(&'a self, further: &'a [Problem]) -> Vec<(Option<Place>, &'a Problem)> {
        let (syntax, shape) = self.problems.split_at(self.syntax.len());
        let mut placed: Vec<(Option<Place>, &Problem)> = self.syntax.iter().cloned().zip(syntax).collect();
        for problem in shape.iter().chain(further) {
            placed.push((self.places.find(&problem.at, problem.on_key).cloned(), problem));
        }
        placed.sort_by_key(|(place, _)| match place {
            Some(Place::Text(span)) => (span.line, span.column),
            Some(Place::Argument(_)) | None => (0, 0),
        });
        placed
    }

    fn one(&self, out: &mut String, place: Option<&Place>, problem: &Problem, paint: &Paint) {
        let severity = match problem.severity {
            Severity::Error => paint.wrap("1;31", "error"),
            Severity::Warning => paint.wrap("1;33", "warning"),
        };
        let message = paint.wrap("1", &shown::lines(&secret::conceal(&problem.message)));
        let name = &self.document.name;
        match place {
            Some(Place::Text(span)) => {
                let mark = mark(span, problem.offset);
                let position = format!("{name}:{}:{}", span.line, mark.0);
                let _ = writeln!(out, "{position}: {severity}: {message}");
                self.line(out, span.line, mark, paint);
            }
            Some(Place::Argument(argument)) => {
                let _ = writeln!(out, "{argument}: {severity}: {message}");
            }
            None => {
                let _ = writeln!(out, "{name}: {severity}: {message}");
            }
        }
        for line in problem.help.iter().flat_map(|h| h.lines()) {
            let label = if line.starts_with(' ') { "     ".to_string() } else { paint.wrap("36", "help:") };
            let _ = writeln!(out, "   {label} {}", shown::lines(&secret::conceal(line)));
        }
    }

    fn line(&self, out: &mut String, number: usize, (column, width): (usize, usize), paint: &Paint) {
        let Some(line) = self.document.text.lines().nth(number - 1) else { return };
        // Long lines, such as a whole job as one line of JSON, are cut around the mark.
        let start = column.saturating_sub(60);
        let shown: String = line.chars().skip(start).take(110).map(|c| if c == '\t' { ' ' } else { c }).collect();
        let shown: String = shown.chars().filter(|c| !shown::has_power(*c)).collect();
        let before: String = shown.chars().take(column - 1 - start).collect();
        let left = shown.chars().count().saturating_sub(column - 1 - start).max(1);
        let marks = "^".repeat(width.min(left));
        let pad = " ".repeat(unicode_width::UnicodeWidthStr::width(before.as_str()));
        let gutter = number.to_string();
        let bar = paint.wrap("34", "|");
        let _ = writeln!(out, " {} {bar} {shown}", paint.wrap("34", &gutter));
        let _ = writeln!(out, " {} {bar} {pad}{}", " ".repeat(gutter.len()), paint.wrap("1;31", &marks));
    }
}

/// Returns the column and the width of the mark.
fn mark(span: &Span, offset: Option<usize>) -> (usize, usize) {
    match (offset, span.text_from) {
        (Some(offset), Some(from)) => {
            let column = span.column + from + offset;
            (column.min(span.column + span.width), 1)
        }
        _ => (span.column, span.width),
    }
}
