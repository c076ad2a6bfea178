//! From a job's settings to sources and sinks.

use std::io::IsTerminal;

use super::blackhole::Blackhole;
use super::file::FileSource;
use super::file_sink::FileSink;
use super::generator::GeneratorSource;
use super::nexmark;
use super::print::{PrintLayout, PrintSink, TapSink};
use super::sink::{Boundedness, SinkWriter};
use super::source::Source;
use super::stdin::StdinSource;
use super::system::SystemSource;
use super::webhook::{Endpoint, WebhookSink};
use crate::connector::{SinkConnector, SourceConnector};
use crate::settings::PrintFormat;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// Opens a source. What the outside world has to do with it (whether a file is there) shows in [`Source::splits`].
pub fn open_source(connector: &SourceConnector) -> Result<Box<dyn Source>> {
    build(connector).map_err(|wrong| Error::new(&crate::code::USER, wrong.join("\n")))
}

/// The columns of a source's rows, or everything that is wrong with its settings, one message each, without the source's
/// name. Does not touch the disk.
pub fn source_schema(connector: &SourceConnector) -> std::result::Result<Schema, Vec<String>> {
    build(connector).map(|source| Schema::clone(&source.schema()))
}

fn build(connector: &SourceConnector) -> std::result::Result<Box<dyn Source>, Vec<String>> {
    Ok(match connector {
        SourceConnector::File { spec, base } => Box::new(FileSource::new(spec, base)?),
        SourceConnector::Stdin(spec) => Box::new(StdinSource::new(spec)?),
        SourceConnector::Generator(spec) => Box::new(GeneratorSource::of_spec(spec)?),
        SourceConnector::Nexmark { spec, base } => nexmark::source(spec, base)?,
        SourceConnector::System(spec) => Box::new(SystemSource::new(spec)?),
    })
}

/// Opens a sink for rows of this schema, of a job that ends by itself or does not. Nothing outside is changed before
/// [`SinkWriter::start`]. `print` writes to standard output; to have it write elsewhere, use [`PrintSink::new`].
pub fn open_sink(connector: &SinkConnector, schema: &Schema, boundedness: Boundedness) -> Result<Box<dyn SinkWriter>> {
    Ok(match connector {
        SinkConnector::Print(print) => {
            let stdout = std::io::stdout();
            let terminal = stdout.is_terminal();
            let layout = match print.format {
                PrintFormat::Auto if terminal => PrintLayout::Table { width: terminal_width() },
                PrintFormat::Table => PrintLayout::Table { width: if terminal { terminal_width() } else { None } },
                PrintFormat::Auto | PrintFormat::Json => PrintLayout::JsonLines,
            };
            Box::new(PrintSink::new(Box::new(stdout), layout, schema))
        }
        SinkConnector::File { path, format } => Box::new(FileSink::open(path, *format, schema, boundedness)?),
        SinkConnector::Webhook(spec) => {
            let endpoint = Endpoint::new(spec).map_err(|wrong| Error::new(&crate::code::USER, wrong.join("\n")))?;
            Box::new(WebhookSink::new(endpoint, schema))
        }
        SinkConnector::Tap { output } => Box::new(TapSink::new(Box::new(std::io::stderr()), output, schema)),
        SinkConnector::Blackhole => Box::new(Blackhole),
    })
}

/// Everything that is wrong with a sink's settings, one message each, without the sink's name. Touches nothing outside.
pub fn sink_problems(connector: &SinkConnector) -> Vec<String> {
    match connector {
        SinkConnector::Webhook(spec) => match Endpoint::new(spec) {
            Ok(_) => Vec::new(),
            Err(wrong) => wrong,
        },
        SinkConnector::Print(_) | SinkConnector::File { .. } | SinkConnector::Tap { .. } | SinkConnector::Blackhole => {
            Vec::new()
        }
    }
}

/// Cells in a line of the terminal that standard output is, if it is one.
pub(crate) fn terminal_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};

    use super::*;
    use crate::settings::SinkFormat;
    use flowgate_base::schema::{DataType, Field};

    #[test]
    fn sinks_by_their_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let schema = Schema::new(vec![Field::new("n", DataType::Int64)]);
        let columns: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1, 2]))];
        for connector in [SinkConnector::File { path: path.clone(), format: SinkFormat::Csv }, SinkConnector::Blackhole]
        {
            let mut sink = open_sink(&connector, &schema, Boundedness::Bounded).unwrap();
            sink.start(&Arc::default()).unwrap();
            sink.write(&columns, 2).unwrap();
            sink.finish().unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), "n\n1\n2\n");
    }

    #[test]
    fn settings_are_judged_without_the_disk() {
        let file = |settings: serde_json::Value| SourceConnector::File {
            spec: serde_json::from_value(settings).unwrap(),
            base: "/nowhere".into(),
        };
        let schema = source_schema(&file(serde_json::json!({ "path": "no/such.log" }))).unwrap();
        assert_eq!(schema.to_string(), "text: text");
        let columns = serde_json::json!({ "t": "timestamp", "size": "int64?" });
        let schema =
            source_schema(&file(serde_json::json!({ "path": "x", "format": "csv", "columns": columns }))).unwrap();
        assert_eq!(schema.to_string(), "t: timestamp, size: int64?");
        let error = open_source(&file(serde_json::json!({ "path": "", "format": "json" }))).err().unwrap();
        assert_eq!(error.message.lines().count(), 2);
    }
}
