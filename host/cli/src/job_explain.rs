//! `flowgate job explain`.

use clap::Args;

use super::job_found::{self, JobName};
use super::node::session::Where;
use super::{columns, node, terminal};
use flowgate_base::error::{Error, Result};
use flowgate_base::shown;
use flowgate_control::client;
use flowgate_control::explain::Explanation;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate job explain counts             # the only job that runs
  flowgate job explain payments counts
  flowgate job explain payments counts --json | jq -r '.findings[].cause'

`flowgate explain FG0301` explains the code of an error.";

/// Maximum bytes of a sentence.
const SENTENCE_BYTES_MAX: usize = 4_096;

/// Arguments of `flowgate job explain`.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct ExplainArgs {
    /// The job.
    #[command(flatten)]
    job: JobName,
    /// The source, operator or sink out of which nothing comes.
    operator: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Where the job is.
    #[command(flatten)]
    at: Where,
}

#[cfg(test)]
impl ExplainArgs {
    pub(super) fn names(self) -> (Option<String>, String) {
        (self.job.job, self.operator)
    }
}

pub(super) fn run(args: &ExplainArgs) -> Result<()> {
    if let Some(session) = args.at.node()? {
        return node::job_ask::explain(&session, args.job.job.as_deref(), &args.operator, args.json);
    }
    let job = job_found::find(&args.job)?;
    let explanation = client::explanation(&job, &args.operator).map_err(|error| job_found::no_answer(&job, error))?;
    if args.json {
        let text = serde_json::to_string_pretty(&explanation).map_err(|e| Error::internal(e.to_string()))?;
        return terminal::print(&format!("{}\n", shown::json(&text)));
    }
    terminal::print(&text(&explanation, terminal::width()))
}

/// Returns the sentences, a paragraph each, and the tables behind them.
pub(super) fn text(explanation: &Explanation, cells: Option<u16>) -> String {
    let mut text = String::new();
    for finding in &explanation.findings {
        let sentence = shown::one_line(&finding.text, SENTENCE_BYTES_MAX);
        text += &wrapped(&sentence, cells.map_or(100, usize::from));
    }
    for table in &explanation.tables {
        let head: Vec<&str> = table.columns.iter().map(String::as_str).collect();
        let (head, rows) = columns::without_empty(&head, table.rows.clone());
        text += &format!(
            "\n{}\n{}",
            shown::one_line(&table.title, SENTENCE_BYTES_MAX),
            columns::table(&head, &rows, cells)
        );
    }
    text
}

/// Returns a text in lines of at most `cells` cells, broken at blanks.
fn wrapped(text: &str, cells: usize) -> String {
    use unicode_width::UnicodeWidthStr;
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.width() + 1 + word.width() > cells {
            lines += &format!("{line}\n");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    format!("{lines}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowgate_control::explain::{Cause, Finding, Table};

    #[test]
    fn sentences_and_tables_fit_the_terminal() {
        let finding = |text: &str| Finding { cause: Cause::Silent, operator: "counts".into(), text: text.into() };
        let table = Table {
            title: "rows".into(),
            columns: vec!["operator".into(), "in".into(), "late".into()],
            rows: vec![vec!["counts".into(), "5".into(), "0".into()]],
        };
        let findings = vec![finding("`counts` has emitted nothing so far."), finding("a\u{1b}b")];
        let explanation = Explanation { operator: "counts".into(), findings, tables: vec![table] };
        let says = "`counts` has emitted\nnothing so far.\na\\u{1b}b\n\nrows\noperator  in\ncounts     5\n";
        assert_eq!(text(&explanation, Some(20)), says);
    }
}
