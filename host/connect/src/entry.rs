//! How a connector registers.

use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::guarantee::Guarantee;
use crate::problem::Problem;

/// A kind of connector: its configured form is [`ConfiguredSource`](crate::source::ConfiguredSource) or
/// [`ConfiguredSink`](crate::sink::ConfiguredSink).
pub trait Kind: Sized + 'static {
    /// The word for the kind: `source` or `sink`.
    const WORD: &'static str;
    /// The connectors that a job file can name, in the order of the documentation.
    const LISTED: &'static [Entry<Self>];
    /// The connectors that only Flowgate itself puts into a job.
    const UNLISTED: &'static [Entry<Self>];
}

/// The settings of a connector, and what follows from them. A job file has them under the connector's name.
///
/// Serialised settings have every default filled in: settings that are read back equal those that were written.
pub trait ConnectorSettings: Serialize + DeserializeOwned + JsonSchema {
    /// The type of the configured connector: a source or a sink.
    type Configured: Kind;
    /// Its name in job files: a field of a source or a sink. Unique among those of its kind, and never changed.
    const NAME: &'static str;
    /// A sentence about what it does: the description of the field in the JSON Schema.
    const SUMMARY: &'static str;
    /// A short example of settings in a job file: shown where a connector is missing.
    const EXAMPLE: &'static str;
    /// What it guarantees in a job with checkpoints, unless a case of [`ConnectorSettings::GUARANTEE_CASES`] applies.
    const GUARANTEE: Guarantee;
    /// Cases with another guarantee, each in a few words.
    const GUARANTEE_CASES: &'static [(&'static str, Guarantee)] = &[];

    /// Checks the settings and configures the connector. Reads and changes nothing outside: no disk, no network. `base` is the
    /// folder of the job file, to which paths are relative.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    fn configure(self, base: &Path) -> Result<Self::Configured, Vec<Problem>>;
}

/// A connector in the registry.
#[derive(Debug)]
pub struct Entry<K> {
    /// [`ConnectorSettings::NAME`].
    pub name: &'static str,
    /// [`ConnectorSettings::SUMMARY`].
    pub summary: &'static str,
    /// [`ConnectorSettings::EXAMPLE`].
    pub example: &'static str,
    /// [`ConnectorSettings::GUARANTEE`].
    pub guarantee: Guarantee,
    /// [`ConnectorSettings::GUARANTEE_CASES`].
    pub guarantee_cases: &'static [(&'static str, Guarantee)],
    /// The JSON Schema of its settings, or `null`.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Fills in every default; the error says which field does not fit.
    pub complete: fn(Value) -> Result<Value, serde_json::Error>,
    /// [`ConnectorSettings::configure`].
    pub configure: fn(Value, &Path) -> Result<K, Vec<Problem>>,
}

impl<K: Kind> Entry<K> {
    /// Creates the entry of a connector.
    pub const fn of<S: ConnectorSettings<Configured = K>>() -> Entry<K> {
        Entry {
            name: S::NAME,
            summary: S::SUMMARY,
            example: S::EXAMPLE,
            guarantee: S::GUARANTEE,
            guarantee_cases: S::GUARANTEE_CASES,
            schema: |generator| generator.subschema_for::<Option<S>>(),
            complete: |settings| serde_json::to_value(serde_json::from_value::<S>(settings)?),
            configure: |settings, base| match serde_json::from_value::<S>(settings) {
                Ok(settings) => settings.configure(base),
                Err(error) => Err(vec![Problem::of_settings(error.to_string())]),
            },
        }
    }

    /// Finds the entry of this name, whether or not a job file can name it.
    pub fn find(name: &str) -> Option<&'static Entry<K>> {
        K::LISTED.iter().chain(K::UNLISTED).find(|entry| entry.name == name)
    }
}
