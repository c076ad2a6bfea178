//! Requests to a node: the token, JSON, the answer or why there is none.
//!
//! Redirects are not followed, so that the token goes to no other host. A request that the node refuses because there were too many
//! is made again after the time that it names, and a message says so. No other request is repeated: it may have had its effect.

use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use flowgate_api::problem::Code;
use flowgate_api::{Page, Problem};
use flowgate_base::error::{Error, Result};

use super::error::{NodeError, of_problem};
use super::{address, limits};
use crate::error::CommandError;
use crate::terminal;

/// A client of one node.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    /// What every request has as `Authorization`.
    authorization: String,
}

/// An answer, and whether it is new: `201`.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(super) value: T,
    pub(super) is_new: bool,
}

/// What a request sends.
enum Sent {
    Nothing,
    Json(Vec<u8>),
    Component(Vec<u8>),
}

impl Client {
    /// Creates the client of a node: of a checked address.
    ///
    /// # Errors
    /// The certificates cannot be read, or the token is no text for a header.
    pub(crate) fn new(url: &str, token: &str, ca: Option<&Path>) -> Result<Client> {
        let is_token = |c: char| c.is_ascii_graphic();
        if token.is_empty() || !token.chars().all(is_token) {
            let message = "the token is empty, or has characters that no token has; tokens begin with `fg_`";
            return Err(NodeError::Token(message.into()).into());
        }
        let roots = match ca {
            None => RootCerts::PlatformVerifier,
            Some(file) => RootCerts::new_with_certs(&certificates(file)?),
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(limits::CONNECT_WITHIN))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(concat!("flowgate/", env!("CARGO_PKG_VERSION")));
        // A proxy cannot reach what is on this machine.
        let config = if address::is_local(url) { config.proxy(None) } else { config };
        Ok(Client { agent: config.build().into(), url: url.into(), authorization: format!("Bearer {token}") })
    }

