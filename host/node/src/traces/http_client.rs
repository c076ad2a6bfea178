//! Requests to the receiver of traces.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::limits::{EXPORT_ANSWER_BYTES_MAX, EXPORT_WITHIN};
use crate::log;

/// A client that blocks its thread, which is the one that exports.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    /// Whether the last request failed: a receiver that is away is said once.
    fails: AtomicBool,
}

impl Client {
    pub(super) fn new(endpoint: &str) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(EXPORT_WITHIN))
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .user_agent(concat!("flowgate/", env!("CARGO_PKG_VERSION")))
            .build();
        Client { agent: config.into(), endpoint: endpoint.into(), fails: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.agent.run(request.map(|body| body.to_vec()));
        let why = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        let failed_before = self.fails.swap(why.is_some(), Relaxed);
        match why {
            Some(why) if !failed_before => {
                log::warning(&format!("traces do not reach {}, and are lost: {why}", self.endpoint));
            }
            None if failed_before => log::info(&format!("traces reach {} again", self.endpoint)),
            _ => {}
        }
        let (head, mut body) = sent?.into_parts();
        let body = body.with_config().limit(EXPORT_ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

impl HttpClient for Client {
    // What `#[async_trait]` would make of `async fn send_bytes`.
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move { self.send(request) })
    }
}
