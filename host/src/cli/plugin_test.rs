//! `flowgate plugin test`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum, ValueHint};
use indexmap::IndexMap;
use serde_json::Value;

use super::diff::diff;
use super::terminal;
use super::trial::{Outcome, Trial};
use crate::error::{Error, Result};
use crate::job::graph::SourceConnector;
use crate::job::spec::{Compression, FileSource, Format, StdinSource};
use crate::plugin::binding::FunctionInfo;
use crate::plugin::build::package;
use crate::plugin::{Limits, Plugin, Plugins, Settings};

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate plugin test parse sample.log
  flowgate plugin test parse sample.log --expect parse.expected
  flowgate plugin test parse sample.log --expect parse.expected --update
  flowgate plugin test quantile values.csv --plugin stats.wasm --config '{ \"q\": 0.95 }'
  head -100 access.log | flowgate plugin test parse -";

/// Arguments of `flowgate plugin test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The function.
    function: String,
    /// Sample rows: lines of text, JSON lines or CSV; `-` is standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    input: PathBuf,
    /// The component, or the folder of a plugin that was built.
    #[arg(long, value_name = "FILE|DIR", default_value = ".")]
    plugin: PathBuf,
    /// The function's config: JSON, or the name of a file with JSON behind an `@`.
    #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
    config: String,
    /// How the input becomes rows [default: by the file's name, else text].
    #[arg(long, value_enum)]
    format: Option<InputFormat>,
    /// Columns and types of the input, as in `time: timestamp, size: int64?` [default: what the function declares].
    #[arg(long, value_name = "COLUMNS")]
    columns: Option<String>,
    /// Compare what comes out with this file; exit code 1 where it differs.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Write what comes out to the file of `--expect`.
    #[arg(long, requires = "expect")]
    update: bool,
}

/// How the input becomes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// Lines of text: one column.
    Text,
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header line.
    Csv,
}

/// Shows rows on standard output and what failed on standard error, or compares both with a file.
pub(super) fn run(args: &TestArgs) -> Result<()> {
    let config = config(&args.config)?;
    let plugins = Plugins::with(Settings::of_command(Limits::default())?)?;
    let plugin = plugins.load(&component(&args.plugin)?)?;
    let Some(function) = plugin.function(&args.function) else {
        return Err(unknown_function(&plugin, &args.function));
    };
    let connector = connector(args, function)?;
    let trial = Trial { plugin: &plugin, function, connector, config, text_column: text_column(function) };
    let outcome = trial.run()?;
    let Some(expect) = &args.expect else { return show(&outcome) };
    let found = outcome.text();
    if args.update {
        std::fs::write(expect, &found).map_err(|e| Error::io(format!("cannot write {}", expect.display()), &e))?;
        terminal::message(&format!("wrote {}\n", expect.display()));
        return Ok(());
    }
    let expected = std::fs::read_to_string(expect)
        .map_err(|e| Error::io(format!("cannot read {} (`--update` writes it)", expect.display()), &e))?;
    match diff(&expected, &found) {
        None => {
            let (rows, failures) = (outcome.row_count, outcome.failures.len());
            terminal::message(&format!("{}: as expected ({rows} rows, {failures} failures)\n", args.function));
            Ok(())
        }
        Some(difference) => {
            terminal::print(&format!("--- {}\n+++ {}\n{difference}\n", expect.display(), args.function))?;
            // External, because that is the exit code of what ran and did not go well.
            Err(Error::external(format!("{} gives other rows than {} has", args.function, expect.display())))
        }
    }
}

fn show(outcome: &Outcome) -> Result<()> {
    terminal::print(&outcome.rows)?;
    terminal::message(&outcome.failures.iter().map(|line| format!("{line}\n")).collect::<String>());
    Ok(())
}

/// The component's file: a folder has it where `plugin build` writes it.
fn component(plugin: &Path) -> Result<PathBuf> {
    if !plugin.is_dir() {
        return Ok(plugin.to_path_buf());
    }
    let output = package::read(plugin)?.output;
    if !output.is_file() {
        let dir = plugin.display();
        return Err(Error::user(format!("{} is not there: `flowgate plugin build {dir}` builds it", output.display())));
    }
    Ok(output)
}

