//! Sample rows for a function: files, formats, columns and keys, as they are typed.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum, ValueHint};
use indexmap::IndexMap;

use super::error::CommandError;
use flowgate::job::spec::{Compression, FileSource, Format, StdinSource};
use flowgate_base::error::{Error, Result};
use flowgate_base::quantity::Millis;
use flowgate_connect::Connector;
use flowgate_wall::binding::{FunctionInfo, Kind};

/// Arguments about the input rows.
#[derive(Debug, Args)]
pub(super) struct SampleArgs {
    /// Sample rows: lines of text, JSON lines or CSV; `-` is standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    input: PathBuf,
    /// Sample rows of the second input: the right side of a join function, or the other input of a process function.
    #[arg(value_hint = ValueHint::FilePath)]
    other: Option<PathBuf>,
    /// How the input becomes rows [default: by the file's name, else text].
    #[arg(long, value_enum)]
    format: Option<InputFormat>,
    /// Columns and types of the input, as in `time: timestamp, size: int64?`; given twice, the second is of the second input
    /// [default: what the function declares, and the columns of --key and --event-time].
    #[arg(long, value_name = "COLUMNS")]
    columns: Vec<String>,
    /// The key of a process or join function: columns, as in `user,page`. `seller=id` names them on both inputs. Columns that
    /// the function does not declare are text, unless it says `sensor:int64`.
    #[arg(long, value_name = "COLUMN[:TYPE]", value_delimiter = ',')]
    pub(super) key: Vec<KeyArg>,
    /// The column with the event time, for a process function: watermarks follow from it behind each batch, and at the end of
    /// the input every timer of event time fires.
    #[arg(long, value_name = "COLUMN")]
    pub(super) event_time: Option<String>,
    /// How far behind the greatest event time the watermark stays, as in `5s`.
    #[arg(long, value_name = "DURATION", requires = "event_time")]
    pub(super) max_out_of_orderness: Option<Millis>,
    /// The greatest number of rows in a batch: timers fire between batches [default: 8192].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    batch_rows: Option<u32>,
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

/// One column of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyArg {
    /// The column of the first input and of the second.
    pub(super) columns: [String; 2],
    /// The type, where it is given.
    data_type: Option<String>,
}

impl FromStr for KeyArg {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (columns, data_type) = match text.split_once(':') {
            Some((columns, data_type)) => (columns, Some(data_type.trim().to_string())),
            None => (text, None),
        };
        let (first, second) = columns.split_once('=').unwrap_or((columns, columns));
        let columns = [first.trim().to_string(), second.trim().to_string()];
        if columns.iter().any(String::is_empty) || data_type.as_ref().is_some_and(String::is_empty) {
            return Err("write it like `user`, `user:int64` or `seller=id`".into());
        }
        Ok(KeyArg { columns, data_type })
    }
}

