//! Sinks.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::connectors::{self, Connectors};
use flowgate_connect::Connector;
use flowgate_connect::entry::ConnectorSettings;
use flowgate_connect::sink::ConfiguredSink;

/// A sink: an input and exactly one connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sink {
    /// A source or an operator, or a side output of one.
    pub input: String,
    /// The connector's settings, by its name.
    #[serde(flatten, deserialize_with = "connectors::read::<_, ConfiguredSink>")]
    pub connectors: Connectors,
}

impl Sink {
    /// Returns the names of the fields that are connectors.
    pub fn connector_names() -> impl Iterator<Item = &'static str> {
        connectors::names::<ConfiguredSink>()
    }
}

/// Creates a sink that has no input yet.
impl<S: ConnectorSettings<Configured = ConfiguredSink>> From<S> for Sink {
    fn from(settings: S) -> Sink {
        let connector = Connector::new(&settings, "");
        Sink { input: String::new(), connectors: [(connector.name, connector.settings)].into() }
    }
}

impl JsonSchema for Sink {
    fn schema_name() -> Cow<'static, str> {
        "Sink".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        let input = "A source or an operator, or a side output of one.";
        properties.insert("input".into(), json!({ "type": "string", "description": input }));
        properties.extend(connectors::properties::<ConfiguredSink>(generator));
        let names = connectors::listed::<ConfiguredSink>("or", |entry| format!("`{}`", entry.name));
        let description = format!("A sink: an input and exactly one connector ({names}).");
        connectors::object(description, properties, &["input"])
    }
}
