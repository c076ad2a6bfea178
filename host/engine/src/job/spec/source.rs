//! Sources, and the event time of a stream.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::connectors::{self, Connectors};
use flowgate_base::quantity::Millis;
use flowgate_connect::Connector;
use flowgate_connect::entry::ConnectorSettings;
use flowgate_connect::source::ConfiguredSource;

/// A source: exactly one connector, and the event time of its rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Source {
    /// The connector's settings, by its name.
    #[serde(flatten, deserialize_with = "connectors::read::<_, ConfiguredSource>")]
    pub connectors: Connectors,
    /// The event time of its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

impl Source {
    /// Returns the names of the fields that are connectors.
    pub fn connector_names() -> impl Iterator<Item = &'static str> {
        connectors::names::<ConfiguredSource>()
    }
}

impl<S: ConnectorSettings<Configured = ConfiguredSource>> From<S> for Source {
    fn from(settings: S) -> Source {
        let connector = Connector::new(&settings, "");
        Source { connectors: [(connector.name, connector.settings)].into(), event_time: None }
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = connectors::properties::<ConfiguredSource>(generator);
        let mut event_time = generator.subschema_for::<Option<EventTime>>();
        event_time.insert("description".into(), "The event time of its rows.".into());
        properties.insert("event_time".into(), event_time.to_value());
        let names = connectors::listed::<ConfiguredSource>("or", |entry| format!("`{}`", entry.name));
        connectors::object(format!("A source: exactly one connector ({names})."), properties, &[])
    }
}

/// The event time of a stream, and its watermarks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTime {
    /// A timestamp column.
    pub column: String,
    /// The time by which a row may be behind the greatest event time seen; the watermark lags by it. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_out_of_orderness: Option<Millis>,
    /// The time without rows after which a stream's part on one worker no longer holds the watermark back. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_after: Option<Millis>,
}