impl SampleArgs {
    /// Returns the files, one for each input of the function.
    ///
    /// # Errors
    /// The function has another number of inputs, has no key where it needs one, or one where it needs none.
    pub(super) fn files(&self, function: &FunctionInfo) -> Result<Vec<&Path>> {
        let files: Vec<&Path> =
            [Some(&self.input), self.other.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect();
        let (name, kind) = (&function.name, function.kind.name());
        let takes =
            if function.kind == Kind::Process { function.inputs.len().max(1) } else { *function.kind.inputs().end() };
        if files.len() != takes {
            let wanted =
                if takes == 1 { "one file of sample rows" } else { "two files of sample rows, one for each input" };
            return Err(CommandError::Arguments(format!("`{name}` is of the kind {kind}: name {wanted}")).into());
        }
        if files.iter().filter(|file| file.as_os_str() == "-").count() > 1 {
            return Err(CommandError::Arguments("only one of the two inputs can be standard input".into()).into());
        }
        let is_keyed = matches!(function.kind, Kind::Process | Kind::Join);
        match (is_keyed, self.key.is_empty()) {
            (true, true) => Err(CommandError::Arguments(format!(
                "`{name}` is of the kind {kind}: name its key, as in `--key user`"
            ))
            .into()),
            (false, false) => Err(CommandError::Arguments(format!(
                "`{name}` is of the kind {kind}, which has no key: leave out --key"
            ))
            .into()),
            _ => Ok(files),
        }
    }

    /// Returns the source of an input.
    ///
    /// # Errors
    /// Its columns are unknown or malformed.
    pub(super) fn connector(&self, file: &Path, input: usize, function: &FunctionInfo) -> Result<Connector> {
        let format = match self.format.unwrap_or_else(|| format_of(file)) {
            InputFormat::Text => Format::Text,
            InputFormat::Json => Format::Json,
            InputFormat::Csv => Format::Csv,
        };
        let columns = match (self.columns.get(input), format) {
            (Some(columns), _) => parse_columns(columns)?,
            (None, Format::Text) => IndexMap::new(),
            (None, _) => self.declared(input, function),
        };
        if format != Format::Text && columns.is_empty() {
            let name = &function.name;
            let like = "--columns 'time: timestamp, size: int64?'";
            return Err(CommandError::Arguments(format!(
                "`{name}` does not declare the columns that it reads; name them: {like}"
            ))
            .into());
        }
        let columns = columns.into_iter().map(|(name, type_name)| (name, type_name.into())).collect();
        let (header, delimiter, batch_rows) = (true, ",".to_string(), self.batch_rows);
        if file.as_os_str() == "-" {
            return Ok(Connector::new(&StdinSource { format, columns, header, delimiter, batch_rows }, ""));
        }
        let base = std::env::current_dir().map_err(|e| Error::io("cannot find the current folder", &e))?;
        // A source's path is a pattern; this one is a file.
        let path = glob::Pattern::escape(&file.to_string_lossy());
        let compression = Compression::Auto;
        let spec = FileSource { format, columns, compression, header, delimiter, batch_rows, ..FileSource::text(path) };
        Ok(Connector::new(&spec, base))
    }

    /// Returns the columns that the function declares, and those of key and event time.
    fn declared(&self, input: usize, function: &FunctionInfo) -> IndexMap<String, String> {
        let fields = function.inputs.get(input).into_iter().flatten();
        let mut columns: IndexMap<String, String> =
            fields.map(|field| (field.name.clone(), field.type_name())).collect();
        for key in &self.key {
            let name = key.columns[input.min(1)].clone();
            match &key.data_type {
                Some(data_type) => drop(columns.insert(name, data_type.clone())),
                None => drop(columns.entry(name).or_insert_with(|| "text".into())),
            }
        }
        if let Some(name) = &self.event_time {
            columns.entry(name.clone()).or_insert_with(|| "timestamp".into());
        }
        columns
    }
}

/// Returns the one text column that a function declares of an input: lines of text have that name.
pub(super) fn text_column(function: &FunctionInfo, input: usize) -> Option<String> {
    match function.inputs.get(input)?.as_slice() {
        [field] => Some(field.name.clone()),
        _ => None,
    }
}

/// Returns the format by the file's name, under a compression's extension.
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
    let wrong =
        || CommandError::Arguments(format!("--columns is `{text}`; write it like `time: timestamp, size: int64?`"));
    Ok(columns.ok_or_else(wrong)?)
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

    #[test]
    fn a_key_has_a_name_on_each_input_and_perhaps_a_type() {
        let key = |text: &str| text.parse::<KeyArg>();
        let named = |first: &str, second: &str, data_type: Option<&str>| {
            Ok(KeyArg { columns: [first.into(), second.into()], data_type: data_type.map(str::to_string) })
        };
        assert_eq!(key("user"), named("user", "user", None));
        assert_eq!(key("seller=id:int64"), named("seller", "id", Some("int64")));
        for wrong in ["", "=id", "seller=", "user:"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
