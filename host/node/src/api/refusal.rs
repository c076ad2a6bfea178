//! Problems as responses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flowgate_api::Problem;
use flowgate_api::problem::{Code, MEDIA_TYPE};
use flowgate_base::error::{Error, Fault};
use flowgate_base::secret;
use flowgate_worker::spawn::CheckError;

use super::metrics::QuotaHit;
use crate::catalog::CatalogError;
use crate::log;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Box<Problem>,
    /// Seconds after which it may be tried again.
    retry_after_s: Option<u64>,
    /// The quota that is used up.
    quota: Option<String>,
    /// The methods that the path has, where the request's is none of them.
    allow: Option<String>,
}

/// What a handler returns.
pub(crate) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// Creates a refusal. The paths of the node's own folders are not in it.
    pub(crate) fn new(code: Code, detail: impl AsRef<str>) -> Refusal {
        let detail = secret::conceal(detail.as_ref()).into_owned();
        Refusal { problem: Box::new(Problem::new(code, detail)), retry_after_s: None, quota: None, allow: None }
    }

    pub(crate) fn not_found(what: &str) -> Refusal {
        Problem::not_found(what).into()
    }

    /// The path has other methods (RFC 9110, 15.5.6).
    pub(crate) fn no_such_method(allow: String) -> Refusal {
        let refusal = Refusal::new(Code::MethodNotAllowed, format!("the path has the methods {allow}"));
        Refusal { allow: Some(allow), ..refusal }
    }

    /// A quota is used up.
    pub(crate) fn quota(name: &str, limit: impl std::fmt::Display, what: &str) -> Refusal {
        let refusal = Refusal::new(Code::Quota, format!("the tenant's quota `{name}` is {limit}: {what}"));
        Refusal { quota: Some(name.into()), ..refusal }
    }

    /// It may be tried again after some seconds.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u64) -> Refusal {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// The same without a text.
    pub(crate) fn without(mut self, text: &str) -> Refusal {
        self.problem.detail = self.problem.detail.replace(text, "");
        self
    }

    /// Its kind, in words.
    pub(crate) fn title(&self) -> &'static str {
        self.problem.code.about().1
    }

    /// What is wrong, for an operation that keeps it.
    pub(crate) fn into_problem(self) -> Problem {
        *self.problem
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal { problem: Box::new(problem), retry_after_s: None, quota: None, allow: None }
    }
}

/// What the catalog says is for the node's log: it may name files.
impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        log::error(&error.to_string());
        Refusal::new(Code::Internal, "the catalog cannot be used; the node's log says why")
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error.fault() {
            Fault::User => Refusal::new(Code::Invalid, error.message),
            Fault::External => Refusal::new(Code::Unavailable, error.message),
            Fault::Internal => {
                log::error(&error.to_string());
                Refusal::new(Code::Internal, "the node's log says what went wrong")
            }
        }
    }
}

/// A job was not checked, or a component not inspected.
impl From<CheckError> for Refusal {
    fn from(error: CheckError) -> Self {
        let code = match &error {
            CheckError::Failed(failure) if failure.fault != flowgate_control::status::Fault::User => Code::Unavailable,
            CheckError::Failed(_) | CheckError::TooLong(_) => Code::Invalid,
            CheckError::Io(_) | CheckError::Gone(_) => Code::Unavailable,
        };
        Refusal::new(code, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(quota) = self.quota {
            response.extensions_mut().insert(QuotaHit(quota));
        }
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
