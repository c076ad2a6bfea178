//! The spans, with all that they have.

use axum::http::Method;
use flowgate_api::job::JobError;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::Cause;

/// Returns the span of a request. `cause` is the client's.
pub(crate) fn request(method: &Method, route: &str, tenant: Option<&str>, cause: &Cause) -> Span {
    let span = info_span!(
        parent: None,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
        flowgate.tenant = tenant,
    );
    cause.leads_to(&span);
    span
}

/// Notes the status of a response.
pub(crate) fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", i64::from(status));
    // Those of clients are no error of the node (the semantic conventions of HTTP).
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// Returns the span of a long operation.
pub(crate) fn operation(kind: &str, tenant: &str, job: Option<&str>, cause: &Cause) -> Span {
    let span = info_span!(
        parent: None,
        "operation",
        otel.name = kind,
        otel.status_code = Empty,
        flowgate.tenant = tenant,
        flowgate.job = job,
        flowgate.code = Empty,
    );
    cause.leads_to(&span);
    span
}

/// Returns the span of something that happens to a job, named `what`: it may last longer than what has caused it.
pub(crate) fn of_job(what: &str, (tenant, job): (&str, &str), attempt: u64, cause: &Cause) -> Span {
    let span = info_span!(
        parent: None,
        "job",
        otel.name = what,
        otel.status_code = Empty,
        flowgate.tenant = tenant,
        flowgate.job = job,
        flowgate.attempt = i64::try_from(attempt).unwrap_or(i64::MAX),
        flowgate.code = Empty,
    );
    cause.leads_to(&span);
    span
}

/// Returns the span of a step of what goes on here.
pub(crate) fn step(what: &str, tenant: &str) -> Span {
    info_span!("step", otel.name = what, flowgate.tenant = tenant)
}

/// Notes that something has failed, by its code.
pub(crate) fn failed(span: &Span, code: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("flowgate.code", code);
}

/// Notes why a job has ended.
pub(crate) fn ended(span: &Span, error: Option<&JobError>) {
    if let Some(error) = error {
        failed(span, &error.code);
    }
}
