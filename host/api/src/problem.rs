//! Every error of the API, as `application/problem+json` (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The status of the response.
    pub status: u16,
    /// The kind of problem, for programs. It keeps its meaning.
    pub code: Code,
    /// The kind of problem, for people.
    pub title: String,
    /// What went wrong, and what would be right.
    pub detail: String,
}

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// There is no token, or it is not valid.
    Unauthorized,
    /// The token does not allow it.
    Forbidden,
    /// There is no such thing, or the token may not see it.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// It exists already, is in use, or is in a state in which that cannot be done.
    Conflict,
    /// The request cannot be read.
    BadRequest,
    /// What the request has is wrong: a job, a plugin, a name.
    Invalid,
    /// The body is larger than the route allows.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The body has another media type.
    UnsupportedMediaType,
    /// A quota of the tenant is used up.
    Quota,
    /// Too many requests.
    TooMany,
    /// The tenant's policy does not grant it.
    Policy,
    /// The job does not answer, or the node stops.
    Unavailable,
    /// The node ended while an operation went on.
    Interrupted,
    /// A mistake in Flowgate.
    Internal,
}

impl Code {
    /// Returns the status and the title.
    pub fn about(self) -> (u16, &'static str) {
        match self {
            Code::Unauthorized => (401, "a valid token is needed"),
            Code::Forbidden => (403, "the token does not allow this"),
            Code::NotFound => (404, "not found"),
            Code::MethodNotAllowed => (405, "no such method here"),
            Code::Conflict => (409, "a conflict with what is there"),
            Code::BadRequest => (400, "the request cannot be read"),
            Code::Invalid => (422, "not valid"),
            Code::TooLarge => (413, "too large"),
            Code::TooSlow => (408, "too slow"),
            Code::UnsupportedMediaType => (415, "another media type is needed"),
            Code::Quota => (403, "a quota is used up"),
            Code::TooMany => (429, "too many requests"),
            Code::Policy => (403, "the policy does not grant this"),
            Code::Unavailable => (503, "not possible now"),
            Code::Interrupted => (503, "the node ended meanwhile"),
            Code::Internal => (500, "a mistake in Flowgate"),
        }
    }
}

impl Problem {
    /// Creates a problem of this kind.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        let (status, title) = code.about();
        Problem { status, code, title: title.into(), detail: detail.into() }
    }

    /// The problem of something that is not there, or that must look so.
    pub fn not_found(what: &str) -> Problem {
        Problem::new(Code::NotFound, format!("there is no such {what}, or the token may not see it"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
