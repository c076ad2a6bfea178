//! Where traces go.

use std::collections::BTreeMap;

use flowgate::job::problem::{At, Problem};
use flowgate_connect::touches::Target;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::traces::{BUILT_IN, Destination};

/// Traces of control operations, by OTLP over HTTP. Only a program with the feature `otel` exports them.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// The address of the receiver, with its path: `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Headers of the requests to it, such as `Authorization`. `${NAME}` keeps a secret out of the file.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// No value of a header is shown.
impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.destination().fmt(f)
    }
}

impl Traces {
    pub(super) fn problems(&self, at: &At, problems: &mut Vec<Problem>) {
        if !BUILT_IN {
            let problem = Problem::error(at.clone(), "this program was built without traces");
            problems.push(
                problem
                    .on_key()
                    .help("build it with the feature `otel`: `cargo build -p flowgate-cli --features otel`"),
            );
        }
        let is_http = self.endpoint.starts_with("http://") || self.endpoint.starts_with("https://");
        if !is_http || Target::of_url(&self.endpoint).is_none() {
            let message = "expected an address such as http://127.0.0.1:4318/v1/traces";
            problems.push(Problem::error(at.field("endpoint"), message));
        }
        // RFC 9110, 5.6.2 and 5.5.
        let is_token =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let is_value = |value: &str| value.bytes().all(|b| (0x20..0x7f).contains(&b));
        for (name, _) in self.headers.iter().filter(|(name, value)| !is_token(name) || !is_value(value)) {
            problems.push(Problem::error(at.field("headers").field(name), "this is no header of HTTP"));
        }
    }

    pub(super) fn destination(&self) -> Destination {
        Destination { endpoint: self.endpoint.clone(), headers: self.headers.clone().into_iter().collect() }
    }

    /// Returns them as a file has them, without the values of headers.
    pub(super) fn in_force(&self) -> serde_json::Value {
        let names: BTreeMap<&str, &str> = self.headers.keys().map(|name| (name.as_str(), "(not shown)")).collect();
        serde_json::json!({ "endpoint": self.endpoint, "headers": names })
    }
}
