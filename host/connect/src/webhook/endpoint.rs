//! The checked target and settings of requests.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use ureq::unversioned::transport::DefaultConnector;

use crate::limits;
use crate::policy::{Guard, Policy};
use crate::problem::Problem;
use crate::settings::{OnError, Webhook, WebhookFormat, shown_url};
use flowgate_base::quantity::Millis;

/// A checked webhook.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(super) url: String,
    /// The URL without its secret parts.
    pub(super) shown: String,
    pub(super) format: WebhookFormat,
    pub(super) batch_rows: usize,
    pub(super) headers: HeaderMap,
    pub(super) attempts: u32,
    pub(super) backoff_ms: i64,
    pub(super) timeout: Duration,
    pub(super) on_error: OnError,
    is_local: bool,
}

impl Endpoint {
    /// Creates the endpoint of a spec; the error lists all problems. Opens no connection.
    pub(crate) fn new(spec: &Webhook) -> Result<Self, Vec<Problem>> {
        let mut wrong = Vec::new();
        let is_local = match check_url(&spec.url) {
            Ok(uri) => is_local(&uri),
            Err(what) => {
                wrong.push(Problem::of("url", what));
                false
            }
        };
        let headers = check_headers(spec, &mut wrong);
        let batch_rows = spec.batch_rows.unwrap_or(limits::WEBHOOK_BATCH_ROWS_DEFAULT);
        if batch_rows == 0 || batch_rows > limits::BATCH_ROWS_MAX {
            let message = format!("`batch_rows` is {batch_rows}; it must be between 1 and {}", limits::BATCH_ROWS_MAX);
            wrong.push(Problem::of("batch_rows", message));
        }
        let retries = spec.retries.unwrap_or(limits::WEBHOOK_RETRIES_DEFAULT);
        if retries > limits::WEBHOOK_RETRIES_MAX {
            let message = format!("`retries` is {retries}; it must be at most {}", limits::WEBHOOK_RETRIES_MAX);
            wrong.push(Problem::of("retries", message));
        }
        let mut duration = |name: &str, value: Option<Millis>, default: i64| {
            let ms = value.map_or(default, |value| value.0);
            if ms == 0 {
                wrong.push(Problem::of(name, format!("`{name}` must be greater than 0")));
            }
            ms
        };
        let backoff_ms = duration("backoff", spec.backoff, limits::WEBHOOK_BACKOFF_MS_DEFAULT);
        let timeout_ms = duration("timeout", spec.timeout, limits::WEBHOOK_TIMEOUT_MS_DEFAULT);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Endpoint {
            url: spec.url.clone(),
            shown: shown_url(&spec.url),
            format: spec.format,
            batch_rows: batch_rows as usize,
            headers,
            attempts: retries + 1,
            backoff_ms,
            timeout: Duration::from_millis(timeout_ms.unsigned_abs()),
            on_error: spec.on_error,
            is_local,
        })
    }

    /// Returns the client of the requests, which connects to what the policy grants alone.
    pub(super) fn agent(&self, policy: Option<&Arc<Policy>>) -> Agent {
        let config = Agent::config_builder()
            .timeout_global(Some(self.timeout))
            .http_status_as_error(false)
            // A redirected POST would become a GET, or take the rows and headers to another host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("flowgate/", env!("CARGO_PKG_VERSION")));
        // A proxy cannot reach what is on this machine, and would resolve names that are judged here.
        let config = if self.is_local || policy.is_some() { config.proxy(None) } else { config };
        match policy {
            Some(policy) => Agent::with_parts(config.build(), DefaultConnector::default(), Guard::new(policy)),
            None => config.build().into(),
        }
    }

    /// Returns the wait before attempt `attempt` (1 is the second), in milliseconds; `asked_ms` is what the server requested.
    pub(super) fn wait_ms(&self, attempt: u32, asked_ms: Option<i64>) -> i64 {
        let doubled = 2i64.checked_pow(attempt - 1).and_then(|factor| self.backoff_ms.checked_mul(factor));
        let own = doubled.unwrap_or(i64::MAX).min(limits::WEBHOOK_BACKOFF_MS_MAX);
        own.max(asked_ms.unwrap_or(0).min(limits::WEBHOOK_RETRY_AFTER_MS_MAX))
    }
}

/// Whether the host is this machine.
fn is_local(uri: &Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn check_url(url: &str) -> Result<Uri, String> {
    let like = "it must be like https://example.com/hook";
    if url.is_empty() {
        return Err(format!("`url` is empty; {like}"));
    }
    let shown = shown_url(url);
    let uri: Uri = url.parse().map_err(|e| format!("`url` is `{shown}`, which is no URL ({e}); {like}"))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        Some("http" | "https") => Err(format!("`url` is `{shown}`, which has no host; {like}")),
        Some(scheme) => Err(format!("`url` has the scheme `{scheme}`; it must be http or https")),
        None => Err(format!("`url` is `{shown}`, which has no scheme; {like}")),
    }
}

fn check_headers(spec: &Webhook, wrong: &mut Vec<Problem>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let content_type = match spec.format {
        WebhookFormat::Lines => "application/x-ndjson",
        WebhookFormat::Array => "application/json",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in &spec.headers {
        let mut problem = |message: String| wrong.push(Problem::of_entry("headers", name, message));
        let Ok(parsed) = name.parse::<HeaderName>() else {
            problem(format!("`headers` has `{name}`, which cannot be the name of a header"));
            continue;
        };
        if [header::CONTENT_LENGTH, header::HOST, header::TRANSFER_ENCODING, header::CONNECTION].contains(&parsed) {
            problem(format!("`headers` has `{name}`, which is set for each request"));
        }
        // The value may be a secret: it is not shown.
        match HeaderValue::from_str(value) {
            Ok(value) => drop(headers.insert(parsed, value)),
            Err(_) => problem(format!(
                "`headers` has a value of `{name}` that cannot be sent: line ends and other control characters are not allowed"
            )),
        }
    }
    headers
}
