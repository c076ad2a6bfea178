//! `flowgate infer`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use super::error::CommandError;
use super::terminal;
use flowgate::job::spec::Format;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::DataType;
use flowgate_connect::infer::{Inferred, SampleSettings, infer};
use flowgate_connect::{limits, reader_of_file};
use flowgate_worker::figures::whole;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate infer orders.csv
  flowgate infer events.jsonl.gz
  flowgate infer --format csv --delimiter ';' --no-header export.txt
  head -1000 orders.csv | flowgate infer -

What it prints is the `sources` section of a job. Types are int64, float64, boolean, timestamp, text and json, with `?` \
where a row of the sample has no value. Numbers that would lose a digit (zeros before them, more digits than fit) stay texts. \
A compressed file is known by `.gz` or `.zst`; of a large file, the first 16 MiB are read.";

/// Arguments of `flowgate infer`.
#[derive(Debug, Args)]
pub(crate) struct InferArgs {
    /// The file; `-` is standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The format [default: by the file's name, else by its content].
    #[arg(long, value_enum)]
    format: Option<SampleFormat>,
    /// CSV: the character between values [default: the one of `,`, `;`, tab and `|` that the first line has most of].
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
    /// CSV: the first line has values, not names. Columns are called `column_1` and so on.
    #[arg(long)]
    no_header: bool,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SampleFormat {
    /// Lines of text.
    Text,
    /// One JSON object a line.
    Json,
    /// Comma-separated values.
    Csv,
}

/// Prints the section, and on standard error the rows that could not be read.
///
/// # Errors
/// The file cannot be read, or has no rows.
pub(super) fn run(args: &InferArgs) -> Result<()> {
    let shown = if is_stdin(&args.file) { "standard input".to_string() } else { args.file.display().to_string() };
    let delimiter = match args.delimiter {
        Some(c) if !c.is_ascii() || matches!(c, '"' | '\r' | '\n') => {
            return Err(CommandError::Arguments(format!(
                "--delimiter is `{c}`; it must be one ASCII character, not a quote or line end"
            ))
            .into());
        }
        Some(c) => Some(c as u8),
        None => (extension(&args.file) == "tsv").then_some(b'\t'),
    };
    let format = args.format.map(|format| match format {
        SampleFormat::Text => Format::Text,
        SampleFormat::Json => Format::Json,
        SampleFormat::Csv => Format::Csv,
    });
    let format = format.or_else(|| format_of(&args.file));
    let (sample, is_whole) = sample(&args.file, &shown)?;
    let settings = SampleSettings { format, delimiter, no_header: args.no_header };
    let inferred = infer(&sample, &settings).map_err(|e| e.within(&shown))?;
    if let Some(first) = &inferred.first_failure {
        let (failures, rows) = (whole(inferred.failures), whole(inferred.rows + inferred.failures));
        terminal::message(&format!("warning: {shown}: {failures} of {rows} rows cannot be read; the first: {first}\n"));
    }
    terminal::print(&section(&args.file, &inferred, &settings, is_whole)?)
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Returns the extension under that of a compression.
fn extension(file: &Path) -> String {
    let name = file.to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    name.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.into())
}

fn format_of(file: &Path) -> Option<Format> {
    match extension(file).as_str() {
        "json" | "jsonl" | "ndjson" => Some(Format::Json),
        "csv" | "tsv" => Some(Format::Csv),
        "log" => Some(Format::Text),
        _ => None,
    }
}

/// Returns the beginning of a file, up to the end of a line, and whether it is the whole file.
fn sample(file: &Path, shown: &str) -> Result<(Vec<u8>, bool)> {
    let cannot = |e: &std::io::Error| Error::io(format_args!("cannot read {shown}"), e);
    let mut input: Box<dyn Read> = match is_stdin(file) {
        true => Box::new(std::io::stdin()),
        false => File::open(file).and_then(|opened| reader_of_file(opened, file)).map_err(|e| cannot(&e))?,
    };
    let mut sample = Vec::new();
    let most = limits::INFER_BYTES_MAX as u64;
    input.by_ref().take(most).read_to_end(&mut sample).map_err(|e| cannot(&e))?;
    let is_whole = input.read(&mut [0]).map_err(|e| cannot(&e))? == 0;
    if !is_whole && let Some(end) = memchr::memrchr(b'\n', &sample) {
        sample.truncate(end + 1);
    }
    Ok((sample, is_whole))
}

/// Returns the `sources` section.
fn section(file: &Path, inferred: &Inferred, settings: &SampleSettings, is_whole: bool) -> Result<String> {
    let is_stdin = is_stdin(file);
    let path =
        file.to_str().ok_or_else(|| CommandError::Arguments(format!("the path {} is not UTF-8", file.display())))?;
    let mut text = match (inferred.format, is_whole) {
        (Format::Text, _) => String::new(),
        (_, true) => format!("# From {} rows.\n", whole(inferred.rows)),
        (_, false) => format!(
            "# From the first {} rows. A column that lacks a value in later ones needs `?` behind its type.\n",
            whole(inferred.rows)
        ),
    };
    text += &format!("sources:\n  {}:\n    {}:\n", source_name(file), if is_stdin { "stdin" } else { "file" });
    if !is_stdin {
        text += &format!("      path: {}\n", yaml_text(&path.replace("${", "$${")));
    }
    let format = match inferred.format {
        Format::Text => "text",
        Format::Json => "json",
        Format::Csv => "csv",
    };
    text += &format!("      format: {format}\n");
    if inferred.format == Format::Csv {
        if settings.no_header {
            text += "      header: false\n";
        }
        if inferred.delimiter != b',' {
            text += &format!("      delimiter: {}\n", quoted(&char::from(inferred.delimiter).to_string()));
        }
    }
    if !inferred.columns.is_empty() {
        text += "      columns:\n";
        for field in &inferred.columns {
            text += &format!("        {}: {}\n", yaml_text(&field.name), field.type_name());
        }
    }
    for (name, why) in &inferred.left_out {
        text += &format!("        # left out: {} ({why})\n", quoted(name));
    }
    if let Some(time) = inferred.columns.iter().find(|field| field.data_type == DataType::Timestamp) {
        text +=
            &format!("    # For windows by event time:\n    # event_time: {{ column: {} }}\n", yaml_text(&time.name));
    }
    Ok(text)
}

/// Returns a name for the source: the characters of the file's name that a name can have.
fn source_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or_default();
    let stem: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect();
    // Not `-`, nor a text that begins like a number or has a meaning in YAML.
    let is_name = stem.starts_with(|c: char| c.is_ascii_alphabetic()) && yaml_text(&stem) == stem;
    if is_name { stem } else { "rows".into() }
}

