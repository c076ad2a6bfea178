//! What a job file says about the `webhook` sink.

use std::path::Path;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Endpoint, WebhookSink};
use crate::entry::ConnectorSettings;
use crate::guarantee::Guarantee;
use crate::problem::Problem;
use crate::settings::OnError;
use crate::sink::{ConfiguredSink, Writers, Writes};
use crate::touches::Touches;
use flowgate_base::quantity::Millis;

/// Posts rows to a URL over HTTP.
///
/// What is answered with a status of 2xx is delivered. A connection that fails and the statuses 408, 429 and 5xx are tried
/// again; a row may arrive twice where the answer to the first request was lost. Redirects are not followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// An http or https URL. A name and a password in it (`https://name:password@host/`) are sent as basic authentication.
    pub url: String,
    /// How rows stand in a request. Default: lines.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Maximum rows in a request. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows: Option<u32>,
    /// Further headers of the requests, as `{ Authorization: "Bearer ${TOKEN}" }`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
    /// How often a request is tried again. A job that is stopped gives up after 5s. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Before the first further attempt; doubled for each one after it, up to 30s. A longer `Retry-After` of the server, up
    /// to 1m, counts instead. Default: 200ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Millis>,
    /// How long one attempt may take. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
    /// What happens when a request is refused, or all attempts have failed: the job fails, or the request's rows are counted
    /// and dropped. Default: fail.
    #[serde(default = "fail")]
    pub on_error: OnError,
}

/// How rows stand in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// One JSON object a line (`application/x-ndjson`).
    #[default]
    Lines,
    /// One JSON array of objects (`application/json`).
    Array,
}

fn fail() -> OnError {
    OnError::Fail
}

impl Webhook {
    /// Creates settings that post rows to a URL.
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

    /// Adds a header to the requests.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Webhook {
        self.headers.insert(name.into(), value.into());
        self
    }
}

impl ConnectorSettings for Webhook {
    type Configured = ConfiguredSink;
    const NAME: &'static str = "webhook";
    const SUMMARY: &'static str = "Posts rows to a URL.";
    const EXAMPLE: &'static str = "{ url: https://example.com/hook }";
    const GUARANTEE: Guarantee = Guarantee::AtLeastOnce;

    fn configure(self, _base: &Path) -> Result<ConfiguredSink, Vec<Problem>> {
        let endpoint = Endpoint::new(&self)?;
        Ok(ConfiguredSink {
            description: format!("webhook {}", shown_url(&self.url)),
            writes: Writes::Nothing,
            touches: Touches::url(&self.url),
            // Rows are delivered in their order.
            guarantee: Self::GUARANTEE,
            writers: Writers::One,
            open: Box::new(move |schema, _, policy| Ok(Box::new(WebhookSink::new(endpoint, schema, policy)))),
        })
    }
}

/// Returns a URL without name, password, query and fragment, which may be secret.
pub fn shown_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (scheme, rest) = url[..end].split_once("://").map_or(("", &url[..end]), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let mark = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{mark}{host}{path}")
}
