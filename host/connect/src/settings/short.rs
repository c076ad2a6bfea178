//! Short ways to write the settings of sources and sinks in Rust.

use indexmap::IndexMap;

use super::{
    ColumnType, Compression, FileSource, Format, Nexmark, NexmarkTable, OnError, StdinSource, Webhook, WebhookFormat,
};

fn typed<N: Into<String>, T: Into<ColumnType>>(
    columns: impl IntoIterator<Item = (N, T)>,
) -> IndexMap<String, ColumnType> {
    columns.into_iter().map(|(name, data_type)| (name.into(), data_type.into())).collect()
}

impl FileSource {
    /// Lines of text.
    pub fn text(path: impl Into<String>) -> FileSource {
        FileSource {
            path: path.into(),
            format: Format::Text,
            columns: IndexMap::new(),
            follow: false,
            compression: Compression::Auto,
            header: true,
            delimiter: ",".into(),
            batch_rows: None,
        }
    }

    /// One JSON object a line; `columns` are names and types, as `("size", "int64?")` or `("at", ColumnType::timestamp(TimeUnit::Us))`.
    pub fn json<N: Into<String>, T: Into<ColumnType>>(
        path: impl Into<String>,
        columns: impl IntoIterator<Item = (N, T)>,
    ) -> FileSource {
        FileSource { format: Format::Json, columns: typed(columns), ..FileSource::text(path) }
    }

    /// Comma-separated values whose first line names the columns; `columns` are names and types.
    pub fn csv<N: Into<String>, T: Into<ColumnType>>(
        path: impl Into<String>,
        columns: impl IntoIterator<Item = (N, T)>,
    ) -> FileSource {
        FileSource { format: Format::Csv, columns: typed(columns), ..FileSource::text(path) }
    }

    /// Goes on reading when the end is reached.
    pub fn follow(self) -> FileSource {
        FileSource { follow: true, ..self }
    }
}

impl StdinSource {
    /// Lines of text.
    pub fn text() -> StdinSource {
        let (format, columns) = (Format::Text, IndexMap::new());
        StdinSource { format, columns, header: true, delimiter: ",".into(), batch_rows: None }
    }

    /// One JSON object a line; `columns` are names and types, as `("size", "int64?")`.
    pub fn json<N: Into<String>, T: Into<ColumnType>>(columns: impl IntoIterator<Item = (N, T)>) -> StdinSource {
        StdinSource { format: Format::Json, columns: typed(columns), ..StdinSource::text() }
    }

    /// Comma-separated values whose first line names the columns; `columns` are names and types.
    pub fn csv<N: Into<String>, T: Into<ColumnType>>(columns: impl IntoIterator<Item = (N, T)>) -> StdinSource {
        StdinSource { format: Format::Csv, columns: typed(columns), ..StdinSource::text() }
    }
}

impl Nexmark {
    /// Made events of a table, without end.
    pub fn table(table: NexmarkTable) -> Nexmark {
        Nexmark { table, events: None, rate: None, path: None, preload: false, batch_rows: None }
    }

    /// Ends after this many events, counted over all three tables.
    pub fn events(self, events: u64) -> Nexmark {
        Nexmark { events: Some(events), ..self }
    }

    /// Holds all rows in memory before the job starts.
    pub fn preload(self) -> Nexmark {
        Nexmark { preload: true, ..self }
    }
}

impl Webhook {
    /// Posts rows to a URL.
    pub fn to(url: impl Into<String>) -> Webhook {
        Webhook {
            url: url.into(),
            format: WebhookFormat::Lines,
            batch_rows: None,
            headers: IndexMap::new(),
            retries: None,
            backoff: None,
            timeout: None,
            on_error: OnError::Fail,
        }
    }

    /// A further header of the requests.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Webhook {
        self.headers.insert(name.into(), value.into());
        self
    }
}