fn config(argument: &str) -> Result<Value> {
    let (text, place) = match argument.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(format!("cannot read {path}"), &e))?;
            (text, path.to_string())
        }
        None => (argument.to_string(), "--config".to_string()),
    };
    serde_json::from_str(&text).map_err(|e| Error::user(format!("{place} is not JSON: {e}")))
}

fn unknown_function(plugin: &Arc<Plugin>, name: &str) -> Error {
    let names: Vec<&str> = plugin.functions().iter().map(|f| f.name.as_str()).collect();
    Error::user(format!("{} has no function `{name}`; it has {}", plugin.path().display(), names.join(", ")))
}

/// The one text column that a function declares: lines of text are given to it under that name.
fn text_column(function: &FunctionInfo) -> Option<String> {
    match function.inputs.first()?.as_slice() {
        [field] => Some(field.name.clone()),
        _ => None,
    }
}

fn connector(args: &TestArgs, function: &FunctionInfo) -> Result<SourceConnector> {
    let format = match args.format.unwrap_or_else(|| format_of(&args.input)) {
        InputFormat::Text => Format::Text,
        InputFormat::Json => Format::Json,
        InputFormat::Csv => Format::Csv,
    };
    let columns = match (&args.columns, format) {
        (Some(columns), _) => parse_columns(columns)?,
        (None, Format::Text) => IndexMap::new(),
        (None, _) => declared(function),
    };
    if format != Format::Text && columns.is_empty() {
        let name = &function.name;
        let like = "--columns 'time: timestamp, size: int64?'";
        return Err(Error::user(format!("`{name}` does not declare the columns that it reads; name them: {like}")));
    }
    let columns = columns.into_iter().map(|(name, type_name)| (name, type_name.into())).collect();
    let (header, delimiter, batch_rows) = (true, ",".to_string(), None);
    if args.input.as_os_str() == "-" {
        return Ok(SourceConnector::Stdin(StdinSource { format, columns, header, delimiter, batch_rows }));
    }
    let base = std::env::current_dir().map_err(|e| Error::io("cannot find the current folder", &e))?;
    // A source's path is a pattern; this one is a file.
    let path = glob::Pattern::escape(&args.input.to_string_lossy());
    let compression = Compression::Auto;
    let spec = FileSource { path, format, columns, follow: false, compression, header, delimiter, batch_rows };
    Ok(SourceConnector::File { spec, base })
}

/// By the name, under a compression's.
fn format_of(input: &Path) -> InputFormat {
    let name = input.to_string_lossy();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json" | "jsonl" | "ndjson") => InputFormat::Json,
        Some("csv") => InputFormat::Csv,
        _ => InputFormat::Text,
    }
}

fn parse_columns(text: &str) -> Result<IndexMap<String, String>> {
    let column = |part: &str| {
        let (name, kind) = part.split_once(':')?;
        Some((name.trim().to_string(), kind.trim().to_string()))
    };
    let columns: Option<IndexMap<_, _>> = text.split(',').filter(|part| !part.trim().is_empty()).map(column).collect();
    columns.ok_or_else(|| Error::user(format!("--columns is `{text}`; write it like `time: timestamp, size: int64?`")))
}

fn declared(function: &FunctionInfo) -> IndexMap<String, String> {
    let fields = function.inputs.first().into_iter().flatten();
    fields.map(|field| (field.name.clone(), field.type_name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_from_the_name() {
        for (name, format) in [
            ("a.log", InputFormat::Text),
            ("a", InputFormat::Text),
            ("a.jsonl", InputFormat::Json),
            ("a.csv.gz", InputFormat::Csv),
        ] {
            assert_eq!(format_of(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn columns_are_read() {
        let columns = parse_columns("time: timestamp, size:int64? ,").unwrap();
        assert_eq!(columns.get("size").map(String::as_str), Some("int64?"));
        assert_eq!(columns.len(), 2);
        assert!(parse_columns("size").is_err());
    }
}