    /// Returns the address of the node.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns what is at a path.
    ///
    /// # Errors
    /// The node does not answer, or refuses.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.json(Method::GET, path, &Sent::Nothing, limits::ANSWER_WITHIN).map(|answer| answer.value)
    }

    /// Returns the entries of a list, `most` of them at most.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub(crate) fn list<T: DeserializeOwned>(&self, path: &str, most: usize) -> Result<Vec<T>> {
        let mut items: Vec<T> = Vec::new();
        let mut after = None;
        while items.len() < most {
            let limit = (most - items.len()).min(limits::PAGE_ENTRIES);
            let page = address::query(path, &[("limit", Some(limit.to_string())), ("after", after.clone())]);
            let page: Page<T> = self.get(&page)?;
            // A list whose end does not come is one that the node gets wrong.
            let ends = page.items.is_empty() || page.next.is_none() || page.next == after;
            items.extend(page.items);
            if ends {
                break;
            }
            after = page.next;
        }
        items.truncate(most);
        Ok(items)
    }

    /// Requests something that may take a while.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub(crate) fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<Answer<T>> {
        self.json(Method::POST, path, &as_json(body)?, limits::WORK_WITHIN)
    }

    /// Puts something in the place of what is there.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub(crate) fn put<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        self.json(Method::PUT, path, &as_json(body)?, limits::WORK_WITHIN).map(|answer| answer.value)
    }

    /// Puts something in the place of what is there; the answer has nothing.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub(crate) fn set<B: Serialize>(&self, path: &str, body: &B) -> Result<()> {
        self.send(Method::PUT, path, &as_json(body)?, Some(limits::ANSWER_WITHIN)).map(drop)
    }

    /// Changes what is there.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub(crate) fn patch<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        self.json(Method::PATCH, path, &as_json(body)?, limits::ANSWER_WITHIN).map(|answer| answer.value)
    }

    /// Deletes what is there.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        self.send(Method::DELETE, path, &Sent::Nothing, Some(limits::ANSWER_WITHIN)).map(drop)
    }

    /// Sends a component.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub(crate) fn push<T: DeserializeOwned>(&self, path: &str, component: Vec<u8>) -> Result<Answer<T>> {
        self.json(Method::POST, path, &Sent::Component(component), limits::WORK_WITHIN)
    }

    /// Opens a stream, which has no end of its own.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub(crate) fn stream(&self, path: &str) -> Result<BufReader<impl Read + use<>>> {
        let response = self.send(Method::GET, path, &Sent::Nothing, None)?;
        // Its events are bounded one by one.
        Ok(BufReader::new(response.into_body().into_with_config().limit(u64::MAX).reader()))
    }

    fn json<T: DeserializeOwned>(&self, how: Method, path: &str, sent: &Sent, within: Duration) -> Result<Answer<T>> {
        let response = self.send(how, path, sent, Some(within))?;
        let is_new = response.status() == 201;
        let bytes = self.body(response)?;
        let value = serde_json::from_slice(&bytes).map_err(|e| self.no_answer(&e.to_string()))?;
        Ok(Answer { value, is_new })
    }

    /// Sends a request, and returns the response if it is a good one.
    fn send(&self, how: Method, path: &str, sent: &Sent, within: Option<Duration>) -> Result<Response<Body>> {
        for attempt in 0.. {
            let response = self.send_once(&how, path, sent, within)?;
            if response.status().is_success() {
                return Ok(response);
            }
            let wait_s = retry_after_s(&response);
            let error = self.refusal(response);
            let Some(wait_s) = wait_s.filter(|_| attempt < limits::TRIES_MAX) else { return Err(error) };
            let seconds = if wait_s == 1 { "second" } else { "seconds" };
            terminal::message(&format!("{}; tried again in {wait_s} {seconds}\n", error.message));
            std::thread::sleep(Duration::from_secs(wait_s));
        }
        // The loop ends at the last try.
        Err(Error::internal("a request was tried without end"))
    }

    fn send_once(&self, how: &Method, path: &str, sent: &Sent, within: Option<Duration>) -> Result<Response<Body>> {
        let request = Request::builder()
            .method(how.clone())
            .uri(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::ACCEPT, if within.is_some() { "application/json" } else { "text/event-stream" });
        let built = |e: ureq::http::Error| Error::internal(format!("a request to {path}: {e}"));
        let answered = match sent {
            Sent::Nothing => self.run(request.body(()).map_err(built)?, within),
            Sent::Json(bytes) => {
                let request = request.header(header::CONTENT_TYPE, "application/json");
                self.run(request.body(bytes.as_slice()).map_err(built)?, within)
            }
            Sent::Component(bytes) => {
                let request = request.header(header::CONTENT_TYPE, "application/wasm");
                self.run(request.body(bytes.as_slice()).map_err(built)?, within)
            }
        };
        answered.map_err(|error| self.silent(&error))
    }

    fn run(
        &self,
        request: Request<impl ureq::AsSendBody>,
        within: Option<Duration>,
    ) -> std::result::Result<Response<Body>, ureq::Error> {
        let configured = self.agent.configure_request(request).timeout_global(within);
        // Without a time for all of it, the beginning of the answer has one.
        let configured = configured.timeout_recv_response(Some(within.unwrap_or(limits::ANSWER_WITHIN)));
        self.agent.run(configured.build())
    }

    fn body(&self, response: Response<Body>) -> Result<Vec<u8>> {
        let read = response.into_body().into_with_config().limit(limits::ANSWER_BYTES_MAX).read_to_vec();
        read.map_err(|error| self.silent(&error))
    }

    /// Returns the error of a response that is no good one.
    fn refusal(&self, response: Response<Body>) -> Error {
        let status = response.status();
        let bytes = match self.body(response) {
            Ok(bytes) => bytes,
            Err(error) => return error,
        };
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => of_problem(&self.url, &problem),
            // A proxy, or no node at all.
            Err(_) if status == 401 => of_problem(&self.url, &Problem::new(Code::Unauthorized, "a token is needed")),
            Err(_) if matches!(status.as_u16(), 429 | 502 | 503 | 504) => NodeError::NotNow(format!(
                "{} answers {status}, and not as a node does; is it behind a proxy?",
                self.url
            ))
            .into(),
            Err(_) => self.no_answer(&format!("status {status}")),
        }
    }

    fn no_answer(&self, what: &str) -> Error {
        let message =
            format!("{} does not answer as a node of this version does: {what}; is it a Flowgate node?", self.url);
        NodeError::Answer(message).into()
    }

    /// Returns the error of an answer that does not arrive.
    fn silent(&self, error: &ureq::Error) -> Error {
        let url = &self.url;
        let message = match error {
            ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                format!("no node listens at {url}; is it started, with `flowgate serve`?")
            }
            ureq::Error::Timeout(_) => {
                format!("{url} does not answer in time ({error}); the request may still have its effect")
            }
            ureq::Error::HostNotFound => format!("the host of {url} is not found"),
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
                format!(
                    "{url} has no certificate that is trusted here: {error}; `flowgate login {url} --ca FILE` names who signs it"
                )
            }
            ureq::Error::BodyExceedsLimit(most) => {
                return self.no_answer(&format!("its answer has more than {most} bytes"));
            }
            error => format!("the answer of {url} does not arrive: {error}"),
        };
        NodeError::Silent(message).into()
    }
}

fn as_json(body: &impl Serialize) -> Result<Sent> {
    serde_json::to_vec(body).map(Sent::Json).map_err(|e| Error::internal(e.to_string()))
}

/// Returns the seconds after which a request that was one too many may be made again.
fn retry_after_s(response: &Response<Body>) -> Option<u64> {
    if response.status() != 429 {
        return None;
    }
    let named = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Some(named.unwrap_or(1)).filter(|seconds| *seconds <= limits::RETRY_AFTER_S_MAX)
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|e| Error::io(format_args!("cannot read the certificates {shown}"), &e))?;
    let wrong = |what: &str| CommandError::Arguments(format!("{shown} has {what}; expected PEM"));
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| wrong(&format!("something else: {e}")))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(wrong("no certificate").into());
    }
    Ok(certificates)
}