/// Returns a text in YAML, in quotes where it needs them or might.
fn yaml_text(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.into() } else { quoted(text) }
}

/// Returns a text in double quotes, as in YAML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\t' => quoted.push_str("\\t"),
            // Not allowed in a YAML file, or line ends to some readers.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use flowgate::job::load::{Document, Language, load};
    use flowgate::job::spec;
    use flowgate_base::schema::Field;

    fn source(name: &str, section: &str) -> spec::Source {
        let text = format!("job: x\n{section}sinks: {{ out: {{ input: {name}, print: {{}} }} }}\n");
        let document = Document { name: "job".into(), text, language: Language::Yaml, base: "/".into() };
        let loaded = load(document, &[], &|_| None);
        assert!(loaded.problems.is_empty(), "{}\n{section}", loaded.report(&[], false));
        loaded.job.unwrap().sources[name].clone()
    }

    proptest! {
        /// Goal: for any names of a file and its columns, the section is YAML with these names.
        #[test]
        fn a_section_is_read_as_it_was_meant(
            file in "([^/\0]|\\$\\{A\\}|true|1.5|~){1,12}",
            names in proptest::collection::hash_set("(\\PC|[\u{80}-\u{a0}\\\\\"'#: \t{}$-]|null|yes|12){1,6}", 1..5),
            delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'\\'), Just(b'#')],
        ) {
            let columns: Vec<Field> = names.iter().map(|name| Field::nullable(name, DataType::Timestamp)).collect();
            let inferred = Inferred {
                format: Format::Csv, delimiter, columns, left_out: vec![("a\nb".into(), "why")], rows: 1, failures: 0,
                first_failure: None,
            };
            let file = format!("./{file}");
            let section = section(Path::new(&file), &inferred, &SampleSettings::default(), true).unwrap();
            let source = source(&source_name(Path::new(&file)), &section).connectors["file"].clone();
            let source: spec::FileSource = serde_json::from_value(source).unwrap();
            prop_assert_eq!(&source.path, &file);
            prop_assert_eq!(source.delimiter, char::from(delimiter).to_string());
            prop_assert_eq!(source.columns.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
            prop_assert!(source.columns.values().all(|name| *name == "timestamp?".into()));
        }
    }

    #[test]
    fn formats_by_name() {
        for (name, format) in [
            ("a.csv", Some(Format::Csv)),
            ("a.TSV.gz", Some(Format::Csv)),
            ("b/a.jsonl.zst", Some(Format::Json)),
            ("a.log", Some(Format::Text)),
            ("a.gz", None),
            ("-", None),
        ] {
            assert_eq!(format_of(Path::new(name)), format, "{name}");
        }
        assert_eq!(source_name(Path::new("data/orders 2026.csv.gz")), "orders_2026");
        assert_eq!([source_name(Path::new("-")), source_name(Path::new("2026.csv"))], ["rows", "rows"]);
    }
}
