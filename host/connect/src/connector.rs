//! A connector in a checked job.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entry::{ConnectorSettings, Entry, Kind};
use crate::error::SettingsError;
use crate::policy::Policy;
use crate::problem::{self, Problem};
use crate::sink::{Boundedness, ConfiguredSink, SinkWriter};
use crate::source::{ConfiguredSource, Source};
use crate::touches::Touches;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Schema;

/// A connector by its name, with its settings. Its place in the job says whether it is a source or a sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connector {
    /// Its name in the registry.
    pub name: String,
    /// The settings, with every default filled in.
    pub settings: Value,
    /// The folder to which paths are relative.
    pub base: PathBuf,
    /// What it may touch, if it belongs to a tenant: what it opens keeps to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

impl Connector {
    /// Creates a connector with these settings.
    pub fn new<S: ConnectorSettings>(settings: &S, base: impl Into<PathBuf>) -> Connector {
        let settings = serde_json::to_value(settings).expect("settings have text keys only");
        Connector { name: S::NAME.into(), settings, base: base.into(), policy: None }
    }

    /// Returns the settings, if it is this connector.
    pub fn settings_of<S: ConnectorSettings>(&self) -> Option<S> {
        if self.name != S::NAME {
            return None;
        }
        // Settings that do not fit belong to no connector: `configure` says so.
        serde_json::from_value(self.settings.clone()).ok()
    }

    /// Checks the settings and configures a source or a sink. Touches nothing outside.
    ///
    /// # Errors
    /// Everything that is wrong with the settings; or there is no such connector.
    pub fn configure<K: Kind>(&self) -> std::result::Result<K, Vec<Problem>> {
        match Entry::<K>::find(&self.name) {
            Some(entry) => (entry.configure)(self.settings.clone(), &self.base),
            None => Err(vec![Problem::of_settings(format!("there is no {} `{}`", K::WORD, self.name))]),
        }
    }

    /// Configures a source, as [`Connector::configure`] does, with one error for all problems. Problems of the outside world (a
    /// file is missing) show in [`Source::splits`].
    pub fn source(&self) -> Result<Box<dyn Source>> {
        self.configured::<ConfiguredSource>().map(|configured| configured.source)
    }

    /// Returns what a source touches outside.
    ///
    /// # Errors
    /// As [`Connector::source`].
    pub fn touched_by_source(&self) -> Result<Touches> {
        self.configured::<ConfiguredSource>().map(|configured| configured.touches)
    }

    /// Configures a sink, as [`Connector::configure`] does, with one error for all problems.
    pub fn sink(&self) -> Result<ConfiguredSink> {
        self.configured()
    }

    /// Opens the sink for rows of this schema. Nothing outside is changed before [`SinkWriter::start`].
    pub fn open_sink(&self, schema: &Schema, boundedness: Boundedness) -> Result<Box<dyn SinkWriter>> {
        let policy = self.policy.clone().map(Arc::new);
        (self.sink()?.open)(schema, boundedness, policy.as_ref())
    }

    fn configured<K: Kind>(&self) -> Result<K> {
        self.configure().map_err(|wrong| Error::from(SettingsError(problem::listed(&wrong))))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array};

    use super::*;
    use crate::settings::{Blackhole, FileSink, FileSource, Tap};
    use crate::sink::Begin;
    use flowgate_base::schema::{DataType, Field};

    #[test]
    fn sinks_by_their_settings() {
        let folder = tempfile::tempdir().unwrap();
        let schema = Schema::new(vec![Field::new("n", DataType::Int64)]);
        let columns: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![1, 2]))];
        let file = FileSink::to("out.csv");
        for connector in [Connector::new(&file, folder.path()), Connector::new(&Blackhole {}, "/")] {
            let mut sink = connector.open_sink(&schema, Boundedness::Bounded).unwrap();
            sink.start(&Arc::default(), Begin::WithoutCheckpoints).unwrap();
            sink.write(&columns, 2).unwrap();
            let prepared = sink.prepare(true).unwrap();
            sink.commit(prepared.as_slice()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(folder.path().join("out.csv")).unwrap(), "n\n1\n2\n");
    }

    #[test]
    fn settings_are_judged_without_the_disk() {
        let file = |settings: serde_json::Value| Connector {
            name: "file".into(),
            settings,
            base: "/nowhere".into(),
            policy: None,
        };
        let schema = |settings| file(settings).source().unwrap().schema().to_string();
        assert_eq!(schema(serde_json::json!({ "path": "no/such.log" })), "text: text");
        let columns = serde_json::json!({ "t": "timestamp", "size": "int64?" });
        let csv = serde_json::json!({ "path": "x", "format": "csv", "columns": columns });
        assert_eq!(schema(csv), "t: timestamp, size: int64?");
        let error = file(serde_json::json!({ "path": "", "format": "json" })).source().err().unwrap();
        assert_eq!(error.message.lines().count(), 2);
    }

    #[test]
    fn a_connector_survives_the_way_to_another_process() {
        let connector = Connector::new(&FileSource::csv("a.csv", [("b", "int64"), ("a", "text")]), "/base");
        let text = serde_json::to_string(&connector).unwrap();
        let back: Connector = serde_json::from_str(&text).unwrap();
        assert_eq!(back, connector);
        // The order of columns is part of the settings.
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert_eq!(back.settings_of::<FileSource>().unwrap().path, "a.csv");
        assert!(back.settings_of::<Tap>().is_none());
    }

    #[test]
    fn a_connector_that_is_not_there_is_a_problem() {
        let unknown =
            Connector { name: "kafka".into(), settings: serde_json::json!({}), base: "/".into(), policy: None };
        assert_eq!(unknown.source().err().unwrap().message, "there is no source `kafka`");
        assert_eq!(unknown.sink().err().unwrap().message, "there is no sink `kafka`");
    }
}
